import numpy as np
import pandas as pd
import pytest

from experiments.words import samples

BOTH = ("random", "blocked", "unseen_city")


def cut(splits, city, block, aims=()):
    """Folds and reasons of photos of no drive."""
    return samples.folds_of(splits, aims, np.asarray(city, object), np.asarray(block), [""] * len(city))


def test_photos_to_probe_are_usable_drawn_by_city_with_all_of_rare_kinds():
    city, scene = np.repeat(["a", "b"], 100), np.where(np.arange(200) % 20 == 0, "park", "street")
    usable = np.arange(200) % 2 == 0
    here = samples.chosen(city, scene, usable, 20, seed=1)
    assert usable[here].all()
    assert set(np.flatnonzero(usable & (scene == "park"))) <= set(here)
    assert 40 <= len(here) <= 50
    with pytest.raises(ValueError, match="probed_per_city 0 must be a whole number of at least 1"):
        samples.chosen(city, scene, usable, 0)


def test_small_cities_are_not_probed_and_a_sample_of_none_is_no_crash():
    photos = pd.DataFrame(
        {"city": ["a"] * 40 + ["b"] * 4, "country": "", "sequence_id": "", "lat_deg": 0.0, "lon_deg": 0.0}
    )
    scene, ask = np.full(44, "photo"), {"planted": lambda rows: None, "block_size_m": 100.0, "splits": BOTH}
    assert samples.sample(photos, scene, np.ones(44, bool), 30, **ask).photos.index.max() < 40
    empty = samples.sample(photos, scene, (photos.city == "b").to_numpy(), 30, **ask)
    assert (len(empty.photos), empty.folds, len(empty.left_out)) == (0, {}, 2)


def test_a_city_is_asked_for_where_there_are_several_and_a_country_where_three_have_several():
    names = pd.DataFrame({"lat_deg": np.arange(6.0), "lon_deg": 0.0, "city": list("abcdef"), "country": list("xxyyzz")})
    assert list(samples.aims_of(names.assign(city="a", country=""))) == ["position"]
    aims = samples.aims_of(names, fields=np.ones((6, 3)))
    assert list(aims) == ["position", "fields", "city", "country"]
    assert aims["country"].argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]
    for country in ("xxyyyy", "xxyyzw", ["x", "x", "y", "y", "", ""]):  # two countries of two cities; one is unknown
        assert list(samples.aims_of(names.assign(country=list(country)))) == ["position", "city"]


@pytest.mark.parametrize(("split", "aim"), [("blocked", "position"), ("unseen_city", "fields")])
def test_whole_groups_are_held_out(split, aim):
    city, block = np.repeat(list("abcd"), 100), np.arange(400) // 10
    fold = cut([split], city, block, aims=[aim])[0][split]
    group = {"blocked": block, "unseen_city": city}[split]
    assert all(len(set(fold[group == own])) == 1 for own in np.unique(group))
    assert len(set(fold)) > 2


def test_drives_stay_together_and_photos_of_none_stand_alone():
    drive = np.array(["a"] * 10 + ["b"] * 10 + [""] * 30, dtype=object)
    fold = samples.folds_of(["other_drive"], [], np.zeros(50), np.zeros(50), drive)[0]["other_drive"]
    assert len(set(fold[:10])) == len(set(fold[10:20])) == 1
    assert len(set(fold[20:])) > 1


def test_splits_that_cannot_be_are_left_out_with_the_reason():
    city = np.repeat(["a", "b"], 300)
    folds, left_out = cut(BOTH, city, np.arange(600) // 10, aims=["fields"])
    assert list(folds) == ["random", "blocked"]
    assert "split unseen_city needs at least 3 groups that can be held out, there are 2" in left_out.reason[0]
    folds, left_out = cut(["blocked", "unseen_city"], city, np.where(city == "a", 1, np.arange(600)))
    assert folds == {}
    assert left_out.reason.tolist() == ["Not probed: split blocked leaves no photo of a to train a probe."]
    assert list(left_out) == list(samples.LEFT_OUT)
    assert "no probe is cut as 'diagonal': there are random, other_drive" in cut(["diagonal"], city, city)[1].reason[0]
