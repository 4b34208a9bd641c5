"""What the file keeps to: other processes beside it, and what is not a series store."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from city.errors import BadFile, TransientError
from store.series import Point, open_series
from store.sqlite_series import SQLiteSeries

_START_MS = 1_771_999_200_000

_READER = """
import sys
from store.series import open_series
store = open_series(sys.argv[1])
print("ready", flush=True)
n = 0
while n < 20_000:
    found = store.window("k-1", "fill_ratio", 0, 5e9).value
    assert found.size >= n, (found.size, n)
    assert (found == range(found.size)).all()
    n = found.size
    assert sum(hour.n for hour in store.hourly(None, "fill_ratio", 0, 5e9)) >= n
print("saw all")
"""

_WRITER = f"""
import sys
from store.series import Point, open_series
store = open_series(sys.argv[1])
for n in range(1_000_000):
    store.write([Point("k-1", "fill_ratio", {_START_MS} + (n * 100 + m) * 1000, 1.0) for m in range(100)])
    print(n, flush=True)
"""


def _run(code: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)


def test_another_process_reads_whole_batches_while_this_one_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/series.sqlite"
    with open_series(url) as store, _run(_READER, url) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            for start in range(0, 20_000, 200):
                store.write(
                    [Point("k-1", "fill_ratio", _START_MS + n * 1000, float(n)) for n in range(start, start + 200)]
                )
            assert reader.communicate(timeout=60)[0] == "saw all\n"
        finally:
            reader.kill()
    assert reader.returncode == 0


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/series.sqlite"
    with _run(_WRITER, url) as writer:
        try:
            assert writer.stdout is not None
            for _ in range(20):
                writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
            said = 20 + len(writer.stdout.read().splitlines())
        finally:
            writer.kill()
    with open_series(url) as store:
        keys = store.keys("fill_ratio", 0, 5e9)
        assert len(keys) >= said * 100
        assert len(keys) % 100 == 0
        assert sum(hour.n for hour in store.hourly(None, "fill_ratio", 0, 5e9)) == len(keys)


def test_two_processes_may_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/series.sqlite"
    with open_series(url) as one, open_series(url) as other:
        for n in range(20):
            one.write([Point(f"a-{n}", "fill_ratio", _START_MS, 1.0)])
            other.write([Point(f"a-{n}", "fill_ratio", _START_MS + 1, 2.0), Point(f"b-{n}", "lift_kg", _START_MS, 3.0)])
        assert len(one.keys("fill_ratio", 0, 5e9)) == 40
        assert len(one.latest("lift_kg")) == 20


def test_a_file_that_is_busy_may_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    point = Point("k-1", "fill_ratio", _START_MS, 1.0)
    with SQLiteSeries(path, busy_s=0.1) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="busy"):
            store.write([point])
        other.close()
        store.write([point])
        assert store.latest("fill_ratio")["k-1"].value == 1.0


@pytest.mark.parametrize(
    "content", [b"no database at all, but rather long and full of words" * 40, b"SQLite format 3\0" + b"x" * 4096]
)
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "series.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadFile, match="rebuilt from the ledger"):
        SQLiteSeries(path)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE plan (id TEXT)")
    other.close()
    with pytest.raises(BadFile, match="no series store"):
        SQLiteSeries(path)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="file/series"):
        SQLiteSeries(tmp_path / "file" / "series.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadFile, match="folder"):
        SQLiteSeries(tmp_path / "folder")


_FULL = f"""
import resource, signal, sys
from city.errors import TransientError
from store.series import Point, open_series
store = open_series(sys.argv[1])
store.write([Point("k-1", "fill_ratio", {_START_MS}, 1.0)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
batch = [Point("k-1", "fill_ratio", {_START_MS} + n, 1.0) for n in range(1, 50_000)]
try:
    store.write(batch)
except TransientError as error:
    print("transient", flush=True)
assert store.keys("fill_ratio", 0, 5e9) == {{("k-1", {_START_MS})}}
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.write(batch)
print(store.hourly(None, "fill_ratio", 0, 5e9)[0].n)
"""


def test_a_full_disk_loses_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    """A bound on the size of files stands for the disk."""
    with _run(_FULL, f"sqlite:///{tmp_path}/series.sqlite") as process:
        try:
            assert process.communicate(timeout=60)[0].split() == ["transient", "50000"]
        finally:
            process.kill()
