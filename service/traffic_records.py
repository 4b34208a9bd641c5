"""What was counted at an approach: the city's own readings, and files of other counters in ``DATA/history``."""

import logging
import threading
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from city.errors import BadFile
from models.holidays import country_of, local_hours, public_holidays
from models.rows import Floats, Integers
from models.traffic_volumes import DAY_S, HOUR_S, QUARTER_S, Volumes, volumes
from simulation.table_files import Kind, read_table
from store.series import SeriesStore

logger = logging.getLogger(__name__)

LAYOUT = "SERIES: time, entity, value, and if there is one interval_s"
_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST_S = 400 * DAY_S
_KEPT = 200
# A clock that was wrong would stretch the calendar over thousands of years.
_EARLIEST_S, _LATEST_S = 315_532_800.0, 4_102_444_800.0
# Counts of the last minutes change no figure of a year.
_KEPT_FOR_S = 900.0


class Speeds(NamedTuple):
    """Mean speeds of intervals ``(n,)`` with how many vehicles each is the mean of."""

    speed_kph: Floats
    vehicles: Floats


class Counted(NamedTuple):
    """Everything counted at a place, per hour and per quarter of an hour (empty where intervals are longer)."""

    hours: Volumes
    quarters: Volumes


class TrafficRecords:
    """Counts of approaches as volumes on the local clock, remembered for a while.

    Parameters
    ----------
    history
        Folder with SERIES files, the time being the start of an interval; entities are ids of approaches, with
        ``ID:bike`` for a class. Where the city's own device counted too, its count stands.
    """

    def __init__(self, series: SeriesStore, history: Path, timezone: str) -> None:
        self._series = series
        self._history = history
        self._timezone = timezone
        self._holidays_of = public_holidays(country_of(timezone))
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Counted]] = {}
        self._files: dict[Path, tuple[tuple[float, int], dict[str, _Rows]]] = {}

    def counted(self, entity: str, now_s: float) -> Counted:
        """Return the volumes of an approach until `now_s`."""
        with self._lock:
            kept = self._kept.get(entity)
        if kept and 0 <= now_s - kept[0] < _KEPT_FOR_S:
            return kept[1]
        live = self._live(entity, now_s)
        told = self._told(entity)
        counted = Counted(*(self._joined(live, told, bin_s) for bin_s in (HOUR_S, QUARTER_S)))
        with self._lock:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[entity] = now_s, counted
        return counted

    def classes(self, entity: str) -> dict[str, Volumes]:
        """Return the hourly volumes of each class that files hold of an approach (``ID:bike``)."""
        found: dict[str, _Rows] = {}
        for _, rows in self._tables():
            for name, one in rows.items():
                head, colon, kind = name.partition(":")
                if head == entity and colon and kind not in ("lft", "rgt"):
                    found[kind] = one if kind not in found else _together(found[kind], one)
        return {kind: self._volumes(one, HOUR_S) for kind, one in sorted(found.items())}

    def directions(self, entity: str) -> tuple[Volumes, Volumes] | None:
        """Return the hourly volumes of both directions of the road that files hold (``ID:lft``, ``ID:rgt``)."""
        left, right = (self._volumes(self._told(f"{entity}:{side}"), HOUR_S) for side in ("lft", "rgt"))
        return (left, right) if left.n_days and right.n_days else None

    def speeds(self, entity: str, now_s: float, days: float = 28.0) -> Speeds:
        """Return the mean speeds of the intervals of the last days, as the city's own device measured them."""
        start_s, end_s = now_s - days * DAY_S, now_s + 0.001
        speed = self._series.window(entity, "speed_kph", start_s, end_s)
        count = self._series.window(entity, "vehicle_count", start_s, end_s)
        shared, mine, theirs = np.intersect1d(speed.at_s, count.at_s, return_indices=True)
        if not len(shared):
            return Speeds(np.empty(0), np.empty(0))
        return Speeds(speed.value[mine], count.value[theirs])

    def day_of(self, at_s: float) -> int:
        """Return the local day that a time lies in, days since 1970-01-01."""
        return int(local_hours(np.array([at_s]), self._timezone)[0] // 24)

    def _live(self, entity: str, now_s: float) -> "_Rows":
        found = self._series.window(entity, "vehicle_count", now_s - _LONGEST_S, now_s + 0.001)
        length = intervals_s(found.at_s)
        # A reading is dated at the end of its interval.
        return _Rows(found.at_s - length, length, found.value)

    def _told(self, entity: str) -> "_Rows":
        rows = _NOTHING
        for _, table in self._tables():
            if entity in table:
                rows = _together(rows, table[entity])
        return rows

    def _joined(self, live: "_Rows", told: "_Rows", bin_s: int) -> Volumes:
        tables = [one for one in (self._volumes(live, bin_s), self._volumes(told, bin_s)) if one.n_days]
        if len(tables) < 2:
            return tables[0] if tables else self._volumes(_NOTHING, bin_s)
        first = min(one.first_day for one in tables)
        last = max(one.first_day + one.n_days for one in tables) - 1
        own, other = (one.of_days(first, last) for one in tables)
        volume = np.where(np.isfinite(own.volume), own.volume, other.volume)
        return Volumes(first, volume, own.excluded | other.excluded)

    def _volumes(self, rows: "_Rows", bin_s: int) -> Volumes:
        hour = np.floor(rows.start_s / HOUR_S)
        unique, at = np.unique(hour, return_inverse=True)
        offset = local_hours(unique * HOUR_S, self._timezone) - unique
        local = rows.start_s + offset[at] * HOUR_S if len(unique) else rows.start_s
        return volumes(local, rows.counted, rows.interval_s, bin_s=bin_s, holidays=self._holidays(local))

    def _holidays(self, local_s: Floats) -> Integers:
        if not len(local_s):
            return np.empty(0, np.int64)
        first, last = (date.fromordinal(_EPOCH + int(at // DAY_S)).year for at in (local_s.min(), local_s.max()))
        days: Iterable[date] = (day for year in range(first, last + 1) for day in self._holidays_of(year))
        return np.array([day.toordinal() - _EPOCH for day in days], np.int64)

    def _tables(self) -> list[tuple[Path, dict[str, "_Rows"]]]:
        if not self._history.is_dir():
            return []
        found = []
        for path in sorted(self._history.iterdir()):
            if path.suffix not in (".csv", ".parquet") or path.name.startswith("."):
                continue
            stat = path.stat()
            stamp = stat.st_mtime, stat.st_size
            known = self._files.get(path)
            if known is None or known[0] != stamp:
                known = stamp, _read(path)
                self._files[path] = known
                with self._lock:
                    self._kept.clear()
            found.append((path, known[1]))
        return found


class _Rows(NamedTuple):
    start_s: Floats
    interval_s: Floats
    counted: Floats


_NOTHING = _Rows(np.empty(0), np.empty(0), np.empty(0))


def intervals_s(at_s: Floats) -> Floats:
    """Return the length of the interval that ends at each of `at_s`: the shorter of the distances to its neighbours.

    A reading after a gap is then not taken for one that counted through the gap.

    >>> intervals_s(np.array([60.0, 120.0, 600.0, 660.0])).tolist()
    [60.0, 60.0, 60.0, 60.0]
    """
    if len(at_s) < 2:
        return np.full(len(at_s), np.nan)
    steps = np.diff(at_s)
    lengths: Floats = np.minimum(np.concatenate([[np.inf], steps]), np.concatenate([steps, [np.inf]]))
    return lengths


def _together(one: _Rows, other: _Rows) -> _Rows:
    return _Rows(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))


def _read(path: Path) -> dict[str, _Rows]:
    """Read a file of the history; one that cannot be read is said once in the log, and the others are used."""
    try:
        kinds: dict[str, Kind] = {"time": "time", "entity": "text", "value": "number", "interval_s": "number"}
        table = read_table(path, kinds, LAYOUT, optional=("interval_s",))
    except BadFile as error:
        logger.warning("A file of the history is left out: %s", error)
        return {}
    at_s, value, names = table.numbers["time"], table.numbers["value"], table.texts["entity"]
    length = table.numbers.get("interval_s", np.full(len(at_s), float(HOUR_S)))
    usable = (at_s >= _EARLIEST_S) & (at_s < _LATEST_S) & (value >= 0)
    if wrong := int(((at_s < _EARLIEST_S) | (at_s >= _LATEST_S)).sum()):
        logger.warning("%s: %d rows are of no time that can be (before 1980 or after 2100).", path.name, wrong)
    return {
        name: _Rows(at_s[mine], np.where(np.isfinite(length[mine]), length[mine], HOUR_S), value[mine])
        for code, name in enumerate(names.names)
        if (mine := usable & (names.code == code)).any()
    }
