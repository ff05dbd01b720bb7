"""Words for a picture of these cities: what its traits do to houses and streets, and what the day is like."""

import numpy as np

from simcities import buildings, captions
from simcities import fields as base
from simcities.captions import DAY, SAY, SCENES, pick, sentence
from simcities.headroom import fields

AHEAD_M = (5.0, 9.0, 13.0)  # of a camera: where the street fills the lower half of its picture
BOUNDS = (-1.2, -0.36, 0.36, 1.2)  # quintiles of a field over all cities, whose variance is 1 + 1
NAMED = (5, 16)  # of the traits, in one caption
PHRASES = {  # in the order of fields.FIELDS; from low to high values
    "wall_hue": ("red walls", "ochre walls", "sandy walls", "grey walls", "blue walls"),
    "wall_light": ("very dark fronts", "dark fronts", "mid-tone fronts", "light fronts", "whitish fronts"),
    "courses": ("plain walls", "faint bands", "banded walls", "striped walls", "boldly striped walls"),
    "roof_hue": ("red roofs", "brown roofs", "dark roofs", "slate roofs", "green copper roofs"),
    "shutters": ("no shutters", "slim shutters", "violet shutters", "wide shutters", "huge shutters"),
    "frames": ("red frames", "pinkish frames", "white frames", "pale blue frames", "blue frames"),
    "windows": ("few windows", "spaced windows", "some windows", "many windows", "windows everywhere"),
    "awnings": ("no awnings", "slim awnings", "striped awnings", "deep awnings", "huge awnings"),
    "cornice": ("no cornice", "a thin cornice", "a cornice", "a thick cornice", "a massive cornice"),
    "balconies": ("no balconies", "short balconies", "balconies", "long balconies", "balconies all along"),
    "gables": ("no gables", "little gables", "gables", "broad gables", "full gables"),
    "roof_height": ("very low roofs", "low roofs", "medium roofs", "high roofs", "towering roofs"),
    "storeys": ("very low houses", "low houses", "mid-height houses", "tall houses", "very tall houses"),
    "setback": ("houses at the street", "tiny gardens", "small gardens", "gardens", "deep gardens"),
    "shops": ("no shops", "a small shop", "shops", "large shops", "shops everywhere"),
    "doors": ("red doors", "orange doors", "yellow doors", "green doors", "blue doors"),
    "road_hue": ("black asphalt", "grey asphalt", "brownish road", "reddish road", "red brick road"),
    "paving_tone": ("black pavement", "dark pavement", "grey pavement", "light pavement", "white pavement"),
    "hedges": ("no hedges", "low hedges", "hedges", "high hedges", "very high hedges"),
    "verge": ("no verge", "a slim verge", "a verge", "a wide verge", "a lawn by the road"),
    "leaf_hue": ("yellow leaves", "pale leaves", "green leaves", "dark leaves", "teal leaves"),
    "kerbs": ("no kerb", "a thin kerb", "a kerb", "a wide kerb", "a broad white kerb"),
    "planters": ("no flowers", "small flowers", "flowers in tubs", "large flowers", "huge flowers"),
    "wires": ("no wires", "thin wires", "wires", "thick wires", "heavy cables"),
    "bollards": ("no bollards", "low bollards", "bollards", "high bollards", "tall yellow posts"),
    "trees": ("tiny trees", "small trees", "trees", "large trees", "very large trees"),
    "lamps": ("tiny lamps", "small lamps", "lamps", "large lamps", "huge lamps"),
    "cycle_lane": ("no cycle lane", "a slim cycle lane", "a cycle lane", "a wide cycle lane", "a very wide cycle lane"),
}


def traits(city, photos):
    """Values (n, K) of the fields that what each camera sees follows, in the order of fields.FIELDS.

    Those of houses are means over the houses of the picture within SEEN_M, the nearer ones weighing more (by one over
    their distance squared), where there are any; those of streets are means of the fields at AHEAD_M.
    photos: east_m, north_m, heading_rad (clockwise from north) and focal of each.
    """
    at, heading = photos[["east_m", "north_m"]].to_numpy(np.float64), photos.heading_rad.to_numpy(np.float64)
    forward = np.stack([np.sin(heading), np.cos(heading)], axis=1)
    ahead = [base.value_at(city.fields, city.half_side_m, at + metres * forward) for metres in AHEAD_M]
    found = np.mean(ahead, axis=0)
    houses = city.buildings
    where = houses[:, [buildings.EAST, buildings.NORTH]]
    photo, house = captions.seen_houses(at, forward, where, np.zeros(len(at), bool))
    away = where[house] - at[photo]
    distance = np.linalg.norm(away, axis=1)
    cosine = (away * forward[photo]).sum(axis=1) / distance
    focal = photos.focal.to_numpy(np.float64)[photo]
    weight = (cosine > focal / np.hypot(focal, 1.0)) / distance**2
    total = np.bincount(photo, weight, len(at))
    own = houses[house, buildings.TRAITS :][:, : len(fields.HOUSES)]
    sums = np.stack([np.bincount(photo, weight * column, len(at)) for column in own.T], axis=1)
    some = total > 0
    found[some, : len(fields.HOUSES)] = sums[some] / total[some, None]
    return found


def describe(traits, nuisances, scenes, rng, say=SAY, share=1.0):
    """One caption, as a list of n, for each row of traits (n, K), nuisances (n, 12) and scenes (n,), all of streets.

    As simcities.captions.describe; each caption names NAMED of the traits, in any order, times `share`.
    ValueError for an unknown say, share or scene, and for traits of another shape.
    """
    captions.check_asked(say, share, scenes)
    if np.shape(traits) != (len(scenes), len(PHRASES)) or not np.isfinite(traits).all():
        raise ValueError(f"traits {np.shape(traits)} must be {(len(scenes), len(PHRASES))} finite numbers")
    order, frames = rng.random((len(scenes), len(PHRASES))), rng.random((len(scenes), 5))
    of_day = rng.random((len(scenes), 2, len(DAY)))
    levels, day_levels = np.digitize(traits, BOUNDS), captions.levels_of_day(np.asarray(nuisances))
    ways, found = tuple(PHRASES.values()), []
    for row, scene in enumerate(scenes):
        frame, way, joint, many, much = frames[row]
        named = round(share * (NAMED[0] + int(many * (NAMED[1] - NAMED[0] + 1)))) if "fields" in say else 0
        seen = [ways[k][levels[row, k]] for k in np.argsort(order[row])[:named]]
        today = captions.chosen_day(day_levels[row], of_day[row], much) if "nuisance" in say else []
        found.append(sentence(pick(SCENES[scene], way), seen, today, frame, joint))
    return found


def vocabulary():
    """Every phrase, scene and frame of captions: their tokens are all the tokens that a caption can have."""
    said = [way for ways in PHRASES.values() for way in ways]
    return list(dict.fromkeys([*said, *captions.vocabulary()]))
