"""When work on a job may begin: its window, less the times to keep away and those of too much wind."""

import math
from collections.abc import Iterable, Sequence

from city.plans import Job
from routing.clock import Interval

# Cranes may not lift above this force, on Beaufort's scale.
STRONGEST_WIND_BEAUFORT = 6


def window(job: Job) -> Interval:
    """Return when the job may begin and by when it must be finished; infinite where nothing is said."""
    return (
        -math.inf if job.earliest_s is None else job.earliest_s,
        math.inf if job.latest_s is None else job.latest_s,
    )


def beginnings(job: Job, no_lifting: Sequence[Interval] = ()) -> tuple[Interval, ...]:
    """Return the (first, last) times at which work on the job may begin, in order; empty = never.

    Parameters
    ----------
    job
        Its work must be over before a time to keep away begins.
    no_lifting
        (from, until) in which no crane may lift: containers are not emptied then, loose waste is grabbed.

    >>> job = Job("j", "empty", "k", 6.5, 53.2, "glass", service_s=100.0, earliest_s=0.0, latest_s=1000.0)
    >>> beginnings(job, [(300.0, 500.0)])
    ((0.0, 200.0), (500.0, 900.0))
    """
    earliest_s, latest_s = window(job)
    left = [(earliest_s, latest_s - job.service_s)]
    for from_s, until_s in (*job.avoid, *(no_lifting if job.kind == "empty" else ())):
        # A job of no time at all may still be done at the moment at which a forbidden time begins.
        last_s = from_s - job.service_s
        left = [
            piece
            for first, last in left
            for piece in ((first, min(last, last_s)), (max(first, until_s), last))
            if piece[0] <= piece[1]
        ]
    return tuple(sorted(set(left)))


def too_windy(forecast: Iterable[tuple[float, float | None]], hour_s: float = 3600.0) -> tuple[Interval, ...]:
    """Return the (from, until) in which no crane may lift.

    Parameters
    ----------
    forecast
        (city time at which the hour begins, wind force in Beaufort) of each hour; None = not known, which forbids
        nothing: the driver's own look at the crane does.

    References
    ----------
    Dutch collection rules: no lifting above wind force 6.
    """
    result: list[Interval] = []
    for from_s, beaufort in sorted(forecast, key=lambda hour: hour[0]):
        if beaufort is None or not beaufort > STRONGEST_WIND_BEAUFORT:
            continue
        if result and from_s <= result[-1][1]:
            result[-1] = (result[-1][0], from_s + hour_s)
        else:
            result.append((from_s, from_s + hour_s))
    return tuple(result)
