"""True driving: over the streets as they really are at that moment, jams included."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.places import Approach
from city.register import Register
from routing.congestion import ObservedApproach, edge_factors
from routing.geometry import distance_m
from routing.network import Network
from routing.travel import TravelTimes

Floats = npt.NDArray[np.float64]

_REFRESH_S = 300.0
_JAM_RATIO = 0.5


class Leg(NamedTuple):
    """A way driven: the line `(n, 2)` (lon, lat), how far along each point is `(n,)` 0..1, and how long it takes."""

    line: Floats
    share: Floats
    duration_s: float
    distance_m: float

    def at(self, share: float) -> tuple[float, float]:
        """Return (lon, lat) at a share of the way."""
        return (
            float(np.interp(share, self.share, self.line[:, 0])),
            float(np.interp(share, self.share, self.line[:, 1])),
        )


class Roads:
    """The streets with their true congestion.

    Travel times are made anew when a jam begins or ends, and else every five minutes; a leg that was begun in a jam
    keeps its length.

    Parameters
    ----------
    network
        The streets.
    register
        Positions of the approaches.
    speed_ratio
        True speed as a share of the free speed at a time, `(n_approaches,)` in the register's order, NaN = unknown.
    """

    def __init__(self, network: Network, register: Register, speed_ratio: Callable[[float], Floats]) -> None:
        self._network = network
        self._speed_ratio = speed_ratio
        approaches: Sequence[Approach] = list(register.approaches.values())
        positions = [register.position(a.id) for a in approaches]
        self._places = [(p.lon, p.lat, a.bearing_deg) for a, p in zip(approaches, positions, strict=True) if p]
        self._travel = TravelTimes(network)
        self._made_at_s = -np.inf
        self._jams: bytes = b""

    def leg(self, start: tuple[float, float], end: tuple[float, float], at_s: float) -> Leg:
        """Return the way from `start` to `end` (lon, lat) as it is for who leaves at `at_s`."""
        travel = self._travel_at(at_s)
        nodes, _ = travel.snap([start[0], end[0]], [start[1], end[1]])
        a, b = int(nodes[0]), int(nodes[1])
        if a == b:
            line = np.array([start, end])
            metres = float(distance_m(*start, *end))
            return Leg(line, np.array([0.0, 1.0]), max(5.0, metres / 5.0), metres)
        way = travel.ways([(a, b)])[0]
        steps = distance_m(way.line[:-1, 0], way.line[:-1, 1], way.line[1:, 0], way.line[1:, 1])
        along = np.concatenate([[0.0], np.cumsum(steps)])
        share = along / along[-1] if along[-1] > 0 else np.linspace(0.0, 1.0, len(along))
        return Leg(way.line, share, way.duration_s, way.distance_m)

    def _travel_at(self, at_s: float) -> TravelTimes:
        if not self._places:
            return self._travel
        ratio = self._speed_ratio(at_s)
        jams = (ratio < _JAM_RATIO).tobytes()
        if jams != self._jams or abs(at_s - self._made_at_s) > _REFRESH_S:
            observed = [
                ObservedApproach(lon, lat, bearing, float(r))
                for (lon, lat, bearing), r in zip(self._places, ratio, strict=True)
            ]
            self._travel = TravelTimes(self._network, edge_factors(self._network, observed))
            self._made_at_s, self._jams = at_s, jams
        return self._travel
