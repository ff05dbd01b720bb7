import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import controls, planted
from geonb.earth import sphere
from simcities import day, simulation

REDRAWN = {"world_count": 1, "photos_per_city": 40, "max_lag_m": 400.0, "lag_count": 4}


def tables(r2=(0.4, 0.5)):
    """What planted.answer is told of: curves, probes, nuisances, rungs and controls."""
    curves = pd.DataFrame({"semivariance": [1.0, 2.0, 3.0, 9.0], "low": 0.0, "high": 4.0})
    probes = pd.DataFrame({"tower": ["ours", "ceiling"], "target": "storeys", "r2": r2, "n": 10})
    nuisances = pd.DataFrame({"target": ["haze", "salt"], "r2": [-0.01, -0.01], "high": [0.001, np.nan]})
    rungs = pd.DataFrame({
        "method": ["field_reference", "frozen_nearest"], "metric": "median_error_m", "value": [30.0, 4000.0],
        "low": np.nan, "high": np.nan, "unit": "m", "seeds": 1, "n": 10,
    })  # fmt: skip
    rows = [(world, measure, 800.0, 0.4, 750.0, 850.0) for world in controls.PLANTED
            for measure in (controls.WITHIN, controls.RIGHT)]  # fmt: skip
    return (
        curves,
        probes,
        nuisances,
        rungs,
        pd.DataFrame(rows, columns=[*["world", "measure", "value", "p"], "null_low", "null_high"]),
    )


def test_what_a_camera_looks_at_lies_ahead_of_it():
    for heading_deg, offset in ((0.0, [0, planted.AHEAD_M]), (90.0, [planted.AHEAD_M, 0])):
        camera = pd.DataFrame({"city": "a", "lat_deg": [50.0], "lon_deg": [8.0], "heading_deg": [heading_deg]})
        metres = sphere.to_local_m(planted.ahead(camera), np.array([50.0, 8.0]))
        np.testing.assert_allclose(metres[0], offset, atol=0.1)


# ---- what can be read, and what it is worth --------------------------------------------------------------------------
@pytest.mark.slow
def test_what_features_hold_is_read_and_the_day_is_not_read_from_a_place(world, options):
    photos, features = world
    made = simulation.World(**options)
    known = simulation.truth(made, planted.ahead(photos), photos.city.to_numpy())
    table = planted.probes(made, photos, {"some/fields": known, "tower": features}, 200.0)
    assert table.columns.tolist() == list(planted.PROBES)
    assert table.tower.unique().tolist() == ["fields", "tower"]
    assert (table[table.tower == "fields"].r2 > 0.9).all()
    assert (table[table.tower == "tower"].r2 < 0.9).all()
    nuisances = planted.nuisance_probes(made, photos, 200.0)
    assert nuisances.columns.tolist() == list(planted.NUISANCES)
    assert nuisances.target.tolist() == list(day.NAMES)
    assert nuisances.r2.max() < 0.2


def test_knowing_the_fields_is_worth_more_than_chance(world, options):
    photos, _ = world
    own = np.random.default_rng(0).normal(size=(len(photos), 3))  # every place has fields of its own
    part = np.where(np.arange(len(photos)) % 5 == 0, "test", "train")
    errors = planted.ladder_errors(photos, own.astype(np.float32), part, own)
    assert set(errors.method) == {
        "chance", "mode", "city_centroid", "frozen_nearest", "gallery_floor", "field_reference", "probed_fields"
    }  # fmt: skip
    probed, known = (errors[errors.method == name].error_m.to_numpy() for name in ("probed_fields", "field_reference"))
    assert (probed == known).mean() > 0.8  # features that are the fields
    assert (errors.split == "other_drive").all()
    rungs = planted.ladder(simulation.World(**options), photos, own.astype(np.float32), part, 200.0)
    assert rungs.columns.tolist() == list(planted.LADDER)
    medians = rungs[rungs.metric == "median_error_m"].set_index("method").value
    assert medians["gallery_floor"] <= medians["field_reference"] < medians["chance"]


# ---- the truth of fields and of an embedding -------------------------------------------------------------------------
@pytest.mark.slow
def test_the_ensemble_is_the_mean_of_redrawn_cities_and_none_of_the_studys(painted, options, tower):
    table = planted.ensemble(options, tower, **REDRAWN)
    assert table.columns.tolist() == list(planted.ENSEMBLE)
    assert (table.cities == 3).all()
    assert ((table.low <= table.semivariance) & (table.semivariance <= table.high)).all()
    pd.testing.assert_frame_equal(table, planted.ensemble(options, tower, **REDRAWN))
    assert planted.REDRAWN_SEED >= 300


@pytest.mark.parametrize(("call", "match"), [
    (lambda: planted.ensemble({}, None, **REDRAWN | {"world_count": 0}), "ensemble_worlds 0"),
    (lambda: planted.ensemble({}, None, **REDRAWN | {"photos_per_city": 1}), "ensemble_photos 1"),
    (lambda: planted.curves(None, places=1, redraws=20, seed=0), "band_places 1"),
    (lambda: planted.curves(None, places=60, redraws=9, seed=0), "redraws 9"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(call, match):
    with pytest.raises(ValueError, match=f"{match} must be a whole number of at least"):
        call()


# ---- what is said ----------------------------------------------------------------------------------------------------
def test_the_headline_holds_the_four_numbers_of_the_laboratory():
    _, probes, _, rungs, _ = tables()
    rows = planted.headline(probes, rungs, "17_laboratory").set_index("key")
    assert rows.value.round(3).to_dict() == {
        "probe_r2_within_city_mean": 0.4,
        "probe_r2_share_of_ceiling": 0.8,
        "field_reference_median_error_m": 30.0,
        "frozen_median_error_m": 4000.0,
    }
    assert rows.table.str.startswith("17_laboratory/").all()


def test_a_field_that_even_the_ceiling_hardly_reads_is_named_and_counts():
    curves, visible, *others = tables()
    both = pd.concat([visible, visible.assign(target="stone", r2=[0.1, 0.37])], ignore_index=True)
    assert planted.hardly_visible(both) == "stone (0.37)"
    value = planted.headline(both, others[1], "17_laboratory").set_index("key").value
    assert value["probe_r2_within_city_mean"] == pytest.approx(0.25)
    said = "Hardly in the pictures, as that one tells less than 40% of them too: stone (0.37)."
    assert said in planted.answer(curves, both, *others)


def test_the_answer_says_what_is_read_what_leaks_and_where_controls_are_borrowed():
    curves, probes, nuisances, *others = tables()
    said = planted.answer(curves, probes, nuisances, *others)
    assert "lie 75% of the planted" in said
    assert "80% of what the same tower tells" in said
    assert "carries place: none" in said
    assert "Hardly in the pictures" not in said
    said = planted.answer(curves, probes, nuisances.assign(high=0.5), *others, beside="laboratory")
    assert "carries place: haze, salt" in said
    assert "In study laboratory: Where nothing" in said
