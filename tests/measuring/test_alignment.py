"""Measures of coherence against slow formulas, their null, and the map of first components."""

import numpy as np
import pandas as pd
import pytest
from esda import Moran
from libpysal.weights import KNN
from scipy.stats import spearmanr

from geonb.earth import sphere
from geonb.measuring import coherence


def made(n=60, d=6, noise=0.3):
    """Unit vectors whose directions follow the ground in two cities: (unit, lat_lon_deg, city, blocks)."""
    rng = np.random.default_rng(0)
    parts = []
    for k, (city, centre) in enumerate({"a": (50.0, 8.0), "b": (40.0, 3.0)}.items()):
        metres = rng.uniform(-1000, 1000, (n, 2))
        waves = np.sin(metres @ rng.normal(0, 1 / 600, (2, d)) + rng.uniform(0, 6, d)) + k
        vectors = waves + noise * rng.normal(size=(n, d))
        parts.append((vectors, sphere.from_local_m(metres, np.array(centre)), np.full(n, city, object)))
    vectors, at, city = (np.concatenate(column) for column in zip(*parts, strict=True))
    blocks = np.array([f"{c}{i % 20}" for i, c in enumerate(city)])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), at, city, blocks


def table_of(unit, at, city, blocks, permutations=99, replicates=50):
    found = coherence.measures({"x": unit}, at, city, blocks, permutations=permutations, replicates=replicates)
    return found.set_index("measure")


def first_city():
    unit, at, _, _ = made()
    return unit[:60], at[:60]


def test_the_trace_of_morans_i_is_the_mean_of_esdas_over_dimensions_by_variance():
    unit, at = first_city()
    weights = KNN.from_array(sphere.unit_xyz(at), k=8, silence_warnings=True)
    weights.transform = "r"
    each = [Moran(column, weights, permutations=0).I for column in unit.T]
    above, below = coherence.moran_parts(unit, at)(np.arange(60))
    assert above.sum() / below.sum() == pytest.approx(np.average(each, weights=unit.var(axis=0)))


def test_ssi_and_geo_align_are_slow_loops():
    unit, at = first_city()
    similar, apart_m, others = unit @ unit.T, sphere.pair_distance_m(at), ~np.eye(60, dtype=bool)
    found = [spearmanr(similar[i][others[i]], -apart_m[i][others[i]])[0] for i in range(60)]
    np.testing.assert_allclose(coherence.geo_align_parts(unit, at)(np.arange(60))[0], found)
    np.fill_diagonal(similar, -np.inf)
    np.fill_diagonal(apart_m, np.inf)
    found = [
        np.mean([len(set(np.argsort(-similar[i])[:k]) & set(np.argsort(apart_m[i])[:k])) / k for k in range(1, 11)])
        for i in range(60)
    ]
    np.testing.assert_allclose(coherence.ssi_parts(unit, at)(np.arange(60))[0], found)


def test_city_align_counts_the_most_similar_of_the_same_city():
    unit, _, city, _ = made(noise=0.1)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    expected = [(city[np.argsort(-row)[:10]] == city[i]).mean() for i, row in enumerate(similar)]
    np.testing.assert_allclose(coherence.city_align_parts(unit, city)(np.arange(120))[0], expected)


def test_what_was_planted_smooth_stands_above_its_null_and_permuted_it_does_not():
    unit, at, city, blocks = made()
    smooth = table_of(unit, at, city, blocks)
    for name in coherence.MEASURES:
        assert smooth.value[name] > smooth.null_high[name], name
        assert smooth.p[name] == pytest.approx(0.02), name
        assert smooth.low[name] < smooth.value[name] < smooth.high[name], name
    rng, p = np.random.default_rng(5), []
    for _ in range(8):
        order = np.concatenate([rng.permutation(60), 60 + rng.permutation(60)])
        p.append(table_of(unit[order], at, city, blocks).p.drop("city_align"))
    p = pd.concat(p)
    assert (p < 0.05).mean() < 0.2
    assert p.mean() > 0.3


def test_turning_the_embedding_or_the_order_of_photos_changes_nothing_and_the_null_is_centred_where_chance_is():
    given, order = made(), np.random.default_rng(2).permutation(120)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    base = table_of(*given)
    np.testing.assert_allclose(table_of(given[0] @ turn, *given[1:]).value, base.value, atol=1e-9)
    np.testing.assert_allclose(table_of(*(part[order] for part in given)).value, base.value, atol=1e-9)
    by_chance = np.mean([k / 59 for k in range(1, 11)])  # of k among 59 others, k / 59 are shared
    assert base.null.to_list() == pytest.approx([-1 / 59, by_chance, 0, 59 / 119], abs=0.02)


def test_small_cities_are_left_out_and_without_others_it_is_said():
    given = made()
    one = table_of(*(part[:71] for part in given))
    assert (one.n == 60).all()
    assert "city_align" not in one.index  # in one city every neighbour is of the same
    none = table_of(*(part[60:71] for part in given)).reset_index()
    assert len(none) == 0
    assert coherence.answer_measures(none).endswith("need 12 test photos of a city: no city here has them.")


def test_the_answer_names_every_measure():
    table = table_of(*made()).reset_index().assign(method="frozen")
    assert "frozen: coherence_moran, ssi, geo_align, city_align" in coherence.answer_measures(table)
    assert "frozen: none" in coherence.answer_measures(table.assign(p=1.0))


def components_of(vectors, city):
    table = coherence.first_components(vectors, np.zeros((len(city), 2)), city)
    assert list(table) == list(coherence.COMPONENTS)
    return {name: own.score.to_numpy() for name, own in table.groupby("method")}


def test_the_first_component_follows_the_ground_and_keeps_its_sign():
    rng = np.random.default_rng(0)
    score, cities = rng.normal(size=100), np.repeat([[0, 5, 0], [0, 0, 9]], 50, axis=0)
    unit = np.outer(score, [1.0, 0, 0]) + 0.01 * rng.normal(size=(100, 3)) + cities
    found = components_of({"one": unit, "two": -unit}, np.repeat(["a", "b"], 50))
    within = score - np.repeat([score[:50].mean(), score[50:].mean()], 50)
    assert abs(spearmanr(found["one"], within)[0]) > 0.99
    np.testing.assert_allclose(found["one"], found["two"])
    assert found["one"].max() == 1
    alone = components_of({"one": np.eye(3), "two": np.eye(3)}, np.array(["a", "b", "c"]))
    assert len(set(alone["one"])) == len(set(alone["two"])) == 1


@pytest.mark.parametrize(("change", "given", "match"), [
    (lambda unit: unit, {"permutations": 0}, "permutations 0 must be"),
    (lambda unit: unit, {"replicates": 0}, "replicates 0 must be"),
    (lambda unit: unit[:30], {}, "there are 30 x, 40 positions, 40 city, 40 blocks"),
    (lambda unit: np.where(np.arange(240).reshape(40, 6) == 3, np.nan, unit), {}, "1 of 240 values of x are missing"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(change, given, match):
    unit, *where = made(n=20)
    with pytest.raises(ValueError, match=match):
        table_of(change(unit), *where, **given)


def test_vectors_that_are_all_alike_have_no_p_instead_of_a_tiny_one():
    with np.errstate(invalid="ignore"):
        table = table_of(np.tile([[1.0, 0.0]], (40, 1)), *made(n=20)[1:])
    assert np.isnan(table.p["coherence_moran"])
