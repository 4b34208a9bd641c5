"""Hourly forecasts for many entities at once: what is usual, a linear residual of all, and boosting on what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from city.errors import BadInput
from models.holidays import DayKinds
from models.rolling_profile import RollingProfileParameters
from models.rows import Floats, Integers
from models.traffic_residuals import LARGEST_LINEAR, Residuals, residuals_of, shifted

DAY_H = 24
WEEK_H = 168
_LEAST_ROWS = 500
_CHUNK = 200_000
_SHARED_PATTERNS = 6
_OWN_LAGS_H = (23, 24, 25, 48, 168, 336)
_FAST = RollingProfileParameters(learns=0.25, class_learns=0.15)
_SLOW = RollingProfileParameters(learns=0.06, class_learns=0.04)
_KINDS = (
    "hour",
    "weekday",
    "slot",
    "is_holiday",
    "is_bridge",
    "is_eve",
    "is_after",
    "is_year_end",
    "is_school_holiday",
    "days_from_holiday",
)


@dataclass(frozen=True)
class TrafficForecastParameters:
    """Numbers of the forecast.

    Parameters
    ----------
    factors
        How many patterns that many entities share are looked for in the residuals.
    ridge
        Penalty of the linear part, in hours of data.
    refit_h
        The linear part is fitted anew every so many hours, to everything until then.
    warm_up_h
        First hours that nothing is fitted to: what is usual is not known yet.
    trees, leaves, learning_rate, least_in_leaf
        Of the boosting.
    rows
        Largest number of rows that the boosting of a horizon is fitted to, chosen at random.
    short_memory_h, long_memory_h
        Time constants of the smoothed residuals.
    fast, slow
        What is usual, learnt with two paces.
    """

    factors: int = 24
    ridge: float = 200.0
    refit_h: int = 4 * WEEK_H
    warm_up_h: int = 5 * WEEK_H
    trees: int = 300
    leaves: int = 48
    learning_rate: float = 0.06
    least_in_leaf: int = 80
    rows: int = 300_000
    short_memory_h: float = 8.0
    long_memory_h: float = 72.0
    fast: RollingProfileParameters = _FAST
    slow: RollingProfileParameters = _SLOW

    def __post_init__(self) -> None:
        for name in ("factors", "refit_h", "trees", "leaves", "least_in_leaf", "rows", "ridge", "learning_rate"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{type(self).__name__}.{name} is {getattr(self, name)}.", "Give a number above 0.")


def forecast_hours(
    values: Floats,
    kinds: DayKinds,
    fit_hours: int,
    horizons_h: Sequence[int],
    parameters: TrafficForecastParameters | None = None,
    seed: int = 0,
) -> Mapping[int, Floats]:
    """Return forecasts for every hour after the first `fit_hours`, each from what was known `h` hours before.

    What is said of an hour rests on the values up to and including the hour that lies `h` before it: coefficients
    and trees are fitted to what of the first `fit_hours` is known when the first forecast is made (the linear part
    again every `refit_h`, to what is known by then).

    Parameters
    ----------
    values
        ``(hours, entities)``, one row per hour without holes; NaN = unknown.
    kinds
        Of at least ``hours + max(horizons_h)`` hours: forecasts go on after the last value.
    fit_hours
        How many hours may be learnt from before the first forecast.
    horizons_h
        Whole hours ahead, at least 1.

    Returns
    -------
    mapping
        Horizon to ``(hours + max(horizons_h), entities)``, by the hour that is forecast; NaN = not said: an hour that
        is learnt from or lies further ahead than the horizon, or an entity of which nothing is known yet.

    Raises
    ------
    BadInput
        Shapes or horizons do not fit.

    References
    ----------
    Boosting: G. Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", 2017, as in scikit-learn.
    Patterns: J. H. Stock and M. W. Watson, "Forecasting Using Principal Components", 2002.
    """
    p = parameters or TrafficForecastParameters()
    hours, n = values.shape
    ahead = max(horizons_h, default=0)
    if not ahead or min(horizons_h) < 1:
        raise BadInput(f"The horizons are {list(horizons_h)}.", "Give whole hours, at least 1.")
    if len(kinds.slot) < hours + ahead:
        raise BadInput(f"There are kinds of {len(kinds.slot)} hours.", f"Give {hours + ahead}.")
    if not 0 <= fit_hours <= hours:
        raise BadInput(f"fit_hours is {fit_hours}.", f"Give 0..{hours}.")
    values = np.concatenate([values, np.full((ahead, n), np.nan)])
    past: dict[int, Residuals] = {}
    said = {}
    for h in horizons_h:
        delay_h = DAY_H * -(-h // DAY_H)
        if delay_h not in past:
            past[delay_h] = residuals_of(
                values,
                kinds.slot[: len(values)],
                _known_hours(fit_hours, delay_h),
                delay_h=delay_h,
                factors=p.factors,
                short_memory_h=p.short_memory_h,
                long_memory_h=p.long_memory_h,
                fast=p.fast,
                slow=p.slow,
            )
        residual = _residual(past[delay_h], kinds, fit_hours, h, p, seed)
        known = past[delay_h].usual
        forecast = known.value + known.scale * residual
        if fit_hours and not np.nanmin(values[: _known_hours(fit_hours, h)], initial=0.0) < 0:
            forecast = np.maximum(forecast, 0.0)
        forecast[:fit_hours] = np.nan
        forecast[hours + h :] = np.nan
        said[h] = forecast
    return said


def _residual(
    past: Residuals, kinds: DayKinds, fit_hours: int, h: int, p: TrafficForecastParameters, seed: int
) -> Floats:
    """Return the forecast residual by the hour that is forecast, ``(hours, entities)``."""
    linear = _linear(past, h, fit_hours, p)
    known = ~np.isnan(past.of_entity)
    known[: p.warm_up_h], known[_known_hours(fit_hours, h) :] = False, False
    s, e = np.nonzero(known)
    if len(s) < _LEAST_ROWS:
        return linear
    if len(s) > p.rows:
        chosen = np.random.default_rng([seed, h]).choice(len(s), p.rows, replace=False)
        s, e = s[chosen], e[chosen]
    boosting = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=p.trees,
        max_leaf_nodes=p.leaves,
        learning_rate=p.learning_rate,
        min_samples_leaf=p.least_in_leaf,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    rows = _features(past, linear, kinds, h, s, e)
    # An error counts by its size in the unit of the series, not in scales of its entity.
    boosting.fit(rows, (past.of_entity - linear)[s, e], sample_weight=past.usual.scale[s, e])
    if not np.ptp(boosting.predict(rows[:_CHUNK])) > 0:
        # Boosting of the absolute error can end in a constant where most values are the same.
        return linear
    out = linear.copy()
    first, n = fit_hours, linear.shape[1]
    step = max(_CHUNK // max(n, 1), 1)
    for start in range(first, len(linear), step):
        block = np.arange(start, min(start + step, len(linear)))
        s, e = np.repeat(block, n), np.tile(np.arange(n), len(block))
        out[block] += boosting.predict(_features(past, linear, kinds, h, s, e)).reshape(len(block), n)
    return out


def _linear(past: Residuals, h: int, fit_hours: int, p: TrafficForecastParameters) -> Floats:
    """Return the ridge forecast of the residual from own lags and shared patterns, ``(hours, entities)``."""
    hours, n = past.of_entity.shape
    scores = past.scores
    shared = np.concatenate([shifted(scores, h), shifted(scores, h + 1), shifted(scores, max(h, DAY_H))], 1)
    shared = np.nan_to_num(shared)
    fitted = _known_hours(fit_hours, h)
    shared /= np.maximum(shared[:fitted].std(0), 1e-6) if fitted else 1.0
    target = np.clip(past.of_entity, -LARGEST_LINEAR, LARGEST_LINEAR)
    lags = [h, h + 1, h + 2, h + 3, *(lag for lag in _OWN_LAGS_H if lag > h + 3)]
    refits = list(range(fit_hours, hours, p.refit_h))
    out = np.zeros((hours, n))
    penalty = p.ridge * np.eye(shared.shape[1] + len(lags) + 2)
    for e in range(n):
        own = [shifted(target[:, e], lag) for lag in lags] + [shifted(past.short[:, e], h), shifted(past.long[:, e], h)]
        x = np.concatenate([shared, np.nan_to_num(np.stack(own, 1))], 1)
        y, known = np.nan_to_num(target[:, e]), ~np.isnan(target[:, e])
        known[: p.warm_up_h] = False
        square, product, count, done = np.zeros_like(penalty), np.zeros(len(penalty)), 0, 0
        for until in refits:
            known_until = _known_hours(until, h)
            rows = done + np.flatnonzero(known[done:known_until])
            square += x[rows].T @ x[rows]
            product += x[rows].T @ y[rows]
            count, done = count + len(rows), known_until
            if count < _LEAST_ROWS:
                continue
            start = 0 if until == fit_hours else until
            block = slice(start, until + p.refit_h)
            out[block, e] = x[block] @ np.linalg.solve(square + penalty, product)
    return out


def _known_hours(until: int, h: int) -> int:
    """Return how many hours are known when the hour `until` is forecast, `h` hours before: those up to that one."""
    return max(until - h + 1, 0)


def _features(
    past: Residuals, linear: Floats, kinds: DayKinds, h: int, s: Integers, e: Integers
) -> npt.NDArray[np.float32]:
    """Return what is known of the hours `s` of the entities `e` at `h` hours before, ``(rows, features)``."""
    t = s - h

    def then(values: Floats, at: Integers) -> Floats:
        inside = np.maximum(at, 0)
        return np.where(at >= 0, values[inside, e] if values.ndim == 2 else values[inside], np.nan)

    usual, scale = past.usual.value[s, e], past.usual.scale[s, e]
    pattern = np.where(t >= 0, np.einsum("nk,nk->n", past.scores[np.maximum(t, 0)], past.loadings[e]), np.nan)
    same_hour = [then(past.of_entity, s - DAY_H * day) for day in range(-(-h // DAY_H), 8)]
    n_known = np.sum([~np.isnan(one) for one in same_hour], 0)
    columns = [
        linear[s, e],
        *(then(past.of_entity, t - lag) for lag in range(3)),
        *(then(past.of_entity, s - lag) for lag in _OWN_LAGS_H if lag >= h),
        np.nansum(same_hour, 0) / np.maximum(n_known, 1),
        then(past.short, t),
        then(past.long, t),
        pattern,
        then(past.of_city, t),
        then(past.of_city, t - 1),
        then(past.of_city, s - max(h, DAY_H)),
        then(past.of_city, s - max(h, WEEK_H)),
        *(then(past.scores[:, k], t) for k in range(min(_SHARED_PATTERNS, past.scores.shape[1]))),
        (past.slow.value[s, e] - usual) / scale,
        usual,
        scale / np.maximum(np.abs(usual), 1e-6),
        (usual - then(past.usual.value, t)) / scale,
        (usual - then(past.usual.value, s - DAY_H)) / scale,
        *(getattr(kinds, name)[s] for name in _KINDS),
        *(then(kinds.is_holiday, at) for at in (t, s - DAY_H, s - WEEK_H)),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)
