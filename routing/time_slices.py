"""Travel times that depend on when a truck leaves: traffic as it is now, and as it usually is later."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from city.errors import BadInput
from routing.congestion import EdgeCongestion
from routing.driving_rules import DrivingRules
from routing.geometry import Floats, Ints
from routing.network import Network
from routing.travel import Matrix, TravelTimes, Way

# A jam that is seen now is half gone after this time; what it then is was not measured, only what is usual.
HALF_LIFE_S = 1800.0
SLICES_S = (0.0, 900.0, 1800.0, 3600.0, 5400.0, 7200.0, 10800.0, 14400.0)


class Slice(NamedTuple):
    """Travel for who leaves at `from_s` or later, until the next slice begins."""

    from_s: float
    travel: TravelTimes


class TimeSlicedTravel:
    """Travel in slices of time; who leaves in a slice drives the whole leg as it is then.

    It is asked like any `Travel`: without a time it answers for the first slice, which is now.

    Parameters
    ----------
    slices
        One or more over the same network, in order of time. The first also holds for any time before it.

    Raises
    ------
    BadInput
        There is no slice, they are not in order, or speak of different networks.
    """

    def __init__(self, slices: Sequence[Slice]) -> None:
        self.slices = tuple(slices)
        begins = [one.from_s for one in self.slices]
        if not begins or not np.isfinite(begins).all() or (np.diff(begins) <= 0).any():
            raise BadInput("Slices of travel times are not in order.", "Give one or more, each later than the last.")
        if any(one.travel.network is not self.network for one in self.slices):
            raise BadInput("Slices of travel times are of different networks.", "Make all over the same network.")

    @property
    def network(self) -> Network:
        """The streets."""
        return self.slices[0].travel.network

    def at(self, at_s: float | None = None) -> TravelTimes:
        """Return travel for who leaves at a time; None = now."""
        if at_s is None:
            return self.slices[0].travel
        later = sum(one.from_s <= at_s for one in self.slices)
        return self.slices[max(0, later - 1)].travel

    def snap(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
        """See `Travel.snap`: points are the same at any time."""
        return self.slices[0].travel.snap(lon, lat)

    def matrix(self, points: ArrayLike, at_s: float | None = None) -> Matrix:
        """See `Travel.matrix`; for who leaves at `at_s`, None = now."""
        return self.at(at_s).matrix(points)

    def matrices(self, points: ArrayLike) -> list[tuple[float, Matrix]]:
        """Return from when each matrix between `points` holds, and that matrix."""
        return [(one.from_s, one.travel.matrix(points)) for one in self.slices]

    def ways(self, legs: Sequence[tuple[int, int]], leaves_s: Sequence[float] | None = None) -> list[Way]:
        """See `Travel.ways`; `leaves_s` says when each leg begins, None = now.

        Raises
        ------
        BadInput
            There is no way, or the times do not fit the legs.
        """
        if leaves_s is None:
            return self.at().ways(legs)
        if len(leaves_s) != len(legs):
            raise BadInput(f"{len(leaves_s)} times do not fit {len(legs)} legs.", "Give one for each leg.")
        return [self.at(at_s).ways([leg])[0] for leg, at_s in zip(legs, leaves_s, strict=True)]


def expected_travel(
    network: Network,
    now_s: float,
    now: EdgeCongestion,
    usual_factor: Callable[[float], Floats] | None = None,
    *,
    slices_s: Sequence[float] = SLICES_S,
    half_life_s: float = HALF_LIFE_S,
    rules: Callable[[float], DrivingRules] | None = None,
) -> TimeSlicedTravel:
    """Return travel from now on: what differs from the usual now is half gone after `half_life_s`.

    Make it anew whenever congestion is observed anew: nothing but what is asked for is worked out.

    Parameters
    ----------
    network
        The streets.
    now_s
        City time, seconds since 1970.
    now
        Congestion as it is observed.
    usual_factor
        Returns `(n_edges,)` float64, the factor that is usual at a time (seconds since 1970); None = free streets.
    slices_s
        When slices begin, seconds from now.
    half_life_s
        Above 0, seconds.
    rules
        Returns the rules at a time, for instance with the hour of the local day; None = the default ones.

    Raises
    ------
    BadInput
        A number is none of these.
    """
    if not half_life_s > 0:
        raise BadInput(f"A half-life of {half_life_s} s is none.", "Give seconds above 0.")
    free = np.ones(network.n_edges)

    def usual(at_s: float) -> Floats:
        return free if usual_factor is None else usual_factor(at_s)

    # Where nothing is observed, what is usual is the best guess for now as well.
    excess = np.where(now.known, now.factor - usual(now_s), 0.0)
    slices = []
    for after_s in slices_s:
        left = 0.5 ** (after_s / half_life_s)
        at_s = now_s + after_s
        factor = np.maximum(usual(at_s) + left * excess, 1e-3)
        travel = TravelTimes(network, factor, now.exit_delay_s * left, rules(at_s) if rules else None)
        slices.append(Slice(at_s, travel))
    return TimeSlicedTravel(slices)
