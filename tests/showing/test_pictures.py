import pytest
from PIL import Image

from geonb.showing.pictures import contact_sheet


def test_a_contact_sheet_shows_every_picture_with_its_title():
    pictures = [Image.new(mode, (90, 60)) for mode in ("RGB", "L", "P", "RGBA")]
    figure = contact_sheet(pictures, list("abcd"), "Four", columns=3)
    assert [ax.get_title() for ax in figure.axes if ax.images] == list("abcd")
    with pytest.raises(ValueError, match="shorter"):
        contact_sheet(pictures, ["a"], "One")
