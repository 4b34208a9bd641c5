import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.codec import Command
from broker.server import RunningBroker, start_broker
from city.clock import ScaledClock, SteppedClock
from city.errors import BadFile, PermanentError
from city.plans import Round, Stop
from simulation.city import SimulatedCity
from simulation.command import main, read_field
from simulation.field import SimulatedField
from simulation.fleet import Fleet
from simulation.fleet_device import FleetParameters
from simulation.open_files import allow_open_files
from simulation.parameters import HOUR_S, CityParameters
from simulation.planted import PlantedEvent
from simulation.records import read_events
from tests.simulation.acker import Acker
from tests.simulation.conftest import START_S

SPEED_UP = 600.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    running = start_broker(tmp_path_factory.mktemp("broker"))
    yield running
    running.stop()


@pytest.fixture
def village(tmp_path: Path) -> SimulatedCity:
    return SimulatedCity.generate(CityParameters.of_size(6, city=f"v{os.getpid()}"), 4, START_S).write(tmp_path / "run")


class Running:
    """A fleet in a thread; `with` stops it and waits until it has drained."""

    def __init__(
        self,
        city: SimulatedCity,
        folder: Path,
        broker: RunningBroker,
        clock: ScaledClock | None = None,
        **parameters: Any,
    ) -> None:
        self.clock = clock or ScaledClock(city.start_s, SPEED_UP, time.time())
        self.folder = folder
        self.backlog = 0
        self._make = partial(
            Fleet, SimulatedField(city), folder, broker.host, broker.port, self.clock, FleetParameters(**parameters)
        )
        self._fleet: Fleet | None = None
        self._is_made = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failed: list[BaseException] = []

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._is_made.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fleet:
            self._fleet.stop()
        self._thread.join(40)
        assert not self._thread.is_alive()
        assert not self._failed

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "truth" / "fleet.json").read_text())
        return found

    def _run(self) -> None:
        try:
            self._fleet = self._make()
            self._is_made.set()
            self.backlog = self._fleet.play_backlog()
            self._fleet.run()
        except BaseException as error:
            self._failed.append(error)
            raise


def until(holds: Callable[[], bool], timeout_s: float = 25.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come to pass in time"
        time.sleep(0.05)


def produced_lines(folder: Path) -> list[list[str]]:
    text = (folder / "truth" / "produced.csv").read_text().splitlines()
    return [line.split(",") for line in text[1:]]


def test_everything_that_was_produced_is_acknowledged(
    village: SimulatedCity, tmp_path: Path, broker: RunningBroker
) -> None:
    with Acker(broker.host, broker.port, village.register) as acker:
        with Running(village, tmp_path / "run", broker, backlog_h=6.0, traffic_backlog_h=1.0) as running:
            until(lambda: acker.count > 500 and acker.kinds()["truck"] > 60)
        report = running.report()
        assert report["state"] == "stopped"
        assert report["produced"] == report["acknowledged"] + report["pending"]
        silent = {e.entity for e in village.planted if e.kind == "silent"}
        assert report["pending"] == 0 or silent
        assert acker.faults == []
        assert acker.count >= report["acknowledged"]
        lines = produced_lines(tmp_path / "run")
        assert len(lines) == report["produced"]
        keys = [(line[0], line[1], int(line[2])) for line in lines]
        assert len(set(keys)) == len(keys)
        assert {"fill", "beside", "traffic", "truck"} <= set(acker.kinds())
        # Who went in order said goodbye.
        until(lambda: not any(acker.online.values()))


def test_without_a_receiver_all_stays_pending(village: SimulatedCity, tmp_path: Path, broker: RunningBroker) -> None:
    with Running(village, tmp_path / "run", broker, backlog_h=2.0, drain_s=1.0) as running:
        until(lambda: (tmp_path / "run" / "truth" / "fleet.json").exists() and running.report()["connected"] > 5)
    report = running.report()
    assert report["acknowledged"] == 0
    assert report["pending"] == report["produced"] == len(produced_lines(tmp_path / "run"))


def test_a_fleet_that_starts_again_goes_on_where_it_stopped(
    village: SimulatedCity, tmp_path: Path, broker: RunningBroker
) -> None:
    with Running(village, tmp_path / "run", broker, backlog_h=2.0, drain_s=0.5) as first:
        until(lambda: (tmp_path / "run" / "truth" / "fleet.json").exists() and first.report()["connected"] > 5)
    stopped_s = first.report()["at_s"]
    before = len(produced_lines(tmp_path / "run"))
    with Acker(broker.host, broker.port, village.register) as acker:
        with Running(village, tmp_path / "run", broker, first.clock, backlog_h=2.0) as again:
            until(lambda: acker.count > before)
        assert acker.faults == []
    new = produced_lines(tmp_path / "run")[before:]
    assert new
    assert min(int(line[4]) for line in new) / 1000 >= stopped_s - 900
    assert again.report()["produced"] == before + len(new)


def test_a_truck_obeys_follow_round_and_says_what_it_did(
    village: SimulatedCity, tmp_path: Path, broker: RunningBroker
) -> None:
    register = village.register
    cluster = next(iter(register.clusters.values()))
    depot = register.depots["depot"]
    containers = tuple(c.id for c in register.containers_of(cluster.id))
    stops = (
        Stop("start", depot.id, depot.lon, depot.lat, START_S, START_S),
        Stop("empty", cluster.id, cluster.lon, cluster.lat, START_S, START_S + 300, "job-1", containers),
        Stop("end", depot.id, depot.lon, depot.lat, START_S, START_S),
    )
    round_ = msgspec.to_builtins(Round("crane-1", stops, 0.0, 0.0))
    with Acker(broker.host, broker.port, register) as acker:
        with Running(village, tmp_path / "run", broker, backlog_h=0.5) as running:
            until(lambda: bool(acker.online.get("pi-crane-1")))
            expires_ms = int((running.clock.now_s() + 24 * HOUR_S) * 1000)
            acker.command("pi-crane-1", Command("cmd-1", expires_ms, "follow-round", {"plan": "p", "round": {}}))
            acker.command("pi-crane-1", Command("cmd-2", expires_ms, "follow-round", {"plan": "p", "round": round_}))

            def visited() -> list[str | None]:
                return [r.place for _, r in list(acker.readings) if r.kind == "visit"]

            until(lambda: set(containers) <= set(visited()))
            until(lambda: running.report()["trucks"]["crane-1"]["done"] == ["job-1"])
        lifts = [r for d, r in acker.readings if r.kind == "visit" and r.place == containers[0]]
        assert lifts[-1].values["lift_kg"] is not None
    emptied = [e for e in read_events(tmp_path / "run" / "truth" / "events.jsonl") if e.truck == "crane-1"]
    assert [e.entity for e in emptied] == list(containers)


def test_a_truck_that_cannot_stop_says_so_over_the_broker(tmp_path: Path, broker: RunningBroker) -> None:
    parameters = replace(CityParameters.of_size(6, city=f"b{os.getpid()}"), blocked_share=1.0)
    city = SimulatedCity.generate(parameters, 4, START_S).write(tmp_path / "run")
    register, depot = city.register, city.register.depots["depot"]
    hours = SimulatedField(city).obstacles.full_hour
    cluster = register.clusters[min(hours, key=hours.__getitem__)]
    leaves_s = START_S + (hours[cluster.id] - 6.5) * HOUR_S
    stops = (
        Stop("start", depot.id, depot.lon, depot.lat, leaves_s, leaves_s),
        Stop("empty", cluster.id, cluster.lon, cluster.lat, leaves_s + 300, leaves_s + 600, "job-1"),
        Stop("end", depot.id, depot.lon, depot.lat, leaves_s + 900, leaves_s + 900),
    )
    round_ = msgspec.to_builtins(Round("crane-1", stops, 0.0, 0.0))
    with Acker(broker.host, broker.port, register) as acker:
        with Running(city, tmp_path / "run", broker, backlog_h=0.5) as running:
            until(lambda: bool(acker.online.get("pi-crane-1")))
            expires_ms = int((running.clock.now_s() + 24 * HOUR_S) * 1000)
            acker.command("pi-crane-1", Command("cmd-1", expires_ms, "follow-round", {"plan": "p", "round": round_}))
            until(lambda: any(r.kind == "veto" for _, r in list(acker.readings)), 60.0)
        (said,) = [(d, r) for d, r in acker.readings if r.kind == "veto"]
        assert said[0] == "pi-crane-1"
        assert (said[1].place, said[1].values) == (cluster.id, {"veto_code": 0.0})
        assert not [
            r for _, r in acker.readings if r.kind == "visit" and r.values.get("lift_kg") and r.at_ms > leaves_s
        ]


def test_a_device_falls_silent_and_brings_its_backlog_when_it_is_back(tmp_path: Path, broker: RunningBroker) -> None:
    made = SimulatedCity.generate(CityParameters.of_size(6, city=f"s{os.getpid()}"), 4, START_S)
    device = "pi-j01"
    silent = PlantedEvent("silent-x", "silent", device, START_S + 1800, START_S + 2 * 3600, "modem", True)
    city = replace(made, planted=(silent,)).write(tmp_path / "run")
    with Acker(broker.host, broker.port, city.register) as acker:
        with Running(city, tmp_path / "run", broker, backlog_h=0.5) as running:
            until(lambda: acker.online.get(device) is True)
            until(lambda: acker.online.get(device) is False)
            until(lambda: running.clock.now_s() > START_S + 1.6 * 3600)
            latest = max(r.at_ms for d, r in list(acker.readings) if d == device) / 1000
            assert latest < START_S + 1800 + 2 * SPEED_UP
            until(lambda: acker.online.get(device) is True)
            until(lambda: any(d == device and r.at_ms / 1000 > START_S + 2.2 * 3600 for d, r in list(acker.readings)))
        minutes = {r.at_ms for d, r in acker.readings if d == device and r.channel == "arm-1"}
    inside = [m for m in minutes if START_S + 1900 < m / 1000 < START_S + 2 * 3600 - 100]
    # It measured on while it could not be reached.
    assert len(inside) > 40


def test_the_command_drains_on_sigterm(tmp_path: Path, broker: RunningBroker) -> None:
    folder = tmp_path / "run"
    city = f"t{os.getpid()}"
    start = ["generate", "--folder", str(folder), "--clusters", "6", "--city", city, "--day", "2026-11-23"]
    assert main(start) == 0
    field = read_field(folder)
    ready = tmp_path / "ready.json"
    clock = ScaledClock(field.start_s, SPEED_UP, time.time() + 2).spec()
    with Acker(broker.host, broker.port, field.register) as acker:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "simulation", "fleet", "--folder", str(folder), "--broker",
                f"{broker.host}:{broker.port}", "--clock", clock, "--backlog-h", "3", "--ready-file", str(ready),
            ]
        )  # fmt: skip
        try:
            until(ready.exists, 30)
            until(lambda: acker.count > 200)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
        report = json.loads((folder / "truth" / "fleet.json").read_text())
        assert report["state"] == "stopped"
        assert report["produced"] == report["acknowledged"] + report["pending"]
        assert len(produced_lines(folder)) == report["produced"]
        assert set(report["devices"]) == set(field.register.devices)
    assert main(start) == 3


def test_a_replay_is_driven_by_the_same_agents(tmp_path: Path, broker: RunningBroker) -> None:
    levels = ["time,entity,fill_ratio"]
    counts = ["time,entity,value"]
    for day in range(1, 22):
        levels += [f"2024-06-{day:02d}T04:45:00Z,bin {b},{(day + b) % 5 / 5}" for b in range(3)]
        counts += [f"2024-06-{day:02d}T{h:02d}:00:00Z,TE{e},{h * 10 + e}" for h in range(24) for e in range(4)]
    (tmp_path / "levels.csv").write_text("\n".join(levels) + "\n")
    (tmp_path / "counts.csv").write_text("\n".join(counts) + "\n")
    folder = tmp_path / "run"
    arguments = [
        "replay",
        "--folder",
        str(folder),
        "--city",
        f"r{os.getpid()}",
        "--levels",
        str(tmp_path / "levels.csv"),
    ]
    assert main([*arguments, "--counts", str(tmp_path / "counts.csv"), "--day", "2026-11-23"]) == 0
    field = read_field(folder)
    clock = ScaledClock(field.start_s, 3600.0, time.time())
    fleet = Fleet(field, folder, broker.host, broker.port, clock, FleetParameters(backlog_h=48.0))
    with Acker(broker.host, broker.port, field.register) as acker:
        assert fleet.play_backlog() > 2 * 3 + 40 * 4
        fleet.run(until_s=field.start_s + 4 * HOUR_S)
        assert acker.faults == []
        rows = [r for _, r in acker.readings if r.kind == "traffic"]
        assert rows
        assert {r.interval_s for r in rows} == {3600}
        assert {tuple(r.values) for r in rows} == {("vehicle_count",)}
        # From 06:30 to 09:30 local the hours end that end at seven, eight and nine.
        soon = [r for r in rows if field.start_s < r.at_ms / 1000 < field.start_s + 3 * HOUR_S]
        assert len(soon) == 3 * 4
        fills = [r for _, r in acker.readings if r.kind == "fill"]
        assert fills
        assert {tuple(r.values) for r in fills} == {("fill_ratio",)}
        assert json.loads((folder / "truth" / "planted.json").read_text()) == {"planted": None}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["fleet", "--folder", "nowhere", "--broker", "127.0.0.1:1"], 3, "simulation generate"),
        (["replay", "--folder", "x"], 3, "nothing to replay"),
        (["replay", "--folder", "x", "--counts", "nowhere.csv"], 3, "no such file"),
        (["generate", "--folder", "x", "--clusters", "0"], 3, "nothing to do"),
        (["generate", "--folder", "x", "--start", "2026-03-02T06:30"], 3, "no offset"),
        (["replay", "--folder", "x", "--network", "nowhere.npz", "--counts", "c.csv"], 3, "no such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_what_mends_it(
    arguments: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = arguments.index("--folder") + 1
    folder = tmp_path / arguments[at]
    arguments = [*arguments[:at], str(folder), *arguments[at + 1 :]]
    assert main(arguments) == code
    text = capsys.readouterr().err
    assert says in text
    assert text.count("\n") == 1
    assert not folder.exists()


def test_a_broker_that_is_none_is_refused(
    village: SimulatedCity, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "--folder", str(tmp_path / "run"), "--broker", "somewhere"]) == 3
    assert "HOST:PORT" in capsys.readouterr().err


def test_a_device_without_a_key_is_refused(tmp_path: Path) -> None:
    made = SimulatedCity.generate(CityParameters.of_size(1), 4, START_S)
    made.write(tmp_path / "run")
    with pytest.raises(BadFile, match="no key"):
        Fleet(SimulatedField(made), tmp_path / "run", "127.0.0.1", 1, SteppedClock(START_S))


def test_too_few_open_files_are_said_before_anything_starts() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this machine allows any number of open files")
    with pytest.raises(PermanentError, match="ulimit"):
        allow_open_files(hard + 1)
