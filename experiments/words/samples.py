"""Which photos are probed, what is asked of each, and which of them train and test a probe."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.words.ridge_probe import FOLDS
from geonb import checks, random_streams
from geonb.earth import sphere
from geonb.splitting.splits import block_ids

ANYWHERE = ("fields", "country")  # aims that can be asked for in a city that no training photo shows
FEWEST_COUNTRIES = 3  # of two cities, at least, or no country is asked for
LEFT_OUT = {"reason": "why photos are not probed by a split"}
FEWEST_OF_A_CITY = 5  # photos, so that hardly a city lies in one fold


@dataclass(frozen=True)
class Sample:
    """Photos that are probed: their rows (n) of the catalogue, by its index.

    aims {name: targets (n, K)}; block, scene (n,) of each photo; folds {split: fold (n,)}; left_out: table LEFT_OUT.
    """

    photos: pd.DataFrame
    aims: dict
    block: np.ndarray
    scene: np.ndarray
    folds: dict
    left_out: pd.DataFrame

    @property
    def city(self):
        """City (n,) of each photo."""
        return self.photos.city.to_numpy(dtype=object)


def sample(photos, scene, usable, per_city, seed=0, *, planted, block_size_m, splits):
    """The Sample of a catalogue with plain lat_deg and lon_deg; scene, usable (n,), per_city: see chosen.

    planted: from rows of it (m) to the fields (m, K) there, or None.
    """
    rows = chosen(photos.city, scene, usable, per_city, seed=seed)
    own, city = photos.iloc[rows], photos.city.to_numpy(dtype=object)[rows]
    aims, block = aims_of(own, planted(own)), block_ids(own[["lat_deg", "lon_deg"]].to_numpy(), city, block_size_m)
    return Sample(own, aims, block, scene[rows], *folds_of(splits, aims, city, block, own.sequence_id, seed=seed))


def chosen(city, scene, usable, per_city, *, seed=0):
    """Indices (m,), rising, of photos to probe: per_city usable ones of each city, and all of rare kinds of scenes.

    Cities with fewer than FEWEST_OF_A_CITY usable photos are left out: hardly any of theirs would train a probe.
    """
    checks.count("probed_per_city", per_city)
    usable = usable & (pd.Series(usable).groupby(np.asarray(city)).transform("sum") >= FEWEST_OF_A_CITY).to_numpy()
    rng, city, scene = random_streams.stream(seed, "probed"), np.asarray(city), np.asarray(scene)
    kinds, counts = np.unique(scene[usable], return_counts=True)
    rare = usable & np.isin(scene, kinds[counts < max(counts, default=0)])
    drawn = [rng.permutation(np.flatnonzero(usable & (city == name)))[:per_city] for name in np.unique(city)]
    return np.union1d(np.flatnonzero(rare), np.concatenate(drawn)).astype(int)


def aims_of(photos, fields=None):
    """{position: metres around the city's middle (n, 2), fields (n, K) if known, city, country: one-hot (n, C)}.

    city where there are several; country where all are known and FEWEST_COUNTRIES of them have more than one city.
    """
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
    aims = {"position": np.empty((len(at), 2))}
    for name in np.unique(city):
        aims["position"][city == name] = sphere.to_local_m(at[city == name], sphere.centre(at[city == name]))
    if fields is not None:
        aims["fields"] = fields
    if len(np.unique(city)) > 1:
        aims["city"] = pd.get_dummies(city, dtype=float).to_numpy()
    country = photos.country.fillna("").to_numpy(dtype=object)
    cities = pd.Series(city).groupby(country).nunique()
    if "" not in cities.index and (cities > 1).sum() >= FEWEST_COUNTRIES:
        aims["country"] = pd.get_dummies(country, dtype=float).to_numpy()
    return aims


def folds_of(splits, aims, city, block, sequence_id, *, seed=0):
    """({split: fold (n,) of each photo}, table LEFT_OUT of splits that are impossible).

    Folds of photos singly (random), whole drives (other_drive), blocks (blocked) or cities (unseen_city, where one of
    ANYWHERE can be asked for). A photo of no drive counts as one of its own.
    """
    from sklearn.model_selection import GroupKFold

    alone = np.array([f"photo {n}" for n in range(len(city))])
    drive = np.where(np.asarray(sequence_id, dtype=object) == "", alone, sequence_id)
    groups = {"random": alone, "other_drive": drive, "blocked": block, "unseen_city": city}
    found, why = {}, []
    for split in splits:
        if split == "unseen_city" and not set(ANYWHERE) & set(aims):
            continue
        if split not in groups:
            why.append(f"no probe is cut as {split!r}: there are {', '.join(groups)}")
            continue
        own = groups[split].astype(str)
        count, fold = len(np.unique(own)), np.zeros(len(city), int)
        if count < 3:
            why.append(f"a probe of split {split} needs at least 3 groups that can be held out, there are {count}")
            continue
        cut = GroupKFold(min(FOLDS, count), shuffle=True, random_state=seed)
        for number, (_, held) in enumerate(cut.split(alone, groups=own)):
            fold[held] = number
        single = [name for name in np.unique(city) if len(np.unique(fold[city == name])) == 1]
        if single and split != "unseen_city":
            why.append(f"split {split} leaves no photo of {', '.join(single[:3])} to train a probe")
        else:
            found[split] = fold
    return found, pd.DataFrame({"reason": [f"Not probed: {reason}." for reason in why]}, dtype=str)
