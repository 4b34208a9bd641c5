"""The ingest process, from outside: killed at any moment, told to end, told wrong things."""

import csv
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.client import Loop, MqttClient
from broker.codec import decode_batch
from broker.envelope import body_of
from broker.server import RunningBroker, free_port, start_broker
from broker.topics import up_topic
from city.errors import ExitCode
from city.readings import Row
from city.register_files import write_register
from ingest.rows import rows_of
from ingest.status import STATUS_NAME, IngestStatus, read_status
from ledger import Ledger, LedgerReader, audit
from store.series import open_series
from tests.ingest.town import CITY, NOW_S, chain, register, sealed
from tests.parts import require

ROOT = Path(__file__).resolve().parents[2]


class City:
    """A folder with a register, and the processes that work on it."""

    def __init__(self, folder: Path, broker: RunningBroker) -> None:
        self.data = folder / "city"
        self.edge = folder / "edge"
        self.edge.mkdir()
        self.data.mkdir()
        self.broker = broker
        write_register(register(), self.data / "register")
        self.processes: list[subprocess.Popen[str]] = []

    def ingest(self, *more: str, address: str = "") -> "subprocess.Popen[str]":
        ready = self.data / "ready"
        ready.unlink(missing_ok=True)
        arguments = ["--data", str(self.data), "--broker", address or f"{self.broker.host}:{self.broker.port}"]
        arguments += ["--clock", f"{NOW_S!r},1.0,{time.time()!r}", "--ready-file", str(ready), *more]
        return self._start("ingest", *arguments)

    def ready_ingest(self, *more: str) -> "subprocess.Popen[str]":
        process = self.ingest(*more)
        until(lambda: (self.data / "ready").exists() or process.poll() is not None, 20)
        assert process.poll() is None, process.communicate()
        return process

    def publisher(self, *more: str) -> "subprocess.Popen[str]":
        return self._start("tests.ingest.publisher", str(self.edge), f"{self.broker.host}:{self.broker.port}", *more)

    def produced(self) -> dict[tuple[str, str, int], int]:
        with (self.edge / "produced.csv").open() as file:
            return {(row["device"], row["log_id"], int(row["n"])): int(row["at_ms"]) for row in csv.DictReader(file)}

    def status(self) -> IngestStatus:
        found = read_status(self.data / STATUS_NAME)
        assert found
        return found

    def rows(self) -> list[Row]:
        known = register()
        entries = LedgerReader(self.data / "ledger").read(0, 10**7)
        return [row for entry in entries for row in rows_of(entry, known)]

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)

    def _start(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        # To a file, so that nobody waits for a full pipe.
        log = (self.edge / f"{module}-{len(self.processes)}.log").open("w+")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log, text=True
            )
        self.processes.append(process)
        return process

    def said(self, process: "subprocess.Popen[str]") -> str:
        number = self.processes.index(process)
        (log,) = self.edge.glob(f"*-{number}.log")
        return log.read_text()


@pytest.fixture(params=["mosquitto", "iotcore"])
def city(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[City]:
    if request.param == "mosquitto":
        require("mosquitto")
    with start_broker(tmp_path / "broker", kind=request.param) as broker:
        one = City(tmp_path, broker)
        yield one
        one.end()


@pytest.fixture
def quiet_city(tmp_path: Path) -> Iterator[City]:
    with start_broker(tmp_path / "broker") as broker:
        one = City(tmp_path, broker)
        yield one
        one.end()


def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_ingest_that_is_killed_at_any_moment_loses_nothing_and_stores_nothing_twice(city: City) -> None:
    chance = random.Random(3)
    publisher = city.publisher()
    for _ in range(6):
        ingest = city.ingest()
        time.sleep(0.6 + chance.random() * 0.8)
        ingest.kill()
        ingest.wait(10)
    ingest = city.ready_ingest()
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(40) == 0, city.said(publisher)
    _end(city, ingest)

    produced = city.produced()
    assert len(produced) > 1000
    rows = city.rows()
    keys = [(row.key.device, row.key.log_id, row.key.n) for row in rows]
    assert len(keys) == len(set(keys)) == len(produced)
    assert {(row.key.device, row.key.log_id, row.key.n): round(row.at_s * 1000) for row in rows} == produced
    report = audit(city.data / "ledger")
    assert report.is_intact
    assert report.gaps == ()
    assert report.readings == len(produced)
    stored = open_series(f"sqlite:///{city.data / 'series.sqlite'}")
    points = stored.keys("fill_ratio", 0.0, NOW_S * 2)
    stored.close()
    assert points == {(row.entity, round(row.at_s * 1000)) for row in rows}
    assert not (city.data / "dead-letters").exists()
    prev: dict[str, str] = {}
    for entry in LedgerReader(city.data / "ledger").read(0, 10**7):
        batch = decode_batch(body_of(entry.message))
        assert batch.prev == prev.get(batch.log_id, "")
        prev[batch.log_id] = entry.body_hash


@pytest.mark.parametrize(("how", "loses"), [((), False), (("trusting",), True)])
def test_a_broker_that_is_killed_loses_nothing_unless_a_device_trusts_it(
    tmp_path: Path, how: tuple[str, ...], loses: bool
) -> None:
    """The control shows that the test can see a loss: who deletes on the broker's word loses readings here."""
    require("mosquitto")
    first = start_broker(tmp_path / "broker", kind="mosquitto")
    city = City(tmp_path, first)
    try:
        _end(city, city.ready_ingest())
        publisher = city.publisher(*how)
        until(lambda: (city.edge / "produced.csv").exists() and len(city.produced()) > 500, 15)
        os.kill(first.pid, signal.SIGKILL)
        first.stop()
        with start_broker(tmp_path / "broker", kind="mosquitto", port=first.port):
            ingest = city.ready_ingest()
            publisher.send_signal(signal.SIGTERM)
            assert publisher.wait(40) == 0, city.said(publisher)
            _end(city, ingest)
    finally:
        city.end()
        first.stop()
    stored = {(row.key.device, row.key.log_id, row.key.n) for row in city.rows()}
    assert bool(city.produced().keys() - stored) == loses


def test_the_status_tells_how_it_goes(quiet_city: City) -> None:
    ingest = quiet_city.ready_ingest()
    publisher = quiet_city.publisher()
    until(lambda: quiet_city.status().counters.accepted_readings > 100, 15)
    status = quiet_city.status()
    assert status.city == CITY
    assert status.connected
    assert status.pid == ingest.pid
    assert status.series is not None
    assert status.series.state == "running"
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(20) == 0
    _end(quiet_city, ingest)
    status = quiet_city.status()
    assert status.pid == 0
    assert status.series is not None
    assert (status.series.behind, status.series.position) == (0, status.ledger_entries)


def test_a_refusing_store_ends_the_view_and_not_the_record(quiet_city: City) -> None:
    """A server answers 401 to everything, as an InfluxDB does that was given a wrong token."""
    with _answering("401 Unauthorized") as port:
        ingest = quiet_city.ready_ingest("--series", f"influxdb://127.0.0.1:{port}/city/ronde", "--series-token", "no")
        publisher = quiet_city.publisher()
        until(lambda: _view_state(quiet_city) == "stopped", 15)
        before = quiet_city.status().counters.accepted_readings
        until(lambda: quiet_city.status().counters.accepted_readings > before + 100, 15)
        publisher.send_signal(signal.SIGTERM)
        assert publisher.wait(20) == 0
        ingest.send_signal(signal.SIGTERM)
        assert ingest.wait(20) == 0
    lines = [line for line in quiet_city.said(ingest).splitlines() if "ERROR" in line]
    assert len(lines) == 1
    assert "not fed any more" in lines[0]


def test_a_store_that_is_away_delays_no_acknowledgement(quiet_city: City) -> None:
    series = f"influxdb://127.0.0.1:{free_port()}/city/ronde"
    ingest = quiet_city.ready_ingest("--series", series, "--series-token", "x")
    publisher = quiet_city.publisher()
    until(lambda: quiet_city.status().counters.accepted_readings > 200, 15)
    assert _view_state(quiet_city) == "retrying"
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(20) == 0
    began_s = time.monotonic()
    _end(quiet_city, ingest)
    assert time.monotonic() - began_s < 15
    # What the view missed is fed when a store is there: here another one, from the beginning.
    again = quiet_city.ready_ingest()
    until(lambda: _caught_up(quiet_city), 15)
    _end(quiet_city, again)


def test_a_deleted_view_is_made_again_from_the_ledger(quiet_city: City) -> None:
    ingest = quiet_city.ready_ingest()
    _publish(quiet_city, [sealed(one) for one in chain(20)])
    until(lambda: quiet_city.status().ledger_entries == 20 and _caught_up(quiet_city), 15)
    _end(quiet_city, ingest)
    for path in quiet_city.data.glob("series.sqlite*"):
        path.unlink()
    ingest = quiet_city.ready_ingest()
    until(lambda: _caught_up(quiet_city), 15)
    _end(quiet_city, ingest)
    stored = open_series(f"sqlite:///{quiet_city.data / 'series.sqlite'}")
    assert len(stored.keys("fill_ratio", 0.0, NOW_S * 2)) == 40
    stored.close()


def test_a_register_is_read_again_on_sighup_and_a_bad_one_is_not(quiet_city: City) -> None:
    whole = register()
    write_register(type(whole)(CITY, "Europe/Amsterdam"), quiet_city.data / "register")
    ingest = quiet_city.ready_ingest()
    _publish(quiet_city, [sealed(chain(1)[0])])
    until(lambda: quiet_city.status().counters.rejected == {"unknown-device": 1}, 15)
    write_register(whole, quiet_city.data / "register")
    ingest.send_signal(signal.SIGHUP)
    until(lambda: "3 devices" in quiet_city.said(ingest), 10)
    for path in (quiet_city.data / "register").iterdir():
        path.write_text("rubbish")
    ingest.send_signal(signal.SIGHUP)
    until(lambda: "old one stays in use" in quiet_city.said(ingest), 10)
    _publish(quiet_city, [sealed(chain(1)[0])])
    until(lambda: quiet_city.status().ledger_entries == 1, 15)
    _end(quiet_city, ingest)


def test_a_second_ingest_is_refused(quiet_city: City) -> None:
    ingest = quiet_city.ready_ingest()
    second = quiet_city.ingest()
    assert second.wait(20) == ExitCode.FAILED
    assert _last_line(quiet_city, second).startswith("ingest: The ledger in")
    assert ingest.poll() is None
    ingest.send_signal(signal.SIGINT)
    assert ingest.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--broker", "nowhere:x"], ExitCode.BAD_INPUT, "is no address of a broker"),
        (["--clock", "soon"], ExitCode.BAD_INPUT, "is no clock"),
        (["--series", "mysql://x"], ExitCode.BAD_INPUT, "names no series store"),
        (["--series", "influxdb://127.0.0.1:1/city/ronde"], ExitCode.BAD_INPUT, "needs a token"),
    ],
)
def test_wrong_options_end_with_one_clear_line(
    quiet_city: City, arguments: list[str], code: ExitCode, words: str
) -> None:
    process = quiet_city.ingest(*arguments)
    assert process.wait(20) == code
    assert words in _last_line(quiet_city, process)
    assert "Traceback" not in quiet_city.said(process)


def test_a_register_with_errors_ends_with_a_line_that_names_the_file(quiet_city: City) -> None:
    broken = next((quiet_city.data / "register").glob("*.csv"))
    broken.write_text("rubbish\n")
    process = quiet_city.ingest()
    assert process.wait(20) == ExitCode.BAD_INPUT
    assert broken.name in quiet_city.said(process)
    assert not (quiet_city.data / "ledger").exists()


def test_a_damaged_ledger_is_not_written_to(quiet_city: City) -> None:
    with Ledger(quiet_city.data / "ledger"):
        pass
    segment = next((quiet_city.data / "ledger").glob("*.seg"))
    segment.write_bytes(os.urandom(100))
    process = quiet_city.ingest()
    assert process.wait(20) != 0
    assert segment.name in _last_line(quiet_city, process)


def test_a_missing_broker_ends_with_a_line_that_names_it(quiet_city: City) -> None:
    port = free_port()
    process = quiet_city.ingest("--wait-s", "0.5", address=f"127.0.0.1:{port}")
    assert process.wait(40) == ExitCode.UNREACHABLE
    assert f"127.0.0.1:{port}" in _last_line(quiet_city, process)
    assert not (quiet_city.data / "ready").exists()


def _end(city: City, ingest: "subprocess.Popen[str]") -> None:
    ingest.send_signal(signal.SIGTERM)
    assert ingest.wait(20) == 0, city.said(ingest)


def _last_line(city: City, process: "subprocess.Popen[str]") -> str:
    return city.said(process).strip().splitlines()[-1]


def _view_state(city: City) -> str:
    status = read_status(city.data / STATUS_NAME)
    return status.series.state if status and status.series else ""


def _caught_up(city: City) -> bool:
    series = city.status().series
    return series is not None and series.position == city.status().ledger_entries > 0


def _publish(city: City, messages: list[bytes]) -> None:
    loop = Loop()
    client = MqttClient(city.broker.host, city.broker.port, f"pub-{os.getpid()}")
    loop.add(client)
    loop.wait_connected(client)
    for message in messages:
        assert client.publish(up_topic(CITY, "node-1", "readings"), message)
    end = time.monotonic() + 10
    while client.in_flight and time.monotonic() < end:
        loop.run_once(0.05)
    loop.close()


class _answering:  # noqa: N801 - reads as what it does
    """An HTTP server that answers every request with one status."""

    def __init__(self, status: str) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    connection.recv(65536)
                    connection.sendall(self._answer)
                except OSError:
                    continue
