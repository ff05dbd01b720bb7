import numpy as np
import pytest
from PIL import Image

from geonb.showing.pictures import contact_sheet, target_matrices


def test_a_contact_sheet_shows_every_picture_with_its_title():
    pictures = [Image.new(mode, (90, 60)) for mode in ("RGB", "L", "P", "RGBA")]
    figure = contact_sheet(pictures, list("abcd"), "Four", columns=3)
    assert [ax.get_title() for ax in figure.axes if ax.images] == list("abcd")
    with pytest.raises(ValueError, match="one title per picture"):
        contact_sheet(pictures, ["a"], "One")
    with pytest.raises(ValueError, match="no pictures"):
        contact_sheet([], [], "None")


@pytest.mark.parametrize("targets", [{}, {"a": np.eye(2), "b": np.eye(3)}])
def test_matrices_of_nothing_or_of_two_batches_are_refused(targets):
    with pytest.raises(ValueError, match="of one batch"):
        target_matrices(targets)
