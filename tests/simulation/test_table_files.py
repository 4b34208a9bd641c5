from pathlib import Path

import numpy as np
import pytest

from city.errors import BadFile
from simulation.table_files import read_table, write_table

KINDS = {"time": "time", "entity": "text", "value": "number"}
LAYOUT = "SERIES: time, entity, value"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "sub/folder/a.CSV"])
def test_what_is_written_is_read_again_with_its_gaps(tmp_path: Path, name: str) -> None:
    at_s = np.array([1_700_000_000.0, 1_700_003_600.0, np.nan])
    columns = {"time": at_s, "entity": ["x", "y, with a comma", "x"], "value": [1.5, np.nan, 3.0]}
    write_table(tmp_path / name, columns, times=["time"])
    table = read_table(tmp_path / name, KINDS, LAYOUT)
    np.testing.assert_array_equal(table.numbers["time"], at_s)
    np.testing.assert_array_equal(table.numbers["value"], [1.5, np.nan, 3.0])
    assert table.texts["entity"].names == ("x", "y, with a comma")
    assert table.texts["entity"].code.tolist() == [0, 1, 0]
    assert [one.name for one in (tmp_path / name).parent.iterdir() if one.is_file()] == [Path(name).name]


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"time": [], "entity": [], "value": []}, times=["time"])
    assert len(read_table(tmp_path / "a.csv", KINDS, LAYOUT).numbers["time"]) == 0


def test_an_optional_column_may_be_missing(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"time": [0.0], "entity": ["x"]}, times=["time"])
    assert "value" not in read_table(tmp_path / "a.csv", KINDS, LAYOUT, optional=["value"]).numbers
    with pytest.raises(BadFile, match="'value' is missing"):
        read_table(tmp_path / "a.csv", KINDS, LAYOUT)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,entity,value\n2024-01-01T00:00:00,x,1\n", "offset"),
        ("time,entity,value\n2024-01-01T00:00:00+00:00,x,many\n", "no such table"),
        ("", "no such table"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadFile, match=says):
        read_table(path, KINDS, LAYOUT)
    with pytest.raises(BadFile, match="no such file"):
        read_table(tmp_path / "none.csv", KINDS, LAYOUT)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_blank_texts_are_empty_cells(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table.{suffix}"
    write_table(path, {"entity": ["b", "", "a", "  ", "b"], "value": [1.0, 2, 3, 4, 5]})
    entity = read_table(path, {"entity": "text"}, "a table").texts["entity"]
    assert entity.names == ("b", "a")
    assert entity.code.tolist() == [0, -1, 1, -1, 0]
