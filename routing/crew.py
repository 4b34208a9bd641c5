"""A crew: trucks that can stand in for each other, the jobs that they share, and travel between all of it by index.

A truck takes one stream a day, and crane trucks and grab vehicles do different jobs; so a problem falls apart into
crews that share nothing, and each is solved by itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from city.places import Depot, Truck, UnloadingSite
from city.plans import Job
from routing.clock import Breaks, Clock, Interval
from routing.geometry import Floats
from routing.problem import CollectionProblem
from routing.windows import beginnings

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

    `under_way` trucks have to be brought home even when nothing is left for them to do. `breaks` are (due, duration) of
    those that are still to be taken; `collected_m3` is what the truck has taken today, unloaded or not.
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
    breaks: tuple[tuple[float, float], ...] = ()
    collected_m3: float = 0.0

    @property
    def latest_s(self) -> float:
        """When the truck must be home, overtime included."""
        return self.end_s + self.truck.overtime_s

    @property
    def day_left_m3(self) -> float:
        """What it may still take today."""
        most = self.truck.volume_per_day_m3
        return math.inf if most is None else most - self.collected_m3


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
    """An order of visits with its times and breaks. `fits` = nothing is late, overloaded or after the shift."""

    visits: tuple[Visit, ...]
    fits: bool
    breaks: tuple[Interval, ...] = ()

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

    @cached_property
    def beginnings(self) -> tuple[tuple[Interval, ...], ...]:
        """When work on each job may begin (see `routing.windows`)."""
        return tuple(beginnings(job, self.problem.no_lifting) for job in self.jobs)

    @cached_property
    def clock(self) -> Clock:
        """The working time that all of the crew shares: without the breaks that each of its trucks still has."""
        breaks = [one.breaks for one in self.outings]
        return Clock(tuple(due for due in breaks[0] if all(due in others for others in breaks)) if breaks else ())

    def row(self, item: int) -> int:
        """Return the matrix row of a job or site (see `Visit.item`)."""
        return item if item >= 0 else len(self.jobs) - 1 - item

    def depot_row(self, outing: int) -> int:
        """Return the matrix row of the outing's depot."""
        return len(self.jobs) + len(self.sites) + outing

    def start_row(self, outing: int) -> int:
        """Return the matrix row of where the outing starts."""
        return self.depot_row(outing) + len(self.outings)

    def prize(self, job: int) -> float:
        """Return what doing the job today is worth, in the problem's prices; service is paid back with it."""
        one, prices = self.jobs[job], self.problem.prices
        return one.prize_s * prices.driving_second + one.service_s * prices.second

    def price(self, outing: int, order: Sequence[int], drive: Drive) -> float:
        """Return what an order costs, in the problem's prices: driving, working, waiting and overtime."""
        one, prices = self.outings[outing], self.problem.prices
        rows = [self.start_row(outing), *(self.row(visit.item) for visit in drive.visits[:-1]), self.depot_row(outing)]
        metres = sum(self._distances[a][b] for a, b in pairwise(rows))
        if not order and not one.under_way:
            return 0.0
        seconds = drive.end_s - one.free_s - sum(until - since for since, until in drive.breaks)
        over_s = max(0.0, drive.end_s - one.end_s)
        return prices.metre * metres + prices.second * seconds + prices.overtime_second * over_s

    def drive(self, outing: int, order: Sequence[int], any_time: int | None = None) -> Drive:
        """Return the outing with its times when it visits `order`; unloading and driving home are added at its end.

        Every visit is made as early as can be, from `free_s` on; a break that is due comes as soon as what the truck
        does is done. The window of the job `any_time` is not looked at.
        """
        one = self.outings[outing]
        durations = self._durations
        breaks = Breaks(one.breaks)
        row, at_s = self.start_row(outing), breaks.after(one.free_s)
        volume_m3, load_kg, aboard = one.volume_m3, one.load_kg, one.aboard
        most_m3, most_kg, left_m3 = one.truck.volume_m3 + 1e-9, one.truck.payload_kg + 1e-9, one.day_left_m3 + 1e-9
        fits = volume_m3 <= most_m3 and load_kg <= most_kg
        visits = []
        for item in order:
            arrive_s = at_s + durations[row][self.row(item)]
            at_s = breaks.after(arrive_s)
            row = self.row(item)
            if item >= 0:
                windows, service_s, more_m3, more_kg = self._job_facts[item]
                if item != any_time:
                    first_s = next((first for first, last in windows if at_s <= last), None)
                    if first_s is not None:
                        at_s = breaks.waiting(at_s, first_s)
                    # A break while it waited may have carried it past the window that it waited for.
                    fits = fits and any(first <= at_s <= last for first, last in windows)
                leave_s = at_s + service_s
                volume_m3, load_kg, aboard = volume_m3 + more_m3, load_kg + more_kg, True
                left_m3 -= more_m3
                fits = fits and volume_m3 <= most_m3 and load_kg <= most_kg and left_m3 >= 0
            else:
                opens_s, closes_s, unloading_s = self._site_facts[-1 - item]
                leave_s = breaks.waiting(at_s, opens_s) + unloading_s
                volume_m3, load_kg, aboard = 0.0, 0.0, False
                fits = fits and leave_s <= closes_s
            visits.append(Visit(item, arrive_s, leave_s, volume_m3, load_kg))
            at_s = breaks.after(leave_s)
        if aboard:
            site = self._last_site(outing, row, at_s)
            there = self.row(-1 - site)
            opens_s, closes_s, unloading_s = self._site_facts[site]
            arrive_s = at_s + durations[row][there]
            leave_s = breaks.waiting(breaks.after(arrive_s), opens_s) + unloading_s
            fits = fits and leave_s <= closes_s
            row = there
            visits.append(Visit(-1 - site, arrive_s, leave_s, 0.0, 0.0))
            at_s = breaks.after(leave_s)
        at_s += durations[row][self.depot_row(outing)]
        visits.append(Visit(HOME, at_s, at_s, 0.0, 0.0))
        return Drive(tuple(visits), fits and at_s <= one.latest_s, tuple(breaks.taken))

    def waiting_s(self, drive: Drive) -> float:
        """Return the seconds that the truck stands waiting for windows and opening hours."""
        return sum(
            visit.leave_s - visit.arrive_s - self._stay_s(visit.item) for visit in drive.visits if visit.item != HOME
        )

    def idle_s(self, drive: Drive) -> float:
        """Return the seconds of waiting, those that a break fills left out."""
        work = sum(self._stay_s(visit.item) for visit in drive.visits if visit.item != HOME)
        stays = sum(visit.leave_s - visit.arrive_s for visit in drive.visits)
        inside = sum(
            until - since
            for since, until in drive.breaks
            if any(visit.arrive_s <= since and until <= visit.leave_s for visit in drive.visits)
        )
        return stays - work - inside

    def last_unloading(self, outing: int) -> tuple[Floats, Floats]:
        """Return `(rows,)` seconds and metres from each row to the depot by the best site, unloading included.

        From a site itself it is the way home alone: nothing is aboard.
        """
        sites = np.array([self.row(-1 - s) for s in range(len(self.sites))])
        depot, prices = self.depot_row(outing), self.problem.prices
        unloading = np.array([site.unloading_s for site in self.sites])
        seconds = self.duration_s[:, sites] + unloading + self.duration_s[sites, depot]
        metres = self.distance_m[:, sites] + self.distance_m[sites, depot]
        rows = np.arange(len(seconds))
        best = np.argmin(prices.second * seconds + prices.metre * metres, axis=1)
        best_s, best_m = seconds[rows, best], metres[rows, best]
        best_s[sites], best_m[sites] = self.duration_s[sites, depot], self.distance_m[sites, depot]
        return best_s, best_m

    def _stay_s(self, item: int) -> float:
        return self._job_facts[item][1] if item >= 0 else self._site_facts[-1 - item][2]

    def _last_site(self, outing: int, row: int, at_s: float) -> int:
        """Return the site of the unloading that brings the truck home at the least price; an open one if any is."""
        depot, prices = self.depot_row(outing), self.problem.prices

        def worth(site: int) -> tuple[bool, float, int]:
            opens_s, closes_s, unloading_s = self._site_facts[site]
            there = self.row(-1 - site)
            leave_s = max(at_s + self._durations[row][there], opens_s) + unloading_s
            home_s = leave_s + self._durations[there][depot] - at_s
            metres = self._distances[row][there] + self._distances[there][depot]
            return leave_s > closes_s, prices.second * home_s + prices.metre * metres, site

        return min(range(len(self.sites)), key=worth)

    @cached_property
    def _durations(self) -> list[list[float]]:
        # Lists: reading one number of an array costs ten times as much, and `drive` reads them one by one.
        rows: list[list[float]] = self.duration_s.tolist()
        return rows

    @cached_property
    def _distances(self) -> list[list[float]]:
        rows: list[list[float]] = self.distance_m.tolist()
        return rows

    @cached_property
    def _job_facts(self) -> list[tuple[tuple[Interval, ...], float, float, float]]:
        return [(self.beginnings[j], job.service_s, job.volume_m3, job.load_kg) for j, job in enumerate(self.jobs)]

    @cached_property
    def _site_facts(self) -> list[tuple[float, float, float]]:
        return [(*self.problem.hours(site), site.unloading_s) for site in self.sites]
