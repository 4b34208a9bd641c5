"""The modal split: which share of the traffic each class of road users is."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import t as student

from models.figures import Figure, Refusal
from models.traffic_volumes import Volumes

MIN_DAYS = 7
MIN_USERS = 100


def modal_split(classes: Mapping[str, Volumes]) -> dict[str, Figure] | Refusal:
    """Return the share of each class in all road users, from hours in which every class was counted.

    The interval is that of a ratio of totals over days, so that users of one day count as one observation and not as
    thousands.

    References
    ----------
    W. G. Cochran, Sampling Techniques, 1977, ch. 6 (ratio estimate), eq. 6.13.
    """
    names = list(classes)
    tables = [one.per_hour() for one in classes.values() if one.n_days]
    if len(names) < 2 or len(tables) < len(names):
        return Refusal("modal split", "classes with counts", len(tables), max(2, len(names)))
    first = max(one.first_day for one in tables)
    last = min(one.first_day + one.n_days for one in tables) - 1
    volume = np.stack([one.of_days(first, last).volume for one in tables])
    known = np.isfinite(volume).all(axis=0)
    per_day = np.where(known, volume, 0.0).sum(axis=2)
    # A day of which only the night is known is no day.
    days = known.sum(axis=1) >= 12
    per_day, total = per_day[:, days], per_day[:, days].sum(axis=0)
    n = int(days.sum())
    if n < MIN_DAYS:
        return Refusal("modal split", "days with at least 12 hours of every class", n, MIN_DAYS)
    if total.sum() < MIN_USERS:
        return Refusal("modal split", "road users", float(total.sum()), MIN_USERS)
    completeness = float(known.mean())
    lost = np.flatnonzero(known.mean(axis=0) < 0.5)
    notes = (f"Of the hours {_hours(lost)} little is known; the split is that of the others.",) if lost.size else ()
    split = {}
    for name, counted in zip(names, per_day, strict=True):
        share = float(counted.sum() / total.sum())
        residual = counted - share * total
        error = float(np.sqrt((residual**2).sum() / (n - 1) / n) / total.mean())
        half = float(student.ppf(0.975, n - 1)) * error
        split[name] = Figure(
            f"share of {name}",
            share,
            "",
            max(0.0, share - half),
            min(1.0, share + half),
            completeness,
            f"{n} days, {total.sum():,.0f} road users",
            "users of the class / all users, in hours in which all classes were counted",
            notes=notes,
        )
    return split


def _hours(hours: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    return ", ".join(f"{h:02d}" for h in hours.tolist())
