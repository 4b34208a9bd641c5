"""`ronde evaluate dumping`: waste beside containers, from a folder with what their sensors and cameras told."""

from pathlib import Path
from typing import Annotated, Any

import typer

_LAYOUT = "observations.parquet (time, entity, fill_ratio, lid_openings, objects_beside; empty = not measured)"


def dumping_command(
    data: Annotated[Path, typer.Option(help="Folder with observations.parquet.")],
    alarms: Annotated[Path, typer.Option(help="The table to write, CSV or Parquet.")],
    every_min: Annotated[float, typer.Option(help="Minutes over which lid openings are counted.")] = 15.0,
) -> None:
    """Write the alarms about waste beside containers: entity, raised_at, cleared_at, cause, probability.

    An entity without a camera can only show overflow; of those the command says how many there are.
    """
    from simulation.table_files import write_table

    columns, unobservable, entities = evaluate_dumping(data / "observations.parquet", every_min * 60)
    write_table(alarms, columns, times=("raised_at", "cleared_at"))
    typer.echo(f"{len(columns['entity'])} alarms about {entities} containers.")
    if unobservable:
        typer.echo(f"Dumping is not observable at {unobservable} of them (no camera): overflow alone is told there.")


def evaluate_dumping(observations: Path, interval_s: float = 900.0) -> tuple[dict[str, list[Any]], int, int]:
    """Return the alarms as columns, the number of entities at which dumping is not observable, and of all.

    Raises
    ------
    BadFile
        The table is missing, is not laid out as it should be, or a value in it is infinite or below 0.
    BadInput
        `interval_s` is no length of time.
    """
    import numpy as np

    from city.errors import BadFile, BadInput
    from city.findings import cause_group
    from models.dumping import DumpingModel
    from models.rows import Rows
    from simulation.table_files import Kind, read_table

    if not (interval_s > 0 and np.isfinite(interval_s)):
        raise BadInput(f"Lid openings over {interval_s / 60:g} minutes make no sense.", "Give --every-min above 0.")
    quantities = ("fill_ratio", "lid_openings", "objects_beside")
    kinds: dict[str, Kind] = {"time": "time", "entity": "text", **dict.fromkeys(quantities, "number")}
    table = read_table(observations, kinds, _LAYOUT, optional=("lid_openings", "objects_beside"))
    entity, at_s = table.texts["entity"], table.numbers["time"]
    bad = np.flatnonzero((entity.code < 0) | ~np.isfinite(at_s))
    if len(bad):
        raise BadFile(
            f"Row {int(bad[0]) + 1} has no entity or no time.", "Fill in both, or leave it out.", file=str(observations)
        )
    if not len(at_s):
        raise BadFile("There are no rows.", f"Give {_LAYOUT}.", file=str(observations))
    values = {name: table.numbers[name] for name in quantities if name in table.numbers}
    for name, value in values.items():
        odd = np.flatnonzero((value < 0) | np.isinf(value))
        if len(odd):
            raise BadFile(
                f"Row {int(odd[0]) + 1} has a {name} of {value[odd[0]]:g}.",
                "Leave the cell empty where it was not measured.",
                file=str(observations),
                field=name,
            )
    model = DumpingModel(entity.names)
    rows = Rows.of_columns(float(at_s.max()), entity.code, at_s, values, interval_s)
    state, findings = model.update(model.initial_state(), rows)
    over = {one.id: one.cleared_at_s for one in findings if one.cleared_at_s is not None}
    raised = [one for one in findings if one.cleared_at_s is None]
    columns: dict[str, list[Any]] = {
        "entity": [one.entity for one in raised],
        "raised_at": [one.raised_at_s for one in raised],
        "cleared_at": [over.get(one.id, float("nan")) for one in raised],
        "cause": [cause_group(one.cause) for one in raised],
        "probability": [round(one.probability, 4) for one in raised],
    }
    return columns, int((~model.observable(state)).sum()), len(model.entities)
