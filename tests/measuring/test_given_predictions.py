"""Errors of any model: a table of positions is read as it is written, and what cannot be used is named."""

import os

import numpy as np
import pandas as pd
import pytest

from geonb.book import wording
from geonb.book.results import read_beside
from geonb.earth import sphere
from geonb.files import ROOT
from geonb.measuring import given_predictions
from geonb.showing import interactive_maps, lines, map_figures

PAGE = "data/results/real_sample", "22_any_model"
COLUMNS = {"id": "photo", "truth": ["lat", "lon"], "near": ["near_lat", "near_lon"], "far": ["far_lat", "far_lon"]}
DEGREE_M = np.pi / 180 * sphere.EARTH_RADIUS_M
HOSTILE = '<script>alert(1)</script> {{ 7*7 }} $x_1$ "it\'s"'


def written(folder, count=40, **changed):
    """A CSV of photos on the equator, near predicted 0.1 degrees off, far 1 degree, with other columns in place."""
    lon = np.arange(count) + 1.0
    table = {"photo": [f"p{k}" for k in range(count)], "lat": 0.0, "lon": lon}
    table |= {"near_lat": 0.1, "near_lon": lon, "far_lat": 0.0, "far_lon": lon + 1}
    path = folder / "predictions.csv"
    pd.DataFrame(table | changed).to_csv(path, index=False)
    return str(path)


def made(path, columns=None):
    tables = given_predictions.tables(path, columns or COLUMNS, permutations=19, replicates=99)
    assert [set(table) for table in tables] == [set(meanings) for meanings in given_predictions.TABLES.values()]
    return dict(zip(given_predictions.TABLES, tables, strict=True))


def test_a_small_table_gives_the_errors_that_its_positions_say(tmp_path):
    found = made(written(tmp_path))
    value = found["summary"].pivot_table("value", "metric", "method")
    assert value.loc["median_error_m"].to_dict() == pytest.approx({"near": 0.1 * DEGREE_M, "far": DEGREE_M})
    assert value.near["geometric_mean_error_m"] == pytest.approx(0.1 * DEGREE_M)
    assert value.loc["share_within_25km"].to_dict() == {"near": 1.0, "far": 0.0}
    assert value.near["geoscore"] == pytest.approx(5000 * np.exp(-0.1 * DEGREE_M / 1_492_700))
    (ratio,) = found["ratios"].itertuples()
    assert (ratio.method, ratio.ratio, ratio.verdict[:6]) == ("far", pytest.approx(10), "Worse:")
    assert found["left_out"].empty
    assert found["lags"].lag_to_m.max() == pytest.approx(39 * DEGREE_M / 2)
    assert set(found["moran"].n) == {40}
    readable = given_predictions.readable(found["summary"], far=True)
    assert readable.loc["share within 25km", "near"] == "100% (100% to 100%)"
    said = given_predictions.answer(found["summary"], found["ratios"], found["moran"])
    assert said.startswith("Half of the 40 photos are placed by near within 11 km, far within 111 km. Worse: ")


def test_parquet_without_ids_and_a_single_model_are_read_too(tmp_path):
    path = tmp_path / "predictions.parquet"
    pd.read_csv(written(tmp_path)).to_parquet(path)
    found = made(str(path), {"truth": COLUMNS["truth"], "near": COLUMNS["near"]})
    assert list(found["errors"].photo_id[:2]) == ["1", "2"]
    assert found["ratios"].empty


def test_photos_at_one_place_are_no_failure(tmp_path):
    path = written(tmp_path, count=3, lon=[1.0, 1.0, 1.0])
    assert len(made(path)["lags"]) == 0


def test_a_row_that_cannot_be_used_is_left_out_for_all_models_with_its_reason(tmp_path):
    lat, near_lon, photo = [0.0] * 40, [*map(str, np.arange(40) + 1.0)], [f"p{k}" for k in range(40)]
    lat[3], near_lon[5], near_lon[6], photo[8] = 120.0, "", "east", "p7"
    found = made(written(tmp_path, lat=lat, near_lon=near_lon, photo=photo))
    reasons = found["left_out"].set_index("photo_id").reason.to_dict()
    assert reasons == {
        "p3": "latitude out of range", "p5": "no position", "p6": "not a number", "p7": "duplicate",
    }  # fmt: skip
    words = found["left_out"].set_index("photo_id").detail
    assert words["p3"].startswith("row 4: truth: latitude is 120.0")
    assert words["p3"].endswith("are latitude and longitude exchanged?")
    assert words["p5"] == "row 6: near: longitude is empty"
    assert found["errors"].groupby("method").size().to_dict() == {"far": 36, "near": 36}
    assert not set(found["errors"].photo_id) & {"p3", "p5", "p6", "p8"}


@pytest.mark.parametrize(("columns", "words"), [
    ({"truth": ["lat", "lon"]}, "must name columns of the table as"),
    ({"near": ["near_lat", "near_lon"]}, "must name columns of the table as"),
    ({"truth": "lat", "near": ["near_lat", "near_lon"]}, "must name columns of the table as"),
    ({"truth": ["lat", "lon"], 7: ["near_lat", "near_lon"]}, "must name columns of the table as"),
    ({"truth": ["lat", "lon"], "near": ["near_lat"]}, "must name columns of the table as"),
    (COLUMNS | {"id": "name", "far": ["y", "x"]}, "no column y, x, name; it has photo, lat, lon, near_lat"),
    (COLUMNS | {"far": ["far_lon", "far_lat"]}, "of far or of the true positions look exchanged: the median error is"),
])  # fmt: skip
def test_columns_that_are_not_there_or_exchanged_are_named(tmp_path, columns, words):
    with pytest.raises(ValueError, match=words):
        made(written(tmp_path), columns)


def test_a_missing_an_empty_and_a_useless_table_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        made(str(tmp_path / "nowhere.csv"))
    with pytest.raises(ValueError, match="and no rows"):
        made(written(tmp_path, count=0))
    with pytest.raises(ValueError, match=r"no row of .* can be used, as no position, row 1: truth: latitude is empty"):
        made(written(tmp_path, lat=""))


def test_hostile_names_stay_text_wherever_the_page_shows_them(tmp_path):
    path = written(tmp_path, **{HOSTILE: 0.1})
    found = made(path, {"id": "photo", "truth": ["lat", "lon"], HOSTILE: [HOSTILE, "near_lon"], "far": COLUMNS["far"]})
    said = given_predictions.answer(found["summary"], found["ratios"], found["moran"])
    pages = [wording.paragraph(said).data, given_predictions.readable(found["summary"], True).to_html()]
    one_place = found["errors"].assign(city="all", predicted_city="", right_city=True)
    land = pd.DataFrame({"lat_deg": [0.0], "lon_deg": [10.0]})
    pages.append(interactive_maps.error_map(one_place, {}, False, interactive_maps.continents(land)).page)
    assert all("<script>alert" not in page for page in pages)
    assert "{{ 7*7 }}" not in pages[0] + pages[2]
    assert "$x" not in pages[0] + pages[2]
    errors_km = found["errors"].assign(error_km=found["errors"].error_m / 1000)
    title = map_figures.world_errors(errors_km, land).axes[0].get_title()
    assert title.startswith("<script>alert(1)</script> {{ 7*7 }} $x_1$")
    lines.curves(found["lags"], "t", x="distance_m", y="relative_semivariance", name="method").canvas.draw()


def test_published_medians_are_those_of_the_published_errors_and_no_photo_can_be_found_again():
    errors, summary = (read_beside(*PAGE, name) for name in ("errors", "summary"))
    medians = summary[summary.metric == "median_error_m"].set_index("method").value
    assert medians.to_dict() == pytest.approx(errors.groupby("method").error_m.median().to_dict(), abs=1)
    assert set(errors.photo_id) == {str(k) for k in range(1, 51)}
    assert max(path.stat().st_size for path in (ROOT / PAGE[0] / PAGE[1]).iterdir()) < 100_000


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real predictions")
def test_the_published_tables_are_made_from_the_real_predictions():
    columns = {"id": "id", "truth": ["true_lat", "true_lon"], "trained on OSV-5M": ["pred_lat", "pred_lon"],
               "its baseline": ["pred_lat_base", "pred_lon_base"]}  # fmt: skip
    name = "$GEONB_REAL_DATA/positions/osv5m_game_select_50_with_predictions.csv"
    found = given_predictions.read(name, columns)[0]
    published = read_beside(*PAGE, "summary")
    medians = found.groupby("method").error_m.median()
    table = pd.read_csv(os.path.expandvars(name))  # which holds distances [km] of its own
    told = {"trained on OSV-5M": table.distance.median(), "its baseline": table.distance_base.median()}
    assert (medians / 1000).to_dict() == pytest.approx(told, rel=1e-5)
    own = published[published.metric == "median_error_m"].set_index("method").value
    assert own.to_dict() == pytest.approx(medians.to_dict(), rel=1e-9)
    positions = read_beside(*PAGE, "errors")[["lat_deg", "lon_deg"]].to_numpy()
    exact = found[["lat_deg", "lon_deg"]].to_numpy()
    assert sphere.pair_distance_m(exact, positions).min() > 100
