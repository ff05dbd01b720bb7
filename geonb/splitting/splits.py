"""Splits: which photos train, validate, test, or are set aside as buffer; validation is cut exactly as test is.

A number behind a name changes one thing: blocked_25 has a buffer of 25 % of the side of a block, and unseen_city_2 is
the second turn in which cities are held out, so that over all turns each tests once.
"""

import functools
import re
from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from geonb import checks, random_streams
from geonb.earth import cells, sphere

PASSED_WITHIN_M = 60.0  # of a photo, on its street: a drive that passes it
BUFFERS = (0, 25, 50, 100)  # percent of the side of a block
MOST_TURNS = 8  # of unseen_city
PARTS = ("train", "validation", "test", "buffer")
WAYS_OUT = {
    "random": "take more photos or larger shares",
    "by_place": "it needs photos at many positions: take larger shares, or more places",
    "other_drive": "it needs sequence_id, and streets that several drives pass; choose random, blocked or unseen_city",
    "blocked": "take smaller blocks (block_size_m of 03_semivariograms), a smaller buffer_share, other shares or seeds",
    "unseen_city": "it needs 3 cities; take smaller shares or more cities, or choose random or blocked",
    "official": "the catalogue must hold photos of the data set's own training and test part (given_part)",
}
SPLITS = {
    "photo_id": "photo of the catalogue",
    "split": "how test photos are kept away",
    "part": "train, validation, test or buffer",
}
NEAREST_TRAIN = {
    "split": "how test photos are kept away",
    "photo_id": "test photo",
    "nearest_train_m": "distance to the nearest training photo [m]",
}


@dataclass(frozen=True)
class Cut:
    """The sizes of a split."""

    test_share: float  # of photos, blocks or cities
    validation_share: float
    block_size_m: float
    buffer_m: float  # around the photos of held-out blocks: who lies within is set aside
    gap_m: float  # least distance from a test photo to a training photo in other_drive
    seed: int = 0
    turn: float = 0.0  # where in [0, 1) the part that tests begins: turns of 0, 1/k, 2/k, ... are k folds of share 1/k

    def part_at(self, position):
        """Parts (n,) of positions in [0, 1): first test, then validation, then train."""
        position = np.round(position - self.turn, 9) % 1  # else a fold could begin before the one before it has ended
        ends = self.test_share, self.test_share + self.validation_share
        return np.select([position < ends[0], position < ends[1]], ["test", "validation"], "train")


# arrays (n, ...); given_part: what official takes over; pilot: whether the study's yardstick was read in a photo
Photos = namedtuple("Photos", "lat_lon_deg city street sequence_id given_part pilot")


def make(name, photos, cut, pilot=None):
    """Parts (n,) of a split by name, of photos: lat_deg, lon_deg, city, street, sequence_id, and given_part.

    pilot (n,): which photos neither test nor choose, as the yardstick was read in them. ValueError for an unknown name,
    sizes that are none, and a split that leaves no photo to train, to choose or to test.
    """
    if name not in CUTS:
        raise ValueError(f"no split {name!r}: there are {', '.join(CUTS)}")
    for size in ("block_size_m", "buffer_m", "gap_m"):
        checks.number(size, getattr(cut, size), least=0)
    test, validation = cut.test_share, cut.validation_share
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise ValueError(f"test_share {test} and validation_share {validation} must be above 0 and sum to less than 1")
    pilot = np.zeros(len(photos), bool) if pilot is None else np.asarray(pilot)
    columns = [photos[column].to_numpy(object) for column in ("city", "street", "sequence_id")]
    given_part = photos.get("given_part", pd.Series("", photos.index)).to_numpy(str)
    arrays = Photos(photos[["lat_deg", "lon_deg"]].to_numpy(), *columns, given_part, pilot)
    parts = CUTS[name](arrays, cut)
    if empty := [part for part in ("train", "validation", "test") if part not in parts]:
        raise ValueError(
            f"split {name} leaves none of the {len(pilot)} photos for {', '.join(empty)}: {WAYS_OUT[way_of(name)]}"
        )
    return parts


def way_of(split):
    """How a split keeps photos away, whatever number its name has: blocked for blocked_25. Other names stay."""
    way = re.sub(r"_\d+$", "", split)
    return way if split in CUTS else split


def positions(group, rng, back=0.5):
    """Positions (n,) in [0, 1) of photos whose groups follow at random: of each its middle (back=0.5) or start (1)."""
    names, of_photo, counts = np.unique(group, return_inverse=True, return_counts=True)
    order, found = rng.permutation(len(names)), np.empty(len(names))
    found[order] = np.cumsum(counts[order]) - back * counts[order]
    return found[of_photo] / len(group)


def random(photos, cut):
    """Photos drawn one by one: neighbours of test photos train. Pilot photos train."""
    position = positions(np.arange(len(photos.city)), random_streams.stream(cut.seed, "splits", "random"))
    return np.where(photos.pilot, "train", cut.part_at(position))


def by_place(photos, cut):
    """All photos of one position together, positions drawn one by one. Pilot photos train, with all of their place."""
    place = place_ids(photos.lat_lon_deg)
    position = positions(place, random_streams.stream(cut.seed, "splits", "by_place"))
    return np.where(np.isin(place, place[photos.pilot]), "train", cut.part_at(position))


def place_ids(lat_lon_deg):
    """The number (n,) of the position of each photo; positions within a decimetre are one."""
    return np.unique(np.round(lat_lon_deg, 6), axis=0, return_inverse=True)[1].ravel()


def blocked(photos, cut, buffer_percent=None):
    """Square blocks drawn in each city; pilot photos train. buffer_percent: of a block's side, in place of buffer_m.

    Set aside is what else would test or choose in the sequence of a pilot, or within buffer_m; then what would validate
    or train so beside test, and train so beside validation.
    """
    buffer_m = cut.buffer_m if buffer_percent is None else buffer_percent / 100 * cut.block_size_m
    parts, pilot = drawn_blocks(photos, cut), photos.pilot
    beside = functools.partial(in_sequences_of, photos.sequence_id)
    around = functools.partial(within, photos.lat_lon_deg, radius_m=buffer_m)
    spoilt = (beside(pilot) | around(pilot)) & (parts != "train")
    parts = np.where(pilot, "train", np.where(spoilt, "buffer", parts))
    for reached in (beside, around):
        for part, later in (("test", ("validation", "train")), ("validation", ("train",))):
            parts = np.where(reached(parts == part) & np.isin(parts, later), "buffer", parts)
    return parts


def drawn_blocks(photos, cut):
    """Parts (n,) of photos by the blocks of their cities, drawn at random."""
    block = block_ids(photos.lat_lon_deg, photos.city, cut.block_size_m)
    rng = random_streams.stream(cut.seed, "splits", "blocked")
    parts = np.full(len(block), "train", dtype="U10")
    for name in np.unique(photos.city):
        here = photos.city == name  # a random start: a city of one block is not always test
        parts[here] = cut.part_at((positions(block[here], rng) + rng.uniform()) % 1)
    return parts


def block_ids(lat_lon_deg, city, block_size_m):
    """'<city> <row> <column>' of the square block of each photo, whatever the other photos are."""
    squares = cells.squares(lat_lon_deg, block_size_m)
    return np.array([f"{name} {row} {column}" for name, (row, column) in zip(city, squares, strict=True)], object)


def blocks_of(errors, block_size_m):
    """The block (n,) of each row: a square on the ground, and the whole city where cities were held out."""
    blocks = block_ids(errors[["lat_deg", "lon_deg"]].to_numpy(), errors.city.to_numpy(), block_size_m)
    return np.where(errors.split.map(way_of) == "unseen_city", errors.city, blocks)


def in_sequences_of(sequence_id, mask):
    """Photos (n,) of sequences that have a photo of the mask; '' is no sequence."""
    return np.isin(sequence_id, sequence_id[mask]) & (sequence_id != "")


def within(lat_lon_deg, mask, radius_m):
    """Photos (n,) with a photo of the mask nearer than radius_m."""
    if not mask.any():
        return np.zeros(len(mask), bool)
    return sphere.nearest(lat_lon_deg, lat_lon_deg[mask])[1] < radius_m


def other_drive(photos, cut):
    """Whole sequences held out where, for at least half of their photos, another drive that trains passes.

    Their photos that none passes, and those nearer than gap_m to a training photo, go to buffer. Photos without a
    sequence train, and so do sequences with pilot photos.
    """
    neighbours, count = passing(photos), len(photos.city)
    parts = np.full(count, "train", dtype="U10")
    quota = {"test": cut.test_share * count, "validation": cut.validation_share * count}
    names = np.setdiff1d(photos.sequence_id, ["", *photos.sequence_id[photos.pilot]])
    for name in random_streams.stream(cut.seed, "splits", "other_drive").permutation(names):
        members = np.flatnonzero(photos.sequence_id == name)
        passed = np.mean([(parts[neighbours[i]] == "train").any() for i in members])
        part = next((p for p, left in quota.items() if left > 0), None)
        if part and passed >= 0.5:
            parts[members] = part
            quota[part] -= len(members)
    # a drive may have been held out after another had counted on it
    alone = np.array([not (parts[near] == "train").any() for near in neighbours])
    too_near = within(photos.lat_lon_deg, parts == "train", cut.gap_m)
    return np.where((parts != "train") & (alone | too_near), "buffer", parts)


def passing(photos):
    """For each photo the photos of other sequences on the same street within PASSED_WITHIN_M."""
    _, city, street, sequence, *_ = photos
    tree = cKDTree(sphere.unit_xyz(photos.lat_lon_deg))
    pairs = tree.query_pairs(PASSED_WITHIN_M / sphere.EARTH_RADIUS_M, output_type="ndarray")
    photo, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    kept = (sequence[other] != "") & (sequence[other] != sequence[photo])
    kept &= (city[other] == city[photo]) & (street[other] == street[photo])
    photo, other = photo[kept], other[kept]
    order = np.lexsort([other, photo])
    return np.split(other[order], np.cumsum(np.bincount(photo, minlength=len(city)))[:-1])


def unseen_city(photos, cut, number=1):
    """Whole cities held out: at least one for test and one for validation; their pilot photos are set aside.

    number: of the turn, from 1 on; each tests the next cities of one order, the last one what is left of them.
    ValueError for a turn after the last.
    """
    names = np.unique(photos.city)
    counts = [max(1, round(share * len(names))) for share in (cut.test_share, cut.validation_share)]
    if number > (turns := -(-len(names) // counts[0])):
        raise ValueError(f"unseen_city_{number} is no turn: {len(names)} cities, {counts[0]} at a time, have {turns}")
    order = random_streams.stream(cut.seed, "splits", "unseen_city").permutation(names)
    order = np.roll(order, -round(cut.turn * len(names)))
    first = (number - 1) * counts[0]
    tested = order[first : first + counts[0]]
    chosen = np.roll(order, -first - len(tested))[: counts[1]]
    parts = np.select([np.isin(photos.city, tested), np.isin(photos.city, chosen)], ["test", "validation"], "train")
    return np.where(photos.pilot & (parts != "train"), "buffer", parts)


def official(photos, cut):
    """The data set's own parts (n,), '' as buffer; where none validates, blocks of its training part.

    Where these leave nothing, whole sequences, or photos without one. Pilots that test or choose go to buffer.
    ValueError for a word that is no part.
    """
    given = photos.given_part
    if unknown := sorted(set(given) - {"train", "validation", "test", ""}):
        raise ValueError(f"given_part {', '.join(unknown)} must be train, validation, test or ''")
    parts = np.where(given == "", "buffer", given).astype("U10")
    if "validation" not in given and (own := given == "train").any():
        train = Photos(*(array[own] for array in photos))
        parts[own] = blocked(train, replace(cut, test_share=0.0))
        if not {"train", "validation"} <= set(parts[own]):
            alone = np.array([f"alone {n}" for n in range(own.sum())], object)
            sequence = np.where(train.sequence_id == "", alone, train.sequence_id)
            start = positions(sequence, random_streams.stream(cut.seed, "splits", "sequences"), back=1)
            parts[own] = np.where((start < cut.validation_share) & ~train.pilot, "validation", "train")
    return np.where(photos.pilot & (parts != "train"), "buffer", parts)


CUTS = {cut.__name__: cut for cut in (random, by_place, other_drive, blocked, unseen_city, official)}
CUTS |= {f"blocked_{percent}": functools.partial(blocked, buffer_percent=percent) for percent in BUFFERS}
CUTS |= {f"unseen_city_{number}": functools.partial(unseen_city, number=number) for number in range(2, MOST_TURNS + 1)}


def parts_table(photos, names, cut, pilot):
    """The parts of several splits as a table of columns SPLITS: see make."""
    parts = {name: make(name, photos, cut, pilot) for name in names}
    return pd.DataFrame({"photo_id": photos.photo_id} | parts).melt("photo_id", var_name="split", value_name="part")


def parts_by_split(table, photo_id, splits):
    """{split: part (n,) of each photo} from a table SPLITS. ValueError names a split that it does not hold."""
    if missing := [split for split in splits if split not in set(table.split)]:
        raise ValueError(f"04_splits made no split {', '.join(missing)}: it made {', '.join(table.split.unique())}")
    part = table.set_index(["split", "photo_id"]).part
    return {split: part[split].loc[photo_id].to_numpy(dtype=object) for split in splits}


def nearest_train(lat_lon_deg, photo_id, parts):
    """How far from each test photo the nearest training photo lies: columns NEAREST_TRAIN; parts: {split: (n,)}."""
    tables = []
    for name, part in parts.items():
        test, train = part == "test", part == "train"
        nearest_m = sphere.nearest(lat_lon_deg[test], lat_lon_deg[train])[1]
        tables.append(pd.DataFrame({"split": name, "photo_id": photo_id[test], "nearest_train_m": nearest_m}))
    return pd.concat(tables, ignore_index=True)
