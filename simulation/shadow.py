"""Shadow mode: what policies of emptying would have done with the same waste, day after day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from city.places import Cluster, Depot, UnloadingSite
from city.plans import Job, Plan
from city.register import Register
from models.day_spread import DaySpread, after_a_day
from models.fill import FillModel, FillState
from models.rows import Rows
from models.spill import expected_spill
from routing.emissions import Emissions
from routing.network import Network
from routing.problem import CollectionProblem
from routing.selection import Outlook, SelectionParameters, select_emptyings
from routing.solve import plan_day
from routing.travel import TravelTable, TravelTimes
from simulation.inflow import Inflow
from simulation.parameters import HOUR_S, QUARTER_S
from simulation.policies import CLUSTERS_PER_DAY, fixed_rounds, fullest_jobs, threshold_jobs

Floats = npt.NDArray[np.float64]

PLAN_HOUR = 7.0
# A container that is left out today is visited tomorrow at any time of the shift.
_SHIFT_H = 7.0
_NEXT_VISIT_H = 24.0 + _SHIFT_H
# At so many times of it the clairvoyant looks.
_TIMES = 4
_BRIM = 1.06
_SENSOR_SD = 0.02


class DayFigures(NamedTuple):
    """What one day of one policy came to, from one plan hour to the next.

    Parameters
    ----------
    distance_km, hours
        Driven, and on the road from depot to depot, breaks included.
    lifts, fill_at_emptying
        Containers emptied, and the sum of how full they were (ratio of the usable volume).
    deposits, turned_away
        Persons who came, and those of them who found the container full.
    overflows
        Containers that became full.
    left_out
        Jobs that had to be done and were not: no truck had the time.
    co2_kg
        Of driving and lifting, see `routing.emissions`.
    """

    day: date
    distance_km: float
    hours: float
    lifts: int
    fill_at_emptying: float
    deposits: int
    turned_away: int
    overflows: int
    left_out: int
    co2_kg: float


class Morning(NamedTuple):
    """What a policy may know when it chooses: the register, the local day, and what sensors said until now.

    `misfit` is by how much days have differed, see `models.day_spread`. `truth` is the true levels by container and
    what will come in, which none but `Clairvoyant` looks at.
    """

    register: Register
    day: date
    day_s: float
    now_s: float
    measured: dict[str, float]
    model: FillModel
    state: FillState
    misfit: float
    truth: "Truth"


class Truth(NamedTuple):
    """What nobody knows: the levels `(n,)` in the register's order, and what people will bring."""

    level: Floats
    inflow: Inflow


class Policy(Protocol):
    """A way to choose what to empty today."""

    @property
    def name(self) -> str:
        """What it is called in a report."""
        ...

    @property
    def needs_belief(self) -> bool:
        """Whether the fill model has to be run for it."""
        ...

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of the day."""
        ...


@dataclass(frozen=True)
class FixedRota:
    """Every cluster has its turn, whatever is in it: see `simulation.policies.fixed_rounds`."""

    clusters_per_day: int | None = None
    name: str = "fixed"
    needs_belief: bool = False

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of those whose turn it is."""
        return fixed_rounds(morning.register, morning.day, self.clusters_per_day)


@dataclass(frozen=True)
class FixedThreshold:
    """Every container that says it is at the threshold or above, and no other."""

    threshold: float
    needs_belief: bool = False

    @property
    def name(self) -> str:
        """``threshold-0.5`` and so on."""
        return f"threshold-{self.threshold:g}"

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of those at or above."""
        return threshold_jobs(morning.register, morning.measured, self.threshold)


@dataclass(frozen=True)
class Selection:
    """What the service does: the forecast decides what must be and what is worth its detour."""

    parameters: SelectionParameters = field(default_factory=SelectionParameters)
    name: str = "ronde"
    needs_belief: bool = True

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of the selection."""
        by_s = morning.day_s + (PLAN_HOUR + _NEXT_VISIT_H) * HOUR_S
        model, state = morning.model, morning.state
        overflow, spill = expected_spill(model, state, by_s, over_s=_SHIFT_H * HOUR_S, misfit=morning.misfit)
        level = model.forecast(state, [morning.now_s]).level[:, 0]
        outlook = {
            id: Outlook(float(level[i]), float(overflow[i]), float(spill[i]))
            for id, i in model.index.items()
            if np.isfinite(level[i])
        }
        return select_emptyings(morning.register, outlook, self.parameters, morning.day_s)


@dataclass(frozen=True)
class Clairvoyant:
    """`Selection` by what will truly come in: no forecast could choose better by the same rule, so it is a bound."""

    parameters: SelectionParameters = field(default_factory=SelectionParameters)
    name: str = "clairvoyant"
    needs_belief: bool = False

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of the selection."""
        now = round(morning.now_s / QUARTER_S)
        hours = np.linspace(_NEXT_VISIT_H - _SHIFT_H, _NEXT_VISIT_H, _TIMES)
        quarters = [now, *(now + round(4 * hour) for hour in hours)]
        came = morning.truth.level.copy()
        overflow, spill = np.zeros(len(came)), np.zeros(len(came))
        for first, last in pairwise(quarters):
            for number in range(first, last):
                came += morning.truth.inflow.quarter(number).ratio
            overflow += (came >= 1.0) / _TIMES
            spill += np.maximum(came - 1.0, 0.0) / _TIMES
        outlook = {
            id: Outlook(*map(float, one))
            for id, *one in zip(morning.register.containers, morning.truth.level, overflow, spill, strict=True)
        }
        return select_emptyings(morning.register, outlook, self.parameters, morning.day_s)


@dataclass(frozen=True)
class Fullest:
    """So many clusters a day, those with the fullest container, emptied whole: see `simulation.policies`."""

    clusters_per_day: int = CLUSTERS_PER_DAY
    needs_belief: bool = False

    @property
    def name(self) -> str:
        """``fullest-250`` and so on; the number is of a city of 850 clusters."""
        return f"fullest-{self.clusters_per_day}"

    def choose(self, morning: Morning) -> list[Job]:
        """Return the jobs of the fullest."""
        return fullest_jobs(morning.register, morning.measured, self.clusters_per_day)


@dataclass(frozen=True, eq=False)
class ShadowCity:
    """What policies are compared on: a register, travel between its places, and what people bring.

    Parameters
    ----------
    register
        Places and trucks.
    travel
        Between clusters, depots and unloading sites.
    inflow
        The same under every policy.
    """

    register: Register
    travel: TravelTable
    inflow: Inflow

    @classmethod
    def of(cls, register: Register, network: Network, inflow: Inflow) -> "ShadowCity":
        """Return the city with its travel times computed once, on streets without congestion."""
        places: list[Cluster | Depot | UnloadingSite] = [*register.clusters.values(), *register.depots.values()]
        places += register.unloading_sites.values()
        lon, lat = np.array([one.lon for one in places]), np.array([one.lat for one in places])
        times = TravelTimes(network)
        points, _ = times.snap(lon, lat)
        matrix = times.matrix(points)
        return cls(register, TravelTable(lon, lat, matrix.duration_s, matrix.distance_m), inflow)


def run_shadow(
    city: ShadowCity,
    policies: Sequence[Policy],
    first_day: date,
    days: int,
    *,
    seed: int,
    iterations: int = 300,
    settle_days: int = 14,
    on_day: Callable[[int], None] | None = None,
) -> dict[str, list[DayFigures]]:
    """Return what each policy comes to on each day, all with the same waste, sensors and trucks.

    Parameters
    ----------
    first_day
        The first local day that is counted; `settle_days` before it are lived and not counted, so that no policy
        profits from how the containers stood at the beginning.
    seed
        Of the levels at the beginning, the sensors and the solver.
    iterations
        Of the solver for each crew and day: the same figures on every machine.
    on_day
        Called after each day with its number (counted days are 0, 1, …).

    Raises
    ------
    BadInput
        There is no policy, or two have one name, or there is no day.
    """
    names = [one.name for one in policies]
    if not policies or len(set(names)) < len(names):
        raise BadInput(f"The policies are {', '.join(names) or 'none'}.", "Give at least one, each once.")
    if days < 1:
        raise BadInput(f"There are {days} days to compare.", "Give at least 1.")
    zone = ZoneInfo(city.register.timezone)
    lives = [_Life(city, policy, seed, iterations) for policy in policies]
    began = _plan_s(first_day - timedelta(days=settle_days), zone)
    for life in lives:
        life.begin(began)
    figures: dict[str, list[DayFigures]] = {name: [] for name in names}
    for number in range(-settle_days, days):
        day = first_day + timedelta(days=number)
        now_s, until_s = _plan_s(day, zone), _plan_s(day + timedelta(days=1), zone)
        for life in lives:
            life.plan(day, now_s)
        noise = np.random.default_rng([seed, 71, day.toordinal()])
        for quarter in range(round(now_s / QUARTER_S), round(until_s / QUARTER_S)):
            deposits = city.inflow.quarter(quarter)
            hourly = (quarter + 1) % 4 == 0
            off = noise.normal(0.0, _SENSOR_SD, len(city.register.containers)) if hourly else None
            for life in lives:
                life.quarter(quarter, deposits.number, deposits.ratio, off)
        for life in lives:
            said = life.end(day)
            if number >= 0:
                figures[life.policy.name].append(said)
        if on_day is not None:
            on_day(number)
    return figures


class _Life:
    """The containers of a city under one policy."""

    def __init__(self, city: ShadowCity, policy: Policy, seed: int, iterations: int) -> None:
        self.policy = policy
        self._city = city
        self._seed = seed
        self._iterations = iterations
        containers = list(city.register.containers.values())
        self._ids = [one.id for one in containers]
        self._index = {id: i for i, id in enumerate(self._ids)}
        self._model = FillModel(self._ids, volume_m3=[one.volume_m3 for one in containers])
        self._state = self._model.initial_state()
        self._spread = DaySpread.unknown(self._model)
        self._level = np.random.default_rng([seed, 73]).uniform(0.0, 0.6, len(containers))
        self._measured = self._level.copy()
        self._opened = np.zeros(len(containers))
        self._due: list[tuple[float, int]] = []
        self._plan = Plan("", 0.0, ())
        self._left_out = 0
        self._counts = _Counts()

    def begin(self, now_s: float) -> None:
        """Let the sensors speak for the first time."""
        self._speak(now_s, np.zeros(len(self._level)))

    def plan(self, day: date, now_s: float) -> None:
        """Choose and plan the day."""
        day_s = now_s - PLAN_HOUR * HOUR_S
        register = self._city.register
        measured = dict(zip(self._ids, self._measured.tolist(), strict=True))
        if self.policy.needs_belief:
            self._spread = after_a_day(self._spread, self._model, self._state, now_s)
        truth = Truth(self._level, self._city.inflow)
        jobs = self.policy.choose(
            Morning(register, day, day_s, now_s, measured, self._model, self._state, self._spread.misfit, truth)
        )
        problem = CollectionProblem(
            jobs=tuple(jobs),
            trucks=tuple(one for one in register.trucks.values() if one.kind == "crane"),
            depots=tuple(register.depots.values()),
            unloading_sites=tuple(register.unloading_sites.values()),
            day_start_s=day_s,
            now_s=now_s,
            travel=self._city.travel,
        )
        seed = self._seed + day.toordinal()
        self._plan = plan_day(problem, 60.0, seed=seed, iterations=self._iterations, explains=False)
        must = {job.id for job in jobs if job.must}
        self._left_out = sum(one.job in must for one in self._plan.unserved)
        # Who is late from yesterday still empties what is on the round.
        self._due += sorted(
            (stop.arrive_s + 60.0 * (i + 2), self._index[container])
            for one in self._plan.rounds
            for stop in one.stops
            if stop.kind == "empty"
            for i, container in enumerate(stop.containers)
        )

    def quarter(self, number: int, count: npt.NDArray[np.int64], ratio: Floats, off: Floats | None) -> None:
        """Live through a quarter of an hour; `off` is how far each sensor is off when it speaks at its end."""
        end_s = (number + 1) * QUARTER_S
        was_full = self._level >= 1.0
        self._counts.deposits += int(count.sum())
        self._counts.turned_away += int(count[was_full].sum())
        self._level = np.where(was_full, self._level, np.minimum(self._level + ratio, _BRIM))
        self._opened += count
        self._counts.overflows += int((~was_full & (self._level >= 1.0)).sum())
        while self._due and self._due[0][0] < end_s:
            at_s, i = self._due.pop(0)
            self._counts.lifts += 1
            self._counts.fill += float(self._level[i])
            self._level[i] = 0.0
            if self.policy.needs_belief:
                visit = Rows.of_columns(at_s, [i], at_s, {}, is_visit=True)
                self._state, _ = self._model.update(self._state, visit)
        if off is not None:
            self._speak(end_s, off)

    def end(self, day: date) -> DayFigures:
        """Return what the day came to, and begin to count anew."""
        counts, self._counts = self._counts, _Counts()
        return DayFigures(
            day,
            self._plan.distance_m / 1000.0,
            self._plan.duration_s / HOUR_S,
            counts.lifts,
            counts.fill,
            counts.deposits,
            counts.turned_away,
            counts.overflows,
            self._left_out,
            Emissions().co2_kg(self._plan),
        )

    def _speak(self, now_s: float, off: Floats) -> None:
        self._measured = np.clip(np.round(self._level + off, 3), 0.0, 1.5)
        if self.policy.needs_belief:
            values = {"fill_ratio": self._measured, "lid_openings": self._opened}
            rows = Rows.of_columns(now_s, np.arange(len(self._level)), now_s, values, interval_s=HOUR_S)
            self._state, _ = self._model.update(self._state, rows)
        self._opened = np.zeros(len(self._level))


@dataclass
class _Counts:
    lifts: int = 0
    fill: float = 0.0
    deposits: int = 0
    turned_away: int = 0
    overflows: int = 0


def _plan_s(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, int(PLAN_HOUR), tzinfo=zone).timestamp()
