"""A simulated world that no study keeps: its photos, how they are split, and methods trained on them."""

from geonb.learning import towers
from geonb.photos import catalogue, pictures, sources
from geonb.splitting import splits


def photographed(options, tower):
    """(photos with lat_deg and lon_deg, unit features (n, d)) of a simulated world, painted and read by a tower."""
    photos = catalogue.with_lat_lon(sources.gather("simulated", options)[0])
    return photos, features_of(photos, tower)


def features_of(photos, tower):
    """Unit features (n, d) of the photos of a catalogue."""
    return towers.image_features([pictures.picture_path(path) for path in photos.path], photos.sha256, tower)


def cut(yardstick_m):
    """How the places of a world are split: keywords of splits.Cut, as those of page 04."""
    return {
        "test_share": 0.2, "validation_share": 0.1, "block_size_m": yardstick_m, "buffer_m": yardstick_m / 4,
        "gap_m": 15.0,
    }  # fmt: skip


def parts(places, split, cut, seed=0):
    """The part (n,) of each place of a table with lat_deg, lon_deg, city, street and sequence_id; cut: see cut."""
    return splits.make(split, places, splits.Cut(**cut, seed=seed))
