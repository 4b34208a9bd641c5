"""What differs from the usual now: of each entity, of the city, and in the patterns that many entities share."""

from typing import NamedTuple

import numpy as np

from models.rolling_profile import Profile, RollingProfileParameters, rolling_profile
from models.rows import Booleans, Floats, Integers

DAY_H = 24
LARGEST = 8.0
LARGEST_LINEAR = 4.0
_LEAST_OVERLAP_H = 100


class Residuals(NamedTuple):
    """Differences from the usual in units of its scale; every hour from the hours up to itself alone.

    Parameters
    ----------
    usual, slow
        ``(hours, entities)``, what was usual as known a day before, learnt fast and slowly.
    of_entity, short, long
        ``(hours, entities)``; the residual (NaN = unknown), and it smoothed over hours and over days.
    of_city
        ``(hours,)``, the mean residual.
    scores
        ``(hours, factors)``, how strongly each shared pattern is there.
    loadings
        ``(entities, factors)``; 0 for an entity that the patterns were not learnt from.
    """

    usual: Profile
    slow: Profile
    of_entity: Floats
    short: Floats
    long: Floats
    of_city: Floats
    scores: Floats
    loadings: Floats


def residuals_of(
    values: Floats,
    slot: Integers,
    fit_hours: int,
    *,
    delay_h: int,
    factors: int,
    short_memory_h: float,
    long_memory_h: float,
    fast: RollingProfileParameters,
    slow: RollingProfileParameters,
) -> Residuals:
    """Return the residuals of `values`, ``(hours, entities)``; the patterns are learnt from the first `fit_hours`."""
    usual = rolling_profile(values, slot, delay_h, fast)
    residual = np.clip((values - usual.value) / usual.scale, -LARGEST, LARGEST)
    known = ~np.isnan(residual)
    z = np.clip(np.where(known, residual, 0.0), -LARGEST_LINEAR, LARGEST_LINEAR)
    loadings, noise = _patterns(z[:fit_hours], known[:fit_hours], factors)
    scores = np.zeros((len(z), loadings.shape[1]))
    penalty = noise * np.eye(loadings.shape[1])
    # An entity without a share in any pattern says nothing of them: with or without it the sums are the same.
    shares = np.flatnonzero(np.abs(loadings).sum(1) > 0)
    kept, z_kept, known_kept = loadings[shares], z[:, shares], known[:, shares]
    for t in range(len(z)):
        seen = kept[known_kept[t]]
        if len(seen):
            scores[t] = np.linalg.solve(seen.T @ seen + penalty, seen.T @ z_kept[t, known_kept[t]])
    return Residuals(
        usual,
        rolling_profile(values, slot, delay_h, slow),
        residual,
        smoothed(residual, short_memory_h),
        smoothed(residual, long_memory_h),
        z.sum(1) / np.maximum(known.sum(1), 1),
        scores,
        loadings,
    )


def smoothed(values: Floats, memory_h: float) -> Floats:
    """Return an exponentially weighted mean over about `memory_h` hours; unknown values leave it as it is."""
    out = np.empty_like(values)
    weight = -np.expm1(-1.0 / memory_h)
    mean = np.zeros(values.shape[1])
    for t, now in enumerate(values):
        mean = mean + np.where(np.isnan(now), 0.0, weight * (now - mean))
        out[t] = mean
    return out


def shifted(values: Floats, by_h: int) -> Floats:
    """Return at every hour what was there `by_h` ≥ 0 hours before; NaN where that is before the beginning.

    >>> shifted(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [nan, 1.0, 2.0]
    """
    out = np.full_like(values, np.nan)
    out[by_h:] = values[: max(len(values) - by_h, 0)]
    return out


def _patterns(z: Floats, known: Booleans, factors: int) -> tuple[Floats, float]:
    """Return loadings ``(entities, factors)`` and the variance that the patterns leave, from values with gaps."""
    loadings = np.zeros((z.shape[1], factors))
    learnt = np.flatnonzero(known.sum(0) >= 2 * _LEAST_OVERLAP_H)
    if not len(learnt):
        return loadings, 1.0
    z, seen = z[:, learnt], known[:, learnt].astype(np.float64)
    covariance = (z.T @ z) / np.maximum(seen.T @ seen, _LEAST_OVERLAP_H)
    size, direction = np.linalg.eigh(covariance)
    k = min(factors, len(size))
    found = direction[:, ::-1][:, :k] * np.sqrt(np.maximum(size[::-1][:k], 1e-9))
    loadings[learnt, :k] = found
    return loadings, max(float(np.diag(covariance).mean() - (found**2).sum(1).mean()), 0.1)
