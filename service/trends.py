"""A quantity of an entity over time: what was measured, what is normal, what is expected."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from city.quantities import quantity as quantity_called
from city.register import Register
from models.rows import Floats
from service.answers import Band, Threshold, TrendAnswer
from service.usual_traffic import UsualTraffic
from store.series import Series, SeriesStore

MAX_POINTS = 2000
FORECAST_S = 2 * 86_400.0
FORECAST_STEP_S = 3600.0
_DAY_S = 86_400.0
_HISTORY_DAYS = 14
_BINS_PER_DAY = 48
_LEAST_DAYS = 2
_GAP = 2.5
_LEAST_FOR_GAPS = 4
TRAFFIC_AHEAD_S = 6 * 3600.0
# A longer window is drawn with what earlier days tell: the model's week would only repeat itself.
_MODEL_BAND_S = 8 * _DAY_S
_AGAINST = {
    "vehicle_count": ("fewer vehicles than usual", "as many vehicles as usual", "more vehicles than usual"),
    "speed_kph": ("slower than usual", "as fast as usual", "faster than usual"),
    "occupancy_ratio": ("covered less than usual", "covered as usual", "covered more than usual"),
}
_SHOWN = {"vehicle_count": (1.0, "vehicles"), "speed_kph": (1.0, "km/h"), "occupancy_ratio": (100.0, "%")}
# What follows the day's rhythm, so that "usual at this hour" means something.
_RHYTHMIC = ("speed_kph", "vehicle_count", "occupancy_ratio")


def trend_answer(
    register: Register,
    series: SeriesStore,
    entity: str,
    quantity: str,
    start_s: float,
    end_s: float,
    *,
    forecast: Sequence[tuple[float, float, float, float]] = (),
    traffic: UsualTraffic | None = None,
    now_s: float = math.inf,
    thresholds: Sequence[Threshold] = (),
) -> TrendAnswer:
    """Return what the series store has of a quantity between two times.

    Parameters
    ----------
    forecast
        Time (s), level, low and high.
    traffic
        Knows what is usual and expected of an approach; without it, earlier days tell what is usual.
    now_s
        A window that ends before it gets no forecast of traffic.

    Raises
    ------
    BadInput
        There is no such quantity.
    """
    unit = quantity_called(quantity).unit
    found = series.window(entity, quantity, start_s, end_s)
    measured = with_gaps(found.at_s, found.value) if quantity in _RHYTHMIC else (found.at_s, found.value)
    at_s, value = thinned(*measured, MAX_POINTS)
    band = None
    against = ""
    if traffic is not None and quantity in _RHYTHMIC and len(found.at_s):
        length_s = interval_s(found.at_s)
        band = _known_band(traffic, entity, quantity, at_s, length_s)
        if end_s >= now_s - length_s:
            if found.at_s[-1] >= min(now_s, end_s) - 2 * max(traffic.step_s, length_s):
                against = against_usual(traffic, entity, quantity, found, length_s)
            forecast = _next_hours(traffic, entity, quantity, now_s, length_s)
    if band is None and quantity in _RHYTHMIC and len(at_s):
        history = series.window(entity, quantity, start_s - _HISTORY_DAYS * _DAY_S, start_s)
        band = usual_band(history.at_s, history.value, at_s)
    return TrendAnswer(
        entity=entity,
        quantity=quantity,
        unit=unit,
        points=[(_ms(at), None if np.isnan(v) else round(float(v), 4)) for at, v in zip(at_s, value, strict=True)],
        normal=band,
        thresholds=list(thresholds),
        forecast=[(_ms(at), round(level, 4), round(low, 4), round(high, 4)) for at, level, low, high in forecast],
        against_usual=against,
    )


def against_usual(traffic: UsualTraffic, entity: str, quantity: str, found: Series, length_s: float) -> str:
    """Return in words how the latest quarter of an hour differs from what is usual; empty where that is not known."""
    step_s = traffic.step_s
    known = np.isfinite(found.value)
    at_s, value = found.at_s[known], found.value[known]
    if not len(at_s):
        return ""
    span_s = max(step_s, length_s)
    late = value[at_s > at_s[-1] - span_s]
    # What half a quarter of an hour says is not told as if it were a whole one.
    if len(late) * length_s < span_s / 2:
        return ""
    mean = float(late.mean())
    usual = traffic.usual(entity, quantity, at_s[-1:], span_s)
    if usual is None or not np.isfinite(usual.expected[0]):
        return ""
    now = mean * span_s / length_s if quantity == "vehicle_count" else mean
    low, high = float(usual.low[0]), float(usual.high[0])
    word = _AGAINST[quantity][0 if now < low else 2 if now > high else 1]
    scale, unit = _SHOWN[quantity]
    over = f" in {span_s / 60:.0f} min" if quantity == "vehicle_count" else ""
    return f"{word}: {now * scale:.0f} {unit}{over}, usually {low * scale:.0f} to {high * scale:.0f}"


def interval_s(at_s: Floats) -> float:
    """Return the usual distance of readings, s; a quarter of an hour where there is but one.

    >>> interval_s(np.array([0.0, 60, 120, 600]))
    60.0
    """
    return float(np.median(np.diff(at_s))) if len(at_s) > 1 else 900.0


def _known_band(traffic: UsualTraffic, entity: str, quantity: str, at_s: Floats, length_s: float) -> Band | None:
    if at_s[-1] - at_s[0] > _MODEL_BAND_S:
        return None
    usual = traffic.usual(entity, quantity, at_s, length_s)
    if usual is None or not np.isfinite(usual.expected).any():
        return None
    return Band(low=_pairs(at_s, usual.low), high=_pairs(at_s, usual.high))


def _next_hours(
    traffic: UsualTraffic, entity: str, quantity: str, now_s: float, length_s: float
) -> list[tuple[float, float, float, float]]:
    step_s = max(traffic.step_s, length_s)
    at_s = now_s + step_s * np.arange(1.0, TRAFFIC_AHEAD_S / step_s + 1)
    band = traffic.expected(entity, quantity, at_s, length_s)
    if band is None:
        return []
    rows = zip(at_s.tolist(), band.expected.tolist(), band.low.tolist(), band.high.tolist(), strict=True)
    return [row for row in rows if np.isfinite(row).all()]


def thinned(at_s: Floats, value: Floats, limit: int) -> tuple[Floats, Floats]:
    """Return at most about `limit` points that look the same in a chart: first, least, greatest and last of each piece.

    Parameters
    ----------
    at_s, value
        ``(n,)``; NaN = unknown, and kept where a piece begins or ends with it.
    """
    if len(at_s) <= limit:
        return at_s, value
    edges = np.linspace(0, len(at_s), max(1, limit // 4) + 1).astype(int)
    kept: set[int] = set()
    for first, last in pairwise(edges):
        kept |= {int(first), int(last) - 1}
        piece = value[first:last]
        if np.isfinite(piece).any():
            kept |= {int(first + np.nanargmin(piece)), int(first + np.nanargmax(piece))}
    index = np.array(sorted(kept))
    return at_s[index], value[index]


def with_gaps(at_s: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return the points with an unknown one where readings are missing, so that no line runs through it.

    Readings are missing where the distance to the next is more than `_GAP` times the usual one.
    """
    if len(at_s) < _LEAST_FOR_GAPS:
        return at_s, value
    steps = np.diff(at_s)
    usual_s = float(np.median(steps))
    before = np.flatnonzero(steps > _GAP * usual_s)
    return (
        np.insert(at_s, before + 1, at_s[before] + usual_s),
        np.insert(value, before + 1, np.nan),
    )


def usual_band(history_at_s: Floats, history: Floats, at_s: Floats) -> Band | None:
    """Return what is usual at the time of day of each of `at_s`: the 10th to 90th percentile of earlier days.

    None where fewer than two earlier days are known: a band from one day would only repeat it.
    """
    known = np.isfinite(history)
    history_at_s, history = history_at_s[known], history[known]
    if len(history) == 0 or len(np.unique(history_at_s // _DAY_S)) < _LEAST_DAYS:
        return None
    width_s = _DAY_S / _BINS_PER_DAY
    bins = (history_at_s % _DAY_S // width_s).astype(int)
    low, high = np.full(_BINS_PER_DAY, np.nan), np.full(_BINS_PER_DAY, np.nan)
    for one in np.unique(bins):
        low[one], high[one] = np.percentile(history[bins == one], (10, 90))
    mine = (at_s % _DAY_S // width_s).astype(int)
    return Band(low=_pairs(at_s, low[mine]), high=_pairs(at_s, high[mine]))


def thresholds_of(register: Register, entity: str, quantity: str) -> list[Threshold]:
    """Return the named lines of a chart."""
    if quantity == "fill_ratio":
        return [Threshold(name="watch", value=0.8), Threshold(name="full", value=0.95)]
    if quantity == "speed_kph" and (approach := register.approaches.get(entity)):
        return [Threshold(name="free speed", value=approach.free_speed_kph)]
    return []


def forecast_times(now_s: float) -> list[float]:
    """Return the times that a forecast is made for."""
    return [now_s + step * FORECAST_STEP_S for step in range(int(FORECAST_S / FORECAST_STEP_S) + 1)]


def _pairs(at_s: Floats, value: Floats) -> list[tuple[int, float | None]]:
    return [(_ms(at), None if np.isnan(v) else round(float(v), 4)) for at, v in zip(at_s, value, strict=True)]


def _ms(at_s: float) -> int:
    return round(at_s * 1000)
