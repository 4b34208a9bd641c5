"""A crew: trucks that can stand in for each other, the jobs that they share, and travel between all of it by index.

A truck takes one stream a day, and crane trucks and grab vehicles do different jobs; so a problem falls apart into
crews that share nothing, and each is solved by itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from city.places import Depot, Truck, UnloadingSite
from city.plans import Job
from routing.geometry import Floats
from routing.problem import CollectionProblem, window

# What driving costs. A truck's hour with its crew is worth about 40 times a kilometre's fuel and wear, so a second
# weighs 25 and a metre 1: a kilometre is worth 40 s.
COST_OF_SECOND = 25
COST_OF_METRE = 1
# A second of driving at 30 km/h, metres included: the unit of `Job.prize_s`.
COST_OF_DRIVING_SECOND = COST_OF_SECOND + COST_OF_METRE * 30.0 / 3.6


# Items in the order in which a truck visits them: a job's index, or -1 - s for unloading at site s.
Order = list[int]
HOME = -1_000_000


@dataclass(frozen=True)
class Position:
    """Where a truck stands when it is free: a place for travel times."""

    id: str
    lon: float
    lat: float


@dataclass(frozen=True)
class Outing:
    """What is still open of a truck's day: from where and when it is free, with what aboard, until when.

    `under_way` trucks have to be brought home even when nothing is left for them to do.
    """

    truck: Truck
    depot: Depot
    start: Position
    free_s: float
    end_s: float
    volume_m3: float = 0.0
    load_kg: float = 0.0
    aboard: bool = False
    under_way: bool = False


@dataclass(frozen=True)
class Visit:
    """A timed visit. `item` is a job's index, or -1 - s for unloading at site s; `HOME` is the depot."""

    item: int
    arrive_s: float
    leave_s: float
    volume_m3: float
    load_kg: float


@dataclass(frozen=True)
class Drive:
    """An order of visits with its times. `fits` = nothing is late, overloaded or after the shift."""

    visits: tuple[Visit, ...]
    fits: bool

    @property
    def end_s(self) -> float:
        """When the truck is home."""
        return self.visits[-1].leave_s


@dataclass(frozen=True, eq=False)
class Crew:
    """Jobs `0..J-1`, sites, and outings of one kind and stream.

    Rows of the matrices: the jobs, the sites, each outing's depot, each outing's start.

    Parameters
    ----------
    problem
        What they belong to.
    jobs
        What the crew shares.
    outings
        Its trucks.
    keeper
        `(J,)`: the outing that has the job in the plan being changed, -1 = none.
    """

    problem: CollectionProblem
    jobs: tuple[Job, ...]
    outings: tuple[Outing, ...]
    keeper: tuple[int, ...] = ()
    duration_s: Floats = field(init=False)
    distance_m: Floats = field(init=False)

    def __post_init__(self) -> None:
        places: list[Job | UnloadingSite | Depot | Position] = [*self.jobs, *self.sites]
        places += [one.depot for one in self.outings]
        places += [one.start for one in self.outings]
        matrix = self.problem.matrix(self.problem.snap(places), places)
        object.__setattr__(self, "duration_s", matrix.duration_s)
        object.__setattr__(self, "distance_m", matrix.distance_m)
        if not self.keeper:
            object.__setattr__(self, "keeper", (-1,) * len(self.jobs))

    @property
    def sites(self) -> tuple[UnloadingSite, ...]:
        """Where the crew unloads."""
        return self.problem.unloading_sites

    def row(self, item: int) -> int:
        """Return the matrix row of a job or site (see `Visit.item`)."""
        return item if item >= 0 else len(self.jobs) - 1 - item

    def depot_row(self, outing: int) -> int:
        """Return the matrix row of the outing's depot."""
        return len(self.jobs) + len(self.sites) + outing

    def start_row(self, outing: int) -> int:
        """Return the matrix row of where the outing starts."""
        return self.depot_row(outing) + len(self.outings)

    @cached_property
    def cost(self) -> Floats:
        """`(rows, rows)`: what driving from row to column costs."""
        return COST_OF_SECOND * self.duration_s + COST_OF_METRE * self.distance_m

    def prize(self, job: int) -> float:
        """Return what doing the job today is worth, in the units of `cost`; service is paid back with it."""
        one = self.jobs[job]
        return one.prize_s * COST_OF_DRIVING_SECOND + one.service_s * COST_OF_SECOND

    def drive(self, outing: int, order: Sequence[int], any_time: int | None = None) -> Drive:
        """Return the outing with its times when it visits `order`; unloading and driving home are added at its end.

        Every visit is made as early as can be, from `free_s` on. The window of the job `any_time` is not looked at.
        """
        one = self.outings[outing]
        durations = self._durations
        row, at_s = self.start_row(outing), one.free_s
        volume_m3, load_kg, aboard = one.volume_m3, one.load_kg, one.aboard
        most_m3, most_kg = one.truck.volume_m3 + 1e-9, one.truck.payload_kg + 1e-9
        fits = volume_m3 <= most_m3 and load_kg <= most_kg
        visits = []
        for item in order:
            at_s += durations[row][self.row(item)]
            row = self.row(item)
            if item >= 0:
                earliest_s, latest_s, service_s, more_m3, more_kg = self._job_facts[item]
                if item == any_time:
                    earliest_s, latest_s = -math.inf, math.inf
                leave_s = max(at_s, earliest_s) + service_s
                volume_m3, load_kg, aboard = volume_m3 + more_m3, load_kg + more_kg, True
                fits = fits and leave_s <= latest_s and volume_m3 <= most_m3 and load_kg <= most_kg
            else:
                opens_s, closes_s, unloading_s = self._site_facts[-1 - item]
                leave_s = max(at_s, opens_s) + unloading_s
                volume_m3, load_kg, aboard = 0.0, 0.0, False
                fits = fits and leave_s <= closes_s
            visits.append(Visit(item, at_s, leave_s, volume_m3, load_kg))
            at_s = leave_s
        if aboard:
            site, arrive_s, at_s, open_ = self._last_unloading(outing, row, at_s)
            fits = fits and open_
            row = self.row(-1 - site)
            visits.append(Visit(-1 - site, arrive_s, at_s, 0.0, 0.0))
        at_s += durations[row][self.depot_row(outing)]
        visits.append(Visit(HOME, at_s, at_s, 0.0, 0.0))
        return Drive(tuple(visits), fits and at_s <= one.end_s)

    def waiting_s(self, drive: Drive) -> float:
        """Return the seconds that the truck stands waiting for windows and opening hours."""
        return sum(
            visit.leave_s - visit.arrive_s - self._stay_s(visit.item) for visit in drive.visits if visit.item != HOME
        )

    def last_unloading_s(self, outing: int) -> tuple[Floats, Floats]:
        """Return `(rows,)` seconds and metres from each row to the depot by the quickest site, unloading included.

        From a site itself it is the way home alone: nothing is aboard.
        """
        sites = np.array([self.row(-1 - s) for s in range(len(self.sites))])
        depot = self.depot_row(outing)
        unloading = np.array([site.unloading_s for site in self.sites])
        seconds = self.duration_s[:, sites] + unloading + self.duration_s[sites, depot]
        best = np.argmin(seconds, axis=1)
        rows = np.arange(len(seconds))
        metres = self.distance_m[rows, sites[best]] + self.distance_m[sites[best], depot]
        best_s = seconds[rows, best]
        best_s[sites], metres[sites] = self.duration_s[sites, depot], self.distance_m[sites, depot]
        return best_s, metres

    def _stay_s(self, item: int) -> float:
        return self._job_facts[item][2] if item >= 0 else self._site_facts[-1 - item][2]

    def _last_unloading(self, outing: int, row: int, at_s: float) -> tuple[int, float, float, bool]:
        """Site, arrival, departure and whether it is open, of the unloading that brings the truck home first."""
        best: tuple[bool, float, int, float, float] | None = None
        for site, (opens_s, closes_s, unloading_s) in enumerate(self._site_facts):
            there = self.row(-1 - site)
            arrive_s = at_s + self._durations[row][there]
            leave_s = max(arrive_s, opens_s) + unloading_s
            home_s = leave_s + self._durations[there][self.depot_row(outing)]
            candidate = (leave_s > closes_s, home_s, site, arrive_s, leave_s)
            if best is None or candidate < best:
                best = candidate
        if best is None:
            raise ValueError("a crew has at least one unloading site")
        return best[2], best[3], best[4], not best[0]

    @cached_property
    def _durations(self) -> list[list[float]]:
        # Lists: reading one number of an array costs ten times as much, and `drive` reads them one by one.
        rows: list[list[float]] = self.duration_s.tolist()
        return rows

    @cached_property
    def _job_facts(self) -> list[tuple[float, float, float, float, float]]:
        return [(*window(job), job.service_s, job.volume_m3, job.load_kg) for job in self.jobs]

    @cached_property
    def _site_facts(self) -> list[tuple[float, float, float]]:
        return [(*self.problem.hours(site), site.unloading_s) for site in self.sites]
