import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import laboratory
from geonb import files
from geonb.earth import sphere
from geonb.learning import encoders
from geonb.photos.sources import simulated

OPTIONS = {"city_count": 3, "photos_per_city": 60, "picture_px": 32, "world_seed": 0, "city_side_m": 900.0}
SETTINGS = dict(test_share=0.3, validation_share=0.1, block_size_m=200.0, buffer_m=0.0, gap_m=15.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory, tower):
    folder = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROOT", folder)
        yield folder


@pytest.fixture(scope="module")
def tower():
    return encoders.load_tower("local-dir:data/towers/geonb-tiny")


@pytest.fixture(scope="module")
def world(root, tower):
    return laboratory.photographed(OPTIONS, tower)


# ---- positions and pictures ------------------------------------------------------------------------------------------
def test_what_a_camera_looks_at_lies_ahead_of_it():
    north, east = (
        pd.DataFrame({"city": "a", "lat_deg": [50.0], "lon_deg": [8.0], "heading_deg": [way]}) for way in (0.0, 90.0)
    )
    for table, offset in ((north, [0, 100]), (east, [100, 0])):
        metres = sphere.to_local_m(laboratory.ahead(table, 100.0), np.array([50.0, 8.0]))
        np.testing.assert_allclose(metres[0], offset, atol=0.1)


def test_one_place_on_other_days_is_the_same_place(root):
    world = simulated.World(**OPTIONS)
    shown = [np.asarray(p, float) for p in laboratory.on_other_days(world, 0, 3)]
    other = np.asarray(laboratory.on_other_days(world, 20, 1)[0], float)
    assert all((a != b).any() for a, b in [(shown[0], shown[1]), (shown[0], shown[2])])
    assert np.abs(shown[0] - shown[2]).mean() < np.abs(shown[0] - other).mean()


def test_two_cities_are_shown_at_the_same_rising_values():
    rng = np.random.default_rng(0)
    city = np.repeat(["a", "b", "c"], 200)
    truth = rng.normal(np.repeat([0.0, 0.2, 9.0], 200))[:, None]  # c overlaps with none
    found = laboratory.same_values(truth, city, np.ones(600, bool), 0)
    assert set(city[found]) == {"a", "b"}
    first, second = truth[found[:4], 0], truth[found[4:], 0]
    assert (np.diff(first) > 0).all()
    np.testing.assert_allclose(first, second, atol=0.15)
    with pytest.raises(ValueError, match="two cities are needed"):
        laboratory.same_values(truth[:200], city[:200], np.ones(200, bool), 0)


# ---- experiments -----------------------------------------------------------------------------------------------------
def test_knowing_the_fields_is_worth_more_than_chance(world):
    catalogue, _ = world
    rng = np.random.default_rng(0)
    own = rng.normal(size=(len(catalogue), 3))  # every place has fields of its own
    part = np.where(np.arange(len(catalogue)) % 5 == 0, "test", "train")
    errors = laboratory.ladder(catalogue, own.astype(np.float32), part, own)
    medians = errors.groupby("method").error_m.median()
    assert set(medians.index) == {
        "chance", "mode", "city_centroid", "frozen_nearest", "gallery_floor", "field_reference", "probed_fields"
    }  # fmt: skip
    probed = errors[errors.method == "probed_fields"]
    reference = errors[errors.method == "field_reference"]
    assert (probed.error_m.to_numpy() == reference.error_m.to_numpy()).mean() > 0.8  # features that are the fields
    assert (errors.split == "other_drive").all()


def test_nothing_is_found_where_nothing_is_planted_and_the_table_says_it(root, tower):
    table = laboratory.controls(OPTIONS, tower, SETTINGS, worlds=2, permutations=99)
    assert table.columns.tolist() == list(laboratory.CONTROL)
    assert len(table) == 8
    assert table.groupby("world_seed").value.agg(tuple).nunique() == 2  # other worlds, other numbers
    assert (table.null_low <= table.null_high).all()
    assert table.p.between(0.02, 1).all()  # the least that 99 permutations can give
    assert (table[table.unit == "share"].value <= 1).all()


def test_the_ensemble_is_the_mean_of_redrawn_cities_and_none_of_the_studys(root, tower):
    settings = dict(worlds=1, photos_per_city=40, max_lag_m=400.0, lag_count=4)
    table = laboratory.ensemble(OPTIONS, tower, **settings)
    assert table.columns.tolist() == list(laboratory.ENSEMBLE)
    assert (table.cities == 3).all()
    assert ((table.low <= table.semivariance) & (table.semivariance <= table.high)).all()
    pd.testing.assert_frame_equal(table, laboratory.ensemble(OPTIONS, tower, **settings))
    assert laboratory.REDRAWN_SEED >= 300


# ---- what is said ----------------------------------------------------------------------------------------------------
def tables(r2=(0.4, 0.5), p=0.4):
    probes = pd.DataFrame({"tower": ["ours", "ceiling"], "target": "storeys", "r2": r2, "n": 10})
    placeless = pd.DataFrame({"target": ["haze", "salt"], "r2": [-0.01, -0.01], "high": [0.001, np.nan]})
    rungs = pd.DataFrame({
        "method": ["field_reference", "frozen_nearest"], "metric": "median_error_m", "value": [30.0, 4000.0],
        "low": np.nan, "high": np.nan, "unit": "m", "seeds": 1, "n": 10,
    })  # fmt: skip
    alike, differ = (laboratory.ALIKE, laboratory.WITHIN), (laboratory.DIFFER, laboratory.RIGHT)
    within = (laboratory.DIFFER, laboratory.WITHIN)
    rows = [
        (*alike, 900.0, p, 850.0), (*alike, 800.0, 0.03, 850.0), (*within, 900.0, 0.4, 1e9),
        (*within, 700.0, 0.02, 1e9), (*differ, 0.4, 0.01, 0.3), (*differ, 0.2, 0.5, 0.3),
    ]  # fmt: skip
    controls = pd.DataFrame(rows, columns=["world", "measure", "value", "p", "null_high"]).assign(null_low=750.0)
    return probes, placeless, rungs, controls


def test_the_headline_holds_the_four_numbers_of_the_laboratory():
    probes, _, rungs, _ = tables()
    rows = laboratory.headline(probes, rungs, "17_laboratory").set_index("key")
    assert rows.value.round(3).to_dict() == {
        "probe_r2_within_city_mean": 0.4,
        "probe_r2_share_of_ceiling": 0.8,
        "field_reference_median_error_m": 30.0,
        "frozen_median_error_m": 4000.0,
    }
    assert rows.table.str.startswith("17_laboratory/").all()


def test_a_field_that_even_the_ceiling_hardly_reads_is_named_and_counts():
    visible, *others = tables()
    both = pd.concat([visible, visible.assign(target="stone", r2=[0.1, 0.37])], ignore_index=True)
    assert laboratory.hardly_visible(both) == "stone (0.37)"
    value = laboratory.headline(both, others[1], "17_laboratory").set_index("key").value
    assert value["probe_r2_within_city_mean"] == pytest.approx(0.25)
    said = "Hardly in the pictures, as that one tells less than 40% of them too: stone (0.37)."
    assert said in laboratory.answer(both, *others, inside=0.95)
    assert "Hardly in the pictures" not in laboratory.answer(*tables(), inside=0.95)


def test_the_answer_says_it_when_nothing_is_found_and_when_something_is():
    said = laboratory.answer(*tables(), inside=0.95)
    assert "80% of what the same tower tells" in said
    assert "carries place: none" in said
    assert "smaller than its exact null in 0 of 2 worlds and larger in 0 (p from 0.030, by Holm's rule 0.06);" in said
    assert "the right city is found more often than by chance in 1 of 2" in said
    assert "error within it is smaller than its exact null in 1 of 2 worlds and larger in 0 (p from 0.020" in said
    probes, placeless, rungs, controls = tables(p=0.01)
    said = laboratory.answer(probes, placeless.assign(high=0.5), rungs, controls, inside=0.95)
    assert "carries place: haze, salt" in said
    assert "smaller than its exact null in 0 of 2 worlds and larger in 1 (p from 0.010" in said


def test_borrowed_controls_are_those_of_the_same_world_and_are_named():
    ran = {"options": {"world_seed": 0}, "tower": "t", "weights": "", "max_lag_m": 1000.0, "lag_count": 20}
    laboratory.check_beside(ran, ran | {"seed": 3})
    with pytest.raises(ValueError, match=r"ran with tower 't', this page with 'u'.*leave beside empty"):
        laboratory.check_beside(ran, ran | {"tower": "u"})
    assert "In study laboratory: Where nothing" in laboratory.answer(*tables(), inside=0.95, beside="laboratory")


@pytest.mark.parametrize(("call", "match"), [
    (lambda: laboratory.ensemble(OPTIONS, None, worlds=0, photos_per_city=9, max_lag_m=9.0, lag_count=1), "worlds 0"),
    (lambda: laboratory.ensemble(OPTIONS, None, worlds=1, photos_per_city=1, max_lag_m=9.0, lag_count=1), "photos 1"),
    (lambda: laboratory.controls(OPTIONS, None, SETTINGS, worlds=0), "control_worlds 0"),
    (lambda: laboratory.controls(OPTIONS, None, SETTINGS, permutations=0), "permutations 0"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(call, match):
    with pytest.raises(ValueError, match=f"{match} must be a whole number of at least"):
        call()


def test_a_city_without_a_picture_to_show_is_no_city_to_compare():
    city = np.repeat(["a", "b", "c"], 20)
    truth = np.random.default_rng(0).normal(size=(60, 1))
    found = laboratory.same_values(truth, city, city != "a", 0)
    assert set(city[found]) == {"b", "c"}
    with pytest.raises(ValueError, match="two cities are needed to compare them, there is 1"):
        laboratory.same_values(truth, city, city == "a", 0)
