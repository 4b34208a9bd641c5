from pathlib import Path

import numpy as np
import pytest

from city.errors import BadFile, BadInput
from service.cli import main
from service.evaluate_dumping import evaluate_dumping
from simulation.table_files import read_table, write_table
from tests.models.scenes import sites


def observations(folder: Path, days: int = 6) -> Path:
    rows = sites(1, cameras=4).rows
    keep = rows.at_s < rows.at_s[0] + days * 86400
    columns = {q: one[keep] for q, one in rows.values.items()}
    path = folder / "observations.parquet"
    names = np.array([f"c{i}" for i in rows.entity[keep]])
    write_table(path, {"time": rows.at_s[keep], "entity": names, **columns}, times=("time",))
    return path


def test_alarms_are_written_in_the_layout_of_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    observations(tmp_path)
    main_ends(["evaluate", "dumping", "--data", str(tmp_path), "--alarms", str(tmp_path / "alarms.csv")])
    assert "not observable at 2 of them" in capsys.readouterr().out
    kinds = {"raised_at": "time", "cleared_at": "time", "entity": "text", "cause": "text", "probability": "number"}
    table = read_table(tmp_path / "alarms.csv", kinds, "alarms")  # type: ignore[arg-type]
    assert set(table.texts["cause"].names) <= {"overflow", "dumped", "unknown"}
    assert len(table.numbers["raised_at"]) > 3


def test_what_is_said_about_a_time_does_not_change_when_the_file_ends_there(tmp_path: Path) -> None:
    whole, _, _ = evaluate_dumping(observations(tmp_path))
    cut, _, _ = evaluate_dumping(observations(tmp_path, days=3))
    end_s = sites(1).rows.at_s[0] + 3 * 86400 - 900
    told = [one for one in zip(*whole.values(), strict=True) if one[1] < end_s]
    early = [one for one in zip(*cut.values(), strict=True) if one[1] < end_s]
    assert [one[:2] + one[3:] for one in told] == [one[:2] + one[3:] for one in early]
    assert [one[2] for one in told if one[2] < end_s] == [one[2] for one in early if one[2] < end_s]


def test_a_row_without_a_container_is_named(tmp_path: Path) -> None:
    path = tmp_path / "observations.parquet"
    write_table(path, {"time": [0.0], "entity": [None], "fill_ratio": [0.5]}, times=("time",))
    with pytest.raises(BadFile, match="Row 1"):
        evaluate_dumping(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fill_ratio", np.inf), ("fill_ratio", -0.1), ("lid_openings", np.inf), ("objects_beside", -1.0)],
)
def test_values_that_make_no_sense_are_named(tmp_path: Path, name: str, value: float) -> None:
    columns = {"time": [0.0, 900.0], "entity": ["a", "a"], "fill_ratio": [0.5, 0.5]}
    write_table(tmp_path / "observations.parquet", columns | {name: [0.0, value]}, times=("time",))
    with pytest.raises(BadFile, match="Row 2"):
        evaluate_dumping(tmp_path / "observations.parquet")


@pytest.mark.parametrize("interval_s", [0.0, -900.0, np.inf, np.nan])
def test_an_interval_that_is_none_is_refused(tmp_path: Path, interval_s: float) -> None:
    with pytest.raises(BadInput, match="--every-min"):
        evaluate_dumping(tmp_path / "observations.parquet", interval_s)


def main_ends(arguments: list[str]) -> None:
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code  # noqa: PT017
