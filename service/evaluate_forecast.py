"""`ronde evaluate forecast`: hourly forecasts of many entities, from a file of hourly values."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from city.errors import BadFile, BadInput
from service.train_until import time_of

if TYPE_CHECKING:
    from models.rows import Floats

SERIES = "SERIES (time, entity, value: one row an hour, stamped with its beginning; a missing hour is a missing row)"
_HOUR_S = 3600.0
_LONGEST_H = 168
_LONGEST_S = 20 * 366 * 86_400.0


class Forecasts(NamedTuple):
    """Forecasts, ``(n,)`` each: index into `names`, when it was said, which hour it is about (s since 1970), the value.

    `region` is the one whose public holidays were taken, empty = none.
    """

    names: tuple[str, ...]
    entity: Any
    issued_at_s: Any
    at_s: Any
    value: Any
    region: str


def forecast_command(
    data: Annotated[Path, typer.Option(help="SERIES: time, entity, value; CSV or Parquet by suffix.")],
    train_until: Annotated[str, typer.Option(metavar="DATE", help="Hours after it are forecast.")],
    predictions: Annotated[Path, typer.Option(help="Where to write entity, issued_at, time, value.")],
    horizons_h: Annotated[str, typer.Option(metavar="H,H,…", help="How many hours ahead, 1 to 168.")] = "1,3,24",
    timezone: Annotated[str, typer.Option(help="Whose hours of the week people live by.")] = "Europe/Amsterdam",
    holidays: Annotated[
        str,
        typer.Option(
            metavar="REGION",
            help="Public holidays: a country or subdivision (NL, DE-BE), 'none', or 'auto': those that the days until "
            "DATE keep, with the time zone's country first.",
        ),
    ] = "auto",
    school_holidays: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Days without school: a CSV with the columns first, last.")
    ] = None,
) -> None:
    """Forecast every hour after DATE from what was known hours before it."""
    from simulation.table_files import write_table

    until_s = time_of(train_until, "--train-until")
    region = {"auto": None, "none": ""}.get(holidays.lower(), holidays)
    free = school_days(school_holidays) if school_holidays else ()
    said = evaluate_forecast(data, until_s, horizons(horizons_h), timezone, region, free)
    import pyarrow as pa

    entity = pa.DictionaryArray.from_arrays(pa.array(said.entity, pa.int32()), pa.array(said.names)).cast(pa.string())
    write_table(
        predictions,
        {"entity": entity, "issued_at": said.issued_at_s, "time": said.at_s, "value": said.value},
        times=("issued_at", "time"),
    )
    typer.echo(f"{len(said.value)} forecasts written to {predictions} (holidays: {said.region or 'none'})")


def evaluate_forecast(
    data: Path,
    train_until_s: float,
    horizons_h: Sequence[int],
    timezone: str,
    region: str | None = None,
    school_holidays: Sequence[date] = (),
) -> Forecasts:
    """Return forecasts of the hours after `train_until_s`, for every horizon, also beyond the end of the file.

    What is said at an hour follows from the hours until it: a file that ends there gives the same.

    Raises
    ------
    BadFile
        The file is no such table, a time is not the beginning of an hour, or an hour is told twice.
    BadInput
        There is no such time zone or region, or nothing to learn from.
    """
    import numpy as np

    from models.holiday_region import region_of_series
    from models.holidays import day_kinds
    from models.traffic_forecast import forecast_hours

    names, begins_s, values = read_grid(data)
    fit_hours = int(np.searchsorted(begins_s, train_until_s, side="right"))
    if not fit_hours or np.isnan(values[:fit_hours]).all():
        raise BadInput("The file has no value until --train-until.", "Give a later date, or a file that begins before.")
    if region is None:
        region = region_of_series(values[:fit_hours], begins_s[:fit_hours], timezone)
    ahead = max(horizons_h)
    all_s = begins_s[0] + _HOUR_S * np.arange(len(begins_s) + ahead)
    kinds = day_kinds(all_s, timezone, region, school_holidays)
    said = forecast_hours(values, kinds, fit_hours, horizons_h)
    columns: list[tuple[Any, ...]] = []
    for h, forecast in said.items():
        s, e = np.nonzero(~np.isnan(forecast))
        columns.append((e, all_s[s] - h * _HOUR_S, all_s[s], np.round(forecast[s, e], 3)))
    entity, issued_at_s, at_s, value = (np.concatenate(one) for one in zip(*columns, strict=True))
    return Forecasts(names, entity, issued_at_s, at_s, value, region)


def read_grid(data: Path) -> tuple[tuple[str, ...], "Floats", "Floats"]:
    """Return entities, the beginnings of all hours (s since 1970) and values, ``(hours, entities)``, NaN = missing.

    Raises
    ------
    BadFile
        The file is no SERIES.
    """
    import numpy as np

    from simulation.table_files import read_table

    def bad(row: int, problem: str, field: str) -> BadFile:
        return BadFile(f"Row {row + 1} {problem}.", f"Give {SERIES}.", file=str(data), field=field)

    table = read_table(data, {"time": "time", "entity": "text", "value": "number"}, SERIES)
    at_s, value, entity = table.numbers["time"], table.numbers["value"], table.texts["entity"]
    if not len(at_s):
        raise BadFile("There are no rows.", f"Give {SERIES}.", file=str(data))
    nameless = np.array([not name.strip() for name in entity.names] + [True])
    for wrong, problem, field in (
        (~np.isfinite(at_s), "has no time", "time"),
        (nameless[entity.code], "has no entity", "entity"),
        (np.isinf(value), "is infinite", "value"),
        (np.nan_to_num(at_s) % _HOUR_S != 0, "is not at the beginning of an hour", "time"),
    ):
        if wrong.any():
            raise bad(int(np.flatnonzero(wrong)[0]), problem, field)
    first_s = float(at_s.min())
    if at_s.max() - first_s > _LONGEST_S:
        # Most rows are of one time: the row that is furthest from it is the one that is wrong.
        middle_s = np.median(at_s)
        row = int(at_s.argmax() if at_s.max() - middle_s >= middle_s - first_s else at_s.argmin())
        raise BadFile(
            f"Row {row + 1} is of {np.datetime64(int(at_s[row]), 's')}, and the file spans more than 20 years.",
            "Correct its time, or give at most 20 years of hours.",
            file=str(data),
            field="time",
        )
    hour = ((at_s - first_s) / _HOUR_S).astype(np.int64)
    names = tuple(sorted(entity.names))
    rank = {name: k for k, name in enumerate(names)}
    code = np.array([rank[name] for name in entity.names], np.int64)[entity.code]
    key = hour * len(names) + code
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if len(twice):
        raise bad(int(order[twice[0] + 1]), "tells an hour of an entity a second time", "time")
    grid: Floats = np.full((int(hour.max()) + 1, len(names)), np.nan, np.float64)
    grid[hour, code] = value
    begins_s: Floats = first_s + _HOUR_S * np.arange(len(grid), dtype=np.float64)
    return names, begins_s, grid


def horizons(text: str) -> tuple[int, ...]:
    """Return the horizons that an option names.

    Raises
    ------
    BadInput
        One is no whole number of hours from 1 to 168.

    >>> horizons("24,1,3")
    (1, 3, 24)
    """
    try:
        hours = sorted({int(word) for word in text.split(",")})
    except ValueError:
        hours = []
    if not hours or hours[0] < 1 or hours[-1] > _LONGEST_H:
        raise BadInput(f"--horizons-h {text!r} are no horizons.", "Give whole hours from 1 to 168, such as 1,3,24.")
    return tuple(hours)


def school_days(path: Path) -> tuple[date, ...]:
    """Return the days from `first` to `last` (both included) of every row of a CSV.

    Raises
    ------
    BadFile
        It cannot be read, or a row is no period.
    """
    import csv
    from datetime import timedelta

    fix = "Give a CSV with the columns first, last, such as 2024-03-25,2024-04-05."
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"It cannot be read: {error}.", fix, file=str(path)) from None
    days: set[date] = set()
    for line, row in enumerate(rows, start=2):
        try:
            first, last = date.fromisoformat(row["first"].strip()), date.fromisoformat(row["last"].strip())
        except (KeyError, ValueError, AttributeError):
            raise BadFile("This is no period of days.", fix, file=str(path), line=line) from None
        if not 0 <= (last - first).days <= 120:
            raise BadFile(
                "The period ends before it begins, or is longer than 120 days.", fix, file=str(path), line=line
            )
        days.update(first + timedelta(days=k) for k in range((last - first).days + 1))
    return tuple(sorted(days))
