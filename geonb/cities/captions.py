"""Words for a simulated picture: what the fields do to its houses and what the day is like. Never where it is."""

import numpy as np

from geonb.cities import fields, renderer

AHEAD_M = 15.0  # a caption speaks of the houses a little ahead of the camera
PHRASES = {  # from low to high values of a field
    "storeys": ("single-storey houses", "low houses", "three-storey houses", "tall houses", "very tall blocks"),
    "wall_hue": ("orange brick", "reddish plaster", "sand-coloured stone", "grey stone", "blue-grey walls"),
    "wall_light": ("dark", "rather dark", "medium", "light", "very light"),
    "bays": ("wide window bays", "few window bays", "some window bays", "many window bays", "narrow window bays"),
    "window_height": ("tiny windows", "small windows", "medium windows", "tall windows", "floor-high windows"),
    "shops": ("no shops", "hardly any shops", "some shops", "many shops", "shops everywhere"),
    "greenery": ("no trees", "hardly any trees", "some trees", "many trees", "trees everywhere"),
    "roof": (
        "flat red roofs",
        "shallow reddish roofs",
        "pitched brown roofs",
        "steep grey roofs",
        "very steep dark roofs",
    ),
}
BOUNDS = (-1.1, -0.35, 0.35, 1.1)
TEMPLATES = (
    "{wall_light} {wall_hue}, {storeys} with {roof}, {bays} and {window_height}, {shops} and {greenery}, {day}",
    "a street of {storeys} in {wall_light} {wall_hue}, {window_height} in {bays}, {roof}, {greenery}, {shops}, {day}",
    "{day}: {greenery} and {shops} along {storeys} with {roof}, {wall_light} {wall_hue}, {bays}, {window_height}",
)


def traits(city, photos):
    """The fields (n, K) that the houses ahead of each camera follow."""
    ahead = photos.along_m.to_numpy() + AHEAD_M * photos.forward.to_numpy()
    return fields.value_at(city.fields, city.half_side_m, city.position_m(photos.street.to_numpy(), ahead))


def describe(traits, nuisances, rng):
    """One caption for each row of traits (n, K) and nuisances (n, 12)."""
    levels = np.digitize(traits, BOUNDS)
    templates = rng.integers(0, len(TEMPLATES), len(levels))
    return [sentence(level, day(row), TEMPLATES[t]) for level, row, t in zip(levels, nuisances, templates, strict=True)]


def sentence(levels, day, template):
    """A template filled with the phrases of one photo's levels."""
    words = {name: PHRASES[name][level] for name, level in zip(fields.FIELDS, levels, strict=True)}
    return template.format(day=day, **words)


def day(nuisance):
    """Season, sky and haze of one picture."""
    season = "in winter" if nuisance[renderer.SEASON] > 0.5 else "in summer"
    sky = "under an overcast sky" if nuisance[renderer.CLOUD] > 0.5 else "under a clear sky"
    return f"{season} {sky}" + (" in haze" if nuisance[renderer.HAZE] > 0.005 else "")
