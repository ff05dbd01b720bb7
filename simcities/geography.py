"""Where things are in an invented city: streets, names, drives with a camera. Nothing of it exists."""

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
MIDDLE_M = 35.0  # around the middle of a radial city, where its spokes end
NO_JUNCTION_M = -1e6

HALF_WIDTH_M, ROAD_HALF_M = 7.6, 3.9  # from the middle of a street to its gardens and to the kerb
FARTHEST_SPACING_M = 80.0  # between two photos of a drive: where photos are few, few streets are driven
RIGHT_M = (0.2, 0.8)  # of the middle of the road a camera drives
ASIDE_RAD = (0.75, 1.05)  # cameras look ahead and to one side, where the houses are
SEQUENCE_M = 400.0  # then a recording app starts a new file
DRIVE_DAYS = ("2024-06-10T08:00", "2025-01-08T08:00")  # of the first street, one drive in summer and one in winter
CAR_M_S = 8.0


@dataclass(frozen=True)
class City:
    """Streets are straight: street s starts at start_m[s] and runs length_m[s] along direction[s] (east, north).

    half_width_m (S,): from a street's centre to its gardens; road_half_m (S,): to its kerb
    junction_m (S, J): where other streets cross, along the street, padded with NO_JUNCTION_M
    junction_half_m (S, J): half of the gap that they cut into its building lines
    quarters_m (Q, 2): centres of the districts
    fields (K, n, n) float32: see simcities.fields
    buildings (B, 9 + K), things (T, 6): see simcities.buildings and simcities.things
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
    buildings: np.ndarray
    things: np.ndarray

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
    """Where a city lies: means (K,) are added to those of its fields."""

    name: str
    country: str
    centre_lat_lon_deg: np.ndarray
    means: np.ndarray


def city(index, world_seed, planted, half_side_m, home):
    """City `index` of a world at a Home: the same for the same seed, whatever other cities the world has.

    ValueError for a side below LEAST_SIDE_M or above MOST_SIDE_M, a city smaller than a planted range, and a network
    without streets.
    """
    bare, rng = laid_out(index, world_seed, planted, half_side_m, home)
    built = replace(bare, buildings=buildings.build(bare, planted.nugget, rng))
    return replace(built, things=things.furnish(built, rng))


def laid_out(index, world_seed, planted, half_side_m, home):
    """(City of streets and fields alone, the rng with which to go on); see city."""
    check_side(half_side_m, planted)
    layers = fields.draw(planted, half_side_m, random_streams.stream(world_seed, "fields", index), home.means)
    rng = random_streams.stream(world_seed, "city", index)
    start, end = {"regular": regular, "radial": radial, "organic": organic}[KINDS[index % len(KINDS)]](half_side_m, rng)
    length, direction = directed(start, end)
    # all streets are alike: a width of its own would tell a street apart where nothing is planted
    half_width, road_half = (np.full(len(start), width_m) for width_m in (HALF_WIDTH_M, ROAD_HALF_M))
    junction, junction_half = crossings(start, direction, length, half_width)
    bare = City(
        index, home.name, home.country, home.centre_lat_lon_deg, half_side_m,
        start, direction, length, half_width, road_half, street_names(len(start), rng), junction, junction_half,
        rng.uniform(-half_side_m, half_side_m, (len(QUARTERS), 2)), layers,
        np.empty((0, buildings.TRAITS + len(planted.names))), np.empty((0, 6)),
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


def at_sea(index):
    """The Home of one of the eight cities of a world without continents: its name, country and position."""
    return Home(NAMES[index % len(NAMES)], COUNTRIES[index % 2], position(index), np.zeros(len(fields.FIELDS)))


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
    """Spokes from around the middle, and the chords of rings between them."""
    spokes = 9 if half_side_m > 600 else 6
    angles = np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.uniform(-0.15, 0.15, spokes)
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts, ends = [out * MIDDLE_M], [out * half_side_m * 0.98]
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


# ---- drives ----------------------------------------------------------------------------------------------------------
def drives(city, photo_count, rng):
    """Where a camera stood, and how: a table of photo_count rows. ValueError for no photos.

    street, along_m: the nearest point of a street; forward: 1 looking along it, -1 against it; east_m, north_m: the
    camera; heading_rad: clockwise from north; eye_m: its height; focal: 1 / tan(half the field of view); pitch: lens
    shift upwards in focal lengths; sequence_id, captured_at [UTC].

    Two drives pass every street, in opposite directions and other seasons, one after the other at an even spacing, in
    sequences of at most SEQUENCE_M; fewer streets where the spacing would exceed FARTHEST_SPACING_M.
    """
    if photo_count < 1:
        raise ValueError(f"photo_count {photo_count} must be at least 1")
    order = rng.permutation(len(city.length_m))
    enough = np.cumsum(2 * city.length_m[order]) >= photo_count * FARTHEST_SPACING_M
    driven_streets = order[: enough.argmax() + 1] if enough.any() else order
    leg_m = np.repeat(city.length_m[driven_streets], 2)
    ends_m = np.cumsum(leg_m)
    odometer_m = (np.arange(photo_count) + rng.uniform()) * ends_m[-1] / photo_count
    leg = np.searchsorted(ends_m, odometer_m, side="right")
    done_m = odometer_m - (ends_m - leg_m)[leg]
    street, drive = driven_streets[leg // 2], leg % 2
    forward = 1 - 2 * drive
    first = pd.to_datetime(list(DRIVE_DAYS), utc=True)[drive]
    later_s = street % 20 * 86_400 + street // 20 * 1_800 + done_m / CAR_M_S  # twenty days, a few streets on each
    names = zip(street, np.where(drive == 0, "a", "b"), (done_m // SEQUENCE_M).astype(int), strict=True)
    table = pd.DataFrame({
        "street": street,
        "along_m": np.where(drive == 0, done_m, city.length_m[street] - done_m),
        "forward": forward,
        "sequence_id": [f"{city.name}-{s:02d}-{passage}{piece}" for s, passage, piece in names],
        "captured_at": first + pd.to_timedelta(later_s, unit="s"),
    })  # fmt: skip
    return table.assign(**cameras(city, table, rng))


def cameras(city, table, rng):
    """Where the cameras of drives stand and look, name -> values (n,), from street, along_m and forward."""
    n, street = len(table), table.street.to_numpy()
    signs = np.array([-1.0, 1.0])
    # what is drawn and left out keeps the stream as it was when the first worlds were drawn, and so their pictures
    rng.random(n), rng.choice(signs, n), rng.random(n)
    eye_m = rng.uniform(2.2, 2.4, n)
    rng.random(2 * n)
    travel = city.direction[street] * table.forward.to_numpy()[:, None]
    right = rng.uniform(*RIGHT_M, n)[:, None] * np.stack([travel[:, 1], -travel[:, 0]], axis=1)
    east_m, north_m = (city.position_m(street, table.along_m.to_numpy()) + right).T
    aside = rng.choice(signs, n) * rng.uniform(*ASIDE_RAD, n)
    return {
        "east_m": east_m, "north_m": north_m, "heading_rad": np.arctan2(travel[:, 0], travel[:, 1]) + aside,
        "eye_m": eye_m, "focal": rng.uniform(1.12, 1.22, n), "pitch": rng.uniform(0.14, 0.24, n),
    }  # fmt: skip
