"""`ronde evaluate incidents` reads days of junctions and writes what a live detector would have said."""

import csv
from pathlib import Path

import numpy as np
import pytest

from service.cli import main
from service.evaluate_incidents import evaluate_incidents, read_junctions
from simulation.table_files import write_table

BLOCKED = (1, 600, 660)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two days of two approaches, one of which is blocked for an hour on the second day."""
    rng = np.random.default_rng(3)
    days, n = 2, 2
    count = rng.poisson(6.0, (days, 1440, n)).astype(float)
    speed, occupancy = rng.normal(45, 2, count.shape), count * 0.004
    day, first, last = BLOCKED
    count[day, first:last, 0], occupancy[day, first:last, 0], speed[day, first:last, 0] = 0, 1.0, np.nan
    speed[count == 0] = np.nan
    columns = {
        "day": np.repeat(np.arange(days), 1440 * n),
        "minute": np.tile(np.repeat(np.arange(1440), n), days),
        "approach": np.tile(["b1", "a1"], 1440 * days),
    }
    for where in ("up", "stop"):
        # What stands behind a blocked lane covers the detector upstream; nobody comes to the stop line.
        covered = occupancy if where == "up" else np.where(occupancy == 1.0, 0.0, occupancy)
        columns |= {f"{where}_count": count.ravel(), f"{where}_occupancy_ratio": covered.ravel()}
        columns |= {f"{where}_speed_kph": speed.ravel()}
    folder = tmp_path_factory.mktemp("junctions")
    write_table(folder / "minutes.parquet", columns)
    return folder


def test_alarms_are_written_for_the_days_after_the_train_days(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "alarms.csv"
    with pytest.raises(SystemExit) as done:
        main(["evaluate", "incidents", "--data", str(folder), "--train-days", "0-0", "--alarms", str(out)])
    assert done.value.code == 0
    with out.open() as file:
        (alarm,) = csv.DictReader(file)
    assert (alarm["day"], alarm["approach"]) == ("1", "b1")
    assert 600 <= int(alarm["raised_minute"]) <= 605
    assert 660 <= int(alarm["cleared_minute"]) <= 675


def test_cutting_the_file_changes_nothing_that_was_said_before(folder: Path) -> None:
    whole = read_junctions(folder)
    rows = 1440 + 630
    cut = whole._replace(values={name: np.where(np.arange(2880)[:, None] < rows, column, np.nan)
                                 for name, column in whole.values.items()})  # fmt: skip
    said, short = (evaluate_incidents(one, (0, 0)) for one in (whole, cut))
    assert [one[:3] for one in said if one.raised_minute < 630] == [one[:3] for one in short]


@pytest.mark.parametrize("days", ["9", "a-b", "5-2"])
def test_train_days_that_are_no_range_are_refused(folder: Path, tmp_path: Path, days: str, capsys) -> None:
    with pytest.raises(SystemExit) as done:
        main(
            ["evaluate", "incidents", "--data", str(folder), "--train-days", days, "--alarms", str(tmp_path / "o.csv")]
        )
    assert done.value.code == 3
    assert "--train-days" in capsys.readouterr().err


def test_a_folder_without_minutes_is_refused(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as done:
        main(["evaluate", "incidents", "--data", str(tmp_path), "--alarms", str(tmp_path / "o.csv")])
    assert done.value.code == 3
    assert "minutes.parquet" in capsys.readouterr().err
