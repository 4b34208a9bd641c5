"""The commands ``ronde import ndw`` and ``ronde import telraam``: other people's counters as SERIES."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from city.errors import BadFile, BadInput
from service.commands import AsJson

if TYPE_CHECKING:
    from service.count_rows import CountRows

_Sources = Annotated[list[str], typer.Argument(help="Files or patterns like 'a/*.csv'.")]
_Out = Annotated[
    Path, typer.Argument(help="SERIES file to write, .csv or .parquet; in DATA/history/ the planner's figures use it.")
]
_Names = Annotated[
    list[str] | None,
    typer.Option(
        "--as", metavar="SOURCE=ID", help="Keeps this place and calls it by the approach's id; may be repeated."
    ),
]
_Hourly = Annotated[bool, typer.Option("--hourly", help="Sum shorter intervals into hours, as a replay reads them.")]


def import_ndw(
    source: _Sources,
    out: _Out,
    name: _Names = None,
    sites: Annotated[
        Path | None,
        typer.Option(help="NDW's table of sites (measurement_current.xml.gz), for measurements as DATEX II."),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Of times that name no offset.")] = "Europe/Amsterdam",
    hourly: _Hourly = False,
    as_json: AsJson = False,
) -> None:
    """Turn NDW's intensities (an export as CSV, or DATEX II) into SERIES; rates (vehicles/h) become counts."""
    from service.importers import find_sources
    from service.ndw_counts import read_ndw
    from service.ndw_datex import read_ndw_datex

    sources = find_sources(source)
    is_datex = any(one.name.lower().endswith((".xml", ".xml.gz")) for one in sources)
    if is_datex and sites is None:
        raise BadInput(
            "Measurements as DATEX II say only an index of what each number is.",
            "Give --sites measurement_current.xml.gz, NDW's table of sites of the same time.",
        )
    if sites is not None:
        rows = read_ndw_datex(sources, sites, [one.partition("=")[0] for one in name or []])
    else:
        rows = read_ndw(sources, timezone)
    _write(rows, out, name or [], hourly, "speed_kph", as_json)


def import_telraam(
    source: _Sources,
    out: _Out,
    name: _Names = None,
    scaling: Annotated[
        str, typer.Option(help="Whether counts were divided by the uptime: auto (look at them), scaled or raw.")
    ] = "auto",
    by_class: Annotated[bool, typer.Option("--by-class", help="Write cars, bicycles, … apart too, as ID:car.")] = False,
    by_direction: Annotated[bool, typer.Option("--by-direction", help="Write ID:lft and ID:rgt too.")] = False,
    hourly: _Hourly = False,
    as_json: AsJson = False,
) -> None:
    """Turn reports of Telraam (JSON or CSV, hourly or quarterly) into SERIES of motor traffic."""
    from service.importers import find_sources
    from service.telraam_counts import Scaling, read_telraam

    known: dict[str, Scaling] = {"auto": "auto", "scaled": "scaled", "raw": "raw"}
    if scaling not in known:
        raise BadInput(f"{scaling!r} is no scaling.", "Use auto, scaled or raw.")
    rows = read_telraam(find_sources(source), scaling=known[scaling], by_class=by_class, by_direction=by_direction)
    _write(rows, out, name or [], hourly, "v85_kph", as_json)


def _write(rows: "CountRows", out: Path, names: list[str], hourly: bool, speed: str, as_json: bool) -> None:
    from service.count_rows import renamed, write_counts

    if out.is_dir():
        raise BadFile("This is a folder.", "Name the file to write, ending in .csv or .parquet.", file=str(out))
    rows = renamed(rows, names)
    written = write_counts(rows, out, hourly=hourly, speed=speed)
    places = len(set(rows.entity.tolist()))
    if as_json:
        facts = {
            "out": str(out), "rows": written, "entities": places, "estimates": rows.estimates,
            "leftOut": rows.left_out, "notes": list(rows.notes),
        }  # fmt: skip
        typer.echo(json.dumps(facts))
        return
    said = ", ".join(f"{n} {reason}" for reason, n in rows.left_out.items() if n)
    estimates = (
        f" {rows.estimates} counts are estimates, for part of their interval was not seen." if rows.estimates else ""
    )
    typer.echo(
        f"{out}: {written} intervals of {places} place{'' if places == 1 else 's'}"
        f"{f'; left out {said}' if said else ''}.{estimates} {' '.join(rows.notes)}"
    )
