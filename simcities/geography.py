"""Where things are in an invented city: streets, parks, squares, names, drives with a camera. Nothing of it exists."""

from dataclasses import dataclass, replace

import networkx
import numpy as np
import pandas as pd
from scipy.spatial import Delaunay

from geonb import random_streams
from geonb.earth import sphere
from simcities import buildings, fields, things

# Invented names at invented positions, out at sea so that nobody takes them for real.
NAMES = ("Velmora", "Ostrand", "Kestrin", "Halvane", "Brunmere", "Tolsache", "Arvenik", "Pellorin")
COUNTRIES = ("Lutania", "Varrowe")
TREES = ("Alder", "Aspen", "Beech", "Birch", "Bramble", "Cedar", "Clover", "Dogwood", "Elm", "Fern", "Fir", "Gorse",
         "Hazel", "Heather", "Ivy", "Juniper", "Larch", "Laurel", "Linden", "Maple", "Myrtle", "Nettle", "Oak",
         "Poplar", "Quince", "Rowan", "Sorrel", "Thorn", "Willow", "Yew")  # fmt: skip
WAYS = ("Street", "Road", "Lane", "Row", "Avenue", "Way", "Walk", "Hill", "Place", "Terrace", "Court", "Gardens",
        "Close")  # fmt: skip
QUARTERS = ("North Side", "Old Town", "Harbour", "East End", "Mill Quarter", "South Field")
KINDS = ("regular", "radial", "organic")
LEAST_SIDE_M = 400.0  # of a city: below there is no room for its streets
MOST_SIDE_M = 4000.0  # above there are more streets than names
GRAIN_M = 245.0  # between the nodes of an organic network
PARK, SQUARE = 0.0, 1.0  # kinds of ground
PARK_RADIUS_M, SQUARE_RADIUS_M = (35.0, 70.0), (22.0, 35.0)
NO_JUNCTION_M = -1e6

HALF_WIDTH_M, ROAD_HALF_M = 6.8, 4.2  # from the middle of a street to its houses and to the kerb
FARTHEST_SPACING_M = 80.0  # between two photos of a drive: where photos are few, few streets are driven
ASIDE_RAD = (0.3, 0.9)  # cameras of a drive look ahead and to one side, where the houses are
SEQUENCE_M = 400.0  # then a recording app starts a new file
DRIVE_DAYS = ("2024-06-10T08:00", "2025-01-08T08:00")  # of the first street, one drive in summer and one in winter
CAR_M_S = 8.0
# of the isolated photos; the rest of the scenes is what a city without landmarks or parks falls back to
SCENE_SHARES = {"street": 0.40, "facade": 0.20, "park": 0.12, "landmark": 0.10, "object": 0.10, "people": 0.08}
# height of a landmark over that of its walls, with its spire, dome or statue
RISE = {buildings.CHURCH: 2.3, buildings.TOWER: 1.25, buildings.DOME: 1.6, buildings.COLUMN: 1.15, buildings.GATE: 1.1}
OBJECTS = (things.POST_BOX, things.BENCH, things.BIN, things.SIGN, things.BUS_STOP, things.LAMP, things.BUSH)
TRIES = 24  # stands of a camera that are compared
ROOM_M = 1.8  # around a camera on foot, without a tree trunk or a post before its lens


@dataclass(frozen=True)
class City:
    """Streets are straight: street s starts at start_m[s] and runs length_m[s] along direction[s] (east, north).

    half_width_m (S,): from a street's centre to its building line; road_half_m (S,): to its kerb
    junction_m (S, J): where other streets cross, along the street, padded with NO_JUNCTION_M
    junction_half_m (S, J): half of the gap that they cut into its building lines
    quarters_m (Q, 2): centres of the districts
    fields (K, n, n) float32: see simcities.fields
    style: of the painter, see simcities.renderer.render
    grounds (G, 4): east, north and radius of discs without ordinary buildings, and their kind: PARK or SQUARE
    buildings (B, 10 + K), things (T, 6): see simcities.buildings and simcities.things
    """

    index: int
    name: str
    country: str
    centre_lat_lon_deg: np.ndarray
    half_side_m: float
    start_m: np.ndarray
    direction: np.ndarray
    length_m: np.ndarray
    half_width_m: np.ndarray
    road_half_m: np.ndarray
    street_names: list
    junction_m: np.ndarray
    junction_half_m: np.ndarray
    quarters_m: np.ndarray
    fields: np.ndarray
    grounds: np.ndarray
    buildings: np.ndarray
    things: np.ndarray
    style: int = 0

    def position_m(self, street, along_m):
        """East and north (n, 2) of points along streets."""
        return self.start_m[street] + self.direction[street] * np.asarray(along_m)[:, None]

    def lat_lon_deg(self, east_north_m):
        """Positions (n, 2) in degrees of points (n, 2) in metres from the city's centre."""
        return sphere.from_local_m(east_north_m, self.centre_lat_lon_deg)

    def districts(self, east_north_m):
        """Name of the nearest quarter's centre for positions (n, 2)."""
        apart = np.linalg.norm(np.asarray(east_north_m)[:, None] - self.quarters_m[None], axis=-1)
        return np.array(QUARTERS)[apart.argmin(axis=1)]

    def along_m(self, east_north_m):
        """Metres along every street (n, S) of its point that is nearest to each position (n, 2)."""
        away = np.asarray(east_north_m)[:, None] - self.start_m[None]
        return np.clip((away * self.direction).sum(axis=-1), 0, self.length_m)

    def distances_m(self, east_north_m):
        """Distances (n, S) of positions (n, 2) from the centre line of every street."""
        away = np.asarray(east_north_m)[:, None] - self.start_m[None]
        return np.linalg.norm(away - self.along_m(east_north_m)[..., None] * self.direction, axis=-1)


@dataclass(frozen=True)
class Home:
    """Where a city lies and what is built around there: means (K,) are added to those of its fields."""

    name: str
    country: str
    centre_lat_lon_deg: np.ndarray
    means: np.ndarray
    style: int = 0


def city(index, world_seed, planted, half_side_m=1100.0, home=None):
    """City `index` of a world: the same for the same seed, whatever other cities the world has.

    home: Home of the city; None for its place in the archipelago of the eight.
    ValueError for a side below LEAST_SIDE_M or above MOST_SIDE_M, a city smaller than a planted range, and a network
    without streets.
    """
    bare, rng = laid_out(index, world_seed, planted, half_side_m, home or at_sea(index))
    with_grounds = replace(bare, grounds=grounds(bare, rng))
    built = replace(with_grounds, buildings=buildings.build(with_grounds, planted.nugget, rng))
    return replace(built, things=buildings.furnish(built, planted.nugget, rng))


def laid_out(index, world_seed, planted, half_side_m, home, widths_m=(HALF_WIDTH_M, ROAD_HALF_M)):
    """(City of streets and fields alone, the rng with which to go on) of a geography.Home; see city.

    widths_m: from the middle of every street to its building line and to its kerb.
    """
    check_side(half_side_m, planted)
    layers = fields.draw(planted, half_side_m, random_streams.stream(world_seed, "fields", index), home.means)
    rng = random_streams.stream(world_seed, "city", index)
    start, end = {"regular": regular, "radial": radial, "organic": organic}[KINDS[index % len(KINDS)]](half_side_m, rng)
    length, direction = directed(start, end)
    # all streets are alike: a width of its own would tell a street apart where nothing is planted
    half_width, road_half = (np.full(len(start), width_m) for width_m in widths_m)
    junction, junction_half = crossings(start, direction, length, half_width)
    bare = City(
        index, home.name, home.country, home.centre_lat_lon_deg, half_side_m,
        start, direction, length, half_width, road_half, street_names(len(start), rng), junction, junction_half,
        rng.uniform(-half_side_m, half_side_m, (len(QUARTERS), 2)), layers,
        np.empty((0, 4)), np.empty((0, buildings.TRAITS + len(planted.names))), np.empty((0, 6)), home.style,
    )  # fmt: skip
    return bare, rng


def check_side(half_side_m, planted):
    """Nothing, or the ValueError for a city that cannot be made of this size: see city."""
    if not LEAST_SIDE_M <= 2 * half_side_m <= MOST_SIDE_M:
        raise ValueError(
            f"a city's side of {2 * half_side_m:.0f} m must be {LEAST_SIDE_M:.0f} to {MOST_SIDE_M:.0f} m: below there "
            "is no room for its streets, above there are more streets than names"
        )
    fields.check_range(planted, half_side_m)


def at_sea(index, names=fields.FIELDS):
    """The Home of one of the eight cities: its name, one of two countries, its position, and no style of its own.

    names: of its fields.
    """
    return Home(NAMES[index % len(NAMES)], COUNTRIES[index % 2], position(index), np.zeros(len(names)))


def position(index):
    """A fictional place on the North Atlantic, some hundred kilometres from the others."""
    return np.array([38.0 + 4.0 * (index // 4) + 1.3 * (index % 4), -42.0 + 5.0 * (index % 4) + 2.0 * (index // 4)])


# ---- streets ---------------------------------------------------------------------------------------------------------
def directed(start, end):
    """Lengths (S,) and unit directions (S, 2) of streets from starts (S, 2) to ends. ValueError without a street."""
    if len(start) == 0:
        raise ValueError("a city needs at least one street, this network has none")
    length = np.linalg.norm(end - start, axis=1)
    if not length.min() > 0:
        raise ValueError(f"street {length.argmin()} has no length: its start is its end")
    return length, (end - start) / length[:, None]


def regular(half_side_m, rng):
    """Two families of parallel streets with uneven gaps, turned by a random angle, as (starts, ends)."""
    angle = rng.uniform(0, np.pi / 2)
    lines = [clipped(turn, offset, half_side_m) for turn in (angle, angle + np.pi / 2)
             for offset in uneven(half_side_m, rng)]  # fmt: skip
    long_enough = [line for line in lines if np.linalg.norm(line[1] - line[0]) > 0.7 * half_side_m]
    lines = np.array(long_enough)
    return lines[:, 0], lines[:, 1]


def uneven(half_side_m, rng):
    """Offsets from the centre, 200 to 340 m apart (less in a small city), that reach beyond the corners."""
    gaps = rng.uniform(200, 340, int(4 * half_side_m / 200) + 2) * min(1.0, half_side_m / 400)
    places = np.cumsum(gaps) - rng.uniform(0, gaps[0]) - 1.5 * half_side_m
    return places[places < 1.5 * half_side_m]


def clipped(angle, offset_m, half_side_m):
    """Ends (2, 2) of the line of a direction that passes the centre at a distance, cut at the square's edge.

    A line that misses the square has no length.
    """
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    edges = [(sign * 0.98 * half_side_m - offset_m * across) / along for sign in (-1, 1)]
    enter, leave = np.minimum(*edges).max(), np.maximum(*edges).min()
    return offset_m * across + np.array([enter, max(enter, leave)])[:, None] * along


def radial(half_side_m, rng):
    """Spokes from the square in the middle, and the chords of rings between them."""
    spokes = 9 if half_side_m > 600 else 6
    angles = np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.uniform(-0.15, 0.15, spokes)
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts, ends = [out * SQUARE_RADIUS_M[1]], [out * half_side_m * 0.98]
    rings = np.linspace(0, 0.95, max(2, round(half_side_m / 240)))[1:]
    for ring in rings:
        around = out * half_side_m * (ring + rng.uniform(-0.03, 0.03, spokes)[:, None])
        starts.append(around)
        ends.append(np.roll(around, -1, axis=0))
    return np.concatenate(starts), np.concatenate(ends)


def organic(half_side_m, rng):
    """The relative neighbourhood graph of scattered nodes: bends, forks and dead ends, never two streets at a sharp
    angle. A node without another one nearby keeps its street, so that all are connected.
    """
    per_side = max(3, round(2 * half_side_m / GRAIN_M))
    step_m = 2 * half_side_m / per_side
    grid = (np.arange(per_side) + 0.5) * step_m - half_side_m
    nodes = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    nodes = nodes + rng.uniform(-0.36, 0.36, nodes.shape) * step_m
    apart = np.linalg.norm(nodes[:, None] - nodes[None], axis=-1)
    graph = networkx.Graph()
    for corners in Delaunay(nodes).simplices:
        networkx.add_cycle(graph, sorted(map(int, corners)))
    edges = [(a, b) for a, b in sorted(map(sorted, graph.edges)) if np.maximum(apart[a], apart[b]).min() >= apart[a, b]]
    start, end = np.array(edges).T
    return nodes[start], nodes[end]


def crossings(start, direction, length, half_width):
    """Where streets cross each street, along it, and the half width of the gap that this cuts into its building lines.

    Both (S, J), padded with NO_JUNCTION_M and 0.
    """
    found = [[] for _ in length]
    for a in range(len(length)):
        for b in range(len(length)):
            sine = direction[a, 0] * direction[b, 1] - direction[a, 1] * direction[b, 0]
            if a == b or abs(sine) < 0.2:
                continue
            apart = start[b] - start[a]
            along_a = (apart[0] * direction[b, 1] - apart[1] * direction[b, 0]) / sine
            along_b = (apart[0] * direction[a, 1] - apart[1] * direction[a, 0]) / sine
            if -15 < along_a < length[a] + 15 and -15 < along_b < length[b] + 15:
                found[a].append((along_a, half_width[b] / abs(sine)))
    most = max(1, *(len(f) for f in found))
    at, half = np.full((len(length), most), NO_JUNCTION_M), np.zeros((len(length), most))
    for s, crossing in enumerate(found):
        for j, (along, wide) in enumerate(sorted(crossing)):
            at[s, j], half[s, j] = along, wide
    return at, half


def street_names(count, rng):
    """Distinct names such as 'Rowan Lane'. ValueError for more streets than names."""
    every = [f"{tree} {way}" for tree in TREES for way in WAYS]
    if count > len(every):
        raise ValueError(f"{count} streets, but only {len(every)} street names: make the city smaller")
    return [every[i] for i in rng.permutation(len(every))[:count]]


def grounds(bare, rng):
    """Squares and parks (G, 4) of a city of streets: squares beside a street, parks inside the blocks.

    A small city may have room for fewer of them.
    """
    least_m = 17.0  # from the middle of a square to the building line of any street: room for a landmark
    found = [np.array([0.0, 0.0, SQUARE_RADIUS_M[1], SQUARE])] if KINDS[bare.index % len(KINDS)] == "radial" else []
    for _ in range(60):
        street, radius_m = rng.integers(len(bare.length_m)), rng.uniform(*SQUARE_RADIUS_M)
        direction = bare.direction[street] * rng.choice([-1.0, 1.0])
        away_m = bare.half_width_m[street] + radius_m - 2.0
        at = bare.position_m([street], rng.uniform(0, bare.length_m[street], 1))[0]
        at = at + away_m * np.array([direction[1], -direction[0]])
        room_m = (bare.distances_m(at[None])[0] - bare.half_width_m).min()
        if len(found) < 4 and room_m > least_m and fits(found, at, radius_m, bare.half_side_m):
            found.append(np.array([*at, radius_m, SQUARE]))
    parks = len(found) + rng.integers(2, 5)
    for at in rng.uniform(-bare.half_side_m, bare.half_side_m, (400, 2)):
        # reaching a little over one building line, so that the park is seen from a street
        radius_m = (bare.distances_m(at[None])[0] - bare.half_width_m).min() + 1.5
        if (
            len(found) < parks
            and PARK_RADIUS_M[0] < radius_m < PARK_RADIUS_M[1]
            and fits(found, at, radius_m, bare.half_side_m)
        ):
            found.append(np.array([*at, radius_m, PARK]))
    return np.array(found).reshape(-1, 4)


def fits(discs, at, radius_m, half_side_m):
    """Whether a disc lies in the city's square and well apart from the discs that are there."""
    inside = np.abs(at).max() + radius_m < half_side_m
    return inside and all(np.linalg.norm(at - disc[:2]) > radius_m + disc[2] + 12 for disc in discs)


# ---- drives ----------------------------------------------------------------------------------------------------------
def drives(city, photo_count, rng, isolated_share=0.1):
    """Where a camera stood, and how: a table of photo_count rows.

    street, along_m: the nearest point of a street; forward: 1 looking along it, -1 against it; east_m, north_m: the
    camera; heading_rad: clockwise from north; eye_m: its height; focal: 1 / tan(half the field of view); pitch: lens
    shift upwards in focal lengths; scene: see simcities.things.SCENES; sequence_id, captured_at [UTC].

    Two drives pass every street, in opposite directions and other seasons, evenly spaced, in sequences of at most
    SEQUENCE_M; fewer streets where the spacing would exceed FARTHEST_SPACING_M. A share of the photos are isolated ones
    of walkers, of the scenes of SCENE_SHARES. ValueError for no photos and for a share beyond 0 to 1.
    """
    if photo_count < 1 or not 0 <= isolated_share <= 1:
        raise ValueError(f"photo_count {photo_count} must be at least 1, isolated_share {isolated_share} 0 to 1")
    isolated = round(isolated_share * photo_count)
    parts = [driven(city, photo_count - isolated, rng), walked(city, isolated, rng)]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def driven(city, photo_count, rng):
    """The photos of the two drives through each driven street, one after the other at an even spacing."""
    order = rng.permutation(len(city.length_m))
    enough = np.cumsum(2 * city.length_m[order]) >= photo_count * FARTHEST_SPACING_M
    driven_streets = order[: enough.argmax() + 1] if enough.any() else order
    leg_m = np.repeat(city.length_m[driven_streets], 2)
    ends_m = np.cumsum(leg_m)
    odometer_m = (np.arange(photo_count) + rng.uniform()) * ends_m[-1] / max(photo_count, 1)
    leg = np.searchsorted(ends_m, odometer_m, side="right")
    done_m = odometer_m - (ends_m - leg_m)[leg]
    street, drive = driven_streets[leg // 2], leg % 2
    forward = 1 - 2 * drive
    along = np.where(drive == 0, done_m, city.length_m[street] - done_m)
    travel = city.direction[street] * forward[:, None]
    right_m = city.road_half_m[street] * rng.uniform(0.25, 0.55, photo_count)
    at = city.position_m(street, along) + right_m[:, None] * np.stack([travel[:, 1], -travel[:, 0]], axis=1)
    aside = rng.choice([-1.0, 1.0], photo_count) * rng.uniform(*ASIDE_RAD, photo_count)
    first = pd.to_datetime(list(DRIVE_DAYS), utc=True)[drive]
    later_s = street % 20 * 86_400 + street // 20 * 1_800 + done_m / CAR_M_S  # twenty days, a few streets on each
    names = zip(street, np.where(drive == 0, "a", "b"), (done_m // SEQUENCE_M).astype(int), strict=True)
    return pd.DataFrame({
        "street": street,
        "along_m": along,
        "forward": forward,
        "east_m": at[:, 0],
        "north_m": at[:, 1],
        "heading_rad": np.arctan2(travel[:, 0], travel[:, 1]) + aside,
        "eye_m": rng.uniform(2.2, 2.4, photo_count),
        "focal": rng.uniform(1.35, 1.6, photo_count),
        "pitch": rng.uniform(0.05, 0.3, photo_count),
        "scene": "street",
        "sequence_id": [f"{city.name}-{s:02d}-{passage}{piece}" for s, passage, piece in names],
        "captured_at": first + pd.to_timedelta(later_s, unit="s"),
    })  # fmt: skip


def walked(city, photo_count, rng):
    """Isolated photos, on any day of a year; a scene that a city cannot show becomes one of a street."""
    grounds_kind = city.grounds[:, 3]
    shots = {"street": street_shot, "people": people_shot, "facade": facade_shot, "object": object_shot,
             "park": park_shot, "landmark": landmark_shot}  # fmt: skip
    lacking = {"park": PARK not in grounds_kind, "landmark": SQUARE not in grounds_kind}
    fronts = buildings.fronts(city)
    rows = []
    for scene in rng.choice(list(SCENE_SHARES), photo_count, p=list(SCENE_SHARES.values())):
        shown = "street" if lacking.get(scene, False) else str(scene)
        shot = shots[shown](city, fronts, rng) if shown == "facade" else shots[shown](city, rng)
        rows.append((*shot, shown))
    table = pd.DataFrame(rows, columns=["east_m", "north_m", "heading_rad", "eye_m", "focal", "pitch", "scene"])
    at = table[["east_m", "north_m"]].to_numpy(float)
    street = city.distances_m(at).argmin(axis=1)
    looks = np.stack([np.sin(table.heading_rad), np.cos(table.heading_rad)], axis=1)
    hours = rng.integers(0, 365, photo_count) * 24 + rng.uniform(9, 16, photo_count)
    table.insert(0, "street", street)
    table.insert(1, "along_m", city.along_m(at)[np.arange(photo_count), street])
    table.insert(2, "forward", np.where((looks * city.direction[street]).sum(axis=1) >= 0, 1, -1))
    table["sequence_id"] = ""
    table["captured_at"] = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(np.round(hours * 3600), unit="s")
    return table


# each shot is (east, north, heading, eye height, focal, pitch) of one camera
def street_shot(city, rng, focal=1.05, yaw_rad=0.6, pitch=(0.0, 0.22)):
    """Along a street from its pavement."""
    street = rng.choice(len(city.length_m), p=city.length_m / city.length_m.sum())
    direction, side = city.direction[street], rng.choice([-1.0, 1.0])
    right = np.array([direction[1], -direction[0]]) * side
    stands = city.position_m(np.full(TRIES, street), rng.uniform(0, city.length_m[street], TRIES))
    at = roomiest(city, stands + (city.half_width_m[street] - 0.8) * right, ROOM_M)
    ahead = direction * rng.choice([-1.0, 1.0])
    heading = np.arctan2(*ahead) + rng.uniform(-yaw_rad, yaw_rad)
    return *at, heading, rng.uniform(1.5, 1.7), focal * rng.uniform(0.95, 1.07), rng.uniform(*pitch)


def roomiest(city, stands, enough_m):
    """The first of the stands (n, 2) with nothing within enough_m, else the one with the most room."""
    apart = stands[:, None] - city.things[None, :, [things.EAST, things.NORTH]]
    room_m = np.linalg.norm(apart, axis=-1).min(axis=1, initial=enough_m)
    return stands[room_m.argmax()]


def people_shot(city, rng):
    """Along a pavement through a longer lens: its people are drawn with the picture."""
    return street_shot(city, rng, focal=1.5, yaw_rad=0.3, pitch=(-0.1, 0.05))


def facade_shot(city, fronts, rng):
    """A house from the pavement across the street."""
    street, along, side, garden_m = fronts
    house = rng.choice(np.flatnonzero((street >= 0) & (city.buildings[:, buildings.KIND] < buildings.CHURCH)))
    s, direction = street[house], city.direction[street[house]]
    right = np.array([direction[1], -direction[0]]) * side[house]
    across_m = (city.road_half_m[s] + city.half_width_m[s]) / 2
    stands = city.position_m(np.full(TRIES, s), along[house] + rng.uniform(-2.5, 2.5, TRIES)) - across_m * right
    at = roomiest(city, stands, ROOM_M)
    eye_m, away_m = rng.uniform(1.5, 1.7), across_m + city.half_width_m[s] + garden_m[house]
    height_m = city.buildings[house, buildings.FLOORS] * city.buildings[house, buildings.STOREY]
    pitch = np.clip((height_m / 2 - eye_m) / away_m, 0.0, 0.5)
    return *at, np.arctan2(*right) + rng.uniform(-0.12, 0.12), eye_m, rng.uniform(1.4, 1.9), pitch


def landmark_shot(city, rng):
    """A landmark from a street or its square, 20 to 60 m away, nothing but trees and things of the street between."""
    kinds = city.buildings[:, buildings.KIND]
    mark = city.buildings[rng.choice(np.flatnonzero(kinds >= buildings.CHURCH))]
    apart_m = np.linalg.norm(city.buildings[:, :2] - mark[:2], axis=1)
    near = city.buildings[(apart_m < 80) & (apart_m > 0)]
    around = np.linalg.norm(city.things[:, [things.EAST, things.NORTH]] - mark[:2], axis=1) < 62
    posts = city.things[around][:, [things.EAST, things.NORTH]]
    reach_m = np.hypot(mark[buildings.HALF_WIDTH], mark[buildings.HALF_DEPTH])
    height_m = mark[buildings.FLOORS] * mark[buildings.STOREY] * RISE[mark[buildings.KIND]]
    disc = city.grounds[np.linalg.norm(city.grounds[:, :2] - mark[:2], axis=1).argmin()]
    for attempt in range(TRIES):
        angle = rng.uniform(-np.pi, np.pi)
        away_m = rng.uniform(max(20.0, reach_m + 8, 0.8 * height_m), 60.0)
        if attempt == TRIES - 1:
            away_m = disc[2] - 1  # on the square all is open
        towards = np.array([np.sin(angle), np.cos(angle)])
        line = mark[:2] - towards * np.arange(away_m, reach_m, -1.0)[:, None]
        on_square = np.linalg.norm(line[0] - disc[:2]) < disc[2]
        on_street = (city.distances_m(line[:1])[0] < city.half_width_m).any()
        room_m = np.linalg.norm(posts - line[0], axis=1).min(initial=ROOM_M)
        if (on_square or on_street) and room_m >= ROOM_M and not buildings.covers(near, line, 0.5).any():
            break
    focal = rng.uniform(0.95, 1.2)
    pitch = np.clip(height_m / away_m - 0.85 / focal, 0.1, 0.8)  # so that its top is in the picture
    return *line[0], angle + rng.uniform(-0.25, 0.25), rng.uniform(1.5, 1.7), focal, pitch


def park_shot(city, rng):
    """Across a park from inside it, with some room to the next tree or bush."""
    discs = city.grounds[city.grounds[:, 3] == PARK]
    east, north, radius_m, _ = discs[rng.integers(len(discs))]
    away_m, angle = 0.85 * radius_m * np.sqrt(rng.uniform(size=TRIES)), rng.uniform(0, 2 * np.pi, TRIES)
    stands = np.stack([east + away_m * np.sin(angle), north + away_m * np.cos(angle)], axis=1)
    at = roomiest(city, stands, 3.5)
    heading = np.arctan2(east - at[0], north - at[1]) + rng.uniform(-1.3, 1.3)
    return *at, heading, rng.uniform(1.5, 1.7), rng.uniform(1.0, 1.1), rng.uniform(0.0, 0.2)


def object_shot(city, rng):
    """A thing of the street from 2 to 3 m, mostly from its front."""
    kinds = city.things[:, things.KIND]
    for _ in range(TRIES):
        kind = rng.choice(np.intersect1d(OBJECTS, kinds))
        thing = city.things[rng.choice(np.flatnonzero(kinds == kind))]
        away_m, angle = rng.uniform(2.0, 3.0), thing[things.HEADING] + rng.uniform(-1.0, 1.0)
        at = thing[[things.EAST, things.NORTH]] + away_m * np.array([np.sin(angle), np.cos(angle)])
        near = np.linalg.norm(city.buildings[:, :2] - at, axis=1) < 40
        if not buildings.covers(city.buildings[near], at[None], 0.3)[0]:
            break
    eye_m = rng.uniform(1.2, 1.6)
    middle_m = 1.8 if kind in (things.LAMP, things.SIGN) else 0.7
    pitch = np.clip(0.7 * (middle_m - eye_m) / away_m, -0.35, 0.2)
    return *at, angle + np.pi + rng.uniform(-0.12, 0.12), eye_m, rng.uniform(1.3, 1.6), pitch
