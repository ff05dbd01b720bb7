"""Photos side by side."""

import textwrap

from PIL import Image, ImageOps

from geonb.showing.style import WIDTH_IN, house_style, panels, short, with_note


@house_style
def contact_sheet(pictures, titles, columns=6):
    """Figure of pictures (PIL images) in rows, each with its title above it."""
    if len(pictures) == 0:
        raise ValueError("there are no pictures: a contact sheet needs at least one")
    if len(pictures) != len(titles):
        raise ValueError(f"{len(pictures)} pictures but {len(titles)} titles: give one title per picture")
    rows = -(-len(pictures) // columns)
    figure, axes = panels(rows * columns, columns, height_in=WIDTH_IN / columns + 0.2)
    for ax in axes:
        ax.set_axis_off()
    for ax, picture, title in zip(axes, pictures, titles, strict=False):
        ax.imshow(ImageOps.contain(picture.convert("RGB"), (320, 320), Image.Resampling.LANCZOS))
        ax.set_title("\n".join(textwrap.wrap(short(title, 180 // columns), 96 // columns)[:2]), fontsize=7, pad=2)
    return with_note(figure)
