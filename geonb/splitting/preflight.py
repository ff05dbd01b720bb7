"""Whether photos and splits can carry a study: counted in a second, before anything long runs for one that cannot."""

import numpy as np
import pandas as pd

from geonb.splitting.splits import block_ids, way_of

FEWEST_TEST_POSITIONS = 5
FEWEST_POSITIONS = FEWEST_TEST_POSITIONS + 2  # one of its own for training and for validation
FEWEST_PHOTOS = 30  # of a city: with fewer it has no curve
SHARED = 0.5  # positions for each photo, below which photos share them
OF_PHOTOS = {
    "photos": "photos of the catalogue [count]",
    "positions": "places where they were taken, apart by a decimetre or more [count]",
    "cities": "cities, or groups of photos that lie near each other [count]",
    "rich_cities": "cities of FEWEST_PHOTOS photos or more [count]",
    "most_photos": "photos of the city that has most [count]",
    "drives": "sequences that are told (sequence_id) [count]",
}
OF_SPLITS = {
    "split": "how test photos are kept away",
    "train_photos": "photos that train [count]",
    "validation_photos": "photos that choose the step of a training, and calibrate [count]",
    "test_photos": "photos that test [count]",
    "buffer_photos": "photos that are set aside [count]",
    "test_positions": "places where test photos were taken [count]",
    "test_blocks": "blocks of the yardstick that hold test photos, cities where cities were held out [count]",
    "cannot": "why no number of this split would mean anything, and the way out; empty where it works",
}


def position_ids(photos):
    """The number (n,) of the place where each photo was taken; photos: with columns lat_deg and lon_deg."""
    return np.unique(photos[["lat_deg", "lon_deg"]].round(6), axis=0, return_inverse=True)[1].ravel()


def of_photos(photos):
    """What photos with lat_deg, lon_deg, city and sequence_id offer: a table of one row, OF_PHOTOS."""
    per_city = photos.city.value_counts()
    row = {
        "photos": len(photos),
        "positions": len(np.unique(position_ids(photos))),
        "cities": len(per_city),
        "rich_cities": int((per_city >= FEWEST_PHOTOS).sum()),
        "most_photos": int(per_city.max()),
        "drives": len(set(photos.sequence_id) - {""}),
    }
    return pd.DataFrame([row])


def of_splits(photos, parts, block_size_m):
    """What each split makes of the photos: a table OF_SPLITS; parts: {split: part (n,)}."""
    position, city = position_ids(photos), photos.city.to_numpy(object)
    block, offered = block_ids(photos[["lat_deg", "lon_deg"]].to_numpy(), city, block_size_m), of_photos(photos)
    rows = []
    for split, part in parts.items():
        test, counts = part == "test", {f"{name}_photos": int((part == name).sum()) for name in ("train", "validation")}
        counts |= {"test_photos": int(test.sum()), "buffer_photos": int((part == "buffer").sum())}
        blocks = (city if way_of(split) == "unseen_city" else block)[test]
        counts |= {"test_positions": len(np.unique(position[test])), "test_blocks": len(np.unique(blocks))}
        rows.append({"split": split} | counts | {"cannot": cannot(split, counts, offered)})
    return pd.DataFrame(rows, columns=list(OF_SPLITS))


def cannot(split, counts, offered):
    """Why a split with these counts says nothing, and the way out; '' where it works. offered: of_photos."""
    found = counts["test_positions"]
    if found >= FEWEST_TEST_POSITIONS:
        return ""
    said = (
        f"the {counts['test_photos']} test photos of split {split} stand at {found} position{'s' * (found != 1)}, "
        f"fewer than {FEWEST_TEST_POSITIONS}, so that none of its numbers would mean anything"
    )
    return f"{said}: {way_out(split, offered)}"


def way_out(split, offered):
    """What to change in a study where a split does not work, as a phrase. offered: of_photos."""
    row = offered.iloc[0]
    ways = ["smaller blocks (block_size_m of 03_semivariograms)"] if way_of(split) == "blocked" else []
    if split == "official":
        return "take more places for its test photos (given_part), or leave it out of the study"
    ways += ["another seed of 04_splits, or a larger test_share"]
    instead = [
        *(["other_drive"] if row.drives and split != "other_drive" else []),
        *(["by_place"] if row.positions < SHARED * row.photos and split != "by_place" else []),
    ]
    ways += [f"{name} in its place" for name in instead] or ["leave it out of the study"]
    return "take " + ", or ".join(ways)


def check_photos(offered):
    """ValueError where photos that offer so much (of_photos) can carry no study, with the way out."""
    row = offered.iloc[0]
    if row.positions < FEWEST_POSITIONS:
        raise ValueError(
            f"the {row.photos} photos stand at {row.positions} positions: a split needs {FEWEST_TEST_POSITIONS} to "
            f"test and {FEWEST_POSITIONS} in all, so add photos of other places"
        )
    if not row.rich_cities:
        raise ValueError(
            f"no city has {FEWEST_PHOTOS} photos, the largest has {row.most_photos}: add photos, or let photos "
            "that lie farther apart share a city (options city, city_link_m)"
        )


def check(photos, counted):
    """ValueError where the photos, or one of the splits that were counted (of_splits), can carry no study."""
    check_photos(of_photos(photos))
    if failing := [why for why in counted.cannot if why]:
        raise ValueError("; ".join(failing))
