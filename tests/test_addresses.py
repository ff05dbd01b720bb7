"""Names of positions from the places that a package ships, without a network."""

import numpy as np
import pytest

from geonb import addresses, sphere


def test_a_position_has_the_names_of_the_nearest_place_each_with_the_wider_ones():
    found = addresses.of([[60.254, 5.438], [51.5007, -0.1246]])
    assert found.country.tolist() == ["NO", "GB"]
    assert found.region.tolist() == ["Hordaland, NO", "England, GB"]
    assert found.town[0] == "Syfteland, Os, Hordaland, NO"
    assert found.town[1].endswith(", Greater London, England, GB")
    assert (found.distance_m < 5_000).all()


def test_a_level_that_geonames_does_not_know_is_empty_and_the_narrower_ones_go_on():
    found = addresses.of([[15.217, -14.465]]).iloc[0]
    assert (found.subregion, found.town) == ("", "Ranerou, Matam, SN")


def test_the_nearest_place_is_found_across_the_date_line():
    at, _ = addresses.gazetteer()
    east = addresses.of([[-16.8, 179.99]]).iloc[0]
    west = addresses.of([[-16.8, -179.99]]).iloc[0]
    assert east.country == west.country == "FJ"
    assert west.distance_m == pytest.approx(sphere.distance_m(np.array([[-16.8, -179.99]]), at).min(), rel=1e-6)


def test_names_differ_where_their_wider_places_do():
    at, names = addresses.gazetteer()
    springfields = names.town[names.town.str.startswith("Springfield,")]
    assert springfields.nunique() == len(springfields) >= 20
    assert len(at) == len(names) > 100_000
