"""What is true in a simulated city: levels, bags, traffic. Sensors see it with noise; trucks change it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from city.clock import local_midnight_s
from city.errors import BadInput
from city.places import Stream
from city.register import Register
from simulation.deposits import DepositProcess
from simulation.parameters import DAY_S, HOUR_S, QUARTER_S, CityParameters
from simulation.planted import PlantedEvent
from simulation.traffic import MINUTE_S, Minute, Traffic

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# kg of one m³ as it lies in the container.
DENSITY_KG_PER_M3: dict[Stream, float] = {
    "residual": 55.0, "paper": 60.0, "glass": 280.0, "textile": 120.0, "organic": 220.0,
}  # fmt: skip
# Above this nothing goes in any more; sensors in the wild have said 106 %.
_BRIM = 1.06
_BURN_IN_S = 2 * DAY_S
# The collection before the start: what was at this level at seven was emptied that morning.
_HISTORY_THRESHOLD = 0.6
_HISTORY_HOURS = (7.2, 12.5)
_BAG_CHANCE = 0.7
# Who emptied before the start.
HISTORY = "history"


class Happening(NamedTuple):
    """Something that ended or began because of the run: what the scoreboard needs besides the plan of troubles.

    `event` is `emptied` (entity: container), `cleared` (cluster) or `overflow` (cluster, with the container's id).
    `value` is the level before an emptying, or the number of objects taken away.
    """

    event: str
    entity: str
    at_s: float
    container: str = ""
    observable: bool = True
    truck: str = ""
    value: float = 0.0


class Truth:
    """The state of the city, moved forward by `advance`; everything random in it comes from the seed alone.

    Deposits of a quarter of an hour are in the container when the quarter is over; the emptying of a truck takes
    effect at once. What does not go into a full container is put beside it. Arrays are in the register's order.

    Parameters
    ----------
    register
        Places and installations.
    parameters
        Deposits and history.
    planted
        Dumpings, jams and faults.
    overflow_at_s
        Containers (id) that become full at that time if nobody empties them: their history is made to fit.
    seed
        Of the city.
    start_s
        Start of the demonstration; the truth begins `history_h` hours before it. Until then an ordinary collection
        empties containers each morning; afterwards only trucks do.
    """

    def __init__(
        self,
        register: Register,
        parameters: CityParameters,
        planted: Sequence[PlantedEvent],
        overflow_at_s: Mapping[str, float],
        seed: int,
        start_s: float,
    ) -> None:
        self.register = register
        self.start_s = start_s
        self.begin_s = start_s - parameters.history_h * HOUR_S
        self.container_ids = list(register.containers)
        self.cluster_ids = list(register.clusters)
        self.approach_ids = list(register.approaches)
        self._container = {id: i for i, id in enumerate(self.container_ids)}
        self._cluster = {id: i for i, id in enumerate(self.cluster_ids)}
        containers = list(register.containers.values())
        self.cluster_of = np.array([self._cluster[c.cluster] for c in containers], dtype=np.int64)
        self._kg = np.array([c.volume_m3 * DENSITY_KG_PER_M3[c.stream] for c in containers])
        self.deposits = DepositProcess(register, parameters, seed)
        self.traffic = Traffic(list(register.approaches.values()), planted, seed, register.timezone)
        self._seed = seed
        self._observable = np.zeros(len(self.cluster_ids), dtype=bool)
        watched = {i.entity for i in register.installations if i.channel == "beside"}
        self._observable[[self._cluster[c] for c in self.cluster_ids if c in watched]] = True
        self._dumpings = [e for e in planted if e.kind == "dumping" and e.entity in self._cluster]
        self._dump_at = np.array([self._cluster[e.entity] for e in self._dumpings], dtype=np.int64)
        self._dump_start_s = np.array([e.start_s for e in self._dumpings])
        self._dump_end_s = np.array([np.inf if e.end_s is None else e.end_s for e in self._dumpings])
        self._dumpings_of: dict[int, list[int]] = {}
        for j, k in enumerate(self._dump_at.tolist()):
            self._dumpings_of.setdefault(k, []).append(j)
        self._dump_objects = np.array([e.objects for e in self._dumpings], dtype=np.int64)
        self.happenings: list[Happening] = []
        self._minutes: dict[int, Minute] = {}
        n = len(containers)
        self.bags: Ints = np.zeros(len(self.cluster_ids), dtype=np.int64)
        self.openings: Ints = np.zeros(n, dtype=np.int64)
        self._quarter = int(np.floor((self.begin_s - _BURN_IN_S) / QUARTER_S))
        self._due: list[tuple[float, int]] = []
        self._planned_day = -1
        rng = np.random.default_rng([seed, 41])
        self.level: Floats = rng.uniform(0.0, 0.85, n)
        self._exempt = np.zeros(n, dtype=bool)
        self._now_s = self._quarter * QUARTER_S
        self.advance(self.begin_s)
        self.happenings.clear()
        self._make_full(overflow_at_s)

    @property
    def now_s(self) -> float:
        """The time that the state is of."""
        return self._now_s

    def advance(self, to_s: float) -> None:
        """Move on to `to_s`; a time in the past changes nothing."""
        while (self._quarter + 1) * QUARTER_S <= to_s:
            end_s = (self._quarter + 1) * QUARTER_S
            self._plan_history(end_s)
            self._collect_until(end_s)
            self._deposit()
            self._quarter += 1
        self._collect_until(to_s)
        self._now_s = max(self._now_s, to_s)

    def container_index(self, container: str) -> int:
        """Return the place of a container in the arrays.

        Raises
        ------
        BadInput
            There is no such container.
        """
        return _known(self._container, container, "container")

    def cluster_index(self, cluster: str) -> int:
        """Return the place of a cluster in the arrays; see `container_index`."""
        return _known(self._cluster, cluster, "cluster")

    def empty(self, container: str, at_s: float, truck: str = "") -> float:
        """Empty a container and return the kg of the lift."""
        self.advance(at_s)
        i = self.container_index(container)
        before = float(self.level[i])
        self.level[i] = 0.0
        self.happenings.append(Happening("emptied", container, at_s, truck=truck, value=round(before, 4)))
        return self.lift_kg(container, before)

    def clear(self, cluster: str, at_s: float, truck: str = "") -> int:
        """Take away what lies beside the containers of a cluster; return how many objects that were."""
        self.advance(at_s)
        k = self.cluster_index(cluster)
        taken = self.objects_at(k, at_s)
        here = (self._dump_at == k) & (self._dump_start_s <= at_s) & (self._dump_end_s > at_s)
        self._dump_end_s[here] = at_s
        self.bags[k] = 0
        self.happenings.append(Happening("cleared", cluster, at_s, truck=truck, value=float(taken)))
        return taken

    def objects_beside(self, at_s: float) -> Ints:
        """Return what lies beside the containers, `(n_clusters,)`: what was dumped, and bags that did not go in."""
        lies = (self._dump_start_s <= at_s) & (at_s < self._dump_end_s)
        total = self.bags.copy()
        np.add.at(total, self._dump_at[lies], self._dump_objects[lies])
        return total

    def objects_at(self, cluster: int, at_s: float) -> int:
        """Return what lies beside the containers of one cluster; see `objects_beside`."""
        return int(self.bags[cluster]) + sum(
            int(self._dump_objects[j])
            for j in self._dumpings_of.get(cluster, ())
            if self._dump_start_s[j] <= at_s < self._dump_end_s[j]
        )

    def minute(self, at_s: float) -> Minute:
        """Return what traffic detectors measure over the last whole minute before `at_s`."""
        number = int(at_s // MINUTE_S)
        if number not in self._minutes:
            while len(self._minutes) >= 8:
                self._minutes.pop(next(iter(self._minutes)))
            self._minutes[number] = self.traffic.minute(number * MINUTE_S)
        return self._minutes[number]

    def speed_ratio_true(self, at_s: float) -> Floats:
        """Return the speed as a share of the free speed on each approach, `(n_approaches,)`."""
        return self.traffic.speed_ratio(at_s)

    def lift_kg(self, container: str, level: float) -> float:
        """Return what a container weighs at a level, kg without the container."""
        return round(level * float(self._kg[self.container_index(container)]), 1)

    def take_happenings(self) -> list[Happening]:
        """Return what happened since the last call."""
        taken, self.happenings = self.happenings, []
        return taken

    def _make_full(self, overflow_at_s: Mapping[str, float]) -> None:
        for container, at_s in overflow_at_s.items():
            i = self.container_index(container)
            coming = float(self.deposits.total_ratio(self._quarter, int(at_s // QUARTER_S))[i])
            # Where people throw in more than fits until then, it is full earlier.
            self.level[i] = max(0.0, 1.0 - coming)
            self._exempt[i] = True

    def _plan_history(self, end_s: float) -> None:
        """Decide, at seven on a morning before the start, which containers that day's collection empties."""
        day = int(local_midnight_s(end_s, ZoneInfo(self.register.timezone)))
        if day == self._planned_day or end_s < day + 7 * HOUR_S or end_s >= self.start_s:
            return
        self._planned_day = day
        full = np.flatnonzero((self.level >= _HISTORY_THRESHOLD) & ~self._exempt)
        span = (_HISTORY_HOURS[1] - _HISTORY_HOURS[0]) * HOUR_S
        rng = np.random.default_rng([self._seed, 43, day])
        when = day + _HISTORY_HOURS[0] * HOUR_S + span * rng.random(len(self.cluster_ids))
        self._due += sorted((float(when[self.cluster_of[i]] + 60.0 * (i % 3)), int(i)) for i in full)

    def _collect_until(self, to_s: float) -> None:
        while self._due and self._due[0][0] < min(to_s, self.start_s):
            at_s, i = self._due.pop(0)
            k = int(self.cluster_of[i])
            before, self.level[i] = float(self.level[i]), 0.0
            self.happenings.append(
                Happening("emptied", self.container_ids[i], at_s, truck=HISTORY, value=round(before, 4))
            )
            if self.bags[k]:
                self.happenings.append(
                    Happening("cleared", self.cluster_ids[k], at_s, truck=HISTORY, value=float(self.bags[k]))
                )
                self.bags[k] = 0

    def _deposit(self) -> None:
        end_s = (self._quarter + 1) * QUARTER_S
        thrown = self.deposits.quarter(self._quarter)
        was_full = self.level >= 1.0
        self.level += np.where(was_full, 0.0, np.minimum(thrown.ratio, _BRIM - self.level))
        self.openings += thrown.number
        turned_away = np.flatnonzero(was_full & (thrown.number > 0))
        if not turned_away.size:
            return
        rng = np.random.Generator(np.random.Philox(key=[self._seed + (4 << 32), self._quarter]))
        bags = rng.binomial(thrown.number, _BAG_CHANCE)
        for i in turned_away:
            k = int(self.cluster_of[i])
            if bags[i] and not self.bags[k]:
                self.happenings.append(
                    Happening("overflow", self.cluster_ids[k], end_s, self.container_ids[i], bool(self._observable[k]))
                )
            self.bags[k] += bags[i]


def replayed_levels(truth: Truth, emptied: Iterable[tuple[str, float]], until_s: float) -> npt.NDArray[np.bool_]:
    """Move `truth` on to `until_s` with these emptyings (container, time); return which containers were ever full.

    Returns
    -------
    `(n_containers,)` bool: the level was 1 or more at some time from now on.
    """
    waiting = sorted(((at_s, container) for container, at_s in emptied), reverse=True)
    ever = truth.level >= 1.0
    while truth.now_s < until_s:
        next_s = min(until_s, (np.floor(truth.now_s / QUARTER_S) + 1) * QUARTER_S)
        while waiting and waiting[-1][0] < next_s:
            at_s, container = waiting.pop()
            if at_s >= truth.now_s:
                truth.empty(container, at_s)
        truth.advance(next_s)
        ever |= truth.level >= 1.0
    return ever


def _known(index: Mapping[str, int], id: str, what: str) -> int:
    try:
        return index[id]
    except KeyError:
        raise BadInput(f"There is no {what} {id!r}.", "Use an id of the register.") from None
