"""Photos side by side, and matrices, their values as colours."""

import textwrap

import numpy as np
from matplotlib.colors import PowerNorm
from PIL import Image, ImageOps

from geonb.showing import style


@style.house
def contact_sheet(pictures, titles, title, columns=6):
    """Figure of pictures (PIL images) in rows, each with its own title above it."""
    figure, axes = style.panels(len(pictures), style.WIDTH_IN / columns + 0.2, columns=columns)
    for ax, picture, words in zip(axes, pictures, titles, strict=True):
        ax.imshow(ImageOps.contain(picture.convert("RGB"), (320, 320), Image.Resampling.LANCZOS))
        ax.set_title("\n".join(textwrap.wrap(style.short(words, 180 // columns), 96 // columns)[:2]), fontsize=7, pad=2)
        ax.set_axis_off()
    return style.titled(figure, title)


@style.house
def images(arrays, title, labels, look):
    """Figure of arrays (n, n), {name: array}, and a bar of colours; labels: of x, y and the bar; look: of imshow."""
    columns = min(len(arrays), 4)
    height_in = style.WIDTH_IN / max(columns, 2)
    figure, axes = style.panels(len(arrays), height_in, columns=columns, sharex=True, sharey=True)
    for ax, (name, array) in zip(axes, arrays.items(), strict=True):
        image = ax.imshow(array, interpolation="nearest", **look)
        ax.set_title(style.short(name, 96 // columns))
        ax.grid(visible=False)
    beyond = any((np.abs(array) > image.norm.vmax).any() for array in arrays.values())
    figure.colorbar(image, ax=axes, label=labels[2], shrink=0.85, pad=0.02, extend="both" if beyond else "neither")
    style.label(axes, *labels[:2])
    return style.titled(figure, title)


def target_matrices(targets):
    """Figure of target matrices (n, n) side by side: row = photo, column = candidate, colour = target probability."""
    # Square-root colours: beside the 1 of a one-hot target, soft ones would vanish on a linear scale.
    norm = PowerNorm(0.5, vmin=0, vmax=max(np.max(target) for target in targets.values()))
    labels = ("candidate [index]", "photo [index]", "target probability [1]")
    return images(targets, "Targets of a batch of neighbouring photos", labels, {"cmap": "cividis", "norm": norm})
