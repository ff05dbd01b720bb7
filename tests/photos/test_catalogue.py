"""The catalogue: its table, copies of photos, and the cities that photos are given."""

import geopandas
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.cluster import DBSCAN

from geonb.earth import sphere
from geonb.photos import catalogue, pictures


def rows(count=3, **changes):
    table = {
        "path": [f"photos/{number}.jpg" for number in reversed(range(count))],
        "lat_deg": np.linspace(50, 51, count), "lon_deg": np.linspace(6, 7, count),
        "city": "Köln", "source": "test", "licence": "CC0", "width_px": 4, "height_px": 3,
        "sha256": [f"{number:064x}"[::-1] for number in range(count)],
    }  # fmt: skip
    return pd.DataFrame(table | changes)


def test_a_catalogue_has_every_column_in_order_and_is_sorted_by_path():
    table = catalogue.catalogue(rows())
    assert list(table.columns) == list(catalogue.COLUMNS)
    assert table.crs == "EPSG:4326"
    assert list(table["path"]) == ["photos/0.jpg", "photos/1.jpg", "photos/2.jpg"]


def test_what_is_unknown_is_empty_text_or_missing():
    table = catalogue.catalogue(rows(street=[None, np.nan, "인사동길"]))
    assert list(table["street"]) == ["인사동길", "", ""]
    assert list(table["country"].unique()) == [""]
    assert table[["heading_deg", "captured_at"]].isna().all(axis=None)
    assert str(table["captured_at"].dtype) == "datetime64[us, UTC]"


def test_times_of_any_zone_come_back_in_utc_and_positions_as_they_went_in():
    times = ["2024-07-09 03:25:24+02:00", None, "2024-01-01T00:00:00Z"]
    given = rows(captured_at=[pd.Timestamp(time) if time else pd.NaT for time in times])
    table = catalogue.catalogue(given)
    assert table["captured_at"].iloc[2] == pd.Timestamp("2024-07-09 01:25:24", tz="UTC")
    assert np.array_equal(catalogue.lat_lon_deg(table), given.sort_values("path")[["lat_deg", "lon_deg"]].to_numpy())


def test_a_catalogue_survives_geoparquet(tmp_path):
    table = catalogue.catalogue(rows(street="Straße", heading_deg=[0, 359.5, np.nan]))
    table.to_parquet(tmp_path / "photos.parquet")
    again = geopandas.read_parquet(tmp_path / "photos.parquet")
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(again))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heading_deg": 360.0}, "heading_deg: 360.0"),
        ({"lat_deg": 90.5}, "latitude 90.5"),
        ({"lon_deg": np.nan}, "longitude nan"),
        ({"photo_id": "same"}, "photo_id: 'same'"),
        ({"sha256": ["a" * 63] * 3, "photo_id": list("abc")}, "sha256"),
        ({"width_px": 0}, "width_px: 0"),
        ({"licence": ""}, "licence: ''"),
        ({"compass": 3}, "no columns \\['compass'\\]"),
    ],
)
def test_a_value_outside_the_schema_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        catalogue.catalogue(rows(**changes))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="needs columns \\['sha256'\\]"):
        catalogue.catalogue(rows().drop(columns="sha256"))


def test_of_equal_photos_the_first_by_path_stays_and_the_other_is_told():
    kept, left_out = catalogue.without_duplicates(rows(sha256=["a" * 64, "b" * 64, "a" * 64]))
    assert list(kept["path"]) == ["photos/0.jpg", "photos/1.jpg"]
    assert left_out[0]["path"] == "photos/2.jpg"
    assert "same content as photos/0.jpg, positions 131781 m apart" in left_out[0]["detail"]


def test_clusters_are_those_of_dbscan_with_one_photo_per_core():
    rng = np.random.default_rng(0)
    middles = np.column_stack([rng.uniform(-60, 60, 12), rng.uniform(-180, 180, 12)])
    positions = np.repeat(middles, 40, axis=0) + rng.normal(0, 0.15, (480, 2))
    link_m = 12_000.0
    slow = DBSCAN(eps=link_m / sphere.EARTH_RADIUS_M, min_samples=1, metric="haversine").fit(np.radians(positions))
    fast = catalogue.linked(positions, link_m)
    assert len(set(fast)) == len(set(slow.labels_)) == len(set(zip(fast, slow.labels_, strict=True)))
    assert 12 < len(set(fast)) < 300


@pytest.mark.parametrize(("apart_m", "count"), [(9_999, 1), (10_001, 2)])
def test_photos_are_linked_up_to_the_given_length_also_across_the_date_line(apart_m, count):
    start = np.array([10.0, 179.98])
    positions = np.stack([start, sphere.from_local_m([apart_m, 0], start)])
    assert len(set(catalogue.linked(positions, 10_000.0))) == count


def test_a_link_holds_in_every_direction_wherever_on_the_earth_but_not_between_kinds():
    rng = np.random.default_rng(0)
    starts = np.column_stack([rng.uniform(-85, 85, 2000), rng.uniform(-180, 180, 2000)])
    turn = rng.uniform(0, 2 * np.pi, 2000)
    steps = 9_999 * np.column_stack([np.sin(turn), np.cos(turn)])
    ends = np.stack([sphere.from_local_m(step, start) for step, start in zip(steps, starts, strict=True)])
    cluster = catalogue.linked(np.concatenate([starts, ends]), 10_000.0)
    assert np.array_equal(cluster[:2000], cluster[2000:])
    kinds = np.arange(50)
    assert len(set(catalogue.linked(np.repeat(starts[:1], 50, axis=0), 10_000.0, kinds))) == 50


def test_cities_are_named_after_their_middle_whatever_the_order_of_the_rows():
    table = rows(4, lat_deg=[50.94, 50.942, -33.87, 50.947], lon_deg=[6.96, 6.962, 151.21, -0.001], city="")
    named = catalogue.assign_cities(table, 1e4)
    assert list(named["city"]) == ["near 50.94N 6.96E", "near 50.94N 6.96E", "near 33.87S 151.21E", "near 50.95N 0.00W"]
    mixed = catalogue.assign_cities(table.sample(frac=1, random_state=1), 1e4).sort_index()
    assert list(mixed["city"]) == list(named["city"])


def test_a_city_that_is_given_stays_and_equal_names_are_numbered():
    table = rows(3, lat_deg=[50.001, 50.002, 50.002], lon_deg=6.0, city=["", "", "Köln"])
    named = catalogue.assign_cities(table, link_m=50.0)
    assert list(named["city"]) == ["near 50.00N 6.00E", "near 50.00N 6.00E (2)", "Köln"]


def scene(seed, width=320, height=240):
    """A picture with structure at every scale, as photos have."""
    rng = np.random.default_rng(seed)
    layers = [rng.uniform(-1, 1, (3 * 2**k, 4 * 2**k, 3)) / 2**k for k in range(5)]
    whole = sum(np.asarray([np.kron(layer[..., c], np.ones((240 // layer.shape[0], 320 // layer.shape[1])))
                            for c in range(3)]) for layer in layers)  # fmt: skip
    whole = 255 * (whole - whole.min()) / (whole.max() - whole.min())
    return Image.fromarray(whole.transpose(1, 2, 0).astype(np.uint8)).resize((width, height))


def taken(folder, name, picture, **changes):
    """A row as sources yield it, of a picture that is written as JPEG."""
    picture.save(folder / name, quality=changes.pop("quality", 90))
    known = {"path": str(folder / name), "lat_deg": 50.94, "lon_deg": 6.96, "city": "Köln", "source": "test",
             "captured_at": pd.Timestamp("2024-07-09 03:25:24.2", tz="UTC"), "heading_deg": np.nan}  # fmt: skip
    return known | {"licence": "CC0"} | changes | pictures.examine(folder / name)


def kept_of(rows):
    """(names of what stays, left out) of rows in any order."""
    kept, left_out = catalogue.collected(rows[::-1], [], city_link_m=1e4)
    catalogue.catalogue(kept)
    return [path.rpartition("/")[2] for path in kept.path], left_out


def test_of_copies_at_one_place_and_second_the_one_with_most_pixels_stays(tmp_path):
    whole = scene(0)
    names, left_out = kept_of([
        taken(tmp_path, "a_preview.jpg", whole.resize((160, 120)), quality=60),
        taken(tmp_path, "b_whole.jpg", whole),
        taken(tmp_path, "c_again.jpg", whole, quality=50, lat_deg=50.940004),
        taken(tmp_path, "d_grey.jpg", whole.convert("L"), heading_deg=90.0),
        taken(tmp_path, "e_other.jpg", scene(1)),
    ])  # fmt: skip
    assert names == ["b_whole.jpg", "e_other.jpg"]
    assert left_out.reason.tolist() == ["near-duplicate"] * 3
    assert "a_preview.jpg" in left_out.path[0]
    words = "b_whole.jpg of the same place and second, which has 320 x 240 pixels, this one 160 x 120 pixels"
    assert words in left_out.detail[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"captured_at": pd.Timestamp("2024-07-09 03:25:25.2", tz="UTC")}, "another second"),
        ({"captured_at": pd.NaT}, "no time"),
        ({"lat_deg": 50.94002}, "two metres away"),
        ({"heading_deg": 92.0}, "another direction"),
    ],
)
def test_what_looks_the_same_elsewhere_later_or_in_another_direction_stays(tmp_path, changes, why):
    first = taken(tmp_path, "a.jpg", scene(0), heading_deg=90.0)
    assert len(kept_of([first, taken(tmp_path, "b.jpg", scene(0).resize((160, 120)), **changes)])[0]) == 2, why


def test_a_burst_of_different_pictures_and_the_cameras_of_a_rig_stay(tmp_path):
    burst = [taken(tmp_path, f"burst{n}.jpg", scene(n)) for n in range(8)]
    rig = [taken(tmp_path, f"rig{n}.jpg", scene(100), heading_deg=45.0 * n) for n in range(8)]
    sky = [taken(tmp_path, f"sky{n}.png", Image.new("RGB", (64 + n, 48), (90 + n, 120, 200))) for n in range(3)]
    rows = burst + [row | {"sha256": f"{n:064x}"[::-1]} for n, row in enumerate(rig)] + sky
    assert len(kept_of(rows)[0]) == len(rows)


def looking(row, looks):
    """Rows of other content that look so: looks (n, 256) bits."""
    hashes = [np.packbits(look).tobytes().hex() for look in looks]
    return [row | {"path": f"{n:05d}.jpg", "sha256": f"{n:064x}"[::-1], "difference_hash": look}
            for n, look in enumerate(hashes)]  # fmt: skip


def test_near_duplicates_are_found_across_the_date_line_and_among_thousands_of_one_place(tmp_path):
    one = taken(tmp_path, "a.jpg", scene(0), lat_deg=-17.0, lon_deg=180.0)
    two = taken(tmp_path, "b.jpg", scene(0).resize((160, 120)), lat_deg=-17.0, lon_deg=-179.999999)
    assert kept_of([one, two])[0] == ["a.jpg"]
    rows = looking(one, np.random.default_rng(0).integers(0, 2, (20_000, 256), dtype=np.uint8))
    copy = rows[12_345] | {"path": "copy.jpg", "sha256": "f" * 64, "width_px": 160, "height_px": 120}
    names, left_out = kept_of([*rows, copy])
    assert len(names) == 20_000
    assert left_out.path.tolist() == ["copy.jpg"]


def test_a_picture_between_two_others_does_not_join_them(tmp_path):
    looks = np.zeros((3, 256), np.uint8)
    looks[:, 100:] = 1
    looks[1, :20] = 1
    looks[2, :40] = 1
    names, left_out = kept_of(looking(taken(tmp_path, "a.jpg", scene(0)), looks))
    assert names == ["00000.jpg", "00002.jpg"]
    assert left_out.path.tolist() == ["00001.jpg"]
