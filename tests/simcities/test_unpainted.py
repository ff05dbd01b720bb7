import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from geonb.earth import sphere
from simcities import simulation, unpainted


def test_a_probe_reads_noisy_fields_as_well_as_it_reads_the_tower():
    rng = np.random.default_rng(0)
    city = np.repeat(["a", "b"], 20_000)
    seen = rng.normal(0, [1.0, 2.0], (40_000, 2)) + np.repeat([[0.0, 0], [5, 9]], 20_000, axis=0)
    noisy = seen + unpainted.noise_sd(seen, city, [0.6, 0.25]) * rng.standard_normal(seen.shape)
    for k, r2 in enumerate([0.6, 0.25]):
        x, y = noisy[:20_000, k : k + 1], seen[:20_000, k]
        assert LinearRegression().fit(x, y).score(x, y) == pytest.approx(r2, abs=0.02)
    assert np.isfinite(unpainted.noise_sd(seen, city, [-0.3, 1.0])).all()  # one that is not read has much noise


def test_errors_of_neighbouring_photos_are_alike_and_as_large_as_asked():
    world = simulation.World(city_count=1, photos_per_city=1500, world_seed=3)
    sd = np.linspace(0.5, 2.0, 28)
    photos, features, seen = unpainted.read(world, sd)
    error = (features - seen) / sd
    assert error.std() == pytest.approx(1.0, abs=0.05)
    at = sphere.to_local_m(photos[["lat_deg", "lon_deg"]].to_numpy(), world.city(0).centre_lat_lon_deg)
    apart_m = np.linalg.norm(at[:, None] - at[None], axis=2)
    alike = error @ error.T / len(sd)
    for low, high, expected in ((30, 50, 0.37), (90, 110, 0.2), (900, 1100, 0.0)):  # .55 exp(-3 h / 300 m)
        assert alike[(apart_m > low) & (apart_m < high)].mean() == pytest.approx(expected, abs=0.06)
