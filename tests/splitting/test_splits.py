import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb.earth import sphere
from geonb.measuring import transfer
from geonb.splitting import splits

SETTINGS = dict(seed=0, test_share=0.2, validation_share=0.1, block_size_m=300.0, buffer_m=60.0, gap_m=15.0)
NAMES = tuple(splits.QUESTIONS)
OURS = tuple(name for name in NAMES if name != "official")
HELD_OUT = ("validation", "test")


def drives(city_count=4, streets=10, spacing_m=40.0, side_m=1_600.0, drive_count=2, seed=0):
    """A world of parallel streets, each passed by some drives, a tenth of the photos without a sequence."""
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(city_count):
        for s in range(streets):
            for d in range(drive_count):
                along = np.arange(rng.uniform(0, spacing_m), side_m, spacing_m)
                at = np.stack([along, np.full(len(along), s * side_m / streets) + 2.0 * d], axis=1)
                lat, lon = sphere.from_local_m(at, [40.0 + 2 * c, 179.99]).T
                rows.append(
                    pd.DataFrame(
                        {"lat": lat, "lon": lon, "city": f"c{c}", "street": f"s{s}", "sequence": f"c{c} s{s} {d}"}
                    )
                )
    table = pd.concat(rows, ignore_index=True)
    table.loc[rng.uniform(size=len(table)) < 0.1, "sequence"] = ""
    return table.sample(frac=1, random_state=seed, ignore_index=True)


def arrays(table):
    return table[["lat", "lon"]].to_numpy(), *(table[name].to_numpy(object) for name in ("city", "street", "sequence"))


def cut(name, table, **changes):
    own = np.where(np.arange(len(table)) % 5 == 0, "test", "train")  # as a data set might say
    return splits.make(name, *arrays(table), **(SETTINGS | {"given_part": own} | changes))


WORLD = drives()
CUT = {name: cut(name, WORLD) for name in NAMES}


def photos_of(name, *parts):
    return WORLD[np.isin(CUT[name], parts)]


def least_m(a, b):
    return sphere.pair_distance_m(a[["lat", "lon"]].to_numpy(), b[["lat", "lon"]].to_numpy()).min()


# ---- all splits ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_every_photo_is_in_exactly_one_part_and_none_of_three_is_empty(name):
    assert len(CUT[name]) == len(WORLD)
    assert set(CUT[name]) <= set(splits.PARTS)
    assert set(CUT[name]) >= {"train", "validation", "test"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_cuts_the_same_and_another_seed_otherwise(name):
    np.testing.assert_array_equal(cut(name, WORLD), CUT[name])
    assert any((cut(name, WORLD, seed=seed) != CUT[name]).any() for seed in (1, 2))


@pytest.mark.parametrize("name", OURS)
def test_validation_is_cut_as_test_is(name):
    """With equal shares both get about as many photos, where test does not take sequences first."""
    table = WORLD.assign(sequence="") if name == "blocked" else WORLD
    shares = [cut(name, table, seed=seed, test_share=0.15, validation_share=0.15) for seed in range(6)]
    test, validation = (np.mean([(part == kind).mean() for part in shares]) for kind in ("test", "validation"))
    assert 0.7 < validation / test < 1.4


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.2, 0.0), (0.6, 0.4), (-0.1, 0.2), (1.2, 0.1), (np.nan, 0.1)])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(ValueError, match="must be above 0 and sum to less than 1"):
        cut("random", WORLD, test_share=shares[0], validation_share=shares[1])


def test_an_unknown_split_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no split 'radnom': there are random, other_drive, blocked, unseen_city"):
        cut("radnom", WORLD)


def test_a_split_without_test_photos_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"split random leaves none of the 2 photos for .*test.*more photos"):
        cut("random", WORLD.head(2), test_share=0.1)
    with pytest.raises(ValueError, match=r"split blocked leaves none of .* photos for .*block_size_m"):
        cut("blocked", WORLD[WORLD.city == "c0"], block_size_m=1e7)
    with pytest.raises(ValueError, match=r"split other_drive leaves none of .* photos for validation, test"):
        cut("other_drive", drives(drive_count=1))
    with pytest.raises(ValueError, match=r"split unseen_city leaves none of .* photos for train: take smaller shares"):
        cut("unseen_city", WORLD[WORLD.city < "c3"], test_share=0.5, validation_share=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_a_city_with_one_photo_is_cut_like_the_others(name):
    lonely = pd.DataFrame({"lat": [10.0], "lon": [20.0], "city": "lonely", "street": "", "sequence": ""})
    table = pd.concat([WORLD, lonely], ignore_index=True)
    assert cut(name, table)[-1] in splits.PARTS


# ---- random ----------------------------------------------------------------------------------------------------------
@settings(max_examples=50)
@given(st.integers(1, 400), st.floats(0.01, 0.5), st.floats(0.01, 0.45), st.integers(0, 9))
def test_random_takes_the_share_of_photos_that_was_asked(n, test, validation, seed):
    parts = splits.random(n, seed=seed, test_share=test, validation_share=validation)
    assert abs((parts == "test").sum() - test * n) <= 0.5 + 1e-6
    assert abs(np.isin(parts, HELD_OUT).sum() - (test + validation) * n) <= 0.5 + 1e-6
    assert "buffer" not in parts


def test_random_leaves_training_photos_beside_test_photos():
    assert least_m(photos_of("random", "test"), photos_of("random", "train")) < 5


# ---- other_drive -----------------------------------------------------------------------------------------------------
def test_held_out_drives_share_no_sequence_with_training():
    train = set(photos_of("other_drive", "train").sequence)
    assert not train & set(photos_of("other_drive", *HELD_OUT).sequence)
    assert not set(photos_of("other_drive", "test").sequence) & set(photos_of("other_drive", "validation").sequence)


def test_a_photo_without_a_sequence_is_never_held_out():
    assert "" not in set(photos_of("other_drive", *HELD_OUT).sequence)
    assert set(CUT["other_drive"][WORLD.sequence == ""]) == {"train"}


def test_held_out_photos_keep_the_gap_to_every_training_photo():
    assert least_m(photos_of("other_drive", *HELD_OUT), photos_of("other_drive", "train")) >= SETTINGS["gap_m"]


@pytest.mark.parametrize("seed", range(3))
def test_a_training_drive_passes_every_held_out_photo_on_its_street(seed):
    table = drives(drive_count=3, seed=seed)
    parts = cut("other_drive", table, seed=seed)
    train = table[(parts == "train") & (table.sequence != "")]
    for photo in table[np.isin(parts, HELD_OUT)].itertuples():
        passing = train[(train.city == photo.city) & (train.street == photo.street)]
        assert sphere.distance_m([photo.lat, photo.lon], passing[["lat", "lon"]].to_numpy()).min() <= 60


def test_a_street_that_one_drive_passes_is_never_held_out():
    once = WORLD.sequence.str.endswith(" 1") & (WORLD.street == "s3")
    table = WORLD[~once].reset_index(drop=True)
    parts = cut("other_drive", table)
    assert not np.isin(parts, HELD_OUT)[table.street == "s3"].any()


@pytest.mark.parametrize("name", ["city", "street"])
def test_a_drive_in_another_city_or_on_a_parallel_street_does_not_count(name):
    table = drives(1, drive_count=2)
    table[name] = np.where(table.sequence.str.endswith(" 1"), "other ", "") + table[name]
    with pytest.raises(ValueError, match="leaves none of the 800 photos for validation, test"):
        cut("other_drive", table)


def test_two_drives_of_one_street_are_cut_as_worked_by_hand():
    """Drive p at 0, 100, 200 m; drive q at 5, 150, 450 m: the one held out loses who is near, and who is alone."""
    at = sphere.from_local_m([[0, 0], [100, 0], [200, 0], [5, 0], [150, 0], [450, 0]], [50.0, 7.0])
    city, street = np.full(6, "a", object), np.full(6, "x", object)
    sequence = np.array([*"pppqqq"], object)
    parts = splits.other_drive(
        at, city, street, sequence, seed=0, test_share=0.1, validation_share=0.1, gap_m=15.0, passed_within_m=60.0
    )
    first = {"p": ["buffer", "test", "test", *["train"] * 3], "q": [*["train"] * 3, "buffer", "test", "buffer"]}
    assert parts.tolist() in first.values()


def test_photos_without_sequences_cannot_be_cut_by_drive():
    with pytest.raises(ValueError, match="needs sequence_id, and no photo has one: choose random, blocked"):
        cut("other_drive", WORLD.assign(sequence=""))


# ---- blocked ---------------------------------------------------------------------------------------------------------
def test_the_buffer_lies_between_held_out_blocks_and_training():
    assert least_m(photos_of("blocked", *HELD_OUT), photos_of("blocked", "train")) >= SETTINGS["buffer_m"]
    assert least_m(photos_of("blocked", "test"), photos_of("blocked", "validation")) >= SETTINGS["buffer_m"]


def test_no_block_is_in_two_parts_but_for_the_buffer():
    block = splits.block_ids(*arrays(WORLD)[:2], SETTINGS["block_size_m"])
    kept = pd.DataFrame({"block": block, "part": CUT["blocked"]}).query("part != 'buffer'")
    assert (kept.groupby("block").part.agg(set).str.len() == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_sequence_that_touches_test_and_another_block_keeps_only_its_test_photos(seed):
    parts = pd.Series(cut("blocked", WORLD, seed=seed))
    of_sequence = parts.groupby(WORLD.sequence).agg(set).drop("")
    touching = of_sequence[["test" in found for found in of_sequence]]
    assert len(touching) > 3
    assert all(found <= {"test", "buffer"} for found in touching)
    assert not any({"validation", "train"} <= found for found in of_sequence)


def test_photos_without_a_sequence_are_not_one_sequence():
    assert set(CUT["blocked"][WORLD.sequence == ""]) == set(splits.PARTS)


def test_without_buffer_and_sequences_blocked_takes_about_the_share_that_was_asked():
    table = WORLD.assign(sequence="")
    shares = [(cut("blocked", table, seed=seed, buffer_m=0.0) == "test").mean() for seed in range(8)]
    assert np.mean(shares) == pytest.approx(SETTINGS["test_share"], abs=0.03)


def test_over_seeds_a_city_of_one_block_is_not_always_in_the_same_part():
    at, city = np.array([[50.0, 7.0]]), np.array(["a"], object)
    sizes = dict(block_size_m=300.0, buffer_m=0.0, test_share=0.3, validation_share=0.3)
    parts = {splits.blocked(at, city, np.array([""], object), seed=seed, **sizes)[0] for seed in range(20)}
    assert parts == {"train", "validation", "test"}


@pytest.mark.parametrize("wrong", [
    {"block_size_m": 0.0}, {"block_size_m": -5.0}, {"block_size_m": np.nan}, {"block_size_m": np.inf},
    {"buffer_m": -1.0}, {"buffer_m": np.nan}, {"buffer_m": np.inf},
    {"gap_m": -1.0}, {"gap_m": np.nan}, {"gap_m": np.inf},
], ids=str)  # fmt: skip
def test_lengths_that_are_none_are_refused_instead_of_leaving_no_buffer_and_no_gap(wrong):
    (name, value), bound = *wrong.items(), "above 0" if "block_size_m" in wrong else "of at least 0"
    with pytest.raises(ValueError, match=f"{name} {value} must be a finite number {bound}"):
        cut("other_drive" if "gap_m" in wrong else "blocked", WORLD, **wrong)


def test_a_part_of_the_photos_has_the_blocks_that_all_have():
    at, city = arrays(WORLD)[:2]
    test = CUT["blocked"] == "test"
    np.testing.assert_array_equal(
        splits.block_ids(at[test], city[test], 300.0), splits.block_ids(at, city, 300.0)[test]
    )


def test_two_cities_never_share_a_block():
    at = np.tile([50.0, 7.0], (2, 1))
    assert len(set(splits.block_ids(at, np.array(["a", "b"], object), 1e5))) == 2


def test_intervals_draw_again_the_blocks_that_were_held_out():
    test = photos_of("blocked", "test")
    errors = pd.DataFrame({"lat_deg": test.lat, "lon_deg": test.lon, "city": test.city, "split": "blocked"})
    errors = pd.concat([errors, errors.assign(split="unseen_city")], ignore_index=True)
    block = splits.blocks_of(errors, 300.0)
    held_out = splits.block_ids(*arrays(WORLD)[:2], 300.0)[CUT["blocked"] == "test"]
    np.testing.assert_array_equal(block[: len(test)], held_out)
    np.testing.assert_array_equal(block[len(test) :], test.city)


# ---- unseen_city -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(4))
def test_every_city_is_in_one_part_alone(seed):
    parts = pd.Series(cut("unseen_city", WORLD, seed=seed))
    assert (parts.groupby(WORLD.city).agg(set).str.len() == 1).all()
    assert set(parts) == {"train", "validation", "test"}


def test_of_ten_cities_two_test_and_one_chooses():
    city = np.repeat([f"c{i}" for i in range(10)], 3).astype(object)
    parts = splits.unseen_city(city, seed=0, test_share=0.2, validation_share=0.1)
    assert [len(set(city[parts == part])) for part in ("test", "validation", "train")] == [2, 1, 7]


def test_two_cities_are_too_few_to_hold_one_out():
    with pytest.raises(ValueError, match="needs 3 cities, there are 2: choose random or blocked"):
        cut("unseen_city", WORLD[WORLD.city < "c2"])


# ---- what it says ----------------------------------------------------------------------------------------------------
def test_the_answer_names_the_median_of_each_split():
    nearest = pd.DataFrame({"split": ["random"] * 3 + ["blocked"], "nearest_train_m": [1.0, 4.0, 90.0, 120.4]})
    assert splits.answer(nearest).endswith("is 4 m (random), 120 m (blocked).")


# ---- pilot districts and leakage -------------------------------------------------------------------------------------
PILOT = (WORLD.lat - WORLD.groupby("city").lat.transform("min") < 0.0015).to_numpy()


@pytest.mark.parametrize("name", NAMES)
def test_pilot_photos_neither_test_nor_choose(name):
    parts = cut(name, WORLD, pilot=PILOT)
    assert not np.isin(parts[PILOT], HELD_OUT).any()
    if name == "unseen_city":
        held = WORLD.city.isin(WORLD.city[np.isin(parts, HELD_OUT)]).to_numpy()
        assert set(parts[PILOT & held]) == {"buffer"}
    elif name == "official":
        assert set(parts[PILOT]) == {"train", "buffer"}
    else:
        assert set(parts[PILOT]) == {"train"}


@pytest.mark.parametrize("name", ["other_drive", "blocked"])
def test_held_out_photos_share_no_sequence_with_pilot_photos(name):
    parts = cut(name, WORLD, pilot=PILOT)
    held = set(WORLD.sequence[np.isin(parts, HELD_OUT)]) - {""}
    assert not held & set(WORLD.sequence[PILOT])


def test_blocks_near_a_pilot_photo_keep_their_buffer():
    parts = cut("blocked", WORLD, pilot=PILOT, buffer_m=60.0)
    assert least_m(WORLD[np.isin(parts, HELD_OUT)], WORLD[PILOT]) >= 60


def test_leakage_is_the_share_of_test_photos_near_a_training_photo():
    at = sphere.from_local_m([[0.0, 0], [40, 0], [500, 0], [530, 0]], [50.0, 7.0])
    parts = {"random": np.array(["train", "test", "test", "buffer"])}
    sequences = np.array(["a", "a", "b", ""], object)
    row = transfer.leakage(parts, at, sequences, np.arange(4), within_m=50.0).iloc[0]
    assert (row.share_within_range, row.shared_sequences, row.test_photos) == (0.5, 1, 2)
    assert np.isnan(row.low)


def test_random_leaks_more_than_blocks_do_and_the_headline_says_so():
    parts = {name: CUT[name] for name in NAMES}
    lat_lon_deg, city, _, sequences = arrays(WORLD)
    blocks = splits.block_ids(lat_lon_deg, city, 60.0)
    table = transfer.leakage(parts, lat_lon_deg, sequences, blocks, within_m=70.0).set_index("split")
    assert table.share_within_range["random"] == 1
    assert table.share_within_range["blocked"] < 1
    assert table.shared_sequences["other_drive"] == table.shared_sequences["blocked"] == 0
    rows = transfer.headline_leakage(table.reset_index(), "04_splits/leakage").set_index("key")
    assert list(rows.index) == [f"leakage_share_within_range.{name}" for name in ("random", "other_drive", "blocked")]
    assert (rows.low <= rows.value).all()
    assert "100% (random)" in transfer.answer_leakage(table.reset_index(), 70.0)


# ---- official --------------------------------------------------------------------------------------------------------
def test_the_official_split_keeps_the_test_photos_and_cuts_validation_out_of_training():
    own = np.where(WORLD.city == "c3", "test", "train")
    parts = cut("official", WORLD, given_part=own)
    np.testing.assert_array_equal(parts == "test", own == "test")
    train, validation = (WORLD[parts == part] for part in ("train", "validation"))
    assert 0.05 < len(validation) / len(WORLD) < 0.15
    assert least_m(train, validation) > SETTINGS["buffer_m"]
    assert not set(train.sequence) & set(validation.sequence) - {""}


def test_an_official_validation_part_is_taken_over_and_photos_without_a_part_are_set_aside():
    own = np.array(["train", "validation", "test", ""])[np.arange(len(WORLD)) % 4]
    parts = cut("official", WORLD, given_part=own)
    assert (parts == np.where(own == "", "buffer", own)).all()
    pilot = np.arange(len(WORLD)) % 8 == 2  # half of the test photos
    assert (cut("official", WORLD, given_part=own, pilot=pilot)[pilot] == "buffer").all()


@pytest.mark.parametrize(
    ("own", "says"), [(None, "no photo has a given_part"), ("val", "given_part val must be train, validation, test or")]
)
def test_what_is_no_official_split_is_refused(own, says):
    with pytest.raises(ValueError, match=says):
        cut("official", WORLD, given_part=None if own is None else np.full(len(WORLD), own))


def test_where_no_block_can_be_held_out_whole_sequences_are():
    own = np.where(WORLD.city == "c3", "test", "train")
    parts = cut("official", WORLD, given_part=own, block_size_m=1e7, buffer_m=0.0)
    assert set(parts) == {"train", "validation", "test"}
    train, validation = (set(WORLD.sequence[parts == part]) - {""} for part in ("train", "validation"))
    assert not train & validation
    few = WORLD[:6].assign(sequence="")
    own = np.array(["train"] * 4 + ["test"] * 2)
    assert sorted(cut("official", few, given_part=own, block_size_m=1e7)) == ["test"] * 2 + ["train"] * 3 + [
        "validation"
    ]


# ---- photos that are too few -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["random", "other_drive", "blocked", "unseen_city"])
def test_one_photo_in_all_has_no_split_and_is_told_what_is_missing(name):
    one = np.array(["a"], object)
    with pytest.raises(ValueError, match=r"leaves none of the 1 photos for|needs 3 cities, there are 1"):
        splits.make(name, np.array([[50.0, 7.0]]), one, one, one, **SETTINGS | {"seed": 0})


def test_columns_of_different_length_are_refused():
    many, few = np.full(9, "a", object), np.full(8, "a", object)
    with pytest.raises(ValueError, match="there are 9 lat_lon_deg, 9 city, 8 street"):
        splits.make("random", np.zeros((9, 2)), many, few, many, **SETTINGS | {"seed": 0})


def test_parts_follow_the_order_of_the_photos_not_of_the_table():
    table = pd.DataFrame({"photo_id": [*"abcabc"], "split": ["random"] * 3 + ["blocked"] * 3, "part": [*"123456"]})
    parts = splits.parts_by_split(table.sample(frac=1, random_state=0), [*"cab"], ["blocked"])
    assert list(parts) == ["blocked"]
    assert parts["blocked"].tolist() == ["6", "4", "5"]


def test_a_split_that_was_not_made_is_named():
    table = pd.DataFrame({"photo_id": ["a"], "split": ["random"], "part": ["train"]})
    with pytest.raises(ValueError, match="04_splits made no split blocked, unseen_city: it made random"):
        splits.parts_by_split(table, ["a"], ["blocked", "random", "unseen_city"])


def test_a_photo_without_a_part_is_an_error():
    table = pd.DataFrame({"photo_id": ["a"], "split": ["random"], "part": ["train"]})
    with pytest.raises(KeyError, match="b"):
        splits.parts_by_split(table, ["a", "b"], ["random"])
