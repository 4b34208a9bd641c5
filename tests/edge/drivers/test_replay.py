import pytest

from city.errors import BadFile
from edge.drivers.replay import ReplayDriver

GOOD = "time,value\n1970-01-01T00:00:00Z,0.1\n1970-01-01T01:10:00+01:00,\n1970-01-01T00:20:00Z,0.3\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "levels.csv"
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        return path

    return write


def test_each_moment_gets_its_latest_value(file):
    driver = ReplayDriver.open(file(GOOD), "c1", "fill", "fill_ratio", 600.0)
    said = [driver.read(at_s) for at_s in (-1.0, 0.0, 599.0, 600.0, 1200.0, 1799.0, 1800.0)]
    assert [one and one.values["fill_ratio"] for one in said] == [None, 0.1, 0.1, None, 0.3, 0.3, None]
    assert said[3] is not None
    assert (said[0], said[-1]) == (None, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("at,value\n", 1),
        ("time,value\n1970-01-01T00:00:00,1\n", 2),
        ("time,value\n1970-01-01T00:00:00Z,1\nyesterday,1\n", 3),
        ("time,value\n1970-01-01T00:00:00Z,many\n", 2),
        ("time,value\n1970-01-01T00:00:00Z,nan\n", 2),
        ("time,value\n1970-01-01T00:00:00Z\n", 2),
        ("time,value\n1970-01-01T00:00:00Z,1,2\n", 2),
        ("time,value\n1970-01-01T00:00:01Z,1\n1970-01-01T00:00:01Z,1\n", 3),
        (b"\xff\xfe", 0),
    ],
)
def test_a_broken_file_is_said_with_its_line(file, text, line):
    path = file(text)
    with pytest.raises(BadFile) as caught:
        ReplayDriver.open(path, "c1", "fill", "fill_ratio", 600.0)
    assert (caught.value.file, caught.value.line) == (str(path), line)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(BadFile):
        ReplayDriver.open(tmp_path / "none.csv", "c1", "fill", "fill_ratio", 600.0)
