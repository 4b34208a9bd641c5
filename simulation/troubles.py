"""Drawing the troubles of a city: dumping, jams, stuck sensors, silent devices, and containers that will overflow."""

from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from city.clock import local_midnight_s
from city.register import Register
from simulation.parameters import DAY_S, HOUR_S, CityParameters, local_time
from simulation.planted import PlantedEvent, PlantedKind

Floats = npt.NDArray[np.float64]

_DUMPING_HOURS = np.array([3, 2, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 6, 7, 8, 9, 9, 8, 7, 6, 4], dtype=float)
_JAM_HOURS = np.array([0, 0, 0, 0, 0, 1, 4, 9, 9, 5, 3, 3, 3, 3, 4, 7, 10, 9, 5, 2, 1, 1, 0, 0], dtype=float)


class Troubles(NamedTuple):
    """What is planted, and which containers are to become full at which time if nobody empties them."""

    events: list[PlantedEvent]
    overflow_at_s: dict[str, float]


def draw_troubles(
    register: Register, passed: Floats, per_day: Floats, parameters: CityParameters, seed: int, start_s: float
) -> Troubles:
    """Return the troubles of a city from its history until `days_ahead` days after the start.

    Parameters
    ----------
    passed
        `(n_approaches,)`: how often trucks plausibly pass each approach; jams are planted where they matter.
    per_day
        `(n_containers,)`: deposits on a day; only where many throw in does an overflow show within minutes.
    start_s
        Start of the demonstration: in the `demo_window_h` after it the demo's own numbers hold instead of the rates.
    """
    rng = np.random.default_rng([seed, 31])
    pen = _Pen(register)
    window_s = parameters.demo_window_h * HOUR_S
    _demo_dumpings(pen, parameters, start_s, window_s, rng)
    jams = _JamPlaces(register, passed)
    for i in range(parameters.demo_jams):
        # From 0.3 to 0.9 of the window: 07:15 to 08:45 when it starts at 06:30 and lasts 2.5 h.
        share = 0.3 + 0.6 * (i + rng.uniform(0.1, 0.9)) / parameters.demo_jams
        _jam(pen, jams, start_s + share * window_s, rng)
    _faults(pen, parameters, start_s, window_s, rng)
    _ordinary_days(pen, jams, parameters, start_s, window_s, rng)
    events = sorted(pen.events, key=lambda e: (e.start_s, e.id))
    return Troubles(events, _overflows(pen, per_day, parameters, start_s, window_s, rng))


class _Pen:
    """Writes events down, each with an id of its own."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self.events: list[PlantedEvent] = []
        watched = {i.entity for i in register.installations if i.channel == "beside"}
        self.seen = [c for c in register.clusters if c in watched]
        self.unseen = [c for c in register.clusters if c not in watched]
        self.used: set[str] = set()
        self._free_from_s: dict[str, float] = {}

    def write(
        self, kind: PlantedKind, entity: str, start_s: float, end_s: float | None, cause: str, observable: bool = True
    ) -> None:
        number = sum(e.kind == kind for e in self.events) + 1
        ends = None if end_s is None else float(round(end_s))
        self.events.append(
            PlantedEvent(f"{kind}-{number:04d}", kind, entity, float(round(start_s)), ends, cause, observable)
        )

    def dumping(self, start_s: float, end_s: float | None, seen: bool, rng: np.random.Generator) -> None:
        """Write a dumping down, at a cluster where nothing lies then; in a small city there may be none left."""
        for places in (self.seen, self.unseen) if seen else (self.unseen, self.seen):
            pool = [c for c in places if self._free_from_s.get(c, -np.inf) <= start_s]
            if pool:
                cluster = pool[int(rng.integers(len(pool)))]
                self.used.add(cluster)
                self._free_from_s[cluster] = np.inf if end_s is None else end_s + 6 * HOUR_S
                self.write("dumping", cluster, start_s, end_s, "dumped", cluster in self.seen)
                return


class _JamPlaces:
    """Chooses approaches for jams, the often driven ones first, never one that has a jam at that time."""

    def __init__(self, register: Register, passed: Floats) -> None:
        self.ids = list(register.approaches)
        main = np.array([a.lanes > 1 for a in register.approaches.values()], dtype=float)
        self.weight = (passed.astype(float) + 0.02 * passed.sum() / max(1, len(passed)) + 1e-9) * (0.05 + main)
        self.busy: list[tuple[int, float, float]] = []

    def choose(self, start_s: float, end_s: float, rng: np.random.Generator) -> str | None:
        """Return an approach that is free then; None if there is none."""
        weight = self.weight.copy()
        for i, busy_from, busy_until in self.busy:
            if start_s < busy_until + HOUR_S and busy_from - HOUR_S < end_s:
                weight[i] = 0.0
        if not weight.sum():
            return None
        chosen = int(rng.choice(len(weight), p=weight / weight.sum()))
        self.busy.append((chosen, start_s, end_s))
        return self.ids[chosen]


def _demo_dumpings(
    pen: _Pen, parameters: CityParameters, start_s: float, window_s: float, rng: np.random.Generator
) -> None:
    n = parameters.demo_dumpings
    for i in range(n):
        at_s = start_s + window_s * (i + rng.uniform(0.2, 0.9)) / n
        # Every fourth is where no camera looks: nobody can be asked to find that one.
        pen.dumping(at_s, None, seen=i % 4 != 2, rng=rng)


def _jam(pen: _Pen, places: _JamPlaces, at_s: float, rng: np.random.Generator) -> None:
    end_s = at_s + rng.uniform(30.0, 60.0) * 60.0
    approach = places.choose(at_s, end_s, rng)
    if approach is not None:
        pen.write("jam", approach, at_s, end_s, str(rng.choice(["blocked-lane", "incident"])))


def _faults(pen: _Pen, parameters: CityParameters, start_s: float, window_s: float, rng: np.random.Generator) -> None:
    register = pen.register
    jammed = {e.entity for e in pen.events if e.kind == "jam"}
    approaches = [a for a in register.approaches if a not in jammed]
    containers = [c.id for c in register.containers.values() if c.cluster not in pen.used]
    for i in range(parameters.stuck_sensors):
        # A detector that always says the same is found within the hour, a fill sensor only after days.
        pool = approaches if i % 2 == 0 and approaches else containers
        if pool:
            entity = pool.pop(int(rng.integers(len(pool))))
            begin = start_s + window_s * rng.uniform(0.1, 0.4) if i % 2 == 0 else start_s - 20 * HOUR_S
            pen.write("stuck", entity, begin, None, "sensor")
    stuck = {e.entity for e in pen.events if e.kind == "stuck"}
    busy = {e.entity for e in pen.events}
    quiet: dict[str, bool] = {}
    trucks = set(register.trucks)
    for one in register.installations:
        free = one.entity not in busy and one.entity not in stuck and one.entity not in trucks
        quiet[one.device] = quiet.get(one.device, True) and free
    pool = [device for device, free in quiet.items() if free]
    for _ in range(min(parameters.silent_devices, len(pool))):
        device = pool.pop(int(rng.integers(len(pool))))
        begin = start_s + window_s * rng.uniform(0.1, 0.6)
        pen.write("silent", device, begin, begin + rng.uniform(8.0, 30.0) * HOUR_S, str(rng.choice(["power", "modem"])))


def _ordinary_days(
    pen: _Pen, jams: _JamPlaces, parameters: CityParameters, start_s: float, window_s: float, rng: np.random.Generator
) -> None:
    zone = pen.register.timezone
    first_s = start_s - parameters.history_h * HOUR_S
    last_s = start_s + parameters.days_ahead * DAY_S
    day = local_time(first_s, zone)
    while (midnight_s := local_midnight_s(day.timestamp(), ZoneInfo(zone))) < last_s:
        for at_s in _times(midnight_s, rng.poisson(parameters.dumpings_per_day), _DUMPING_HOURS, rng):
            if not first_s <= at_s < last_s or start_s <= at_s < start_s + window_s:
                continue
            end_s = at_s + rng.uniform(3.0, 30.0) * HOUR_S if rng.random() < 0.7 else None
            if at_s < start_s and (end_s is None or end_s >= start_s):
                # Lying since before the start: nobody but a truck takes it.
                end_s = None
            share = len(pen.seen) / max(1, len(pen.seen) + len(pen.unseen))
            pen.dumping(at_s, end_s, bool(rng.random() < share), rng)
        if day.weekday() < 5:
            for at_s in _times(midnight_s, rng.poisson(parameters.jams_per_day), _JAM_HOURS, rng):
                if first_s <= at_s < last_s and not start_s - HOUR_S <= at_s < start_s + window_s:
                    _jam(pen, jams, at_s, rng)
        day += timedelta(days=1)


def _overflows(
    pen: _Pen, per_day: Floats, parameters: CityParameters, start_s: float, window_s: float, rng: np.random.Generator
) -> dict[str, float]:
    """Choose much used containers before cameras, where nothing else is planted."""
    containers = pen.register.containers.values()
    seen = set(pen.seen) - pen.used
    pool = [(rate, c) for rate, c in zip(per_day.tolist(), containers, strict=True) if c.cluster in seen]
    pool.sort(key=lambda one: (-one[0], one[1].id))
    busiest = [c for _, c in pool[: max(parameters.demo_overflows, len(pool) // 5)]]
    chosen: dict[str, float] = {}
    for i in range(parameters.demo_overflows):
        # One of each cluster, so a small city can have fewer.
        if not busiest:
            break
        container = busiest.pop(int(rng.integers(len(busiest))))
        at_s = start_s + 0.7 * window_s * (i + rng.uniform(0.2, 0.8)) / parameters.demo_overflows
        chosen[container.id] = float(round(at_s))
        busiest = [c for c in busiest if c.cluster != container.cluster]
    return chosen


def _times(midnight_s: float, n: int, weights: Floats, rng: np.random.Generator) -> list[float]:
    hours = rng.choice(24, size=n, p=weights / weights.sum())
    return sorted((midnight_s + (hours + rng.random(n)) * HOUR_S).tolist())
