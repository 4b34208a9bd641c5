"""Travel times and distances: along a road network with live congestion, or from a table made elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from city.errors import BadInput
from routing.driving_rules import DrivingRules
from routing.geometry import Bools, Floats, Ints, distance_m
from routing.network import Network
from routing.way_search import DECIMETRES, EdgePart, WaySearch, driven, entry_weight

# Sums of weights are exact up to here: 37 hours and 6,700 km, more than any round.
_TOO_FAR = 2.0**53


@dataclass(frozen=True, eq=False)
class Matrix:
    """Travel between points: `(n, n)` float64 each, seconds and metres, from the row's point to the column's."""

    duration_s: Floats
    distance_m: Floats

    def __len__(self) -> int:
        return len(self.duration_s)


class Way(NamedTuple):
    """The way from one point to another: `line` `(m, 2)` float64, (lon, lat); what `Matrix` says of it.

    `parts` are the edges driven, each from one share of it to another; empty where streets are not known.
    """

    line: Floats
    duration_s: float
    distance_m: float
    parts: tuple[EdgePart, ...] = ()


class Travel(Protocol):
    """What the collection problem asks of travel times. Points are known by an int that `snap` gave."""

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """Return the points `(n,)` that stand for coordinates `(n,)`, and how many metres away those are."""
        ...

    def matrix(self, points: ArrayLike) -> Matrix:
        """Return travel between all of `points` `(n,)`; inf = no way."""
        ...

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """Return the way of each leg (from point, to point)."""
        ...


class TravelTimes:
    """Travel over a road network, in which each edge takes `edge_factor` times as long as when it is free.

    The fastest way that the truck may drive is taken, turns included; among equally fast ones the shortest.

    Parameters
    ----------
    network
        The streets.
    edge_factor
        `(n_edges,)` float64, finite, above 0: 1 = free, 3 = takes three times as long. None = all free.
    exit_delay_s
        `(n_edges,)` float64, seconds, 0 or more: what traffic adds to each movement that leaves an edge. None = 0.
    rules
        What turns cost, how large the truck is, and the hour.

    Raises
    ------
    BadInput
        The factors or delays do not fit the network or are no such numbers.
    """

    def __init__(
        self,
        network: Network,
        edge_factor: Floats | None = None,
        exit_delay_s: Floats | None = None,
        rules: DrivingRules | None = None,
    ) -> None:
        self.network = network
        self.rules = rules or DrivingRules()
        self.edge_factor = _one_each(network, edge_factor, "factors", 1.0)
        if not (np.isfinite(self.edge_factor).all() and (self.edge_factor > 0).all()):
            raise BadInput("A factor of travel time is not a number above 0.", "Use 1 where congestion is unknown.")
        self.exit_delay_s = _one_each(network, exit_delay_s, "delays", 0.0)
        if not (np.isfinite(self.exit_delay_s).all() and (self.exit_delay_s >= 0).all()):
            raise BadInput("A delay is not a number of 0 or more.", "Use 0 where a delay is unknown.")

    @cached_property
    def edge_duration_s(self) -> Floats:
        """`(n_edges,)` float64, seconds to drive each edge now, without what follows at its end."""
        return self.network.edge_length_m / (self.network.edge_speed_kph / 3.6) * self.edge_factor

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`: points are kerbs or nodes, from which every street can be reached."""
        return self.network.kerbs.snap(lon, lat)

    def matrix(self, points: ArrayLike) -> Matrix:
        """Return travel between all pairs of points.

        Parameters
        ----------
        points
            `(n,)` int64 that `snap` gave, or nodes; the same point may stand more than once.

        Returns
        -------
        Matrix
            `(n, n)`; the distance is the one along the fastest way. inf where there is no way.
        """
        known, back = np.unique(np.asarray(points, dtype=np.int64), return_inverse=True)
        weight = self._search.weights_between(known)
        unreached = ~(weight < _TOO_FAR)
        weight[unreached] = 0.0
        duration_s, distance = self._driven(weight)
        duration_s[unreached] = distance[unreached] = np.inf
        if len(back) == len(known) and (back[1:] > back[:-1]).all():
            return Matrix(duration_s, distance)
        return Matrix(duration_s[np.ix_(back, back)], distance[np.ix_(back, back)])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`.

        Raises
        ------
        BadInput
            There is no way.
        """
        return [self._way(int(a), int(b)) for a, b in legs]

    def path(self, a: int, b: int) -> list[tuple[float, float]]:
        """Return (lon, lat) along the streets from point `a` to point `b`.

        Raises
        ------
        BadInput
            There is no way.
        """
        return [(float(lon), float(lat)) for lon, lat in self._way(a, b).line]

    def __getstate__(self) -> dict[str, Any]:
        names = ("network", "edge_factor", "exit_delay_s", "rules")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _way(self, a: int, b: int) -> Way:
        weight, parts = self._search.way_between(a, b)
        kerbs = self.network.kerbs
        lines = [np.array([kerbs.place(a)])] + [kerbs.line(*part)[1:] for part in parts]
        duration_s, distance = self._driven(np.array(weight))
        return Way(np.concatenate(lines), float(duration_s), float(distance), tuple(parts))

    def _driven(self, weight: Floats) -> tuple[Floats, Floats]:
        return driven(weight, None if self._closed is None else self.rules.closed_entry_s)

    @cached_property
    def _closed(self) -> Bools | None:
        return self.rules.closed(self.network)

    @cached_property
    def _search(self) -> WaySearch:
        milliseconds = np.maximum(1.0, np.round(self.edge_duration_s * 1000.0))
        weight = milliseconds * DECIMETRES + np.round(self.network.edge_length_m * 10.0)
        weight[self.rules.shut(self.network)] = np.inf
        movements = self.network.graph.movements
        delay_s = self.rules.turns.seconds(movements) + self.exit_delay_s[movements.state_edge[movements.from_state]]
        entry_s = self.rules.closed_entry_s
        entry = np.inf if entry_s is None else entry_weight(entry_s)
        delay = np.round(delay_s * 1000.0) * DECIMETRES
        return WaySearch(self.network, weight, delay, self._closed, entry)


def _one_each(network: Network, values: Floats | None, what: str, usual: float) -> Floats:
    known = np.full(network.n_edges, usual) if values is None else np.asarray(values, dtype=float)
    if known.shape != (network.n_edges,):
        raise BadInput(
            f"{known.size} {what} do not fit a network of {network.n_edges} edges.", "Give one for each edge."
        )
    return known


class TravelTable:
    """Travel from a table that something else made: another router, or a benchmark instance.

    Parameters
    ----------
    lon, lat
        `(n,)` float64, degrees (any plane coordinates will do): where the points are.
    duration_s, distance_m
        `(n, n)` float64, seconds and metres.

    Raises
    ------
    BadInput
        The table does not fit the points.
    """

    def __init__(self, lon: ArrayLike, lat: ArrayLike, duration_s: ArrayLike, distance_m: ArrayLike) -> None:
        self.lon, self.lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        self.duration_s = np.asarray(duration_s, dtype=float)
        self.distance_m = np.asarray(distance_m, dtype=float)
        n = len(self.lon)
        if not (len(self.lat) == n and self.duration_s.shape == self.distance_m.shape == (n, n)):
            raise BadInput(
                f"A table of {self.duration_s.shape} and {self.distance_m.shape} does not fit {n} points.",
                "Give one row and one column for each point.",
            )

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`: the nearest of the table's points."""
        lons, lats = np.atleast_1d(np.asarray(lon, dtype=float)), np.atleast_1d(np.asarray(lat, dtype=float))
        away = distance_m(lons[:, None], lats[:, None], self.lon, self.lat)
        points = np.argmin(away, axis=1)
        return points, away[np.arange(len(points)), points]

    def matrix(self, points: ArrayLike) -> Matrix:
        """See `Travel.matrix`."""
        chosen = np.asarray(points, dtype=np.int64)
        return Matrix(self.duration_s[np.ix_(chosen, chosen)], self.distance_m[np.ix_(chosen, chosen)])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`: lines are straight."""
        return [
            Way(
                np.array([[self.lon[a], self.lat[a]], [self.lon[b], self.lat[b]]]),
                float(self.duration_s[a, b]),
                float(self.distance_m[a, b]),
            )
            for a, b in legs
        ]
