"""Draw the cover, after `make book`: python book/images/make_cover.py"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from geonb import figures, photos, results, seeds, semivariograms
from geonb.sources import simulated

STUDY, CITIES, COLUMNS = "simulated_cities", 4, 7


def main():
    """Street views above, the semivariograms of their embeddings below."""
    catalogue = results.read_table(STUDY, "01_photos", "photos")
    lags, fits = (results.read_table(STUDY, "03_semivariograms", name) for name in ("lags", "fits"))
    curves = semivariograms.curves(fits, max_lag_m=lags.distance_m.max())
    street = (simulated.cameras(simulated.World()).scene == "street").to_numpy()
    shown = seeds.stream(3, "cover").permutation(np.flatnonzero(street))[: 2 * COLUMNS]
    figure = plt.figure(figsize=(figures.WIDTH_IN, 4.6), layout="constrained", dpi=150)
    above, below = figure.subfigures(2, 1, height_ratios=(2, 1.9))
    for ax, n in zip(above.subplots(2, COLUMNS).ravel(), shown, strict=True):
        ax.imshow(photos.open_picture(catalogue.path[n]), interpolation="lanczos")
        ax.set_axis_off()
    axes = below.subplots(1, CITIES, sharey=True)
    for ax, city in zip(axes, fits.city[:CITIES], strict=True):
        here, curve = lags[lags.city == city], curves[curves.city == city]
        ax.plot(curve.distance_m, curve.semivariance, color=figures.COLOURS[0], lw=1.4)
        ax.plot(here.distance_m, here.planted, color="black", ls="--", lw=1)
        ax.scatter(here.distance_m, here.semivariance, 12, color=figures.COLOURS[0], alpha=0.75, lw=0)
        ax.axvline(fits.set_index("city").effective_range_m[city], color=figures.GREY, ls=":")
        ax.set_title(city, fontsize=9)
        ax.set_xlabel("distance [m]", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("semivariance [1]", fontsize=8)
    figure.suptitle("simulated", x=0.99, ha="right", fontsize=8, fontstyle="italic")
    figure.savefig(Path(__file__).with_name("cover.png"))


if __name__ == "__main__":
    main()
