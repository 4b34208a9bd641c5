"""A made-up day of collection on the real streets of Heidelberg: what the solver's benchmarks share."""

from dataclasses import dataclass

import numpy as np

from bench._judge import shared
from city.places import Depot, Truck, UnloadingSite
from city.plans import Job
from routing.geometry import Floats
from routing.network import Network
from routing.osm import read_osm
from routing.problem import CollectionProblem
from routing.travel import TravelTimes

DAY_S = 1_772_406_000.0
SEVEN_S = DAY_S + 7 * 3600.0
# Clusters hold one to three containers of about 300 kg and 4 m3, pressed to a fifth in the truck.
_KG, _M3 = 300.0, 0.8
_RADIUS_M, _JAM_RADIUS_M = 5_000.0, 700.0


@dataclass(frozen=True)
class City:
    """The streets, and places drawn from them at random but always the same."""

    network: Network
    lon: Floats
    lat: Floats


def heidelberg(places: int, seed: int) -> City:
    """Return Heidelberg with so many places beside its streets.

    Raises
    ------
    MissingPart
        The development data are not there.
    """
    network = read_osm(shared("data", "osm", "heidelberg.test.osm.pbf"))
    rng = np.random.default_rng(seed)
    east_m, north_m = _from_middle(network, network.node_lon, network.node_lat)
    near = np.hypot(east_m, north_m)[network.edge_to] < _RADIUS_M
    edges = rng.choice(np.flatnonzero(network.core_edges & near), places, replace=False)
    ends = network.edge_to[edges]
    return City(network, network.node_lon[ends], network.node_lat[ends])


def day(city: City, clusters: int, cranes: int, loose: int, grabs: int, breaks: bool = True) -> CollectionProblem:
    """Return a day on which the first places are clusters, the next loose waste; the last two are depot and site."""
    rng = np.random.default_rng(clusters)
    pauses = ((10.0, 30.0), (12.0, 30.0)) if breaks else ()
    trucks = [
        Truck(f"crane-{i}", f"Crane {i}", "crane", "depot", ("residual",), 24.0, 9500.0, breaks=pauses)
        for i in range(cranes)
    ]
    trucks += [Truck(f"grab-{i}", f"Grab {i}", "grab", "depot", (), 15.0, 4000.0, breaks=pauses) for i in range(grabs)]
    jobs = []
    for i in range(clusters + loose):
        containers = int(rng.integers(1, 4))
        # One cluster of eight stands in an inner city that has to be empty by eleven.
        latest_s = DAY_S + 11 * 3600.0 if i < clusters and i % 8 == 0 else None
        jobs.append(job(city, i, containers, latest_s) if i < clusters else loose_job(city, i))
    depot = Depot("depot", "Depot", float(city.lon[-1]), float(city.lat[-1]))
    site = UnloadingSite("site", "Site", float(city.lon[-2]), float(city.lat[-2]), 6.0, 18.0)
    return CollectionProblem(
        tuple(jobs), tuple(trucks), (depot,), (site,), DAY_S, SEVEN_S - 600.0, TravelTimes(city.network)
    )


def job(city: City, at: int, containers: int, latest_s: float | None) -> Job:
    """Return the emptying of a cluster."""
    names = tuple(f"c-{at}-{i}" for i in range(containers))
    return Job(
        f"cluster-{at}",
        "empty",
        f"k-{at}",
        float(city.lon[at]),
        float(city.lat[at]),
        "residual",
        names,
        _M3 * containers,
        _KG * containers,
        120.0 + 60.0 * containers,
        latest_s=latest_s,
    )


def loose_job(city: City, at: int) -> Job:
    """Return the clearing of waste beside a cluster."""
    return Job(
        f"loose-{at}",
        "clear",
        f"k-{at}",
        float(city.lon[at]),
        float(city.lat[at]),
        "residual",
        (),
        0.8,
        90.0,
        240.0,
        incident=f"incident-{at}",
    )


def jam(city: City, slower: float = 4.0) -> TravelTimes:
    """Return travel with a jam around the densest part of the places: streets there take so many times as long."""
    east_m, north_m = _from_middle(city.network, city.lon, city.lat)
    inside = np.hypot(east_m, north_m)[city.network.edge_to] < _JAM_RADIUS_M
    return TravelTimes(city.network, np.where(inside, slower, 1.0))


def _from_middle(network: Network, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return metres east and north of each node of the network, from the middle of some places."""
    middle_lon, middle_lat = np.median(lon), np.median(lat)
    east_m = (network.node_lon - middle_lon) * 111_320.0 * np.cos(np.radians(middle_lat))
    return east_m, (network.node_lat - middle_lat) * 111_320.0
