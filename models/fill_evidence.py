"""What a level is believed to be after somebody judged it by eye, by weight, or by what lies beside it."""

import numpy as np
from scipy.special import log_ndtr, ndtr

from models.rows import Booleans, Floats

# A level judged so much lower than believed was not misjudged: the container was emptied and nobody told.
_EMPTIED_SDS = 3.5


def seen_level(
    level: Floats,
    variance: Floats,
    seen: Floats,
    seen_sd: float,
    is_beside: Booleans,
    full_ratio: float,
    beside_odds: float,
) -> tuple[Floats, Floats, Booleans]:
    """Return level, variance and whether it must have been emptied, after a person's word about ``n`` containers.

    Parameters
    ----------
    level, variance
        What is believed before.
    seen, seen_sd
        Level as the person judges it, NaN = nothing said; its standard deviation.
    is_beside
        Waste was seen beside it.
    full_ratio, beside_odds
        From which level a container counts as full, and how much likelier waste lies beside a full one.
    """
    level, variance = beside(level, variance, is_beside, full_ratio, beside_odds)
    emptied = level - seen > _EMPTIED_SDS * np.sqrt(variance + seen_sd**2)
    corrected, left = measured(level, variance, seen, seen_sd)
    return np.where(emptied, seen, corrected), np.where(emptied, seen_sd**2, left), emptied


def measured(level: Floats, variance: Floats, value: Floats, value_sd: Floats | float) -> tuple[Floats, Floats]:
    """Return level and variance after a measurement; NaN = none."""
    known = np.isfinite(value)
    weight = np.where(known, variance / (variance + np.square(value_sd)), 0.0)
    return level + weight * np.where(known, value - level, 0.0), (1 - weight) * variance


def beside(
    level: Floats, variance: Floats, is_beside: Booleans, full_ratio: float, beside_odds: float
) -> tuple[Floats, Floats]:
    """Return level and variance after a report of waste beside it, which is likelier where a container is full.

    The belief is normal; it is split at `full_ratio`, the parts are weighed anew, and a normal with the same mean and
    variance takes their place. Where the level is well known, nothing changes.

    >>> after, _ = beside(np.array([0.3, 0.8]), np.array([1e-4, 0.04]), np.array([True, True]), 0.95, 5.0)
    >>> after.round(2).tolist()
    [0.3, 0.93]
    """
    sd = np.sqrt(np.maximum(variance, 1e-12))
    edge = (full_ratio - level) / sd
    above = np.clip(ndtr(-edge), 1e-9, 1 - 1e-9)
    odds = np.where(is_beside, beside_odds, 1.0)
    share = odds * above / (odds * above + 1 - above)
    density = np.exp(-0.5 * edge**2) / np.sqrt(2 * np.pi)
    # Means and second moments, in standard deviations, of the parts above and below the edge.
    high, low = density / np.exp(log_ndtr(-edge)).clip(1e-9), -density / np.exp(log_ndtr(edge)).clip(1e-9)
    mean = share * high + (1 - share) * low
    square = share * (1 + edge * high) + (1 - share) * (1 + edge * low)
    changes = is_beside & (np.abs(edge) < 5)
    return (
        np.where(changes, level + sd * mean, level),
        np.where(changes, variance * np.maximum(square - mean**2, 0.05), variance),
    )
