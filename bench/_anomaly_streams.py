"""Seeded streams with planted anomalies, and a score of detectors that rewards early alarms inside a window."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
START_S = 1_441_065_600.0  # 2015-09-01
WINDOW_SHARE = 0.1
PROBATION_SHARE, PROBATION_RECORDS = 0.15, 750


class Stream(NamedTuple):
    """Times (s), values, and windows ``(first, last)`` of indices, both included."""

    name: str
    kind: str
    at_s: Floats
    value: Floats
    windows: tuple[tuple[int, int], ...]


KINDS = ("speed", "occupancy", "travel-time", "cpu", "mentions", "hourly-demand")


def streams(seed: int, per_kind: int) -> list[Stream]:
    """Return `per_kind` streams of every kind."""
    return [
        _stream(np.random.default_rng([seed, k, j]), kind, j) for k, kind in enumerate(KINDS) for j in range(per_kind)
    ]


def _stream(rng: np.random.Generator, kind: str, j: int) -> Stream:
    hourly = kind == "hourly-demand"
    n = int(rng.integers(1500, 2200) if hourly else rng.integers(2200, 4200))
    step_s = 3600.0 if hourly else 300.0
    # Stamps of traffic streams are irregular: records are missing, now and then for hours.
    steps = np.ones(n)
    if kind in ("speed", "occupancy", "travel-time"):
        steps += rng.geometric(0.6, n) - 1
        steps[rng.random(n) < 0.004] += rng.integers(10, 150)
    at_s = START_S + step_s * np.cumsum(steps) + rng.integers(0, 60)
    hour = at_s / 3600 % 24
    weekend = at_s // 86_400 % 7 >= 5
    rush = np.exp(-0.5 * ((hour - 8) / 1.3) ** 2) + 1.2 * np.exp(-0.5 * ((hour - 17) / 1.8) ** 2)
    rush *= np.where(weekend, 0.25, 1.0) * rng.uniform(0.4, 1.2)
    wander = _ar(rng, n, 0.9, 0.05)
    if kind == "speed":
        value = np.round(
            rng.uniform(55, 75) * (1 - 0.3 * rush * rng.uniform(0.2, 1)) + 25 * wander + rng.normal(0, 3, n)
        )
    elif kind == "occupancy":
        value = np.maximum(
            rng.uniform(4, 9) * (0.4 + rush + 2 * np.abs(wander)) * rng.lognormal(0, 0.25, n), 0.1
        ).round(2)
    elif kind == "travel-time":
        value = np.round(rng.uniform(90, 250) * (1 + 0.4 * rush + np.abs(wander)) * rng.lognormal(0, 0.15, n))
        value *= np.where(rng.random(n) < 0.01, rng.uniform(1.5, 3, n), 1.0)
    elif kind == "cpu":
        base = rng.uniform(2, 50)
        value = base * (1 + wander) + rng.normal(0, 0.03 * base, n) + np.where(np.arange(n) % 288 < 6, 0.4 * base, 0.0)
        value = np.clip(value + np.where(rng.random(n) < 0.003, rng.uniform(0.3, 1.0) * base, 0), 0, 100).round(3)
    elif kind == "mentions":
        rate = rng.uniform(5, 60) * (0.5 + 0.5 * np.sin((hour - 9) / 24 * 2 * np.pi)) + 2
        value = rng.poisson(rate * rng.gamma(2.0, 0.5, n)).astype(float)
    else:
        value = rng.uniform(5e3, 2e4) * (0.4 + rush + 0.3 * np.sin((hour - 8) / 24 * 2 * np.pi) + wander) + rng.normal(
            0, 300, n
        )
    value, windows = _planted(rng, value, kind)
    return Stream(f"{kind}-{j}", kind, at_s, value, windows)


def _planted(rng: np.random.Generator, value: Floats, kind: str) -> tuple[Floats, tuple[tuple[int, int], ...]]:
    n = len(value)
    value = value.copy()
    count = int(rng.integers(1, 4))
    width = int(WINDOW_SHARE * n / count)
    first = int(PROBATION_SHARE * n) + width
    places = np.sort(rng.choice(np.arange(first, n - width, 2 * width), count, replace=False))
    spread = float(np.subtract(*np.percentile(value, [90, 10])))
    for at in places:
        length = int(rng.integers(3, 40))
        event = slice(at, at + length)
        sort = rng.choice(["spike", "level", "drop", "noise", "flat"], p=[0.3, 0.3, 0.2, 0.1, 0.1])
        if sort == "spike":
            event = slice(at, at + int(rng.integers(1, 4)))
            value[event] += rng.choice([1, 1, -1]) * spread * rng.uniform(1.5, 4)
        elif sort == "level":
            value[event] += rng.choice([1, -1]) * spread * rng.uniform(0.8, 1.6)
        elif sort == "drop":
            value[event] *= rng.uniform(0.05, 0.4)
        elif sort == "noise":
            value[event] += rng.normal(0, spread * 0.9, value[event].shape)
        else:
            value[event] = value[at]
    if kind != "speed":
        value = np.maximum(value, 0)
    windows = tuple((int(max(at - width // 2, first - width)), int(min(at + width // 2, n - 1))) for at in places)
    return value, windows


def best_score(scored: list[tuple[Stream, Floats]]) -> tuple[float, float]:
    """Return the best score (0 = silence, 100 = every window at its beginning, nothing else) and its threshold.

    One threshold for all streams. An alarm in a window earns up to 1, more the earlier, once a window; a window
    without one costs 1; an alarm outside costs up to 0.11, less shortly after a window; the first records of a
    stream (15 %, at most 750) do not count.

    References
    ----------
    A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015 (its standard profile).
    """
    levels = np.unique(np.concatenate([np.sort(score[~np.isnan(score)])[-100:] for _, score in scored]))
    levels = levels[np.linspace(0, len(levels) - 1, min(len(levels), 120)).astype(int)]
    windows = sum(len(stream.windows) for stream, _ in scored)
    best = max(
        ((sum(_raw(stream, score, level) for stream, score in scored), level) for level in levels), key=lambda b: b[0]
    )
    perfect, silent = float(windows), -float(windows)
    return 100 * (best[0] - silent) / (perfect - silent), float(best[1])


def _raw(stream: Stream, score: Floats, level: float) -> float:
    n = len(score)
    alarms = np.flatnonzero(score >= level)
    alarms = alarms[alarms >= min(int(PROBATION_SHARE * n), PROBATION_RECORDS)]
    total = 0.0
    in_window = np.zeros(len(alarms), bool)
    for first, last in stream.windows:
        inside = (alarms >= first) & (alarms <= last)
        in_window |= inside
        if not inside.any():
            total -= 1.0
            continue
        width = last - first + 1
        total += _sigmoid(-(last - int(alarms[inside][0]) + 1) / width) / _sigmoid(-1.0)
    for at in alarms[~in_window]:
        before = [(first, last) for first, last in stream.windows if last < at]
        if not before:
            total -= 0.11
            continue
        first, last = before[-1]
        total += 0.11 * _sigmoid(abs(last - int(at)) / max(last - first, 1))
    return total


def _sigmoid(x: float) -> float:
    return 2 / (1 + float(np.exp(min(5 * x, 500.0)))) - 1 if x <= 3 else -1.0


def _ar(rng: np.random.Generator, n: int, keeps: float, noise: float) -> Floats:
    out, steps = np.zeros(n), rng.normal(0, noise, n)
    for t in range(1, n):
        out[t] = keeps * out[t - 1] + steps[t]
    return out
