import dataclasses

import numpy as np
import pytest

from experiments.laboratory import conditions, worlds
from geonb.learning import recipes

BASE = {"city_count": 3, "photos_per_city": 120, "city_side_m": 900.0, "world_seed": 1,
        "range_scale": 0.3}  # fmt: skip


def test_a_training_is_kept_under_what_it_depends_on(tmp_path):
    asked = []
    course = recipes.Course(steps=2, batch_size=32, evaluate_every=2)
    setting = worlds.Setting(200.0, 50.0, course, lambda *key: asked.append(key) or tmp_path / str(len(set(asked))))
    photos, features = conditions.photographed(conditions.Condition("base", 1.0, BASE), 1, np.ones(28))
    data, noisier = (worlds.data_of(setting, BASE, photos, of, "blocked") for of in (features, 2 * features))
    (first, _), (again, _), (other, _) = (worlds.train(setting, "clip", own, None) for own in (data, data, noisier))
    assert len(set(asked)) == 2
    assert first.error_m.tolist() == again.error_m.tolist() != other.error_m.tolist()
    moved = dataclasses.replace(data, parts={"blocked": np.roll(data.parts["blocked"], 1)})
    assert worlds.digest_of(moved) != worlds.digest_of(data)


def test_a_gallery_without_a_spacing_is_refused():
    setting = worlds.Setting(200.0, np.inf, recipes.Course(), None)
    with pytest.raises(ValueError, match="gallery_spacing_m inf must be a finite number above 0"):
        worlds.street_grid(worlds.simulation.World(**BASE), setting)
