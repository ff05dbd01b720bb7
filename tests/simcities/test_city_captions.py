"""Captions: every field a word of its own, never a place, never too long for a text tower."""

from types import SimpleNamespace

import numpy as np
import open_clip
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonb.earth import sphere
from simcities import captions, day, fields, geography, globe

TOKENS = open_clip.SimpleTokenizer()
HALF_M = 200.0
STEPS_M = np.arange(-HALF_M, HALF_M + fields.GRID_STEP_M, fields.GRID_STEP_M)
SAYS = [captions.SAY, ("fields",), ("nuisance",)]
FIELD_WAYS, DAY_WAYS = (
    [way for levels in table.values() for ways in levels for way in ways] for table in (captions.PHRASES, captions.DAY)
)
GREENERY, STONE = (fields.FIELDS.index(name) for name in ("greenery", "stone"))


def drawn(n, seed=0, scenes=tuple(captions.SCENES)):
    """traits, nuisances and scenes of n pictures."""
    rng = np.random.default_rng(seed)
    nuisances = day.nuisance(rng.integers(0, 2, n), rng)
    nuisances[::10, list(day.NAMES).index("season")] = 0.5  # autumn, between the seasons of the drives
    return rng.normal(0, 1.3, (n, 7)), nuisances, rng.choice(scenes, n)


def said(n=1, seed=0, scenes=tuple(captions.SCENES), words=1, say=captions.SAY, share=1.0):
    """Captions of n drawn pictures."""
    return captions.describe(*drawn(n, seed, scenes), np.random.default_rng(words), say, share)


def count_of_fields(caption):
    """How many fields a caption speaks of."""
    return sum(any(way in caption for level in levels for way in level) for levels in captions.PHRASES.values())


def city_of(buildings, layers=0.0):
    """A city with buildings (B, 17) and fields of one value, or of layers (7, n, n)."""
    layers = np.broadcast_to(layers, (7, len(STEPS_M), len(STEPS_M)))
    return SimpleNamespace(buildings=np.asarray(buildings, float).reshape(-1, 17), fields=layers, half_side_m=HALF_M)


def house(east_m, north_m, value, kind=0):
    """A row of City.buildings all of whose traits have one value."""
    return [east_m, north_m, 1, 0, 5, 5, 2, 3, kind, 0.5, *[value] * 7]


def camera(east_m=0.0, north_m=0.0, heading_deg=0.0, scene="street"):
    """One row of photos."""
    row = east_m, north_m, np.radians(heading_deg), scene
    return pd.DataFrame([row], columns=["east_m", "north_m", "heading_rad", "scene"])


def test_phrases_follow_the_order_of_the_fields_and_no_phrase_means_two_things():
    assert tuple(captions.PHRASES) == fields.FIELDS
    assert all(len(levels) == 5 and min(map(len, levels)) >= 2 for levels in captions.PHRASES.values())
    assert len({*FIELD_WAYS, *DAY_WAYS}) == len(FIELD_WAYS) + len(DAY_WAYS)


@pytest.mark.parametrize("k", range(7))
def test_the_level_of_a_field_decides_its_phrase(k):
    levels = captions.PHRASES[fields.FIELDS[k]]
    for level, value in enumerate((-2.0, -0.5, 0.0, 0.5, 2.0)):
        traits = np.zeros((30, 7))
        traits[:, k] = value
        found = captions.describe(traits, np.zeros((30, 12)), ["street"] * 30, np.random.default_rng(0), ("fields",))
        spoken = {max((w for ways in levels for w in ways if w in caption), key=len) for caption in found}
        assert spoken == set(levels[level])


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
        found = " | ".join(captions.describe(np.zeros((200, 7)), nuisances, ["park"] * 200, rng))
        spoken = [any(way in found for way in ways) for ways in captions.DAY[about]]
        assert np.flatnonzero(spoken[:level] + spoken[level + 1 :]).size == 0
        assert spoken[level]
    cloudy = np.zeros((3, 12))  # under clouds the light is soft however high the sun
    cloudy[:, day.CLOUD], cloudy[:, day.SUN_ELEVATION] = 0.9, np.radians((15, 35, 55))
    assert captions.levels_of_day(cloudy)[:, list(captions.DAY).index("light")].tolist() == [3, 3, 3]


@pytest.mark.parametrize("say", [captions.SAY, ("fields",)], ids=str)
@pytest.mark.parametrize("scene", captions.SCENES)
def test_only_scenes_that_show_houses_speak_of_them_and_a_street_view_of_all_fields(scene, say):
    found = said(200, scenes=[scene], say=say)
    count = 7 if scene == "street" else len(captions.SHOWN.get(scene, ()))
    assert {count_of_fields(caption) for caption in found} == {count}
    assert all(any(way in caption for way in captions.SCENES[scene]) for caption in found)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_share_kept_leaves_phrases_out_and_changes_nothing_else(seed, share):
    whole, part = (said(1, seed, ["street"], seed, share=s)[0] for s in (1.0, share))
    assert {way for way in FIELD_WAYS if way in part} <= {way for way in FIELD_WAYS if way in whole}
    assert {way for way in DAY_WAYS if way in whole} == {way for way in DAY_WAYS if way in part}


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_share_of_phrases_that_is_asked_for_is_said(share):
    spoken = [count_of_fields(caption) for caption in said(2_000, scenes=["street"], share=share)]
    assert np.mean(spoken) == pytest.approx(7 * share, abs=0.15)


def test_whoever_says_only_fields_is_silent_about_the_day_and_the_other_way_round():
    assert not any(way in caption for caption in said(300, say=("fields",)) for way in DAY_WAYS)
    assert {count_of_fields(caption) for caption in said(300, say=("nuisance",))} == {0}
    for caption in said(300, say=("fields",), share=0.0):
        assert any(way in caption for ways in captions.SCENES.values() for way in ways)


@given(st.integers(0, 10_000), st.sampled_from(SAYS), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_a_caption_is_one_tidy_line(seed, say, share):
    for caption in said(5, seed, words=seed, say=say, share=share):
        assert caption == " ".join(caption.split()).strip(" ,:")
        assert not any(bad in caption for bad in (",,", ", ,", " ,", ":,", ": ,", "{", "}", "with :", "of,", "with,"))
        assert not caption.endswith((" with", " of", " and", " see", " showing"))


def test_captions_are_the_same_for_the_same_seed_and_varied():
    assert said(50, words=3) == said(50, words=3) != said(50, words=4)
    assert len(set(said(1_000, scenes=["street"]))) == 1_000


def test_captions_never_name_a_place():
    """City, country, quarter or street of any simulated city, or coordinates."""
    found = " | ".join([*captions.vocabulary(), *said(2_000)]).lower()
    streets = [f"{tree} {way}" for tree in geography.TREES for way in geography.WAYS]
    countries = [name for _, names in globe.CONTINENTS for name in names]
    for name in (*globe.NAMES, *geography.COUNTRIES, *countries, *geography.QUARTERS, *streets):
        assert name.lower() not in found
    assert not any(character.isdigit() for character in found)


@pytest.mark.slow
def test_no_street_caption_can_have_sixty_tokens():
    """The longest of each part: words and punctuation are tokens of their own, so that lengths add up."""

    def longest(texts):
        return max(len(TOKENS.encode(text)) for text in texts)

    told = sum(longest(way for ways in levels for way in ways) for levels in captions.PHRASES.values())
    days = sorted(longest(way for ways in levels for way in ways) for levels in captions.DAY.values())
    today = sum(days[-captions.MOST_OF_THE_DAY :]) + captions.MOST_OF_THE_DAY - 1
    frame = longest(f.format(scene="", of="of", fields="", day="") for fs in captions.FRAMES.values() for f in fs)
    assert 2 + told + 6 + today + frame + longest(captions.SCENES["street"]) < 60
    assert max(len(TOKENS.encode(caption)) + 2 for caption in said(5_000)) < 60


@pytest.mark.slow
def test_the_vocabulary_has_every_token_of_every_caption():
    known = {token for text in captions.vocabulary() for token in TOKENS.encode(text)}
    shares = ((captions.SAY, 1.0), (("fields",), 0.3), (("nuisance",), 1.0), (captions.SAY, 0.0))
    spoken = [caption for say, share in shares for caption in said(3_000, say=say, share=share)]
    assert {token for caption in spoken for token in TOKENS.encode(caption)} == known
    assert len(known) < 500


@pytest.mark.parametrize(("wrong", "match"), [
    ({"say": ("fields", "places")}, "cannot say places: choose among fields, nuisance"),
    ({"say": ()}, "must say at least one of fields, nuisance"),
    ({"share": 1.5}, r"share 1.5 of the phrases must lie in 0..1"), ({"share": -0.1}, r"share -0.1"),
    ({"share": float("nan")}, "share nan"), ({"scenes": ["harbour"]}, "no scene harbour: street, landmark"),
    ({"traits": np.zeros((1, 6))}, r"must be \(1, 7\) finite numbers"),
    ({"traits": np.full((1, 7), np.nan)}, r"must be \(1, 7\) finite numbers"),
], ids=str)  # fmt: skip
def test_what_cannot_be_said_is_named(wrong, match):
    given = {"traits": np.zeros((1, 7)), "nuisances": np.zeros((1, 12)), "scenes": ["street"]}
    with pytest.raises(ValueError, match=match):
        captions.describe(**given | {"rng": np.random.default_rng(0)} | wrong)


def test_traits_are_the_mean_of_the_houses_ahead_and_near():
    city = city_of([house(-8, 10, 1.0), house(8, 20, 2.0), house(8, -10, 50.0), house(8, 40, 70.0)])
    found = captions.traits(city, camera())[0]
    assert np.delete(found, (GREENERY, STONE)) == pytest.approx([1.5] * 5)
    behind = captions.traits(city, camera(heading_deg=180.0))[0]
    assert np.delete(behind, (GREENERY, STONE)) == pytest.approx([50.0] * 5)


def test_landmarks_follow_no_field_and_a_facade_is_of_the_nearest_house_ahead():
    city = city_of([house(8, 10, 1.0), house(-8, 10, 99.0, kind=10)])
    assert captions.traits(city, camera())[0, 0] == pytest.approx(1.0)
    city = city_of([house(12, 5, 1.0), house(15, -9, 3.0), house(-2, 0, 7.0)])
    assert captions.traits(city, camera(heading_deg=90.0, scene="facade"))[0, 0] == pytest.approx(1.0)
    assert captions.traits(city, camera(heading_deg=90.0))[0, 0] == pytest.approx(2.0)


def test_trees_stone_and_empty_places_follow_the_fields_ahead():
    view, ahead_m = camera(10.0, heading_deg=90.0), np.array([[10.0 + captions.AHEAD_M, 0.0]])
    ahead = fields.value_at(city_of([], STEPS_M).fields, HALF_M, ahead_m)[0]  # fields that rise to the east
    for buildings in ([], [house(0, 190, 1.0)]):
        assert captions.traits(city_of(buildings, STEPS_M), view)[0] == pytest.approx(ahead)
    found = captions.traits(city_of([house(20, 5, 1.0)], STEPS_M), view)[0]
    assert found[[GREENERY, STONE]] == pytest.approx(ahead[[GREENERY, STONE]])
    assert np.delete(found, (GREENERY, STONE)) == pytest.approx([1.0] * 5)


def test_what_a_camera_looks_at_lies_ahead_of_it():
    for heading_deg, offset in ((0.0, [0, captions.AHEAD_M]), (90.0, [captions.AHEAD_M, 0])):
        row = pd.DataFrame({"city": "a", "lat_deg": [50.0], "lon_deg": [8.0], "heading_deg": [heading_deg]})
        metres = sphere.to_local_m(captions.ahead(row), np.array([50.0, 8.0]))
        np.testing.assert_allclose(metres[0], offset, atol=0.1)


def test_traits_are_bit_identical_in_any_batch_and_order():
    rng = np.random.default_rng(0)
    city = city_of([house(*rng.uniform(-HALF_M, HALF_M, 2), rng.normal()) for _ in range(400)])
    photos = pd.concat([camera(*rng.uniform(-HALF_M, HALF_M, 2), rng.uniform(0, 360), scene)
                        for scene in rng.choice(["street", "facade"], 60)])  # fmt: skip
    whole = captions.traits(city, photos)
    order = rng.permutation(60)
    np.testing.assert_array_equal(captions.traits(city, photos.iloc[order]), whole[order])
    np.testing.assert_array_equal(captions.traits(city, photos.iloc[7:8]), whole[7:8])
    assert captions.traits(city, photos.iloc[:0]).shape == (0, 7)
