"""Putting places onto a street network: clusters along streets, detectors on the arms of junctions, a depot."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from city.places import Approach, Junction
from routing.geometry import distance_m
from routing.network import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_APPROACHES = 4
_COMPASS = ("noord", "noordoost", "oost", "zuidoost", "zuid", "zuidwest", "west", "noordwest")


class Spot(NamedTuple):
    """Where a cluster stands: beside a street."""

    lon: float
    lat: float
    street: str


def place_clusters(network: Network, n: int, rng: np.random.Generator, apart_m: float = 60.0) -> list[Spot]:
    """Return `n` spots beside slow streets, spread over the city and at least `apart_m` apart where there is room."""
    inside = network.core[network.edge_from] & network.core[network.edge_to]
    slow = np.flatnonzero(inside & (network.edge_speed_kph <= 35.0))
    edges = slow if len(slow) >= 1 else np.flatnonzero(inside)
    chosen: list[Spot] = []
    lon = np.empty(n)
    lat = np.empty(n)
    tries = 0
    while len(chosen) < n:
        edge = int(edges[rng.integers(len(edges))])
        a, b = network.edge_from[edge], network.edge_to[edge]
        t = rng.uniform(0.2, 0.8)
        at_lon = float(network.node_lon[a] + t * (network.node_lon[b] - network.node_lon[a]))
        at_lat = float(network.node_lat[a] + t * (network.node_lat[b] - network.node_lat[a]))
        k = len(chosen)
        tries += 1
        crowded = k and float(distance_m(at_lon, at_lat, lon[:k], lat[:k]).min()) < apart_m
        if crowded and tries < 40 * n:
            continue
        lon[k], lat[k] = at_lon, at_lat
        chosen.append(Spot(round(at_lon, 6), round(at_lat, 6), str(network.edge_name[edge])))
    return chosen


def place_junctions(
    network: Network, n: int, first: Sequence[int] = (), least_arms: int = 3
) -> list[tuple[Junction, list[Approach], Ints]]:
    """Return up to `n` junctions with their approaches and the edges `(n_approaches,)` that these are.

    Nodes of `first` are preferred, then the network's signals, then crossings of fast streets. Two junctions stand at
    least 120 m apart; each has at most `MOST_APPROACHES` approaches, the fastest streets first.
    """
    order = np.argsort(network.edge_to, kind="stable")
    bounds = np.searchsorted(network.edge_to[order], np.arange(network.n_nodes + 1))
    degree = np.diff(bounds)
    importance = np.zeros(network.n_nodes)
    np.maximum.at(importance, network.edge_to, network.edge_speed_kph)
    rest = np.flatnonzero(network.core & (degree >= least_arms))
    rest = rest[np.argsort(-(importance[rest] + degree[rest]), kind="stable")]
    made: list[tuple[Junction, list[Approach], Ints]] = []
    taken: list[int] = []
    for node in [*map(int, first), *network.signal_nodes.tolist(), *rest.tolist()]:
        if len(made) == n:
            break
        edges = order[bounds[node] : bounds[node + 1]]
        edges = edges[network.core[network.edge_from[edges]]]
        if not network.core[node] or len(edges) < 2 or (taken and _nearest_m(network, node, taken) < 120.0):
            continue
        taken.append(node)
        edges = edges[np.argsort(-network.edge_speed_kph[edges], kind="stable")][:MOST_APPROACHES]
        made.append(_junction(network, node, edges, len(made) + 1))
    return made


def crossings_passed(network: Network, stops: Ints, centres: Ints) -> Ints:
    """Return how often each edge `(n_edges,)` lies on a fastest way between `centres` and `stops`, both directions.

    It tells where trucks plausibly pass, before any plan is made.
    """
    passed = np.zeros(network.n_edges, dtype=np.int64)
    duration_s = network.edge_length_m / (network.edge_speed_kph / 3.6)
    n = network.n_nodes
    for start, end in ((network.edge_from, network.edge_to), (network.edge_to, network.edge_from)):
        graph = csr_matrix((duration_s, (start, end)), shape=(n, n))
        _, before = dijkstra(graph, indices=centres, return_predecessors=True)
        step = {(int(a), int(b)): e for e, (a, b) in enumerate(zip(start, end, strict=True))}
        for row in before:
            for stop in stops:
                node = int(stop)
                while row[node] >= 0:
                    previous = int(row[node])
                    passed[step[previous, node]] += 1
                    node = previous
    return passed


def edge_place(network: Network, bearing_deg: float, share: float, rng: np.random.Generator) -> int:
    """Return a node out in that direction, about `share` of the way to the edge: for a depot or an unloading site."""
    # Of most streets, not of all: an extract has roads that lead far out of it.
    west, east = np.percentile(network.node_lon[network.core], [3, 97])
    south, north = np.percentile(network.node_lat[network.core], [3, 97])
    lon = (west + east) / 2 + share * (east - west) / 2 * np.sin(np.radians(bearing_deg))
    lat = (south + north) / 2 + share * (north - south) / 2 * np.cos(np.radians(bearing_deg))
    return int(network.nearest(lon + rng.normal(0, 1e-4), lat + rng.normal(0, 1e-4)))


def _junction(network: Network, node: int, edges: Ints, number: int) -> tuple[Junction, list[Approach], Ints]:
    names: list[str] = []
    for edge in edges:
        name = str(network.edge_name[edge])
        if name and name not in names:
            names.append(name)
    title = " / ".join(names[:2]) or f"Kruispunt {number}"
    id = f"j{number:02d}"
    junction = Junction(id, title, round(float(network.node_lon[node]), 6), round(float(network.node_lat[node]), 6))
    approaches = []
    for arm, edge in enumerate(edges, start=1):
        bearing = round(float(network.edge_bearing_deg[edge]), 1)
        speed = float(network.edge_speed_kph[edge])
        side = _COMPASS[round(((bearing + 180.0) % 360.0) / 45.0) % 8]
        street = str(network.edge_name[edge]) or title
        approaches.append(
            Approach(f"{id}-{arm}", id, f"{street} ({side})", bearing, 2 if speed >= 45.0 else 1, min(speed, 80.0))
        )
    return junction, approaches, edges


def _nearest_m(network: Network, node: int, others: Sequence[int]) -> float:
    some = np.array(others)
    return float(
        distance_m(network.node_lon[node], network.node_lat[node], network.node_lon[some], network.node_lat[some]).min()
    )
