"""Variants differ from the base in one thing; readings and regions are those of plain arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch

from geonb.earth import sphere
from geonb.learning import encoders, geoclip, methods, negatives, training, variants

CURVE = (np.array([0, 300.0], np.float32), np.array([0.8, 0.0], np.float32))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All variants, trained for a few steps on photos whose features are their positions."""
    rng = np.random.default_rng(0)
    metres = rng.uniform(-500, 500, (200, 2))
    lat_lon_deg = sphere.from_local_m(metres, (50.0, 10.0))
    features = np.float32(np.hstack([metres / 500, np.ones((200, 1))]))
    codes = {level: np.arange(200) % 5 for level in ("street", "district", "city", "country")}
    inputs = torch.from_numpy(encoders.fourier_features(lat_lon_deg, per_band=16))
    places = training.Places(inputs, lat_lon_deg, np.full(200, "A", dtype=object), codes)
    part = np.array(["train", "train", "train", "validation", "test"] * 40, dtype=object)
    chosen = variants.of_sw_clip(100.0, [32, 64])
    bandwidth = dict(
        how="fixed", bandwidth_m=100.0, ranges_m={"A": 300.0}, range_share=0.3, neighbour=3, min_bandwidth_m=5.0
    )
    towers = dict(
        feature_size=3, inputs=inputs, size=16, base=None, location_tower="fourier", train_backbone=False,
        cell_size_m=100.0,
    )  # fmt: skip
    found = variants.fit_variants(
        chosen, torch.from_numpy(features), places, part, places[part == "train"],
        settings=methods.Settings(curve=CURVE),
        course=training.Settings(steps=40, batch_size=48, learning_rate=5e-3, evaluate_every=10), bandwidth=bandwidth,
        towers=towers, seeds=range(1), folder=tmp_path_factory.mktemp("ablations"),
    )  # fmt: skip
    return found, torch.from_numpy(features), places, part


def test_every_variant_changes_one_thing_that_changes_the_training(runs):
    found = runs[0]
    base = next(run for (variant, _), run in found.items() if variant.name == variants.BASE)
    for (variant, _), run in found.items():
        assert np.isfinite(run.curve.loss).all(), variant
        if variant.name != variants.BASE:
            changed = [bool(getattr(variant, name)) for name in ("loss", "bandwidth", "towers", "course")]
            assert sum(changed) == 1 or variant is variants.ONE_HOT, variant
            assert not np.array_equal(run.embeddings, base.embeddings), (
                f"{variant.group}: {variant.name} changes nothing"
            )


def test_names_of_variants_are_different():
    names = [(v.group, v.name) for v in variants.of_sw_clip(50.0, [64, 128])]
    assert len(set(names)) == len(names)
    assert names[0] == ("base", variants.BASE)


def test_every_caption_has_both_targets(runs):
    tuned = {name: methods.UNTUNED | {"learning_rate": rate} for name, rate in (("clip", 0.1), ("sw_clip", 0.2))}
    chosen = [v for said in (["street"], ["city", "country"]) for v in variants.spoken(said, tuned, 50)]
    assert [(v.group, v.method, v.course["learning_rate"]) for v in chosen] == [
        ("street", "clip", 0.1), ("street", "sw_clip", 0.2), ("city, country", "clip", 0.1),
        ("city, country", "sw_clip", 0.2),
    ]  # fmt: skip
    run = next(iter(runs[0].values()))
    done = {(variant, 0): run for variant in chosen}
    assert variants.converged(done).to_dict() == {
        f"{v.group}: {v.name}": not training.still_improving(run.curve) for v in chosen
    }


def test_guided_variants_change_one_thing_each():
    guide = negatives.Guide(np.float32([1]), np.float32([1]), np.float32([1]), 200.0)
    sizes = {"hidden": 8}
    base, *others = variants.guided(guide, sizes, guide)
    assert (base.loss, base.towers, base.course) == ({}, {}, {})
    assert all(bool(v.loss) + bool(v.towers) + bool(v.course) == 1 for v in others)
    assert [v.loss["guide"].range_m for v in others[:2]] == [100.0, 400.0]
    released = sizes | {"sigmas": list(geoclip.RELEASED_SIGMAS)}
    assert others[-1].towers == {"capsules": released}
    assert len(variants.guided(guide, released, guide)) == len(others)  # the base has those capsules already


def test_a_misspelt_change_is_refused(runs):
    with pytest.raises(TypeError, match="kernle"):
        dataclasses.replace(methods.Settings(), **variants.Variant("x", "y", loss={"kernle": "uniform"}).loss)


def test_decodings_are_chosen_on_validation_and_measured_on_test(runs):
    found, features, places, part = runs
    run = next(iter(found.values()))
    table = variants.decoded(run, features, places, part, places[part == "train"])
    assert list(table.decoding.unique()) == list(variants.DECODINGS)
    assert set(table.photo) == set(np.flatnonzero(part == "test"))
    best = table[table.decoding == "best place"].error_m.to_numpy()
    at = places[part == "train"].lat_lon_deg[run.chosen]
    np.testing.assert_allclose(best, sphere.distance_m(places.lat_lon_deg[part == "test"], at))
    smoothed = table[table.decoding == "smoothed posterior"]
    assert len(set(smoothed.value)) == 1
    assert smoothed.value.iloc[0] in variants.DECODINGS["smoothed posterior"]


def test_where_the_city_is_known_no_other_is_named(runs):
    found, features, places, part = runs
    run = next(iter(found.values()))
    places = dataclasses.replace(places, city=np.where(places.lat_lon_deg[:, 1] > 10, "East", "West").astype(object))
    gallery = places[part == "train"]
    ways = ("best place", "smoothed posterior")  # a geometric median may lie between places
    table = variants.decoded(run, features, places, part, gallery, ways=ways, city_known=True)
    assert table.decoding.unique().tolist() == list(ways)
    at = table[["predicted_lat_deg", "predicted_lon_deg"]].to_numpy()
    nearest, metres = sphere.nearest(at, gallery.lat_lon_deg)
    assert metres.max() < 0.01
    assert (gallery.city[nearest] == places.city[table.photo]).all()
    np.testing.assert_allclose(table.error_m, sphere.distance_m(places.lat_lon_deg[table.photo], at))


def test_a_city_without_a_place_in_the_gallery_is_refused_where_the_city_is_known(runs):
    found, features, places, part = runs
    places = dataclasses.replace(places, city=np.where(places.lat_lon_deg[:, 1] > 10, "East", "West").astype(object))
    gallery = places[(part == "train") & (places.city == "East")]
    with pytest.raises(ValueError, match="photos have no place to choose among: has their city any"):
        variants.decoded(next(iter(found.values())), features, places, part, gallery, city_known=True)
