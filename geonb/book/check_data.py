"""Whether a study of real photos can work, told before anything long runs: python -m geonb.book.check_data mine

Reads the photos as page 01 does, and counts what pages 02 to 15 will have of them. Nothing is downloaded or trained.
"""

import argparse
import dataclasses
import sys

import pandas as pd

from geonb import resampling
from geonb.book import page_dependencies as deps
from geonb.book import wording
from geonb.learning import pretrained_towers
from geonb.learning.recipes import Course
from geonb.photos import districts_and_streets
from geonb.photos.catalogue import with_lat_lon
from geonb.photos.left_out import REASONS
from geonb.splitting import preflight, splits
from geonb.variograms import fitted_ranges

SECONDS = {  # on one of two cores, as measured with the default study, features with photos of 600 pixels
    "page": 12.0,  # its kernel, tables and figures
    "photo": 0.03,  # curves, errors, maps and intervals of all pages
    "training": 2.0,
    "step": 0.008,
    "row": 1e-4,  # for each photo of the batch of each step
    "imagenet": 0.1,  # to read a photo, by the kind of tower
    "open_clip": 0.16,
    "book": 40.0,
}
AT_ONCE = 1.7  # pages, with two cores: some wait for others
VARIANTS = {"08_ablations": 19, "13_semivariogram_negatives": 9}  # see geonb.learning.variants


def split_table(photos, study, pilot):
    """(table preflight.OF_SPLITS, {split: part (n,)}) of the study's splits, its own block size as yardstick."""
    asked, block_size_m = (
        deps.parameters("04_splits", study),
        deps.parameters("03_semivariograms", study)["block_size_m"],
    )
    sizes = {name: asked[name] for name in ("test_share", "validation_share", "gap_m", "seed")}
    cut = splits.Cut(block_size_m=block_size_m, buffer_m=asked["buffer_share"] * block_size_m, **sizes)
    parts, failed = {}, []
    for name in asked["splits"]:
        try:
            parts[name] = splits.make(name, photos, cut, pilot)
        except ValueError as error:
            failed.append({"split": name, "cannot": str(error)})
    worked = preflight.of_splits(photos, parts, block_size_m)
    return pd.concat([worked, pd.DataFrame(failed)]) if failed else worked


def tower_of(study):
    """(name, weights) of a study's tower; what `best` would take now."""
    values = deps.parameters("02_embeddings", study)
    if values["tower"] == pretrained_towers.BEST:
        return pretrained_towers.best()
    return values["tower"], values["weights"]


def without_weights(study):
    """Why the tower of a study cannot be loaded, with the way out; '' where it can, perhaps after a download."""
    tower, weights = tower_of(study)
    try:
        if wording.SIMULATED_TOWER in tower and "tower" not in (deps.changes_of(study).get("02_embeddings") or {}):
            return wording.FOREIGN_TOWER
        if pretrained_towers.is_imagenet(tower):
            pretrained_towers.load_imagenet(tower.removeprefix(pretrained_towers.IMAGENET))
        elif tower.startswith("local-dir:"):
            pretrained_towers.load_tower(tower)
        else:
            pretrained_towers.check_reachable(tower, weights)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def lacks(study, offered, counted, pilots):
    """What chapters will lack, [(chapter, sentence)]; offered, counted: tables of preflight; pilots: their photos."""
    row, block_m = offered.iloc[0], deps.parameters("03_semivariograms", study)["block_size_m"]
    found = []
    if poor := row.cities - row.rich_cities:
        found.append(("03", f"{poor} of {row.cities} cities have fewer than {fitted_ranges.FEWEST} photos: no curve"))
    if pilots < fitted_ranges.PILOT_FEWEST:
        few = f"pilot districts hold {pilots} photos, fewer than {fitted_ranges.PILOT_FEWEST}"
        found.append(("03", f"{few}: the yardstick will be block_size_m, {block_m:.0f} m"))
    if row.photos < wording.FEW_PHOTOS:
        found.append(("all", f"{row.photos} photos are fewer than {wording.FEW_PHOTOS}: differences mean nothing"))
    few = counted[counted.test_blocks < resampling.FEWEST_BLOCKS]
    if len(few):
        told = ", ".join(f"{split} ({blocks:.0f})" for split, blocks in zip(few.split, few.test_blocks, strict=True))
        found.append(("07 to 11", f"fewer than {resampling.FEWEST_BLOCKS} test blocks, so no intervals: {told}"))
    if pretrained_towers.is_imagenet(tower_of(study)[0]):
        found.append(("07", "the tower reads no words: no row zero_shot"))
    promised = deps.parameters("15_your_photos", study)
    calibrates = counted.loc[counted.split == promised["split"], "validation_photos"]
    if (calibrates < promised["fewest"]).any():
        found.append(("15", f"{calibrates.iloc[0]:.0f} photos calibrate, fewer than {promised['fewest']}: no radius"))
    absent = [name[:2] for name in deps.notebook_names() if not deps.pages(name, study)]
    return found + ([(", ".join(absent), "left out")] if absent else [])


def too_large_batches(study, counted):
    """Why trainings cannot run, [sentence]: batches that are larger than what trains in a split."""
    values = deps.parameters("06_train", study)
    size = values["course"].get("batch_size", Course.batch_size)
    small = counted[counted.split.isin(values["splits"]) & (counted.train_photos < size)]
    return [f"06_train: batch_size {size} is larger than the {row.train_photos:.0f} photos that train in {row.split}: "
            "make it smaller" for row in small.itertuples()]  # fmt: skip


def minutes(study, photo_count):
    """How long the pages of a study of so many photos take on two cores, features not yet known [minute]."""
    names, values = deps.all_pages(study), deps.parameters("06_train", study)
    trainings = len(values["splits"]) * values["seed_count"] * sum(name.startswith("06_train") for name in names)
    methods = deps.parameters("07_compare", study)["methods"]
    guided = any(name.startswith("geoclip") for name in methods)  # else page 13 trains nothing
    for name, variants in VARIANTS.items():
        if name in names and (guided or name.startswith("08")):
            trainings += variants * deps.parameters(name, study)["seed_count"]
    course = dataclasses.asdict(Course()) | values["course"]
    step_s = SECONDS["step"] + SECONDS["row"] * course["batch_size"]
    tower, _ = tower_of(study)
    reading_s = SECONDS["imagenet" if pretrained_towers.is_imagenet(tower) else "open_clip"]
    pages_s = SECONDS["page"] * len(names) + trainings * (SECONDS["training"] + step_s * course["steps"])
    return ((pages_s + SECONDS["photo"] * photo_count) / AT_ONCE + reading_s * photo_count + SECONDS["book"]) / 60


def check(study):
    """Print what a study has and will lack; returns why it cannot work, [sentence], none where it can."""
    values, seed = deps.parameters("01_photos", study), deps.parameters("03_semivariograms", study)["seed"]
    catalogue, left_out, _ = districts_and_streets.gathered(
        values["source"], values["options"], values["geonames"], values["streets_file"]
    )
    photos = with_lat_lon(catalogue)
    city, district = (photos[name].to_numpy(object) for name in ("city", "district"))
    pilot = fitted_ranges.pilot_districts(city, district, seed=seed)
    offered, counted, weights = preflight.of_photos(photos), split_table(photos, study, pilot), without_weights(study)
    print_photos(offered, left_out)
    print_splits(counted, study)
    print("\nTHE TOWER", f"  {weights or f'{tower_of(study)[0]} can be loaded, perhaps after a download'}", sep="\n")
    lacking = lacks(study, offered, counted, int(pilot.sum()))
    print("\nWHAT CHAPTERS WILL LACK", *(f"  {name}: {why}" for name, why in lacking), sep="\n")
    print(f"\n`make book STUDY={study}` will take about {minutes(study, len(photos)):.0f} minutes on two cores")
    return reasons(offered, counted, weights) + too_large_batches(study, counted)


def print_photos(offered, left_out):
    """Print what the photos offer, and how many entries were left out for which reason."""
    print("\nTHE PHOTOS", offered.to_string(index=False), f"\n{len(left_out)} left out", sep="\n")
    for reason, count in left_out.reason.value_counts().items():
        print(f"  {count} x {reason}" + (f": {REASONS[reason]}" if REASONS.get(reason) else ""))


def print_splits(counted, study):
    """Print what the splits hold, and whether each works."""
    block_m = deps.parameters("03_semivariograms", study)["block_size_m"]
    print(f"\nTHE SPLITS, with blocks of {block_m:.0f} m (block_size_m): page 03 may find another yardstick")
    print(counted.drop(columns="cannot").fillna(0).to_string(index=False, float_format="{:.0f}".format))
    print(*(f"  {name}: {why or 'works'}" for name, why in zip(counted.split, counted.cannot, strict=True)), sep="\n")


def reasons(offered, counted, weights):
    """Why a study cannot work, [sentence]."""
    try:
        preflight.check_photos(offered)
        poor = []
    except ValueError as error:
        poor = [str(error)]
    return [*poor, *(why for why in counted.cannot if why), *([weights] if weights else [])]


def main():
    """Check the study that is named; exit code 1, and why, where it cannot work."""
    ask = argparse.ArgumentParser(prog="python -m geonb.book.check_data", description=__doc__.splitlines()[0])
    ask.add_argument("study", help="a file of notebooks/studies")
    study = ask.parse_args().study
    try:
        if deps.is_simulated(study):
            return print(f"the photos of {study} are simulated: there is nothing to check before `make book`")
        why_not = check(study)
    except (ValueError, OSError) as error:
        sys.exit(f"study {study} cannot work: {error}")
    if why_not:
        sys.exit("\n".join([f"\nstudy {study} cannot work as it is:", *(f"* {why}" for why in why_not)]))
    print(f"study {study} can work")


if __name__ == "__main__":
    main()
