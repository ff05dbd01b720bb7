"""Ready-made towers: exactly open_clip's, features cached by content, names of places as they read them."""

import json

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image

from geonb.learning import pretrained_towers

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


PLACES = pd.DataFrame({
    "street": ["Elm Row", "Oak Lane"], "city": ["Velmora", "Ostrand"], "country": "Lutania",
    "lat_deg": [50.5, -10.25], "lon_deg": [7.125, 179.5],
})  # fmt: skip


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
    return pretrained_towers.load_tower(f"local-dir:{folder}")


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
    found = pretrained_towers.image_features(pictures, list("abc"), tower, folder=tmp_path / "cache")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_named_model_takes_weights_from_a_file(pictures, tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "geonb-test.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "geonb-test.json")
    model = open_clip.create_model("geonb-test")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "weights.safetensors")
    tower = pretrained_towers.load_tower("geonb-test", str(tmp_path / "weights.safetensors"))
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
    small = pretrained_towers.load_tower(few_rows(rows, rows))
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
    named = pretrained_towers.load_tower("geonb-few", str(tmp_path / "open_clip_model.safetensors"))
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
        pretrained_towers.load_tower(few_rows(rows, [3, 5, 6]))


def test_an_unknown_model_and_unknown_weights_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"open_clip has no model 'ViT-X'"):
        pretrained_towers.load_tower("ViT-X", "openai")
    with pytest.raises(ValueError, match=r"'nonsense' is neither a file nor one of the weights of ViT-B-32: .*openai"):
        pretrained_towers.load_tower("ViT-B-32", "nonsense")
    with pytest.raises(ValueError, match=r"no open_clip_config.json"):
        pretrained_towers.load_tower(f"local-dir:{tmp_path}")


def test_features_are_computed_once_per_content(tower, pictures, tmp_path, monkeypatch):
    asked = []
    compute = pretrained_towers.compute_features
    monkeypatch.setattr(
        pretrained_towers, "compute_features", lambda paths, *rest: asked.append(len(paths)) or compute(paths, *rest)
    )
    first = pretrained_towers.image_features(pictures[:2], ["a", "b"], tower, folder=tmp_path)
    again = pretrained_towers.image_features(
        [pictures[1], pictures[2], pictures[0]], ["b", "c", "a"], tower, folder=tmp_path
    )
    assert asked == [2, 1]
    np.testing.assert_array_equal(again[[2, 0]], first)


def test_other_weights_have_another_digest(tower, folder):
    same = pretrained_towers.load_tower(f"local-dir:{folder}")
    assert same.digest == tower.digest
    with torch.no_grad():
        next(same.model.parameters()).add_(1e-3)
    assert pretrained_towers.digest_of(same.model, same.transform) != tower.digest
    assert pretrained_towers.digest_of(tower.model, "another transform") != tower.digest


def test_a_failed_write_leaves_the_old_cache(tower, pictures, tmp_path, monkeypatch):
    pretrained_towers.image_features(pictures[:1], ["a"], tower, folder=tmp_path)

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pretrained_towers, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        pretrained_towers.image_features(pictures, list("abc"), tower, folder=tmp_path)
    files = [path for path in tmp_path.iterdir() if path.suffix == ".safetensors"]
    assert len(files) == 1
    assert list(pretrained_towers.read_features(files[0])) == ["a"]


def test_a_convolutional_tower_lies_channels_last_and_sees_the_same():
    tower = pretrained_towers.load_tower("local-dir:data/towers/geonb-tiny")
    seen = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = tower.model.encode_image(seen)
        assert tower.model.visual.conv2.weight.is_contiguous(memory_format=torch.channels_last)
        expected = tower.model.to(memory_format=torch.contiguous_format).encode_image(seen)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_shorter_context_gives_the_same_vectors_of_short_texts(tower):
    tokens = tower.tokenizer(["Street: Lime Road.", "City: A"], context_length=tower.context_length)
    short = pretrained_towers.with_context(tower, 16)
    assert (short.context_length, short.model.context_length, tower.model.context_length) == (16, 16, 48)
    shown = pretrained_towers.text_features(short, tokens[:, :16])
    np.testing.assert_allclose(shown, pretrained_towers.text_features(tower, tokens), atol=1e-6)
    assert np.abs(shown[0] - shown[1]).max() > 0.01
    assert pretrained_towers.with_context(tower, 77) is tower
    with pytest.raises(ValueError, match="context_length 0 must be a whole number of at least 1"):
        pretrained_towers.with_context(tower, 0)


def test_the_frozen_tower_reads_the_names_of_places_and_nothing_of_where_they_lie():
    base = pretrained_towers.load_tower("local-dir:data/towers/geonb-tiny")
    found = pretrained_towers.zero_shot(base, PLACES.iloc[[0, 1, 0]].assign(lat_deg=[1.0, 2.0, 3.0]))
    said = ["[Street: Elm Row, City: Velmora, Country: Lutania]", "[Street: Oak Lane, City: Ostrand, Country: Lutania]"]
    with torch.inference_mode():
        own = base.model.encode_text(base.tokenizer(said, context_length=base.context_length), normalize=True).numpy()
    np.testing.assert_allclose(found, own[[0, 1, 0]], atol=1e-5)
    assert np.abs(own[0] - own[1]).max() > 1e-3


@pytest.mark.parametrize("wrong", [0, -8])
def test_a_batch_of_no_pictures_is_refused_also_where_all_features_are_known(tmp_path, wrong):
    with pytest.raises(ValueError, match=f"batch_size {wrong} must be a whole number of at least 1"):
        pretrained_towers.image_features([], [], None, batch_size=wrong, folder=tmp_path)
    with pytest.raises(ValueError, match="there are no pictures to read features of"):
        pretrained_towers.image_features([], [], None, folder=tmp_path)
