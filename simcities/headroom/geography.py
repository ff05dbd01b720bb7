"""Where things are in these cities, and where cameras stand: streets as in simcities, wider and lined with houses."""

from dataclasses import replace

import numpy as np

from simcities import geography
from simcities.headroom import houses

HALF_WIDTH_M, ROAD_HALF_M = 7.6, 3.9  # from the middle of a street to its gardens and to the kerb
RIGHT_M = (0.2, 0.8)  # of the middle of the road a camera drives
ASIDE_RAD = (0.75, 1.05)  # cameras look ahead and to one side, where the houses are


def city(index, world_seed, planted, half_side_m, home):
    """City `index` of a world (simcities.geography.City) at a Home. ValueError as there."""
    widths_m = (HALF_WIDTH_M, ROAD_HALF_M)
    bare, rng = geography.laid_out(index, world_seed, planted, half_side_m, home, widths_m)
    built = replace(bare, buildings=houses.build(bare, planted.nugget, rng))
    return replace(built, things=houses.furnish(built, rng))


def drives(made, photo_count, rng):
    """Where a camera stood, and how: a table of photo_count rows, columns as in simcities.geography.drives.

    The same drives; their cameras have a wider lens and look further aside. ValueError for no photos.
    """
    if photo_count < 1:
        raise ValueError(f"photo_count {photo_count} must be at least 1")
    table = geography.driven(made, photo_count, rng)
    street, forward = table.street.to_numpy(), table.forward.to_numpy()[:, None]
    travel = made.direction[street] * forward
    right = rng.uniform(*RIGHT_M, photo_count)[:, None] * np.stack([travel[:, 1], -travel[:, 0]], axis=1)
    table[["east_m", "north_m"]] = made.position_m(street, table.along_m.to_numpy()) + right
    aside = rng.choice([-1.0, 1.0], photo_count) * rng.uniform(*ASIDE_RAD, photo_count)
    return table.assign(
        heading_rad=np.arctan2(travel[:, 0], travel[:, 1]) + aside,
        focal=rng.uniform(1.12, 1.22, photo_count),
        pitch=rng.uniform(0.14, 0.24, photo_count),
    )
