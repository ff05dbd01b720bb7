"""Photos side by side."""

import textwrap

from PIL import Image, ImageOps

from geonb.showing import style


@style.house
def contact_sheet(pictures, titles, title, columns=6):
    """Figure of pictures (PIL images) in rows, each with its own title above it."""
    if len(pictures) == 0:
        raise ValueError("there are no pictures: a contact sheet needs at least one")
    if len(pictures) != len(titles):
        raise ValueError(f"{len(pictures)} pictures but {len(titles)} titles: give one title per picture")
    figure, axes = style.panels(len(pictures), style.WIDTH_IN / columns + 0.2, columns=columns)
    for ax, picture, words in zip(axes, pictures, titles, strict=True):
        ax.imshow(ImageOps.contain(picture.convert("RGB"), (320, 320), Image.Resampling.LANCZOS))
        ax.set_title("\n".join(textwrap.wrap(style.short(words, 180 // columns), 96 // columns)[:2]), fontsize=7, pad=2)
        ax.set_axis_off()
    return style.titled(figure, title)
