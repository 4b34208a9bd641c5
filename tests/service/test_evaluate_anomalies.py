from pathlib import Path

import pytest

from city.errors import BadFile
from service.cli import main
from service.evaluate_anomalies import scored_records

HEAD = "timestamp,value\n"


def test_the_command_keeps_stamps_and_values_as_they_stand_and_adds_a_score(tmp_path: Path) -> None:
    data, out = tmp_path / "speed.csv", tmp_path / "results" / "speed.csv"
    stamps = [f"2015-09-01 {11 + k // 12:02}:{5 * (k % 12):02}:00" for k in range(60)]
    values = [str(60 + k % 7) for k in range(59)] + ["3"]
    data.write_text("timestamp,value,label\n" + "".join(f"{t},{v},0\n" for t, v in zip(stamps, values, strict=True)))
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "anomalies", "--data", str(data), "--out", str(out)])
    assert ended.value.code == 0
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert lines[0] == ["timestamp", "value", "anomaly_score"]
    assert [line[:2] for line in lines[1:]] == [list(pair) for pair in zip(stamps, values, strict=True)]
    scores = [float(line[2]) for line in lines[1:]]
    assert all(0 <= score < 1 for score in scores)
    assert scores[-1] == max(scores)


def test_records_are_read_one_at_a_time(tmp_path: Path) -> None:
    """What is wrong further down the file changes nothing of what was said before it."""
    data = tmp_path / "stream.csv"
    data.write_text(HEAD + "2015-09-01 11:25:00,58\n2015-09-01 11:30:00,57\n2015-09-01 11:35:00,wrong\n")
    records = scored_records(data)
    assert next(records)[:2] == ("2015-09-01 11:25:00", "58")
    assert next(records)[1] == "57"
    with pytest.raises(BadFile, match=r"stream.csv:4: value"):
        next(records)


def test_an_unknown_value_has_no_score(tmp_path: Path) -> None:
    data, out = tmp_path / "a.csv", tmp_path / "b.csv"
    data.write_text(HEAD + "2015-09-01T11:25:00+02:00,58\n2015-09-01T11:30:00+02:00,\n2015-09-01T11:35:00+02:00,NaN\n")
    with pytest.raises(SystemExit):
        main(["evaluate", "anomalies", "--data", str(data), "--out", str(out)])
    assert [line.split(",")[2] == "" for line in out.read_text().splitlines()[1:]] == [False, True, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "column 'timestamp'"),
        ("time,value\n", "column 'timestamp'"),
        ("timestamp,count\n", "column 'value'"),
        (HEAD + "yesterday,1\n", "no time"),
        (HEAD + "2015-09-01 11:25:00,inf\n", "no number"),
        (HEAD + "2015-09-01 11:25:00\n", "1 cells"),
    ],
)
def test_a_file_that_is_no_stream_is_refused_and_nothing_is_written(tmp_path: Path, text: str, problem: str) -> None:
    data, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    data.write_text(text)
    with pytest.raises(BadFile, match=problem):
        list(scored_records(data))
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "anomalies", "--data", str(data), "--out", str(out)])
    assert ended.value.code == 3
    assert not out.exists()
    assert list(tmp_path.iterdir()) == [data]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"no\.csv"):
        list(scored_records(tmp_path / "no.csv"))
