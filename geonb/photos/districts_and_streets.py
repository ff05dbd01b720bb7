"""What lies around photos whose source does not tell: names of GeoNames, and streets of an extract of OpenStreetMap."""

import numpy as np
import pandas as pd

from geonb.earth.sphere import length
from geonb.photos import addresses, sources
from geonb.photos.catalogue import lat_lon_deg
from geonb.photos.pictures import picture_path

TOWN_M = 20_000.0  # a place of GeoNames that is farther does not name a photo
STREET_M = 30.0  # nor does a street
FAR_M, CLOSER = 50_000.0, 8  # of places: farther than that, and so many times closer when exchanged
MARGIN_DEG = 0.002  # around the photos of a city, some 200 m: streets that lie there
OSM, OWED = (".pbf", ".osm"), "streets © OpenStreetMap contributors, ODbL"
# values of OpenStreetMap's key highway for ways that a camera drives or walks along
HIGHWAYS = ("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential", "living_street",
            "pedestrian", "service", "road")  # fmt: skip
STREETS = {
    "city": "city of the street",
    "country": "its country",
    "street": "its name",
    "licence": "notice that a map of them owes; empty for none",
    "geometry": "its line, longitude and latitude [degree]",
}


def gathered(source, options, geonames, streets_file):
    """(catalogue, left_out, streets) of a source, with what lies around where it does not tell: see named and along."""
    catalogue, left_out = sources.gather(source, options)
    catalogue = named(catalogue) if geonames else catalogue
    if not streets_file:
        return catalogue, left_out, sources.streets(source, options)
    lines = streets(streets_file, catalogue)
    return along(catalogue, lines), left_out, lines


def named(catalogue):
    """The catalogue with country and district from the nearest place of GeoNames (CC BY 4.0) where they were empty.

    The district is the place itself; a country's ISO code stands only where the source names no country at all. A city
    that was named after its middle ('near 50.94N 6.96E') is then named after the place of most of its photos ('near
    Altstadt Nord, DE'), unless two would share that name. Photos farther than TOWN_M from every place keep what they
    have.
    """
    found, catalogue = addresses.of(lat_lon_deg(catalogue)), catalogue.copy()
    near, town = (found.distance_m <= TOWN_M).to_numpy(), found.town.str.partition(",")[0]
    catalogue["district"] = np.where((catalogue.district.fillna("") == "") & near, town, catalogue.district)
    if (catalogue.country.fillna("") == "").all():
        catalogue["country"] = np.where(near, found.country, "")
    middle = catalogue.city.str.startswith("near ").to_numpy() & near
    said = (town + ", " + found.country)[middle]
    common = "near " + said.groupby(catalogue.city[middle].to_numpy()).agg(lambda names: names.mode()[0])
    alone = ~common.duplicated(keep=False) & ~common.isin(catalogue.city)
    return catalogue.assign(city=catalogue.city.replace(common[alone].to_dict()))


def caveats(catalogue, source):
    """What a reader must know of where the photos lie: a list of sentences, empty when there is nothing to warn of.

    Latitude and longitude may be exchanged where most photos lie farther than FAR_M from every place, and exchanged
    CLOSER times as near to one.
    """
    at = lat_lon_deg(catalogue)
    possible = np.abs(at[:, 1]) <= 90
    if source == "simulated" or not possible.any():
        return []
    here, there = (addresses.of(np.where(possible[:, None], place, 0)) for place in (at, at[:, ::-1]))
    far = possible & ((here.distance_m > FAR_M) & (here.distance_m > CLOSER * there.distance_m)).to_numpy()
    if far.sum() <= len(far) / 2:
        return []
    first = int(far.argmax())
    return [
        f"{far.sum():,} of {len(far):,} photos lie far from every town, and near one with latitude and longitude "
        f"exchanged: the first, at latitude {at[first, 0]:.4f}, longitude {at[first, 1]:.4f}, would be "
        f"{length(there.distance_m[first])} from {there.town[first].partition(',')[0]}, {there.country[first]}. If "
        "they were exchanged, set swap_lat_lon: true of source 'table', or look where the positions come from."
    ]


def streets(file, catalogue):
    """Streets around the photos of a catalogue: a table of the columns STREETS, '' for a street without a name.

    file: an extract of OpenStreetMap (© OpenStreetMap contributors, ODbL), of which HIGHWAYS are taken, or lines of any
    format that GDAL reads, with their names in a column street or name. FileNotFoundError; ValueError for a wrong file.
    """
    import geopandas

    path = picture_path(str(file))
    if not path.exists():
        raise FileNotFoundError(f"streets_file {file} does not exist: download an extract, or leave it empty")
    rows = []
    for city, here in catalogue.groupby("city", sort=True):
        rows.append(_lines(path, here.total_bounds).assign(city=city, country=here.country.mode()[0]))
    found = pd.concat(rows, ignore_index=True).assign(licence=OWED if path.suffix.lower() in OSM else "")
    if not len(found):
        raise ValueError(f"streets_file {file} holds no street near a photo: is it an extract of another place?")
    return geopandas.GeoDataFrame(found[list(STREETS)], crs="EPSG:4326")


def _lines(path, bounds):
    """Lines in a file that meet the bounds (west, south, east, north) [degree] or their margin: street, geometry."""
    import geopandas
    import shapely

    osm = path.suffix.lower() in OSM
    layer = "lines" if osm else geopandas.list_layers(path).name[0]
    if geopandas.read_file(path, layer=layer, rows=1).crs is None:
        raise ValueError(f"{path.name} does not say in which coordinate system its lines are: write it with one")
    around = shapely.box(*bounds).buffer(MARGIN_DEG, join_style="mitre")
    table = geopandas.read_file(path, bbox=geopandas.GeoSeries([around], crs="EPSG:4326"), layer=layer)
    if osm:
        table = table[table.highway.isin([*HIGHWAYS, *(f"{name}_link" for name in HIGHWAYS)])]
    names = next((table[column] for column in ("street", "name") if column in table), None)
    if names is None:
        raise ValueError(f"{path.name} has no column street or name; it has {', '.join(table.columns)}")
    lines = table[["geometry"]].assign(street=names.fillna("").astype(str)).to_crs("EPSG:4326")
    lines = lines.clip(around).explode(ignore_index=True)  # what only passes by would lead a gallery far away
    return lines[lines.geom_type == "LineString"].reset_index(drop=True)


def along(catalogue, lines):
    """The catalogue with the name of the nearest named street within STREET_M where the source names none."""
    import geopandas

    catalogue = catalogue.copy()
    for city, here in catalogue[catalogue.street.fillna("") == ""].groupby("city"):
        there = lines[(lines.city == city) & (lines.street != "")]
        if not len(there):
            continue
        metric = here.estimate_utm_crs()  # a scale within a thousandth of 1
        pairs = geopandas.sjoin_nearest(
            here[["geometry"]].to_crs(metric), there[["street", "geometry"]].to_crs(metric), max_distance=STREET_M
        )
        nearest = pairs.sort_values("street").groupby(level=0).street.first()
        catalogue.loc[nearest.index, "street"] = nearest
    return catalogue
