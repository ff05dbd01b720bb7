from types import SimpleNamespace

import geopandas
import numpy as np
import pandas as pd
import pytest
import torch

from geonb.book import machine
from geonb.learning import encoders, places
from geonb.photos.catalogue import with_lat_lon
from geonb.splitting import splits

PLACES = pd.DataFrame({
    "street": ["Elm Row", "Oak Lane"], "city": ["Velmora", "Ostrand"], "country": "Lutania",
    "lat_deg": [50.5, -10.25], "lon_deg": [7.125, 179.5],
})  # fmt: skip


def test_a_catalogue_becomes_plain_columns_with_latitude_first():
    table = PLACES.drop(columns=["lat_deg", "lon_deg"])
    catalogue = geopandas.GeoDataFrame(
        table, geometry=geopandas.points_from_xy(PLACES.lon_deg, PLACES.lat_deg), crs="EPSG:4326"
    )
    plain = with_lat_lon(catalogue)
    assert "geometry" not in plain
    assert plain.lat_deg.tolist() == [50.5, -10.25]
    assert plain.lon_deg.tolist() == [7.125, 179.5]


def test_parts_follow_the_order_of_the_photos_not_of_the_table():
    table = pd.DataFrame({"photo_id": [*"abcabc"], "split": ["random"] * 3 + ["blocked"] * 3, "part": [*"123456"]})
    parts = splits.parts_by_split(table.sample(frac=1, random_state=0), [*"cab"], ["blocked"])
    assert list(parts) == ["blocked"]
    assert parts["blocked"].tolist() == ["6", "4", "5"]


def test_a_split_that_was_not_made_is_named():
    table = pd.DataFrame({"photo_id": ["a"], "split": ["random"], "part": ["train"]})
    with pytest.raises(ValueError, match="04_splits made no split blocked, unseen_city: it made random"):
        splits.parts_by_split(table, ["a"], ["blocked", "random", "unseen_city"])


def test_a_photo_without_a_part_is_an_error():
    table = pd.DataFrame({"photo_id": ["a"], "split": ["random"], "part": ["train"]})
    with pytest.raises(KeyError, match="b"):
        splits.parts_by_split(table, ["a", "b"], ["random"])


def test_the_fourier_reader_gives_the_features_of_the_positions_alone():
    read = places.reader("tower", "fourier", None, None, parts=("street",), decimals=2)
    found = read(PLACES)
    expected = encoders.fourier_features(PLACES[["lat_deg", "lon_deg"]].to_numpy())
    np.testing.assert_array_equal(found.numpy(), expected)
    assert torch.equal(found, read(PLACES.assign(city="x", street="y", country="z")))


class Words:
    """A tokenizer whose tokens are the words themselves."""

    def encode(self, caption):
        return caption.split()

    def __call__(self, captions, context_length):
        return [caption.split() for caption in captions]


def test_the_text_reader_gives_the_tokens_of_each_places_own_caption():
    base = SimpleNamespace(tokenizer=Words(), context_length=77)
    read = places.reader("tower", "text", base, None, parts=("street", "city", "coordinates"), decimals=2)
    assert [" ".join(words) for words in read(PLACES)] == [
        "[Street: Elm Row, City: Velmora. Lat: 50.50, Lon: 7.12.]",
        "[Street: Oak Lane, City: Ostrand. Lat: -10.25, Lon: 179.50.]",
    ]
    with pytest.raises(ValueError, match="the text tower reads 6"):
        places.reader(
            "tower", "text", SimpleNamespace(tokenizer=Words(), context_length=6), None, parts=("street",), decimals=2
        )(PLACES.assign(street="a very long name of a street"))


def test_the_frozen_tower_reads_the_names_of_places_and_nothing_of_where_they_lie():
    base = encoders.load_tower("local-dir:data/towers/geonb-tiny")
    found = places.zero_shot(base, PLACES.iloc[[0, 1, 0]].assign(lat_deg=[1.0, 2.0, 3.0]))
    said = ["[Street: Elm Row, City: Velmora, Country: Lutania]", "[Street: Oak Lane, City: Ostrand, Country: Lutania]"]
    with torch.inference_mode():
        own = base.model.encode_text(base.tokenizer(said, context_length=base.context_length), normalize=True).numpy()
    np.testing.assert_allclose(found, own[[0, 1, 0]], atol=1e-5)
    assert np.abs(own[0] - own[1]).max() > 1e-3


def test_an_unknown_location_tower_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no location tower 'siren': there are fourier, capsules, text"):
        places.reader("tower", "siren", None, None, parts=(), decimals=2)


def test_planted_fields_are_asked_for_with_latitude_first_and_may_be_none():
    asked = []
    fields_of = lambda *given: asked.append(given)  # noqa: E731
    assert places.planted(fields_of, "table", {"a": 1}, PLACES) is None
    source, options, lat_lon_deg, city = asked[0]
    assert (source, options, city.tolist()) == ("table", {"a": 1}, ["Velmora", "Ostrand"])
    np.testing.assert_array_equal(lat_lon_deg, [[50.5, 7.125], [-10.25, 179.5]])


# ---- the machine -----------------------------------------------------------------------------------------------------
def test_a_machine_is_described_with_what_matters_for_a_rerun():
    table = machine.describe().set_index("name").value
    assert {"Python", "system", "cores", "memory", "torch", "accelerator"} == set(table.index)
    assert int(table.cores) >= 1
    assert table.memory.endswith(" GiB")


def test_the_reference_work_takes_processor_time():
    assert machine.reference_seconds() > 0


def test_photos_cells_and_positions_are_read_from_the_rows_of_the_table():
    features = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    read = places.reader("photo", "fourier", None, features, parts=(), decimals=2)
    assert read(PLACES.set_axis([2, 0])).tolist() == [[4, 5], [0, 1]]
    where = places.reader("cell", "fourier", None, features, parts=(), decimals=2)(PLACES)
    assert torch.equal(where, encoders.split_positions(PLACES[["lat_deg", "lon_deg"]].to_numpy()))


def test_codes_part_streets_of_two_cities_and_know_what_is_unknown():
    table = pd.DataFrame({
        "city": ["A", "A", "B", "B"], "street": ["Elm", "Elm", "Elm", ""], "district": ["x", "y", "x", None],
        "country": ["L"] * 4,
    })  # fmt: skip
    codes = places.codes(table)
    assert codes["street"].tolist() == [0, 0, 1, -1]
    assert codes["district"].tolist()[3] == -1
    assert len(set(codes["district"][:3])) == 3
    assert codes["city"].tolist() == [0, 0, 1, 1]
    assert codes["country"].tolist() == [0] * 4


def test_names_are_those_of_the_nearest_place_and_districts_carry_their_city():
    known = pd.DataFrame({
        "lat_deg": [10.0, 10.0, 20.0], "lon_deg": [179.9, 10.0, 10.0], "country": ["X", "Y", None],
        "city": ["a", "b", "c"], "district": ["Old Town", "Old Town", ""],
    })  # fmt: skip
    found = places.names_near(known)(np.array([[10.0, -179.9], [11.0, 10.5], [19.0, 9.0]]))
    assert found.country.tolist() == ["X", "Y", ""]
    assert found.city.tolist() == ["a", "b", "c"]
    assert found.district.tolist() == ["Old Town, a", "Old Town, b", ""]
