"""Splits: which photos train, choose, test, and which are set aside because they lie too near.

Every photo gets one part: train, validation, test or buffer. Validation is cut exactly as test is.
"""

import numpy as np
from scipy.spatial import cKDTree

from geonb import checks
from geonb.earth import seeds, sphere

PARTS = ("train", "validation", "test", "buffer")
QUESTIONS = {
    "random": "How good does it look when test photos lie among training photos? (shown for the leakage.leakage alone)",
    "other_drive": "Does it find a known street again, on another drive?",
    "blocked": "Does it place photos in quarters that it never saw, within a known city?",
    "unseen_city": "Does it place photos in a city that it never saw?",
    "official": "Does it place the photos that the data set itself keeps for testing?",
}

WAYS_OUT = {
    "random": "take more photos or larger shares",
    "other_drive": "it needs streets that several drives pass; choose random, blocked or unseen_city",
    "blocked": "take smaller blocks (block_size_m of 03_semivariograms), a smaller buffer_share, other shares or seeds",
    "unseen_city": "take smaller shares or more cities",
    "official": "the catalogue must hold photos of the data set's own training and test part (given_part)",
}


def make(
    name, lat_lon_deg, city, street, sequence_id, *, seed, test_share, validation_share, block_size_m, buffer_m, gap_m,
    pilot=None, given_part=None,
):  # fmt: skip
    """Parts (n,) of a split by name. ValueError for an unknown name, or a split that these photos cannot have.

    A split that leaves no photo to train, to choose or to test is none. pilot (n,): the photos in which the yardstick
    of the study was read; none of them tests or chooses. given_part (n,): what split official takes over.
    """
    pilot = np.zeros(len(city), bool) if pilot is None else np.asarray(pilot)
    given = {"lat_lon_deg": lat_lon_deg, "city": city, "street": street, "sequence_id": sequence_id, "pilot": pilot}
    checks.same_length(given)
    checks.number("block_size_m", block_size_m, above=0)
    checks.number("buffer_m", buffer_m, least=0)
    checks.number("gap_m", gap_m, least=0)
    if name not in QUESTIONS:
        raise ValueError(f"no split {name!r}: there are {', '.join(QUESTIONS)}")
    if not (0 < test_share < 1 and 0 < validation_share < 1 and test_share + validation_share < 1):
        raise ValueError(
            f"test_share {test_share} and validation_share {validation_share} must be above 0 and sum to less than 1"
        )
    shares = dict(seed=seed, test_share=test_share, validation_share=validation_share)
    cut = {
        "random": lambda: random(len(city), **shares),
        "other_drive": lambda: other_drive(lat_lon_deg, city, street, sequence_id, gap_m=gap_m, pilot=pilot, **shares),
        "blocked": lambda: blocked(
            lat_lon_deg, city, sequence_id, block_size_m=block_size_m, buffer_m=buffer_m, pilot=pilot, **shares
        ),
        "unseen_city": lambda: unseen_city(city, **shares),
        "official": lambda: official(
            given_part,
            lat_lon_deg,
            city,
            sequence_id,
            seed=seed,
            validation_share=validation_share,
            block_size_m=block_size_m,
            buffer_m=buffer_m,
            pilot=pilot,
        ),
    }
    parts = cut[name]()
    if name == "random":
        parts = np.where(pilot, "train", parts)
    elif name == "unseen_city":  # a city that is unseen is so in its pilot district too
        parts = np.where(pilot & (parts != "train"), "buffer", parts)
    if empty := [part for part in ("train", "validation", "test") if part not in parts]:
        raise ValueError(f"split {name} leaves none of the {len(city)} photos for {', '.join(empty)}: {WAYS_OUT[name]}")
    return parts


def random(n, *, seed, test_share, validation_share):
    """Photos drawn one by one: neighbours of test photos train."""
    order = seeds.stream(seed, "splits", "random").permutation(n)
    return part_at((np.argsort(order) + 0.5) / n, test_share, validation_share)


def part_at(position, test_share, validation_share):
    """Parts of positions in [0, 1): first test, then validation, then train."""
    return np.select([position < test_share, position < test_share + validation_share], ["test", "validation"], "train")


def blocked(lat_lon_deg, city, sequence_id, *, seed, block_size_m, buffer_m, test_share, validation_share, pilot=None):
    """Square blocks drawn in each city; what lies within buffer_m of a held-out block's photos is set aside.

    Pilot photos train; held-out ones that share a sequence with them or lie within buffer_m of them are set aside.

    A sequence that touches test and another block keeps only its test photos, one that touches validation and training
    only its validation photos: the rest go to buffer.
    """
    checks.number("block_size_m", block_size_m, above=0)
    checks.number("buffer_m", buffer_m, least=0)
    block = block_ids(lat_lon_deg, city, block_size_m)
    rng = seeds.stream(seed, "splits", "blocked")
    parts = np.full(len(city), "train", dtype="U10")
    for name in np.unique(city):
        here = np.flatnonzero(city == name)
        blocks, of_photo, counts = np.unique(block[here], return_inverse=True, return_counts=True)
        order = rng.permutation(len(blocks))
        before = np.empty(len(blocks))
        before[order] = np.cumsum(counts[order]) - counts[order] / 2
        # a random start, so that a city of one block is not always test
        parts[here] = part_at((before / len(here) + rng.uniform()) % 1, test_share, validation_share)[of_photo]
    if pilot is not None and pilot.any():
        near = np.isin(sequence_id, with_a_name(sequence_id[pilot])) | within(lat_lon_deg, pilot, buffer_m)
        parts = np.where(pilot, "train", np.where(near & (parts != "train"), "buffer", parts))
    for held_out in ("test", "validation"):
        parts = set_aside(parts, held_out, split_sequences(parts, held_out, sequence_id))
    for held_out in ("test", "validation"):
        parts = set_aside(parts, held_out, within(lat_lon_deg, parts == held_out, buffer_m))
    return parts


def set_aside(parts, held_out, mask):
    """Photos of the mask that are in a part after held_out become buffer."""
    later = {"test": ("validation", "train"), "validation": ("train",)}[held_out]
    return np.where(mask & np.isin(parts, later), "buffer", parts)


def split_sequences(parts, held_out, sequence_id):
    """Photos of sequences that have at least one photo in the held-out part."""
    return np.isin(sequence_id, with_a_name(sequence_id[parts == held_out]))


def with_a_name(sequence_id):
    """The sequences among some photos; those without one have the empty name."""
    return np.unique(sequence_id[sequence_id != ""])


def within(lat_lon_deg, mask, radius_m):
    """Photos (n,) with a photo of the mask nearer than radius_m."""
    if not mask.any():
        return np.zeros(len(mask), bool)
    return sphere.nearest(lat_lon_deg, lat_lon_deg[mask])[1] < radius_m


def block_ids(lat_lon_deg, city, block_size_m):
    """'<city> <row> <column>' of the square block of each photo.

    The same for a part of the photos as for all: intervals over test photos draw again the blocks that were held out.
    """
    cells = sphere.square_cells(lat_lon_deg, block_size_m)
    return np.array([f"{name} {row} {column}" for name, (row, column) in zip(city, cells, strict=True)], dtype=object)


def other_drive(
    lat_lon_deg, city, street, sequence_id, *, seed, test_share, validation_share, gap_m, passed_within_m=60.0,
    pilot=None,
):  # fmt: skip
    """Whole sequences held out where another drive that trains passes too; no shared sequence; gap_m between photos.

    A sequence can be held out when at least half of its photos have, within passed_within_m on the same street, a photo
    of another sequence that trains. Its photos without one, and those nearer than gap_m to a training photo, go to
    buffer. Photos without a sequence train, and so do sequences with pilot photos. ValueError without sequences.
    """
    if not (sequence_id != "").any():
        raise ValueError(
            "split other_drive needs sequence_id, and no photo has one: choose random, blocked or unseen_city"
        )
    checks.number("gap_m", gap_m, least=0)
    neighbours = passing(lat_lon_deg, city, street, sequence_id, passed_within_m)
    parts = np.full(len(city), "train", dtype="U10")
    quota = {"test": test_share * len(city), "validation": validation_share * len(city)}
    names = with_a_name(sequence_id)
    if pilot is not None:
        names = np.setdiff1d(names, sequence_id[pilot])
    for name in seeds.stream(seed, "splits", "other_drive").permutation(names):
        members = np.flatnonzero(sequence_id == name)
        passed = np.mean([(parts[neighbours[i]] == "train").any() for i in members])
        part = next((p for p, left in quota.items() if left > 0), None)
        if part and passed >= 0.5:
            parts[members] = part
            quota[part] -= len(members)
    held_out = np.isin(parts, ("test", "validation"))
    # a drive may have been held out after another had counted on it
    alone = np.array([not (parts[near] == "train").any() for near in neighbours])
    too_near = within(lat_lon_deg, parts == "train", gap_m)
    return np.where(held_out & (alone | too_near), "buffer", parts)


def passing(lat_lon_deg, city, street, sequence_id, radius_m):
    """For each photo the photos of other sequences on the same street within radius_m."""
    xyz = sphere.unit_xyz(lat_lon_deg)
    pairs = cKDTree(xyz).query_pairs(radius_m / sphere.EARTH_RADIUS_M, output_type="ndarray")
    photo, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    kept = (sequence_id[other] != "") & (sequence_id[other] != sequence_id[photo])
    kept &= (city[other] == city[photo]) & (street[other] == street[photo])
    photo, other = photo[kept], other[kept]
    order = np.lexsort([other, photo])
    return np.split(other[order], np.cumsum(np.bincount(photo, minlength=len(city)))[:-1])


def unseen_city(city, *, seed, test_share, validation_share):
    """Whole cities held out: at least one for test and one for validation. ValueError below three cities."""
    names = np.unique(city)
    if len(names) < 3:
        raise ValueError(f"split unseen_city needs 3 cities, there are {len(names)}: choose random or blocked")
    order = seeds.stream(seed, "splits", "unseen_city").permutation(names)
    test_count = max(1, round(test_share * len(names)))
    validation_count = max(1, round(validation_share * len(names)))
    parts = np.where(np.isin(city, order[:test_count]), "test", "train")
    return np.where(np.isin(city, order[test_count : test_count + validation_count]), "validation", parts)


def official(
    given_part, lat_lon_deg, city, sequence_id, *, seed, validation_share, block_size_m, buffer_m, pilot=None
):  # fmt: skip
    """The data set's own parts (n,); where it has none to choose on, blocks of its training part are held out.

    Photos so few or so far apart that no block is drawn give whole sequences instead. Test photos stay test photos, the
    pilots among them go to buffer; photos without a part too. ValueError for a word that is no part, and where there is
    no test part.
    """
    given = np.full(len(city), "") if given_part is None else np.asarray(given_part, dtype=str)
    if unknown := sorted(set(given) - {"train", "validation", "test", ""}):
        raise ValueError(f"given_part {', '.join(unknown)} must be train, validation, test or ''")
    if "test" not in given:
        raise ValueError(f"split official: no photo has a given_part of its data set; {WAYS_OUT['official']}")
    pilot = np.zeros(len(city), bool) if pilot is None else pilot
    parts = np.where(given == "", "buffer", given).astype("U10")
    if "validation" not in given:
        own = given == "train"
        parts[own] = blocked(
            lat_lon_deg[own], city[own], sequence_id[own], seed=seed, block_size_m=block_size_m, buffer_m=buffer_m,
            test_share=0.0, validation_share=validation_share, pilot=pilot[own],
        )  # fmt: skip
        if not {"train", "validation"} <= set(parts[own]):
            held_out = whole_sequences(sequence_id[own], validation_share, seed=seed) & ~pilot[own]
            parts[own] = np.where(held_out, "validation", "train")
    return np.where(pilot & (parts != "train"), "buffer", parts)


def whole_sequences(sequence_id, share, *, seed):
    """Photos (n,) of sequences drawn until a share of all is reached, at least one; those without stand alone."""
    alone = np.array([f"alone {n}" for n in range(len(sequence_id))], dtype=object)
    names, of_photo, counts = np.unique(
        np.where(sequence_id == "", alone, sequence_id), return_inverse=True, return_counts=True
    )
    order = seeds.stream(seed, "splits", "sequences").permutation(len(names))
    before = np.cumsum(counts[order]) - counts[order]
    return np.isin(of_photo, order[before < share * len(sequence_id)])


def answer(nearest):
    """How near training photos lie in each split, in one sentence."""
    medians = nearest.groupby("split", sort=False).nearest_train_m.median()
    said = ", ".join(f"{sphere.length(metres)} ({split})" for split, metres in medians.items())
    return f"The median distance from a test photo to the nearest training photo is {said}."


def parts_by_split(table, photo_id, splits):
    """{split: part (n,) of each photo} from the table of 04_splits. ValueError names a split that it does not hold."""
    if missing := [split for split in splits if split not in set(table.split)]:
        raise ValueError(f"04_splits made no split {', '.join(missing)}: it made {', '.join(table.split.unique())}")
    wide = table.pivot(index="photo_id", columns="split", values="part").loc[photo_id]  # noqa: PD010  a photo has one part
    return {split: wide[split].to_numpy(dtype=object) for split in splits}


def blocks_of(errors, block_size_m):
    """The block (n,) of each row: a square on the ground, and the whole city where cities were held out."""
    blocks = block_ids(errors[["lat_deg", "lon_deg"]].to_numpy(), errors.city.to_numpy(), block_size_m)
    return np.where(errors.split == "unseen_city", errors.city, blocks)
