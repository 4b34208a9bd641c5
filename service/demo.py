"""The demonstration: a whole city on one machine, from its sensors to a rerouted truck, with a scoreboard."""

import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Literal
from zoneinfo import ZoneInfo

import httpx
import msgspec

from broker.server import RunningBroker, start_broker
from city.clock import ScaledClock, parse_time
from city.errors import BadInput, ExitCode, RondeError
from routing.osm import read_osm
from service.children import Children, wait_for
from service.demo_figures import Figures, LedgerWatch
from service.demo_screen import Screen
from service.routes_city import SCOREBOARD_FILE
from service.scoreboard import Scoreboard
from service.server import listen
from service.stand_in_dispatcher import StandInDispatcher
from simulation.city import SimulatedCity
from simulation.parameters import CityParameters, demo_start_s
from simulation.replay import ReplayCity
from simulation.streets import generate_network
from store.influx_server import start_influxdb

# A day that does not change, so that a seed means the same city for everybody; the middle of the week for histories.
SIMULATED_DAY = date(2026, 3, 2)
REPLAY_DAY = date(2026, 3, 4)
SIMULATED_SPEED_UP = 120.0
REPLAY_SPEED_UP = 360.0
# A replay begins the evening before, so that daily levels arrive at midnight and the plan of the day follows.
REPLAY_START_HOUR = 23
SIMULATED_BACKLOG_H = 48.0
REPLAY_BACKLOG_H = 14 * 24.0
# Real seconds between the start of the devices and the start of the city's day: they tell what they kept meanwhile.
LEAD_S = 5.0
LEAD_PER_DEVICE_S = 0.028
_HOST = "127.0.0.1"
# What ends a demonstration. SIGHUP: its terminal is closed.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# As shells say of a command that Ctrl-C ended.
_INTERRUPTED = 128 + signal.SIGINT
_SERVICE_READY_S = 30.0
_FLEET_READY_S = 180.0
_DRAIN_S = 45.0
# After a failure nobody waits for what the devices still hold.
_FAILED_END_S = 4.0
_LOOK_S = 0.25


class DemoOptions(msgspec.Struct, frozen=True):
    """What a demonstration is told; see ``ronde demo --help``. `minutes` None = until Ctrl-C."""

    headless: bool = False
    minutes: float | None = None
    scoreboard: Path | None = None
    folder: Path | None = None
    port: int = 8080
    broker: Literal["auto", "mosquitto", "iotcore"] = "auto"
    broker_port: int = 0
    store: Literal["sqlite", "influxdb"] = "sqlite"
    clusters: int = 850
    seed: int = 1
    start: str = ""
    speed_up: float | None = None
    network: Path | None = None
    counts: Path | None = None
    levels: Path | None = None

    @property
    def is_replay(self) -> bool:
        """Whether a city's own history is played."""
        return self.counts is not None or self.levels is not None

    def check(self) -> None:
        """Raise BadInput if the options do not go together."""
        if self.network is not None and not self.is_replay:
            raise BadInput("--network alone gives streets and nothing to play on them.", "Add --counts or --levels.")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise BadInput(f"A demonstration cannot last {self.minutes} minutes.", "Use --minutes 2.")
        if self.speed_up is not None and not 0 < self.speed_up < math.inf:
            raise BadInput(f"A speed-up of {self.speed_up} does not let time pass.", "Use --speed-up 120.")
        if self.seed < 0:
            raise BadInput(f"{self.seed} is no seed.", "Use --seed with a number of at least 0.")
        for option, port in (("--port", self.port), ("--broker-port", self.broker_port)):
            if not 0 <= port < 65536:
                raise BadInput(f"{port} is no port.", f"Use {option} with a number from 0 to 65535 (0 = a free one).")
        if self.start:
            parse_time(self.start)
        if self.clusters < 1:
            raise BadInput(f"A city of {self.clusters} clusters has no waste.", "Use --clusters 850.")
        if self.headless and self.minutes is None:
            raise BadInput("Without a screen nobody ends it.", "Say when it ends: --headless --minutes 2.")
        if self.scoreboard is not None:
            _check_writable(self.scoreboard)
        if self.folder is not None and self.folder.exists() and not _is_empty_folder(self.folder):
            raise BadInput(
                f"{self.folder} is not an empty folder, and a demonstration begins anew.",
                "Name another one with --folder, or delete what is in it.",
            )


def run_demo(options: DemoOptions, screen: Screen) -> int:
    """Run a demonstration to its end and return the exit code: 0 if nothing was lost and nothing stored twice.

    Ends everything that it started, in every case. Ctrl-C (or SIGTERM, or a terminal that closes) while it runs ends it
    with its scoreboard; a second one, or one before it began, ends it without and gives 130, as shells do.

    Raises
    ------
    RondeError
        It cannot start, or a part ended on its own.
    """
    options.check()
    options = msgspec.structs.replace(options, port=_page_port(options.port))
    with ExitStack() as stack:
        stack.enter_context(_own_signals())
        _handle(_interrupt)
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ronde-demo-")))
        demo = _Demo(options, screen, folder)
        stack.callback(demo.tidy)
        try:
            try:
                demo.start(stack)
                demo.watch()
            except KeyboardInterrupt:
                if not demo.is_live:
                    screen.say("Ended before it began.")
                    return _INTERRUPTED
            scoreboard = demo.finish()
        except KeyboardInterrupt:
            screen.say("Ended at once, without a scoreboard.")
            return _INTERRUPTED
        finally:
            # What is left is to end everything: whoever is in a hurry gets it killed, and nothing is left behind.
            _handle(lambda *_: demo.hurry())
    screen.result(scoreboard)
    if options.scoreboard:
        write_scoreboard(scoreboard, options.scoreboard)
        screen.say(f"Scoreboard written to {options.scoreboard}.")
    return ExitCode.FAILED if scoreboard.lost or scoreboard.twice else ExitCode.OK


def write_scoreboard(scoreboard: Scoreboard, path: Path) -> None:
    """Write a scoreboard as JSON, whole or not at all.

    Raises
    ------
    BadInput
        It cannot be written there.
    """
    draft = _draft_of(path)
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(scoreboard), indent=2) + b"\n")
        os.replace(draft, path)
    except OSError as error:
        raise _not_writable(path, error) from None


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _check_writable(scoreboard: Path) -> None:
    try:
        if scoreboard.is_dir():
            raise IsADirectoryError("it is a folder")
        draft = _draft_of(scoreboard)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise _not_writable(scoreboard, error) from None


def _not_writable(scoreboard: Path, error: OSError) -> BadInput:
    return BadInput(
        f"The scoreboard cannot be written to {scoreboard}: {error.strerror or error}.",
        "Name a file in a folder that you may write to with --scoreboard.",
    )


def _is_empty_folder(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _page_port(port: int) -> int:
    """Return the port that the page will have; whether it is free is seen before anything is made."""
    with closing(listen(_HOST, port)) as listener:
        return int(listener.getsockname()[1])


class _Demo:
    """One demonstration: what it started, and what it looks at."""

    def __init__(self, options: DemoOptions, screen: Screen, folder: Path) -> None:
        self._options = options
        self._screen = screen
        self._folder = folder
        self._data = folder / "city"
        self._fleet = folder / "fleet"
        self._children = Children(folder / "log")
        self._parts: dict[str, str] = {}
        self._broker: RunningBroker | None = None
        self._dispatcher: StandInDispatcher | None = None
        self._is_written = False
        self.is_live = False

    def start(self, stack: ExitStack) -> None:
        """Make the city and start every part of it."""
        options, say = self._options, self._screen.say
        city = self._make_city()
        self._broker = broker = stack.enter_context(
            start_broker(self._folder / "broker", port=options.broker_port, kind=options.broker)
        )
        self._say_broker(broker)
        series, environment = self._start_series(stack)
        # Written when what the options ask for is there: a folder never holds half of a demonstration.
        city = self._write(city)
        stack.callback(self._children.end_all, _FAILED_END_S)
        speed_up = options.speed_up
        if speed_up is None:
            speed_up = REPLAY_SPEED_UP if options.is_replay else SIMULATED_SPEED_UP
        lead_s = LEAD_S + LEAD_PER_DEVICE_S * len(city.register.devices)
        self._clock = ScaledClock(city.start_s, speed_up, time.time() + lead_s)
        common = ["--broker", f"{broker.host}:{broker.port}", "--clock", self._clock.spec()]
        of_data = ["--data", str(self._data), "--series", series]
        self._children.start(
            "service",
            ["service", "serve", *of_data, *common, "--port", str(options.port), *self._replay()],
            environment,
        )
        ready = self._folder / "ingest-ready"
        self._children.start("ingest", ["ingest", *of_data, *common, "--ready-file", str(ready)], environment)
        address = f"http://{_HOST}:{options.port}"
        began_s = time.monotonic()
        self._wait_for_page(address)
        say(f"Page: {address} (answered {time.monotonic() - began_s:.1f} s after its start)")
        wait_for(ready, self._children, "ingest", _SERVICE_READY_S)
        backlog_h = REPLAY_BACKLOG_H if options.is_replay else SIMULATED_BACKLOG_H
        fleet_ready = self._folder / "fleet-ready"
        backlog = ["--backlog-h", str(backlog_h), "--ready-file", str(fleet_ready)]
        self._children.start("fleet", ["simulation", "fleet", "--folder", str(self._fleet), *common, *backlog])
        devices = len(city.register.devices)
        say(f"{devices} devices start; they first tell the {backlog_h:.0f} hours that they kept while nobody listened.")
        token = environment.get("RONDE_SERIES_TOKEN")
        self._figures = Figures(city, self._clock, self._data, self._fleet, series, token, options.seed, self._parts)
        stack.callback(self._figures.close)
        self._watch_ledger = LedgerWatch(self._data / "ledger", city.register)
        self._watch_ledger.start()
        stack.callback(self._watch_ledger.stop)
        if options.headless:
            self._dispatcher = StandInDispatcher(address)
            self._dispatcher.start()
            stack.callback(self._dispatcher.stop)
            say("A stand-in dispatcher accepts the best proposal through the API.")
        wait_for(fleet_ready, self._children, "fleet", _FLEET_READY_S)
        self._figures.go_live()
        self._address = address
        self.is_live = True

    def watch(self) -> None:
        """Look on until the time is over, or somebody ends it."""
        minutes = self._options.minutes
        until_s = float("inf") if minutes is None else time.time() + minutes * 60.0
        with self._screen.live(self._address, self._clock, self._timezone):
            while time.time() < until_s:
                self._check()
                self._watch_ledger.check()
                self._screen.show(self._figures.now(self._watch_ledger))
                time.sleep(_LOOK_S)

    def finish(self) -> Scoreboard:
        """End the devices, then ingest, so that all that was produced can arrive; count; return the figures."""
        say = self._screen.say
        ended_s = self._clock.now_s()
        say("Ending: the devices stop measuring and hand over what they still hold.")
        if self._dispatcher:
            self._dispatcher.stop()
        self._children.end("fleet", _DRAIN_S)
        until_s = time.monotonic() + _DRAIN_S
        while not self._figures.is_fed() and time.monotonic() < until_s:
            self._check()
            time.sleep(_LOOK_S)
        self._children.end("ingest")
        self._watch_ledger.stop()
        self._figures.wait_for_fixed(_DRAIN_S)
        scoreboard = self._figures.scoreboard(self._watch_ledger, ended_s)
        write_scoreboard(scoreboard, self._data / SCOREBOARD_FILE)
        self._children.end("service")
        return scoreboard

    def hurry(self) -> None:
        """Kill what does not end by itself. May be called from a signal handler."""
        self._children.kill_all()

    def tidy(self) -> None:
        """If the demonstration did not come to anything, leave the folder as it was."""
        if not self._is_written:
            for name in ("log", "broker", "influxdb"):
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def _check(self) -> None:
        self._children.check()
        if self._broker is not None and not self._broker.is_running:
            raise RondeError(
                f"The broker ({self._broker.kind}) has ended unexpectedly.",
                "Run it again with --folder FOLDER, and read FOLDER/broker/broker.log for its own words.",
            )

    def _make_city(self) -> SimulatedCity | ReplayCity:
        options, say = self._options, self._screen.say
        began_s = time.monotonic()
        city: SimulatedCity | ReplayCity
        if options.is_replay:
            city = self._make_replay()
        else:
            parameters = CityParameters() if options.clusters == 850 else CityParameters.of_size(options.clusters)
            start_s = parse_time(options.start) if options.start else demo_start_s(SIMULATED_DAY, parameters.timezone)
            city = SimulatedCity.generate(parameters, options.seed, start_s)
        register = city.register
        self._timezone = register.timezone
        say(
            f"{register.name}: {len(register.clusters)} clusters, {len(register.containers)} containers, "
            f"{len(register.junctions)} junctions with {len(register.approaches)} approaches, "
            f"{len(register.trucks)} trucks (seed {options.seed}, made in {time.monotonic() - began_s:.1f} s)"
        )
        local = datetime.fromtimestamp(city.start_s, ZoneInfo(register.timezone))
        say(f"The city's day starts at {local:%A %d %B %Y %H:%M} local time.")
        return city

    def _write(self, city: SimulatedCity | ReplayCity) -> SimulatedCity | ReplayCity:
        self._is_written = True
        written = city.write(self._fleet)
        self._data.mkdir(parents=True)
        for name in ("register", "network.npz"):
            (self._data / name).symlink_to((self._fleet / name).resolve())
        return written

    def _make_replay(self) -> ReplayCity:
        options = self._options
        network = read_osm(options.network) if options.network else generate_network(options.seed)
        zone = "Europe/Berlin"
        morning_s = demo_start_s(REPLAY_DAY, zone)
        start_s = parse_time(options.start) if options.start else _evening_before(morning_s, zone)
        return ReplayCity.build(network, start_s, counts=options.counts, levels=options.levels, seed=options.seed)

    def _start_series(self, stack: ExitStack) -> tuple[str, dict[str, str]]:
        if self._options.store == "influxdb":
            influxdb = stack.enter_context(start_influxdb(self._folder / "influxdb"))
            self._parts["series"] = "influxdb"
            self._screen.say(f"Series store: InfluxDB 2.x at {influxdb.url}")
            return influxdb.url, {"RONDE_SERIES_TOKEN": influxdb.token}
        self._parts["series"] = "sqlite"
        self._screen.say("Series store: SQLite, embedded (--store influxdb for InfluxDB 2.x)")
        return f"sqlite:///{(self._data / 'series.sqlite').absolute()}", {}

    def _say_broker(self, broker: RunningBroker) -> None:
        self._parts["broker"] = broker.kind
        why = "" if broker.kind == "mosquitto" or self._options.broker != "auto" else " (mosquitto is not installed)"
        self._screen.say(f"Broker: {broker.kind} on {broker.host}:{broker.port}{why}")

    def _replay(self) -> list[str]:
        return ["--replay"] if self._options.is_replay else []

    def _wait_for_page(self, address: str) -> None:
        until_s = time.monotonic() + _SERVICE_READY_S
        while True:
            self._children.check()
            try:
                if httpx.get(f"{address}/v1/city", timeout=1.0).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > until_s:
                raise RondeError(f"The page does not answer at {address}.", "Is the machine very busy? Try again.")
            time.sleep(0.1)


def _evening_before(morning_s: float, zone: str) -> float:
    morning = datetime.fromtimestamp(morning_s, ZoneInfo(zone))
    evening = datetime.combine(morning.date() - timedelta(days=1), morning.time(), ZoneInfo(zone))
    return evening.replace(hour=REPLAY_START_HOUR, minute=0).timestamp()


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _handle(handler: Callable[[int, FrameType | None], object]) -> None:
    """Let this handle what ends a demonstration; a signal that was ignored before (nohup) stays ignored."""
    if threading.current_thread() is threading.main_thread():
        for one in _ENDING:
            if signal.getsignal(one) != signal.SIG_IGN:
                signal.signal(one, handler)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Give signals back as they were."""
    before = {one: signal.getsignal(one) for one in _ENDING}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for one, former in before.items():
                signal.signal(one, former)
