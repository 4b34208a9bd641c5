"""`ronde evaluate fill`: how soon containers will be full, from a file of levels."""

from pathlib import Path
from typing import Annotated

import typer

from city.errors import BadFile
from service.train_until import time_of

LEVELS = "LEVELS (time, entity, fill_ratio: one row a reading, about one a day and container)"
_DAY_S = 86_400.0


def fill_command(
    data: Annotated[Path, typer.Option(help="LEVELS: time, entity, fill_ratio; CSV or Parquet by suffix.")],
    train_until: Annotated[str, typer.Option(metavar="DATE", help="Until then it learns; forecasts come after it.")],
    predictions: Annotated[Path, typer.Option(help="Where to write entity, issued_at, horizon_d, p_full.")],
) -> None:
    """Say at every reading how probably the container will be full within 1 to 14 days, if nobody empties it."""
    from simulation.table_files import write_table

    columns = evaluate_fill(data, time_of(train_until, "--train-until"))
    write_table(predictions, columns, times=("issued_at",))
    typer.echo(f"{len(columns['p_full'])} probabilities written to {predictions}")


def evaluate_fill(data: Path, train_until_s: float) -> dict[str, list[object]]:
    """Return the columns of the forecasts made at every reading below full after the day of `train_until_s`.

    What is said about a time follows from the readings up to then: a file that ends earlier gives the same forecasts
    until its end. Days are UTC. A row without a level says nothing and is left out.

    Raises
    ------
    BadFile
        The file is no such table, or has a time or a level in it that makes no sense.
    """
    import numpy as np

    from models.fill_history import LONGEST_D, DailyLevels
    from models.time_to_full import walk_forward
    from simulation.table_files import read_table

    table = read_table(data, {"time": "time", "entity": "text", "fill_ratio": "number"}, LEVELS)
    at_s, level, entity = table.numbers["time"], table.numbers["fill_ratio"], table.texts["entity"]
    if not len(at_s):
        raise BadFile("There are no rows.", f"Give {LEVELS}.", file=str(data))
    is_blank = np.array([not name.strip() for name in entity.names] + [True])
    bad = np.flatnonzero(~np.isfinite(at_s) | is_blank[entity.code])
    if len(bad):
        raise BadFile(
            f"Row {int(bad[0]) + 1} has no time or no entity.", f"Give {LEVELS}.", file=str(data), field="time"
        )
    odd = np.flatnonzero(np.isinf(level) | (level < 0))
    if len(odd):
        raise BadFile(
            f"Row {int(odd[0]) + 1} is no ratio of the volume.",
            "Leave out readings whose level is unknown.",
            file=str(data),
            field="fill_ratio",
        )
    known = np.flatnonzero(np.isfinite(level))
    if not len(known):
        raise BadFile("There is no level in it.", f"Give {LEVELS}.", file=str(data), field="fill_ratio")
    # In the order of time and name, so that a file that ends earlier is the beginning of the longer one.
    rank = np.argsort(np.argsort(np.array(entity.names)))
    known = known[np.lexsort((rank[entity.code[known]], at_s[known]))]
    day = (at_s[known] // _DAY_S).astype(np.int64)
    p_full = walk_forward(DailyLevels(entity.code[known], day, level[known]), int(train_until_s // _DAY_S))
    said = np.flatnonzero(np.isfinite(p_full[:, 0]))
    names = np.array(entity.names)
    return {
        "entity": names[np.repeat(entity.code[known[said]], LONGEST_D)].tolist(),
        "issued_at": np.repeat(at_s[known[said]], LONGEST_D).tolist(),
        "horizon_d": np.tile(np.arange(1, LONGEST_D + 1), len(said)).tolist(),
        "p_full": p_full[said].ravel().tolist(),
    }
