"""The streets that a drawn round is driven over, leg by leg."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from city.plans import Round
from routing.driving_rules import DrivingRules
from routing.geometry import Floats, distance_m, local_metres
from routing.network import Network
from routing.travel import TravelTimes, Way
from routing.truck_limits import TruckSize

# A round's line is simplified to 4 m, or more when it is long; a street beside it is farther off than this.
_ON_LINE_M = 15.0
_STEP_M = 5.0
_OFF_LINE_FACTOR = 8.0
_SAME_M = 20.0
_SAME_SHARE = 0.02


def driven_ways(network: Network, one: Round, size: TruckSize | None = None) -> list[Way]:
    """Return the way of each leg of a round, from stop to stop, along the line that the round was drawn with.

    Traffic has changed since the round was planned: a search now might lead elsewhere than the map says. Streets that
    are too small for the truck are no ways, also where the round has no line or leaves it.

    Parameters
    ----------
    network
        The streets.
    one
        The round.
    size
        The truck that drives it; None = not known.

    Raises
    ------
    BadInput
        A stop has no way to the next over these streets.
    """
    line = np.array(one.path).reshape(-1, 2)
    rules = DrivingRules(size=size or TruckSize())
    travel = TravelTimes(network, line_factors(network, line), rules=rules)
    points, _ = travel.snap([stop.lon for stop in one.stops], [stop.lat for stop in one.stops])
    legs = [(int(a), int(b)) for a, b in pairwise(points)]
    ways = travel.ways(legs)
    for i, part in enumerate(_cut_at(line, [network.kerbs.place(int(point)) for point in points])):
        # The round crosses itself, and another leg's line was shorter: look along this leg's line alone.
        if abs(ways[i].distance_m - _length_m(part)) > _SAME_M + _SAME_SHARE * ways[i].distance_m:
            ways[i] = TravelTimes(network, line_factors(network, part), rules=rules).ways([legs[i]])[0]
    return ways


def line_factors(network: Network, line: Floats) -> Floats:
    """Return `(n_edges,)` float64: 1 for edges along a line `(n, 2)` of (lon, lat), more for all others."""
    if len(line) < 2:
        return np.ones(network.n_edges)
    origin = (float(line[0, 0]), float(line[0, 1]))
    points = local_metres(line[:, 0], line[:, 1], origin)
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    at = np.arange(0.0, along[-1] + _STEP_M, _STEP_M)
    drawn = cKDTree(np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=1))
    node_m, _ = drawn.query(local_metres(network.node_lon, network.node_lat, origin))
    middle = _middles(network)
    middle_m, _ = drawn.query(local_metres(middle[:, 0], middle[:, 1], origin))
    away_m = np.maximum(np.maximum(node_m[network.edge_from], node_m[network.edge_to]), middle_m)
    return np.where(away_m <= _ON_LINE_M, 1.0, _OFF_LINE_FACTOR)


def _middles(network: Network) -> Floats:
    """Return `(n_edges, 2)` float64: (lon, lat) of the bend in the middle of each edge, or of its straight's middle."""
    lon = (network.node_lon[network.edge_from] + network.node_lon[network.edge_to]) / 2
    lat = (network.node_lat[network.edge_from] + network.node_lat[network.edge_to]) / 2
    bent = np.flatnonzero(np.diff(network.shape_start))
    bend = (network.shape_start[bent] + network.shape_start[bent + 1]) // 2
    lon[bent], lat[bent] = network.shape_lon[bend], network.shape_lat[bend]
    return np.stack([lon, lat], axis=1)


def _cut_at(line: Floats, stops: Sequence[tuple[float, float]]) -> list[Floats]:
    """Return the line of each leg; none where the line does not pass the stops."""
    if len(line) < 2:
        return []
    origin = (float(line[0, 0]), float(line[0, 1]))
    points = local_metres(line[:, 0], line[:, 1], origin)
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    at = np.unique(np.r_[np.arange(0.0, along[-1], _STEP_M), along])
    drawn = np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1)
    passed = [0]
    for lon, lat in stops[1:]:
        away_m = np.hypot(*(drawn[passed[-1] :] - local_metres(lon, lat, origin)).T)
        near = np.flatnonzero(away_m <= _ON_LINE_M)
        if not len(near):
            return []
        # Nearest within the first time that the line comes by.
        first = near[: int(np.argmax(np.diff(near, append=near[-1] + 2) > 1)) + 1]
        passed.append(passed[-1] + int(first[np.argmin(away_m[first])]))
    lon, lat = np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])
    return [np.stack([lon[a : b + 1], lat[a : b + 1]], axis=1) for a, b in pairwise(passed)]


def _length_m(line: Floats) -> float:
    return float(distance_m(line[:-1, 0], line[:-1, 1], line[1:, 0], line[1:, 1]).sum())
