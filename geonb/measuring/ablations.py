"""What changing one ingredient does, from errors: captions, decodings, districts."""

import numpy as np
import pandas as pd

from geonb.measuring import errors as geolocation
from geonb.measuring import inference as uncertainty


def word_ratios(errors, *, replicates, seed=0):
    """sw_clip against clip for every caption of spoken, as geolocation.ratios; errors: see predictions, with block."""
    captions = dict.fromkeys(name.rpartition(": ")[0] for name in errors.method)
    pairs = [(f"{said}: sw_clip", f"{said}: clip") for said in captions]
    return geolocation.ratios_of_pairs(errors, pairs, replicates=replicates, seed=seed)


DECODED = {
    "method": "method whose trained towers are read",
    "decoding": "how a position is read off",
    "value": "what validation chose, median over seeds: bandwidth [m] or places [count], 0 for the best place",
    "median_error_m": "median error of the test photos [m]",
    "ratio": "geometric mean error over that of the best place, same towers [-]",
    "low": "lower bound of its 95 % interval; missing below 20 blocks [-]",
    "high": "upper bound [-]",
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted by Holm's rule for all rows [-]",
}


def compare_decodings(table, *, replicates, seed=0):
    """One row (columns DECODED) per method and decoding, from rows of decoded with method, seed, block and split."""
    rows = []
    for method, own in table.rename(columns={"photo": "photo_id"}).groupby("method", sort=False):
        base, blocks = geolocation.by_seed(own[own.decoding == "best place"], "error_m")
        for how, group in own.groupby("decoding", sort=False):
            error_m = geolocation.by_seed(group, "error_m")[0]
            found = uncertainty.ratio_of_geometric_means(error_m, base, blocks, replicates=replicates, seed=seed)
            found = (1.0, np.nan, np.nan, np.nan) if how == "best place" else found
            rows.append((method, how, group.value.median(), np.median(error_m), *found))
    found = pd.DataFrame(rows, columns=list(DECODED)[:-1])
    return found.assign(p_holm=uncertainty.holm(found.p))


REGIONS = {
    "method": "variant",
    "districts": "known districts with at least FEWEST_PHOTOS test photos [count]",
    "median_m": "median over districts of their geometric mean error [m]",
    "worst_m": "largest of them [m]",
    "log_sd": "standard deviation over districts of the log of it: how unfair [nat]",
}


FEWEST_PHOTOS = 10


def by_region(errors, photos, names):
    """How unequal the geometric mean errors of districts are: a table with columns REGIONS, a row per variant.

    Photos of no known district do not count: their city is none.
    """
    place, rows = photos[photos.district.fillna("") != ""].set_index("photo_id"), []
    errors = errors[errors.photo_id.isin(place.index)]
    for name in names:
        own = errors[errors.method == name].drop_duplicates(["photo_id", "seed"])
        region = place.city.loc[own.photo_id].to_numpy() + "|" + place.district.loc[own.photo_id].to_numpy()
        own = own.assign(region=region, log_m=np.log(own.error_m.clip(lower=1)))
        grouped = own.groupby("region")
        log_m = grouped.log_m.mean()[grouped.photo_id.nunique() >= FEWEST_PHOTOS]
        rows.append((name, len(log_m), *np.exp([log_m.median(), log_m.max()]), log_m.std()))
    return pd.DataFrame(rows, columns=list(REGIONS))


def answer(ratios, read_off):
    """Which variants and decodings are shown to differ, in two sentences; nothing more is claimed."""
    helps, harms = (ratios[ratios.verdict.str.startswith(f"It {word}")].method.tolist() for word in ("helps", "harms"))
    better = [f"{row.decoding} ({row.method})" for row in read_off.itertuples() if row.p_holm < 0.05 and row.high < 1]
    return (
        f"Of {len(ratios)} changes to sw_clip {', '.join(helps) or 'none'} is shown to make it better, "
        f"{', '.join(harms) or 'none'} worse. Of the ways to read off an answer {', '.join(better) or 'none'} is shown "
        "to beat the single most similar place."
    )
