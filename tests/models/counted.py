"""Counts for tests of the planner's figures."""

import numpy as np

from models.traffic_volumes import DAY_S, HOUR_S, Volumes, volumes

# 2024-01-01 is a Monday, and the year has 366 days.
YEAR_2024 = 19_723
YEAR_2025 = YEAR_2024 + 366
# Share of a day's traffic per hour.
SHAPE = np.array([1, 1, 1, 1, 1, 2, 4, 7, 8, 6, 5, 5, 5, 5, 5, 6, 8, 9, 6, 5, 3, 2, 2, 2]) / 100


def days_of(daily, first_day=YEAR_2025, shape=SHAPE):
    """Volumes per hour of days with these totals, NaN for a day that was not measured."""
    return Volumes(first_day, np.asarray(daily, float)[:, None] * shape, np.zeros(len(daily), bool))


def quarters_of(rows, first_day=YEAR_2025):
    """Volumes per quarter: `rows` holds per day the four quarters from 16:00; all others are 10."""
    table = np.full((len(rows), 96), 10.0)
    table[:, 64:68] = rows
    return Volumes(first_day, table, np.zeros(len(rows), bool))


def minutes(first_day, n_days, per_minute):
    """Minute counts of whole days as arrays: start on the local clock, count."""
    start = first_day * DAY_S + np.arange(n_days * 1440) * 60.0
    return start, np.full(len(start), float(per_minute))


__all__ = ["DAY_S", "HOUR_S", "SHAPE", "YEAR_2024", "YEAR_2025", "days_of", "minutes", "quarters_of", "volumes"]
