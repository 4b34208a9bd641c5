"""The figures of a running demonstration, read back from where things are kept."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from city.clock import ScaledClock, hours_from_s, local_hour
from city.errors import RondeError
from city.plans import Plan
from city.quantities import QUANTITIES
from city.readings import ReadingKey
from city.register import Register
from edge.outbox import Outbox
from ingest.rows import rows_of
from ingest.status import STATUS_NAME, read_status
from ingest.views import points_of
from ledger import LedgerReader
from service.scoreboard import (
    Compared,
    Detection,
    Reroutes,
    Scoreboard,
    Stored,
    count_stored,
    delays_ms,
    dumping_intervals,
    jam_intervals,
    score_dumpings,
    score_jams,
)
from service.settings import PlanningSettings
from service.solver_pool import SolverPool
from service.solving import SolveAnswer, SolveRequest
from simulation.city import SimulatedCity
from simulation.planted import PlantedEvent
from simulation.policies import emptied_by, fixed_rounds, overflows
from simulation.records import read_events
from simulation.replay import ReplayCity
from store.desk import Desk
from store.series import open_series

_LEDGER_POLL_S = 0.02
_LOOK_EVERY_S = 2.0

PointKey = tuple[str, str, int]


class LedgerWatch:
    """Follows the ledger from outside and notes when each reading could first be read there.

    Times are real and at most one poll (20 ms) late.
    """

    def __init__(self, folder: Path, register: Register) -> None:
        self._reader = LedgerReader(folder)
        self._register = register
        self._position = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-watch", daemon=True)
        self.keys: list[ReadingKey] = []
        self.seen_real_s: dict[ReadingKey, float] = {}
        self.points: dict[ReadingKey, Sequence[PointKey]] = {}
        self._fault: Exception | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Read to the end that the ledger has now, and follow no more. May be called twice."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self.check()
            while self._step():
                pass

    def check(self) -> None:
        """See that it still follows: figures of a ledger that is no longer read would be wrong.

        Raises
        ------
        RondeError
            The ledger could not be read.
        """
        if self._fault is not None:
            raise RondeError(f"The ledger cannot be followed: {self._fault}") from self._fault

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                if not self._step():
                    self._over.wait(_LEDGER_POLL_S)
        except Exception as error:
            self._fault = error

    def _step(self) -> bool:
        entries = self._reader.read(self._position, 500)
        now_s = time.time()
        for entry in entries:
            for n in range(entry.n0, entry.n_end):
                key = ReadingKey(entry.device, entry.log_id, n)
                self.keys.append(key)
                self.seen_real_s.setdefault(key, now_s)
            for row in rows_of(entry, self._register):
                self.points[row.key] = [(p.entity, p.quantity, p.at_ms) for p in points_of(row)]
        self._position += len(entries)
        return bool(entries)


class Live(NamedTuple):
    """Figures for the screen while the demonstration runs. None = not known yet."""

    produced: int
    in_ledger: int
    behind: int | None
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    dumpings: Detection
    jams: Detection
    reroutes: Reroutes
    km: Compared
    overflows: Compared


class Figures:
    """Reads the figures of a demonstration from its ledger, stores, desk and truth.

    Parameters
    ----------
    city
        What is simulated or replayed.
    data, fleet
        Folders of the city and of the devices.
    series, token
        The series store.
    parts
        Names of the parts that run, for the scoreboard.
    """

    def __init__(
        self,
        city: SimulatedCity | ReplayCity,
        clock: ScaledClock,
        data: Path,
        fleet: Path,
        series: str,
        token: str | None,
        seed: int,
        parts: Mapping[str, str],
    ) -> None:
        self._city = city
        self._register = city.register
        self._clock = clock
        self._data = data
        self._fleet = fleet
        self._seed = seed
        self._parts = parts
        self._zone = ZoneInfo(city.register.timezone)
        self._planning = PlanningSettings()
        self._store = open_series(series, token)
        self._desk = Desk(f"sqlite:///{(data / 'desk.sqlite').absolute()}")
        self._pool = SolverPool(data / "network.npz")
        self._fixed: Future[SolveAnswer] | None = None
        self._fixed_problem = ""
        self._from_s = clock.now_s()
        self._backlog: int | None = None
        self._live_from_real_s = float("inf")
        self._planted: Sequence[PlantedEvent] | None = city.planted if isinstance(city, SimulatedCity) else None
        self._witness = _Witness(fleet / "truth" / "produced.csv")
        self._overflows: dict[str, int] = {}
        self._looked_s = 0.0
        self._last: Live | None = None

    def go_live(self) -> None:
        """Note that the devices have connected: what they hold now is backlog, and once it is in, the rest is live."""
        self._from_s = self._clock.now_s()
        self._backlog = len(self._witness.read())

    def close(self) -> None:
        """End the worker and close the stores."""
        self._pool.close()
        self._store.close()
        self._desk.close()

    def now(self, watch: LedgerWatch) -> Live:
        """Return the figures as they are now; looked up anew every two seconds."""
        if self._last is None or time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._last = self._look(watch, self._clock.now_s())
            self._looked_s = time.monotonic()
        return self._last

    def is_fed(self) -> bool:
        """Whether the series store has all that is in the ledger, as ingest says."""
        status = read_status(self._data / STATUS_NAME)
        return (
            status is not None
            and status.series is not None
            and status.series.position >= LedgerReader(self._data / "ledger").count()
        )

    def scoreboard(self, watch: LedgerWatch, ended_s: float) -> Scoreboard:
        """Return the figures of the whole run; everything is read back once more, so call it when all is quiet."""
        live = self._look(watch, ended_s)
        stored = self.stored(watch)
        notes = [
            "km and overflows: rounds of the crane trucks as planned for the day, accepted changes included, beside a "
            "fixed rota by the same solver; overflows count containers full at some time until the next morning",
            "delay: real time from a device's durable commit until the reading can be read from the ledger, "
            "of what was measured once the devices' backlog was in",
        ]
        behind = stored.in_ledger - stored.stored - stored.unplaced
        if behind:
            notes.append(f"{behind} readings are in the ledger and not, or not all of them, in the series store yet")
        if self._fixed_problem:
            notes.append(f"the fixed rounds are not known: {self._fixed_problem}")
        if self._planted is None:
            notes.append("a replay has no planted truth: what was found cannot be scored")
        elif live.dumpings.planted is not None and live.dumpings.observable is not None:
            hidden = live.dumpings.planted - live.dumpings.observable
            notes.append(
                f"{hidden} of {live.dumpings.planted} planted dumpings lay where no camera looks: not observable"
            )
        return Scoreboard(
            **msgspec.structs.asdict(stored),
            delay_p50_ms=live.delay_p50_ms,
            delay_p99_ms=live.delay_p99_ms,
            dumpings=live.dumpings,
            jams=live.jams,
            reroutes=live.reroutes,
            km=live.km,
            overflows=live.overflows,
            city_hours=round((ended_s - self._from_s) / 3600, 2),
            speed_up=self._clock.speed_up,
            seed=self._seed,
            parts=dict(self._parts),
            notes=tuple(notes),
        )

    def stored(self, watch: LedgerWatch) -> Stored:
        """Return what became of what was produced, read back from ledger, series store and outboxes."""
        produced = self._witness.read()
        known = set(watch.keys)
        holders = {key.device for key in produced if key not in known}
        return count_stored(produced, watch.keys, watch.points, self._read_back(watch), self._held(holders))

    def _read_back(self, watch: LedgerWatch) -> set[PointKey]:
        times_s = [point[2] / 1000 for points in watch.points.values() for point in points]
        if not times_s:
            return set()
        found: set[PointKey] = set()
        for quantity in QUANTITIES:
            keys = self._store.keys(quantity, min(times_s), max(times_s) + 1.0)
            found.update((entity, quantity, at_ms) for entity, at_ms in keys)
        return found

    def _held(self, devices: set[str]) -> set[ReadingKey]:
        held: set[ReadingKey] = set()
        for device in devices:
            with Outbox(self._fleet / "agents" / device / "outbox.sqlite", device) as outbox:
                for head in outbox.heads.values():
                    held.update(ReadingKey(device, head.log_id, n) for n in range(head.kept_n, head.next_n))
        return held

    def _look(self, watch: LedgerWatch, until_s: float) -> Live:
        produced = self._witness.read()
        if math.isinf(self._live_from_real_s) and self._backlog is not None and len(watch.keys) >= self._backlog:
            self._live_from_real_s = time.time()
        p50_ms, p99_ms = delays_ms(produced, watch.seen_real_s.copy(), self._live_from_real_s)
        status = read_status(self._data / STATUS_NAME)
        incidents = self._desk.incidents(limit=10_000)
        proposals = self._desk.proposals()
        plan = self._desk.current_plan()
        lay = jams = None
        if self._planted is not None:
            happenings = read_events(self._fleet / "truth" / "events.jsonl")
            lay = dumping_intervals(self._planted, happenings, until_s)
            jams = jam_intervals(self._planted, until_s)
        return Live(
            produced=len(produced),
            in_ledger=len(watch.keys),
            behind=status.series.behind if status and status.series else None,
            delay_p50_ms=p50_ms,
            delay_p99_ms=p99_ms,
            dumpings=score_dumpings(lay, incidents, self._register, self._from_s, until_s),
            jams=score_jams(jams, incidents, self._register, self._from_s, until_s),
            reroutes=Reroutes(len(proposals), sum(one.status == "accepted" for one in proposals)),
            km=self._km(plan),
            overflows=self._compare_overflows(plan),
        )

    def _km(self, plan: Plan | None) -> Compared:
        fixed = self._fixed_plan(plan)
        return Compared(self._crane_km(fixed), self._crane_km(plan))

    def _crane_km(self, plan: Plan | None) -> float | None:
        if plan is None:
            return None
        cranes = {one.id for one in self._register.trucks.values() if one.kind == "crane"}
        return round(sum(one.distance_m for one in plan.rounds if one.truck in cranes) / 1000, 1)

    def _fixed_plan(self, plan: Plan | None) -> Plan | None:
        """Return the fixed rounds of the plan's day, by the same solver; None until they are there."""
        if plan is None or not self._register.containers:
            return None
        if self._fixed is None:
            register = self._register
            day = datetime.fromtimestamp(plan.made_at_s, self._zone).date()
            self._fixed = self._pool.submit(
                SolveRequest(
                    jobs=tuple(fixed_rounds(register, day)),
                    trucks=tuple(register.trucks.values()),
                    depots=tuple(register.depots.values()),
                    unloading_sites=tuple(register.unloading_sites.values()),
                    day_start_s=hours_from_s(plan.made_at_s, self._zone),
                    now_s=local_hour(plan.made_at_s, self._planning.plan_hour, self._zone),
                    seconds=self._planning.solver_s,
                    seed=self._seed,
                )
            )
        if not self._fixed.done():
            self._fixed_problem = "they were not solved in time"
            return None
        try:
            self._fixed_problem = ""
            return self._fixed.result().plan
        except Exception as error:
            self._fixed_problem = str(error) or type(error).__name__
            return None

    def wait_for_fixed(self, within_s: float) -> None:
        """Wait until the fixed rounds are solved, if they are being solved."""
        if self._fixed is not None:
            wait([self._fixed], within_s)

    def _compare_overflows(self, plan: Plan | None) -> Compared:
        fixed = self._fixed_plan(plan)
        return Compared(self._overflows_of(fixed), self._overflows_of(plan))

    def _overflows_of(self, plan: Plan | None) -> int | None:
        if plan is None or not isinstance(self._city, SimulatedCity):
            return None
        if plan.id not in self._overflows:
            from_s = local_hour(plan.made_at_s, self._planning.plan_hour, self._zone)
            until_s = local_hour(plan.made_at_s, self._planning.plan_hour, self._zone, days=1)
            self._overflows[plan.id] = overflows(self._city, emptied_by(plan.rounds), from_s, until_s)
        return self._overflows[plan.id]


class _Witness:
    """Reads what the devices wrote down, on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._produced: dict[ReadingKey, float] = {}

    def read(self) -> dict[ReadingKey, float]:
        """Return the real time of the commit of every reading produced so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.decode("ascii").splitlines():
                device, log_id, n, _, _, real_time_s = line.split(",")
                if n != "n":
                    self._produced[ReadingKey(device, log_id, int(n))] = float(real_time_s)
        return self._produced
