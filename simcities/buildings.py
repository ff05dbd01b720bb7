"""What stands in an invented city for good: footprints of buildings with their traits, and street furniture.

A building is an oriented rectangle with the traits of the fields at its place plus a nugget of its own; everything else
about it is hashed from its SEED. A thing is a row (kind, place, heading, size, seed): see simcities.things.
"""

import numpy as np

from simcities import fields, things

# columns of City.buildings, then the K traits. The front faces v = (-SIN, COS), the frontage runs along u = (COS, SIN)
EAST, NORTH, COS, SIN, HALF_WIDTH, HALF_DEPTH, FLOORS, STOREY, KIND, SEED = range(10)
TRAITS = 10
TERRACE, DETACHED, BLOCK, SHED = range(4)
CHURCH, TOWER, DOME, COLUMN, GATE = LANDMARKS = range(10, 15)
# half width, half depth, floors and storey [m] of each landmark's walls
LANDMARK_SIZES = ((6.5, 12.0, 3, 3.6), (4.5, 4.5, 9, 4.2), (11.0, 11.0, 3, 4.5), (1.3, 1.3, 6, 3.6), (9.0, 3.5, 4, 4.2))

STOREY_BOUNDS = (-1.5, -0.8, -0.1, 0.6, 1.3, 2.0)  # of the trait, between one floor and seven
GARDEN_M, GARDEN_SHARE = (2.0, 6.0), 0.25  # depth of front gardens, and the share of plots that have one
DEEPEST_GARDEN_M = GARDEN_M[1]
LEAST_FRONTAGE_M = 6.0
VACANT_SHARE = 0.03
BEHIND_SHARE = 0.2  # of the plots with a building in the yard
CELL_M = 1.0  # of the raster that says what is taken
PROBE_M = (2.0, 5.0, 8.5, 12.0)  # behind the building line: the depth that a plot needs
TREE_STEP_M, LAMP_STEP_M = (9.0, 14.0), (28.0, 35.0)
PACED = (  # kind, least and greatest distance to the next on the same side, distance from the kerb [m]
    (things.POST_BOX, 180.0, 420.0, 0.6),
    (things.BENCH, 70.0, 240.0, 0.7),
    (things.BIN, 60.0, 200.0, 0.5),
    (things.SIGN, 70.0, 200.0, 0.4),
    (things.BUS_STOP, 240.0, 450.0, 0.9),
)
PER_PARK_M2 = ((things.TREE, 1 / 85), (things.BUSH, 1 / 300), (things.BENCH, 1 / 900), (things.BIN, 1 / 2500))
PER_SQUARE_M2 = ((things.TREE, 1 / 400), (things.BENCH, 1 / 450), (things.LAMP, 1 / 600), (things.BIN, 1 / 1200))


def build(city, nugget, rng):
    """Buildings (B, 10 + K) along the streets, in yards and on the squares of a city that has none yet.

    Traits are the fields at a building plus sqrt(nugget) times a normal number of its own. No ordinary building touches
    a street up to its building line, a park, a square or another building. Values have the precision of float32.
    """
    taken = np.zeros((int(2 * city.half_side_m / CELL_M) + 1,) * 2, bool)
    mark(taken, city.half_side_m, corridors(city))
    for disc in city.grounds:
        mark(taken, city.half_side_m, disc[:2] + disc[2] * disc_grid(int(2 * disc[2])))
    rows = [landmarks(city, rng)]
    for street in range(len(city.length_m)):
        for side in (-1.0, 1.0):
            rows.append(along_street(city, street, side, taken, rng))
    rows.append(behind(np.concatenate(rows[1:]), taken, city.half_side_m, rng))
    table = without_overlaps(city, np.concatenate(rows))
    return np.concatenate([finished(table, traits := traits_of(city, table, nugget, rng), rng), traits], axis=1)


def landmarks(city, rng):
    """One landmark (squares, 10) in the middle of each square, its front towards the nearest street; no kind twice."""
    squares = city.grounds[city.grounds[:, 3] == 1]
    table = np.zeros((len(squares), 10))
    table[:, [EAST, NORTH]] = squares[:, :2]
    table[:, KIND] = rng.permutation(LANDMARKS)[: len(squares)]
    for row in table:
        row[HALF_WIDTH : STOREY + 1] = LANDMARK_SIZES[int(row[KIND]) - CHURCH]
        street = city.distances_m(row[None, :2])[0].argmin()
        along = np.clip((row[:2] - city.start_m[street]) @ city.direction[street], 0, city.length_m[street])
        facing = city.start_m[street] + along * city.direction[street] - row[:2]
        row[COS], row[SIN] = facing[1], -facing[0]
        row[[COS, SIN]] /= np.linalg.norm(facing)
    return table


def along_street(city, street, side, taken, rng, plots_of=None):
    """Houses (n, 10) along the right (side 1) or left (-1) of a street wherever nothing is taken, which they take.

    plots_of: as run_of_plots, which is meant by None.
    """
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
    plots = [plot for low, high in runs for plot in (plots_of or run_of_plots)(low, high - CELL_M, latent, rng)]
    table = np.zeros((len(plots), 10))
    if plots:
        middle, half_width, half_depth, garden_m, kind = np.array(plots).T
        depth_m = (city.half_width_m[street] + garden_m + half_depth)[:, None]
        table[:, [EAST, NORTH]] = city.position_m(np.full(len(plots), street), middle) + depth_m * right
        table[:, COS], table[:, SIN] = -right[1], right[0]
        table[:, HALF_WIDTH], table[:, HALF_DEPTH], table[:, KIND] = half_width, half_depth, kind
        mark(taken, city.half_side_m, inside(table))
    return table


def run_of_plots(low, high, latent, rng):
    """Plots (middle, half width, half depth, garden, kind) that fill a free run from low to high metres of a street.

    latent: the fields (m, K) at each metre. Tall houses are blocks of flats, low ones with gardens stand alone, the
    others are terraces of three to eight that share walls, depth and set-back.
    """
    plots, at = [], low
    while high - at >= LEAST_FRONTAGE_M:
        here = dict(zip(fields.FIELDS, latent[min(int(at) + 5, len(latent) - 1)], strict=True))
        garden_m = rng.uniform(*GARDEN_M) if rng.uniform() < GARDEN_SHARE else 0.0
        half_depth, gap_m, count = rng.uniform(4.0, 6.5), 0.0, 1
        if here["storeys"] + 0.6 * rng.normal() > 1.2:
            kind, width_m = BLOCK, rng.uniform(12, 20)
        elif garden_m > 0 and here["storeys"] + 0.6 * rng.normal() < 0.3:
            kind, gap_m = DETACHED, rng.uniform(1.5, 4.0)
            width_m = gap_m + rng.uniform(8, 13)
        else:
            kind, width_m, count = TERRACE, rng.uniform(6.0, 9.5), rng.integers(3, 9)
        count = max(1, min(count, int((high - at) / width_m)))
        left_m = high - at - count * width_m
        if left_m < LEAST_FRONTAGE_M:  # no room for another: these fill the run
            width_m = (high - at) / count
        gap_m = min(gap_m, width_m / 3)
        for _ in range(count):
            if rng.uniform() > VACANT_SHARE:
                plots.append((at + width_m / 2, (width_m - gap_m) / 2, half_depth, garden_m, kind))
            at += width_m
        at += rng.choice([0.0, 1.2, 2.4])  # an alley
    return plots


def behind(houses, taken, half_side_m, rng):
    """Lower and higher buildings (n, 10) in the yards behind some of the houses, where there is room."""
    table = houses[rng.uniform(size=len(houses)) < BEHIND_SHARE].copy()
    away_m = table[:, HALF_DEPTH] + rng.uniform(7, 22, len(table))
    table[:, HALF_WIDTH] = rng.uniform(4, 9, len(table))
    table[:, HALF_DEPTH] = rng.uniform(4, 7, len(table))
    away_m += table[:, HALF_DEPTH]
    table[:, EAST] += away_m * table[:, SIN]  # against v = (-SIN, COS)
    table[:, NORTH] -= away_m * table[:, COS]
    table[:, KIND] = BLOCK
    covered = is_taken(taken, half_side_m, inside(table).reshape(-1, 2)).reshape(len(table), -1)
    return table[~covered.any(axis=1)]


def without_overlaps(city, table):
    """The rows of a table (B, 10) whose footprints keep off streets, grounds (but landmarks) and earlier rows."""
    import shapely

    outline = shapely.polygons(corners(table))
    ordinary = table[:, KIND] < CHURCH
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    streets = shapely.buffer(shapely.linestrings(ends), city.half_width_m - 0.01, cap_style="square")
    discs = shapely.buffer(shapely.points(city.grounds[:, :2]), city.grounds[:, 2], quad_segs=16)
    kept = np.ones(len(table), bool)
    kept[shapely.STRtree(outline).query(streets, predicate="intersects")[1]] = False
    on_grounds = shapely.STRtree(outline).query(discs, predicate="intersects")[1]
    kept[on_grounds[ordinary[on_grounds]]] = False
    shrunk = shapely.polygons(corners(table, -0.05))  # walls may be shared
    earlier, later = shapely.STRtree(shrunk).query(shrunk, predicate="intersects")
    for a, b in sorted(zip(later[earlier < later], earlier[earlier < later], strict=True)):
        kept[a] &= not kept[b]
    return table[kept]


def traits_of(city, table, nugget, rng):
    """Traits (B, K) of buildings: the fields at their centres plus a nugget."""
    at = fields.value_at(city.fields, city.half_side_m, table[:, [EAST, NORTH]])
    return single(at + np.sqrt(nugget) * rng.standard_normal(at.shape))


def finished(table, traits, rng):
    """The table (B, 10) with floors, storeys and seeds; low wide buildings become sheds."""
    table = table.copy()
    ordinary = table[:, KIND] < CHURCH
    floors = np.digitize(traits[:, fields.FIELDS.index("storeys")], STOREY_BOUNDS) + 1.0
    table[:, SEED] = rng.uniform(size=len(table)).astype(np.float32) * (1 - 2.0**-24)
    table[ordinary & (table[:, KIND] == BLOCK) & (floors == 1), KIND] = SHED
    lowest_m = np.array([2.8, 2.8, 3.2, 3.6])[np.where(ordinary, table[:, KIND], 0).astype(int)]
    storey_m = lowest_m + rng.uniform(0, 0.5, len(table))
    table[ordinary, FLOORS], table[ordinary, STOREY] = floors[ordinary], storey_m[ordinary]
    return single(table)


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


def disc_grid(count):
    """Points (n, 2) of a square grid of `count` steps that lie in the unit disc."""
    steps = np.linspace(-1, 1, max(count, 3))
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return grid[np.linalg.norm(grid, axis=1) <= 1]


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


def covers(table, points, margin_m=0.0):
    """Whether a building of the table (B, 10+) stands within margin_m of each of the points (n, 2)."""
    away = points[:, None] - table[None, :, :2]
    a = np.abs(away[..., 0] * table[:, COS] + away[..., 1] * table[:, SIN])
    b = np.abs(away[..., 1] * table[:, COS] - away[..., 0] * table[:, SIN])
    return ((a < table[:, HALF_WIDTH] + margin_m) & (b < table[:, HALF_DEPTH] + margin_m)).any(axis=1)


def fronts(city):
    """Street (B,), metres along it, side (1 right, -1 left) and front garden [m] of each building; street -1 without.

    A building has the street that its front looks at squarely from behind the building line.
    """
    table = city.buildings
    face = in_footprint(table, np.zeros(1), np.ones(1))[:, 0]
    street, along = np.full(len(table), -1), np.zeros(len(table))
    side, garden_m = np.zeros(len(table)), np.full(len(table), np.inf)
    for s, (start, direction) in enumerate(zip(city.start_m, city.direction, strict=True)):
        away = face - start
        at = away @ direction
        across = away @ np.array([direction[1], -direction[0]])
        # u runs along the direction on the right, where v looks left
        square = np.sign(across) * (table[:, COS] * direction[0] + table[:, SIN] * direction[1]) > 0.999
        depth_m = np.abs(across) - city.half_width_m[s]
        here = square & (at > 0) & (at < city.length_m[s]) & (depth_m > -0.1) & (depth_m < DEEPEST_GARDEN_M + 0.1)
        here &= depth_m < garden_m
        street[here], along[here], side[here], garden_m[here] = s, at[here], np.sign(across[here]), depth_m[here]
    return street, along, side, np.maximum(garden_m, 0)


# ---- things ----------------------------------------------------------------------------------------------------------
def furnish(city, nugget, rng):
    """Things (T, 6) that stand in a city with its buildings: see simcities.things for their columns and kinds.

    Street trees follow the field greenery, with a nugget from tree to tree. Nothing stands on a carriageway. On a
    pavement things look at the road, signs at those who drive on their side of it.
    """
    rows = [street_trees(city, nugget, rng), lamps(city, rng)]
    rows += [beside(city, *paced(city, low, high, rng), kerb_m, kind, rng) for kind, low, high, kerb_m in PACED]
    rows += [corner_signs(city, rng), gardens(city, rng), grounds_things(city, rng)]
    table = np.concatenate(rows)
    off_m = city.distances_m(table[:, [things.EAST, things.NORTH]]) - city.road_half_m
    return single(table[(off_m > 0.2).all(axis=1)])


def paced(city, low_m, high_m, rng):
    """Street (n,), metres along it and side (1 right, -1 left) of stands on both sides of all streets, unevenly spaced.

    low_m, high_m: least and greatest distance to the next.
    """
    found = []
    for street, length_m in enumerate(city.length_m):
        for side in (-1.0, 1.0):
            along = np.cumsum(rng.uniform(low_m, high_m, int(length_m / low_m) + 1)) - rng.uniform(0, low_m)
            along = along[along < length_m]
            found.append(np.stack([np.full(len(along), street), along, np.full(len(along), side)]))
    street, along, side = np.concatenate(found, axis=1)
    return street.astype(int), along, side


def beside(city, street, along, side, kerb_m, kind, rng):
    """Things (n, 6) of one kind beside streets, kerb_m from the kerb, looking at the road."""
    direction = city.direction[street]
    right = np.stack([direction[:, 1], -direction[:, 0]], axis=1) * side[:, None]
    table = rows_of(kind, city.position_m(street, along) + (city.road_half_m[street] + kerb_m)[:, None] * right, rng)
    looks = -direction * side[:, None] if kind == things.SIGN else -right  # a sign looks at those who come
    table[:, things.HEADING] = np.arctan2(looks[:, 0], looks[:, 1])
    return table


def rows_of(kind, east_north_m, rng):
    """Things (n, 6) of one kind at positions (n, 2), of any heading, of sizes around 1."""
    table = np.empty((len(east_north_m), 6))
    table[:, things.KIND] = kind
    table[:, [things.EAST, things.NORTH]] = east_north_m
    table[:, things.HEADING] = rng.uniform(-np.pi, np.pi, len(table))
    table[:, things.SIZE] = rng.uniform(0.75, 1.3, len(table)) if kind in (things.TREE, things.BUSH) else 1.0
    table[:, things.SEED] = rng.integers(0, 2**20, len(table)) / 2**20
    return table


def street_trees(city, nugget, rng):
    """Trees (n, 6) between road and pavement: none where greenery is low, one every 9 to 14 m where it is high."""
    street, along, side = paced(city, *TREE_STEP_M, rng)
    table = beside(city, street, along, side, 0.8, things.TREE, rng)
    green = fields.value_at(city.fields, city.half_side_m, table[:, [things.EAST, things.NORTH]])
    green = green[:, fields.FIELDS.index("greenery")] + np.sqrt(nugget) * rng.standard_normal(len(table))
    share = np.clip((green + 1.2) / 2.0, 0, 1)
    table[:, things.SIZE] *= 0.7 + 0.5 * share
    return table[rng.uniform(size=len(table)) < share]


def lamps(city, rng):
    """Street lamps (n, 6), on the left and the right by turns."""
    street, along, side = paced(city, *LAMP_STEP_M, rng)
    one_side = side > 0
    turns = np.where(np.arange(one_side.sum()) % 2, 1.0, -1.0)
    return beside(city, street[one_side], along[one_side], turns, 0.45, things.LAMP, rng)


def corner_signs(city, rng):
    """Signs, post boxes and bins (n, 6) just before and behind half of the junctions."""
    street, slot = np.nonzero(city.junction_m > -1e5)
    ahead = rng.choice([-1.0, 1.0], len(street))
    along = city.junction_m[street, slot] + ahead * (city.junction_half_m[street, slot] + 1.0)
    within = (along > 0) & (along < city.length_m[street]) & (rng.uniform(size=len(street)) < 0.7)
    street, along = street[within], along[within]
    table = beside(city, street, along, rng.choice([-1.0, 1.0], len(street)), 0.5, things.SIGN, rng)
    table[:, things.KIND] = rng.choice([things.SIGN, things.POST_BOX, things.BIN], len(table), p=[0.6, 0.25, 0.15])
    return table


def gardens(city, rng):
    """A hedge or a fence (n, 6) with a gate along every front garden that is deep enough, bushes and trees behind."""
    street, along, side, garden_m = fronts(city)
    deep = (street >= 0) & (garden_m > 1.5)
    house, street, along, side, garden_m = city.buildings[deep], street[deep], along[deep], side[deep], garden_m[deep]
    length_m = 2 * house[:, HALF_WIDTH] - 1.3
    pavement_m = (city.half_width_m - city.road_half_m)[street]
    gate = rng.choice([-0.65, 0.65], len(house))
    edge = beside(city, street, along + gate, side, pavement_m + 0.3, things.HEDGE, rng)
    edge[:, things.KIND] = np.where(rng.uniform(size=len(edge)) < 0.6, things.HEDGE, things.FENCE)
    edge[:, things.HEADING] = np.arctan2(city.direction[street, 0], city.direction[street, 1])
    edge[:, things.SIZE] = length_m
    planted = []
    for kind, least_m, share in ((things.BUSH, 2.5, 0.6), (things.BUSH, 3.5, 0.6), (things.TREE, 5.0, 0.35)):
        chosen = (garden_m > least_m) & (rng.uniform(size=len(house)) < share)
        across = rng.uniform(-0.85, 0.85, (chosen.sum(), 1))
        out_m = rng.uniform(0.9, np.maximum(garden_m[chosen] - 0.9, 0.95))
        deep_share = (1 + out_m / house[chosen, HALF_DEPTH])[:, None]
        at = in_footprint(house[chosen], across, deep_share)[:, 0]
        planted.append(rows_of(kind, at, rng))
    return np.concatenate([edge, *planted])


def grounds_things(city, rng):
    """Trees, bushes, benches, lamps and bins (n, 6) of parks, and of squares around their landmark."""
    rows = [np.empty((0, 6))]
    for east, north, radius_m, square in city.grounds:
        for kind, per_m2 in PER_SQUARE_M2 if square else PER_PARK_M2:
            count = rng.poisson(per_m2 * np.pi * radius_m**2)
            least = 0.66 if square else 0.0
            away_m = (radius_m - 1.5) * np.sqrt(rng.uniform(least**2, 1, count))
            angle = rng.uniform(0, 2 * np.pi, count)
            at = np.stack([east + away_m * np.sin(angle), north + away_m * np.cos(angle)], axis=1)
            rows.append(rows_of(kind, at, rng))
    return np.concatenate(rows)
