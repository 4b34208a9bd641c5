import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from city.errors import BadFile
from service.evaluate_fill import evaluate_fill

START_S = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


def write(path: Path, days: int) -> Path:
    """Three bins of different pace, a reading a day at noon, emptied when full; one cell is empty."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "entity", "fill_ratio"])
        for day in range(days):
            at = datetime.fromtimestamp(START_S + DAY_S * (day + 0.5), UTC).isoformat()
            for name, pace in (("b", 2), ("a", 5), ("c", 9)):
                level = "" if day == 7 and name == "a" else 0.1 * (day % (pace + 2)) * 9 / pace
                table.writerow([at, name, level])
    return path


def test_every_reading_below_full_after_the_date_gets_fourteen_probabilities(tmp_path: Path) -> None:
    said = evaluate_fill(write(tmp_path / "levels.csv", 60), START_S + 40 * DAY_S)
    p = np.array(said["p_full"], float).reshape(-1, 14)
    assert np.array(said["horizon_d"]).reshape(-1, 14)[0].tolist() == list(range(1, 15))
    assert min(said["issued_at"]) > START_S + 41 * DAY_S  # type: ignore[type-var]
    assert set(said["entity"]) == {"a", "b", "c"}
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p, axis=1) >= 0).all()


def test_a_file_that_ends_earlier_gives_the_same_forecasts_until_its_end(tmp_path: Path) -> None:
    whole = evaluate_fill(write(tmp_path / "whole.csv", 60), START_S + 40 * DAY_S)
    short = evaluate_fill(write(tmp_path / "short.csv", 52), START_S + 40 * DAY_S)
    n = len(short["p_full"])
    assert 0 < n < len(whole["p_full"])
    for name, column in short.items():
        assert whole[name][:n] == column


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("time,entity\n2026-01-05T00:00:00Z,a\n", "fill_ratio"),
        ("time,entity,fill_ratio\n", "no rows"),
        ("time,entity,fill_ratio\n2026-01-05 00:00,a,0.2\n", "offset"),
        ("time,entity,fill_ratio\n2026-01-05T00:00:00Z,,0.2\n", "Row 1"),
        ("time,entity,fill_ratio\n2026-01-05T00:00:00Z,a,-0.2\n", "Row 1"),
        ("time,entity,fill_ratio\n2026-01-05T00:00:00Z,a,\n", "no level"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, text: str, names: str) -> None:
    path = tmp_path / "levels.csv"
    path.write_text(text)
    with pytest.raises(BadFile, match=names):
        evaluate_fill(path, START_S)
