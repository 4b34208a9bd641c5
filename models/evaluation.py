"""How good forecasts of the time to full are: scores that are fair to containers emptied before they were full."""

from typing import NamedTuple

import numpy as np

from city.errors import BadInput
from models.rows import Booleans, Floats, Integers


class Origins(NamedTuple):
    """Readings from which the time to full is forecast, ``(n,)`` each.

    `duration_d` is in how many days the container was seen full (`event`) or was last seen under watch (not `event`).
    """

    entity: Integers
    day: Integers
    level: Floats
    duration_d: Integers
    event: Booleans


def daily_origins(
    entity: Integers, day: Integers, level: Floats, *, full: float = 0.8, emptying: float = 0.4, longest_d: int = 14
) -> Origins:
    """Return the origins in daily readings, sorted by entity and day.

    A forecast begins at each reading below `full`. Watching ends at a fall by `emptying`, a missing day, or after
    `longest_d` days.

    Parameters
    ----------
    entity, day, level
        ``(n,)``; whole days, one reading a day and container.

    Raises
    ------
    BadInput
        The columns differ in length.

    >>> daily_origins(np.zeros(4, int), np.arange(4), np.array([0.2, 0.6, 0.8, 0.0])).duration_d.tolist()
    [2, 1]
    """
    if not len(entity) == len(day) == len(level):
        raise BadInput("The columns differ in length.", "Give one value per reading.")
    order = np.lexsort((day, entity))
    entity, day, level = entity[order], day[order], level[order]
    follows = np.r_[(entity[1:] == entity[:-1]) & (np.diff(day) == 1), False]
    falls = np.r_[np.diff(level) <= -emptying + 1e-9, False]
    n = len(level)
    duration, event, watched = np.zeros(n, np.int64), np.zeros(n, np.bool_), level < full - 1e-9
    at = np.arange(n)
    open_ = watched.copy()
    for k in range(1, longest_d + 1):
        open_ &= follows[np.minimum(at, n - 1)]
        at = np.minimum(at + 1, n - 1)
        reached = open_ & (level[at] >= full - 1e-9)
        event |= reached
        duration[reached] = k
        open_ &= ~reached & ~falls[at - 1]
        duration[open_] = k
    kept = watched & (duration > 0)
    return Origins(entity[kept], day[kept], level[kept], duration[kept], event[kept])


def integrated_brier(origins: Origins, p_full: Floats, horizons_d: int = 7) -> float:
    """Return the mean over 1..`horizons_d` days of the Brier score, weighted for censoring.

    Parameters
    ----------
    p_full
        ``(n, horizons_d)``: the probability of having been seen full after 1, 2, … days.

    References
    ----------
    E. Graf et al., "Assessment and comparison of prognostic classification schemes for survival data", 1999.
    """
    duration, event = origins.duration_d, origins.event
    if p_full.shape != (len(duration), horizons_d):
        raise BadInput(f"p_full has shape {p_full.shape}.", f"Give ({len(duration)}, {horizons_d}).")
    watched = _still_watched(duration, event)
    scores = []
    for k in range(1, horizons_d + 1):
        full = event & (duration <= k)
        weight = np.where(full, 1 / watched[np.maximum(duration - 1, 0)], np.where(duration > k, 1 / watched[k], 0.0))
        scores.append((weight * (full - p_full[:, k - 1]) ** 2).sum() / len(duration))
    return float(np.mean(scores))


def share_full_by_level(origins: Origins, horizons_d: int = 7) -> dict[float, Floats]:
    """Return the naive forecast: at each level, the share of all containers that was full after 1, 2, … days.

    Kaplan-Meier, level by level; it knows neither the container nor its rate.
    """
    shares = {}
    for level in np.unique(origins.level):
        mine = origins.level == level
        duration, event = origins.duration_d[mine], origins.event[mine]
        at_risk = np.array([(duration >= k).sum() for k in range(1, horizons_d + 1)])
        events = np.array([(event & (duration == k)).sum() for k in range(1, horizons_d + 1)])
        shares[float(level)] = 1 - np.cumprod(1 - events / np.maximum(at_risk, 1))
    return shares


def _still_watched(duration: Integers, event: Booleans) -> Floats:
    longest = int(duration.max(initial=0))
    kept = np.ones(longest + 1)
    for k in range(1, longest + 1):
        lost = (~event & (duration == k)).sum() / max((duration >= k).sum(), 1)
        kept[k] = max(kept[k - 1] * (1 - lost), 1e-3)
    return kept
