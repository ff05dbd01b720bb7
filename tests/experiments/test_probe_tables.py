import numpy as np
import pandas as pd
import pytest
from PIL import Image

from experiments.words import probe_tables
from experiments.words.probe_tables import Layers

BOTH = ("random", "blocked", "unseen_city")


def sample(city, splits, *, country="", fields=None, block=None):
    """A Sample of photos (n,) of some cities."""
    rng, n = np.random.default_rng(0), len(city)
    photos = pd.DataFrame({"lat_deg": rng.uniform(0, 0.02, n), "lon_deg": rng.uniform(0, 0.02, n), "city": city})
    photos = photos.assign(country=country, photo_id=np.arange(n).astype(str)).astype({"city": str})
    photos["lat_deg"] += 5.0 * pd.factorize(photos.city)[0]
    cell = (photos.lat_deg // 0.004 * 100 + photos.lon_deg // 0.004).astype(int).to_numpy()
    block = cell if block is None else block
    own, city = probe_tables.aims_of(photos, fields), photos.city.to_numpy(object)
    return probe_tables.Sample(photos, own, block, *probe_tables.folds_of(splits, own, city, block, [""] * n))


@pytest.fixture(scope="module")
def two_cities():
    """A Sample of two cities, and what probes read of it: (sample, towers, read, depth, squares)."""
    rng = np.random.default_rng(0)
    own = sample(np.repeat(["a", "b"], 300), ["random", "blocked"], fields=rng.normal(size=(600, 3)))
    holds = np.column_stack([own.aims["fields"], own.aims["position"]])
    good = Layers([[np.ones((600, 2)), holds]] * 2, ["0 mean", "1 mean"])
    towers = {"good": good, "none": Layers([[rng.normal(size=(600, 2))]], ["0 mean"])}
    return own, towers, *probe_tables.read(towers, own, replicates=20)


def test_what_is_read_has_a_row_for_each_tower_split_and_aim(two_cities):
    _, _, read, depth, squares = two_cities
    assert list(read.columns) == list(probe_tables.READ)
    assert list(depth.columns) == list(probe_tables.DEPTH)
    whole = read.set_index(["tower", "split", "aim"])
    assert whole.value["good", "blocked", "fields"] > 0.99
    assert whole.layer["good", "blocked", "position"] == "1 mean"
    assert abs(whole.value["none", "random", "fields"]) < 0.1
    assert whole.seeds["good", "random", "city"] == 2
    assert depth[(depth.tower == "good") & (depth.aim == "fields")].depth.tolist() == [0, 1, 0, 1]
    assert squares["good", "random", "position"].shape == (2, 2, 600)


def test_the_chosen_layer_is_looked_at_closer(two_cities):
    own, towers, read, *_ = two_cities
    split, features = probe_tables.shown_split(read), probe_tables.chosen_features(read, towers)
    assert split == "blocked"
    np.testing.assert_array_equal(features["position"], towers["good"].runs[0][1])
    needed = probe_tables.dimensions(features, own, split, [0.2, 1.0])  # one of five dimensions for each target
    assert needed.aim.tolist() == ["position"] * 2 + ["fields"] * 2
    assert needed.r2.min() > 0.9
    errors = probe_tables.errors(read, features, own)
    assert list(errors) == list(probe_tables.ERRORS)
    assert errors.error_m.median() < 100  # of a city of 2 km


def test_nothing_is_no_crash():
    own = sample([], ["random"])
    table, depth, squares = probe_tables.read({}, own)
    assert (len(table), len(depth), squares) == (0, 0, {})
    assert (probe_tables.shown_split(table), probe_tables.chosen_features(table, {})) == ("", {})
    made = [
        probe_tables.dimensions({}, own, "", [0.5]), probe_tables.directions({}, own), probe_tables.published({}, own),
        probe_tables.errors(table, {}, own),
    ]  # fmt: skip
    assert [len(table) for table in made] == [0] * 4
    assert list(made[0]) == list(probe_tables.DIMENSIONS)


def test_the_country_of_an_unseen_city_is_read_where_a_country_has_a_look():
    rng, city = np.random.default_rng(0), np.repeat(np.arange(9), 40)
    own = sample(city, ["unseen_city"], country=(city // 3).astype(str))
    looks = rng.normal(size=(3, 8))[city // 3] + 0.3 * rng.normal(size=(360, 8))
    towers = {
        name: Layers([[x]], ["0 mean"]) for name, x in {"sees": looks, "blind": rng.normal(size=(360, 8))}.items()
    }
    read, _, squares = probe_tables.read(towers, own, replicates=10)
    value = read.set_index("tower").value
    assert set(read.aim) == {"country"}
    assert value.sees > 0.95
    assert value.blind < 0.45  # below a third: the country of the held-out city is rarer among those that train
    assert squares == {}


@pytest.mark.filterwarnings("error")
def test_a_country_that_no_other_fold_holds_has_no_row():
    city = np.repeat(np.arange(6), 20)
    own = sample(city, [], country=(city // 2).astype(str))
    own.folds["unseen_city"] = city // 2  # the cities of a country together
    assert len(probe_tables.read({"t": Layers([[np.eye(6)[city]]], ["0 mean"])}, own, replicates=10)[0]) == 0


def test_directions_know_nothing_of_which_city_it_is():
    """A city's mean stands in one feature for all; within two cities another feature counts than within the others."""
    rng, n = np.random.default_rng(0), 1600
    city = np.repeat(["a", "b", "c", "d"], 400)
    mean, features = np.repeat([-3.0, -1.0, 1.0, 3.0], 400), rng.normal(size=(n, 6))
    target = mean + np.where(city < "c", features[:, 1], features[:, 2])
    features[:, 0] = mean
    own = sample(city, [], fields=target[:, None], block=np.arange(n) // 10)
    table = probe_tables.directions({"fields": features}, own)
    assert list(table.columns) == list(probe_tables.DIRECTIONS)
    assert table.same_city[0] > 0.9
    assert table.other_city[0] == pytest.approx(0.2, abs=0.1)  # two of six pairs 1, the others -0.2
    assert table["count"].tolist() == [4]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("n", "known"), [(3, False), (9, False), (10, True)])
def test_the_published_number_is_missing_below_two_photos_a_fold(n, known):
    towers = {"t": Layers([[np.random.default_rng(0).normal(size=(n, 3))]], ["0 mean"]), probe_tables.PIXELS: None}
    assert np.isfinite(probe_tables.published(towers, sample(["a"] * n, [])).degrees_r2).tolist() == [known]


def test_a_study_without_models_reads_its_features_beside_baselines(monkeypatch, tmp_path):
    own = sample(["a"] * 30, ["random"])
    Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "red.png")
    own.photos["path"] = str(tmp_path / "red.png")
    features = np.arange(30.0)[:, None]
    towers = probe_tables.frozen([], own, features)
    assert list(towers) == ["02_embeddings", probe_tables.PIXELS, probe_tables.PERMUTED]
    assert towers[probe_tables.PIXELS].runs[0][0].shape == (30, 192)
    permuted = towers[probe_tables.PERMUTED].runs[0][0]
    assert sorted(permuted[:, 0]) == features[:, 0].tolist() != permuted[:, 0].tolist()


def cut(splits, city, block, aims=()):
    """Folds and reasons of photos of no drive."""
    return probe_tables.folds_of(splits, aims, np.asarray(city, object), np.asarray(block), [""] * len(city))


def test_photos_to_probe_are_usable_and_drawn_by_city():
    city, usable = np.repeat(["a", "b"], 100), np.arange(200) % 2 == 0
    here = probe_tables.chosen(city, usable, 20, seed=1)
    assert usable[here].all()
    assert (np.diff(here) > 0).all()
    assert np.unique(city[here], return_counts=True)[1].tolist() == [20, 20]
    with pytest.raises(ValueError, match="probed_per_city 0 must be a whole number of at least 1"):
        probe_tables.chosen(city, usable, 0)


def test_small_cities_are_not_probed_and_a_sample_of_none_is_no_crash():
    photos = pd.DataFrame(
        {"city": ["a"] * 40 + ["b"] * 4, "country": "", "sequence_id": "", "lat_deg": 0.0, "lon_deg": 0.0}
    )
    ask = {"planted": lambda rows: None, "block_size_m": 100.0, "splits": BOTH}
    assert probe_tables.sample(photos, np.ones(44, bool), 30, **ask).photos.index.max() < 40
    empty = probe_tables.sample(photos, (photos.city == "b").to_numpy(), 30, **ask)
    assert (len(empty.photos), empty.folds, len(empty.left_out)) == (0, {}, 2)


def test_a_city_is_asked_for_where_there_are_several_and_a_country_where_three_have_several():
    names = pd.DataFrame({"lat_deg": np.arange(6.0), "lon_deg": 0.0, "city": list("abcdef"), "country": list("xxyyzz")})
    assert list(probe_tables.aims_of(names.assign(city="a", country=""))) == ["position"]
    aims = probe_tables.aims_of(names, fields=np.ones((6, 3)))
    assert list(aims) == ["position", "fields", "city", "country"]
    assert aims["country"].argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]
    for country in ("xxyyyy", "xxyyzw", ["x", "x", "y", "y", "", ""]):  # two countries of two cities; one is unknown
        assert list(probe_tables.aims_of(names.assign(country=list(country)))) == ["position", "city"]


@pytest.mark.parametrize(("split", "aim"), [("blocked", "position"), ("unseen_city", "fields")])
def test_whole_groups_are_held_out(split, aim):
    city, block = np.repeat(list("abcd"), 100), np.arange(400) // 10
    fold = cut([split], city, block, aims=[aim])[0][split]
    group = {"blocked": block, "unseen_city": city}[split]
    assert all(len(set(fold[group == own])) == 1 for own in np.unique(group))
    assert len(set(fold)) > 2


def test_drives_stay_together_and_photos_of_none_stand_alone():
    drive = np.array(["a"] * 10 + ["b"] * 10 + [""] * 30, dtype=object)
    fold = probe_tables.folds_of(["other_drive"], [], np.zeros(50), np.zeros(50), drive)[0]["other_drive"]
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
    assert list(left_out) == list(probe_tables.LEFT_OUT)
    assert "no probe is cut as 'diagonal': there are random, other_drive" in cut(["diagonal"], city, city)[1].reason[0]
