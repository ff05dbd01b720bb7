"""Locations as text."""

import numpy as np
import open_clip
import pytest

from geonb.photos import captions

PLACE = np.array([[51.501234567, -0.12]])
NAMES = {"street": ["Rowan Lane"], "city": ["Velmora"], "country": ["Lutania"]}


def test_the_caption_has_the_form_of_the_paper():
    found = captions.location_captions(PLACE, **NAMES)
    assert found == ["[Street: Rowan Lane, City: Velmora, Country: Lutania. Lat: 51.50123, Lon: -0.12000.]"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("coordinates",), "[Lat: 51.50123, Lon: -0.12000.]"),
        (("city", "country"), "[City: Velmora, Country: Lutania]"),
        (("city", "coordinates"), "[City: Velmora. Lat: 51.50123, Lon: -0.12000.]"),
    ],
)
def test_parts_can_be_switched(parts, expected):
    assert captions.location_captions(PLACE, **NAMES, parts=parts) == [expected]


def test_unknown_names_are_left_out():
    found = captions.location_captions(PLACE, street=[""], city=["서울"])
    assert found == ["[City: 서울. Lat: 51.50123, Lon: -0.12000.]"]


@pytest.mark.parametrize("parts", [("planet",), ()])
def test_an_unknown_part_and_no_part_are_refused(parts):
    with pytest.raises(ValueError, match="at least one part of street, city, country, coordinates"):
        captions.location_captions(PLACE, parts=parts)


def test_a_caption_longer_than_the_context_is_refused_instead_of_losing_its_longitude():
    tokenizer = open_clip.SimpleTokenizer(context_length=64)
    found = captions.location_captions(PLACE, **NAMES)
    needed = len(tokenizer.encode(found[0])) + 2
    assert captions.tokens(found, tokenizer, needed).shape == (1, needed)
    with pytest.raises(ValueError, match=f"has {needed} tokens, the text tower reads {needed - 1}"):
        captions.tokens(found, tokenizer, needed - 1)
