"""Words for a simulated picture: what it shows, what the fields do to its houses, what the day is like. Never where."""

import numpy as np
from scipy.spatial import cKDTree

from geonb.earth import sphere
from simcities import buildings, day, fields

SEEN_M = 35.0  # houses further away are too small or hidden to be spoken of
AHEAD_M = 15.0  # what a camera looks at, and where street trees fill the picture
SAY = ("fields", "nuisance")

BOUNDS = (-1.1, -0.35, 0.35, 1.1)  # quintiles of a field over all cities, whose variance is 1 + 0.8**2
PHRASES = {  # in the order of fields.FIELDS; from low to high values, each in two or three ways
    "storeys": (
        ("very low houses", "squat little houses"),
        ("low houses", "small houses"),
        ("mid-height houses", "medium-height houses"),
        ("tall houses", "high houses"),
        ("very tall blocks", "towering blocks", "very high houses"),
    ),
    "wall_hue": (
        ("orange brick", "orange walls", "red brick walls"),
        ("ochre walls", "sandy stone"),
        ("beige walls", "pale brown plaster"),
        ("grey stone", "plain grey walls"),
        ("blue grey walls", "bluish walls"),
    ),
    "wall_light": (
        ("very dark facades", "blackened fronts"),
        ("rather dark facades", "dim fronts"),
        ("mid-tone facades", "mid-tone fronts"),
        ("light facades", "pale fronts"),
        ("very light facades", "whitish fronts"),
    ),
    "windows": (
        ("few tiny windows", "very small windows"),
        ("small windows", "modest windows"),
        ("medium windows", "ordinary windows"),
        ("large windows", "big windows"),
        ("huge windows", "glass everywhere", "very large windows"),
    ),
    "stone": (
        ("black slate footways", "very dark footways"),
        ("dark footways", "sooty footways"),
        ("grey footways", "footways of grey slabs"),
        ("light footways", "footways of pale slabs"),
        ("white footways", "very light footways"),
    ),
    "greenery": (
        ("no trees", "not one tree"),
        ("hardly any trees", "very few trees"),
        ("some trees", "a few trees"),
        ("many trees", "lots of trees"),
        ("trees everywhere", "tree after tree"),
    ),
    "paving": (
        ("black asphalt", "very dark asphalt"),
        ("grey asphalt", "dull grey asphalt"),
        ("brownish paving", "mixed paving"),
        ("reddish paving", "rusty paving"),
        ("red brick paving", "bright red paving"),
    ),
}
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
SCENES = {  # what a picture is of
    "street": ("a street", "a street view", "a city street", "an ordinary street"),
    "landmark": ("a landmark on a square", "a monument in a city", "a building like no other"),
    "facade": ("a close view of a house front", "one house seen from close by", "a facade up close"),
    "park": ("a park with grass and trees", "a lawn in a park", "a public park"),
    "object": ("a thing on a pavement", "a close view of street furniture", "an object in front of a wall"),
    "people": ("people walking on a pavement", "a group of people outdoors", "people passing by"),
}
SHOWN = {"street": tuple(PHRASES), "facade": ("wall_hue", "wall_light", "windows")}  # other scenes show no field
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
HOUSES = {way for ways in PHRASES["storeys"] for way in ways}  # phrases that others can follow "with"
MOST_OF_THE_DAY = 3  # of what DAY tells: all of it would not fit into a text tower beside the fields


# ---- what the houses are like ----------------------------------------------------------------------------------------
def ahead(photos):
    """Positions (n, 2) in degrees AHEAD_M ahead of the cameras of photos (city, lat_deg, lon_deg, heading_deg)."""
    found, way = np.empty((len(photos), 2)), np.radians(photos.heading_deg.to_numpy())
    position = photos[["lat_deg", "lon_deg"]].to_numpy()
    steps_m = AHEAD_M * np.stack([np.sin(way), np.cos(way)], axis=1)
    for name in photos.city.unique():
        here = (photos.city == name).to_numpy()
        centre = sphere.centre(position[here])
        found[here] = sphere.from_local_m(sphere.to_local_m(position[here], centre) + steps_m[here], centre)
    return found


def traits(city, photos):
    """Values (n, K) of the fields that what each camera sees follows, in the order of fields.FIELDS.

    They are means over the houses (no landmarks) within SEEN_M in front of the camera; of the nearest one alone for a
    facade. Where there is none, and for trees and footways of a street, they are the fields AHEAD_M ahead.
    photos: east_m, north_m, heading_rad (clockwise from north) and scene of each.
    """
    at = photos[["east_m", "north_m"]].to_numpy(np.float64)
    heading = photos.heading_rad.to_numpy(np.float64)
    forward = np.stack([np.sin(heading), np.cos(heading)], axis=1)
    expected = fields.value_at(city.fields, city.half_side_m, at + AHEAD_M * forward)
    houses = city.buildings[city.buildings[:, buildings.KIND] < min(buildings.LANDMARKS)]
    photo, house = seen_houses(
        at, forward, houses[:, [buildings.EAST, buildings.NORTH]], photos.scene.to_numpy() == "facade"
    )
    count = np.bincount(photo, minlength=len(at))[:, None]
    seen = houses[house, buildings.TRAITS :]
    total = np.stack([np.bincount(photo, column, len(at)) for column in seen.T], axis=1)
    found = np.where(count > 0, total / np.maximum(count, 1), expected)
    for name in ("greenery", "stone"):
        k = list(PHRASES).index(name)
        found[:, k] = expected[:, k]
    return found


def seen_houses(at_m, forward, houses_m, only_nearest):
    """Pairs of indices (photo, house) of houses (h, 2) within SEEN_M ahead of cameras (n, 2) that look forward (n, 2).

    only_nearest: (n,) whether a photo keeps but the nearest of its houses.
    """
    pairs = cKDTree(at_m).sparse_distance_matrix(cKDTree(houses_m), SEEN_M, output_type="ndarray")
    away = houses_m[pairs["j"]] - at_m[pairs["i"]]
    pairs = pairs[(away * forward[pairs["i"]]).sum(axis=1) > 0]
    pairs = pairs[np.lexsort((pairs["j"], pairs["v"], pairs["i"]))]  # so that sums come in the same order in any batch
    nearest = np.diff(pairs["i"], prepend=-1) != 0
    pairs = pairs[nearest | ~only_nearest[pairs["i"]]]
    return pairs["i"], pairs["j"]


# ---- sentences -------------------------------------------------------------------------------------------------------
def describe(traits, nuisances, scenes, rng, say=SAY, share=1.0):
    """One caption, as a list of n, for each row of traits (n, K), nuisances (n, 12) and scenes (n,).

    say: of fields and nuisance what is spoken of; what the picture is of is always said
    share: probability 0..1 with which each field that the scene shows is spoken of. With the same rng a smaller share
    leaves phrases out of the caption of the larger one, and what is said of the day is the same.
    A street view with all fields has fewer than 60 tokens of CLIP. ValueError for an unknown say, share or scene.
    """
    check_asked(say, share, scenes)
    if np.shape(traits) != (len(scenes), len(PHRASES)) or not np.isfinite(traits).all():
        raise ValueError(f"traits {np.shape(traits)} must be {(len(scenes), len(PHRASES))} finite numbers")
    n, kept_share = len(scenes), share if "fields" in say else 0.0
    # as many random numbers for each caption, whatever it says
    of_fields, of_day, of_frame = rng.random((n, 3, len(PHRASES))), rng.random((n, 2, len(DAY))), rng.random((n, 5))
    field_levels, day_levels = np.digitize(traits, BOUNDS), levels_of_day(np.asarray(nuisances))
    found = []
    for row, scene in enumerate(scenes):
        frame, way, joint, houses_first, much = of_frame[row]
        seen = chosen_fields(scene, field_levels[row], kept_share, of_fields[row], houses_first < 0.5)
        today = chosen_day(day_levels[row], of_day[row], much) if "nuisance" in say else []
        found.append(sentence(pick(SCENES[scene], way), seen, today, frame, joint))
    return found


def check_asked(say, share, scenes):
    """Nothing, or the ValueError for captions that cannot be given: see describe."""
    if unknown := set(say) - set(SAY):
        raise ValueError(f"captions cannot say {', '.join(sorted(unknown))}: choose among {', '.join(SAY)}")
    if not say:
        raise ValueError(f"captions must say at least one of {', '.join(SAY)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} of the phrases must lie in 0..1")
    if unknown := set(scenes) - set(SCENES):
        raise ValueError(f"captions know no scene {', '.join(sorted(map(str, unknown)))}: {', '.join(SCENES)}")


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


def chosen_fields(scene, levels, share, chance, houses_first):
    """Phrases of the fields that a scene shows, from their levels (K,) and random numbers (3, K) in 0..1.

    Each is kept when its first number is below share; the second ones give their order, the third their wording.
    """
    keep, order, way = chance
    kept = [k for k, name in enumerate(PHRASES) if name in SHOWN.get(scene, ()) and keep[k] < share]
    kept.sort(key=lambda k: -1.0 if k == 0 and houses_first else order[k])
    ways = tuple(PHRASES.values())
    return [pick(ways[k][levels[k]], way[k]) for k in kept]


def chosen_day(levels, chance, much):
    """Phrases for 1 to MOST_OF_THE_DAY things of a day, from levels (6,) and random numbers (2, 6) and one, in 0..1."""
    order, way = chance
    ways = tuple(DAY.values())
    return [pick(ways[k][levels[k]], way[k]) for k in np.argsort(order)[: 1 + int(much * MOST_OF_THE_DAY)]]


def sentence(scene, of_fields, of_day, frame, joint):
    """The wording of a scene with lists of phrases of fields and day, by two random numbers in 0..1."""
    last = COMMA if joint < 0.5 else AND
    of, first = WITH.strip(), []
    if of_fields and of_fields[0] in HOUSES:
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
    """Every phrase, scene, frame and joint of captions: their tokens are all the tokens that a caption can have."""
    scenes = [way for ways in SCENES.values() for way in ways]
    said = [way for levels in (*PHRASES.values(), *DAY.values()) for ways in levels for way in ways]
    frames = [way.format(scene="", of="", fields="", day="") for ways in FRAMES.values() for way in ways]
    texts = [text.strip() for text in (*scenes, *said, *frames, COMMA, AND, WITH, OF)]
    return [text for text in dict.fromkeys(texts) if text]


def another(scenes, rng):
    """For each picture (n,) another one of the same kind of scene."""
    whose = np.arange(len(scenes))
    for scene in np.unique(scenes):
        here = rng.permutation(np.flatnonzero(scenes == scene))
        whose[here] = np.roll(here, 1)
    return whose
