"""The demonstration as a user runs it: its result, its ends, and what it refuses before it makes anything."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from city.errors import BadInput, ExitCode
from service.demo import DemoOptions

SMALL = ["--clusters", "12", "--headless", "--broker", "iotcore", "--port", "0"]
LIVE = "in the city"


class Demo:
    """A running `ronde demo`, and every process that it was seen to have."""

    def __init__(self, *options: str, said: Path, temporary: Path) -> None:
        self.said = said
        temporary.mkdir(exist_ok=True)
        self.temporary = temporary
        with said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "demo", *SMALL, *options],
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
            )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def text(self) -> str:
        return self.said.read_text(encoding="utf-8", errors="replace")

    def look(self) -> None:
        for one in psutil.Process(self.process.pid).children(recursive=True):
            self._seen.setdefault(one.pid, one)

    def child(self, *words: str) -> psutil.Process:
        """Return the process whose command line has these words."""
        self.look()
        return next(p for p in self._seen.values() if p.is_running() and set(words) <= set(p.cmdline()))

    def until(self, word: str, within_s: float = 60.0) -> None:
        until_s = time.monotonic() + within_s
        while word not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < until_s, self.text
            self.look()
            time.sleep(0.05)
        self.look()

    def end(self, within_s: float = 60.0) -> int:
        """Wait until it has ended, see that nothing is left of it, and return its exit code."""
        until_s = time.monotonic() + within_s
        while self.process.poll() is None and time.monotonic() < until_s:
            with suppress(psutil.NoSuchProcess):
                self.look()
            time.sleep(0.1)
        code = self.process.wait(1.0)
        assert len(self._seen) >= 1
        # Python's own tracker of a worker's resources ends when it sees that the others are gone.
        _, left = psutil.wait_procs(self._seen.values(), timeout=5.0)
        assert [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
        assert list(self.temporary.iterdir()) == []
        return code

    def kill(self) -> None:
        for one in [*self._seen.values(), psutil.Process(self.process.pid)] if self.process.poll() is None else []:
            if one.is_running():
                one.kill()
        self.process.wait(5.0)


@pytest.fixture
def demo(tmp_path: Path):
    @contextmanager
    def run(*options: str) -> Iterator[Demo]:
        one = Demo(*options, said=tmp_path / "said.txt", temporary=tmp_path / "tmp")
        try:
            yield one
        finally:
            one.kill()

    return run


def test_it_ends_by_itself_with_a_scoreboard_and_everything_accounted_for(demo, tmp_path):
    board = tmp_path / "board.json"
    with demo("--minutes", "0.4", "--scoreboard", str(board)) as running:
        assert running.end(90.0) == ExitCode.OK, running.text
    said = json.loads(board.read_text())
    assert (said["lost"], said["twice"]) == (0, 0)
    assert said["produced"] > 1000
    assert said["produced"] == said["stored"] + said["unplaced"] + said["pending"]
    assert said["parts"] == {"broker": "iotcore", "series": "sqlite"}
    assert said["delay_p99_ms"] > 0


def test_ctrl_c_while_it_runs_ends_everything_and_shows_the_scoreboard(demo):
    with demo("--minutes", "10") as running:
        running.until(LIVE)
        os.killpg(running.process.pid, signal.SIGINT)  # As a terminal sends it.
        assert running.end() == ExitCode.OK, running.text
        assert "Scoreboard" in running.text
        assert "Traceback" not in running.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_before_it_began_it_leaves_nothing_and_says_so_with_its_exit_code(demo, number):
    with demo("--minutes", "10") as running:
        running.until("Broker:")
        time.sleep(0.5)
        os.killpg(running.process.pid, number)
        assert running.end() == 130, running.text
        assert "Ended before it began." in running.text
        assert "Traceback" not in running.text


def test_a_second_ctrl_c_ends_it_at_once_and_leaves_nothing(demo):
    with demo("--minutes", "10") as running:
        running.until(LIVE)
        began_s = time.monotonic()
        os.killpg(running.process.pid, signal.SIGINT)
        running.until("Ending:")
        for _ in range(3):
            os.killpg(running.process.pid, signal.SIGINT)
            time.sleep(0.1)
        assert running.end() == 130, running.text
        assert time.monotonic() - began_s < 20
        assert "without a scoreboard" in running.text
        assert "Traceback" not in running.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("broker.embedded",), "error: The broker (iotcore) has ended unexpectedly"),
        (("ingest",), "error: The ingest has ended unexpectedly (code -9)"),
    ],
)
def test_a_part_that_dies_is_one_clear_line_and_the_end_of_all_others(demo, words, said):
    with demo("--minutes", "10") as running:
        running.until(LIVE)
        running.child(*words).kill()
        assert running.end() == ExitCode.FAILED, running.text
        assert said in running.text
        assert "--folder FOLDER" in running.text
        assert "Traceback" not in running.text


@pytest.mark.parametrize("option", ["--port", "--broker-port"])
def test_a_port_in_use_is_one_line_that_names_the_option_and_nothing_is_made(tmp_path, option):
    folder = tmp_path / "run"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = [*SMALL, "--minutes", "1", "--folder", str(folder), option, str(port)]
        command = [sys.executable, "-m", "service", "demo", *arguments]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == ExitCode.UNREACHABLE
    assert said.stderr.count("\n") == 1
    assert str(port) in said.stderr
    assert f"choose another port with {option}." in said.stderr
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_folder_of_an_earlier_run_is_refused_and_left_alone(tmp_path):
    (tmp_path / "city").mkdir()
    with pytest.raises(BadInput, match="Name another one with --folder"):
        DemoOptions(folder=tmp_path).check()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is not an empty folder"):
        DemoOptions(folder=tmp_path / "file").check()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headless": True}, "--minutes"),
        ({"minutes": 0.0}, "--minutes"),
        ({"minutes": float("nan")}, "--minutes"),
        ({"speed_up": 0.0}, "--speed-up"),
        ({"speed_up": -5.0}, "--speed-up"),
        ({"clusters": 0}, "--clusters"),
        ({"seed": -1}, "--seed"),
        ({"port": 70_000}, "--port"),
        ({"broker_port": -1}, "--broker-port"),
        ({"start": "tomorrow"}, "ISO 8601"),
        ({"network": Path("streets.osm.pbf")}, "--counts"),
        ({"scoreboard": Path("/no/such/folder/board.json")}, "--scoreboard"),
        ({"scoreboard": Path("/proc/board.json")}, "--scoreboard"),
        ({"scoreboard": Path("/")}, "--scoreboard"),
    ],
)
def test_options_that_cannot_work_are_refused_with_what_to_write(options, said):
    with pytest.raises(BadInput, match=said):
        DemoOptions(**options).check()
