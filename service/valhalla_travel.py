"""Travel times from a Valhalla server, in place of our own streets."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
from numpy.typing import ArrayLike

from city.errors import BadInput, Refused, Unreachable
from routing.geometry import Floats, Ints, distance_m
from routing.travel import Matrix, Way
from routing.truck_limits import TruckSize

logger = logging.getLogger(__name__)

_NO_PATH = frozenset({171, 442})
_SIX_DECIMALS = 1e6


class ValhallaTravel:
    """Travel as a Valhalla server reckons it, for a truck of a size.

    It takes the place of `routing.travel.TravelTimes`. What the city's junctions see of traffic is not in it: the
    server knows the congestion that was put into its own tiles, and nothing else.

    Parameters
    ----------
    url
        Where the server is, for instance http://127.0.0.1:8002.
    size
        The truck; what is not known is Valhalla's own default for a truck.
    pairs_at_once
        How many pairs the server takes in one matrix (its `max_matrix_location_pairs`).
    timeout_s
        How long an answer may take.

    References
    ----------
    https://valhalla.github.io/valhalla/api/matrix/api-reference/ and turn-by-turn/api-reference/
    """

    def __init__(
        self, url: str, size: TruckSize | None = None, *, pairs_at_once: int = 2500, timeout_s: float = 30.0
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"{url!r} is no address of a server.", "Give one such as http://127.0.0.1:8002.")
        if pairs_at_once < 1 or not timeout_s > 0:
            raise BadInput("A request without pairs or time cannot be answered.", "Give numbers above 0.")
        self.url = url.rstrip("/")
        self.size = size or TruckSize()
        self.pairs_at_once = pairs_at_once
        self.timeout_s = timeout_s
        self._places: list[tuple[float, float]] = []
        self._point_of: dict[tuple[float, float], int] = {}

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`; inf = the server knows no street near it.

        Raises
        ------
        BadInput
            A coordinate is not finite.
        Unreachable
            The server does not answer.
        """
        lons, lats = np.atleast_1d(np.asarray(lon, dtype=float)), np.atleast_1d(np.asarray(lat, dtype=float))
        if not (np.isfinite(lons).all() and np.isfinite(lats).all()):
            raise BadInput("A coordinate that is not a number has no nearest street.", "Give lon and lat in degrees.")
        places = list(zip(lons.tolist(), lats.tolist(), strict=True))
        if not places:
            return np.empty(0, dtype=np.int64), np.empty(0)
        found = self._ask("locate", {"locations": [{"lon": x, "lat": y} for x, y in places], "verbose": False})
        away_m = np.array([_away_m(place, one) for place, one in zip(places, found, strict=True)])
        return np.array([self._point(place) for place in places], dtype=np.int64), away_m

    def matrix(self, points: ArrayLike) -> Matrix:
        """See `Travel.matrix`.

        Raises
        ------
        BadInput
            A number is no point that `snap` gave.
        Unreachable, Refused
            The server does not answer, or says no.
        """
        known, back = np.unique(np.asarray(points, dtype=np.int64), return_inverse=True)
        at = [self._location(int(point)) for point in known]
        duration_s = np.zeros((len(at), len(at)))
        metres = np.zeros((len(at), len(at)))
        step = max(1, math.isqrt(self.pairs_at_once))
        for i in range(0, len(at), step):
            for j in range(0, len(at), step):
                asked = {"sources": at[i : i + step], "targets": at[j : j + step], "verbose": False}
                found = self._ask("sources_to_targets", asked | self._costing())["sources_to_targets"]
                duration_s[i : i + step, j : j + step] = _numbers(found["durations"])
                metres[i : i + step, j : j + step] = _numbers(found["distances"]) * 1000.0
        np.fill_diagonal(duration_s, 0.0)
        np.fill_diagonal(metres, 0.0)
        return Matrix(duration_s[np.ix_(back, back)], metres[np.ix_(back, back)])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`. The server searches a way by other means than a matrix: a few seconds may differ.

        Raises
        ------
        BadInput
            There is no way.
        Unreachable, Refused
            The server does not answer, or says no.
        """
        return [self._way(int(a), int(b)) for a, b in legs]

    def _way(self, a: int, b: int) -> Way:
        if a == b:
            return Way(np.array([self._places[a], self._places[b]]), 0.0, 0.0)
        asked = {"locations": [self._location(a), self._location(b)], "directions_type": "none", "units": "kilometers"}
        trip = self._ask("route", asked | self._costing())["trip"]
        line = np.concatenate([decoded(leg["shape"]) for leg in trip["legs"]])
        return Way(line, float(trip["summary"]["time"]), float(trip["summary"]["length"]) * 1000.0)

    def _point(self, place: tuple[float, float]) -> int:
        if place not in self._point_of:
            self._point_of[place] = len(self._places)
            self._places.append(place)
        return self._point_of[place]

    def _location(self, point: int) -> dict[str, Any]:
        if not 0 <= point < len(self._places):
            raise BadInput(f"{point} is no point of this server.", "Use points that snap gave.")
        lon, lat = self._places[point]
        # A container stands at the kerb at which the truck stops.
        return {"lon": lon, "lat": lat, "preferred_side": "same"}

    def _costing(self) -> dict[str, Any]:
        facts = {
            "height": self.size.height_m,
            "length": self.size.length_m,
            "weight": None if self.size.weight_kg is None else self.size.weight_kg / 1000.0,
        }
        known = {name: value for name, value in facts.items() if value is not None}
        return {"costing": "truck", "costing_options": {"truck": known}}

    def _ask(self, what: str, body: Mapping[str, Any]) -> Any:
        fix = "Start the Valhalla server, or correct its address."
        try:
            answer = httpx.post(f"{self.url}/{what}", json=dict(body), timeout=self.timeout_s)
            content = answer.json()
        except httpx.HTTPError as error:
            raise Unreachable(f"Valhalla at {self.url} does not answer ({type(error).__name__}).", fix) from None
        except ValueError:
            raise Unreachable(f"What answers at {self.url} is no Valhalla server.", fix) from None
        if answer.is_success:
            return content
        said = content.get("error", answer.reason_phrase) if isinstance(content, dict) else answer.reason_phrase
        if isinstance(content, dict) and content.get("error_code") in _NO_PATH:
            raise BadInput(f"Valhalla knows no way: {said}.", "Use places that its tiles cover.")
        if answer.is_server_error:
            raise Unreachable(f"Valhalla at {self.url} failed: {said}.", fix)
        raise Refused(f"Valhalla at {self.url} refused {what}: {said}.", "Raise its service_limits, or ask for less.")


def decoded(shape: str) -> Floats:
    """Return `(n, 2)` float64, (lon, lat), of a polyline with six decimals.

    References
    ----------
    https://developers.google.com/maps/documentation/utilities/polylinealgorithm

    >>> decoded("_izlhA~rlgdF_{geC~ywl@").tolist()
    [[-120.2, 38.5], [-120.95, 40.7]]
    """
    steps: list[int] = []
    value = shift = 0
    for letter in shape:
        bits = ord(letter) - 63
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:
            steps.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    lat_lon = np.cumsum(np.array(steps, dtype=np.int64).reshape(-1, 2), axis=0) / _SIX_DECIMALS
    result: Floats = np.ascontiguousarray(lat_lon[:, ::-1])
    return result


def _away_m(place: tuple[float, float], found: Mapping[str, Any]) -> float:
    edges = found.get("edges") or ()
    return min(
        (float(distance_m(*place, one["correlated_lon"], one["correlated_lat"])) for one in edges), default=math.inf
    )


def _numbers(rows: Sequence[Sequence[float | None]]) -> Floats:
    return np.array([[math.inf if one is None else one for one in row] for row in rows], dtype=float)
