"""The streets as lines for the base map, and their bounds; the register's places where there is no network."""

import hashlib
from pathlib import Path
from typing import Any

from city.register import Register
from routing.network import Network
from routing.network_file import source_of
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


def import_streets(extract: Path, out: Path) -> tuple[Network, bool]:
    """Return the network of an OpenStreetMap extract, and whether it had to be read.

    It is kept at `out`, and read again only when the extract's content, or the way of reading it, is another one.

    Raises
    ------
    BadFile
        The extract is missing or holds no streets.
    """
    if not extract.is_file():
        return read_osm(extract), True
    with extract.open("rb") as file:
        made_from = f"osm:{READER}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if source_of(out) == made_from:
        return Network.load(out), False
    network = read_osm(extract)
    out.parent.mkdir(parents=True, exist_ok=True)
    network.save(out, made_from)
    return network, True


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
