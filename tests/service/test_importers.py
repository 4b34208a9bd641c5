import csv
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from city.errors import BadFile, BadInput
from service.importers import ColumnMapping, find_sources, import_table, write_table
from tests.parts import require

HEADER = "mq_name;tag;stunde;qualitaet;q\n"
BERLIN = ColumnMapping("tag", "mq_name", "q", hour_column="stunde", time_format="%d.%m.%Y", timezone="Europe/Berlin")


def test_local_hours_beside_a_date_become_utc(tmp_path):
    source = tmp_path / "hours.csv"
    source.write_text(HEADER + "TE1;01.01.2023;8;1.0;100\nTE1;01.07.2023;8;1.0;200\n")
    rows = import_table([source], BERLIN, "counts").table.to_pylist()
    assert [row["time"].isoformat() for row in rows] == ["2023-01-01T07:00:00+00:00", "2023-07-01T06:00:00+00:00"]
    assert [row["value"] for row in rows] == [100.0, 200.0]


def test_hours_that_the_clock_change_makes_doubtful_are_left_out_and_counted(tmp_path):
    source = tmp_path / "hours.csv"
    spring = "".join(f"TE1;26.03.2023;{hour};1.0;1\n" for hour in range(5))
    autumn = "".join(f"TE1;29.10.2023;{hour};1.0;1\n" for hour in range(5))
    source.write_text(HEADER + spring + autumn)
    imported = import_table([source], BERLIN, "counts")
    assert imported.doubtful_time == 2
    assert imported.table.num_rows == 8


def test_poor_missing_and_impossible_values_are_left_out_each_counted(tmp_path):
    source = tmp_path / "hours.csv"
    source.write_text(HEADER + "a;01.01.2023;1;0.5;1\na;01.01.2023;2;1.0;\na;01.01.2023;3;1;-1\na;01.01.2023;4;1;9\n")
    mapping = ColumnMapping(**{**_fields(BERLIN), "quality_column": "qualitaet", "min_quality": 0.75})
    imported = import_table([source], mapping, "counts")
    assert imported.summary() == {
        "rows": 1, "rows_read": 4, "without_value": 1, "out_of_range": 1, "poor_quality": 1, "doubtful_time": 0,
        "double": 0,
    }  # fmt: skip


def test_several_files_by_pattern_are_one_table_sorted_the_first_of_doubles_kept(tmp_path):
    (tmp_path / "b.csv").write_text("time,id,level\n2024-01-01T00:00:00Z,k1,20\n2024-01-02T00:00:00Z,k1,50\n")
    with gzip.open(tmp_path / "c.csv.gz", "wt") as file:
        file.write("time,id,level\n2024-01-02T00:00:00Z,k1,99\n2023-12-31T00:00:00Z,k1,10\n")
    sources = find_sources([str(tmp_path / "*.csv"), str(tmp_path / "*.gz")])
    imported = import_table(sources, ColumnMapping("time", "id", "level", scale=0.01), "levels")
    assert imported.double == 1
    assert imported.table.column_names == ["time", "entity", "fill_ratio"]
    assert imported.table["fill_ratio"].to_pylist() == pytest.approx([0.1, 0.2, 0.5])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_can_be_read_as_a_source(tmp_path, suffix):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": ["2024-01-01T00:00:00+01:00"], "e": ["k1"], "v": [3.0]}), source)
    table = import_table([source], ColumnMapping("t", "e", "v"), "counts").table
    out = tmp_path / "sub" / f"out{suffix}"
    write_table(table, out)
    again = import_table([out], ColumnMapping("time", "entity", "value"), "counts").table
    assert again.to_pylist() == table.to_pylist()
    assert [one.name for one in out.parent.iterdir()] == [out.name]
    if suffix == ".csv":
        assert next(csv.reader(out.read_text().splitlines()))[0] == "time"


@pytest.mark.parametrize(
    ("content", "mapping", "said"),
    [
        ("a,b,c\n1,2,3\n", ColumnMapping("time", "b", "c"), "there is no column 'time'"),
        ("time,b,c\n2024-01-01T00:00:00Z,k,many\n", ColumnMapping("time", "b", "c"), "no number"),
        ("time,b,c\nyesterday,k,1\n", ColumnMapping("time", "b", "c"), "a time is none"),
        ("time,b,c\n2024-01-01T00:00:00Z,k,1\n", ColumnMapping("time", "b", "c", low=5), "no row could be used"),
        ("time,b,c\n2024-01-01 00:00:00,k,1\n", ColumnMapping("time", "b", "c", timezone="Mars"), "a time is none"),
        ("", ColumnMapping("time", "b", "c"), "there is no column"),
        ("\x00\xff\xfe", ColumnMapping("time", "b", "c"), "bad.csv"),
    ],
)
def test_a_source_that_does_not_fit_is_named_with_what_is_wrong(tmp_path, content, mapping, said):
    source = tmp_path / "bad.csv"
    source.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadFile, match=said) as caught:
        import_table([source], mapping, "counts")
    assert caught.value.file == str(source)


def test_a_pattern_that_matches_nothing_is_an_error():
    with pytest.raises(BadInput, match="There is no file"):
        find_sources(["/nowhere/*.csv"])


def test_real_hours_and_real_levels_are_taken_as_they_are():
    data = require("shared-data")
    counts = import_table(
        [data / "traffic/berlin-hourly/mq_hr_2024_04.csv.gz"],
        ColumnMapping("tag", "mq_name", "q_kfz_mq_hr", hour_column="stunde", time_format="%d.%m.%Y",
                      timezone="Europe/Berlin", high=6000),
        "counts",
    )  # fmt: skip
    assert counts.table.num_rows > 100_000
    levels = import_table(
        [data / "fill/wyndham/levels.csv.gz"],
        ColumnMapping("timestamp", "serialNumber", "latestFullness", timezone="Australia/Melbourne", scale=0.1),
        "levels",
    )
    assert sorted(set(levels.table["fill_ratio"].to_pylist())) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def _fields(mapping):
    return {name: getattr(mapping, name) for name in mapping.__struct_fields__}
