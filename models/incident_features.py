"""What speaks for an incident on an approach: minutes of its detectors, each compared with what is usual there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.rows import Booleans, Floats, Integers

Singles = npt.NDArray[np.float32]

HOURS = 24
KINDS = 2  # of day: working day, and weekend or holiday
# Time constants of the recent means, minutes.
WINDOWS_MIN = (3.0, 7.0, 15.0)
LONG_MIN = 60.0
# A slot of the usual profile remembers about so many minutes of its own hour: two weeks of working days.
_PROFILE_MIN = 600.0
_TRUSTED_MIN = 20.0
_W = len(WINDOWS_MIN)
# Columns of `recent`, for one position: counts, usual counts, occupancy and weighted speed above the usual; 3 windows
# each; then long count, long usual count, run of minutes without vehicles, run of minutes covered.
_RECENT = 4 * _W + 4
_USUAL = 4  # count, occupancy, speed, weight of the slot
POSITIONS = ("up", "stop")


class Traces(NamedTuple):
    """What is remembered of ``n`` approaches with ``p`` detector positions (1 or 2); float32.

    `usual` is ``(KINDS, HOURS, n, p, 4)``: mean count a minute, occupancy, speed, and minutes that taught them.
    `spread` is ``(n, p, 2)``: mean square of occupancy and of speed about the usual. `recent` is ``(n, p, k)``, means
    over the last minutes, and `stored` ``(n, windows)``, vehicles a minute that went in and did not come out.
    """

    usual: Singles
    spread: Singles
    recent: Singles
    stored: Singles


class Usual(NamedTuple):
    """What is usual now, ``(m,)``: vehicles a minute, occupancy, speed, and whether enough minutes taught it."""

    vehicles: Singles
    occupancy: Singles
    speed: Singles
    trusted: Booleans


def no_traces(n: int, positions: int) -> Traces:
    """Return the traces of approaches never heard of."""
    spread = np.empty((n, positions, 2), np.float32)
    spread[..., 0], spread[..., 1] = 0.02**2, 6.0**2
    return Traces(
        np.zeros((KINDS, HOURS, n, positions, _USUAL), np.float32),
        spread,
        np.zeros((n, positions, _RECENT), np.float32),
        np.zeros((n, _W), np.float32),
    )


def feature_names(positions: int) -> tuple[str, ...]:
    """Return the names of the columns of `observe`, for 1 or 2 detector positions."""
    names: list[str] = []
    for position in POSITIONS[:positions]:
        for what in ("count", "occupancy", "speed"):
            names += [f"{position}_{what}_{minutes:.0f}" for minutes in WINDOWS_MIN]
        names += [f"{position}_{what}" for what in _SINGLE]
    if positions == 2:
        names += [f"stored_{minutes:.0f}" for minutes in WINDOWS_MIN]
    return tuple(names)


_SINGLE = (
    "count_now", "occupancy_now", "speed_now", "covered", "no_vehicles_run", "covered_run", "level", "usual_count",
    "usual_occupancy", "per_vehicle",
)  # fmt: skip


def observe(
    traces: Traces,
    e: Integers,
    kind: Integers,
    hour: Floats,
    minutes: Floats,
    count: Sequence[Floats],
    occupancy: Sequence[Floats],
    speed: Sequence[Floats],
) -> tuple[Singles, Booleans, list[Usual]]:
    """Take one reading of some approaches into the recent means, and return what speaks for an incident.

    `traces` is changed in place; its usual profile is not (`learn` does that).

    Parameters
    ----------
    e
        ``(m,)``, each approach at most once.
    kind, hour
        ``(m,)``, kind of day (0 or 1) and local hour of the day with its fraction, of the middle of the interval.
    minutes
        ``(m,)``, since the last reading, at least 1.
    count, occupancy, speed
        For each position ``(m,)``: vehicles a minute, ratio, km/h; NaN = unknown (speed: or no vehicle).

    Returns
    -------
    features
        ``(m, len(feature_names))``, float32; 0 where nothing is known.
    known
        ``(m,)``, whether any detector tells anything.
    usual
        What is usual now at each position, for `learn`.
    """
    positions = traces.recent.shape[1]
    columns: list[npt.NDArray[Any]] = []
    known = np.zeros(len(e), np.bool_)
    keep = [np.exp(-minutes / window).astype(np.float32) for window in (*WINDOWS_MIN, LONG_MIN)]
    flows = []
    usual: list[Usual] = []
    for p in range(positions):
        c, o, v = (np.asarray(one[p], np.float32) for one in (count, occupancy, speed))
        usual.append(usual_now(traces.usual[:, :, :, p], e, kind, hour))
        usual_c, usual_o, usual_v, trusted = usual[p]
        tells = np.isfinite(c) & np.isfinite(o)
        stands = tells & (o > 0.3) & (c <= 1)
        known |= tells
        o = np.where(tells, o, usual_o)
        tells &= trusted
        c = np.where(tells, c, usual_c)
        has_speed = np.isfinite(v) & (c > 0) & tells
        slower = np.where(has_speed, np.nan_to_num(v) - usual_v, 0.0)
        r = traces.recent[e, p]
        for w in range(_W):
            k = keep[w]
            for at, new in ((w, c), (_W + w, usual_c), (2 * _W + w, o - usual_o), (3 * _W + w, c * slower)):
                r[:, at] = k * r[:, at] + (1 - k) * new
        k = keep[_W]
        r[:, -4] = k * r[:, -4] + (1 - k) * c
        r[:, -3] = k * r[:, -3] + (1 - k) * usual_c
        r[:, -2] = np.where(tells & (c == 0), r[:, -2] + usual_c * minutes, np.where(tells, 0.0, r[:, -2]))
        r[:, -1] = np.where(stands, r[:, -1] + minutes, 0.0)
        traces.recent[e, p] = r
        spread_o, spread_v = np.sqrt(traces.spread[e, p, 0]), np.sqrt(traces.spread[e, p, 1])
        noise = np.sqrt(usual_c + 0.15)
        columns += [(r[:, w] - r[:, _W + w]) / np.sqrt(r[:, _W + w] + 0.15) for w in range(_W)]
        columns += [r[:, 2 * _W + w] / spread_o for w in range(_W)]
        columns += [r[:, 3 * _W + w] / (spread_v * np.sqrt(r[:, w] + 0.3)) for w in range(_W)]
        columns += [
            (c - usual_c) / noise,
            (o - usual_o) / spread_o,
            slower / spread_v,
            o,
            r[:, -2],
            r[:, -1],
            (r[:, -4] - r[:, -3]) / np.sqrt(r[:, -3] + 0.15),
            usual_c,
            usual_o,
            np.log((np.maximum(r[:, 2 * _W + 1] + usual_o, 0) + 0.005) / (r[:, 1] + 0.3))
            - np.log((usual_o + 0.005) / (usual_c + 0.3)),
        ]
        flows.append(c - usual_c)
    if positions == 2:
        stored = traces.stored[e]
        scale = np.sqrt(traces.recent[e, 0, -3] + 0.3)
        for w in range(_W):
            stored[:, w] = keep[w] * stored[:, w] + (1 - keep[w]) * (flows[0] - flows[1])
            columns.append(stored[:, w] / scale)
        traces.stored[e] = stored
    return np.stack(columns, axis=1).astype(np.float32), known, usual


def learn(
    traces: Traces,
    e: Integers,
    kind: Integers,
    hour: Floats,
    minutes: Floats,
    count: Sequence[Floats],
    occupancy: Sequence[Floats],
    speed: Sequence[Floats],
    usual_here: Sequence[Usual],
) -> None:
    """Let one reading of approaches where all is well teach what is usual; `traces` is changed in place."""
    for p in range(traces.recent.shape[1]):
        c, o, v = (np.asarray(one[p], np.float32) for one in (count, occupancy, speed))
        _, usual_o, usual_v, trusted = usual_here[p]
        tells = np.isfinite(c) & np.isfinite(o)
        has_speed = tells & np.isfinite(v) & (c > 0)
        step = np.float32(1 / 1500.0)
        spread = traces.spread[e, p]
        gap_o = np.where(tells & trusted, np.clip(o - usual_o, -0.5, 0.5) ** 2, spread[:, 0])
        gap_v = np.where(has_speed & trusted, np.clip(v - usual_v, -40, 40) ** 2, spread[:, 1])
        spread[:, 0] = np.maximum(spread[:, 0] + step * (gap_o - spread[:, 0]), 1e-5)
        spread[:, 1] = np.maximum(spread[:, 1] + step * (gap_v - spread[:, 1]), 1.0)
        traces.spread[e, p] = spread
        low, high, share = _slots(hour)
        usual = traces.usual[:, :, :, p]
        for slot, part in ((low, 1 - share), (high, share)):
            old = usual[kind, slot, e]
            gain = np.where(tells, part * minutes, 0.0).astype(np.float32)
            weight = np.minimum(old[:, 3] + gain, _PROFILE_MIN)
            rate = gain / np.maximum(weight, 1e-6)
            old[:, 0] += rate * np.where(tells, c - old[:, 0], 0.0)
            old[:, 1] += rate * np.where(tells, o - old[:, 1], 0.0)
            first = has_speed & (old[:, 2] == 0)
            old[:, 2] += np.where(first, v, np.where(has_speed, rate * (np.nan_to_num(v) - old[:, 2]), 0.0))
            old[:, 3] = weight
            usual[kind, slot, e] = old


def usual_now(usual: Singles, e: Integers, kind: Integers, hour: Floats) -> Usual:
    """Return usual count a minute, occupancy, speed, and whether enough minutes taught them, ``(m,)`` each.

    Hours are interpolated. An hour that this kind of day has not taught yet is taken from the other kind, and is not
    to be trusted: a first Saturday would look like vehicles that do not come.
    """
    low, high, share = _slots(hour)
    total: Singles = np.zeros((len(e), 3), np.float32)
    trusted = np.ones(len(e), np.bool_)
    for slot, part in ((low, 1 - share), (high, share)):
        use = usual[kind, slot, e]
        taught = use[:, 3] >= _TRUSTED_MIN
        new = np.flatnonzero(~taught)
        use[new] = usual[1 - kind[new], slot[new], e[new]]
        total += part[:, None].astype(np.float32) * use[:, :3]
        trusted &= taught
    speed = np.where(total[:, 2] > 0, total[:, 2], 30.0)
    return Usual(total[:, 0], total[:, 1], speed, trusted)


def _slots(hour: Floats) -> tuple[Integers, Integers, Floats]:
    """Return the hours whose middles are before and after, and how far it is to the second."""
    before = np.floor(hour - 0.5)
    low = before.astype(np.int64) % HOURS
    return low, (low + 1) % HOURS, hour - 0.5 - before
