"""A small city of hourly counts whose truth is known: weekly rhythm, holidays, a city-wide swing, own noise, gaps."""

import numpy as np

from models.holidays import day_kinds

MONDAY_S = 1_704_067_200.0  # 2024-01-01 00:00 UTC


def hourly_counts(
    seed: int, n: int = 12, days: int = 84, *, region: str = "DE", gaps: float = 0.03, timezone: str = "Europe/Berlin"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the beginnings of hours (s since 1970) and counts ``(hours, n)``, NaN = missing."""
    rng = np.random.default_rng(seed)
    at_s = MONDAY_S + 3600.0 * np.arange(24 * days)
    kinds = day_kinds(at_s, timezone, region)
    day, hour = kinds.slot // 24, kinds.hour
    working = 0.1 + np.exp(-0.5 * ((hour - 8) / 2) ** 2) + 1.1 * np.exp(-0.5 * ((hour - 17) / 2.5) ** 2)
    weekend = 0.1 + 0.7 * np.exp(-0.5 * ((hour - 14) / 4) ** 2)
    rhythm = np.where(day < 5, working, np.where(day == 5, weekend, 0.75 * weekend))
    swing, own = np.zeros(len(at_s)), np.zeros((len(at_s), n))
    for t in range(1, len(at_s)):
        swing[t] = 0.9 * swing[t - 1] + rng.normal(0, 0.05)
        own[t] = 0.7 * own[t - 1] + rng.normal(0, 0.05, n)
    counts = rng.uniform(150, 900, n) * rhythm[:, None] * np.exp(swing[:, None] + own)
    counts = np.round(counts)
    counts[rng.random(counts.shape) < gaps] = np.nan
    return at_s, counts
