"""The collection problem: which jobs there are, which trucks may do them, and what a truck must respect."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from city.errors import BadInput
from city.places import Depot, Truck, UnloadingSite
from city.plans import Job
from routing.clock import Interval
from routing.network import Ints
from routing.prices import Prices
from routing.remembered import RememberedTravel
from routing.travel import Matrix, Travel
from routing.windows import beginnings, window

FARTHEST_FROM_STREET_M = 1_000.0


class BadProblem(BadInput):
    """A collection problem that no plan can solve as it stands; `what` is the id of the job, truck or place."""

    def __init__(self, problem: str, fix: str, what: str = "") -> None:
        super().__init__(problem, fix)
        self.what = what


class Unreachable(BadProblem):
    """There is no way over the streets to a place: they are wrong, or closed."""


@dataclass(frozen=True, eq=False)
class CollectionProblem:
    """Jobs, trucks and places of one day, and travel between them as it is now.

    A truck leaves its depot at or after the start of its shift and is back, unloaded, before the end of it. It takes
    one stream a day, so that nothing mixes. Between unloadings neither its volume nor its payload is exceeded. A job
    is begun at or after `earliest_s` and finished by `latest_s`, and its work keeps clear of the times to avoid and of
    those in which the wind forbids lifting; a truck that is early waits. Unloading begins and ends within the hours of
    its site. A break that is due is taken as soon as the way or the work that the truck is at is done.

    Parameters
    ----------
    jobs
        What to collect.
    trucks
        The fleet that is there today.
    depots, unloading_sites
        Where trucks start and end, and where they unload.
    day_start_s
        City time (s since 1970) that hours of shifts and sites count from: local midnight, or on a day whose clocks
        change, what makes the hours after the change those that the clock shows.
    now_s
        City time (s since 1970); nothing is planned before it.
    travel
        Travel times and distances as they are now.
    no_lifting
        (from, until), city time, in which the wind forbids cranes to lift (`routing.windows.too_windy`).
    prices
        What time and distance weigh.

    Raises
    ------
    BadProblem
        No plan can solve this; it names the job, truck or place, and what mends it.
    """

    jobs: tuple[Job, ...]
    trucks: tuple[Truck, ...]
    depots: tuple[Depot, ...]
    unloading_sites: tuple[UnloadingSite, ...]
    day_start_s: float
    now_s: float
    travel: Travel
    no_lifting: tuple[Interval, ...] = ()
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        for name in ("jobs", "trucks", "depots", "unloading_sites"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "no_lifting", tuple(self.no_lifting))
        if not isinstance(self.travel, RememberedTravel):
            object.__setattr__(self, "travel", RememberedTravel(self.travel))
        _check_intervals(self.no_lifting, "The times of too much wind", "")
        for name in ("day_start_s", "now_s"):
            if not math.isfinite(getattr(self, name)):
                raise BadProblem(f"The problem's {name} is no time.", "Give seconds since 1970.")
        self._check_fleet()
        self._check_sites()
        check_jobs(self, self.jobs)

    @cached_property
    def depot_of(self) -> dict[str, Depot]:
        """The depot of each truck, by the truck's id."""
        depots = {one.id: one for one in self.depots}
        return {truck.id: depots[truck.depot] for truck in self.trucks}

    def shift(self, truck: Truck) -> tuple[float, float]:
        """Return when the truck's shift starts and ends, in city time."""
        start_s = self.day_start_s + truck.shift_start_hour * 3600.0
        return start_s, start_s + truck.shift_duration_s

    def breaks(self, truck: Truck) -> tuple[tuple[float, float], ...]:
        """Return (due in city time, duration in seconds) of the truck's breaks that are due within its shift."""
        start_s, end_s = self.shift(truck)
        due = [(self.day_start_s + hour * 3600.0, minutes * 60.0) for hour, minutes in truck.breaks]
        return tuple(one for one in due if start_s < one[0] < end_s)

    def hours(self, site: UnloadingSite) -> tuple[float, float]:
        """Return when the site opens and closes, in city time."""
        return self.day_start_s + site.opens_hour * 3600.0, self.day_start_s + site.closes_hour * 3600.0

    def snap(self, places: Iterable[Any]) -> Ints:
        """Return the points of the travel times that stand for places (anything with id, lon and lat).

        Raises
        ------
        BadProblem
            A place is no position, or too far from every street.
        """
        known = list(places)
        if not known:
            return np.empty(0, dtype=np.int64)
        lon, lat = np.array([one.lon for one in known]), np.array([one.lat for one in known])
        for one, holds in zip(known, np.isfinite(lon) & np.isfinite(lat), strict=True):
            if not holds:
                raise BadProblem(f"{name_of(one)} has no position.", "Give its lon and lat in degrees.", one.id)
        points, away_m = self.travel.snap(lon, lat)
        for one, metres in zip(known, away_m, strict=True):
            if metres > FARTHEST_FROM_STREET_M:
                raise BadProblem(
                    f"{name_of(one)} cannot be reached: the nearest street is {metres / 1000:.1f} km away.",
                    "Correct its coordinates (lon first), or use a road network that covers it.",
                    one.id,
                )
        return points

    def matrix(self, points: Ints, places: Sequence[Any]) -> Matrix:
        """Return travel between points; `places` `(n,)` are what they stand for, to name one that has no way.

        Raises
        ------
        BadProblem
            A travel time or distance is no number, is negative, or there is no way.
        """
        matrix = self.travel.matrix(points)
        for values in (matrix.duration_s, matrix.distance_m):
            bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
            if not len(bad):
                continue
            row, column = (int(i) for i in bad[0])
            if np.isposinf(values[row, column]):
                # The place that is cut off from most others is the one to name.
                worst = int(np.argmax(np.isposinf(values).sum(axis=0) + np.isposinf(values).sum(axis=1)))
                raise Unreachable(
                    f"{name_of(places[worst])} cannot be reached over the streets.",
                    "Correct its coordinates, or the road network around it.",
                    places[worst].id,
                )
            raise BadProblem(
                f"Travel from {name_of(places[row])} to {name_of(places[column])} is {values[row, column]}.",
                "Travel times and distances must be numbers of at least 0.",
                places[column].id,
            )
        return matrix

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def _check_fleet(self) -> None:
        if not self.trucks:
            raise BadProblem("There is no truck.", "Add the trucks that are there today.")
        _check_unique(self.trucks)
        _check_unique(self.depots)
        depots = {one.id for one in self.depots}
        for truck in self.trucks:
            if truck.depot not in depots:
                raise BadProblem(
                    f"The depot {truck.depot!r} of truck {truck.id!r} is not there.", "Add the depot.", truck.id
                )
            for name in ("volume_m3", "payload_kg", "shift_duration_s"):
                if not 0 < getattr(truck, name) < math.inf:
                    raise BadProblem(
                        f"The {name} of truck {truck.id!r} is {getattr(truck, name)}.",
                        "It must be a number above 0.",
                        truck.id,
                    )
            self._check_extras(truck)
            if not math.isfinite(truck.shift_start_hour):
                raise BadProblem(f"The shift of truck {truck.id!r} has no start.", "Give shift_start_hour.", truck.id)
        self.snap(self.depots)

    def _check_extras(self, truck: Truck) -> None:
        if not 0 <= truck.overtime_s < math.inf:
            raise BadProblem(
                f"The overtime_s of truck {truck.id!r} is {truck.overtime_s}.", "It must be at least 0.", truck.id
            )
        if truck.volume_per_day_m3 is not None and not 0 < truck.volume_per_day_m3 < math.inf:
            raise BadProblem(
                f"The volume_per_day_m3 of truck {truck.id!r} is {truck.volume_per_day_m3}.",
                "It must be a number above 0, or None for no limit.",
                truck.id,
            )
        after_hour = -math.inf
        for hour, minutes in truck.breaks:
            if not (after_hour <= hour < math.inf and 0 < minutes < math.inf):
                raise BadProblem(
                    f"The breaks {truck.breaks} of truck {truck.id!r} do not follow each other.",
                    "Give (hour, minutes) in order, none before the one before it is over.",
                    truck.id,
                )
            after_hour = hour + minutes / 60.0

    def _check_sites(self) -> None:
        if not self.unloading_sites:
            raise BadProblem(
                "There is no unloading site, so no truck could go home empty.", "Add the place where trucks unload."
            )
        _check_unique(self.unloading_sites)
        for site in self.unloading_sites:
            if not 0 <= site.unloading_s < math.inf:
                raise BadProblem(
                    f"Unloading at {site.id!r} takes {site.unloading_s} s.", "Give a number of at least 0.", site.id
                )
            if not site.opens_hour * 3600.0 + site.unloading_s <= site.closes_hour * 3600.0:
                raise BadProblem(
                    f"The unloading site {site.id!r} is open from {site.opens_hour} to {site.closes_hour} h: "
                    "too short to unload.",
                    "Correct its hours.",
                    site.id,
                )
        self.snap(self.unloading_sites)


def can_do(truck: Truck, job: Job) -> bool:
    """Say whether the truck is of the kind that the job needs, and takes its stream.

    A crane truck empties containers of its streams. A grab vehicle clears loose waste, whatever its stream: what lies
    beside a container is mixed.
    """
    if job.kind == "clear":
        return truck.kind == "grab"
    return truck.kind == "crane" and job.stream in truck.streams


def check_jobs(problem: CollectionProblem, jobs: Sequence[Job]) -> None:
    """Check jobs against the fleet, the calendar and the streets of a problem.

    Raises
    ------
    BadProblem
        A job is wrong in itself, or nobody could ever do it.
    """
    _check_unique(jobs)
    for job in jobs:
        for name in ("volume_m3", "load_kg", "service_s", "prize_s"):
            if not 0 <= getattr(job, name) < math.inf:
                raise BadProblem(
                    f"The {name} of job {job.id!r} is {getattr(job, name)}.",
                    "It must be a number of at least 0.",
                    job.id,
                )
        if not any(can_do(truck, job) for truck in problem.trucks):
            needed = "grab vehicle" if job.kind == "clear" else f"crane truck that takes {job.stream!r}"
            raise BadProblem(
                f"There is no truck for job {job.id!r}: it needs a {needed}.",
                "Add such a truck, or give one the stream.",
                job.id,
            )
        earliest_s, latest_s = window(job)
        if not earliest_s + job.service_s <= latest_s:
            raise BadProblem(
                f"The window of job {job.id!r} is impossible: {job.service_s:.0f} s of work do not fit between "
                f"{earliest_s:.0f} and {latest_s:.0f}.",
                "Correct earliest_s and latest_s.",
                job.id,
            )
        _check_intervals(job.avoid, f"The times that job {job.id!r} avoids", job.id)
        if not beginnings(job):
            raise BadProblem(
                f"The window of job {job.id!r} is impossible: the times that it avoids leave no {job.service_s:.0f} s "
                "of work in it.",
                "Shorten the times to avoid, or widen earliest_s and latest_s.",
                job.id,
            )
    problem.snap(jobs)


def name_of(place: Any) -> str:
    """Return words that name a job, truck or place in a message."""
    words = {"Job": "Job", "Depot": "Depot", "UnloadingSite": "Unloading site", "Truck": "Truck"}
    return f"{words.get(type(place).__name__, 'Place')} {place.id!r}"


def _check_intervals(intervals: Sequence[Interval], who: str, what: str) -> None:
    for from_s, until_s in intervals:
        if not (math.isfinite(from_s) and from_s < until_s < math.inf):
            raise BadProblem(
                f"{who} hold ({from_s}, {until_s}).",
                "Give (from, until) in seconds since 1970, from before until.",
                what,
            )


def _check_unique(things: Sequence[Any]) -> None:
    seen: set[str] = set()
    for one in things:
        if one.id in seen:
            raise BadProblem(f"{name_of(one)} is there twice.", "Every id must be unique.", one.id)
        seen.add(one.id)
