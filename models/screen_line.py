"""Sums over a screen line: all roads that cross it, whichever detectors are silent."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from models.figures import Answer, Figure, Refusal
from models.rows import Booleans, Floats
from models.traffic_volumes import Volumes

MIN_KNOWN_SHARE = 0.5
MIN_TEACHING_HOURS = 7 * 24


class ScreenLine(NamedTuple):
    """The sum per hour.

    Parameters
    ----------
    first_day
        Days since 1970-01-01, local.
    total, low, high
        ``(n_days, 24)``, vehicles of all members; NaN where it is unknown.
    filled
        ``(n_days, 24)``, where a member is missing and its part is an estimate.
    """

    first_day: int
    total: Floats
    low: Floats
    high: Floats
    filled: Booleans


def screen_line(members: Mapping[str, Volumes], *, fill: bool = True) -> ScreenLine | Refusal:
    """Return the sum of the members hour by hour.

    A member that is silent is never counted as zero. Its part is estimated from its share in the hours when all
    were measured, with the interval of how that share has varied, as long as the members that were measured carry
    at least `MIN_KNOWN_SHARE` of the line; otherwise the hour is unknown.

    Parameters
    ----------
    fill
        False leaves every hour with a silent member unknown.
    """
    tables = [one.per_hour() for one in members.values() if one.n_days]
    if len(tables) < len(members) or not tables:
        return Refusal("sum over the screen line", "members with counts", len(tables), max(1, len(members)))
    first = min(one.first_day for one in tables)
    last = max(one.first_day + one.n_days for one in tables) - 1
    volume = np.stack([one.of_days(first, last).volume for one in tables]).reshape(len(tables), -1)
    known = np.isfinite(volume)
    whole = known.all(axis=0)
    total = np.where(whole, volume.sum(axis=0), np.nan)
    spread = np.zeros_like(total)
    filled = np.zeros(len(total), bool)
    if fill:
        teaching = np.flatnonzero(whole & (total > 0))
        for pattern in np.unique(known[:, ~whole & known.any(axis=0)], axis=1).T:
            where = (known == pattern[:, None]).all(axis=0)
            here = np.where(pattern[:, None], volume[:, where], 0.0).sum(axis=0)
            if len(teaching) < MIN_TEACHING_HOURS:
                break
            seen = volume[pattern][:, teaching].sum(axis=0)
            share = seen.sum() / total[teaching].sum()
            if share < MIN_KNOWN_SHARE:
                continue
            total[where] = here / share
            # How far the same estimate was off in hours of about this size when all were measured.
            error = seen / share - total[teaching]
            spread[where] = 1.96 * _spread_at(total[teaching], error, total[where])
            filled |= where
    shape = (-1, 24)
    return ScreenLine(
        first,
        total.reshape(shape),
        np.maximum(0.0, total - spread).reshape(shape),
        (total + spread).reshape(shape),
        filled.reshape(shape),
    )


def mean_day(line: ScreenLine) -> Answer:
    """Return the mean of the days that are known over the line; what was estimated widens the interval."""
    days = np.isfinite(line.total).all(axis=1)
    n = int(days.sum())
    if n < 1:
        hours = np.isfinite(line.total).sum(axis=1).max(initial=0)
        return Refusal("mean day over the screen line", "hours of one day known", int(hours), 24)
    # The errors of one silent member go the same way all day, and all days: they are added, not averaged out.
    total, low, high = (one[days].sum(axis=1).mean() for one in (line.total, line.low, line.high))
    share = float(line.filled[days].mean())
    return Figure(
        "mean day over the screen line",
        float(total),
        "vehicles/day",
        float(low),
        float(high),
        float(np.isfinite(line.total).mean() - line.filled.mean()),
        f"{n} days, " + (f"a member silent in {share:.1%} of their hours" if share else "every member measured"),
        "sum of the members; a silent one by its usual share",
        notes=("The interval is about silent members only.",) if share else (),
    )


def _spread_at(size: Floats, error: Floats, wanted: Floats) -> Floats:
    """Return the standard error at the wanted sizes: that of quarters of the teaching hours by size."""
    edges = np.quantile(size, (0.25, 0.5, 0.75))
    group, mine = np.searchsorted(edges, size), np.searchsorted(edges, wanted)
    of_group = np.array([np.sqrt(np.mean(error[group == g] ** 2)) if (group == g).any() else np.nan for g in range(4)])
    of_group = np.where(np.isfinite(of_group), of_group, np.nanmax(of_group))
    spread: Floats = of_group[mine]
    return spread
