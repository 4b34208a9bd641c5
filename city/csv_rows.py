"""Comma-separated values of a register as raw rows, and back. Pure: text in, values out."""

import csv
import io
from collections.abc import Iterable

import msgspec

from city.errors import BadFile
from city.register_tables import RawRow, RawRows, Table, cells_of, unknown_fields


def parse_csv(table: Table, content: str, file: str) -> RawRows:
    """Return the rows of a CSV file with a header, and what is wrong with its form.

    Without a usable header no row is returned.
    """
    reader = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[RawRow] = []
    errors: list[BadFile] = []
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if cells and header is None:
                header = [cell.strip() for cell in cells]
                errors += _header_errors(table, header, file, line)
                if errors:
                    return RawRows([], errors, is_whole=False)
            elif cells and header is not None:
                is_broken = len(cells) != len(header)
                rows.append(RawRow(line, dict(zip(header, cells, strict=False)), is_broken))
                if is_broken:
                    errors.append(
                        BadFile(
                            f"The row has {len(cells)} cells where the header has {len(header)}.",
                            "Add the missing commas, or put quotes around a cell that holds a comma.",
                            file=file,
                            line=line,
                        )
                    )
            line = reader.line_num + 1
    except csv.Error as error:
        errors.append(BadFile(f"This is no row of a CSV file ({error}).", "Check the quotes.", file=file, line=line))
        return RawRows(rows, errors, is_whole=False)
    return RawRows(rows, errors, is_whole=True)


def csv_text(table: Table, values: Iterable[msgspec.Struct]) -> str:
    """Return the CSV file of a table."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [field.name for field in table.fields], lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells_of(table, value) for value in values)
    return out.getvalue()


def _header_errors(table: Table, header: list[str], file: str, line: int) -> list[BadFile]:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        between = "semicolons" if ";" in header[0] else "tabs"
        return [BadFile(f"The columns have {between} between them.", "Use commas.", file=file, line=line)]
    errors = [
        BadFile(f"{name!r} is no known column.", fix, file=file, line=line, field=name)
        for name, fix in unknown_fields(table, header)
    ]
    for field in table.fields:
        if field.required and field.name not in header:
            errors.append(
                BadFile(f"The column {field.name!r} is missing.", "Add it.", file=file, line=line, field=field.name)
            )
        if header.count(field.name) > 1:
            errors.append(BadFile(f"The column {field.name!r} stands there twice.", "Keep one.", file=file, line=line))
    return errors
