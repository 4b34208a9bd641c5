"""Counts of the Nationale Databank Wegverkeersgegevens, from an export as CSV: rates per hour become counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from city.errors import BadFile
from service.count_rows import CountRows, Floats, instants, numbers, read_texts

# Below this share of used minutes a mean rate is of another time than the interval's.
LEAST_USED = 0.75
_LAYOUT = (
    "an NDW export of intensities: id_meetlocatie, start_meetperiode, eind_meetperiode, gem_intensiteit (vehicles/h)"
)
_ALL = "anyVehicle"
_WANTED = ("id_meetlocatie", "start_meetperiode", "eind_meetperiode", "gem_intensiteit")
_OPTIONAL = (
    "gebruikte_minuten_intensiteit",
    "data_error_intensiteit",
    "technical_exclusion",
    "rijstrook_rijbaan",
    "voertuigcategorie",
    "gem_snelheid",
)


class LaneRows(NamedTuple):
    """Rates of single lanes and classes over intervals.

    Parameters
    ----------
    site, lane, kind
        ``(n,)``, text: where, on which lane, of which class of vehicles.
    start, end
        ``(n,)``, seconds since 1970 UTC.
    rate
        ``(n,)``, vehicles/h; NaN = unknown.
    used
        ``(n,)``, minutes of the interval that the rate is of.
    speed
        ``(n,)``, km/h; NaN = unknown.
    """

    site: npt.NDArray[np.str_]
    lane: npt.NDArray[np.str_]
    kind: npt.NDArray[np.str_]
    start: Floats
    end: Floats
    rate: Floats
    used: Floats
    speed: Floats


def read_ndw(sources: Sequence[Path], timezone: str = "Europe/Amsterdam") -> CountRows:
    """Read exports of intensities and speeds.

    ``gem_intensiteit`` is a rate, vehicles an hour whatever the interval: the count is the rate times the minutes of
    the interval / 60, and rates are never added up over time. Lanes of one place are added; where a lane is unknown
    the place is. Rows of ``anyVehicle`` are used where a place has them, else its classes of length are added. A rate
    below zero, ``data_error_intensiteit`` and ``technical_exclusion`` mean unknown.

    Parameters
    ----------
    timezone
        Of times without an offset.

    Raises
    ------
    BadFile
        A file cannot be read, or holds no usable row.

    References
    ----------
    NDW, Interfacebeschrijving, and the layout of exports of historical data (intensiteit in voertuigen per uur).
    """
    return counts_of_lanes([_read(source, timezone) for source in sources], sources[0])


def counts_of_lanes(parts: Sequence[LaneRows], source: Path) -> CountRows:
    """Return the counts of places from rates of their lanes and classes; `source` is named when none can be used.

    Raises
    ------
    BadFile
        No row can be used.
    """
    site, lane, kind, start, end, rate, used, speed = (np.concatenate(one) for one in zip(*parts, strict=True))
    left_out = {"with a doubtful time": int((~np.isfinite(start) | ~np.isfinite(end)).sum())}
    timed = np.isfinite(start) & (end > start) & (end - start <= 3600)
    left_out["over intervals longer than an hour"] = int((np.isfinite(start) & np.isfinite(end) & ~timed).sum())
    member = timed & _is_counted(site, lane, kind)
    left_out["of single classes or of a whole carriageway beside its lanes"] = int((timed & ~member).sum())
    site, lane, kind = site[member], lane[member], kind[member]
    start, end, rate, used, speed = (one[member] for one in (start, end, rate, used, speed))
    names, at = np.unique(site, return_inverse=True)
    _, part = np.unique(np.stack([site, lane, kind]), axis=1, return_inverse=True)
    # A lane said twice of one interval counts once.
    _, first = np.unique(np.stack([start, part.ravel().astype(float)]), axis=1, return_index=True)
    left_out["double"] = len(start) - len(first)
    at, part = at[first], part.ravel()[first]
    start, end, rate, used, speed = (one[first] for one in (start, end, rate, used, speed))
    expected = np.bincount(at[np.unique(part, return_index=True)[1]], minlength=len(names))
    share = np.clip(used * 60.0 / (end - start), 0.0, 1.0)
    usable = np.isfinite(rate) & (rate >= 0) & (share >= LEAST_USED)
    left_out["without a usable rate"] = int((~usable).sum())
    moment, group = np.unique(np.stack([at.astype(float), start]), axis=1, return_inverse=True)
    group, n = group.ravel(), moment.shape[1]
    complete = np.bincount(group[usable], minlength=n) == expected[moment[0].astype(int)]
    left_out["places with an unknown lane"] = int(n - complete.sum())
    count = np.bincount(group[usable], (rate * (end - start) / 3600.0)[usable], n)
    least = np.full(n, 1.0)
    np.minimum.at(least, group, share)
    length = np.zeros(n)
    np.maximum.at(length, group, end - start)
    if not complete.any():
        raise BadFile("no row could be used.", f"Give {_LAYOUT}.", file=str(source))
    return CountRows(
        names[moment[0].astype(int)][complete],
        moment[1][complete],
        length[complete],
        count[complete],
        least[complete],
        _mean_speed(group, n, rate, speed)[complete],
        {reason: rows for reason, rows in left_out.items() if rows},
        ("Rates (vehicles/h) were turned into counts of their interval.",),
    )


def _read(source: Path, timezone: str) -> LaneRows:
    columns = read_texts(source, _WANTED, _OPTIONAL, _LAYOUT)
    n = len(columns[_WANTED[0]])

    def number(name: str, default: float) -> Floats:
        return numbers(columns[name], source, name) if name in columns else np.full(n, default)

    def text(name: str) -> npt.NDArray[np.str_]:
        if name not in columns:
            return np.full(n, "", dtype=np.str_)
        return np.array([(one or "").strip() for one in columns[name].to_pylist()], dtype=np.str_)

    start = instants(columns["start_meetperiode"], timezone, source, "start_meetperiode")
    end = instants(columns["eind_meetperiode"], timezone, source, "eind_meetperiode")
    rate = number("gem_intensiteit", np.nan)
    excluded = (number("data_error_intensiteit", 0.0) == 1) | _is_excluded(columns.get("technical_exclusion"), n)
    rate = np.where(excluded | (rate < 0), np.nan, rate)
    used = number("gebruikte_minuten_intensiteit", np.nan)
    used = np.where(np.isfinite(used), used, (end - start) / 60.0)
    speed = number("gem_snelheid", np.nan)
    speed = np.where(speed > 0, speed, np.nan)
    return LaneRows(
        text("id_meetlocatie"),
        text("rijstrook_rijbaan"),
        text("voertuigcategorie"),
        start,
        end,
        rate,
        used,
        speed,
    )


def _is_excluded(column: pa.ChunkedArray | None, n: int) -> npt.NDArray[np.bool_]:
    """``v`` marks an exclusion of both, ``i`` of the intensity, ``s`` of the speed alone; an empty cell none."""
    if column is None:
        return np.zeros(n, bool)
    return np.array([(one or "").strip().lower() not in ("", "0", "s", "false") for one in column.to_pylist()], bool)


def _is_counted(
    site: npt.NDArray[np.str_], lane: npt.NDArray[np.str_], kind: npt.NDArray[np.str_]
) -> npt.NDArray[np.bool_]:
    has_all = np.isin(site, np.unique(site[kind == _ALL]))
    has_lanes = np.isin(site, np.unique(site[np.char.startswith(lane, "lane")]))
    of_class = ~has_all | (kind == _ALL)
    of_lane = ~has_lanes | np.char.startswith(lane, "lane")
    return np.asarray(of_class & of_lane & (site != ""), bool)


def _mean_speed(group: npt.NDArray[np.int64], n: int, rate: Floats, speed: Floats) -> Floats:
    """Return the mean speed of each group, weighted with the rate."""
    known = np.isfinite(speed) & np.isfinite(rate) & (rate > 0)
    weight = np.bincount(group[known], rate[known], n)
    total = np.bincount(group[known], (rate * speed)[known], n)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)
