"""Houses of an invented city: footprints in rows behind their gardens, along every street, with their traits.

A building is an oriented rectangle with the traits of the fields at its place plus a nugget; everything else about it
is hashed from its SEED.
"""

import numpy as np

from simcities import fields

# columns of City.buildings, then the K traits. The front faces v = (-SIN, COS), the frontage runs along u = (COS, SIN)
EAST, NORTH, COS, SIN, HALF_WIDTH, HALF_DEPTH, FLOORS, STOREY, SEED = range(9)
TRAITS = 9

LEAST_FRONTAGE_M = 6.0
CELL_M = 1.0  # of the raster that says what is taken
PROBE_M = (2.0, 5.0, 8.5, 12.0)  # behind the building line: the depth that a plot needs
FRONTAGE_M, DEPTH_M = (6.5, 9.0), (4.0, 5.0)  # of a house: width, half depth
ALLEY_M, ALLEY_SHARE = 1.5, 0.2
GARDEN_M = (0.8, 6.0)  # depth of a front garden where setback is least and most
GROUND_FLOOR_M, UPPER_FLOOR_M = 3.8, 2.7
EAVES_M = (6.2, 11.8)


def build(city, nugget, rng):
    """Buildings (B, 9 + K) along the streets of a city that has none yet.

    Traits are the fields at a house plus sqrt(nugget) times a normal number for each. No house touches a street up to
    its building line or another house. Values have the precision of float32.
    """
    taken = np.zeros((int(2 * city.half_side_m / CELL_M) + 1,) * 2, bool)
    mark(taken, city.half_side_m, corridors(city))
    rows = [
        along_street(city, street, side, taken, rng) for street in range(len(city.length_m)) for side in (-1.0, 1.0)
    ]
    table = without_overlaps(city, np.concatenate(rows))
    traits = traits_of(city, table, nugget, rng)
    tall = fields.amounts(traits[:, fields.FIELDS.index("storeys")])
    eaves_m = EAVES_M[0] + (EAVES_M[1] - EAVES_M[0]) * tall
    table[:, FLOORS] = 1 + np.maximum(np.round((eaves_m - GROUND_FLOOR_M) / UPPER_FLOOR_M), 1)
    table[:, STOREY] = eaves_m / table[:, FLOORS]
    table[:, SEED] = rng.uniform(size=len(table)).astype(np.float32) * (1 - 2.0**-24)
    return np.concatenate([single(table), traits], axis=1)


def along_street(city, street, side, taken, rng):
    """Houses (n, 9) along the right (side 1) or left (-1) of a street wherever nothing is taken, which they take."""
    direction = city.direction[street]
    right = np.array([direction[1], -direction[0]]) * side
    along = np.arange(0.0, city.length_m[street], CELL_M)
    line = city.position_m(np.full(len(along), street), along) + city.half_width_m[street] * right
    blocked = np.zeros(len(along) + 2, bool)
    blocked[[0, -1]] = True
    for depth_m in PROBE_M:
        blocked[1:-1] |= is_taken(taken, city.half_side_m, line + depth_m * right)
    blocked[1:-1] |= blocked[2:] | blocked[:-2]
    change = np.flatnonzero(np.diff(blocked.astype(int)))
    latent = fields.value_at(city.fields, city.half_side_m, line + 6 * right)
    runs = change.reshape(-1, 2) * CELL_M  # from the first free metre to the first that is not
    plots = [plot for low, high in runs for plot in plots_of(low, high - CELL_M, latent, rng)]
    table = np.zeros((len(plots), TRAITS))
    if plots:
        middle, half_width, half_depth, garden_m = np.array(plots).T
        depth_m = (city.half_width_m[street] + garden_m + half_depth)[:, None]
        table[:, [EAST, NORTH]] = city.position_m(np.full(len(plots), street), middle) + depth_m * right
        table[:, COS], table[:, SIN] = -right[1], right[0]
        table[:, HALF_WIDTH], table[:, HALF_DEPTH] = half_width, half_depth
        mark(taken, city.half_side_m, inside(table))
    return table


def plots_of(low, high, latent, rng):
    """Plots (middle, half width, half depth, garden) that fill a free run from low to high metres of a street.

    latent: the fields (m, K) at each metre.
    """
    garden = fields.amounts(latent[:, fields.FIELDS.index("setback")])
    found, at = [], low
    while high - at >= LEAST_FRONTAGE_M:
        width_m = rng.uniform(*FRONTAGE_M)
        if high - at - width_m < LEAST_FRONTAGE_M:  # no room for another: this one fills the run
            width_m = high - at
        deep = garden[min(int(at) + 4, len(garden) - 1)]
        garden_m = GARDEN_M[0] + (GARDEN_M[1] - GARDEN_M[0]) * deep
        found.append((at + width_m / 2, width_m / 2, rng.uniform(*DEPTH_M), garden_m))
        at += width_m + ALLEY_M * (rng.uniform() < ALLEY_SHARE)
    return found


def without_overlaps(city, table):
    """The rows of a table (B, 9) whose footprints keep off streets and earlier rows."""
    import shapely

    outline = shapely.polygons(corners(table))
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    streets = shapely.buffer(shapely.linestrings(ends), city.half_width_m - 0.01, cap_style="square")
    kept = np.ones(len(table), bool)
    kept[shapely.STRtree(outline).query(streets, predicate="intersects")[1]] = False
    shrunk = shapely.polygons(corners(table, -0.05))  # walls may be shared
    earlier, later = shapely.STRtree(shrunk).query(shrunk, predicate="intersects")
    for a, b in sorted(zip(later[earlier < later], earlier[earlier < later], strict=True)):
        kept[a] &= not kept[b]
    return table[kept]


def traits_of(city, table, nugget, rng):
    """Traits (B, K) of buildings: the fields at their centres plus a nugget."""
    at = fields.value_at(city.fields, city.half_side_m, table[:, [EAST, NORTH]])
    return single(at + np.sqrt(nugget) * rng.standard_normal(at.shape))


def single(values):
    """float64 that float32 can hold: what is saved is then exactly what was drawn."""
    return values.astype(np.float32).astype(np.float64)


# ---- rasters and rectangles ------------------------------------------------------------------------------------------
def mark(taken, half_side_m, points):
    """Mark the cells of a raster in which points (..., 2) lie; those beyond its edge are left out."""
    row, column, within = cells_of(taken, half_side_m, points)
    taken[row[within], column[within]] = True


def is_taken(taken, half_side_m, points):
    """Whether each of the points (n, 2) lies in a marked cell or beyond the edge."""
    row, column, within = cells_of(taken, half_side_m, points)
    return ~within | taken[np.where(within, row, 0), np.where(within, column, 0)]


def cells_of(taken, half_side_m, points):
    """Row, column and whether they lie in the raster, of points (..., 2)."""
    cell = np.floor((points + half_side_m) / CELL_M).astype(int)
    within = ((cell >= 0) & (cell < len(taken))).all(axis=-1)
    return cell[..., 1], cell[..., 0], within


def corridors(city):
    """Points (n, 2) less than a cell apart that cover every street up to its building line."""
    points = []
    for street, length_m in enumerate(city.length_m):
        half_m = city.half_width_m[street] + 0.5
        along, across = np.meshgrid(np.arange(-half_m, length_m + half_m, 0.7), np.arange(-half_m, half_m, 0.7))
        direction = city.direction[street]
        right = np.array([direction[1], -direction[0]])
        points.append(city.start_m[street] + along.reshape(-1, 1) * direction + across.reshape(-1, 1) * right)
    return np.concatenate(points)


def inside(table):
    """A grid of points (B, 20 * 16, 2) in each footprint."""
    across, deep = np.meshgrid(np.linspace(-0.97, 0.97, 20), np.linspace(-0.97, 0.97, 16))
    return in_footprint(table, across.ravel(), deep.ravel())


def corners(table, grown_m=0.0):
    """The four corners (B, 4, 2) of each footprint, grown by some metres on every side."""
    grown = table.copy()
    grown[:, HALF_WIDTH] += grown_m
    grown[:, HALF_DEPTH] += grown_m
    return in_footprint(grown, np.array([-1.0, 1.0, 1.0, -1.0]), np.array([-1.0, -1.0, 1.0, 1.0]))


def in_footprint(table, across, deep):
    """Points (B, m, 2) at shares across (m,) of the half width along u and deep (m,) of the half depth along v."""
    a = table[:, HALF_WIDTH, None] * across
    b = table[:, HALF_DEPTH, None] * deep
    cos, sin = table[:, COS, None], table[:, SIN, None]
    return np.stack([table[:, EAST, None] + a * cos - b * sin, table[:, NORTH, None] + a * sin + b * cos], axis=-1)
