"""What states of approaches mean for who drives there: speeds that fade into the usual, and hours to keep away."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.rows import Floats

EARTH_M_PER_DEGREE = 111_195.0
BUSY_V_C = 0.85
LOWEST_FACTOR = 0.05
HOURS = 24


class PeakWindow(NamedTuple):
    """Local hours, from `first_hour` until before `end_hour`, at which a stop at `place` would stand in a peak."""

    place: str
    approach: str
    first_hour: int
    end_hour: int
    volume_to_capacity: float


def speed_factors(
    now_ratio: Floats, usual_ratio: Floats, ahead_s: npt.ArrayLike, *, fades_s: npt.ArrayLike = 1800.0
) -> Floats:
    """Return the speed of approaches as a share of the free speed at later moments, ``(n, h)``.

    What is seen now fades into what is usual at that hour: usual + (now - usual of now) · exp(-ahead / fades).

    Parameters
    ----------
    now_ratio
        ``(n,)``, measured now; NaN = unknown: the usual is all there is.
    usual_ratio
        ``(n, 1 + h)``, usual now and at each moment ahead; NaN = unknown: the nearest thing known is taken, 1 at worst.
    ahead_s
        ``(h,)``, s from now.
    fades_s
        ``(n,)`` or one number: how soon, such as how long an incident is expected to last.

    Raises
    ------
    BadInput
        The shapes do not fit.

    >>> speed_factors(np.array([0.2]), np.array([[0.8, 0.8, 0.6]]), [0, 1e6]).round(3).tolist()
    [[0.2, 0.6]]
    """
    ahead = np.asarray(ahead_s, np.float64)
    if usual_ratio.shape != (len(now_ratio), 1 + len(ahead)):
        raise BadInput(f"usual_ratio has shape {usual_ratio.shape}.", "Give (approaches, 1 + moments).")
    first = np.where(np.isnan(usual_ratio[:, :1]), now_ratio[:, None], usual_ratio[:, :1])
    usual = np.where(np.isnan(usual_ratio[:, 1:]), first, usual_ratio[:, 1:])
    usual, first = np.nan_to_num(usual, nan=1.0), np.nan_to_num(first, nan=1.0)
    gap = np.nan_to_num(now_ratio[:, None] - first)
    fade = np.exp(-ahead[None] / np.reshape(np.asarray(fades_s, np.float64), (-1, 1)))
    factors: Floats = np.clip(usual + gap * fade, LOWEST_FACTOR, 1.0)
    return factors


def movement_delays_s(delay_s: Floats, approach: npt.ArrayLike, extra_s: npt.ArrayLike = 0.0) -> Floats:
    """Return the delay of each movement, s: that of the approach it leaves from, and what the turn itself adds.

    NaN = unknown: the street network's own turn cost is to be used.
    """
    delays: Floats = delay_s[np.asarray(approach, np.int64)] + np.asarray(extra_s, np.float64)
    return delays


def peaks_to_avoid(
    places: Sequence[str],
    place_lon_lat: npt.ArrayLike,
    approaches: Sequence[str],
    approach_lon_lat: npt.ArrayLike,
    usual_v_c: Floats,
    *,
    within_m: float = 60.0,
    above: float = BUSY_V_C,
) -> list[PeakWindow]:
    """Return when a collection stop would block a peak: near an approach, in hours that have no room to spare.

    Parameters
    ----------
    place_lon_lat, approach_lon_lat
        ``(p, 2)`` and ``(n, 2)``, degrees.
    usual_v_c
        ``(n, 24)``, usual volume to capacity per local hour; NaN = unknown: nothing is to be avoided for it.

    Raises
    ------
    BadInput
        The shapes do not fit.
    """
    at, near = np.reshape(np.asarray(place_lon_lat, np.float64), (-1, 2)), np.asarray(approach_lon_lat, np.float64)
    near = np.reshape(near, (-1, 2))
    if len(at) != len(places) or len(near) != len(approaches) or usual_v_c.shape != (len(approaches), HOURS):
        raise BadInput("Places, approaches and their columns differ in length.", "Give usual_v_c as (approaches, 24).")
    windows = []
    for p, place in enumerate(places):
        east_m = (near[:, 0] - at[p, 0]) * np.cos(np.radians(at[p, 1])) * EARTH_M_PER_DEGREE
        north_m = (near[:, 1] - at[p, 1]) * EARTH_M_PER_DEGREE
        for i in np.flatnonzero(np.hypot(east_m, north_m) <= within_m):
            busy = usual_v_c[i] > above
            edges = np.flatnonzero(np.diff(np.r_[False, busy, False].astype(np.int64)))
            windows += [
                PeakWindow(place, approaches[int(i)], int(a), int(b), float(usual_v_c[i, a:b].max()))
                for a, b in zip(edges[::2], edges[1::2], strict=True)
            ]
    return windows
