"""Pictures: the same for the same seed, and each trait changes its own part of them."""

import dataclasses

import numpy as np
import pytest

from geonb import random_streams
from simcities import buildings, day, simulation
from simcities.headroom import fields, houses, renderer

PX = 64
pytestmark = pytest.mark.slow  # numba compiles the painter


def painted(city, shots, trait, value):
    """Eight views (8, px, px, 3) of a city in which one trait has the same value everywhere."""
    k, layers = fields.FIELDS.index(trait), city.fields.copy()
    layers[k] = value
    changed = dataclasses.replace(city, fields=layers)
    if trait in ("storeys", "setback"):
        changed = dataclasses.replace(changed, buildings=houses.build(changed, 0.0, random_streams.stream(0, "houses")))
    own = changed.buildings.copy()
    own[:, buildings.TRAITS + k] = value
    changed = dataclasses.replace(changed, buildings=own, things=houses.furnish(changed, random_streams.stream(0, "t")))
    photos, nuisances = shots
    return renderer.render(changed, photos[3:60:7], nuisances[3:60:7], PX).astype(float)


@pytest.mark.parametrize("trait", fields.FIELDS)
def test_a_trait_changes_pictures_and_the_more_of_it_there_is_the_more(city, shots, trait):
    low, middle, high = (painted(city, shots, trait, value) for value in (-1.5, 0.0, 1.5))
    assert 0.01 < (np.abs(high - low).mean(axis=-1) > 14).mean() < 0.5
    way = (high - low).ravel()
    assert 0.1 < (middle - low).ravel() @ way / (way @ way) < 0.9


def test_a_picture_is_the_same_for_the_same_seed_and_in_any_batch(world, city, shots):
    photos, nuisances = shots
    whole = renderer.render(city, photos, nuisances, PX)
    np.testing.assert_array_equal(renderer.render(city, photos[7:9], nuisances[7:9], PX), whole[7:9])
    assert np.ptp(whole.reshape(len(whole), -1), axis=1).min() > 100
    again = simulation.painted_again(world, [f"{city.name}-00007"])[0]
    assert np.abs(np.asarray(again, float) - whole[7]).mean() < 6  # as JPEG


def test_cars_are_parked_as_the_day_decides(city, shots):
    photos, days = shots[0][:20], [shots[1][:20].copy() for _ in range(2)]
    for nuisances, traffic in zip(days, (0.0, 1.0), strict=True):
        nuisances[:, day.TRAFFIC] = traffic
    quiet, busy = (renderer.render(city, photos, nuisances, PX).astype(float) for nuisances in days)
    changed = (np.abs(busy - quiet).mean(axis=-1) > 14).mean(axis=(1, 2))
    assert (changed > 0.001).mean() > 0.6
    assert changed.mean() < 0.2


def test_pictures_that_cannot_be_painted_are_refused(city, shots):
    photos, nuisances = shots
    with pytest.raises(ValueError, match="picture_px 100 must be a multiple of 16"):
        renderer.render(city, photos, nuisances, 100)
    with pytest.raises(ValueError, match="60 photos but 3 rows of nuisances"):
        renderer.render(city, photos, nuisances[:3], PX)
    with pytest.raises(ValueError, match="street 999 is none of the city's"):
        renderer.render(city, photos.assign(street=999), nuisances, PX)
