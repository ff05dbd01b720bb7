import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.splitting import splits

CUT = splits.Cut(test_share=0.2, validation_share=0.1, block_size_m=300.0, buffer_m=60.0, gap_m=15.0)
NAMES = tuple(name for name in splits.CUTS if splits.way_of(name) == name)
OURS = tuple(name for name in NAMES if name != "official")
HELD_OUT = ("validation", "test")


def drives(city_count=4, streets=10, spacing_m=40.0, side_m=1_600.0, drive_count=2, seed=0):
    """A world of parallel streets, each passed by some drives, a tenth of the photos without a sequence."""
    rng, rows = np.random.default_rng(seed), []
    for c, s, d in itertools.product(range(city_count), range(streets), range(drive_count)):
        along = np.arange(rng.uniform(0, spacing_m), side_m, spacing_m)
        at = np.stack([along, np.full(len(along), s * side_m / streets) + 2.0 * d], axis=1)
        lat, lon = sphere.from_local_m(at, [40.0 + 2 * c, 179.99]).T
        names = {"city": f"c{c}", "street": f"s{s}", "sequence_id": f"c{c} s{s} {d}"}
        rows.append(pd.DataFrame({"lat_deg": lat, "lon_deg": lon, **names}))
    table = pd.concat(rows, ignore_index=True)
    table.loc[rng.uniform(size=len(table)) < 0.1, "sequence_id"] = ""
    table = table.sample(frac=1, random_state=seed, ignore_index=True)
    own = np.where(np.arange(len(table)) % 5 == 0, "test", "train")  # as a data set might say
    return table.assign(given_part=own, photo_id=[f"p{n}" for n in range(len(table))])


def parts_of(name, table, *, pilot=None, **changes):
    return splits.make(name, table, replace(CUT, **changes), pilot)


WORLD = drives()
PARTS = {name: parts_of(name, WORLD) for name in NAMES}
AT = WORLD[["lat_deg", "lon_deg"]].to_numpy()
PILOT = (WORLD.lat_deg - WORLD.groupby("city").lat_deg.transform("min") < 0.0015).to_numpy()


def photos_of(name, *parts):
    return WORLD[np.isin(PARTS[name], parts)]


def least_m(a, b):
    return sphere.pair_distance_m(*(table[["lat_deg", "lon_deg"]].to_numpy() for table in (a, b))).min()


def line_of(*east_m, **columns):
    """A table of photos along a line, all in city and street 'a'."""
    at = sphere.from_local_m([[metres, 0] for metres in east_m], [50.0, 7.0])
    names = {"city": "a", "street": "a", "sequence_id": "", "given_part": ""} | columns
    return pd.DataFrame({"lat_deg": at[:, 0], "lon_deg": at[:, 1], **names})


@pytest.mark.parametrize("name", NAMES)
def test_every_photo_is_in_exactly_one_part_none_of_three_is_empty_and_the_seed_repeats_it(name):
    assert len(PARTS[name]) == len(WORLD)
    assert {"train", "validation", "test"} <= set(PARTS[name]) <= set(splits.PARTS)
    np.testing.assert_array_equal(parts_of(name, WORLD), PARTS[name])
    assert any((parts_of(name, WORLD, seed=seed) != PARTS[name]).any() for seed in (1, 2))


@pytest.mark.parametrize("name", OURS)
def test_validation_is_cut_as_test_is(name):
    """With equal shares both get about as many photos, where test does not take sequences first."""
    table = WORLD.assign(sequence_id="") if name == "blocked" else WORLD
    shares = [parts_of(name, table, seed=seed, test_share=0.15, validation_share=0.15) for seed in range(6)]
    test, validation = (np.mean([(part == kind).mean() for part in shares]) for kind in ("test", "validation"))
    assert 0.7 < validation / test < 1.4


def test_a_table_of_several_splits_gives_their_parts_back_in_any_order_of_the_photos():
    table = splits.parts_table(WORLD.set_index(WORLD.index + 7), ["random", "blocked"], CUT, PILOT)
    assert list(table) == list(splits.SPLITS)
    found = splits.parts_by_split(table, WORLD.photo_id[::-1], ["blocked"])
    np.testing.assert_array_equal(found["blocked"][::-1], parts_of("blocked", WORLD, pilot=PILOT))
    with pytest.raises(ValueError, match="04_splits made no split unseen_city: it made random, blocked"):
        splits.parts_by_split(table, WORLD.photo_id, ["unseen_city", "random"])
    with pytest.raises(KeyError, match="nobody"):
        splits.parts_by_split(table, ["nobody"], ["random"])


@pytest.mark.parametrize(("name", "table", "changes", "said"), [
    ("radnom", WORLD, {}, r"no split 'radnom': there are random, by_place, other_drive, blocked"),
    ("random", WORLD.head(2), {"test_share": 0.1}, r"split random leaves none of the 2 photos for .*test.*more photos"),
    ("blocked", WORLD[WORLD.city == "c0"], {"block_size_m": 1e7}, r"blocked leaves none of .* photos for .*block_size"),
    ("other_drive", drives(drive_count=1), {}, r"split other_drive leaves none of .* photos for validation, test"),
    ("other_drive", WORLD.assign(sequence_id=""), {}, "for validation, test: it needs sequence_id, and streets that"),
    ("unseen_city", WORLD[WORLD.city < "c2"], {}, "for train: it needs 3 cities"),
    ("official", WORLD.drop(columns="given_part"), {}, "for train, validation, test: the catalogue must hold"),
    ("official", WORLD.assign(given_part="val"), {}, "given_part val must be train, validation, test or"),
    *((name, WORLD.head(1), {}, "none of the 1 photos for") for name in OURS),
    *(("random", WORLD, {"test_share": test, "validation_share": validation}, "above 0 and sum to less than 1")
      for test, validation in ((0.0, 0.1), (0.2, 0.0), (0.6, 0.4), (np.nan, 0.1))),
    ("blocked", WORLD, {"block_size_m": 0.0}, "size_m of squares 0.0 must be a finite number above 0"),
    ("blocked", WORLD, {"buffer_m": -1.0}, "buffer_m -1.0 must be a finite number of at least 0"),
    ("blocked", WORLD, {"gap_m": np.nan}, "gap_m nan must be a finite number of at least 0"),
])  # fmt: skip
def test_a_split_that_these_photos_cannot_have_is_refused_with_the_way_out(name, table, changes, said):
    with pytest.raises(ValueError, match=said):
        parts_of(name, table, **changes)


@pytest.mark.parametrize("n", [20, 399])
def test_random_takes_the_share_of_photos_that_was_asked(n):
    parts = parts_of("random", WORLD.head(n))
    assert abs((parts == "test").sum() - 0.2 * n) <= 0.5 + 1e-6
    assert abs(np.isin(parts, HELD_OUT).sum() - 0.3 * n) <= 0.5 + 1e-6
    assert "buffer" not in parts


def test_held_out_drives_share_a_name_with_no_other_part_and_keep_the_gap_to_every_training_photo():
    train, validation, test = (set(photos_of("other_drive", part).sequence_id) for part in splits.PARTS[:3])
    assert not train & (validation | test)
    assert not validation & test
    assert set(PARTS["other_drive"][WORLD.sequence_id == ""]) == {"train"}
    assert least_m(photos_of("other_drive", *HELD_OUT), photos_of("other_drive", "train")) >= CUT.gap_m


@pytest.mark.parametrize("seed", range(3))
def test_a_training_drive_passes_every_held_out_photo_on_its_street(seed):
    table = drives(drive_count=3, seed=seed)
    parts = parts_of("other_drive", table, seed=seed)
    train = table[(parts == "train") & (table.sequence_id != "")]
    for photo in table[np.isin(parts, HELD_OUT)].itertuples():
        passing = train[(train.city == photo.city) & (train.street == photo.street)]
        apart_m = sphere.distance_m([photo.lat_deg, photo.lon_deg], passing[["lat_deg", "lon_deg"]].to_numpy())
        assert apart_m.min() <= splits.PASSED_WITHIN_M


@pytest.mark.parametrize("name", ["city", "street"])
def test_a_drive_in_another_city_or_on_a_parallel_street_does_not_count(name):
    table = drives(1)
    table[name] = np.where(table.sequence_id.str.endswith(" 1"), "other ", "") + table[name]
    with pytest.raises(ValueError, match="leaves none of the 800 photos for validation, test"):
        parts_of("other_drive", table)


def test_two_drives_of_one_street_are_cut_as_worked_by_hand():
    """Drive p at 0, 100, 200 m; drive q at 5, 150, 450 m: the one held out loses who is near, and who is alone."""
    table = line_of(0, 100, 200, 5, 150, 450, sequence_id=[*"pppqqq"])
    at, *columns = table[["lat_deg", "lon_deg"]].to_numpy(), table.city, table.street, table.sequence_id
    photos = splits.Photos(at, *(column.to_numpy(object) for column in columns), None, np.zeros(6, bool))
    parts = splits.other_drive(photos, replace(CUT, test_share=0.1))
    first = {"p": ["buffer", "test", "test", *["train"] * 3], "q": [*["train"] * 3, "buffer", "test", "buffer"]}
    assert parts.tolist() in first.values()


def test_blocks_are_whole_but_for_the_buffer_that_lies_between_their_parts():
    assert least_m(photos_of("blocked", *HELD_OUT), photos_of("blocked", "train")) >= CUT.buffer_m
    assert least_m(photos_of("blocked", "test"), photos_of("blocked", "validation")) >= CUT.buffer_m
    block = splits.block_ids(AT, WORLD.city, CUT.block_size_m)
    kept = pd.DataFrame({"block": block, "part": PARTS["blocked"]}).query("part != 'buffer'")
    assert (kept.groupby("block").part.agg(set).str.len() == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_sequence_that_touches_test_and_another_block_keeps_only_its_test_photos(seed):
    parts = pd.Series(parts_of("blocked", WORLD, seed=seed))
    of_sequence = parts.groupby(WORLD.sequence_id).agg(set).drop("")
    touching = of_sequence[["test" in found for found in of_sequence]]
    assert len(touching) > 3
    assert all(found <= {"test", "buffer"} for found in touching)
    assert not any({"validation", "train"} <= found for found in of_sequence)
    assert set(parts[WORLD.sequence_id == ""]) == set(splits.PARTS)  # those without a sequence are not one


def test_over_seeds_a_city_of_one_block_is_not_always_in_the_same_part():
    one = splits.Photos(np.array([[50.0, 7.0]]), *[np.array([""], object)] * 4, np.array([False]))
    sizes = replace(CUT, buffer_m=0.0, test_share=0.3, validation_share=0.3)
    assert {splits.blocked(one, replace(sizes, seed=seed))[0] for seed in range(20)} == {"train", "validation", "test"}


def test_a_part_of_the_photos_has_the_blocks_that_all_have_and_two_cities_never_share_one():
    test, blocks = PARTS["blocked"] == "test", splits.block_ids(AT, WORLD.city, 300.0)
    np.testing.assert_array_equal(splits.block_ids(AT[test], WORLD.city[test], 300.0), blocks[test])
    assert len(set(splits.block_ids(np.tile([50.0, 7.0], (2, 1)), [*"ab"], 1e5))) == 2
    held_out = photos_of("blocked", "test")
    for split, expected in (("blocked", blocks[test]), ("unseen_city", held_out.city)):  # what is drawn again
        np.testing.assert_array_equal(splits.blocks_of(held_out.assign(split=split), 300.0), expected)


def test_of_ten_cities_two_test_and_one_chooses_and_each_is_in_one_part_alone():
    parts = parts_of("unseen_city", line_of(*range(10), city=[*"abcdefghij"]))
    assert [(parts == part).sum() for part in ("test", "validation", "train")] == [2, 1, 7]
    assert (pd.Series(PARTS["unseen_city"]).groupby(WORLD.city).agg(set).str.len() == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_pilot_photos_neither_test_nor_choose(name):
    parts = parts_of(name, WORLD, pilot=PILOT)
    assert not np.isin(parts[PILOT], HELD_OUT).any()
    if name == "unseen_city":
        held = WORLD.city.isin(WORLD.city[np.isin(parts, HELD_OUT)]).to_numpy()
        assert set(parts[PILOT & held]) == {"buffer"}
    else:
        assert set(parts[PILOT]) == {"train"} | ({"buffer"} if name == "official" else set())
    if name in ("other_drive", "blocked"):
        held = set(WORLD.sequence_id[np.isin(parts, HELD_OUT)]) - {""}
        assert not held & set(WORLD.sequence_id[PILOT])
    if name == "blocked":
        assert least_m(WORLD[np.isin(parts, HELD_OUT)], WORLD[PILOT]) >= CUT.buffer_m


def test_the_nearest_training_photo_is_told_for_each_test_photo_and_summed_up():
    at = sphere.from_local_m([[0.0, 0], [40, 0], [500, 0], [530, 0]], [50.0, 7.0])
    parts = {"random": np.array(["train", "test", "test", "buffer"]), "blocked": np.array([*["train"] * 3, "test"])}
    nearest = splits.nearest_train(at, pd.Series([*"pqrs"]), parts)
    assert list(nearest) == list(splits.NEAREST_TRAIN)
    assert nearest.photo_id.tolist() == [*"qrs"]
    np.testing.assert_allclose(nearest.nearest_train_m, [40, 500, 30], rtol=1e-6)


def test_the_official_split_keeps_the_test_photos_and_cuts_validation_out_of_training():
    own = np.where(WORLD.city == "c3", "test", "train")
    parts = parts_of("official", WORLD.assign(given_part=own))
    np.testing.assert_array_equal(parts == "test", own == "test")
    train, validation = (WORLD[parts == part] for part in ("train", "validation"))
    assert 0.05 < len(validation) / len(WORLD) < 0.15
    assert least_m(train, validation) > CUT.buffer_m
    assert not set(train.sequence_id) & set(validation.sequence_id) - {""}


def test_an_official_validation_part_is_taken_over_and_photos_without_a_part_are_set_aside():
    own = np.array(["train", "validation", "test", ""])[np.arange(len(WORLD)) % 4]
    assert (parts_of("official", WORLD.assign(given_part=own)) == np.where(own == "", "buffer", own)).all()
    pilot = np.arange(len(WORLD)) % 8 == 2  # half of the test photos
    assert (parts_of("official", WORLD.assign(given_part=own), pilot=pilot)[pilot] == "buffer").all()


def test_where_no_block_can_be_held_out_whole_sequences_are():
    table = WORLD.assign(given_part=np.where(WORLD.city == "c3", "test", "train"))
    parts = parts_of("official", table, block_size_m=1e7, buffer_m=0.0)
    assert set(parts) == {"train", "validation", "test"}
    train, validation = (set(WORLD.sequence_id[parts == part]) - {""} for part in ("train", "validation"))
    assert not train & validation
    few = parts_of("official", line_of(*range(6), given_part=["train"] * 4 + ["test"] * 2), block_size_m=1e7)
    assert sorted(few) == ["test"] * 2 + ["train"] * 3 + ["validation"]


@pytest.mark.parametrize("percent", splits.BUFFERS)
def test_a_buffer_by_its_name_is_a_share_of_the_side_of_a_block_and_the_distance_that_no_training_photo_leaks(percent):
    parts, buffer_m = parts_of(f"blocked_{percent}", WORLD, buffer_m=1e6), percent / 100 * CUT.block_size_m
    test, train = (WORLD[parts == part] for part in ("test", "train"))
    assert buffer_m <= least_m(test, train) < buffer_m + 60
    np.testing.assert_array_equal(parts, parts_of("blocked", WORLD, buffer_m=buffer_m))
    np.testing.assert_array_equal(parts == "test", parts_of("blocked_0", WORLD) == "test")  # the same photos test


def test_in_turns_of_unseen_cities_each_tests_once_and_the_first_is_the_split_itself():
    table = line_of(*range(9), city=[*"abcdefghi"])
    turns = ["unseen_city", *(f"unseen_city_{number}" for number in range(2, 6))]  # two at a time, then one
    folds = [parts_of(name, table) for name in turns]
    np.testing.assert_array_equal(np.sum([parts == "test" for parts in folds], axis=0), 1)
    assert [(parts == "test").sum() for parts in folds] == [2, 2, 2, 2, 1]
    assert [(parts == "validation").sum() for parts in folds] == [1] * 5
    with pytest.raises(ValueError, match="unseen_city_6 is no turn: 9 cities, 2 at a time, have 5"):
        parts_of("unseen_city_6", table)
    for number in (2, 3, 4):
        assert not np.isin(parts_of(f"unseen_city_{number}", WORLD, pilot=PILOT)[PILOT], HELD_OUT).any()


def test_the_number_behind_a_name_is_no_part_of_how_a_split_keeps_photos_away():
    named = ["blocked_25", "unseen_city_8", "unseen_city", "by_place", "fold_3"]
    assert [*map(splits.way_of, named)] == ["blocked", "unseen_city", "unseen_city", "by_place", "fold_3"]
    held_out = photos_of("unseen_city", "test")
    for split, expected in (("unseen_city_2", held_out.city), ("blocked_50", splits.block_ids(
        held_out[["lat_deg", "lon_deg"]].to_numpy(), held_out.city, 300.0))):  # fmt: skip
        np.testing.assert_array_equal(splits.blocks_of(held_out.assign(split=split), 300.0), expected)


@pytest.mark.parametrize("name", ["random", "by_place", "blocked", "unseen_city"])
def test_turns_of_a_split_are_folds_in_which_each_photo_tests_once(name):
    count = 4 if name == "unseen_city" else 5  # cities
    folds = [parts_of(name, WORLD, test_share=1 / count, turn=turn / count) for turn in range(count)]
    tested = np.sum([parts == "test" for parts in folds], axis=0)
    np.testing.assert_array_equal(tested, 1)


def test_by_place_keeps_all_photos_of_a_position_in_one_part_and_those_of_a_pilot_in_train():
    table = line_of(*np.repeat(np.arange(40) * 100.0, 3)).sample(frac=1, random_state=0, ignore_index=True)
    parts = pd.Series(parts_of("by_place", table))
    place = table.lon_deg.round(6)
    assert all(len(set(own)) == 1 for _, own in parts.groupby(place))
    pilot = table.index == parts[parts == "test"].index[0]
    moved = pd.Series(parts_of("by_place", table, pilot=pilot))
    assert (moved[place == place[pilot].iloc[0]] == "train").all()
