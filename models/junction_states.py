"""How an approach and a junction serve their traffic: level of service, use of capacity, queue and delay."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.rows import Floats, Integers
from models.signal_timing import LEVEL_BOUNDS_S, LEVELS, SignalParameters, control_delay_s

# Speed as share of the free speed on an urban street, from A to E; at or below the last it is F.
SPEED_BOUNDS = (0.85, 0.67, 0.50, 0.40, 0.30)
LETTERS = "".join(LEVELS)
SATURATION_VEH_PER_H_LANE = SignalParameters().saturation_flow
_VEHICLE_M = 7.5
_STANDS = 0.6


class Signal(NamedTuple):
    """Cycle and effective green of each approach, s, ``(n,)``; NaN = unknown."""

    cycle_s: Floats
    green_s: Floats


class Service(NamedTuple):
    """How ``n`` approaches serve; NaN (and -1 for `grade`) = unknown, never zero.

    `grade` is 0 for A to 5 for F. `delay_s` is control delay per vehicle, known where the signal is. `queue_m` is a
    lower bound where `queue_is_at_least`: the queue has reached the detector furthest upstream.
    """

    grade: Integers
    delay_s: Floats
    volume_to_capacity: Floats
    speed_ratio: Floats
    queue_m: Floats
    queue_is_at_least: npt.NDArray[np.bool_]


def service(
    vehicles_per_h: Floats,
    speed_ratio: Floats,
    lanes: npt.ArrayLike,
    signal: Signal,
    *,
    up_occupancy: Floats | None = None,
    stop_occupancy: Floats | None = None,
    upstream_m: npt.ArrayLike = np.nan,
    period_h: float = 0.25,
) -> Service:
    """Return how approaches serve what comes.

    Parameters
    ----------
    vehicles_per_h, speed_ratio
        ``(n,)``, of now; NaN = unknown.
    lanes
        Of each approach.
    up_occupancy, stop_occupancy
        ``(n,)``, smoothed, of a detector `upstream_m` in front of the stop line and of one at it.
    period_h
        For how long this flow is taken to last.

    Raises
    ------
    BadInput
        Columns differ in length, or a number of lanes is not above 0.

    References
    ----------
    Delay, its levels, saturation flow: see `models.signal_timing`. Highway Capacity Manual 2010, exhibit 17-2: levels
    of an urban street by speed as share of the base free-flow speed (.85 .67 .50 .40 .30), F when demand exceeds
    capacity. The 6th edition has .80 for A.

    >>> now = service(np.array([600.0, 900.0]), np.array([0.6, np.nan]), 1, Signal(np.full(2, 90.0), np.full(2, 36.0)))
    >>> now.volume_to_capacity.round(2).tolist(), [LETTERS[one] for one in now.grade]
    ([0.79, 1.18], ['C', 'F'])
    """
    n = len(vehicles_per_h)
    lane_count = np.broadcast_to(np.asarray(lanes, np.float64), (n,))
    if speed_ratio.shape != (n,) or signal.cycle_s.shape != (n,) or signal.green_s.shape != (n,):
        raise BadInput("The columns differ in length.", "Give one value per approach, NaN where it is unknown.")
    if not (lane_count > 0).all():
        raise BadInput("An approach has no lanes.", "Give a number above 0.")
    saturation = SATURATION_VEH_PER_H_LANE * lane_count
    ratio = vehicles_per_h / (saturation * signal.green_s / signal.cycle_s)
    p = SignalParameters(analysis_h=period_h)
    delay_s = control_delay_s(vehicles_per_h, saturation, signal.cycle_s, signal.green_s, p)
    by_delay = np.searchsorted(LEVEL_BOUNDS_S, delay_s).astype(np.int64)
    by_speed = sum((speed_ratio <= bound).astype(np.int64) for bound in SPEED_BOUNDS)
    grade = np.where(np.isfinite(delay_s), by_delay, np.where(np.isfinite(speed_ratio), by_speed, -1))
    grade = np.where(np.isfinite(delay_s) & (ratio > 1), 5, grade)
    # What stands is not counted: a road that is blocked has little flow and no good service.
    grade = np.where(speed_ratio <= SPEED_BOUNDS[-1], 5, grade)
    queue_m, at_least = queue(up_occupancy, stop_occupancy, upstream_m, n)
    return Service(grade, delay_s, ratio, speed_ratio, queue_m, at_least)


def queue(
    up_occupancy: Floats | None, stop_occupancy: Floats | None, upstream_m: npt.ArrayLike, n: int
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the length of the queue, m, and whether it is at least that; NaN where no detector can see it.

    One that stands over the upstream detector is at least as long as the way to it. Else the share of the time that the
    stop line is covered, beyond what passing vehicles cover, says how much of the way is taken.
    """
    way_m = np.broadcast_to(np.asarray(upstream_m, np.float64), (n,))
    unknown = np.full(n, np.nan)
    up = unknown if up_occupancy is None else up_occupancy
    stop = unknown if stop_occupancy is None else stop_occupancy
    reaches = (up >= _STANDS) & np.isfinite(way_m)
    partly = np.clip((stop - 0.1) / (1 - 0.1), 0.0, 1.0) * way_m
    partly = np.where(np.isfinite(partly) & (partly < _VEHICLE_M / 2), 0.0, partly)
    return np.where(reaches, way_m, np.where(np.isnan(up), np.nan, partly)), reaches


def junction_grades(grade: Integers, junction: Integers, junctions: int) -> Integers:
    """Return the grade of each junction: that of its worst approach; -1 where less than half of them is known.

    Parameters
    ----------
    grade
        ``(n,)`` of the approaches.
    junction
        ``(n,)``, index of each approach's junction.
    """
    known = grade >= 0
    worst = np.full(junctions, -1, np.int64)
    np.maximum.at(worst, junction, grade)
    heard = np.bincount(junction, known.astype(np.float64), junctions)
    return np.where(2 * heard >= np.bincount(junction, minlength=junctions), worst, -1)


def letters(grade: Sequence[int] | Integers) -> list[str]:
    """Return the grades as letters, ``?`` for unknown.

    >>> letters([0, 5, -1])
    ['A', 'F', '?']
    """
    return [LETTERS[one] if one >= 0 else "?" for one in grade]
