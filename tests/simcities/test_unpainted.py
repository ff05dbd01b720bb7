import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from simcities import unpainted


def test_a_probe_reads_noisy_fields_as_well_as_it_reads_the_tower():
    rng = np.random.default_rng(0)
    city = np.repeat(["a", "b"], 20_000)
    seen = rng.normal(0, [1.0, 2.0], (40_000, 2)) + np.repeat([[0.0, 0], [5, 9]], 20_000, axis=0)
    noisy = seen + unpainted.noise_sd(seen, city, [0.6, 0.25]) * rng.standard_normal(seen.shape)
    for k, r2 in enumerate([0.6, 0.25]):
        x, y = noisy[:20_000, k : k + 1], seen[:20_000, k]
        assert LinearRegression().fit(x, y).score(x, y) == pytest.approx(r2, abs=0.02)
    assert np.isfinite(unpainted.noise_sd(seen, city, [-0.3, 1.0])).all()  # one that is not read has much noise
