"""Targets as matrices."""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from geonb.showing.style import WIDTH_IN, house_style, label_outer, panels, short, with_note


@house_style
def target_matrices(targets):
    """Figure of target matrices (n, n) side by side: row = photo, column = candidate, colour = target probability."""
    if not targets:
        raise ValueError("there are no target matrices: give {name: (n, n) array}")
    shapes = {name: np.shape(target) for name, target in targets.items()}
    if len(set(shapes.values())) > 1 or any(len(s) != 2 for s in shapes.values()):
        raise ValueError(f"the matrices must be (n, n) of one batch, not {shapes}")
    columns = min(len(targets), 4)
    figure, axes = panels(len(targets), columns, height_in=WIDTH_IN / max(columns, 2) * 0.92, sharex=True, sharey=True)
    # Square-root colours: beside the 1 of a one-hot target, soft ones would vanish on a linear scale.
    norm = PowerNorm(0.5, vmin=0, vmax=max(np.max(target) for target in targets.values()))
    for ax, (name, target) in zip(axes, targets.items(), strict=True):
        image = ax.imshow(target, cmap="cividis", norm=norm, interpolation="nearest")
        ax.set_title(short(name, 96 // columns))
        ax.grid(visible=False)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    figure.colorbar(image, ax=list(axes), label="target probability [1]", shrink=0.85, pad=0.02)
    label_outer(figure, axes, "candidate in the batch [index]", "photo in the batch [index]")
    return with_note(figure)
