"""Small worlds whose truth is known: containers, sites and approaches, each from a seed."""

from typing import NamedTuple

import numpy as np

from models.rows import Rows

START_S = 1_767_571_200.0  # 2026-01-05 00:00 UTC, a Monday
DAY_S = 86_400.0


class Containers(NamedTuple):
    rows: Rows
    emptied: list[tuple[int, float]]
    level: np.ndarray


def containers(seed: int, n: int = 6, days: int = 12, *, outliers: float = 0.01, gaps: float = 0.05) -> Containers:
    """Readings every 30 minutes of containers of 4 m3 that somebody empties at about 85 %."""
    rng = np.random.default_rng(seed)
    steps = days * 48
    level, per_day = rng.uniform(0, 0.5, n), rng.uniform(8, 40, n)
    seen, truth, emptied = np.empty((steps, n)), np.empty((steps, n)), []
    for t in range(steps):
        hour = t % 48 / 2
        deposits = rng.poisson(per_day / 48 * (0.3 + 1.4 * (8 < hour < 22)))
        level += np.array([rng.triangular(10, 30, 60, k).sum() for k in deposits]) / 4000
        full = (level > 0.85) & (rng.random(n) < 0.2)
        emptied += [(int(i), START_S + t * 1800) for i in np.flatnonzero(full)]
        level[full] = 0.02
        truth[t] = level
        seen[t] = np.round(level + rng.normal(0, 0.012, n), 3).clip(0)
        odd = rng.random(n) < outliers
        seen[t, odd] = rng.uniform(0, 1, odd.sum())
    seen[rng.random(seen.shape) < gaps] = np.nan
    at_s = START_S + np.repeat(np.arange(steps), n) * 1800.0
    rows = Rows.of_columns(float(at_s[-1]), np.tile(np.arange(n), steps), at_s, {"fill_ratio": seen.ravel()})
    return Containers(rows, emptied, truth)


class Sites(NamedTuple):
    rows: Rows
    piles: list[tuple[int, float, float, str]]


def sites(seed: int, n: int = 6, days: int = 6, *, cameras: int | None = None, clutter: float = 0.06) -> Sites:
    """Frames and levels every 15 minutes of clusters beside which waste is left now and then."""
    rng = np.random.default_rng(seed)
    steps, cameras = days * 96, n if cameras is None else cameras
    bags, began, cause = np.zeros(n, int), np.zeros(n), [""] * n
    level, other = rng.uniform(0.2, 0.7, n), np.zeros(n, int)
    columns = {q: np.full((steps, n), np.nan) for q in ("objects_beside", "fill_ratio", "lid_openings")}
    piles = []
    for t in range(steps):
        at_s = START_S + t * 900
        lids = rng.poisson(0.25, n)
        room = level < 0.97
        level = np.minimum(level + room * lids * 0.02, 1.0)
        dumped = (rng.random(n) < 0.25 / 96) * (1 + rng.poisson(2.5, n))
        left = np.where(room, 0, rng.binomial(lids, 0.7))
        for i in np.flatnonzero((bags == 0) & (dumped + left > 0)):
            began[i], cause[i] = at_s, "dumped" if dumped[i] else "overflow"
        bags += dumped + left
        for i in np.flatnonzero((bags > 0) & (rng.random(n) < 1 / 96)):
            piles.append((int(i), float(began[i]), at_s, cause[i]))
            bags[i], level[i] = 0, 0.03
        moves = rng.random(n) < 0.2
        other = np.where(moves, (rng.random(n) < clutter) * (1 + rng.poisson(0.3, n)), other)
        seen = rng.binomial(bags, 0.75) * (rng.random(n) > 0.1) + other
        columns["objects_beside"][t] = np.where(np.arange(n) < cameras, seen, np.nan)
        columns["fill_ratio"][t] = np.round(level + rng.normal(0, 0.01, n), 2)
        columns["lid_openings"][t] = lids
    piles += [(int(i), float(began[i]), START_S + steps * 900, cause[i]) for i in np.flatnonzero(bags)]
    at = START_S + np.repeat(np.arange(steps), n) * 900.0
    values = {name: column.ravel() for name, column in columns.items()}
    return Sites(Rows.of_columns(float(at[-1]), np.tile(np.arange(n), steps), at, values, 900), piles)


class Approaches(NamedTuple):
    rows: Rows
    jams: list[tuple[int, float, float, str]]


def approaches(seed: int, n: int = 8, days: float = 2, jams: tuple[tuple[int, float, str], ...] = ()) -> Approaches:
    """Minutes of approaches with two peaks a day that slow traffic; `jams` are (approach, hour, kind), 40 min each.

    Kinds: ``slow`` (they crawl over the detector), ``blocked`` (they stand on it), ``gone`` (nothing arrives).
    """
    rng = np.random.default_rng(seed)
    steps = int(days * 1440)
    hour = np.arange(steps) / 60 % 24
    rhythm = 0.08 + np.exp(-0.5 * ((hour - 8.5) / 1.2) ** 2) + np.exp(-0.5 * ((hour - 17.5) / 1.5) ** 2)
    rhythm += 0.5 * np.exp(-0.5 * ((hour - 13) / 3) ** 2)
    busy = rng.uniform(4, 14, n)
    count = rng.poisson(rhythm[:, None] * busy).astype(float)
    speed = 48 * (1 - 0.35 * np.minimum(rhythm, 1.1)[:, None]) + rng.normal(0, 3, (steps, n))
    occupancy = np.clip(count * 6.5 / np.maximum(speed, 5) / 60 * 3.6 * rng.uniform(0.8, 1.3, (steps, n)), 0, 1)
    planted = []
    for i, at_hour, kind in jams:
        a = int(at_hour * 60)
        b = a + 40
        planted.append((i, START_S + a * 60, START_S + b * 60, kind))
        if kind == "slow":
            count[a:b, i] = rng.poisson(0.5 * count[a:b, i])
            speed[a:b, i], occupancy[a:b, i] = rng.uniform(4, 10, 40), rng.uniform(0.5, 0.8, 40)
        elif kind == "blocked":
            count[a:b, i], occupancy[a:b, i] = 0, rng.uniform(0.95, 1.0, 40)
        else:
            count[a:b, i], occupancy[a:b, i] = 0, 0
    speed[count == 0] = np.nan
    gone = rng.random((steps, n)) < 0.01
    values = {"vehicle_count": count, "occupancy_ratio": occupancy, "speed_kph": speed}
    values = {name: np.where(gone, np.nan, one).ravel() for name, one in values.items()}
    at = START_S + (1 + np.repeat(np.arange(steps), n)) * 60.0
    return Approaches(Rows.of_columns(float(at[-1]), np.tile(np.arange(n), steps), at, values, 60), planted)
