"""Words for a simulated picture: what its traits do to houses and streets, what the day is like. Never where."""

import numpy as np
from scipy.spatial import cKDTree

from geonb.earth import sphere
from simcities import buildings, day, fields

SEEN_M = 35.0  # houses further away are too small or hidden to be spoken of
LOOK_M = 15.0  # what a camera looks at, where one place has to stand for its picture
SAY = ("fields", "nuisance")
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
FIRST = PHRASES["storeys"][:4]  # phrases that others can follow "with"
DAY = {  # what of the day: its levels, each in two or three ways
    "season": (
        ("in summer", "on a summer day", "in the warm season"),
        ("in autumn", "on an autumn day"),
        ("in winter", "on a winter day", "in the cold season"),
    ),
    "weather": (
        ("under a clear sky", "under a blue sky"),
        ("under a few clouds", "under light clouds"),
        ("under a cloudy sky", "under thick clouds"),
        ("under an overcast sky", "under a grey sky"),
    ),
    "light": (
        ("in low sun", "with long shadows"),
        ("in slanting sun", "with clear shadows"),
        ("in high sun", "with short shadows"),
        ("in soft light", "without shadows"),
    ),
    "haze": (
        ("in clear air", "with a sharp view"),
        ("in slight haze", "with a little haze"),
        ("in haze", "in hazy air"),
    ),
    "wet": (
        ("on dry ground", "when it is dry"),
        ("on damp ground", "soon after rain"),
        ("on wet ground", "just after rain"),
    ),
    "traffic": (
        ("with hardly any traffic", "at a quiet hour"),
        ("with a little traffic", "with a few cars"),
        ("with some traffic", "with many cars"),
        ("in heavy traffic", "at a busy hour"),
    ),
}
STREET = ("a street", "a street view", "a city street", "an ordinary street")  # what a picture is of
FRAMES = {  # (fields are said, the day is said)
    (True, True): (
        "{scene} {of} {fields}, {day}",
        "{scene}: {fields}, {day}",
        "{scene}, {day}, {fields}",
        "{day}, {scene} {of} {fields}",
        "{day}, we see {scene} {of} {fields}",
        "{day}: {fields}, {scene}",
        "{fields}, {scene} {day}",
        "{fields}: {scene}, {day}",
    ),
    (True, False): (
        "{scene} {of} {fields}",
        "we see {scene} {of} {fields}",
        "{scene}: {fields}",
        "{scene} showing {fields}",
        "{fields}, {scene}",
        "{fields}: {scene}",
    ),
    (False, True): ("{scene} {day}", "{scene}, {day}", "{day}, {scene}", "{day}: {scene}", "{day}, we see {scene}"),
    (False, False): ("{scene}", "a photo of {scene}", "a picture: {scene}", "we see {scene}"),
}
COMMA, AND, WITH, OF = ", ", " and ", " with ", "of"  # "a street of tall houses with large windows, no trees and ..."
MOST_OF_THE_DAY = 3  # of what DAY tells: all of it would not fit into a text tower beside the fields


# ---- what is seen ----------------------------------------------------------------------------------------------------
def ahead(photos):
    """Positions (n, 2) in degrees LOOK_M ahead of the cameras of photos (city, lat_deg, lon_deg, heading_deg)."""
    found, way = np.empty((len(photos), 2)), np.radians(photos.heading_deg.to_numpy())
    position = photos[["lat_deg", "lon_deg"]].to_numpy()
    steps_m = LOOK_M * np.stack([np.sin(way), np.cos(way)], axis=1)
    for name in photos.city.unique():
        here = (photos.city == name).to_numpy()
        centre = sphere.centre(position[here])
        found[here] = sphere.from_local_m(sphere.to_local_m(position[here], centre) + steps_m[here], centre)
    return found


def traits(city, photos):
    """Values (n, K) of the fields that what each camera sees follows, in the order of fields.FIELDS.

    Those of houses are means over the houses of the picture within SEEN_M, the nearer ones weighing more (by one over
    their distance squared), where there are any; those of streets are means of the fields at AHEAD_M.
    photos: east_m, north_m, heading_rad (clockwise from north) and focal of each.
    """
    at, heading = photos[["east_m", "north_m"]].to_numpy(np.float64), photos.heading_rad.to_numpy(np.float64)
    forward = np.stack([np.sin(heading), np.cos(heading)], axis=1)
    ahead = [fields.value_at(city.fields, city.half_side_m, at + metres * forward) for metres in AHEAD_M]
    found = np.mean(ahead, axis=0)
    houses = city.buildings
    where = houses[:, [buildings.EAST, buildings.NORTH]]
    photo, house = seen_houses(at, forward, where)
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


def seen_houses(at_m, forward, houses_m):
    """Pairs (photo, house) of indices: houses (h, 2) within SEEN_M ahead of cameras (n, 2) that look forward (n, 2)."""
    pairs = cKDTree(at_m).sparse_distance_matrix(cKDTree(houses_m), SEEN_M, output_type="ndarray")
    away = houses_m[pairs["j"]] - at_m[pairs["i"]]
    pairs = pairs[(away * forward[pairs["i"]]).sum(axis=1) > 0]
    pairs = pairs[np.lexsort((pairs["j"], pairs["v"], pairs["i"]))]  # so that sums come in the same order in any batch
    return pairs["i"], pairs["j"]


# ---- sentences -------------------------------------------------------------------------------------------------------
def describe(traits, nuisances, rng, say=SAY, share=1.0):
    """One caption, as a list of n, for each row of traits (n, K) and nuisances (n, 12).

    say: of fields and nuisance what is spoken of; that it is a street is always said
    share: of the NAMED traits that a caption names, in any order. With the same rng a smaller share leaves phrases out
    of the caption of the larger one, and what is said of the day is the same.
    ValueError for an unknown say or share, and for traits of another shape.
    """
    check_asked(say, share)
    n = len(traits)
    if np.shape(traits) != (n, len(PHRASES)) or not np.isfinite(traits).all():
        raise ValueError(f"traits {np.shape(traits)} must be {(n, len(PHRASES))} finite numbers")
    # as many random numbers for each caption, whatever it says
    order, frames, of_day = rng.random((n, len(PHRASES))), rng.random((n, 5)), rng.random((n, 2, len(DAY)))
    levels, day_levels = np.digitize(traits, BOUNDS), levels_of_day(np.asarray(nuisances))
    ways, found = tuple(PHRASES.values()), []
    for row in range(n):
        frame, way, joint, many, much = frames[row]
        named = round(share * (NAMED[0] + int(many * (NAMED[1] - NAMED[0] + 1)))) if "fields" in say else 0
        seen = [ways[k][levels[row, k]] for k in np.argsort(order[row])[:named]]
        today = chosen_day(day_levels[row], of_day[row], much) if "nuisance" in say else []
        found.append(sentence(pick(STREET, way), seen, today, frame, joint))
    return found


def check_asked(say, share):
    """Nothing, or the ValueError for captions that cannot be given: see describe."""
    if unknown := set(say) - set(SAY):
        raise ValueError(f"captions cannot say {', '.join(sorted(unknown))}: choose among {', '.join(SAY)}")
    if not say:
        raise ValueError(f"captions must say at least one of {', '.join(SAY)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} of the phrases must lie in 0..1")


def levels_of_day(nuisances):
    """Levels (n, 6) of nuisances (n, 12) in the order of DAY."""
    cloud, sun_deg = nuisances[:, day.CLOUD], np.degrees(nuisances[:, day.SUN_ELEVATION])
    return np.stack(
        [
            np.digitize(nuisances[:, day.SEASON], (1 / 3, 2 / 3)),
            np.digitize(cloud, (0.25, 0.5, 0.75)),
            np.where(cloud > 0.5, 3, np.digitize(sun_deg, (25, 42))),  # clouds leave no shadows
            np.digitize(nuisances[:, day.HAZE], (0.0015, 0.0028)),
            np.digitize(nuisances[:, day.WET], (0.05, 0.5)),
            np.digitize(nuisances[:, day.TRAFFIC], (0.25, 0.5, 0.75)),
        ],
        axis=1,
    )


def chosen_day(levels, chance, much):
    """Phrases for 1 to MOST_OF_THE_DAY things of a day, from levels (6,) and random numbers (2, 6) and one, in 0..1."""
    order, way = chance
    ways = tuple(DAY.values())
    return [pick(ways[k][levels[k]], way[k]) for k in np.argsort(order)[: 1 + int(much * MOST_OF_THE_DAY)]]


def sentence(scene, of_fields, of_day, frame, joint):
    """The wording of a scene with lists of phrases of fields and day, by two random numbers in 0..1."""
    last = COMMA if joint < 0.5 else AND
    of, first = WITH.strip(), []
    if of_fields and of_fields[0] in FIRST:
        of, first, of_fields = OF, of_fields[:1], of_fields[1:]
    said = WITH.join([*first, *([listed(of_fields, last)] if of_fields else [])])
    chosen = pick(FRAMES[bool(said), bool(of_day)], frame)
    return chosen.format(scene=scene, of=of, fields=said, day=listed(of_day, last))


def listed(phrases, last):
    """The phrases with commas between them, and `last` before the last one."""
    return last.join([COMMA.join(phrases[:-1]), phrases[-1]]) if len(phrases) > 1 else "".join(phrases)


def pick(choices, chance):
    """One of the choices by a random number in 0..1."""
    return choices[int(chance * len(choices))]


def vocabulary():
    """Every phrase, frame and joint of captions: their tokens are all the tokens that a caption can have."""
    said = [way for ways in PHRASES.values() for way in ways]
    said += [way for levels in DAY.values() for ways in levels for way in ways]
    frames = [way.format(scene="", of="", fields="", day="") for ways in FRAMES.values() for way in ways]
    texts = [text.strip() for text in (*STREET, *said, *frames, COMMA, AND, WITH, OF)]
    return [text for text in dict.fromkeys(texts) if text]


def another(count, rng):
    """For each of `count` pictures another one."""
    order, whose = rng.permutation(count), np.arange(count)
    whose[order] = np.roll(order, 1)
    return whose
