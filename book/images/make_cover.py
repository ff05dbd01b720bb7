"""Draw the cover, after `make book`: python book/images/make_cover.py"""

from pathlib import Path

import matplotlib.pyplot as plt

from geonb import random_streams
from geonb.book import results
from geonb.photos.pictures import open_picture
from geonb.showing import lines, style
from geonb.variograms.models import fitted_curves

STUDY, CITIES, COLUMNS = "simulated_cities", 4, 7


@style.house
def main():
    """Street views above, the semivariograms of their embeddings below."""
    catalogue = results.read_table(STUDY, "01_photos", "photos")
    lags, fits = (results.read_table(STUDY, "03_semivariograms", name) for name in ("lags", "fits"))
    curves = fitted_curves(fits, max_lag_m=lags.distance_m.max())
    shown = random_streams.stream(3, "cover").permutation(len(catalogue))[: 2 * COLUMNS]
    figure = plt.figure(figsize=(style.WIDTH_IN, 4.6), layout="constrained", dpi=150)
    above, below = figure.subfigures(2, 1, height_ratios=(2, 1.9))
    for ax, n in zip(above.subplots(2, COLUMNS).ravel(), shown, strict=True):
        ax.imshow(open_picture(catalogue.path[n]), interpolation="lanczos")
        ax.set_axis_off()
    axes = below.subplots(1, CITIES, sharey=True)
    for ax, city in zip(axes, fits.city[:CITIES], strict=True):
        here = lags[lags.city == city]
        lines.draw_lags(ax, here, lags.pairs.max())
        lines.draw_fit(ax, fits[fits.city == city], curves[curves.city == city])
        ax.set_title(city)
        ax.set_xlabel("distance [m]")
    axes[0].set_ylabel("semivariance [1]")
    style.marked(figure, simulated=True).savefig(Path(__file__).with_name("cover.png"))


if __name__ == "__main__":
    main()
