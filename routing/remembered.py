"""Travel that is asked once: a plan, what it is compared with and its check need the same times between few points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from routing.geometry import Floats
from routing.network import Ints
from routing.travel import Matrix, Travel, Way

# A problem's crews, each with its points, and some stops of trucks under way.
_MOST_TABLES = 12


class RememberedTravel:
    """Another `Travel`, of which tables and ways are kept.

    Parameters
    ----------
    travel
        What is asked; its times must not change.
    """

    def __init__(self, travel: Travel) -> None:
        self._travel = travel
        self._tables: list[tuple[Ints, Matrix]] = []
        self._ways: dict[tuple[int, int], Way] = {}

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`."""
        return self._travel.snap(lon, lat)

    def matrix(self, points: ArrayLike) -> Matrix:
        """See `Travel.matrix`."""
        asked = np.asarray(points, dtype=np.int64)
        wanted, back = np.unique(asked, return_inverse=True)
        for known, table in self._tables:
            rows = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            if (known[rows] == wanted).all():
                chosen = np.ix_(rows[back], rows[back])
                return Matrix(table.duration_s[chosen], table.distance_m[chosen])
        table = self._travel.matrix(wanted)
        self._tables.append((wanted, table))
        self._tables.sort(key=lambda one: -len(one[0]))
        del self._tables[_MOST_TABLES:]
        chosen = np.ix_(back, back)
        return Matrix(table.duration_s[chosen], table.distance_m[chosen])

    def ways(self, legs: Sequence[tuple[int, int]]) -> list[Way]:
        """See `Travel.ways`."""
        missing = [leg for leg in dict.fromkeys(legs) if leg not in self._ways]
        self._ways.update(zip(missing, self._travel.ways(missing), strict=True))
        return [self._ways[leg] for leg in legs]

    def __getstate__(self) -> dict[str, Any]:
        return {"_travel": self._travel, "_tables": [], "_ways": {}}
