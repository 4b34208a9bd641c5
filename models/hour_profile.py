"""What an hourly count usually is: a profile over the hours of the week that follows slowly, a level, and a spread."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from models.parameters import check_finite_and_positive
from models.rows import Booleans, Floats

HOUR_S = 3600
Bins = tuple[npt.NDArray[Any], ...]
_FEW = 3.0
# Median of the absolute value of a standard normal variable.
_MEDIAN_ERROR = 0.6745


@dataclass(frozen=True)
class ProfileParameters:
    """Numbers of the profile.

    Parameters
    ----------
    shape_gain
        The two profiles of a day (workday, weekend) follow with a gain of one over the rows seen of that hour, at
        least this.
    weekday_rows, weekday_gain
        The same for what an hour of one weekday differs from that; a greater `weekday_rows` shrinks it more.
    level_days, spread_days
        Time constants of the level and of the spread.
    first_spread, least_spread
        Relative spread of an hour before any is known, and the least that is believed.
    outlier_spreads
        No row moves anything by more than so many of its spreads.
    city_at_least
        The city's common factor is the median over sensors; fewer than so many have none.
    """

    shape_gain: float = 0.02
    weekday_rows: float = 3.0
    weekday_gain: float = 0.06
    level_days: float = 20.0
    spread_days: float = 20.0
    first_spread: float = 0.25
    least_spread: float = 0.05
    outlier_spreads: float = 3.0
    city_at_least: float = 10.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self)


class ProfileState(NamedTuple):
    """What is known of ``n`` series, in ``log(1 + value)``.

    `shape`, 48 arrays ``(n,)`` float32, is the usual hour of a workday and of a weekend day; `weekday`, 168 of them,
    what an hour of one weekday differs from it; `shape_seen` and `weekday_seen` count up to 250 (uint8). One array per
    bin, so that an hour touches, and copies, only its own. `level`, `variance` and `rows` are ``(n,)`` float64.
    """

    shape: Bins
    shape_seen: Bins
    weekday: Bins
    weekday_seen: Bins
    level: Floats
    variance: Floats
    rows: Floats


class Usual(NamedTuple):
    """What an hour was expected to be, ``(n,)`` each: mean in ``log(1 + value)``, its spread, and the count itself.

    `city` is the common factor of all series (a logarithm), `unrest` how much more than usual (1 = as usual) they
    differ from it this hour, as on a holiday; they are in the mean and in the spread.
    """

    mean: Floats
    spread: Floats
    value: Floats
    city: float
    unrest: float


class HourProfile:
    """Profiles of `n` series; holidays, snow and strikes move all of them, so the median over all is taken out.

    Parameters
    ----------
    timezone
        Whose hours: people live by local time.
    """

    def __init__(self, n: int, timezone: str = "UTC", parameters: ProfileParameters | None = None) -> None:
        self.n = n
        self.zone = ZoneInfo(timezone)
        self.parameters = parameters or ProfileParameters()

    def initial_state(self) -> ProfileState:
        """Return the state of series never seen."""
        zero, none = np.zeros(self.n, np.float32), np.zeros(self.n, np.uint8)
        variance = np.full(self.n, self.parameters.first_spread**2)
        shape: Bins = (zero,) * 48
        shape_seen: Bins = (none,) * 48
        weekday: Bins = (zero,) * 168
        weekday_seen: Bins = (none,) * 168
        return ProfileState(shape, shape_seen, weekday, weekday_seen, np.zeros(self.n), variance, np.zeros(self.n))

    def bins(self, hour: int) -> tuple[int, int]:
        """Return the bin in `shape` and in `weekday` of the hour stamped `hour` (hours since 1970)."""
        local = datetime.fromtimestamp(hour * HOUR_S, self.zone)
        return local.hour + 24 * (local.weekday() >= 5), local.hour + 24 * local.weekday()

    def usual(self, s: ProfileState, hour: int, y: Floats, may_vote: Booleans) -> Usual:
        """Return what was to be expected of `y`.

        Parameters
        ----------
        y
            ``(n,)``, ``log(1 + value)``, NaN = missing.
        may_vote
            ``(n,)``, whose residual counts in the city's common factor.
        """
        shape, weekday = self.bins(hour)
        own = s.shape[shape] + s.weekday[weekday] + s.level
        voters = may_vote & np.isfinite(y) & (own > np.log1p(_FEW)) & (s.shape_seen[shape] > 0)
        city, unrest = 0.0, 1.0
        if voters.sum() >= self.parameters.city_at_least:
            votes = (y - own)[voters]
            city = float(np.median(votes))
            off = (votes - city) / np.sqrt(s.variance[voters] + np.exp(-own[voters]))
            unrest = max(1.0, float(np.median(np.abs(off))) / _MEDIAN_ERROR)
        mean = np.maximum(own + city, 0.0)
        value = np.expm1(mean)
        return Usual(mean, np.sqrt(s.variance + 1 / (value + 1)) * unrest, value, city, unrest)

    def learn(self, s: ProfileState, hour: int, residual: Floats, usual: Usual, taught: Booleans) -> ProfileState:
        """Return the state after the residuals of the series that are `taught`."""
        p = self.parameters
        shape, weekday = self.bins(hour)
        fresh = s.shape_seen[shape] == 0
        bound = np.where(fresh, np.inf, p.outlier_spreads * usual.spread)
        step = np.where(taught, np.clip(residual, -bound, bound), 0.0)
        old = taught & ~fresh

        gain = np.maximum(1 / (s.shape_seen[shape] + 1.0), p.shape_gain)
        moved_shape = (s.shape[shape] + gain * step).astype(np.float32)
        gain = np.maximum(1 / (s.weekday_seen[weekday] + p.weekday_rows), p.weekday_gain)
        moved_weekday = (s.weekday[weekday] + np.where(old, gain * step, 0.0)).astype(np.float32)
        weight = np.where(old, usual.value / (usual.value + 20.0), 0.0)
        gain = np.where(old & (usual.value > _FEW), np.maximum(1 / (s.rows + 48), 1 / (24 * p.spread_days)), 0.0)
        # A row that is bounded tells a little too little of the spread: 1.1 makes up for it.
        own = np.maximum(1.1 * step**2 - 1 / (usual.value + 1), 0.0)
        variance = s.variance + gain * (own - s.variance)
        return ProfileState(
            _with(s.shape, shape, moved_shape),
            _with(s.shape_seen, shape, _counted(s.shape_seen[shape], taught)),
            _with(s.weekday, weekday, moved_weekday),
            _with(s.weekday_seen, weekday, _counted(s.weekday_seen[weekday], taught)),
            s.level + weight * step / (24 * p.level_days),
            np.maximum(variance, p.least_spread**2),
            s.rows + taught,
        )


def _counted(seen: npt.NDArray[Any], taught: Booleans) -> npt.NDArray[Any]:
    return seen + (taught & (seen < 250)).astype(np.uint8)


def _with(bins: Bins, i: int, one: npt.NDArray[Any]) -> Bins:
    return (*bins[:i], one, *bins[i + 1 :])
