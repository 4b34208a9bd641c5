"""Counts of Telraam's window sensors: hourly and quarterly reports, JSON of its API or CSV of the same columns."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from city.clock import parse_time
from city.errors import BadFile, BadInput
from service.count_rows import LEAST_MEASURED, CountRows, read_texts

Scaling = Literal["auto", "scaled", "raw"]
CLASSES = ("car", "heavy", "bike", "pedestrian")
_MOTOR = ("car", "heavy")
_INTERVAL_S = {"hourly": 3600.0, "per-hour": 3600.0, "quarterly": 900.0, "per-quarter": 900.0}
_LAYOUT = "a report of Telraam (JSON of its API, or CSV): segment_id or instance_id, date, interval, uptime, car, heavy"
_OPTIONAL = (
    "segment_id",
    "instance_id",
    "interval",
    "uptime",
    "v85",
    "night",
    *CLASSES,
    *(f"{one}_{side}" for one in CLASSES for side in ("lft", "rgt")),
)


class _Report(NamedTuple):
    entity: str
    start_s: float
    interval_s: float
    uptime: float | None
    counts: dict[str, float | None]
    v85_kph: float | None
    night: float


def read_telraam(
    sources: Sequence[Path], *, scaling: Scaling = "auto", by_class: bool = False, by_direction: bool = False
) -> CountRows:
    """Read reports: motor traffic (cars and heavy vehicles) of each segment, or every class and direction apart.

    Telraam looks away for part of each interval; `uptime` is the share in which it counted. What its API reports has
    been divided by that already (a count of 57 at an uptime of 0.73 is reported as 78.08), so it is not divided
    again; whole numbers at an uptime below 1 are raw, and are divided here. Either way such a count is an estimate
    and keeps its share. Below `LEAST_MEASURED` it says too little and is left out. An hour of the night that was not
    reported, or that holds road users that could not be told apart in the dark, is unknown and never zero.

    Parameters
    ----------
    scaling
        `auto` looks at the counts; `scaled` or `raw` where that is known.
    by_class
        Writes each class as an entity ``ID:car``, ``ID:bike``, …, beside the motor traffic ``ID``.
    by_direction
        Writes the two directions of the motor traffic as ``ID:lft`` and ``ID:rgt`` too.

    Raises
    ------
    BadFile
        A file cannot be read, or holds no usable report.

    References
    ----------
    Telraam API, POST /reports/traffic: hourly and quarterly reports, fields date (UTC, start of the interval), uptime,
    heavy, car, bike, pedestrian and the same with _lft and _rgt, v85.
    """
    reports = [report for source in sources for report in _read(source)]
    left_out = {
        "without an uptime": 0,
        f"with an uptime below {LEAST_MEASURED:g}": 0,
        "unclassified at night": 0,
        "double": 0,
    }
    is_raw = scaling == "raw" or (scaling == "auto" and _looks_raw(reports))
    rows: list[tuple[str, float, float, float, float, float]] = []
    seen: set[tuple[str, float]] = set()
    for one in reports:
        if one.uptime is None:
            left_out["without an uptime"] += 1
        elif one.uptime < LEAST_MEASURED:
            left_out[f"with an uptime below {LEAST_MEASURED:g}"] += 1
        elif one.night > 0:
            left_out["unclassified at night"] += 1
        elif (one.entity, one.start_s) in seen:
            left_out["double"] += 1
        else:
            seen.add((one.entity, one.start_s))
            factor = 1.0 / one.uptime if is_raw else 1.0
            speed = np.nan if one.v85_kph is None or one.v85_kph <= 0 else one.v85_kph
            for name, count in _wanted(one, by_class, by_direction):
                if count is not None:
                    of_motor = speed if ":" not in name or name.endswith(":car") else np.nan
                    rows.append((name, one.start_s, one.interval_s, count * factor, min(one.uptime, 1.0), of_motor))
    if not rows:
        raise BadFile("no report could be used.", f"Give {_LAYOUT}.", file=str(sources[0]))
    said = "raw: they were divided by the uptime here" if is_raw else "divided by the uptime already"
    start_s, interval_s, counted, uptime, v85_kph = np.array([one[1:] for one in rows], np.float64).T
    return CountRows(
        np.array([one[0] for one in rows], dtype=np.str_),
        start_s,
        interval_s,
        counted,
        uptime,
        v85_kph,
        {reason: n for reason, n in left_out.items() if n},
        (f"Counts are taken as {said}.", "Where the uptime is below 1 a count is an estimate."),
    )


def _wanted(one: _Report, by_class: bool, by_direction: bool) -> Iterable[tuple[str, float | None]]:
    yield one.entity, _sum(one.counts.get(name) for name in _MOTOR)
    if by_class:
        for name in CLASSES:
            yield f"{one.entity}:{name}", one.counts.get(name)
    if by_direction:
        for side in ("lft", "rgt"):
            yield f"{one.entity}:{side}", _sum(one.counts.get(f"{name}_{side}") for name in _MOTOR)


def _sum(parts: Iterable[float | None]) -> float | None:
    known = list(parts)
    return None if any(one is None for one in known) else float(sum(one for one in known if one is not None))


def _looks_raw(reports: Sequence[_Report]) -> bool:
    """Whether counts of intervals that were seen in part are whole numbers: nothing has been divided then."""
    values = [
        value
        for one in reports
        if one.uptime is not None and LEAST_MEASURED <= one.uptime < 0.98
        for value in one.counts.values()
        if value is not None and value > 0
    ]
    return bool(values) and sum(abs(v - round(v)) < 1e-6 for v in values) > 0.9 * len(values)


def _read(source: Path) -> list[_Report]:
    name = source.name.lower()
    cells = _json_cells(source) if name.endswith(".json") else _csv_cells(source)
    return [_report(one, source, number) for number, one in enumerate(cells, start=1)]


def _json_cells(source: Path) -> list[dict[str, Any]]:
    try:
        said = json.loads(source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadFile(f"it cannot be read ({error}).", f"Give {_LAYOUT}.", file=str(source)) from error
    report = said.get("report") if isinstance(said, dict) else said
    if not isinstance(report, list) or not all(isinstance(one, dict) for one in report):
        raise BadFile("there is no list 'report' in it.", f"Give {_LAYOUT}.", file=str(source))
    return report


def _csv_cells(source: Path) -> list[dict[str, Any]]:
    columns = read_texts(source, ("date",), _OPTIONAL, _LAYOUT)
    texts = {name: column.to_pylist() for name, column in columns.items()}
    return [{name: values[i] for name, values in texts.items()} for i in range(len(texts["date"]))]


def _report(cells: dict[str, Any], source: Path, number: int) -> _Report:
    ids = [str(cells[name]).strip() for name in ("segment_id", "instance_id") if cells.get(name) not in (None, "")]
    entity = next((one for one in ids if one not in ("-1", "-1.0", "")), "")
    if not entity:
        raise BadFile(
            "a report names neither segment_id nor instance_id.", f"Give {_LAYOUT}.", file=str(source), line=number
        )
    interval = str(cells.get("interval") or "hourly").strip().lower()
    if interval not in _INTERVAL_S:
        raise BadFile(
            f"{interval!r} is no interval that can be used.",
            "Ask for hourly or quarterly reports: a day's sum hides the hours that were lost.",
            file=str(source),
            line=number,
            field="interval",
        )
    date = str(cells.get("date") or "").strip().replace(" ", "T", 1)
    try:
        # Telraam's times are UTC; a table program may have dropped the Z.
        has_offset = date.endswith("Z") or "+" in date[10:] or "-" in date[10:]
        start_s = parse_time(date if has_offset else f"{date}Z")
    except BadInput as error:
        raise BadFile(error.problem, error.fix, file=str(source), line=number, field="date") from None
    counts = {
        name: _number(cells.get(name), source, number, name)
        for name in (*CLASSES, *(f"{one}_{side}" for one in _MOTOR for side in ("lft", "rgt")))
    }
    return _Report(
        entity,
        start_s,
        _INTERVAL_S[interval],
        _number(cells.get("uptime"), source, number, "uptime"),
        counts,
        _number(cells.get("v85"), source, number, "v85"),
        _number(cells.get("night"), source, number, "night") or 0.0,
    )


def _number(value: Any, source: Path, number: int, field: str) -> float | None:
    if value is None or str(value).strip().lower() in ("", "na", "nan", "null"):
        return None
    try:
        found = float(str(value).strip().replace(",", "."))
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        raise BadFile(
            f"{value!r} is no count.", "Give a number of 0 or more, or leave the cell empty.", file=str(source),
            line=number, field=field,
        )  # fmt: skip
    return found
