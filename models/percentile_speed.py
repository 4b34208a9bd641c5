"""V85 and other percentile speeds: from the speeds of vehicles, of bins, or of intervals."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from city.errors import BadInput
from models.figures import Answer, Figure, Refusal
from models.rows import Floats

# Fewer vehicles than this say too little about the fastest of them.
MIN_VEHICLES = 100
MIN_INTERVALS = 60


def percentile_speed(speed_kph: npt.ArrayLike, share: float = 0.85) -> Answer:
    """Return the speed that `share` of the vehicles do not exceed, from the speed of each vehicle.

    The interval is that of an order statistic and assumes nothing about the distribution.

    References
    ----------
    Institute of Transportation Engineers, Manual of Transportation Engineering Studies, 2nd edition, 2010, ch. 5
    (at least 100 vehicles). Interval: W. J. Conover, Practical Nonparametric Statistics, 1999, ch. 3.2.
    """
    name = _name(share)
    speeds = _known(speed_kph)
    n = len(speeds)
    if n < MIN_VEHICLES:
        return Refusal(name, "vehicles with a speed", n, MIN_VEHICLES)
    speeds = np.sort(speeds)
    low, high = _order_bounds(n, share)
    return Figure(
        name,
        float(np.quantile(speeds, share)),
        "km/h",
        float(speeds[low]),
        float(speeds[high]),
        1.0,
        f"{n:,} vehicles",
        "percentile of the speeds of vehicles",
    )


def percentile_speed_of_bins(edges_kph: Sequence[float], count: npt.ArrayLike, share: float = 0.85) -> Answer:
    """Return the percentile from vehicles per class of speed, interpolated within its class.

    Parameters
    ----------
    edges_kph
        ``n + 1`` rising edges; the last may be infinite (the open class "70 and more").
    count
        ``(n,)``, vehicles in each class.

    Raises
    ------
    BadInput
        Edges and counts do not fit together.
    """
    name = _name(share)
    edges, counts = np.asarray(edges_kph, np.float64), np.asarray(count, np.float64)
    if edges.shape != (len(counts) + 1,) or (np.diff(edges) <= 0).any() or not (counts >= 0).all():
        raise BadInput(
            f"{len(edges)} edges and {len(counts)} counts make no classes.", "Give one rising edge more than counts."
        )
    n = counts.sum()
    if n < MIN_VEHICLES:
        return Refusal(name, "vehicles with a speed", float(n), MIN_VEHICLES)
    low_rank, high_rank = _order_bounds(int(n), share)
    value, low, high = (_in_bins(edges, counts, at) for at in (share * n, low_rank, high_rank + 1))
    if not np.isfinite(value):
        return Refusal(
            name,
            "of the vehicles in classes with an upper edge",
            float(counts[:-1].sum() / n),
            share,
            f"It lies in the open class above {edges[-2]:g} km/h.",
        )
    return Figure(
        name,
        value,
        "km/h",
        low,
        high if np.isfinite(high) else float(edges[-2]),
        1.0,
        f"{n:,.0f} vehicles in {len(counts)} classes",
        "percentile of classes of speed, interpolated within the class",
        notes=("No finer than the classes are.",),
    )


def percentile_speed_of_means(speed_kph: npt.ArrayLike, vehicles: npt.ArrayLike, share: float = 0.85) -> Answer:
    """Return the percentile of the mean speeds of intervals, each as heavy as its vehicles.

    Means hide how vehicles differ within an interval: the percentile of vehicles is higher. It serves to compare a
    place with itself, and the figure says so.
    """
    name = f"{_name(share)} of interval means"
    speeds, weights = np.broadcast_arrays(np.asarray(speed_kph, np.float64), np.asarray(vehicles, np.float64))
    known = np.isfinite(speeds) & np.isfinite(weights) & (weights > 0)
    speeds, weights = speeds[known], weights[known]
    if len(speeds) < MIN_INTERVALS or weights.sum() < MIN_VEHICLES:
        return Refusal(name, "intervals with a speed", len(speeds), MIN_INTERVALS)
    order = np.argsort(speeds)
    speeds, cumulated = speeds[order], np.cumsum(weights[order]) / weights.sum()
    effective = int(weights.sum() ** 2 / (weights**2).sum())
    spread = 1.96 * np.sqrt(share * (1 - share) / max(effective, 1))
    value, low, high = (
        float(speeds[min(np.searchsorted(cumulated, at), len(speeds) - 1)])
        for at in (share, share - spread, min(1.0, share + spread))
    )
    return Figure(
        name,
        value,
        "km/h",
        low,
        high,
        float(known.mean()),
        f"{len(speeds):,} intervals with {weights.sum():,.0f} vehicles",
        "percentile of interval means, weighted with vehicles",
        notes=("Lower than the V85 of vehicles: a mean hides its fastest.",),
    )


def _in_bins(edges: Floats, counts: Floats, rank: float) -> float:
    cumulated = np.concatenate([[0.0], np.cumsum(counts)])
    at = int(np.searchsorted(cumulated[1:], min(rank, cumulated[-1]) - 1e-9))
    share = (rank - cumulated[at]) / counts[at] if counts[at] else 0.0
    if not np.isfinite(edges[at + 1]):
        return float("inf")
    return float(edges[at] + min(share, 1.0) * (edges[at + 1] - edges[at]))


def _order_bounds(n: int, share: float) -> tuple[int, int]:
    """Return the places (from 0) of the order statistics that hold the percentile 95 times of 100."""
    low, high = int(binom.ppf(0.025, n, share)) - 1, int(binom.ppf(0.975, n, share))
    return max(0, low), min(n - 1, high)


def _known(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    return array[np.isfinite(array)]


def _name(share: float) -> str:
    return f"V{share * 100:g}"
