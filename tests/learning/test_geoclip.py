"""GeoCLIP's towers: places on Equal Earth to a hair, noise in metres, hand-worked waves, released weights by name."""

import numpy as np
import pytest
import torch

from geonb.earth import sphere
from geonb.learning import geoclip, trainable_towers

LONDON = np.array([51.5, -0.12])
HERE = sphere.from_local_m(np.random.default_rng(0).uniform(-3_000, 3_000, (50, 2)), LONDON)


def small(**settings):
    return geoclip.CapsuleTower(HERE, 8, **{"frequencies": 4, "hidden": 6, **settings}).eval()


def test_positions_keep_a_millimetre_relative_to_the_middle():
    tower = small(sigmas=(1.0,))
    seen, middle = geoclip.read_places(HERE), sphere.equal_earth(sphere.centre(HERE)) * geoclip.SCALE
    relative = (seen[:, :2] - tower.whole) + (seen[:, 2:4] - tower.rest)
    exact = sphere.equal_earth(HERE) * geoclip.SCALE - middle
    metre = 1 / 20_000_000  # the equator's half is 1
    assert np.abs(relative.numpy() - exact).max() < 0.002 * metre


def test_noise_is_as_wide_on_the_ground_at_every_latitude_and_in_training_alone():
    for lat_deg in (0.0, 51.5, -75.0):
        at = np.tile([[lat_deg, 20.0]], (4_000, 1))
        slope = geoclip.read_places(at)[:, 4:].reshape(-1, 2, 2).numpy()
        metres = np.random.default_rng(1).normal(0, 30, (4_000, 2))
        moved = sphere.equal_earth(sphere.from_local_m(metres, at[0])) * geoclip.SCALE
        expected = moved - sphere.equal_earth(at) * geoclip.SCALE
        shown = (slope @ metres[:, :, None])[:, :, 0]
        assert np.abs(shown - expected).max() < 1e-3 * np.abs(expected).max(), lat_deg
    tower, seen = small(noise_m=50.0), geoclip.read_places(HERE)
    assert torch.equal(tower(seen), tower(seen))
    assert not torch.equal(tower.train()(seen), tower(seen))


@pytest.mark.parametrize("sigma", [1.0, 256.0, 65536.0])
def test_waves_equal_those_in_float64_also_under_autocast(sigma):
    waves = small(sigmas=(sigma,)).LocEnc0.capsule[0]
    at = sphere.equal_earth(HERE) * geoclip.SCALE
    phase = 2 * np.pi * at @ waves.b.double().numpy().T
    expected = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    relative = torch.from_numpy((at - waves.middle).astype(np.float32))
    with torch.autocast("cpu", torch.bfloat16):
        shown = waves(relative)
    assert shown.dtype == torch.float32
    assert np.abs(shown.numpy() - expected).max() < 2e-3


def test_a_capsule_gives_what_its_equations_give_by_hand():
    """b = (1/4, 0) at x = 1 is a quarter turn; every layer is the identity of one unit, the head doubles and adds 1."""
    capsule = geoclip.Capsule(1.0, 1, 2, 1, np.zeros(2))
    with torch.no_grad():
        capsule.capsule[0].b.copy_(torch.tensor([[0.25, 0.0]]))
        for n in (1, 3, 5):
            capsule.capsule[n].weight.copy_(torch.eye(2))
            capsule.capsule[n].bias.zero_()
        capsule.head[0].weight.copy_(torch.tensor([[2.0, 2.0]]))
        capsule.head[0].bias.fill_(1.0)
    at = torch.tensor([[0.0, 0.0], [1.0, 5.0], [2.0, 0.0]])  # cos, sin: (1, 0), (0, 1), (-1 -> 0 by ReLU, 0)
    torch.testing.assert_close(capsule(at), torch.tensor([[3.0], [3.0], [1.0]]), atol=1e-6, rtol=0)


def test_the_released_shape_has_its_known_parameters():
    """Per capsule 512-1024-1024-1024 and a head of 512: 525,312 + 2 * 1,049,600 + 524,800; three of them."""
    tower = geoclip.CapsuleTower(HERE)
    assert sum(p.numel() for p in tower.parameters()) == 3 * (525_312 + 2 * 1_049_600 + 524_800) == 9_447_936
    assert sum(p.numel() for p in trainable_towers.geoclip_head(768).parameters()) == 768 * 768 + 768 + 768 * 512 + 512
    names = [f"LocEnc{n}.{part}" for n in range(3) for part in
             ("capsule.0.b", *(f"capsule.{k}.{w}" for k in (1, 3, 5) for w in ("weight", "bias")),
              "head.0.weight", "head.0.bias")]  # fmt: skip
    assert sorted(tower.state_dict()) == sorted(names)


def two_towers():
    torch.manual_seed(0)
    return trainable_towers.TwoTowers(trainable_towers.geoclip_head(5, 8, 4), small(sigmas=(1.0, 16.0))).eval()


def released(folder, **changed):
    """Files as GeoCLIP's, of small towers with other weights; the towers they were written from."""
    towers = two_towers()
    with torch.no_grad():
        for value in towers.parameters():
            value.mul_(1.1)
    for capsule in towers.location.children():
        capsule.capsule[0].b.mul_(1.5)
        capsule.capsule[0].settle()
    states = towers.image.state_dict(), towers.location.state_dict() | changed, towers.log_scale.detach()
    for name, state in zip(geoclip.RELEASED_FILES.values(), states, strict=True):
        torch.save(state, folder / name)
    return towers


def test_weights_of_the_released_form_are_taken_over_whole(tmp_path):
    given, fresh = released(tmp_path), two_towers()
    photos, seen = torch.randn(3, 5), geoclip.read_places(HERE)
    assert not torch.allclose(fresh.location(seen), given.location(seen))
    geoclip.load_released(fresh, tmp_path)
    torch.testing.assert_close(fresh.image(photos), given.image(photos))
    torch.testing.assert_close(fresh.location(seen), given.location(seen))
    assert fresh.scale() == given.scale()


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path):
    released(tmp_path, **{"LocEnc0.head.0.bias": torch.zeros(3), "other": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"(?s)\"other\".*LocEnc0\.head\.0\.bias.*\[3\].*\[8\]"):
        geoclip.load_released(two_towers(), tmp_path)
    with pytest.raises(FileNotFoundError, match="image_encoder_mlp_weights"):
        geoclip.load_released(two_towers(), tmp_path / "none")


def test_pickled_code_is_never_run(tmp_path):
    released(tmp_path)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save(Evil(), tmp_path / "logit_scale_weights.pth")
    with pytest.raises(Exception, match=r"[Ww]eights"):
        geoclip.load_released(two_towers(), tmp_path)
    assert not (tmp_path / "pwned").exists()
