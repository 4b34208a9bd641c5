"""From what detectors see on the arms of junctions to how much longer each street takes."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from routing.geometry import Bools, Floats, bearing_deg, distance_m, turn_deg
from routing.network import Network

# A jammed street still moves: beyond this the measured ratio says more about the detector than about the way.
LARGEST_FACTOR = 10.0
# A junction of the network is several nodes where carriageways are apart.
JUNCTION_RADIUS_M = 45.0
SAME_HEADING_DEG = 45.0


@dataclass(frozen=True)
class ObservedApproach:
    """What is known now about traffic that heads into a junction.

    `bearing_deg` is the heading of the traffic, 0 = north; `speed_ratio` is its speed as a share of the free speed, NaN
    = unknown. `delay_s` is what the queue at the stop line costs on top of that, seconds, NaN = unknown: give it only
    where the speed was measured upstream of the queue, or the wait counts twice.
    """

    lon: float
    lat: float
    bearing_deg: float
    speed_ratio: float
    delay_s: float = math.nan


class EdgeCongestion(NamedTuple):
    """What traffic does to each edge, `(n_edges,)` each.

    `factor` float64 multiplies travel time; `known` bool: an observation speaks of it; `exit_delay_s` float64 is added
    to every movement out of the edge.
    """

    factor: Floats
    known: Bools
    exit_delay_s: Floats


def edge_factors(network: Network, observed: Sequence[ObservedApproach], radius_m: float = 300.0) -> Floats:
    """Return `(n_edges,)` float64: how many times longer each edge takes than when it is free.

    1 where nothing is known; `edge_congestion` tells unknown from free.
    """
    return edge_congestion(network, observed, radius_m).factor


def edge_congestion(network: Network, observed: Sequence[ObservedApproach], radius_m: float = 300.0) -> EdgeCongestion:
    """Return how much longer each edge takes, and of which edges that is known.

    An edge that enters the junction in the observed direction takes 1 / `speed_ratio` times as long, at least 1 and at
    most 10 times. The same holds, less and less, for the street upstream of it: at `radius_m` along the street
    nothing of it is left. A known delay is on every movement out of the edges that enter the junction. Of several
    observations of an edge the worst counts. What is unknown changes nothing.

    Parameters
    ----------
    network
        The streets.
    observed
        Approaches, one observation each.
    radius_m
        How far upstream an observation reaches, metres along the street.
    """
    factor = np.ones(network.n_edges)
    known = np.zeros(network.n_edges, dtype=bool)
    entering: dict[int, list[int]] = defaultdict(list)
    for edge, node in enumerate(network.edge_to.tolist()):
        entering[node].append(edge)
    exit_delay_s = np.zeros(network.n_edges)
    for one in observed:
        if math.isfinite(one.delay_s) and np.isfinite([one.lon, one.lat, one.bearing_deg]).all():
            for edge, upstream_m in _street_before(network, entering, one, radius_m):
                if upstream_m <= 0:
                    exit_delay_s[edge] = max(exit_delay_s[edge], one.delay_s)
                    known[edge] = True
        ratio = one.speed_ratio
        if not np.isfinite([ratio, one.lon, one.lat, one.bearing_deg]).all():
            continue
        worst = float(np.clip(1.0 / max(ratio, 1e-9), 1.0, LARGEST_FACTOR))
        for edge, upstream_m in _street_before(network, entering, one, radius_m):
            share = max(0.0, 1.0 - upstream_m / radius_m) if radius_m > 0 else float(upstream_m <= 0)
            factor[edge] = max(factor[edge], 1.0 + (worst - 1.0) * share)
            known[edge] = True
    return EdgeCongestion(factor, known, exit_delay_s)


def _street_before(
    network: Network, entering: dict[int, list[int]], one: ObservedApproach, radius_m: float
) -> list[tuple[int, float]]:
    """Edges that lead into the junction with the observed heading, with their metres upstream of it."""
    away_m = distance_m(network.node_lon, network.node_lat, one.lon, one.lat)
    junction = set(np.flatnonzero(away_m <= max(JUNCTION_RADIUS_M, float(away_m.min()))).tolist())
    found: dict[int, float] = {}
    waiting = [
        (edge, 0.0, one.bearing_deg)
        for node in sorted(junction)
        for edge in entering[node]
        if int(network.edge_from[edge]) not in junction
    ]
    while waiting:
        edge, upstream_m, heading_deg = waiting.pop()
        if upstream_m >= max(radius_m, 1e-9) or found.get(edge, np.inf) <= upstream_m:
            continue
        if float(turn_deg(network.edge_bearing_deg[edge], heading_deg)) > SAME_HEADING_DEG:
            continue
        found[edge] = upstream_m
        # The heading at the start of the edge decides what leads straight into it.
        (lon_a, lat_a), (lon_b, lat_b) = network.edge_line(edge)[:2]
        start_deg = float(bearing_deg(lon_a, lat_a, lon_b, lat_b))
        waiting += [
            (before, upstream_m + float(network.edge_length_m[edge]), start_deg)
            for before in entering[int(network.edge_from[edge])]
            if network.edge_from[before] != network.edge_to[edge]
        ]
    return sorted(found.items())
