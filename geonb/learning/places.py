"""Tables of places brought into the arrays that towers and methods read."""

import numpy as np
import pandas as pd
import torch

from geonb.earth import sphere
from geonb.learning import encoders, geoclip
from geonb.photos import captions


def reader(place, location_tower, base, features, *, parts, decimals):
    """The function from a table of places to what stands for them in a method (methods.Method.place).

    Fourier features or tokens of captions for a location tower; image features (n, d) of the photos in the table's
    index; positions for cells and regression.
    """
    if place == "photo":
        return lambda table: torch.from_numpy(features[table.index])
    if place in ("cell", "position"):
        return lambda table: encoders.split_positions(table[["lat_deg", "lon_deg"]].to_numpy())
    if location_tower == "fourier":
        return lambda table: torch.from_numpy(encoders.fourier_features(table[["lat_deg", "lon_deg"]].to_numpy()))
    if location_tower == "capsules":
        return lambda table: geoclip.read_places(table[["lat_deg", "lon_deg"]].to_numpy())
    if location_tower != "text":
        raise ValueError(f"no location tower {location_tower!r}: there are fourier, capsules, text")

    def tokens(table):
        names = {name: table[name].to_numpy() for name in ("street", "city", "country")}
        said = captions.location_captions(
            table[["lat_deg", "lon_deg"]].to_numpy(), **names, parts=parts, decimals=decimals
        )
        return captions.tokens(said, base.tokenizer, base.context_length)

    return tokens


def zero_shot(base, table):
    """Unit features (n, d) of what the frozen tower reads in the names of places: street, city, country.

    table: with these, lat_deg and lon_deg. ValueError where a name is longer than the tower's context.
    """
    names = {name: table[name].to_numpy() for name in ("street", "city", "country")}
    positions = table[["lat_deg", "lon_deg"]].to_numpy()
    said, whose = np.unique(captions.location_captions(positions, **names, parts=list(names)), return_inverse=True)
    return encoders.text_features(base, captions.tokens(list(said), base.tokenizer, base.context_length))[whose]


def codes(table):
    """street, district, city and country of a table of places as whole numbers (n,), -1 where unknown.

    Streets and districts of two cities are different ones, whatever their names.
    """
    city = table.city.fillna("").astype(str)
    named = {"street": city + "|" + table.street.fillna(""), "district": city + "|" + table.district.fillna("")}
    whole = {"city": city, "country": table.country.fillna("").astype(str)}
    found = {level: pd.factorize(name)[0] for level, name in (named | whole).items()}
    known = {level: table[level].fillna("").astype(str).to_numpy() != "" for level in found}
    return {level: np.where(known[level], code, -1) for level, code in found.items()}


def names_near(table):
    """A function from positions (n, 2) to the country, city and district of the nearest place of a table, as a table.

    Districts with the name of their city, so that two old towns differ.
    """
    at, city = table[["lat_deg", "lon_deg"]].to_numpy(), table.city.fillna("").astype(str)
    district = table.district.fillna("").astype(str)
    names = pd.DataFrame({
        "country": table.country.fillna("").astype(str), "city": city,
        "district": (district + ", " + city).where(district != "", ""),
    })  # fmt: skip
    return lambda lat_lon_deg: names.iloc[sphere.nearest(lat_lon_deg, at)[0]].reset_index(drop=True)


def planted(fields_of, source, options, table):
    """The planted fields (n, K) at the places of a table; None where nothing was planted."""
    return fields_of(source, options, table[["lat_deg", "lon_deg"]].to_numpy(), table.city.to_numpy())
