"""Names of positions from the places that a package ships, without a network."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.measuring import errors
from geonb.photos import addresses


@pytest.mark.slow
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


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real positions")
def test_fifty_published_predictions_get_their_published_scores_and_names():
    """OSV-5M's own game: distances, points and hits were counted by its authors; their area counts '' as a hit."""
    file = Path(os.environ["GEONB_REAL_DATA"]) / "positions" / "osv5m_game_select_50_with_predictions.csv"
    game = pd.read_csv(file, keep_default_na=False, na_values=[""])
    true, told = (game[[f"{side}_lat", f"{side}_lon"]].to_numpy() for side in ("true", "pred"))
    error_m = sphere.distance_m(true, told)
    np.testing.assert_allclose(error_m / 1000, game.distance, atol=0.05)
    np.testing.assert_allclose(errors.geoscore(error_m), game.score, atol=0.01)
    there, here = addresses.of(true), addresses.of(told)
    assert (there.country == game.country).all()
    assert (there.region == game.region + ", " + game.country).mean() > 0.9
    assert (there.country == here.country).mean() == game.country_hit.mean() == 0.66
    assert (there.town == here.town).mean() == pytest.approx(game.city_hit.mean(), abs=0.021)
    assert (there.region == here.region).mean() == pytest.approx(game.region_hit.mean(), abs=0.021)


def test_names_are_those_of_the_nearest_place_and_districts_carry_their_city():
    known = pd.DataFrame({
        "lat_deg": [10.0, 10.0, 20.0], "lon_deg": [179.9, 10.0, 10.0], "country": ["X", "Y", None],
        "city": ["a", "b", "c"], "district": ["Old Town", "Old Town", ""],
    })  # fmt: skip
    found = addresses.of_nearest(known)(np.array([[10.0, -179.9], [11.0, 10.5], [19.0, 9.0]]))
    assert found.country.tolist() == ["X", "Y", ""]
    assert found.city.tolist() == ["a", "b", "c"]
    assert found.district.tolist() == ["Old Town, a", "Old Town, b", ""]
