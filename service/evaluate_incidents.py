"""`ronde evaluate incidents`: what the detector says of days of junctions, minute by minute, as if they were live."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from city.errors import BadFile, BadInput

if TYPE_CHECKING:
    from city.findings import Finding
    from models.incidents import IncidentParameters
    from models.rows import Floats

MINUTES_FILE = "minutes.parquet"
LAYOUT = "minutes.parquet (day, minute, approach, up_count, up_occupancy_ratio, up_speed_kph, and the same for stop_)"
DAY_MINUTES = 1440
DAY_S = 86_400.0
# Day 0 is a Monday; its date says nothing.
START_S = 1_767_571_200.0


class Junctions(NamedTuple):
    """Minutes of the approaches of junctions.

    `days` and `approaches` name the axes of `values`: what was measured, column of the file to
    ``(len(days) * 1440, len(approaches))``; NaN = no row, or unknown.
    """

    days: tuple[int, ...]
    approaches: tuple[str, ...]
    values: "dict[str, Floats]"


class Alarm(NamedTuple):
    """An incident that was raised; `cleared_minute` is None when it still stood at the end of the file."""

    day: int
    approach: str
    raised_minute: int
    cleared_minute: int | None


def incidents_command(
    data: Annotated[Path, typer.Option(help=f"Folder with {LAYOUT}.")],
    alarms: Annotated[Path, typer.Option(help="Where to write day, approach, raised_minute, cleared_minute.")],
    train_days: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="Days that teach what is usual; alarms are of the days after.")
    ] = "0-9",
) -> None:
    """Look for incidents in every minute after the train days, from what was known in that minute.

    The detector is the one that ships: it takes no truth from the folder.
    """
    from simulation.table_files import write_table

    found = evaluate_incidents(read_junctions(data), day_range(train_days, "--train-days"))
    write_table(
        alarms,
        {
            "day": [one.day for one in found],
            "approach": [one.approach for one in found],
            "raised_minute": [one.raised_minute for one in found],
            "cleared_minute": [one.cleared_minute for one in found],
        },
    )
    typer.echo(f"{len(found)} incidents in {data}, written to {alarms}.")


def day_range(text: str, option: str) -> tuple[int, int]:
    """Return first and last day of a text as ``0-9``.

    Raises
    ------
    BadInput
        It is no such text.

    >>> day_range("0-9", "--train-days")
    (0, 9)
    """
    first, dash, last = text.strip().partition("-")
    if not dash or not first.isdecimal() or not last.isdecimal() or int(first) > int(last):
        raise BadInput(f"{option} is {text!r}.", "Give the first and the last day, as 0-9.")
    return int(first), int(last)


def read_junctions(folder: Path) -> Junctions:
    """Read the minutes of a folder.

    Raises
    ------
    BadFile
        The file is missing, lacks a column, or has a minute outside 0..1439 or a day that is no whole number.
    """
    import numpy as np

    from simulation.table_files import read_table

    path = folder / MINUTES_FILE
    up = ("up_count", "up_occupancy_ratio", "up_speed_kph")
    stop = tuple(name.replace("up_", "stop_") for name in up)
    kinds = {"day": "number", "minute": "number", "approach": "text"} | dict.fromkeys((*up, *stop), "number")
    table = read_table(path, kinds, LAYOUT, optional=stop)  # type: ignore[arg-type]  # literals in a built dict
    day, minute = table.numbers["day"], table.numbers["minute"]
    for name, column, high in (("day", day, 1e6), ("minute", minute, DAY_MINUTES - 1)):
        if not (np.isfinite(column) & (column >= 0) & (column <= high) & (column == np.floor(column))).all():
            raise BadFile(f"There is a {name} outside 0..{high:.0f}.", f"See {LAYOUT}.", file=str(path), field=name)
    approach = table.texts["approach"]
    if (approach.code < 0).any():
        raise BadFile("A row has no approach.", f"See {LAYOUT}.", file=str(path), field="approach")
    days, day_code = np.unique(day.astype(np.int64), return_inverse=True)
    order = np.argsort(np.array(approach.names, dtype=str)) if approach.names else np.zeros(0, np.int64)
    place = np.argsort(order)
    row, place_of = day_code * DAY_MINUTES + minute.astype(np.int64), place[approach.code] if len(day) else day_code
    values = {}
    for name in (*up, *stop):
        values[name] = np.full((len(days) * DAY_MINUTES, len(order)), np.nan)
        if name in table.numbers and len(day):
            values[name][row, place_of] = table.numbers[name]
    return Junctions(tuple(int(one) for one in days), tuple(approach.names[i] for i in order), values)


def evaluate_incidents(
    junctions: Junctions, train_days: tuple[int, int], parameters: "IncidentParameters | None" = None
) -> list[Alarm]:
    """Return the alarms of the days after the train days, in the order in which they were raised."""
    import numpy as np

    from models.incidents import QUANTITIES, IncidentModel
    from models.rows import Rows

    two = bool(np.isfinite(junctions.values["stop_count"]).any())
    model = IncidentModel(junctions.approaches, parameters, positions=2 if two else 1)
    columns = dict(zip(QUANTITIES[0], ("up_count", "up_occupancy_ratio", "up_speed_kph"), strict=True))
    if two:
        columns |= dict(zip(QUANTITIES[1], ("stop_count", "stop_occupancy_ratio", "stop_speed_kph"), strict=True))
    state, n = model.initial_state(), len(junctions.approaches)
    entity = np.arange(n)
    findings: list[Finding] = []
    for d, day in enumerate(junctions.days):
        for minute in range(DAY_MINUTES):
            row = d * DAY_MINUTES + minute
            seen = {name: junctions.values[column][row] for name, column in columns.items()}
            here = np.isfinite(seen["vehicle_count"])
            at_s = START_S + day * DAY_S + (minute + 1) * 60.0
            rows = Rows.of_columns(at_s, entity[here], at_s, {k: v[here] for k, v in seen.items()}, 60.0)
            state, found = model.update(state, rows)
            findings += found
    return _alarms([one for one in findings if _minute(one.raised_at_s)[0] > train_days[1]])


def _alarms(findings: "list[Finding]") -> list[Alarm]:
    open_: dict[str, Alarm] = {}
    for one in findings:
        day, minute = _minute(one.raised_at_s)
        cleared = None
        if one.cleared_at_s is not None:
            last_day, last_minute = _minute(one.cleared_at_s)
            cleared = last_minute + (last_day - day) * DAY_MINUTES
        open_[one.id] = Alarm(day, one.entity, minute, cleared)
    return sorted(open_.values(), key=lambda one: (one.day, one.raised_minute, one.approach))


def _minute(at_s: float) -> tuple[int, int]:
    """Return day and minute of what became known at the end of that minute."""
    day, second = divmod(at_s - START_S - 60.0, DAY_S)
    return int(day), round(second / 60.0)
