"""Commands that look at files and end: the register, the ledger, imports of history and of streets."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from city.errors import BadFile, ExitCode

if TYPE_CHECKING:
    from service.importers import ColumnMapping, Imported, Layout

register_app = typer.Typer(help="Look after a city's register.", no_args_is_help=True)
import_app = typer.Typer(help="Turn a city's own history into the layouts that a replay reads.", no_args_is_help=True)
network_app = typer.Typer(help="Make a road network.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for a program to read.")]


@register_app.callback()
def _register() -> None:
    """Look after a city's register."""


@network_app.callback()
def _network() -> None:
    """Make a road network."""


@register_app.command("check")
def register_check(
    folder: Annotated[Path, typer.Argument(help="Folder with the register's files.")], as_json: AsJson = False
) -> None:
    """Read a register and say what is in it, or everything that is wrong with it."""
    from city.errors import BadRegister
    from city.register_files import read_register

    try:
        register = read_register(folder)
    except BadRegister as error:
        if not as_json:
            raise
        faults = [{"file": e.file, "line": e.line, "field": e.field, "problem": str(e)} for e in error.errors]
        _print({"ok": False, "errors": faults}, True, "")
        raise typer.Exit(int(error.exit_code)) from None
    counts = {
        "clusters": len(register.clusters),
        "containers": len(register.containers),
        "junctions": len(register.junctions),
        "approaches": len(register.approaches),
        "depots": len(register.depots),
        "unloadingSites": len(register.unloading_sites),
        "trucks": len(register.trucks),
        "devices": len(register.devices),
        "installations": len(register.installations),
    }
    words = ", ".join(f"{n} {_spaced(name)}" for name, n in counts.items())
    _print(
        {"ok": True, "city": register.city, **counts}, as_json, f"The register of {register.name} is in order: {words}."
    )


def audit_command(
    data: Annotated[Path, typer.Argument(help="The city's data folder, or its ledger's folder.")],
    as_json: AsJson = False,
) -> None:
    """Check that the ledger is whole: every frame, and the chain that binds each entry to all before it."""
    from ledger.audit import audit

    folder = data / "ledger" if (data / "ledger").is_dir() else data
    if not folder.is_dir():
        raise BadFile("There is no ledger.", "Name the city's data folder.", file=str(data))
    report = audit(folder)
    fault = report.fault
    where = {"file": str(fault.file), "offset": fault.offset, "problem": fault.problem} if fault else None
    if fault:
        text = f"The ledger is damaged: {fault.file} at byte {fault.offset}: {fault.problem}."
    else:
        gaps = f" {len(report.gaps)} gaps in devices' logs." if report.gaps else ""
        text = (
            f"The ledger is whole: {report.readings} readings in {report.entries} entries, chain {report.chain}.{gaps}"
        )
    facts = {
        "ok": fault is None,
        "entries": report.entries,
        "readings": report.readings,
        "chain": report.chain,
        "gaps": [{"device": g.device, "logId": g.log_id, "from": g.n_from, "to": g.n_to} for g in report.gaps],
        "fault": where,
    }
    _print(facts, as_json, text)
    if fault:
        raise typer.Exit(int(ExitCode.FAILED))


@import_app.command("levels")
def import_levels(
    source: Annotated[
        list[str], typer.Argument(help="Files (CSV, may be .gz, or Parquet) or patterns like 'a/*.csv'.")
    ],
    out: Annotated[Path, typer.Argument(help="LEVELS file to write: .csv or .parquet.")],
    time_column: Annotated[str, typer.Option(help="Column with the time.")],
    entity_column: Annotated[str, typer.Option(help="Column with the container's id.")],
    value_column: Annotated[str, typer.Option(help="Column with the level.")],
    scale: Annotated[float, typer.Option(help="Makes a ratio of it: 0.01 for per cent.")] = 1.0,
    time_format: Annotated[str, typer.Option(help="strptime format of the time, if it is not ISO 8601.")] = "",
    hour_column: Annotated[str, typer.Option(help="Column with the hour of the day, beside a date.")] = "",
    timezone: Annotated[str, typer.Option(help="Of times that name no offset.")] = "UTC",
    high: Annotated[float, typer.Option(help="A ratio above this is left out.")] = 1.5,
    as_json: AsJson = False,
) -> None:
    """Turn levels of containers into LEVELS (time, entity, fill_ratio)."""
    from service.importers import ColumnMapping

    mapping = ColumnMapping(
        time_column,
        entity_column,
        value_column,
        hour_column=hour_column,
        time_format=time_format,
        timezone=timezone,
        scale=scale,
        high=high,
    )
    _import(source, out, mapping, "levels", as_json)


@import_app.command("counts")
def import_counts(
    source: Annotated[
        list[str], typer.Argument(help="Files (CSV, may be .gz, or Parquet) or patterns like 'a/*.csv'.")
    ],
    out: Annotated[Path, typer.Argument(help="SERIES file to write: .csv or .parquet.")],
    time_column: Annotated[str, typer.Option(help="Column with the time, or the date beside --hour-column.")],
    entity_column: Annotated[str, typer.Option(help="Column with the detector's id.")],
    value_column: Annotated[str, typer.Option(help="Column with the count of the hour.")],
    scale: Annotated[float, typer.Option(help="Multiplies every value.")] = 1.0,
    time_format: Annotated[str, typer.Option(help="strptime format of the time, if it is not ISO 8601.")] = "",
    hour_column: Annotated[str, typer.Option(help="Column with the hour of the local day (0..23).")] = "",
    timezone: Annotated[str, typer.Option(help="Of times that name no offset, such as Europe/Berlin.")] = "UTC",
    low: Annotated[float, typer.Option(help="A value below this is left out.")] = 0.0,
    high: Annotated[float, typer.Option(help="A value above this is left out.")] = 1e9,
    quality_column: Annotated[str, typer.Option(help="Column with the share of the hour that was measured.")] = "",
    min_quality: Annotated[float, typer.Option(help="Hours below this quality are missing, not zero.")] = 0.75,
    as_json: AsJson = False,
) -> None:
    """Turn hourly counts into SERIES (time, entity, value)."""
    from service.importers import ColumnMapping

    mapping = ColumnMapping(
        time_column,
        entity_column,
        value_column,
        hour_column=hour_column,
        time_format=time_format,
        timezone=timezone,
        scale=scale,
        low=low,
        high=high,
        quality_column=quality_column,
        min_quality=min_quality,
    )
    _import(source, out, mapping, "counts", as_json)


@network_app.command("import")
def network_import(
    file: Annotated[Path, typer.Argument(help="OpenStreetMap extract, .osm.pbf.")],
    out: Annotated[Path, typer.Argument(help="Road network to write, network.npz.")],
    zones: Annotated[
        Path | None, typer.Option(help="GeoJSON areas with opensHour and closesHour: an inner city until 11:00.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a road network from an OpenStreetMap extract."""
    from service.streets import import_streets

    with _busy("Reading streets"):
        network, _ = import_streets(file, out, zones)
    facts = {"nodes": network.n_nodes, "edges": network.n_edges, "signals": len(network.signal_nodes)}
    _print({"out": str(out), **facts}, as_json, f"{out}: {network.n_nodes} nodes, {network.n_edges} directed streets.")


def _import(source: list[str], out: Path, mapping: "ColumnMapping", layout: "Layout", as_json: bool) -> None:
    from service.importers import find_sources, import_table, write_table

    sources = find_sources(source)
    if out.is_dir():
        raise BadFile("This is a folder.", "Name the file to write, ending in .csv or .parquet.", file=str(out))
    with _busy(f"Reading {len(sources)} file{'s' if len(sources) != 1 else ''}"):
        imported = import_table(sources, mapping, layout)
        write_table(imported.table, out)
    _print({"out": str(out), **imported.summary()}, as_json, _summary(imported, out))


def _summary(imported: "Imported", out: Path) -> str:
    left_out = {
        "without a value": imported.without_value,
        "out of range": imported.out_of_range,
        "of poor quality": imported.poor_quality,
        "with a doubtful time": imported.doubtful_time,
        "double": imported.double,
    }
    said = ", ".join(f"{n} {what}" for what, n in left_out.items() if n)
    return f"{out}: {imported.table.num_rows} of {imported.rows_read} rows{f'; left out {said}' if said else ''}."


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """Show that something goes on, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what}…"):
        yield


def _print(facts: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(facts) if as_json else text)


def _spaced(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
