import gstools
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonb import seeds, sphere
from geonb.cities import captions, fields, geography, renderer

PLANTED = fields.Planted()
HALF_M = 450.0
SIDES = np.linspace(-HALF_M, HALF_M, 7)


def drawn(index=0, seed=0, photo_count=40, planted=PLANTED, half_side_m=HALF_M):
    """(city, photos, nuisances) as the simulated source draws them."""
    city = geography.city(index, seed, planted, half_side_m=half_side_m)
    rng = seeds.stream(seed, "drives", index)
    photos = geography.drives(city, photo_count, rng)
    winter = photos.captured_at.dt.month.isin([12, 1, 2]).to_numpy(float)
    return city, photos, renderer.nuisance(len(photos), winter, rng)


CITIES = [drawn(index) for index in range(3)]  # one of each kind: regular, radial, organic


# ---- fields ----------------------------------------------------------------------------------------------------------
@given(st.floats(1e-3, 5_000), st.floats(1e-3, 5_000))
def test_the_planted_semivariogram_never_falls(a, b):
    near, far = fields.planted_semivariogram(PLANTED, np.sort([a, b]))
    assert near <= far <= 1


def test_the_planted_semivariogram_runs_from_the_nugget_share_to_one():
    near, far = fields.planted_semivariogram(PLANTED, [1e-9, 1e9])
    assert near == pytest.approx(0.15 / 1.15)
    assert far == 1
    assert fields.planted_semivariogram(fields.Planted(nugget=0.0), [1e-9])[0] == pytest.approx(0, abs=1e-9)


def test_at_its_effective_range_a_field_has_reached_95_percent_of_the_sill():
    planted = fields.Planted(range_m=(300.0,) * 8, nugget=0.0)
    assert fields.planted_semivariogram(planted, [300.0])[0] == pytest.approx(1 - np.exp(-3))


def test_fields_without_a_range_are_at_their_sill_at_once():
    assert fields.planted_semivariogram(fields.Planted(range_m=(0.0,) * 8), [0.01]) == pytest.approx([1])


def test_a_drawn_field_has_the_planted_range_and_a_variance_of_one():
    """The mean over many fields of half the mean square of differences, at three distances along both axes."""
    steps = np.arange(-400.0, 401.0, 20.0)
    rng = np.random.default_rng(0)
    layers = np.stack([fields.one_field(300.0, steps, rng) for _ in range(60)])
    assert layers.var() + layers.mean() ** 2 == pytest.approx(1, abs=0.1)
    model = gstools.Exponential(dim=2, var=1, len_scale=100.0)
    for lag in (2, 5, 15):
        for a, b in ((layers[:, lag:], layers[:, :-lag]), (layers[:, :, lag:], layers[:, :, :-lag])):
            gamma = ((a - b) ** 2).mean() / 2
            assert gamma == pytest.approx(float(model.variogram(20.0 * lag)), rel=0.12)
            assert gamma == pytest.approx(1 - np.exp(-3 * 20 * lag / 300), rel=0.12)


def test_cities_differ_in_their_means_as_planted():
    flat = fields.Planted(range_m=(0.0,) * 8, city_mean_sd=0.8)
    means = [fields.draw(flat, 100.0, np.random.default_rng(seed))[:, 0, 0] for seed in range(200)]
    assert np.std(means) == pytest.approx(0.8, rel=0.07)
    assert np.mean(means) == pytest.approx(0, abs=0.08)


def test_a_range_of_zero_plants_nothing_but_the_citys_mean():
    layers = fields.draw(fields.Planted(range_m=(0.0,) * 8), 300.0, np.random.default_rng(0))
    assert layers.dtype == np.float32
    assert (np.ptp(layers, axis=(1, 2)) == 0).all()
    layers = fields.draw(fields.Planted(range_m=(0.0, *[200.0] * 7)), 300.0, np.random.default_rng(0))
    assert (np.ptp(layers, axis=(1, 2)) > 0).tolist() == [False, *[True] * 7]


def test_values_between_grid_points_are_bilinear_with_east_in_columns_and_north_in_rows():
    steps = np.arange(-100.0, 101.0, 20.0)
    east, north = np.meshgrid(steps, steps)
    layers = np.stack([east, north, 2 * east - north]).astype(np.float32)
    at = np.random.default_rng(0).uniform(-99, 99, (50, 2))
    expected = np.stack([at[:, 0], at[:, 1], 2 * at[:, 0] - at[:, 1]], axis=1)
    np.testing.assert_allclose(fields.value_at(layers, 100.0, at), expected, atol=1e-4)
    np.testing.assert_allclose(fields.value_at(layers, 100.0, [[500.0, -500.0]])[0, :2], [100, -100], atol=0.1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nugget": -0.1}, "nugget -0.1 and city_mean_sd 0.8 must be at least 0"),
        ({"city_mean_sd": -1.0}, "city_mean_sd -1.0 must be at least 0"),
        ({"range_m": (100.0,) * 7}, "range_m needs 8 numbers of at least 0"),
        ({"range_m": (-1.0, *[100.0] * 7)}, "range_m needs 8 numbers of at least 0"),
    ],
)
def test_what_cannot_be_planted_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        fields.Planted(**wrong)


def test_a_city_smaller_than_a_range_is_refused():
    with pytest.raises(ValueError, match="a city of 600 m is too small for a range of 400 m"):
        geography.city(0, 0, PLANTED, half_side_m=300.0)


# ---- geography -------------------------------------------------------------------------------------------------------
def test_a_city_is_the_same_for_its_seed_whatever_was_drawn_before():
    geography.city(1, 0, PLANTED, half_side_m=HALF_M)
    again = geography.city(2, 0, PLANTED, half_side_m=HALF_M)
    first = CITIES[2][0]
    for name in ("start_m", "direction", "length_m", "fields", "quarters_m", "junction_m", "centre_lat_lon_deg"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.street_names == again.street_names


def test_another_seed_or_index_is_another_city():
    for other in (geography.city(0, 1, PLANTED, half_side_m=HALF_M), geography.city(3, 0, PLANTED, half_side_m=HALF_M)):
        assert not np.array_equal(other.fields, CITIES[0][0].fields)
        assert other.street_names[:4] != CITIES[0][0].street_names[:4]


@pytest.mark.parametrize("index", range(3))
def test_streets_stay_in_the_square_with_unit_directions_and_names_of_their_own(index):
    city = CITIES[index][0]
    ends = np.concatenate([city.start_m, city.start_m + city.direction * city.length_m[:, None]])
    assert np.abs(ends).max() <= HALF_M + 1e-6
    np.testing.assert_allclose(np.linalg.norm(city.direction, axis=1), 1)
    assert len(set(city.street_names)) == len(city.street_names) == len(city.length_m)


@pytest.mark.parametrize("index", range(3))
def test_where_two_streets_cross_each_knows_it(index):
    """A junction of a street lies on the line of another one, whose half width over the sine is the gap's."""
    city = CITIES[index][0]
    found = 0
    for s, (along, gap) in enumerate(zip(city.junction_m, city.junction_half_m, strict=True)):
        for a, half in zip(along[along > -1e5], gap[along > -1e5], strict=True):
            at = city.position_m(np.array([s]), [a])[0]
            away = at - city.start_m
            off = np.abs(away[:, 0] * city.direction[:, 1] - away[:, 1] * city.direction[:, 0])
            off[s] = np.inf
            assert off.min() < 1e-6
            assert half >= city.half_width_m[off < 1e-6].min() - 1e-9
            found += 1
    assert found >= 4


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("side_m", [400.0, 800.0])
def test_small_cities_have_streets_too(index, side_m):
    city = geography.city(index, 0, fields.Planted(range_m=(0.0,) * 8), half_side_m=side_m / 2)
    assert len(city.length_m) >= 2


def test_cities_lie_apart():
    apart = sphere.pair_distance_m([geography.position(index) for index in range(len(geography.NAMES))])
    assert apart[np.triu_indices(len(apart), 1)].min() > 100_000


def test_a_photo_lies_in_the_quarter_whose_centre_is_nearest():
    city = CITIES[0][0]
    np.testing.assert_array_equal(city.districts(city.quarters_m), geography.QUARTERS)


def test_more_streets_than_names_are_refused():
    with pytest.raises(ValueError, match="106 streets, but only 105 street names"):
        geography.street_names(106, np.random.default_rng(0))


# ---- drives ----------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("photo_count", [1, 2, 7, 40, 333])
def test_drives_give_exactly_the_photos_that_were_asked(index, photo_count):
    photos = geography.drives(CITIES[index][0], photo_count, np.random.default_rng(photo_count))
    assert len(photos) == photo_count
    assert photos.notna().all(axis=None)
    assert photos.index.tolist() == list(range(photo_count))


@pytest.mark.parametrize("index", range(3))
def test_every_long_street_is_driven_in_both_directions_in_summer_and_winter(index):
    city = CITIES[index][0]
    photos = geography.drives(city, 1_000, np.random.default_rng(0))
    assert photos.along_m.between(0, city.length_m[photos.street]).all()
    driven = photos[photos.sequence_id != ""]
    assert len(driven) > 900
    directions = driven.groupby("street").forward.agg(set)
    assert (directions == {1, -1}).mean() == 1
    one = driven.groupby("sequence_id")
    assert (one.street.nunique() == 1).all()
    assert (one.forward.nunique() == 1).all()
    assert set(driven[driven.forward == 1].captured_at.dt.month) == {6}
    assert set(driven[driven.forward == -1].captured_at.dt.month) == {1}


def test_along_a_drive_time_runs_with_the_direction():
    photos = geography.drives(CITIES[0][0], 400, np.random.default_rng(0))
    for _, drive in photos[photos.sequence_id != ""].groupby("sequence_id"):
        steps = np.diff(drive.sort_values("captured_at").along_m) * drive.forward.iloc[0]
        assert (steps > 0).all()


def test_two_photos_of_a_drive_are_its_spacing_apart():
    city = CITIES[0][0]
    along = geography.one_drive(city, 0, 0, 37.0, np.random.default_rng(0)).along_m
    np.testing.assert_allclose(np.diff(along), 37)
    assert along.iloc[0] < 37
    assert city.length_m[0] - along.iloc[-1] <= 37


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_a_picture_is_bit_identical_in_any_batch_and_order():
    city, photos, nuisances = CITIES[0]
    whole = renderer.render(city, photos, nuisances, 32, 0.15)
    assert whole.shape == (40, 32, 32, 3)
    assert whole.dtype == np.uint8
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(renderer.render(city, photos.iloc[order], nuisances[order], 32, 0.15), whole[order])
    for n in (0, 17, 39):
        one = renderer.render(city, photos.iloc[n : n + 1], nuisances[n : n + 1], 32, 0.15)
        np.testing.assert_array_equal(one[0], whole[n])


def pictures(city, photos, nuisances, nugget=0.15, px=32):
    return renderer.render(city, photos, nuisances, px, nugget).astype(float)


def test_pictures_show_something_and_no_two_are_the_same():
    for city, photos, nuisances in CITIES:
        shown = pictures(city, photos, nuisances)
        assert shown.std(axis=(1, 2)).min() > 3
        assert len(np.unique(shown.reshape(len(shown), -1), axis=0)) == len(shown)


def test_season_and_weather_belong_to_a_photo_and_houses_to_the_place():
    """The same camera on another day sees the same street: more alike than the next street on the same day."""
    city, photos, nuisances = CITIES[0]
    rng = np.random.default_rng(0)
    other = nuisances.copy()
    other[:, renderer.SALT] = rng.integers(0, 2**31, len(photos))
    assert (pictures(city, photos, other) != pictures(city, photos, nuisances)).any(axis=(1, 2, 3)).all()
    other[:, renderer.CLOUD] = rng.uniform(0, 1, len(photos))
    a, b = pictures(city, photos, nuisances), pictures(city, photos, other)
    same, next_one = np.abs(a - b).mean(), np.abs(a - np.roll(b, 1, axis=0)).mean()
    assert 0 < same < 0.6 * next_one


def test_the_fields_change_the_pictures_and_without_nugget_neighbouring_houses_follow_them_alone():
    city, photos, nuisances = CITIES[0]
    before = pictures(city, photos, nuisances, nugget=0.0)
    lifted = geography.city(0, 0, PLANTED, half_side_m=HALF_M)
    lifted.fields[:] += 1.5
    assert np.abs(pictures(lifted, photos, nuisances, nugget=0.0) - before).mean() > 5
    assert np.abs(pictures(city, photos, nuisances, nugget=1.0) - before).mean() > 2


def test_a_picture_too_small_to_show_anything_is_refused():
    city, photos, nuisances = CITIES[0]
    with pytest.raises(ValueError, match="picture_px 15 is below 16"):
        renderer.render(city, photos, nuisances, 15, 0.15)


def test_the_numbers_behind_houses_are_uniform_and_belong_to_their_place():
    drawn = np.array([renderer.chance(a, b, c, 1) for a in range(10) for b in range(-20, 20) for c in range(10)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)
    assert drawn.var() == pytest.approx(1 / 12, rel=0.05)
    assert len(np.unique(drawn)) == len(drawn)
    assert renderer.chance(3, -4, 5, 1) == renderer.chance(3, -4, 5, 1)


@pytest.mark.parametrize("place", range(4))
def test_numbers_of_neighbours_are_independent(place):
    """Neither correlated nor a constant apart: houses add two of them."""
    pairs = []
    for n in range(4_000):
        a, b = [123, n, 7, 9], [123, n, 7, 9]
        b[place] += 1
        pairs.append((renderer.chance(*a), renderer.chance(*b)))
    a, b = np.array(pairs).T
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.06
    assert np.histogram((b - a) % 1, 20, (0, 1))[0].max() < 1.4 * 200


def test_houses_differ_by_the_planted_nugget():
    layers = np.zeros((8, 10, 10), np.float32)
    traits, found = np.empty(8), []
    for plot in range(2_000):
        renderer.house(traits, layers, 90.0, np.sqrt(0.15), 7, 1.0, plot, 0.0, 0.0)
        found.append(traits.copy())
    assert np.var(found) == pytest.approx(0.15, rel=0.05)
    assert np.mean(found) == pytest.approx(0, abs=0.01)


def test_the_compiled_field_equals_the_one_in_numpy():
    city = CITIES[0][0]
    at = np.random.default_rng(0).uniform(-HALF_M, HALF_M, (30, 2))
    compiled = [[renderer.field(city.fields, HALF_M, k, *p) for k in range(8)] for p in at]
    np.testing.assert_allclose(compiled, fields.value_at(city.fields, HALF_M, at), rtol=1e-5, atol=1e-6)


# ---- captions --------------------------------------------------------------------------------------------------------
def test_captions_never_name_city_country_quarter_or_street():
    for city, photos, nuisances in CITIES:
        said = " ".join(captions.describe(captions.traits(city, photos), nuisances, np.random.default_rng(0))).lower()
        for name in (city.name, city.country, *geography.QUARTERS, *city.street_names):
            assert name.lower() not in said
        assert not any(character.isdigit() for character in said)


def test_a_caption_says_every_trait_and_the_day():
    nuisance = np.zeros(12)
    nuisance[[renderer.SEASON, renderer.CLOUD, renderer.HAZE]] = 0.9, 0.9, 0.006
    for template in range(len(captions.TEMPLATES)):
        said = captions.sentence([0] * 8, captions.day(nuisance), captions.TEMPLATES[template])
        assert all(phrases[0] in said for phrases in captions.PHRASES.values())
        assert "in winter under an overcast sky in haze" in said


@pytest.mark.parametrize("k", range(8))
def test_a_higher_field_has_another_word_of_its_scale(k):
    name = fields.FIELDS[k]
    for level, value in enumerate((-2.0, -0.5, 0.0, 0.5, 2.0)):
        traits = np.zeros((1, 8))
        traits[0, k] = value
        assert (
            captions.PHRASES[name][level] in captions.describe(traits, np.zeros((1, 12)), np.random.default_rng(0))[0]
        )


def test_a_caption_speaks_of_the_houses_ahead():
    city, photos, _ = CITIES[0]
    ahead = photos.along_m + captions.AHEAD_M * photos.forward
    expected = fields.value_at(city.fields, HALF_M, city.position_m(photos.street.to_numpy(), ahead.to_numpy()))
    np.testing.assert_allclose(captions.traits(city, photos), expected)
