"""What could stand behind a result on an archive: mounts, years, series, and captions that name the streets."""

import re

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV

from geonb import files
from geonb.earth import sphere
from geonb.photos.pictures import picture_path

BUMPS = 8  # Gaussian bumps in which a number is given to a tower
PENALTIES = np.logspace(-1, 4, 11)
FEWEST_CAPTIONS = 3  # that hold a word which counts
BOROUGHS = ("Manhattan", "Brooklyn", "Queens", "Bronx", "Richmond", "Staten Island", "New York", "Long Island")
STREET_WORDS = (  # of every address: they tell numbered streets from roads, not what is seen
    "street streets avenue avenues road roads place lane drive boulevard parkway square broadway alley court terrace "
    "highway plaza slip north south east west northeast northwest southeast southwest northward southward eastward "
    "westward corner corners side sides between adjoining intersection view views showing looking avenued island"
)


def archive_ids(photos):
    """The archive's id (n,) of each photo: the name of its file."""
    return photos.path.map(lambda path: picture_path(path).stem)


def series(photos):
    """The series (n,) of each photo: the first three digits of its id; the archive is filed by borough and street."""
    return archive_ids(photos).str[:3]


def bumps(values):
    """Gaussian bumps (n, BUMPS + 1) of numbers (n,) evenly between their 1 and 99 % quantiles; the last column says
    where a number is missing.
    """
    known = np.isfinite(values)
    centres = np.linspace(*np.quantile(values[known], [0.01, 0.99]), BUMPS)
    width = max(centres[1] - centres[0], 1e-9)
    near = np.exp(-0.5 * ((np.where(known, values, np.nan)[:, None] - centres) / width) ** 2)
    return np.column_stack([np.nan_to_num(near), ~known]).astype(np.float32)


def of_mounts(photos, table):
    """Features (n, d) of the mounts alone: bumps of their size, margins and colour, from a file margins.csv."""
    margins = pd.read_csv(files.ROOT / table, dtype={"photo_id": str}).set_index("photo_id")
    return np.hstack([bumps(column) for column in margins.loc[archive_ids(photos)].to_numpy(float).T])


def of_years(photos):
    """Features (n, d) of the year alone."""
    return bumps(pd.to_datetime(photos.captured_at, utc=True, errors="coerce").dt.year.to_numpy(float))


def masked(text, title):
    """A caption without what names a place: words with a capital letter or a digit, every word of its title, the
    boroughs, and the words of addresses. What is left is in small letters.
    """
    named = set(re.findall(r"[a-z]+", " ".join([title, *BOROUGHS, STREET_WORDS]).lower()))
    words = [word for word in re.findall(r"[\w']+", text) if re.fullmatch(r"[a-z]{3,}", word)]
    return " ".join(word for word in words if word not in named)


def captions(photos):
    """{row: captions (n,)} of the archive's table photos.csv: none, without names, see masked, and whole."""
    path = picture_path(photos.path.iloc[0]).parents[1] / "photos.csv"
    told = pd.read_csv(path, dtype={"photo_id": str}, keep_default_na=False).set_index("photo_id")
    own = told.loc[archive_ids(photos)]
    bare = [masked(text, title) for text, title in zip(own.caption, own.original_title, strict=True)]
    return {"no_words": None, "words_masked": np.array(bare, object), "words": own.caption.str.lower().to_numpy(object)}


def from_words(captions, city, split, fold):
    """Positions (n, 2) of the test photos that a ridge regression reads in captions (n,) as a bag of words (tf-idf);
    without captions, None, the middle of the photos that train, which it falls back to.
    """
    parts, at = city.parts(split, fold), city.lat_lon_deg
    train, test = parts == "train", parts == "test"
    origin = sphere.centre(at[train])
    if captions is None:
        return np.tile(origin, (test.sum(), 1))
    words = TfidfVectorizer(token_pattern=r"[a-z0-9]{2,}", min_df=FEWEST_CAPTIONS, sublinear_tf=True)
    seen = words.fit_transform(captions[train])
    found = RidgeCV(PENALTIES).fit(seen, sphere.to_local_m(at[train], origin))
    return sphere.from_local_m(found.predict(words.transform(captions[test])), origin)


def by_words(captions, city, split, row, folds):
    """Predictions of the test photos of all folds by from_words, as rows of folds.trained, of one seed."""
    tables = []
    for fold in range(folds):
        test = city.photos[city.parts(split, fold) == "test"]
        at = from_words(captions, city, split, fold)
        error_m = sphere.distance_m(test[["lat_deg", "lon_deg"]].to_numpy(), at)
        tables.append(test[["photo_id", "city", "lat_deg", "lon_deg"]].assign(error_m=error_m, fold=fold))
    return pd.concat(tables, ignore_index=True).assign(row=row, split=split, seed=0, still_improving=False)
