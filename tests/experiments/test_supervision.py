import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from experiments.words import readout, supervision
from geonb import files
from geonb.photos import sources
from geonb.photos.catalogue import with_lat_lon
from geonb.photos.pictures import open_picture

OPTIONS = {"city_count": 2, "photos_per_city": 30, "picture_px": 96, "world_seed": 4, "city_side_m": 900.0}
SETTINGS = {"steps": 2, "batch_size": 16, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def catalogue():
    return with_lat_lon(sources.gather("simulated", OPTIONS)[0])


@pytest.fixture(scope="module")
def lesson(catalogue):
    return supervision.lesson(sources.world("simulated", OPTIONS), catalogue)


def words(lesson, name, epoch=0):
    """The captions of a teaching as sentences again."""
    decoder = supervision.tokenizer()
    return [
        decoder.decode([n for n in lesson.vocabulary[row].tolist() if n]) for row in
        supervision.tokens(lesson, supervision.teaching(name), 0, epoch)
    ]  # fmt: skip


def test_a_lesson_shows_what_the_photos_show(lesson, catalogue):
    first = np.asarray(open_picture(catalogue.path[0]))
    np.testing.assert_array_equal(lesson.pixels[0], first)
    street = (lesson.scenes == "street") & (catalogue.caption.str.contains("no trees|not one tree")).to_numpy()
    assert lesson.traits[street, 5].mean() < lesson.traits[lesson.scenes == "street", 5].mean()


def test_words_are_numbered_anew_without_being_lost(lesson):
    said = supervision.tokens(lesson, supervision.teaching("words_all"), 0, 0)
    assert said.max() == len(lesson.vocabulary) - 1  # the end of a text has the largest number
    plain = supervision.tokenizer()(words(lesson, "words_all"))
    assert torch.equal(lesson.vocabulary[said][:, 1:10], plain[:, 2:11])  # decoded with its start of text


def test_every_epoch_says_the_same_in_other_words(lesson):
    assert words(lesson, "words_all", 0) != words(lesson, "words_all", 1)
    assert words(lesson, "words_of_places", 0) == words(lesson, "words_of_places", 1)


def test_what_captions_say(lesson, catalogue):
    for sentence in words(lesson, "words_of_the_day"):
        assert not any(word in sentence for word in ("asphalt", "facades", "footways", "trees"))
    assert all(
        city.lower() in said for city, said in zip(catalogue.city, words(lesson, "words_of_places"), strict=True)
    )


def test_another_picture_is_of_the_same_kind_and_never_the_same(lesson):
    whose = supervision.another(lesson.scenes, 0)
    kinds, counts = np.unique(lesson.scenes, return_counts=True)
    many = np.isin(lesson.scenes, kinds[counts > 1])
    assert (lesson.scenes[whose] == lesson.scenes).all()
    assert (whose[many] != np.arange(len(whose))[many]).all()
    assert sorted(whose) == list(range(len(whose)))


@pytest.mark.parametrize("name", supervision.TEACHINGS)
def test_every_teaching_moves_the_same_tower(lesson, name):
    tower, curve = supervision.teach(name, lesson, **SETTINGS)
    start, _ = supervision.teach("untrained", lesson, **SETTINGS)
    assert np.isfinite(curve).all()
    assert len(curve) == (0 if name == "untrained" else 2)
    blocks = [model.transformer.state_dict() for model in (tower, start)]
    assert blocks[0].keys() == blocks[1].keys()
    moved = [not torch.equal(value, blocks[1][key]) for key, value in blocks[0].items()]
    assert any(moved) == (name != "untrained")
    for key, value in blocks[0].items():  # from the same start: two steps do not lead far
        assert (value - blocks[1][key]).abs().max() < 0.01


def test_a_tower_is_taught_once(lesson, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    tower, curve = supervision.taught_tower("words_half", lesson, **SETTINGS)
    monkeypatch.setattr(supervision, "teach", None)
    again, curve_again = supervision.taught_tower("words_half", lesson, **SETTINGS)
    np.testing.assert_array_equal(curve, curve_again)
    picture = supervision.as_taught(Image.fromarray(lesson.pixels[0]))[None]
    assert torch.equal(tower.model.visual(picture), again.model.visual(picture))


def test_other_photos_and_other_settings_have_a_folder_of_their_own(lesson):
    here = supervision.folder_of(lesson, **SETTINGS)
    assert here == supervision.folder_of(lesson, **SETTINGS)
    assert here != supervision.folder_of(lesson, **(SETTINGS | {"steps": 3}))
    fewer = supervision.Lesson(
        lesson.pixels[:9],
        lesson.traits[:9],
        lesson.nuisances[:9],
        lesson.scenes[:9],
        lesson.places[:9],
        lesson.vocabulary,
    )
    assert here != supervision.folder_of(fewer, **SETTINGS)


def test_a_masked_tower_is_judged_by_what_it_did_not_see(lesson):
    """The loss does not change with the pixels of visible patches' targets: only hidden patches count."""
    torch.manual_seed(0)
    taught = supervision.teaching("masked")
    tower = supervision.Taught(taught, supervision.model_of(taught, 96, len(lesson.vocabulary)))
    seen = supervision.augmented(lesson.pixels[:4], np.random.default_rng(0))
    with torch.no_grad():
        tower.decoder.leave.weight.zero_()
        tower.decoder.leave.bias.zero_()
        loss = supervision.masked(tower, seen, np.random.default_rng(0))
    patches = torch.nn.functional.unfold(seen, 16, stride=16)
    assert loss < 1.0  # normalised patches have variance one, flat ones less
    assert patches.shape[2] == 36


def test_strong_views_are_crops_in_other_colours(lesson):
    rng = np.random.default_rng(0)
    weak, strong = (supervision.augmented(lesson.pixels[:8], rng, views) for views in ("weak", "strong"))
    assert weak.shape == strong.shape == (8, 3, 96, 96)
    assert torch.isfinite(strong).all()
    assert (strong.mean(dim=(2, 3)) - weak.mean(dim=(2, 3))).abs().mean() > 0.05


@pytest.mark.parametrize("size", [0, 1, 61])
def test_a_batch_must_fit(lesson, size):
    with pytest.raises(ValueError, match=f"batch_size {size} must be a whole number of at least 2 and at most 60"):
        supervision.teach("fields", lesson, steps=1, batch_size=size, learning_rate=1e-3)


def test_an_unknown_teaching_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no tower is taught 'songs': there are untrained, masked"):
        supervision.teaching("songs")


def test_only_simulated_photos_have_a_world():
    with pytest.raises(ValueError, match="source 'folder' has no world"):
        sources.world("folder", {})
    assert set(sources.scenes("folder", {}, ["a", "b"])) == {"photo"}


# ---- tables of what is read ------------------------------------------------------------------------------------------
def asked(n=600):
    """Photos of two cities of which something is asked."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"lat_deg": rng.uniform(0, 0.02, n), "lon_deg": rng.uniform(0, 0.02, n), "city": "a"}).assign(
        country=""
    )
    table.loc[n // 2 :, "city"] = "b"
    table.loc[n // 2 :, "lat_deg"] += 5
    aims = readout.aims_of(table, rng.normal(size=(n, 3)))
    scene = np.where(np.arange(n) % 10 == 0, "park", "street")
    block = (table.lat_deg // 0.004 * 100 + table.lon_deg // 0.004).astype(int).to_numpy()
    return readout.Asked(aims, table.city.to_numpy(), block, scene)


def test_what_is_read_has_a_row_for_each_tower_cut_aim_and_scene():
    own = asked()
    folds, left_out = readout.cuts(["random", "blocked", "unseen_city"], own, np.array([""] * 600, dtype=object))
    assert set(folds) == {"random", "blocked"}
    assert "split unseen_city needs at least 3 groups" in left_out[0]
    holds = np.column_stack([own.aims["fields"], own.aims["position"]])
    towers = {"good": [[np.ones((600, 2)), holds]] * 2, "none": [[np.random.default_rng(1).normal(size=(600, 2))]]}
    labels = {"good": ["0 mean", "1 mean"], "none": ["0 mean"]}
    read, depth, parts = readout.read(towers, labels, own, folds, replicates=20)
    assert list(read.columns) == list(readout.READ)
    assert list(depth.columns) == list(readout.DEPTH)
    whole = read[read.scene == "all"].set_index(["tower", "split", "aim"])
    assert whole.value["good", "blocked", "fields"] > 0.99
    assert whole.layer["good", "blocked", "position"] == "1 mean"
    assert abs(whole.value["none", "random", "fields"]) < 0.1
    assert whole.seeds["good", "random", "city"] == 2
    assert set(read.scene) == {"all", "park", "street"}
    assert depth[(depth.tower == "good") & (depth.aim == "fields")].depth.tolist() == [0, 1, 0, 1]
    assert parts["good", "random", "position"].shape == (2, 2, 600)


def test_a_city_in_one_fold_is_left_out_with_its_name():
    own = asked()
    alone = readout.Asked(own.aims, own.city, np.where(own.city == "a", 1, own.block), own.scene)
    folds, left_out = readout.cuts(["blocked"], alone, np.array([""] * 600, dtype=object))
    assert folds == {}
    assert left_out == ["Not probed: split blocked leaves no photo of a to train a probe."]


def test_photos_to_probe_are_usable_drawn_by_city_with_all_of_rare_kinds():
    city, scene = np.repeat(["a", "b"], 100), np.where(np.arange(200) % 20 == 0, "park", "street")
    usable = np.arange(200) % 2 == 0
    here = readout.chosen(city, scene, usable, 20, seed=1)
    assert usable[here].all()
    assert set(np.flatnonzero(usable & (scene == "park"))) <= set(here)
    assert 40 <= len(here) <= 50


def test_small_cities_are_not_probed_and_nothing_at_all_is_no_crash():
    city, scene = np.array(["a"] * 40 + ["b"] * 4), np.array(["photo"] * 44)
    assert readout.chosen(city, scene, np.ones(44, bool), 30).max() < 40
    here = readout.chosen(city, scene, city == "b", 30)
    assert len(here) == 0
    empty = pd.DataFrame({"lat_deg": [], "lon_deg": [], "city": [], "country": []})
    own = readout.Asked(readout.aims_of(empty), city[:0], city[:0], scene[:0])
    folds, left_out = readout.cuts(["random", "blocked", "unseen_city"], own, city[:0])
    assert (folds, len(left_out)) == ({}, 2)
    table, depth, parts = readout.read({}, {}, own, folds)
    nothing = [pd.DataFrame(columns=list(columns)) for columns in (readout.SLOPES, readout.GAPS, readout.DOSE)]
    assert (len(table), len(depth), parts) == (0, 0, {})
    assert "too few photos" in readout.answer(table, *nothing)
    assert len(readout.headline(table, *nothing[:2], None, 0, "page")) == 0


def test_one_city_is_not_asked_which_one_it_is():
    table = pd.DataFrame({"lat_deg": [0.0, 0.1], "lon_deg": [0.0, 0.1], "city": "a", "country": ""})
    assert list(readout.aims_of(table)) == ["position"]
    assert list(readout.aims_of(table.assign(city=["a", "b"]))) == ["position", "city"]


def test_a_country_is_asked_for_where_there_are_several_of_several_cities():
    names = pd.DataFrame({"lat_deg": np.arange(6.0), "lon_deg": 0.0, "city": list("abcdef"), "country": list("xxyyzz")})
    aims = readout.aims_of(names)
    assert list(aims) == ["position", "city", "country"]
    assert aims["country"].argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]
    for country in ("xxyyyy", "xxyyzw", ["x", "x", "y", "y", "", ""]):  # two countries of two cities; one is unknown
        assert "country" not in readout.aims_of(names.assign(country=list(country)))


def test_the_country_of_an_unseen_city_is_told_where_a_country_has_a_look():
    rng, city = np.random.default_rng(0), np.repeat(np.arange(9), 40)
    table = pd.DataFrame({"lat_deg": city + rng.uniform(0, 0.02, 360), "lon_deg": rng.uniform(0, 0.02, 360)})
    table = table.assign(city=city.astype(str), country=(city // 3).astype(str))
    own = readout.Asked(readout.aims_of(table), table.city.to_numpy(object), city, np.full(360, "street"))
    folds, _ = readout.cuts(["unseen_city"], own, np.full(360, "", dtype=object))
    looks = rng.normal(size=(3, 8))[city // 3] + 0.3 * rng.normal(size=(360, 8))
    towers = {"sees": [[looks]], "blind": [[rng.normal(size=(360, 8))]]}
    read, _, parts = readout.read(towers, {name: ["0 mean"] for name in towers}, own, folds, replicates=10)
    told = read[read.scene == "all"].set_index("tower").value
    assert set(read.aim) == {"country"}
    assert told.sees > 0.95
    assert told.blind < 0.45  # below a third: the country of the held-out city is rarer among those that train
    assert parts == {}
    rows = readout.headline(read, *[pd.DataFrame(columns=["split", "share"])] * 2, None, 0, "page")
    assert "probe_country_accuracy.unseen_city.sees" in set(rows.key)


def test_a_sure_posterior_does_not_scatter():
    where = pd.DataFrame({"city": "a", "lat_deg": 0.0, "lon_deg": [0.0, 0.01, 0.02]})
    features = np.eye(3)
    sure, unsure = (
        readout.spread_m(features[:1], features, where),
        readout.spread_m(np.ones((1, 3)) / 3**0.5, features, where),
    )
    assert sure[0] < 1
    assert unsure[0] > 500


def test_doses_and_gaps_come_from_the_towers_that_are_there():
    own = asked()
    rng = np.random.default_rng(0)

    def squares(r2):
        return np.stack([rng.normal(1, 0.05, (2, 600)) * (1 - r2), np.ones((2, 600))], axis=1)

    parts = {
        (name, split, aim): squares(0.2 + 0.4 * share)
        for name, share in supervision.DOSES.items() for split in readout.BOTH for aim in readout.WITHIN
    }  # fmt: skip
    dose, slopes = readout.doses(parts, parts, own, replicates=20)
    assert len(dose) == 16
    assert slopes.slope.tolist() == pytest.approx([0.4] * 4, abs=0.01)
    assert len(readout.gaps(parts, own, replicates=20)) == 0
    others = {(name, split, "fields"): squares(0.1) for name in supervision.VISION for split in readout.BOTH}
    others |= {("captioner", split, "fields"): squares(0.6) for split in readout.BOTH}
    found = readout.gaps(parts | others, own, replicates=20)
    assert found.aim.tolist() == ["fields"]
    assert found.share[0] == pytest.approx(1, abs=0.05)


def test_scenes_are_ranked_by_what_is_planted():
    rows = [
        {"tower": "t", "split": "blocked", "aim": aim, "scene": scene, "metric": "r2", "value": value, "n": 50}
        for aim in readout.WITHIN for scene, value in (("street", 0.5), ("facade", 0.3), ("park", 0.0))
    ]  # fmt: skip
    spreads = pd.DataFrame({"scene": ["street", "facade", "park"], "spread_m": [100.0, 200.0, 900.0]})
    table = readout.scenes(pd.DataFrame(rows), "t", {"street": 7, "facade": 3}, spreads)
    assert table.scene.tolist() == ["street", "facade", "park"]
    assert readout.agreement(table).loc["planted", "fields_r2"] == pytest.approx(1)
    assert readout.agreement(table).loc["planted", "certainty"] == pytest.approx(1)


def test_what_is_borrowed_is_said_to_be():
    rows = [{"tower": "t", "split": "blocked", "aim": "position", "scene": "all", "value": -0.001}]
    slopes = pd.DataFrame([("fields", "blocked", 0.07, 0.05, 0.09)], columns=list(readout.SLOPES))
    dose = pd.DataFrame(
        [("w", "blocked", "fields", k, 0, 0.1 + k / 10, 0, 0) for k in (0, 1)], columns=list(readout.DOSE)
    )
    gaps = pd.DataFrame([("position", np.nan, np.nan, np.nan)], columns=list(readout.GAPS))
    said = readout.answer(pd.DataFrame(rows), slopes, gaps, dose, "other")
    assert "an R² of 0.00 in blocked folds" in said
    assert "In study other text that describes the planted fields helps to read them" in said
    assert "from 0.10 to 0.20 (slope 0.07, 0.05 to 0.09)" in said
    assert "no lead in position" in said
    assert "Here text" in readout.answer(pd.DataFrame(rows), slopes, gaps, dose)
    doubtful = readout.answer(pd.DataFrame(rows), slopes.assign(low=-0.01), gaps, dose)
    assert "is not shown to help" in doubtful


def test_directions_know_nothing_of_which_city_it_is():
    """A city's mean stands in one feature for all; within a city each scene has a feature of its own."""
    rng, n = np.random.default_rng(0), 1600
    city, scene = np.repeat(["a", "b", "c", "d"], 400).astype(object), np.where(np.arange(n) % 2, "park", "street")
    mean = np.repeat([-3.0, -1.0, 1.0, 3.0], 400)
    features = rng.normal(size=(n, 6))
    target = mean + np.where(scene == "park", features[:, 1], features[:, 2])
    features[:, 0] = mean
    asked_of = readout.Asked({"fields": target[:, None]}, city, np.arange(n) // 10, scene)
    table = readout.directions({"fields": features}, asked_of).set_index("parts")
    assert list(table.columns) == list(readout.DIRECTIONS)[1:]
    assert table.same_part["scene"] > 0.9
    assert abs(table.other_part["scene"]) < 0.2
    assert table.other_part["city"] > 0.9
    assert table["count"].to_dict() == {"city": 4, "scene": 2}


def test_in_unseen_cities_cities_are_drawn_again_and_not_their_blocks():
    """Of 24 cities half are told wholly: blocks within a city say the same again."""
    city = np.repeat(np.arange(24), 30)
    table = pd.DataFrame({"lat_deg": city.astype(float), "lon_deg": 0.0, "city": city.astype(str)})
    table = table.assign(country=(city % 4).astype(str))
    seen = np.where((city < 12)[:, None], np.eye(4)[city % 4], np.random.default_rng(0).normal(size=(24, 4))[city])
    own = readout.Asked(
        readout.aims_of(table), table.city.to_numpy(object), np.arange(720) // 5, np.full(720, "street")
    )
    folds, _ = readout.cuts(["unseen_city"], own, np.full(720, "", dtype=object))
    read = readout.read({"t": [[seen]]}, {"t": ["0 mean"]}, own, folds, replicates=200)[0].iloc[0]
    assert read.high - read.low > 0.2


@pytest.mark.filterwarnings("error")
def test_a_country_that_no_other_fold_holds_has_no_row():
    city = np.repeat(np.arange(6), 20)
    table = pd.DataFrame({"lat_deg": city.astype(float), "lon_deg": 0.0, "city": city.astype(str)})
    own = readout.Asked(
        readout.aims_of(table.assign(country=(city // 2).astype(str))), table.city.to_numpy(object), city,
        np.full(120, "street"),
    )  # fmt: skip
    folds = {"unseen_city": city // 2}  # the cities of a country together
    read = readout.read({"t": [[np.eye(6)[city]]]}, {"t": ["0 mean"]}, own, folds, replicates=10)[0]
    assert len(read) == 0


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": -1}, {"learning_rate": np.nan}, {"learning_rate": np.inf}])
def test_a_course_that_cannot_be_is_refused(lesson, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} .* must be a (finite|whole) number"):
        supervision.taught_tower("fields", lesson, **{"steps": 1, "batch_size": 4, "learning_rate": 1e-3} | wrong)


def test_no_photo_of_a_city_and_no_training_are_refused():
    with pytest.raises(ValueError, match="probed_per_city 0 must be a whole number of at least 1"):
        readout.chosen(np.array(["a"] * 9), np.array(["street"] * 9), np.ones(9, bool), 0)
    with pytest.raises(ValueError, match="seed_count 0 must be a whole number of at least 1"):
        readout.taught(["fields"], None, [], {}, range(0))
