"""`ronde evaluate faults`: alarms about sensors that count, from a file of hourly values."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from city.errors import BadFile, BadInput
from service.train_until import time_of

SERIES = "SERIES (time, entity, value: one row an hour, stamped with its beginning; a missing hour is a missing row)"
_HOUR_S = 3600.0


def faults_command(
    data: Annotated[Path, typer.Option(help="SERIES: time, entity, value; CSV or Parquet by suffix.")],
    train_until: Annotated[str, typer.Option(metavar="DATE", help="Until then it learns; alarms come after it.")],
    alarms: Annotated[Path, typer.Option(help="Where to write entity, start, end, kind.")],
    timezone: Annotated[str, typer.Option(help="Whose hours of the week people live by.")] = "Europe/Amsterdam",
) -> None:
    """Find stuck, blocked, drifting and spiking sensors in hourly counts, hour by hour."""
    from simulation.table_files import write_table

    found = evaluate_faults(data, time_of(train_until, "--train-until"), timezone)
    write_table(
        alarms,
        {
            "entity": [one[0] for one in found],
            "start": [one[1] for one in found],
            "end": [one[2] for one in found],
            "kind": [one[3] for one in found],
        },
        times=("start", "end"),
    )
    typer.echo(f"{len(found)} alarms written to {alarms}")


def evaluate_faults(data: Path, train_until_s: float, timezone: str) -> list[tuple[str, float, float | None, str]]:
    """Return alarms about hours after `train_until_s`: entity, start, end (None = not yet), kind.

    The series is stamped with the beginnings of hours, and so are alarms: `start` is the hour whose value made the
    fault known (for a spike the hour after it), `end` the hour whose value showed that it was over. Each is known when
    that hour is, an hour after its stamp.

    What is said about a time follows from the hours up to then: a file that ends earlier gives the same alarms
    until its end.

    Raises
    ------
    BadFile
        The file is no such table, or a time is not the beginning of an hour.
    BadInput
        There is no such time zone.
    """
    import numpy as np

    from models.rows import Rows
    from models.series_faults import SeriesFaultModel
    from simulation.table_files import read_table

    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise BadInput(f"There is no time zone {timezone!r}.", "Give a name such as Europe/Amsterdam.") from None
    table = read_table(data, {"time": "time", "entity": "text", "value": "number"}, SERIES)
    at_s, value, entity = table.numbers["time"], table.numbers["value"], table.texts["entity"]
    if not len(at_s):
        raise BadFile("There are no rows.", f"Give {SERIES}.", file=str(data))
    bad = np.flatnonzero(~np.isfinite(at_s) | (entity.code < 0))
    if len(bad):
        raise BadFile(
            f"Row {int(bad[0]) + 1} has no time or no entity.", f"Give {SERIES}.", file=str(data), field="time"
        )
    odd = np.flatnonzero(at_s % _HOUR_S)
    if len(odd):
        raise BadFile(
            f"Row {int(odd[0]) + 1} is not at the beginning of an hour.",
            f"Give {SERIES}.",
            file=str(data),
            field="time",
        )
    if (value < 0).any() or np.isinf(value).any():
        row = int(np.flatnonzero((value < 0) | np.isinf(value))[0]) + 1
        raise BadFile(
            f"Row {row} is no count.", "Leave out hours whose value is unknown.", file=str(data), field="value"
        )
    model = SeriesFaultModel(entity.names, timezone=timezone)
    rows = Rows.of_columns(float(at_s.max()) + _HOUR_S, entity.code, at_s, {model.quantity: value}, _HOUR_S)
    _, found = model.update(model.initial_state(), rows)
    ends = {one.id: one.cleared_at_s for one in found if one.cleared_at_s is not None}
    return [
        (one.entity, one.raised_at_s, ends.get(one.id), one.kind)
        for one in found
        if one.cleared_at_s is None and one.raised_at_s > train_until_s
    ]
