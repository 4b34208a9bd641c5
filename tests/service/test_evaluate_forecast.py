from pathlib import Path

import numpy as np
import pytest

from city.errors import BadFile, BadInput
from service.cli import main
from service.evaluate_forecast import evaluate_forecast, horizons, read_grid, school_days
from simulation.table_files import read_table, write_table
from tests.models.streets import hourly_counts

KINDS = {"entity": "text", "issued_at": "time", "time": "time", "value": "number"}


def series(path: Path, days: int = 42, n: int = 3) -> Path:
    at_s, counts = hourly_counts(8, n=n, days=days)
    t, e = np.nonzero(~np.isnan(counts))
    write_table(path, {"time": at_s[t], "entity": [f"s{i}" for i in e], "value": counts[t, e]}, times=("time",))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_writes_every_hour_after_the_date_at_every_horizon(tmp_path: Path, suffix: str) -> None:
    data, out = series(tmp_path / f"series{suffix}", days=9), tmp_path / f"said{suffix}"
    words = ["--data", str(data), "--train-until", "2024-01-08", "--horizons-h", "1,24", "--predictions", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "forecast", *words])
    assert ended.value.code == 0
    said = read_table(out, KINDS, "predictions")  # type: ignore[arg-type]
    at_s, issued_s = said.numbers["time"], said.numbers["issued_at"]
    assert set(said.texts["entity"].names) == {"s0", "s1", "s2"}
    assert set(((at_s - issued_s) / 3600).tolist()) == {1.0, 24.0}
    hours = np.unique(at_s[at_s - issued_s == 3600])
    assert len(hours) == 24 * 2 - 1 + 1
    assert len(at_s) == 3 * (2 * len(hours) + 23)
    assert np.isfinite(said.numbers["value"]).all()


def test_what_was_said_by_then_is_the_same_when_the_file_ends_there(tmp_path: Path) -> None:
    data = series(tmp_path / "whole.parquet")
    _, begins_s, _ = read_grid(data)
    until_s = float(begins_s[24 * 38])
    whole = evaluate_forecast(data, until_s, (1, 3), "Europe/Berlin")
    cut_s = float(begins_s[24 * 40 + 7])
    table = read_table(data, {"time": "time", "entity": "text", "value": "number"}, "SERIES")
    kept = table.numbers["time"] <= cut_s
    names = np.array(table.texts["entity"].names)[table.texts["entity"].code]
    early = tmp_path / "cut.parquet"
    write_table(
        early,
        {"time": table.numbers["time"][kept], "entity": list(names[kept]), "value": table.numbers["value"][kept]},
        times=("time",),
    )
    short = evaluate_forecast(early, until_s, (1, 3), "Europe/Berlin")
    by_then = whole.issued_at_s <= cut_s
    assert by_then.sum() == len(short.value) > 200
    np.testing.assert_array_equal(whole.at_s[by_then], short.at_s)
    np.testing.assert_allclose(whole.value[by_then], short.value, atol=0.002)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time,entity,value\n", "no rows"),
        ("time,entity,value\n2024-01-01T00:30:00Z,a,1\n", "beginning of an hour"),
        ("time,entity,value\n2024-01-01T00:00:00Z,a,1\n2024-01-01T00:00:00Z,a,2\n", "second time"),
        (
            "time,entity,value\n2024-01-01T00:00:00Z,a,1\n2100-01-01T00:00:00Z,a,1\n2024-01-01T01:00:00Z,a,1\n",
            "Row 2 is of 2100-01-01T00:00:00, and the file spans more than 20 years",
        ),
        ("time,entity,value\n2024-01-01T00:00:00Z,,1\n", "no entity"),
        ("time,entity,value\n2024-01-01T00:00:00Z,a,inf\n", "infinite"),
        ("time,entity,value\n,a,1\n", "no time"),
        ("time,value\n2024-01-01T00:00:00Z,1\n", "entity"),
        ("time,entity,value\n2024-01-01T00:00:00,a,1\n", "offset"),
    ],
)
def test_a_file_that_is_no_series_is_refused_with_a_reason(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadFile, match=problem):
        read_grid(path)


@pytest.mark.parametrize("text", ["", "0", "1,x", "1.5", "169", "-1"])
def test_horizons_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="horizons"):
        horizons(text)


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no value until"):
        evaluate_forecast(series(tmp_path / "s.csv", days=3), 0.0, (1,), "Europe/Berlin")


def test_school_holidays_are_read_from_periods(tmp_path: Path) -> None:
    path = tmp_path / "school.csv"
    path.write_text("first,last,name\n2024-03-25,2024-04-05,Easter\n")
    assert len(school_days(path)) == 12


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "first,last\n2024-04-05,2024-03-25\n", "first,last\nsoon,later\n"])
def test_periods_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "school.csv"
    path.write_text(text)
    if text:
        with pytest.raises(BadFile):
            school_days(path)
    else:
        assert school_days(path) == ()
