"""A working day's clock, which stands still during breaks.

A break that is due is taken as soon as what the truck does then, a way or a stop, is done. So nothing that a truck does
gets longer by a break, everything after it gets later: on a clock that stands still during breaks a round looks as if
there were none, and only windows and opening hours have to be told in that clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Until when and from when, city time (s since 1970).
Interval = tuple[float, float]


@dataclass(frozen=True)
class Clock:
    """Working time of trucks with these breaks: city time less the breaks before it.

    Parameters
    ----------
    breaks
        (due, duration) of each break, in order, city time and seconds; none is due before the one before it is over.
    """

    breaks: tuple[tuple[float, float], ...] = ()

    def earliest(self, at_s: float) -> float:
        """Return the first working time at which a truck is at city time `at_s` or later.

        >>> Clock(((100.0, 30.0),)).earliest(110.0)
        100.0
        >>> Clock(((100.0, 30.0),)).earliest(150.0)
        120.0
        """
        gone_s = 0.0
        for due_s, duration_s in self.breaks:
            if at_s < due_s:
                break
            if at_s < due_s + duration_s:
                return due_s - gone_s
            gone_s += duration_s
        return at_s - gone_s

    def latest(self, at_s: float) -> float:
        """Return the last working time, to the second, at which a truck is at city time `at_s` or before.

        >>> Clock(((100.0, 30.0),)).latest(110.0)
        99.0
        """
        gone_s = 0.0
        for due_s, duration_s in self.breaks:
            if at_s < due_s:
                break
            if at_s < due_s + duration_s:
                return due_s - gone_s - 1.0
            gone_s += duration_s
        return at_s - gone_s


class Breaks:
    """The breaks that a truck still has to take, while its day is told stop by stop.

    Parameters
    ----------
    due
        As in `Clock`.
    """

    def __init__(self, due: Sequence[tuple[float, float]]) -> None:
        self._left = list(due)
        self.taken: list[Interval] = []

    @property
    def left(self) -> tuple[tuple[float, float], ...]:
        """Those that are still to be taken."""
        return tuple(self._left)

    def after(self, at_s: float) -> float:
        """Return when the truck goes on that has done something at `at_s`: breaks that are due come first."""
        while self._left and self._left[0][0] <= at_s:
            at_s = self._take(at_s)
        return at_s

    def waiting(self, at_s: float, until_s: float) -> float:
        """Return when a truck that is there at `at_s` can begin, at `until_s` or later; it waits in its break."""
        while self._left and self._left[0][0] < until_s:
            at_s = self._take(max(at_s, self._left[0][0]))
        return max(at_s, until_s)

    def _take(self, at_s: float) -> float:
        _, duration_s = self._left.pop(0)
        self.taken.append((at_s, at_s + duration_s))
        return at_s + duration_s
