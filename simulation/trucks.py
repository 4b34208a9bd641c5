"""Trucks that drive: they follow the round they were given, at the speed that the streets allow."""

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from city.clock import hours_from_s
from city.errors import BadInput
from city.places import Truck
from city.plans import Round, Stop
from city.register import Register
from city.vetoes import VetoReason, veto_code
from routing.service_time import service_s
from simulation.roads import Leg, Roads

_WORK_NOISE = (0.9, 1.15)
# A stop that takes this much longer than its work is one at which the plan waits.
_WAITS_S = 60.0


class World(Protocol):
    """What trucks change."""

    def empty(self, container: str, at_s: float, truck: str = "") -> float:
        """Empty a container and return the kg of the lift."""
        ...

    def clear(self, cluster: str, at_s: float, truck: str = "") -> int:
        """Take away what lies beside a cluster; return how many objects."""
        ...


class Visit(NamedTuple):
    """What a truck did: `place` is a container (values `lift_kg`) or a cluster (values `objects_beside`).

    Where it did not do what was asked, `place` is the cluster and values have `veto_code` alone.
    """

    at_s: float
    place: str
    values: dict[str, float | None]


class _Driving(NamedTuple):
    stop: Stop
    leg: Leg
    start_s: float
    end_s: float


class _Working(NamedTuple):
    stop: Stop
    steps: tuple[tuple[float, str], ...]
    end_s: float


class TruckDrive:
    """A truck under way, moved forward by `advance`.

    It has its breaks when they are due and the way or the work that it is at is done, and waits where its round does.
    Without a round it stands where it is. A new round does not take it off the stop that it drives to or works at:
    it finishes that one, and goes on with the first stop of the new round that it has not done. Jobs are known by
    their id; an unloading is done when the truck has unloaded as often as the round has unloadings before it.

    Parameters
    ----------
    truck, register
        The truck; it stands at its depot.
    roads, world
        How long ways take, and what emptying and clearing change.
    seed
        How long work takes varies by it.
    refusal
        Returns why a driver who comes to a cluster at a time does not do what was asked; None = he does it.
    """

    def __init__(
        self,
        truck: Truck,
        register: Register,
        roads: Roads,
        world: World,
        seed: int,
        refusal: Callable[[str, float], VetoReason | None] | None = None,
    ) -> None:
        depot = register.depots[truck.depot]
        self.truck = truck
        self.load_kg = 0.0
        self.plan = ""
        self.done: list[Stop] = []
        self.distance_m = 0.0
        self._register = register
        self._roads = roads
        self._world = world
        self._rng = np.random.default_rng([seed, zlib.crc32(truck.id.encode())])
        self._at = (depot.lon, depot.lat)
        self._now_s = -np.inf
        self._activity: _Driving | _Working | None = None
        self._queue: list[Stop] = []
        self._refusal = refusal
        self._refused: list[Visit] = []
        self._timezone = ZoneInfo(register.timezone)
        # Number of breaks that are over, by day.
        self._rested: dict[float, int] = {}

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do."""
        return self._activity is None and not self._queue

    def follow(self, plan: str, round_: Round, at_s: float) -> None:
        """Take over a round.

        Raises
        ------
        BadInput
            It is another truck's round, or speaks of places that are not there.
        """
        self._check(round_)
        self._now_s = max(self._now_s, at_s)
        self.plan = plan
        known = [*self.done, *([self._activity.stop] if self._activity else [])]
        self._queue = remaining_stops(round_.stops, known)

    def advance(self, to_s: float) -> list[Visit]:
        """Drive and work until `to_s`; return what was done on the way."""
        visits: list[Visit] = []
        while True:
            if isinstance(self._activity, _Driving):
                if self._activity.end_s > to_s:
                    break
                self._arrive(self._activity)
                visits += self._refused
                self._refused = []
            elif isinstance(self._activity, _Working):
                visits += self._work(self._activity, to_s)
                if self._activity is not None and self._activity.end_s > to_s:
                    break
                self._finish()
            elif not self._set_out(to_s):
                break
        self._now_s = max(self._now_s, to_s)
        return visits

    def _rest(self, at_s: float) -> float:
        """Return when the truck goes on that has done something at `at_s`: breaks that are due come first."""
        due = self._breaks(at_s)
        while due and due[0][0] <= at_s:
            at_s += due.pop(0)[1]
            self._has_rested(at_s)
        return at_s

    def _breaks(self, at_s: float) -> list[tuple[float, float]]:
        """Return (when due, seconds) of the breaks of the local day that are still to be taken."""
        day_s = hours_from_s(at_s, self._timezone)
        breaks = [(day_s + hour * 3600.0, minutes * 60.0) for hour, minutes in self.truck.breaks]
        return breaks[self._rested.get(day_s, 0) :]

    def _has_rested(self, at_s: float) -> None:
        day_s = hours_from_s(at_s, self._timezone)
        self._rested[day_s] = self._rested.get(day_s, 0) + 1

    def position(self, at_s: float) -> tuple[float, float]:
        """Return (lon, lat) at a time that `advance` has reached."""
        if isinstance(self._activity, _Driving):
            span = self._activity.end_s - self._activity.start_s
            share = 1.0 if span <= 0 else (at_s - self._activity.start_s) / span
            return self._activity.leg.at(min(max(share, 0.0), 1.0))
        return self._at

    def _set_out(self, to_s: float) -> bool:
        if not self._queue:
            return False
        stop = self._queue[0]
        start_s = self._now_s if np.isfinite(self._now_s) else to_s
        if stop.kind == "start":
            if stop.leave_s > to_s:
                return False
            self._now_s = max(start_s, stop.leave_s)
            # Whoever waited at the depot has had the breaks that were due.
            for _ in [one for one in self._breaks(self._now_s) if one[0] < self._now_s]:
                self._has_rested(self._now_s)
            self.done.append(self._queue.pop(0))
            return True
        self._queue.pop(0)
        start_s = self._rest(start_s)
        leg = self._roads.leg(self._at, (stop.lon, stop.lat), start_s)
        self._activity = _Driving(stop, leg, start_s, start_s + leg.duration_s)
        return True

    def _arrive(self, driving: _Driving) -> None:
        stop = driving.stop
        self._at = (stop.lon, stop.lat)
        self._now_s = driving.end_s
        self.distance_m += driving.leg.distance_m
        if stop.kind in ("empty", "clear") and self._refusal and (why := self._refusal(stop.place, self._now_s)):
            # It is not done: a later round may ask for it again.
            self._refused.append(Visit(self._now_s, stop.place, {"veto_code": veto_code(why)}))
            self._activity = None
            return
        if stop.kind != "end":
            self._now_s = max(self._rest(self._now_s), _begins_s(stop))
        noise = float(self._rng.uniform(*_WORK_NOISE))
        steps: list[tuple[float, str]] = []
        work_s = 0.0
        if stop.kind == "empty":
            containers = stop.containers or tuple(c.id for c in self._register.containers_of(stop.place))
            work_s = service_s(len(containers)) * noise
            first_s, each_s = 60.0 * noise, 60.0 * noise
            steps = [(self._now_s + first_s + each_s * (i + 1), c) for i, c in enumerate(containers)]
        elif stop.kind == "clear":
            work_s = max(60.0, stop.leave_s - stop.arrive_s) * noise
            steps = [(self._now_s + 0.8 * work_s, stop.place)]
        elif stop.kind == "unload":
            site = self._register.unloading_sites.get(stop.place)
            work_s = (site.unloading_s if site else 900.0) * noise
        self._activity = _Working(stop, tuple(steps), self._now_s + work_s)

    def _work(self, working: _Working, to_s: float) -> list[Visit]:
        visits = []
        for at_s, place in working.steps:
            if at_s > to_s:
                break
            if working.stop.kind == "empty":
                kg = self._world.empty(place, at_s, self.truck.id)
                self.load_kg += kg
                shown = max(0.0, round(kg + float(self._rng.normal(0.0, 3.0)), 1))
                visits.append(Visit(at_s, place, {"lift_kg": shown}))
            else:
                self.load_kg += 12.0 * self._world.clear(place, at_s, self.truck.id)
                visits.append(Visit(at_s, place, {"objects_beside": 0.0}))
        left = tuple(step for step in working.steps if step[0] > to_s)
        self._activity = working._replace(steps=left)
        return visits

    def _finish(self) -> None:
        if isinstance(self._activity, _Working):
            self._now_s = self._activity.end_s
            if self._activity.stop.kind in ("unload", "end"):
                self.load_kg = 0.0
            self.done.append(self._activity.stop)
        self._activity = None

    def _check(self, round_: Round) -> None:
        if round_.truck != self.truck.id:
            raise BadInput(
                f"The round is for truck {round_.truck!r}, not for {self.truck.id!r}.", "Send it to its own truck."
            )
        for stop in round_.stops:
            strangers = [c for c in stop.containers if c not in self._register.containers]
            if stop.kind in ("empty", "clear") and stop.place not in self._register.clusters:
                strangers.append(stop.place)
            if strangers:
                raise BadInput(f"The round speaks of {strangers[0]!r}.", "Use places of the register.")


def _begins_s(stop: Stop) -> float:
    """Return when work at a stop may begin that the plan waits at; -inf where it does not wait.

    Of clearing nobody but the planner knows how long it takes.
    """
    planned_s = service_s(len(stop.containers)) if stop.kind == "empty" else np.inf
    waits = stop.leave_s - stop.arrive_s > planned_s + _WAITS_S
    return stop.leave_s - planned_s if waits else -np.inf


def remaining_stops(stops: Sequence[Stop], done: Sequence[Stop]) -> list[Stop]:
    """Return the stops of a round that a truck which has `done` others still has to make, in their order."""
    jobs = {stop.job for stop in done if stop.job}
    unloaded = sum(stop.kind == "unload" for stop in done)
    has_started = bool(done)
    left: list[Stop] = []
    unloadings = 0
    for stop in stops:
        if stop.kind == "unload":
            unloadings += 1
            if unloadings <= unloaded:
                continue
        elif stop.kind == "start":
            if has_started:
                continue
        elif stop.job and stop.job in jobs:
            continue
        left.append(stop)
    return left
