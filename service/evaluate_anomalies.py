"""`ronde evaluate anomalies`: how unusual each record of a stream is, one record at a time."""

import csv
import math
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from city.errors import BadFile

LAYOUT = "a CSV with the columns timestamp, value, such as 2015-09-01 11:25:00,58"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - stamps without an offset are taken as they stand, in no time zone


def anomalies_command(
    data: Annotated[Path, typer.Option(help="CSV: timestamp, value; other columns are left alone.")],
    out: Annotated[Path, typer.Option(help="Where to write timestamp, value, anomaly_score (0 to 1).")],
) -> None:
    """Score every record of a stream in its order; a score rests on the records until its own."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.part")
    records = 0
    try:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["timestamp", "value", "anomaly_score"])
            for stamp, value, score in scored_records(data):
                writer.writerow([stamp, value, "" if math.isnan(score) else repr(score)])
                records += 1
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)
    typer.echo(f"{records} records scored in {out}")


def scored_records(data: Path) -> Iterator[tuple[str, str, float]]:
    """Yield timestamp and value as they stand in the file, and the score; NaN where the value is missing.

    Raises
    ------
    BadFile
        A column is missing, or a record has no readable time or a value that is no number.
    """
    from models.anomalies import AnomalyDetector

    detector = AnomalyDetector()
    try:
        with data.open(newline="", encoding="utf-8-sig") as file:
            for line, stamp, text in _records(file, data):
                at_s = _seconds(stamp)
                value = _number(text)
                if at_s is None:
                    raise BadFile(
                        f"{stamp!r} is no time.", f"Give {LAYOUT}.", file=str(data), line=line, field="timestamp"
                    )
                if value is None:
                    raise BadFile(
                        f"{text!r} is no number.",
                        "Leave the value empty where it is unknown.",
                        file=str(data),
                        line=line,
                        field="value",
                    )
                yield stamp, text, detector.score(at_s, value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"It cannot be read: {error}.", f"Give {LAYOUT}.", file=str(data)) from None


def _records(file: Iterable[str], data: Path) -> Iterator[tuple[int, str, str]]:
    rows = csv.reader(file)
    header = [name.strip().lower() for name in next(rows, [])]
    missing = [name for name in ("timestamp", "value") if name not in header]
    if missing:
        raise BadFile(
            f"The column {missing[0]!r} is missing; there are {', '.join(header) or 'none'}.",
            f"Give {LAYOUT}.",
            file=str(data),
            line=1,
            field=missing[0],
        )
    stamp, value = header.index("timestamp"), header.index("value")
    for row in rows:
        if not row:
            continue
        if len(row) <= max(stamp, value):
            raise BadFile(
                f"There are {len(row)} cells.", f"Give {len(header)} in each row.", file=str(data), line=rows.line_num
            )
        yield rows.line_num, row[stamp], row[value]


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    # The hour on the clock is what people live by, whatever its offset.
    return (moment.replace(tzinfo=None) - _EPOCH).total_seconds()


def _number(text: str) -> float | None:
    text = text.strip()
    if text == "" or text.lower() == "nan":
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
