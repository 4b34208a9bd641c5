"""The streets as lines for the base map, and their bounds; the register's places where there is no network."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from city.errors import BadFile
from city.register import Register
from routing.network import Network
from routing.network_file import source_of
from routing.opening_hours import with_zone
from routing.osm import READER, read_osm

_MAJOR_KPH = 45.0


def read_network(folder: Path) -> Network:
    """Read ``network.npz`` of a data folder.

    Raises
    ------
    BadFile
        It is missing or is none.
    """
    return Network.load(folder / "network.npz")


class Zone(NamedTuple):
    """An area that trucks may enter between two hours of the local day; corners in degrees."""

    lon: list[float]
    lat: list[float]
    opens_hour: float
    closes_hour: float


def import_streets(extract: Path, out: Path, zones: Path | None = None) -> tuple[Network, bool]:
    """Return the network of an OpenStreetMap extract, and whether it had to be read.

    It is kept at `out`, and read again only when the content of the extract or of the zones, or the way of reading
    them, is another one.

    Raises
    ------
    BadFile
        The extract is missing or holds no streets, or `zones` are none.
    """
    if not extract.is_file():
        return read_osm(extract), True
    areas = read_zones(zones) if zones else []
    with extract.open("rb") as file:
        made_from = f"osm:{READER}:{hashlib.file_digest(file, 'sha256').hexdigest()}:{areas}"
    if source_of(out) == made_from:
        return Network.load(out), False
    network = read_osm(extract)
    for one in areas:
        network = with_zone(network, *one)
    out.parent.mkdir(parents=True, exist_ok=True)
    network.save(out, made_from)
    return network, True


def read_zones(path: Path) -> list[Zone]:
    """Return the areas of a GeoJSON file: polygons with the properties `opensHour` and `closesHour`.

    Of a polygon the outer ring counts.

    Raises
    ------
    BadFile
        The file is missing, or an area in it is none.
    """
    fix = "Give a FeatureCollection of Polygons with opensHour and closesHour, hours of the local day from 0 to 24."
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except FileNotFoundError:
        raise BadFile("There is no such file.", fix, file=str(path)) from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadFile(f"This is no GeoJSON ({type(error).__name__}).", fix, file=str(path)) from None
    zones: list[Zone] = []
    for number, feature in enumerate(features, start=1):
        try:
            if feature["geometry"]["type"] != "Polygon":
                raise ValueError(f"it is a {feature['geometry']['type']}")
            ring = [(float(lon), float(lat)) for lon, lat, *_ in feature["geometry"]["coordinates"][0]]
            hours = [float(feature["properties"][name]) for name in ("opensHour", "closesHour")]
            if len(ring) < 3 or not all(0.0 <= one <= 24.0 for one in hours):
                raise ValueError("it has no corners or no hours")
            if hours[0] == hours[1]:
                raise ValueError("it opens and closes at the same hour")
        except (ValueError, LookupError, TypeError) as error:
            raise BadFile(f"Area {number} is none ({error}).", fix, file=str(path)) from None
        zones.append(Zone([lon for lon, _ in ring], [lat for _, lat in ring], *hours))
    return zones


def street_features(network: Network) -> dict[str, Any]:
    """Return the streets as GeoJSON; the property `class` is major or minor."""
    collection = network.to_geojson(decimals=5)
    for feature in collection["features"]:
        properties = feature["properties"]
        properties["class"] = "major" if properties["speedKph"] >= _MAJOR_KPH else "minor"
    return collection


def bounds_of(register: Register, network: Network) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the places; of the streets where there are no places."""
    points = [(one.lon, one.lat) for one in register.clusters.values()]
    points += [(one.lon, one.lat) for one in register.junctions.values()]
    points += [(one.lon, one.lat) for one in register.depots.values()]
    if not points:
        return network.bounds
    lons, lats = zip(*points, strict=True)
    return min(lons), min(lats), max(lons), max(lats)
