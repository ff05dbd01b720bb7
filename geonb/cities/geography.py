"""Where things are in an invented city: streets, districts, drives with a camera, names. Nothing of it exists."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from geonb import seeds, sphere
from geonb.cities import fields

# Invented names at invented positions, out at sea so that nobody takes them for real.
NAMES = ("Velmora", "Ostrand", "Kestrin", "Halvane", "Brunmere", "Tolsache", "Arvenik", "Pellorin")
COUNTRIES = ("Lutania", "Varrowe")
TREES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Larch", "Maple",
         "Nettle", "Oak", "Poplar", "Quince", "Rowan", "Sorrel", "Thorn", "Willow", "Yew")  # fmt: skip
WAYS = ("Street", "Road", "Lane", "Row", "Avenue")
QUARTERS = ("North Side", "Old Town", "Harbour", "East End", "Mill Quarter", "South Field")
KINDS = ("regular", "radial", "organic")
LEAST_SIDE_M = 400.0  # of a city: below there is no room for its streets


@dataclass(frozen=True)
class City:
    """Streets are straight: street s starts at start_m[s] and runs length_m[s] along direction[s] (east, north).

    junction_m (S, J): where other streets cross, along the street, padded with -1e6; junction_half_m: half their width.
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
    street_names: list
    junction_m: np.ndarray
    junction_half_m: np.ndarray
    quarters_m: np.ndarray
    fields: np.ndarray

    def position_m(self, street, along_m):
        """East and north (n, 2) of points along streets."""
        return self.start_m[street] + self.direction[street] * np.asarray(along_m)[:, None]

    def lat_lon_deg(self, east_north_m):
        return sphere.from_local_m(east_north_m, self.centre_lat_lon_deg)

    def districts(self, east_north_m):
        """Name of the nearest quarter's centre for positions (n, 2)."""
        apart = np.linalg.norm(np.asarray(east_north_m)[:, None] - self.quarters_m[None], axis=-1)
        return np.array(QUARTERS)[apart.argmin(axis=1)]


def city(index, world_seed, planted, half_side_m=1100.0, name=None):
    """City `index` of a world: the same for the same seed, whatever other cities the world has."""
    rng = seeds.stream(world_seed, "city", index)
    kind = KINDS[index % len(KINDS)]
    start, end = {"regular": regular, "radial": radial, "organic": organic}[kind](half_side_m, rng)
    length = np.linalg.norm(end - start, axis=1)
    half_width = rng.uniform(6.0, 10.0, len(start))
    direction = (end - start) / length[:, None]
    junction, junction_half = crossings(start, direction, length, half_width)
    return City(
        index, name or NAMES[index % len(NAMES)], COUNTRIES[index % 2], position(index), half_side_m,
        start, direction, length, half_width, street_names(len(start), rng), junction, junction_half,
        rng.uniform(-half_side_m, half_side_m, (len(QUARTERS), 2)), fields.draw(planted, half_side_m, rng),
    )  # fmt: skip


def position(index):
    """A fictional place on the North Atlantic, some hundred kilometres from the others."""
    return np.array([38.0 + 4.0 * (index // 4) + 1.3 * (index % 4), -42.0 + 5.0 * (index % 4) + 2.0 * (index // 4)])


def regular(half_side_m, rng):
    """Two families of parallel streets with uneven gaps, turned by a random angle, as (starts, ends)."""
    across = [uneven(half_side_m, rng), uneven(half_side_m, rng)]
    lines = [[[p, -half_side_m], [p, half_side_m]] for p in across[0]] + [
        [[-half_side_m, p], [half_side_m, p]] for p in across[1]
    ]
    return turned(np.array(lines), rng.uniform(0, np.pi / 2), half_side_m)


def uneven(half_side_m, rng):
    """Positions from one side to the other, 150 to 290 m apart."""
    gaps = rng.uniform(150, 290, int(2 * half_side_m / 150))
    places = -half_side_m + rng.uniform(30, 120) + np.cumsum(gaps) - gaps[0]
    return places[places < half_side_m - 30]


def turned(lines, angle, half_side_m):
    """Lines (S, 2, 2) turned and shrunk so that they stay inside the square."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lines = lines @ turn.T / (abs(np.cos(angle)) + abs(np.sin(angle)))
    return lines[:, 0], lines[:, 1]


def radial(half_side_m, rng):
    """Spokes from a square, and the chords of three rings between them."""
    spokes = 9
    angles = np.linspace(0, 2 * np.pi, spokes, endpoint=False) + rng.uniform(-0.15, 0.15, spokes)
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts, ends = [out * 60], [out * half_side_m * 0.98]
    for ring in (0.25, 0.5, 0.75, 0.95):
        around = out * half_side_m * (ring + rng.uniform(-0.03, 0.03, spokes)[:, None])
        starts.append(around)
        ends.append(np.roll(around, -1, axis=0))
    return np.concatenate(starts), np.concatenate(ends)


def organic(half_side_m, rng):
    """Streets of any direction between points on the rim, kept when they do not run beside one another."""
    kept, apart_m = [], 260 * half_side_m / 1100  # in a small city a fixed distance would leave no room for 20
    while len(kept) < 20:
        corners = rng.uniform(0, 2 * np.pi, 2)
        ends = np.stack([np.cos(corners), np.sin(corners)], axis=1) * half_side_m * 0.97
        middle, angle = ends.mean(axis=0), np.arctan2(*(ends[1] - ends[0])[::-1]) % np.pi
        beside = [abs(np.sin(angle - a)) < 0.35 and np.linalg.norm(middle - m) < apart_m for m, a, _ in kept]
        if np.linalg.norm(ends[1] - ends[0]) > half_side_m and not any(beside):
            kept.append((middle, angle, ends))
    lines = np.array([ends for _, _, ends in kept])
    return lines[:, 0], lines[:, 1]


def crossings(start, direction, length, half_width):
    """Where streets cross each street, along it, and the half width of the gap that this cuts into its facades."""
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
    at, half = np.full((len(length), most), -1e6), np.zeros((len(length), most))
    for s, crossing in enumerate(found):
        for j, (along, wide) in enumerate(sorted(crossing)):
            at[s, j], half[s, j] = along, wide
    return at, half


def street_names(count, rng):
    """Distinct names such as 'Rowan Lane'."""
    every = [f"{tree} {way}" for tree in TREES for way in WAYS]
    if count > len(every):
        raise ValueError(f"{count} streets, but only {len(every)} street names")
    return [every[i] for i in rng.permutation(len(every))[:count]]


# ---- drives ----------------------------------------------------------------------------------------------------------
def drives(city, photo_count, rng):
    """Where a camera stood: a table with street, along_m, forward (+-1), sequence_id, captured_at; photo_count rows.

    Two drives pass every street, in both directions and seasons; 5 % of the photos are isolated ones of a walker.
    """
    driven = int(0.95 * photo_count)
    spacing_m = 2 * city.length_m.sum() / max(driven, 1)
    rows = [one_drive(city, street, drive, spacing_m, rng) for street in range(len(city.length_m)) for drive in (0, 1)]
    table = pd.concat(rows, ignore_index=True)
    surplus = max(len(table) - driven, 0)
    table = table.drop(rng.permutation(len(table))[:surplus])
    return pd.concat([table, walks(city, photo_count - len(table), rng)], ignore_index=True)


def one_drive(city, street, drive, spacing_m, rng):
    """One passage of one street: drive 0 in summer forward, drive 1 in winter backward; one sequence."""
    along = np.arange(rng.uniform(0, spacing_m), city.length_m[street], spacing_m)
    day = pd.Timestamp("2024-06-10T09:00", tz="UTC") if drive == 0 else pd.Timestamp("2025-01-20T13:00", tz="UTC")
    seconds = along if drive == 0 else along[::-1]
    return pd.DataFrame({
        "street": street,
        "along_m": along,
        "forward": 1 - 2 * drive,
        "sequence_id": f"{city.name}-{street:02d}-{'ab'[drive]}",
        "captured_at": day + pd.to_timedelta(street * 600 + seconds / 8, unit="s"),
    })  # fmt: skip


def walks(city, photo_count, rng):
    """Isolated photos anywhere along the streets."""
    street = rng.choice(len(city.length_m), photo_count, p=city.length_m / city.length_m.sum())
    return pd.DataFrame({
        "street": street,
        "along_m": rng.uniform(0, city.length_m[street]),
        "forward": rng.choice([-1, 1], photo_count),
        "sequence_id": "",
        "captured_at": pd.Timestamp("2024-09-01T08:00", tz="UTC")
        + pd.to_timedelta(rng.integers(0, 5e6, photo_count), unit="s"),
    })  # fmt: skip
