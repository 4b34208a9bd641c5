"""Where and when waste is dumped again and again: for prevention, with how much each figure rests on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import gamma

from city.errors import BadInput
from models.rows import Floats

HOURS_OF_WEEK = 168
WEEK_S = 7 * 86_400.0


class HotSpot(NamedTuple):
    """A place, how often waste was dumped there, and when.

    Parameters
    ----------
    per_week, low, high
        Incidents a week, shrunken towards what is usual for all places, and its 80 % interval.
    incidents
        How many incidents it rests on.
    hours
        Hours of the local week (0 = Monday 00:00) with the most of them, the worst first, each with its share of a
        week's incidents (shrunken towards when they happen everywhere) and how many were seen in it.
    """

    place: str
    per_week: float
    low: float
    high: float
    incidents: int
    hours: tuple[tuple[int, float, int], ...]


def hot_spots(
    places: Sequence[str],
    incident_place: npt.ArrayLike,
    hour_of_week: npt.ArrayLike,
    watched_s: npt.ArrayLike,
    *,
    hours: int = 3,
    hours_weight: float = 20.0,
) -> list[HotSpot]:
    """Return the places, those where the rate is surely high first: ranked by the low end of the interval.

    Parameters
    ----------
    places
        Every place that was watched, also those where nothing happened.
    incident_place, hour_of_week
        ``(n,)``; index into `places` of each incident, and the hour of the local week when it began, 0…167.
    watched_s
        ``(len(places),)``, s; how long each was watched: what nobody watches has no rate, and is left out.
    hours
        How many hours to name of each place.
    hours_weight
        How many incidents the hours of all places together are worth at one place.

    Raises
    ------
    BadInput
        Columns differ in length, or an index or an hour is out of range.

    References
    ----------
    Gamma-Poisson shrinkage, its prior fitted by moments: J. B. Carlin and T. A. Louis, "Bayesian Methods for Data
    Analysis", 2008, ch. 5.
    """
    place, hour = np.asarray(incident_place, np.int64), np.asarray(hour_of_week, np.int64)
    weeks = np.asarray(watched_s, np.float64) / WEEK_S
    n = len(places)
    if place.shape != hour.shape or weeks.shape != (n,):
        raise BadInput("The columns of places, incidents and hours do not fit.", "Give one value for each.")
    if len(place) and not (0 <= place.min() <= place.max() < n and 0 <= hour.min() <= hour.max() < HOURS_OF_WEEK):
        raise BadInput("An incident is at no such place or hour.", f"Places are 0…{n - 1}, hours of a week 0…167.")
    number = np.bincount(place, minlength=n).astype(np.float64)
    shape, rate = _prior(number, weeks)
    mean = (number + shape) / (weeks + rate)
    low, high = (gamma.ppf(q, number + shape, scale=1 / (weeks + rate)) for q in (0.1, 0.9))
    everywhere = np.bincount(hour, minlength=HOURS_OF_WEEK) + 0.1
    everywhere = everywhere / everywhere.sum()
    watched = np.flatnonzero(weeks > 0)
    order = watched[np.lexsort((watched, -low[watched]))]
    found = []
    for i in order:
        mine = np.bincount(hour[place == i], minlength=HOURS_OF_WEEK)
        share = (mine + hours_weight * everywhere) / (number[i] + hours_weight)
        worst = np.argsort(-share, kind="stable")[:hours]
        named = tuple((int(h), round(float(share[h]), 4), int(mine[h])) for h in worst)
        found.append(HotSpot(places[i], float(mean[i]), float(low[i]), float(high[i]), int(number[i]), named))
    return found


def _prior(number: Floats, weeks: Floats) -> tuple[float, float]:
    """Return shape and rate (weeks) of the gamma distribution that the places' rates are taken to come from."""
    watched = weeks > 0
    total = float(weeks[watched].sum())
    mean = max((float(number[watched].sum()) + 0.5) / max(total, 1e-9), 1e-6)
    if watched.sum() < 2:
        return 0.5, 0.5 / mean
    w = weeks[watched] / total
    spread = float((w * (number[watched] / weeks[watched] - mean) ** 2).sum())
    # What chance alone adds to the spread of the counts is not spread of the rates.
    between = max(spread - mean * len(w) / total, 0.05 * mean**2)
    return mean**2 / between, mean / between
