"""Soak: a city whose ingest, broker and devices are killed at random, and a count of what that lost or doubled.

A simulated city runs as processes at 120 times real time, and SIGKILL ends one part after the other, each started again
after 0 to 2 s, sometimes two at once. At the end the devices hand over what they hold, the series store takes in the
rest, and the code of the demonstration's scoreboard compares what the devices wrote down with what is there. There is
no baseline: the figures must be 0.

    python -m bench soak [--json] [--minutes 5] [--every-s 20] [--clusters 60] [--broker auto] [--seed N]
"""

import argparse
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import msgspec

from broker.server import RunningBroker, start_broker
from city.clock import ScaledClock
from city.errors import ExitCode, RondeError
from ledger import AuditReport, audit
from service.children import Children, wait_for
from service.demo import LEAD_PER_DEVICE_S, LEAD_S, SIMULATED_DAY, SIMULATED_SPEED_UP
from service.demo_figures import Figures, LedgerWatch
from service.scoreboard import Stored
from simulation.city import SimulatedCity
from simulation.parameters import CityParameters, demo_start_s

PARTS = ("ingest", "broker", "fleet")
BACKLOG_H = 6.0
DOWN_S = 2.0
_READY_S = 120.0
_DRAIN_S = 40.0
_FED_S = 120.0
_FAILED_END_S = 4.0
_LOOK_S = 0.25


class Step(NamedTuple):
    """At `at_s` (real seconds from the beginning) a part is killed, or started again."""

    at_s: float
    part: str
    is_kill: bool


class _Outcome(NamedTuple):
    stored: Stored
    audited: AuditReport
    kills: dict[str, int]
    at_once: int
    broker: str
    load: float

    @property
    def missing(self) -> int:
        """Readings in the ledger that mean something and are not, or not wholly, in the series store."""
        return self.stored.in_ledger - self.stored.stored - self.stored.unplaced

    @property
    def is_whole(self) -> bool:
        return not (self.stored.lost or self.stored.twice or self.missing) and self.audited.is_intact


def main(arguments: list[str]) -> int:
    """Run the benchmark; return 0, or 1 when a reading is lost, twice, or not in the store, or the ledger is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description="Kills, and what they cost: nothing.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--minutes", type=float, default=5.0, help="real time with kills (default 5)")
    parser.add_argument("--every-s", type=float, default=20.0, help="mean time that a part lives (default 20)")
    parser.add_argument("--clusters", type=int, default=60, help="size of the city (default 60)")
    parser.add_argument("--broker", choices=("auto", "mosquitto", "iotcore"), default="auto")
    parser.add_argument("--seed", type=int, help="of the city and the kills (default: another one every time)")
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.every_s <= 0 or options.clusters < 1:
        parser.error("--minutes, --every-s and --clusters must be above 0")
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    if not options.json:
        print(f"seed {options.seed}", flush=True)
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _interrupt)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ronde-soak-")))
            outcome = _Soak(options, folder, stack).run()
    except RondeError as error:
        print(f"soak (seed {options.seed}): {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("Ended before there was anything to count.", file=sys.stderr)
        return 128 + signal.SIGINT
    _tell(options, outcome)
    return int(ExitCode.OK if outcome.is_whole else ExitCode.FAILED)


def schedule(seed: int, duration_s: float, every_s: float) -> list[Step]:
    """Return when which part is killed and started again, in order; every part is up at the end.

    Each part's kills are a Poisson process of its own, so that parts are also down together.
    """
    chance = random.Random(seed)
    steps: list[Step] = []
    for part in PARTS:
        at_s = chance.expovariate(1.0 / every_s)
        while at_s < duration_s:
            back_s = at_s + chance.uniform(0.0, DOWN_S)
            steps += [Step(at_s, part, True), Step(back_s, part, False)]
            at_s = back_s + chance.expovariate(1.0 / every_s)
    return sorted(steps)


class _Soak:
    """One run: the parts, and the steps that are done to them."""

    def __init__(self, options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
        self._options = options
        self._folder = folder
        self._stack = stack
        self._data = folder / "city"
        self._fleet = folder / "fleet"
        self._children = Children(folder / "log")
        self._broker: RunningBroker | None = None
        self._down: set[str] = set()

    def run(self) -> _Outcome:
        options = self._options
        parameters = CityParameters.of_size(options.clusters)
        start_s = demo_start_s(SIMULATED_DAY, parameters.timezone)
        city = SimulatedCity.generate(parameters, options.seed, start_s).write(self._fleet)
        self._data.mkdir()
        for name in ("register", "network.npz"):
            (self._data / name).symlink_to(self._fleet / name)
        self._stack.callback(self._end_broker)
        self._stack.callback(self._children.end_all, _FAILED_END_S)
        self._broker = broker = start_broker(self._folder / "broker", kind=options.broker)
        lead_s = LEAD_S + LEAD_PER_DEVICE_S * len(city.register.devices)
        clock = ScaledClock(start_s, SIMULATED_SPEED_UP, time.time() + lead_s)
        self._series = f"sqlite:///{self._data / 'series.sqlite'}"
        self._common = ["--broker", f"{broker.host}:{broker.port}", "--clock", clock.spec()]
        self._start("ingest")
        self._wait_ready("ingest")
        watch = LedgerWatch(self._data / "ledger", city.register)
        watch.start()
        self._stack.callback(watch.stop)
        figures = Figures(city, clock, self._data, self._fleet, self._series, None, options.seed, {})
        self._stack.callback(figures.close)
        self._start("fleet")
        self._wait_ready("fleet")
        self._say(f"{len(city.register.devices)} devices, {broker.kind}; kills for {options.minutes:g} minutes")
        kills, at_once = self._soak(watch)
        self._finish(figures)
        watch.stop()
        stored = figures.stored(watch)
        return _Outcome(stored, audit(self._data / "ledger"), kills, at_once, broker.kind, os.getloadavg()[1])

    def _soak(self, watch: LedgerWatch) -> tuple[dict[str, int], int]:
        """Do the steps; return the kills of each part, and how often it was killed while another was down."""
        duration_s = self._options.minutes * 60.0
        began_s = time.monotonic()
        kills: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
        at_once = 0
        for step in schedule(self._options.seed, duration_s, self._options.every_s):
            self._look_on(began_s + step.at_s, watch)
            if step.is_kill:
                self._say(f"{step.at_s:8.1f} s  kill {step.part}")
                kills[step.part] += 1
                at_once += bool(self._down)
                self._kill(step.part)
            else:
                self._start(step.part)
        self._look_on(began_s + duration_s, watch)
        return dict(kills), at_once

    def _look_on(self, until_s: float, watch: LedgerWatch) -> None:
        while True:
            self._check()
            watch.check()
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(left_s, _LOOK_S))

    def _finish(self, figures: Figures) -> None:
        """End the devices, then ingest, so that all that was produced can arrive."""
        for part in ("ingest", "fleet"):
            self._wait_ready(part)
        self._say("The devices stop measuring and hand over what they still hold.")
        self._children.end("fleet", _DRAIN_S + 20.0)
        until_s = time.monotonic() + _FED_S
        while not figures.is_fed() and time.monotonic() < until_s:
            self._check()
            time.sleep(_LOOK_S)
        self._children.end("ingest")

    def _kill(self, part: str) -> None:
        self._down.add(part)
        if part == "broker":
            if self._broker:
                os.kill(self._broker.pid, signal.SIGKILL)
                self._broker.stop()
            return
        os.kill(self._children.pid(part), signal.SIGKILL)
        self._children.end(part)

    def _start(self, part: str) -> None:
        self._down.discard(part)
        if part == "broker":
            if self._broker:
                self._broker = start_broker(
                    self._folder / "broker", port=self._broker.port, kind=self._broker.kind, host=self._broker.host
                )
            return
        ready = self._ready(part)
        ready.unlink(missing_ok=True)
        mine = {
            "ingest": ["ingest", "--data", str(self._data), "--series", self._series],
            "fleet": [
                *["simulation", "fleet", "--folder", str(self._fleet)],
                *["--backlog-h", str(BACKLOG_H), "--drain-s", str(_DRAIN_S)],
            ],
        }
        self._children.start(part, [*mine[part], *self._common, "--ready-file", str(ready)])

    def _ready(self, part: str) -> Path:
        return self._folder / f"{part}-ready"

    def _wait_ready(self, part: str) -> None:
        wait_for(self._ready(part), self._children, part, _READY_S)

    def _check(self) -> None:
        self._children.check()
        if self._broker and "broker" not in self._down and not self._broker.is_running:
            raise RondeError(f"The broker ({self._broker.kind}) has ended though nobody killed it.")

    def _end_broker(self) -> None:
        if self._broker:
            self._broker.stop()

    def _say(self, text: str) -> None:
        if not self._options.json:
            print(text, flush=True)


def _tell(options: argparse.Namespace, outcome: _Outcome) -> None:
    found = outcome.audited
    results = {**msgspec.structs.asdict(outcome.stored), "missing_in_store": outcome.missing}
    if options.json:
        body = {
            "options": {**vars(options), "broker": outcome.broker},
            "results": results,
            "kills": outcome.kills,
            "kills_while_another_was_down": outcome.at_once,
            "audit": msgspec.to_builtins(found),
            "load_5_min": round(outcome.load, 1),
            "whole": outcome.is_whole,
        }
        print(json.dumps(body))
        return
    print(f"{'broker':32}{outcome.broker:>12}")
    for part, count in outcome.kills.items():
        print(f"{'kills of ' + part:32}{count:12,}")
    print(f"{'kills while another was down':32}{outcome.at_once:12,}")
    for what, count in results.items():
        print(f"{what.replace('_', ' '):32}{count:12,}")
    print(f"{'ledger: entries':32}{found.entries:12,}")
    print(f"{'ledger: gaps':32}{len(found.gaps):12,}")
    if found.fault:
        where = f"{found.fault.file}, byte {found.fault.offset}, entry {found.fault.position}"
        print(f"{'ledger: audit':32}{'BROKEN':>12}  {where}: {found.fault.problem}")
    else:
        print(f"{'ledger: audit':32}{'intact':>12}")
    print(f"{'load of the last 5 minutes':32}{outcome.load:12.1f}")
    print(f"Whole: {'yes' if outcome.is_whole else 'NO'} (seed {options.seed}).")


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
