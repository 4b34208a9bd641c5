"""In which hours of the week a fleet of containers fills: learned from gains, and used to look ahead."""

import numpy as np

from models.rows import Floats

HOURS_OF_WEEK = 168
_HOUR_S = 3600.0
_DAY_S = 86_400.0
_WEEK_S = _HOUR_S * HOURS_OF_WEEK
_LEAST_PACE = 0.05


def add_to_hours(
    gain_of_hour: Floats,
    time_of_hour: Floats,
    newest_s: Floats,
    memory_s: float,
    at_s: Floats,
    elapsed_s: Floats,
    gain: Floats,
) -> None:
    """Add gains to the hours of the week in which they came, evenly; over more than a day they say nothing of hours.

    Hours are UTC: when the clocks of people change, the pace is an hour off until the old one has faded.

    Parameters
    ----------
    gain_of_hour, time_of_hour
        ``(168,)``, fill and seconds, since Thursday 00:00 UTC, the weekday on which 1970 began; added to in place.
    newest_s
        ``(1,)``, time of the newest gain that is in them, NaN = none; moved on in place.
    memory_s
        Time constant with which old gains lose their weight.
    at_s, elapsed_s, gain
        ``(n,)``: when each gain was complete, in how many seconds it came, and how much it was.
    """
    short = np.flatnonzero((elapsed_s > 0) & (elapsed_s <= _DAY_S))
    if not len(short):
        return
    left_s = elapsed_s[short]
    begins, each = at_s[short] - left_s, gain[short] / left_s
    now_s = np.fmax(newest_s[0], at_s[short].max())
    fading = np.exp(-(now_s - newest_s[0]) / memory_s) if np.isfinite(newest_s[0]) else 1.0
    gain_of_hour *= fading
    time_of_hour *= fading
    newest_s[0] = now_s
    weight = np.exp(-(now_s - at_s[short]) / memory_s)
    while len(begins):
        hour = np.floor(begins / _HOUR_S)
        here_s = np.minimum((hour + 1) * _HOUR_S - begins, left_s)
        place = (hour % HOURS_OF_WEEK).astype(np.int64)
        gain_of_hour += np.bincount(place, weight * each * here_s, HOURS_OF_WEEK)
        time_of_hour += np.bincount(place, weight * here_s, HOURS_OF_WEEK)
        goes_on = left_s - here_s > 1e-6
        begins, left_s = (begins + here_s)[goes_on], (left_s - here_s)[goes_on]
        each, weight = each[goes_on], weight[goes_on]


def pace_of_week(gain_of_hour: Floats, time_of_hour: Floats, prior_s: float) -> Floats:
    """Return how fast each hour of the week fills against the mean of all, ``(168,)``.

    An hour of the day is shrunk towards the even day with the weight of `prior_s`, and an hour of the week towards
    the hour of the day with four times that; where nothing was seen, the week is even.
    """
    total_s = time_of_hour.sum()
    if total_s <= 0 or gain_of_hour.sum() <= 0:
        return np.ones(HOURS_OF_WEEK)
    fleet = gain_of_hour.sum() / total_s
    daily_gain, daily_s = gain_of_hour.reshape(7, 24).sum(0), time_of_hour.reshape(7, 24).sum(0)
    of_day = np.maximum((daily_gain + fleet * prior_s) / (daily_s + prior_s), 0.0)
    of_week = (gain_of_hour + np.tile(of_day, 7) * 4 * prior_s) / (time_of_hour + 4 * prior_s)
    of_week = np.maximum(of_week, _LEAST_PACE * fleet)
    return np.asarray(of_week / of_week.mean(), np.float64)


def paced_s(pace: Floats, from_s: Floats, times: Floats) -> Floats:
    """Return the time from `from_s`, ``(n,)``, to `times`, ``(m,)``, each hour counted by its pace, ``(n, m)``.

    NaN where `from_s` is, 0 where it is later.
    """
    passed = np.r_[0.0, np.cumsum(pace)] * _HOUR_S

    def clock(at_s: Floats) -> Floats:
        whole, within = np.divmod(at_s, _WEEK_S)
        return np.asarray(whole * _WEEK_S + np.interp(within, np.arange(HOURS_OF_WEEK + 1) * _HOUR_S, passed))

    ahead = clock(times) - clock(np.nan_to_num(from_s))[:, None]
    return np.where(np.isnan(from_s)[:, None], np.nan, np.where(times > from_s[:, None], np.maximum(ahead, 0.0), 0.0))
