"""Towers: exactly open_clip's, features cached by content, positions without seams."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from geonb.earth import sphere
from geonb.learning import encoders

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A local-dir tower of the form that open_clip saves."""
    from safetensors.torch import save_file

    there = tmp_path_factory.mktemp("tower")
    torch.manual_seed(0)
    model = open_clip.model.CLIP(TINY["embed_dim"], TINY["vision_cfg"], TINY["text_cfg"])
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, there / "open_clip_model.safetensors")
    (there / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    return there


@pytest.fixture(scope="module")
def tower(folder):
    return encoders.load_tower(f"local-dir:{folder}")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    return [tmp_path / f"{n}.png" for n in range(3)]


def test_a_local_tower_gives_open_clips_own_features(tower, folder, pictures, tmp_path):
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    seen = torch.stack([transform(Image.open(path).convert("RGB")) for path in pictures])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.eval().encode_image(seen), dim=-1)
    found = encoders.image_features(pictures, list("abc"), tower, folder=tmp_path / "cache")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_named_model_takes_weights_from_a_file(pictures, tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "geonb-test.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "geonb-test.json")
    model = open_clip.create_model("geonb-test")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "weights.safetensors")
    tower = encoders.load_tower("geonb-test", str(tmp_path / "weights.safetensors"))
    for name, value in model.state_dict().items():
        assert torch.equal(tower.model.state_dict()[name], value), name


@pytest.fixture
def few_rows(tmp_path, folder):
    """few_rows(rows, kept): a tower whose file holds the `kept` rows of the token table, named as `rows`."""
    from safetensors.torch import load_file, save_file

    def write(rows, kept):
        state = load_file(folder / "open_clip_model.safetensors")
        state["token_embedding.weight"] = state["token_embedding.weight"][kept].contiguous()
        save_file(state | {"token_rows": torch.tensor(rows)}, tmp_path / "open_clip_model.safetensors")
        (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
        return f"local-dir:{tmp_path}"

    return write


def test_a_tower_with_few_token_rows_is_the_whole_one_for_their_words(few_rows, tower, tmp_path):
    words = ["a street with tall houses", "no trees"]
    rows = torch.unique(tower.tokenizer(words)).tolist()[::-1]
    small = encoders.load_tower(few_rows(rows, rows))
    assert type(small.model) is type(tower.model)
    assert repr(small.transform).split("<function")[0] == repr(tower.transform).split("<function")[0]
    unused = small.model.token_embedding.weight[np.setdiff1d(np.arange(49408), rows)]
    assert len(torch.unique(unused, dim=0)) == len(unused)  # different words stay different
    assert 0.9 < unused.std() / small.model.token_embedding.weight[rows].std() < 1.1
    with torch.no_grad():
        tower_says, small_says = (t.model.encode_text(t.tokenizer(words)) for t in (tower, small))
    assert torch.equal(small_says, tower_says)
    (tmp_path / "geonb-few.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "geonb-few.json")
    named = encoders.load_tower("geonb-few", str(tmp_path / "open_clip_model.safetensors"))
    assert named.digest == small.digest != tower.digest


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([3, 5], r"token_rows \(2,\) of torch.int64 must be one whole number for each of the 3 rows"),
        ([3.0, 5.0, 6.0], "of torch.float32 must be one whole number"),
        ([3, 5, 3], r"different numbers of 0..49407: 1 are repeated, they run from 3 to 5"),
        ([3, 5, 49408], "they run from 3 to 49408"),
        ([-1, 5, 6], "they run from -1 to 6"),
    ],
)
def test_token_rows_that_fit_no_table_are_refused(few_rows, rows, said):
    with pytest.raises(ValueError, match=said):
        encoders.load_tower(few_rows(rows, [3, 5, 6]))


def test_an_unknown_model_and_unknown_weights_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"open_clip has no model 'ViT-X'"):
        encoders.load_tower("ViT-X", "openai")
    with pytest.raises(ValueError, match=r"'nonsense' is neither a file nor one of the weights of ViT-B-32: .*openai"):
        encoders.load_tower("ViT-B-32", "nonsense")
    with pytest.raises(ValueError, match=r"no open_clip_config.json"):
        encoders.load_tower(f"local-dir:{tmp_path}")


def test_features_are_computed_once_per_content(tower, pictures, tmp_path, monkeypatch):
    asked = []
    compute = encoders.compute_features
    monkeypatch.setattr(
        encoders, "compute_features", lambda paths, *rest: asked.append(len(paths)) or compute(paths, *rest)
    )
    first = encoders.image_features(pictures[:2], ["a", "b"], tower, folder=tmp_path)
    again = encoders.image_features([pictures[1], pictures[2], pictures[0]], ["b", "c", "a"], tower, folder=tmp_path)
    assert asked == [2, 1]
    np.testing.assert_array_equal(again[[2, 0]], first)


def test_other_weights_have_another_digest(tower, folder):
    same = encoders.load_tower(f"local-dir:{folder}")
    assert same.digest == tower.digest
    with torch.no_grad():
        next(same.model.parameters()).add_(1e-3)
    assert encoders.digest_of(same.model, same.transform) != tower.digest
    assert encoders.digest_of(tower.model, "another transform") != tower.digest


def test_a_failed_write_leaves_the_old_cache(tower, pictures, tmp_path, monkeypatch):
    encoders.image_features(pictures[:1], ["a"], tower, folder=tmp_path)

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(encoders, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        encoders.image_features(pictures, list("abc"), tower, folder=tmp_path)
    files = [path for path in tmp_path.iterdir() if path.suffix == ".safetensors"]
    assert len(files) == 1
    assert list(encoders.read_features(files[0])) == ["a"]


def test_a_convolutional_tower_lies_channels_last_and_sees_the_same():
    tower = encoders.load_tower("local-dir:data/towers/geonb-tiny")
    seen = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = tower.model.encode_image(seen)
        assert tower.model.visual.conv2.weight.is_contiguous(memory_format=torch.channels_last)
        expected = tower.model.to(memory_format=torch.contiguous_format).encode_image(seen)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


# ---- positions -------------------------------------------------------------------------------------------------------
def test_fourier_features_have_no_seam_at_the_date_line_or_the_pole():
    date_line = encoders.fourier_features(np.array([[10.0, 180.0], [10.0, -180.0]]))
    pole = encoders.fourier_features(np.array([[90.0, 0.0], [90.0, 137.0]]))
    np.testing.assert_allclose(date_line[0], date_line[1], atol=1e-4)
    np.testing.assert_allclose(pole[0], pole[1], atol=1e-4)


@pytest.mark.parametrize("origin", [(0.0, 0.0), (51.5, -0.12), (-45.0, 179.9)])
def test_fourier_features_tell_two_metres_from_two_hundred_the_same_everywhere(origin):
    metres = np.array([[0.0, 0.0], [2.0, 0.0], [200.0, 0.0]])
    features = encoders.fourier_features(sphere.from_local_m(metres, origin)).astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near, far = 1 - unit[0] @ unit[1], 1 - unit[0] @ unit[2]
    assert 0 < near < 1e-3
    assert far > 0.1


def test_fourier_features_are_the_same_for_the_same_seed_and_lie_on_circles():
    places = np.array([[10.0, 20.0], [-30.0, 40.0]])
    features = encoders.fourier_features(places, per_band=5)
    np.testing.assert_array_equal(features, encoders.fourier_features(places, per_band=5))
    waves = features.shape[1] // 2
    np.testing.assert_allclose(features[:, :waves] ** 2 + features[:, waves:] ** 2, 1, atol=1e-5)


# ---- trainable towers ------------------------------------------------------------------------------------------------
def test_every_tower_ends_in_unit_vectors(tower):
    heads = {
        encoders.ImageHead(16, 8): torch.randn(4, 16),
        encoders.FourierTower(20, 8): torch.randn(4, 20),
        encoders.CaptionTower(tower.model, 8): torch.randint(0, 100, (4, 48)),
        encoders.ImageTower(tower.model.visual, encoders.ImageHead(16, 8)): torch.randn(4, 3, 32, 32),
    }
    for head, inputs in heads.items():
        found = head(inputs)
        assert found.shape == (4, 8)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.norm(dim=1), torch.ones(4))


def test_a_shorter_context_gives_the_same_vectors_of_short_texts(tower):
    tokens = tower.tokenizer(["Street: Lime Road.", "City: A"], context_length=tower.context_length)
    short = encoders.with_context(tower, 16)
    assert (short.context_length, short.model.context_length, tower.model.context_length) == (16, 16, 48)
    shown = encoders.text_features(short, tokens[:, :16])
    np.testing.assert_allclose(shown, encoders.text_features(tower, tokens), atol=1e-6)
    assert np.abs(shown[0] - shown[1]).max() > 0.01
    assert encoders.with_context(tower, 77) is tower
    with pytest.raises(ValueError, match="context_length 0 must be a whole number of at least 1"):
        encoders.with_context(tower, 0)


def test_the_temperature_never_multiplies_by_more_than_a_hundred():
    towers = encoders.TwoTowers(torch.nn.Identity(), torch.nn.Identity(), temperature=0.07)
    assert towers.scale().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        towers.log_scale.fill_(20)
    assert towers.scale().item() == pytest.approx(100)


@pytest.mark.parametrize("wrong", [0, -8])
def test_a_batch_of_no_pictures_is_refused_also_where_all_features_are_known(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"batch_size {wrong} must be a whole number of at least 1"):
        encoders.image_features([], [], None, batch_size=wrong, folder=tmp_path)
    with pytest.raises(ValueError, match="there are no pictures to read features of"):
        encoders.image_features([], [], None, folder=tmp_path)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_a_temperature_that_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match=f"temperature {wrong} must be a finite number above 0"):
        encoders.TwoTowers(None, None, wrong)
