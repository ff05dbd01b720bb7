"""Targets of a batch as matrices."""

import numpy as np
from matplotlib.colors import PowerNorm

from geonb.showing import style


@style.house
def target_matrices(targets):
    """Figure of target matrices (n, n) side by side: row = photo, column = candidate, colour = target probability."""
    if not targets:
        raise ValueError("there are no target matrices: give {name: (n, n) array}")
    shapes = {name: np.shape(target) for name, target in targets.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 2 for shape in shapes.values()):
        raise ValueError(f"the matrices must be (n, n) of one batch, not {shapes}")
    columns = min(len(targets), 4)
    figure, axes = style.panels(
        len(targets), style.WIDTH_IN / max(columns, 2), columns=columns, sharex=True, sharey=True
    )
    # Square-root colours: beside the 1 of a one-hot target, soft ones would vanish on a linear scale.
    norm = PowerNorm(0.5, vmin=0, vmax=max(np.max(target) for target in targets.values()))
    for ax, (name, target) in zip(axes, targets.items(), strict=True):
        image = ax.imshow(target, cmap="cividis", norm=norm, interpolation="nearest")
        ax.set_title(style.short(name, 96 // columns))
        ax.grid(visible=False)
    figure.colorbar(image, ax=axes, label="target probability [1]", shrink=0.85, pad=0.02)
    style.label_x(axes, "candidate [index]")
    style.label_y(figure, axes, "photo [index]")
    return style.titled(figure, "Targets of a batch of neighbouring photos")
