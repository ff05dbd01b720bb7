import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from geonb.earth import sphere
from geonb.splitting import galleries

CENTRE = np.array([50.7374, 7.0982])


def streets(*metres, city="a"):
    lines = [shapely.LineString(sphere.from_local_m(line, CENTRE)[:, ::-1]) for line in metres]
    names = [f"s{n}" for n in range(len(lines))]
    return geopandas.GeoDataFrame({"city": city, "country": "k", "street": names}, geometry=lines, crs="EPSG:4326")


def local(places, centre=CENTRE):
    return sphere.to_local_m(places[["lat_deg", "lon_deg"]].to_numpy(), centre)


def test_places_follow_a_street_and_its_bend_at_the_spacing_and_carry_its_names():
    table = streets([[0, 0], [99, 0]], [[0, 0], [0, 70]], [[0, 0], [3, 4]], [[0, 0], [30, 0], [30, 30]])
    places = galleries.along_streets(table, 20.0)
    assert list(places.columns) == list(galleries.GRID)
    assert places.street.value_counts().to_dict() == {"s0": 5, "s1": 4, "s2": 1, "s3": 3}
    assert (set(places.city), set(places.country)) == ({"a"}, {"k"})
    np.testing.assert_allclose(local(places[places.street == "s1"]), [[0, 0], [0, 20], [0, 40], [0, 60]], atol=1e-3)
    np.testing.assert_allclose(local(places[places.street == "s3"]), [[0, 0], [20, 0], [30, 10]], atol=0.01)


def photos_in(metres, centre=CENTRE, city="a"):
    return sphere.from_local_m(metres, centre), np.full(len(metres), city, object)


def test_the_grid_covers_the_hull_of_a_citys_photos_and_no_more():
    rng = np.random.default_rng(0)
    at, city = photos_in(rng.uniform(-600, 600, (80, 2)))
    places = galleries.over_cities(at, city, 50.0)
    hull = shapely.MultiPoint(sphere.to_local_m(at, CENTRE)).convex_hull
    outside = shapely.distance(hull, shapely.points(local(places)))
    assert outside.max() <= 50.5
    inside = sphere.from_local_m(shapely.get_coordinates(hull.exterior.segmentize(20)), CENTRE)
    assert sphere.nearest(inside, places[["lat_deg", "lon_deg"]].to_numpy())[1].max() <= 50 * np.sqrt(0.5) + 0.5
    assert len(places) == pytest.approx(hull.buffer(50).area / 50**2, rel=0.05)


def test_neighbours_on_the_grid_are_the_spacing_apart_at_any_latitude_and_on_the_date_line():
    for centre in ([0.0, 0.0], [69.6, 18.9], [-17.0, 180.0], [89.99, 0.0]):
        at, city = photos_in([[-200, -200], [200, 200], [-200, 200], [200, -200]], np.array(centre))
        places = galleries.over_cities(at, city, 40.0)[["lat_deg", "lon_deg"]].to_numpy()
        apart = sphere.pair_distance_m(places)
        np.fill_diagonal(apart, np.inf)
        np.testing.assert_allclose(apart.min(axis=1), 40, rtol=1e-4)


def test_each_city_has_a_grid_even_one_of_a_single_photo():
    a, b = photos_in([[0.0, 0.0], [300, 0]]), photos_in([[5_000.0, 0.0]], city="b")
    places = galleries.over_cities(np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]]), 25.0)
    assert 1 <= (places.city == "b").sum() <= 9
    assert local(places[places.city == "a"])[:, 0].max() < 400 < local(places[places.city == "b"])[:, 0].min()


@pytest.mark.parametrize(("far_m", "spacing", "match"), [
    (100_000, 25.0, "more than 200000 places every 25 m: raise gallery_spacing_m"),
    (9, 1e-9, "more than 200000 places every 0 m: raise gallery_spacing_m"),
    (9, 0.0, "gallery_spacing_m 0.0 must be a finite number above 0"),
    (9, np.nan, "gallery_spacing_m nan must be a finite number above 0"),
])  # fmt: skip
def test_a_grid_that_is_too_large_or_none_is_refused_before_it_takes_memory(far_m, spacing, match):
    with pytest.raises(ValueError, match=match):
        galleries.over_cities(*photos_in([[0.0, 0.0], [far_m, far_m]]), spacing)
    with pytest.raises(ValueError, match=match):
        galleries.along_streets(streets([[0, 0], [60 * far_m, 0]]), spacing)


def test_random_and_other_drive_search_training_places_and_the_others_the_grid():
    table = pd.DataFrame({
        "photo_id": [*"pqr"], "city": "a", "country": "k", "street": "s", "lat_deg": [1.0, 2, 3], "lon_deg": 0.0,
    })  # fmt: skip
    grid = table.drop(columns="photo_id").head(1)
    parts = np.array(["train", "test", "buffer"])
    for split in ("random", "other_drive"):
        gallery = galleries.of_split(split, table, parts, grid)
        assert gallery.lat_deg.tolist() == [1.0]
        assert list(gallery.columns) == list(galleries.GRID)
    for split in ("blocked", "unseen_city"):
        assert galleries.of_split(split, table, parts, grid) is grid
        assert galleries.of_split(split, table, parts, grid, training_places=True).lat_deg.tolist() == [1.0]
