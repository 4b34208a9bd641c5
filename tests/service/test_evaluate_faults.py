import numpy as np
import pytest

from city.errors import BadFile, BadInput, ExitCode
from service.cli import main
from service.evaluate_faults import evaluate_faults
from service.train_until import time_of
from simulation.table_files import read_table, write_table
from tests.models.scenes import START_S
from tests.models.test_series_faults import counts

HOUR_S = 3600.0


def write(path, values, stop=None):
    values = values[:stop]
    hours, n = values.shape
    write_table(
        path,
        {
            "time": START_S + HOUR_S * np.repeat(np.arange(hours), n),
            "entity": [f"q{i}" for i in range(n)] * hours,
            "value": values.ravel(),
        },
        times=("time",),
    )
    return path


@pytest.fixture
def faulty():
    values = counts(1, 4, 40)
    values[800:830, 1] = values[800, 1]
    values[850:880, 2] = np.floor(0.05 * values[850:880, 2])
    return values


def test_alarms_are_written_in_the_judges_layout(tmp_path, faulty, capsys):
    data, out = write(tmp_path / "series.parquet", faulty), tmp_path / "out" / "alarms.csv"
    words = ["evaluate", "faults", "--data", str(data), "--train-until", "2026-01-30", "--alarms", str(out)]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code in (None, ExitCode.OK)
    assert "alarms written" in capsys.readouterr().out
    table = read_table(out, {"entity": "text", "start": "time", "end": "time", "kind": "text"}, "alarms")
    said = [(table.texts["entity"].names[e], table.texts["kind"].names[k])
            for e, k in zip(table.texts["entity"].code, table.texts["kind"].code, strict=True)]  # fmt: skip
    assert ("q1", "stuck") in said
    assert ("q2", "blocked") in said
    assert (table.numbers["start"] > time_of("2026-01-30", "--train-until")).all()


def test_what_is_said_is_the_same_when_the_file_ends_there(tmp_path, faulty):
    whole = evaluate_faults(write(tmp_path / "whole.parquet", faulty), START_S, "UTC")
    for stop in (806, 860):
        cut = evaluate_faults(write(tmp_path / "cut.parquet", faulty, stop), START_S, "UTC")
        assert [(e, start, k) for e, start, _, k in cut] == [
            (e, start, k) for e, start, _, k in whole if start < START_S + stop * HOUR_S
        ]


def test_what_cannot_be_read_says_how_to_mend_it(tmp_path):
    write_table(tmp_path / "bad.csv", {"time": [START_S], "entity": ["a"], "value": [-3.0]}, times=("time",))
    with pytest.raises(BadFile, match="no count"):
        evaluate_faults(tmp_path / "bad.csv", 0.0, "UTC")
    write_table(tmp_path / "odd.csv", {"time": [START_S + 600], "entity": ["a"], "value": [3.0]}, times=("time",))
    with pytest.raises(BadFile, match="beginning of an hour"):
        evaluate_faults(tmp_path / "odd.csv", 0.0, "UTC")
    with pytest.raises(BadInput, match="no time zone"):
        evaluate_faults(tmp_path / "bad.csv", 0.0, "Mars/Olympus")
    with pytest.raises(BadInput, match="no date"):
        time_of("yesterday", "--train-until")
