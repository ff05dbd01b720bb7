"""Light of a day, computed linearly: sun, sky, hills in the haze; and how a camera develops what it has seen."""

import math
from typing import NamedTuple

import numpy as np

from simcities import day
from simcities.texture import compiled, lattice, noise


class Light(NamedTuple):
    """Sun and sky of one photo: unit vector to the sun, irradiances, and what the air and the ground are like."""

    east: float
    up: float
    north: float
    sun_red: float
    sun_green: float
    sun_blue: float
    sky_red: float
    sky_green: float
    sky_blue: float
    clear: float
    cloud: float
    haze: float
    wet: float
    salt: int


@compiled
def light_of(nuisance):
    """Sun and sky of one row of the nuisance table."""
    azimuth, elevation = nuisance[day.SUN_AZIMUTH], nuisance[day.SUN_ELEVATION]
    cloud = nuisance[day.CLOUD]
    clear = min(max((0.68 - cloud) / 0.3, 0.0), 1.0)
    clear = clear * clear * (3 - 2 * clear)
    warm = min(max((0.75 - elevation) / 0.6, 0.0), 1.0)
    sun = 4.0 * clear
    level = math.cos(elevation)
    return Light(
        math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level,
        sun * 1.05, sun * (0.95 - 0.10 * warm), sun * (0.84 - 0.26 * warm),
        0.57 * clear + 1.15 * (1 - clear), 0.66 * clear + 1.19 * (1 - clear), 0.84 * clear + 1.25 * (1 - clear),
        clear, cloud, 0.55 * nuisance[day.HAZE], nuisance[day.WET], int(nuisance[day.SALT]),
    )  # fmt: skip


@compiled
def sky(out, light, de, dh, dn):
    """Fill out[:3] with the sky along a unit direction: a gradient, the sun's glow, clouds of several sizes."""
    up = max(dh, 0.0)
    high = 1 - math.exp(-3.2 * up)
    red, green, blue = 1.05 - 0.83 * high, 1.18 - 0.72 * high, 1.32 - 0.42 * high
    toward = max(de * light.east + dh * light.up + dn * light.north, 0.0)
    glow = light.clear * (0.5 * toward**8 + 1.6 * toward**64 + 12.0 * toward**800)
    x, y = 1.6 * de / (up + 0.16), 1.6 * dn / (up + 0.16)
    layer = light.salt % 65521
    billow = 0.52 * noise(x * 0.7, y * 0.7, layer) + 0.27 * noise(x * 1.6, y * 1.6, layer + 1)
    billow += 0.14 * noise(x * 3.7, y * 3.7, layer + 2) + 0.07 * noise(x * 8.1, y * 8.1, layer + 3)
    whole = max(0.0, (light.cloud - 0.62) / 0.38)
    cover_ = min(max((billow - 0.86 + 0.75 * light.cloud) * 4.5, 0.0), 1.0)
    cover_ = max(cover_, min(1.6 * whole, 1.0))
    cover_ *= min(1.0, 0.35 + 6 * up)
    lit = 1.75 - 0.75 * whole - (0.9 - 0.35 * whole) * max(billow - 0.40, 0.0) * (0.6 + light.cloud)
    out[0] = red * (1 - cover_) + lit * 0.99 * cover_ + glow
    out[1] = green * (1 - cover_) + lit * cover_ + 0.92 * glow
    out[2] = blue * (1 - cover_) + lit * 1.03 * cover_ + 0.75 * glow


@compiled
def far_hills(out, light, azimuth, rise):
    """Lay what stands beyond the city over out[:3]: woods and hills in the haze, along a direction and its slope."""
    hill = 0.012 + 0.05 * noise(azimuth * 3.0, 0.5, 61) ** 2 + 0.012 * noise(azimuth * 40.0, 0.5, 62)
    share = 0.75 * min(max((hill - rise) / 0.006, 0.0), 1.0)
    out[0] += (0.30 * light.sky_red - out[0]) * share
    out[1] += (0.35 * light.sky_green - out[1]) * share
    out[2] += (0.36 * light.sky_blue - out[2]) * share


@compiled
def develop(out, film, px, nuisance):
    """Fill a picture from its linear film: exposure by its own mean, tint, vignette, tone curve, noise."""
    salt = int(nuisance[day.SALT]) % 1000003
    total = 0.0
    for row in range(px):
        for column in range(px):
            weight = 1.0 if row * 3 > px else 0.45  # cameras care more for what is low in the frame
            total += weight * math.log(
                0.02 + 0.3 * film[row, column, 0] + 0.6 * film[row, column, 1] + 0.1 * film[row, column, 2]
            )
    mean = math.exp(total / (px * px * (2 / 3 + 0.45 / 3)))
    gain = nuisance[day.EXPOSURE] * 0.27 * mean**-0.85
    for row in range(px):
        for column in range(px):
            x, y = (column + 0.5) / px * 2 - 1, (row + 0.5) / px * 2 - 1
            fall = 1 - 0.1 * (0.5 * (x * x + y * y)) ** 1.5
            above, below, left, right = (
                max(row - 1, 0),
                min(row + 1, px - 1),
                max(column - 1, 0),
                min(column + 1, px - 1),
            )
            grey = 0.3 * film[row, column, 0] + 0.6 * film[row, column, 1] + 0.1 * film[row, column, 2]
            for c in range(3):
                # no lens is sharper than its sensor: a little of the neighbours' light falls here
                near = film[above, column, c] + film[below, column, c] + film[row, left, c] + film[row, right, c]
                value = 0.8 * film[row, column, c] + 0.05 * near
                tint = nuisance[day.RED] if c == 0 else nuisance[day.BLUE] if c == 2 else 1.0
                value = (0.9 * value + 0.1 * grey) * gain * fall * tint
                value = value * (2.51 * value + 0.03) / (value * (2.43 * value + 0.59) + 0.14)
                value = min(max(value, 0.0), 1.0) ** (1 / 2.2)
                grain = lattice(row, column, salt + c) + lattice(row, column, salt + c + 3) - 1
                grain += 0.7 * (lattice(row, column, salt + 6) + lattice(row, column, salt + 7) - 1)
                value += 1.5 * nuisance[day.NOISE] * grain * (1.15 - value)
                out[row, column, c] = np.uint8(min(max(value, 0.0), 1.0) * 255 + 0.5)
