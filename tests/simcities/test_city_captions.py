"""Captions: every field a word of its own, never a place, never too long for a text tower."""

from types import SimpleNamespace

import numpy as np
import open_clip
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonb.earth import sphere
from simcities import buildings as places
from simcities import captions, day, fields, geography, globe

TOKENS = open_clip.SimpleTokenizer()
HALF_M = 200.0
STEPS_M = np.arange(-HALF_M, HALF_M + fields.GRID_STEP_M, fields.GRID_STEP_M)
SAYS = [captions.SAY, ("fields",), ("nuisance",)]
FIELD_WAYS = [way for levels in captions.PHRASES.values() for way in levels]
DAY_WAYS = [way for levels in captions.DAY.values() for ways in levels for way in ways]
TRAITS = len(fields.FIELDS)
HOUSES = slice(0, len(fields.HOUSES))


def drawn(n, seed=0):
    """traits and nuisances of n pictures."""
    rng = np.random.default_rng(seed)
    nuisances = day.nuisance(rng.integers(0, 2, n), rng)
    nuisances[::10, list(day.NAMES).index("season")] = 0.5  # autumn, between the seasons of the drives
    return rng.normal(0, 1.4, (n, TRAITS)), nuisances


def said(n=1, seed=0, words=1, say=captions.SAY, share=1.0):
    """Captions of n drawn pictures."""
    return captions.describe(*drawn(n, seed), np.random.default_rng(words), say, share)


def count_of_fields(caption):
    """How many fields a caption speaks of, at most: one phrase may lie within another."""
    return sum(any(way in caption for way in levels) for levels in captions.PHRASES.values())


def city_of(buildings, layers=0.0):
    """A city with buildings (B, 9 + K) and fields of one value, or of layers (K, n, n)."""
    layers = np.broadcast_to(layers, (TRAITS, len(STEPS_M), len(STEPS_M)))
    table = np.asarray(buildings, float).reshape(-1, places.TRAITS + TRAITS)
    return SimpleNamespace(buildings=table, fields=layers, half_side_m=HALF_M)


def house(east_m, north_m, value):
    """A row of City.buildings all of whose traits have one value."""
    return [east_m, north_m, 1, 0, 5, 5, 2, 3, 0.5, *[value] * TRAITS]


def camera(east_m=0.0, north_m=0.0, heading_deg=0.0):
    """One row of photos."""
    row = east_m, north_m, np.radians(heading_deg), 1.2
    return pd.DataFrame([row], columns=["east_m", "north_m", "heading_rad", "focal"])


def test_phrases_follow_the_order_of_the_fields_and_no_phrase_means_two_things():
    assert tuple(captions.PHRASES) == fields.FIELDS
    assert all(len(levels) == 5 for levels in captions.PHRASES.values())
    assert len({*FIELD_WAYS, *DAY_WAYS}) == len(FIELD_WAYS) + len(DAY_WAYS)


@pytest.mark.parametrize("k", range(TRAITS))
def test_the_level_of_a_field_decides_its_phrase(k, monkeypatch):
    monkeypatch.setattr(captions, "NAMED", (TRAITS, TRAITS))
    for level, value in enumerate((-2.0, -0.5, 0.0, 0.5, 2.0)):
        traits = np.zeros((3, TRAITS))
        traits[:, k] = value
        found = captions.describe(traits, np.zeros((3, 12)), np.random.default_rng(0), ("fields",))
        assert all(captions.PHRASES[fields.FIELDS[k]][level] in caption for caption in found)


@pytest.mark.parametrize(("column", "values", "about"), [
    (day.SEASON, (0.0, 0.5, 1.0), "season"), (day.CLOUD, (0.1, 0.4, 0.6, 0.9), "weather"),
    (day.SUN_ELEVATION, np.radians((15, 35, 55)), "light"), (day.HAZE, (0.0005, 0.002, 0.0035), "haze"),
    (day.WET, (0.0, 0.3, 0.9), "wet"), (day.TRAFFIC, (0.1, 0.4, 0.6, 0.9), "traffic"),
])  # fmt: skip
def test_the_day_decides_what_is_said_of_it(column, values, about):
    for level, value in enumerate(values):
        nuisances = np.zeros((200, 12))
        nuisances[:, column] = value
        rng = np.random.default_rng(0)
        found = " | ".join(captions.describe(np.zeros((200, TRAITS)), nuisances, rng))
        spoken = [any(way in found for way in ways) for ways in captions.DAY[about]]
        assert np.flatnonzero(spoken[:level] + spoken[level + 1 :]).size == 0
        assert spoken[level]
    cloudy = np.zeros((3, 12))  # under clouds the light is soft however high the sun
    cloudy[:, day.CLOUD], cloudy[:, day.SUN_ELEVATION] = 0.9, np.radians((15, 35, 55))
    assert captions.levels_of_day(cloudy)[:, list(captions.DAY).index("light")].tolist() == [3, 3, 3]


def test_captions_name_five_to_sixteen_traits_of_a_street():
    for caption in said(300):
        assert captions.NAMED[0] <= count_of_fields(caption) <= captions.NAMED[1] + 3
        assert any(way in caption for way in captions.STREET)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_share_kept_leaves_phrases_out_and_changes_nothing_else(seed, share):
    whole, part = (said(1, seed, seed, share=s)[0] for s in (1.0, share))
    assert {way for way in FIELD_WAYS if way in part} <= {way for way in FIELD_WAYS if way in whole}
    assert {way for way in DAY_WAYS if way in whole} == {way for way in DAY_WAYS if way in part}


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_share_of_phrases_that_is_asked_for_is_said(share):
    spoken = [count_of_fields(caption) for caption in said(2_000, share=share)]
    assert np.mean(spoken) == pytest.approx(np.mean(captions.NAMED) * share, abs=0.4)


def test_whoever_says_only_fields_is_silent_about_the_day_and_the_other_way_round():
    assert not any(way in caption for caption in said(300, say=("fields",)) for way in DAY_WAYS)
    assert {count_of_fields(caption) for caption in said(300, say=("nuisance",))} == {0}
    for caption in said(300, say=("fields",), share=0.0):
        assert any(way in caption for way in captions.STREET)


@given(st.integers(0, 10_000), st.sampled_from(SAYS), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_a_caption_is_one_tidy_line(seed, say, share):
    for caption in said(5, seed, words=seed, say=say, share=share):
        assert caption == " ".join(caption.split()).strip(" ,:")
        assert not any(bad in caption for bad in (",,", ", ,", " ,", ":,", ": ,", "{", "}", "with :", "of,", "with,"))
        assert not caption.endswith((" with", " of", " and", " see", " showing"))


def test_captions_are_the_same_for_the_same_seed_and_varied():
    assert said(50, words=3) == said(50, words=3) != said(50, words=4)
    assert len(set(said(1_000))) == 1_000


def test_captions_never_name_a_place():
    """City, country, quarter or street of any simulated city, or coordinates."""
    found = " | ".join([*captions.vocabulary(), *said(2_000)]).lower()
    streets = [f"{tree} {way}" for tree in geography.TREES for way in geography.WAYS]
    countries = [name for _, names in globe.CONTINENTS for name in names]
    for name in (*globe.NAMES, *geography.COUNTRIES, *countries, *geography.QUARTERS, *streets):
        assert name.lower() not in found
    assert not any(character.isdigit() for character in found)


@pytest.mark.slow
def test_a_caption_fits_into_the_text_tower_of_these_cities():
    assert max(len(TOKENS.encode(caption)) + 2 for caption in said(5_000)) <= 88


@pytest.mark.slow
def test_the_vocabulary_has_every_token_of_every_caption():
    known = {token for text in captions.vocabulary() for token in TOKENS.encode(text)}
    shares = ((captions.SAY, 1.0), (("fields",), 0.3), (("nuisance",), 1.0), (("fields",), 0.0))
    spoken = [caption for say, share in shares for caption in said(3_000, say=say, share=share)]
    assert {token for caption in spoken for token in TOKENS.encode(caption)} == known
    assert len(known) < 500


@pytest.mark.parametrize(("wrong", "match"), [
    ({"say": ("fields", "places")}, "cannot say places: choose among fields, nuisance"),
    ({"say": ()}, "must say at least one of fields, nuisance"),
    ({"share": 1.5}, r"share 1.5 of the phrases must lie in 0..1"), ({"share": -0.1}, r"share -0.1"),
    ({"share": float("nan")}, "share nan"),
    ({"traits": np.zeros((1, 7))}, r"traits \(1, 7\) must be \(1, 28\) finite numbers"),
    ({"traits": np.full((1, TRAITS), np.nan)}, r"must be \(1, 28\) finite numbers"),
], ids=str)  # fmt: skip
def test_what_cannot_be_said_is_named(wrong, match):
    given = {"traits": np.zeros((1, TRAITS)), "nuisances": np.zeros((1, 12))}
    with pytest.raises(ValueError, match=match):
        captions.describe(**given | {"rng": np.random.default_rng(0)} | wrong)


def test_traits_of_houses_are_the_mean_of_those_in_the_picture_the_nearer_ones_weighing_more():
    city = city_of([house(-6, 10, 1.0), house(12, 20, 2.0), house(8, -10, 50.0), house(8, 40, 70.0)])
    assert captions.traits(city, camera())[0, HOUSES] == pytest.approx(1.2)  # 20 m away weighs a quarter of 10 m
    behind = captions.traits(city, camera(heading_deg=180.0))[0]
    assert behind[HOUSES] == pytest.approx(50.0)
    beside = captions.traits(city_of([house(10, 1, 9.0)]), camera())[0]  # ahead, but not in the picture
    assert beside[HOUSES] == pytest.approx(0.0)


def test_traits_of_streets_and_empty_places_are_the_fields_ahead():
    view = camera(10.0, heading_deg=90.0)
    at = 10.0 + np.array(captions.AHEAD_M)
    ahead = fields.value_at(city_of([], STEPS_M).fields, HALF_M, np.stack([at, 0 * at], axis=1))[:, 0].mean()
    for buildings in ([], [house(0, 190, 1.0)]):
        assert captions.traits(city_of(buildings, STEPS_M), view)[0] == pytest.approx(ahead)
    found = captions.traits(city_of([house(20, 5, 1.0)], STEPS_M), view)[0]  # fields that rise to the east
    assert found[HOUSES] == pytest.approx(1.0)
    assert found[HOUSES.stop :] == pytest.approx(ahead)


def test_another_picture_is_never_the_same_one():
    whose = captions.another(50, np.random.default_rng(0))
    assert sorted(whose) == list(range(50))
    assert (whose != np.arange(50)).all()


def test_what_a_camera_looks_at_lies_ahead_of_it():
    for heading_deg, offset in ((0.0, [0, captions.LOOK_M]), (90.0, [captions.LOOK_M, 0])):
        row = pd.DataFrame({"city": "a", "lat_deg": [50.0], "lon_deg": [8.0], "heading_deg": [heading_deg]})
        metres = sphere.to_local_m(captions.ahead(row), np.array([50.0, 8.0]))
        np.testing.assert_allclose(metres[0], offset, atol=0.1)


def test_traits_are_bit_identical_in_any_batch_and_order():
    rng = np.random.default_rng(0)
    city = city_of([house(*rng.uniform(-HALF_M, HALF_M, 2), rng.normal()) for _ in range(400)])
    photos = pd.concat([camera(*rng.uniform(-HALF_M, HALF_M, 2), rng.uniform(0, 360)) for _ in range(60)])
    whole = captions.traits(city, photos)
    order = rng.permutation(60)
    np.testing.assert_array_equal(captions.traits(city, photos.iloc[order]), whole[order])
    np.testing.assert_array_equal(captions.traits(city, photos.iloc[7:8]), whole[7:8])
    assert captions.traits(city, photos.iloc[:0]).shape == (0, TRAITS)
