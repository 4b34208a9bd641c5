"""Waste collection instances of Kim, Kim and Sahoo (2006) as collection problems, and a check of their rules.

References
----------
Kim, B.-I., Kim, S., Sahoo, S. (2006). Waste collection vehicle routing problem with time windows. Computers &
Operations Research 33(12), 3624-3642.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from city.errors import BadFile
from city.places import Depot, Truck, UnloadingSite
from city.plans import Job, Plan
from routing.prices import Prices
from routing.problem import CollectionProblem
from routing.travel import TravelTable

_METRES_PER_FOOT = 0.3048
_FEET_PER_MILE = 5280.0
_LUNCH_FROM_S = 11 * 3600.0
# Degrees per foot, so small that every point is near every other; only the order of distances matters for finding one.
_DEGREES_PER_FOOT = 1e-8
_HEADER_LINES = 6
_TRUCK = "truck"


@dataclass(frozen=True)
class Place:
    """A line of an instance: feet, seconds of the day, yards; kind 0 = depot, 1 = stop, 2 = landfill."""

    id: int
    x_feet: float
    y_feet: float
    opens_s: float
    closes_s: float
    service_s: float
    load_yards: float
    kind: int


@dataclass(frozen=True)
class Instance:
    """An instance: its rules and its places."""

    name: str
    capacity_yards: float
    day_yards: float
    most_stops: int
    lunch_s: float
    feet_per_s: float
    places: tuple[Place, ...]

    def of_kind(self, kind: int) -> list[Place]:
        """Return the places of a kind."""
        return [one for one in self.places if one.kind == kind]


def read_instance(path: Path) -> Instance:
    """Read an instance.

    Raises
    ------
    BadFile
        It is not of this form.
    """
    try:
        lines = path.read_text(errors="replace").splitlines()
        rules = [float(line.split("//")[0].split()[0]) for line in lines[: _HEADER_LINES - 1]]
        places = tuple(
            Place(
                int(cells[0]),
                float(cells[1]),
                float(cells[2]),
                _seconds(cells[3]),
                _seconds(cells[4]),
                float(cells[5]),
                float(cells[6]),
                int(cells[7]),
            )
            for cells in (line.split() for line in lines[_HEADER_LINES:])
            if len(cells) >= 8
        )
    except (OSError, ValueError, IndexError) as error:
        raise BadFile(
            f"This is no waste collection instance: {error}.", "Give a *_stop.txt of it.", file=str(path)
        ) from None
    capacity, day, stops, lunch_s, mph = rules
    instance = Instance(path.name, capacity, day, int(stops), lunch_s, mph * _FEET_PER_MILE / 3600.0, places)
    if len(instance.of_kind(0)) != 1 or not instance.of_kind(1) or not instance.of_kind(2):
        raise BadFile("The instance lacks a depot, stops or landfills.", "Give a whole *_stop.txt.", file=str(path))
    return instance


def problem_of(instance: Instance) -> CollectionProblem:
    """Return the instance as a collection problem with one truck that stands for all; only distance has a price."""
    xy = np.array([[one.x_feet, one.y_feet] for one in instance.places])
    feet = np.abs(xy[:, None] - xy[None]).sum(axis=2)
    # Points that differ may lie on one spot: each gets a coordinate of its own.
    lon = np.arange(len(xy)) * _DEGREES_PER_FOOT
    at = {one.id: float(lon[i]) for i, one in enumerate(instance.places)}
    depot = instance.of_kind(0)[0]
    shift_s = depot.closes_s - depot.opens_s
    truck = Truck(
        _TRUCK,
        _TRUCK,
        "crane",
        str(depot.id),
        ("residual",),
        instance.capacity_yards,
        1e6,
        shift_start_hour=depot.opens_s / 3600.0,
        shift_duration_s=shift_s,
        breaks=((_LUNCH_FROM_S / 3600.0, instance.lunch_s / 60.0),) if instance.lunch_s > 0 else (),
        volume_per_day_m3=instance.day_yards,
    )
    jobs = [
        Job(
            str(one.id),
            "empty",
            str(one.id),
            at[one.id],
            0.0,
            "residual",
            volume_m3=one.load_yards,
            service_s=one.service_s,
            earliest_s=one.opens_s,
            latest_s=one.closes_s + one.service_s,
        )
        for one in instance.of_kind(1)
    ]
    sites = [
        UnloadingSite(
            str(one.id),
            str(one.id),
            at[one.id],
            0.0,
            one.opens_s / 3600.0,
            (one.closes_s + one.service_s) / 3600.0,
            one.service_s,
        )
        for one in instance.of_kind(2)
    ]
    return CollectionProblem(
        jobs=tuple(jobs),
        trucks=(truck,),
        depots=(Depot(str(depot.id), "depot", at[depot.id], 0.0),),
        unloading_sites=tuple(sites),
        day_start_s=0.0,
        now_s=depot.opens_s,
        travel=TravelTable(lon, np.zeros(len(xy)), feet / instance.feet_per_s, feet * _METRES_PER_FOOT),
        prices=Prices(second=0, metre=1),
    )


def routes_of(plan: Plan) -> list[list[int]]:
    """Return the routes of a plan as ids of the instance, landfills included and the depot left out."""
    return [[int(stop.place) for stop in one.stops if stop.kind in ("empty", "unload")] for one in plan.rounds]


def check_routes(instance: Instance, routes: list[list[int]]) -> tuple[float, list[str]]:
    """Return the miles of routes and all that the instance forbids of them, on a clock with lunch in it."""
    places = {one.id: one for one in instance.places}
    wrong: list[str] = []
    served = sorted(stop for route in routes for stop in route if places[stop].kind == 1)
    if served != sorted(one.id for one in instance.of_kind(1)):
        wrong.append("not every stop is served once")
    feet = sum(_drive(instance, places, route, wrong) for route in routes)
    return feet / _FEET_PER_MILE, wrong


def _drive(instance: Instance, places: dict[int, Place], route: list[int], wrong: list[str]) -> float:
    depot = instance.of_kind(0)[0]
    here, at_s, feet, aboard, day, ate = depot, depot.opens_s, 0.0, 0.0, 0.0, False

    def eat(at_s: float) -> float:
        nonlocal ate
        if ate or at_s < _LUNCH_FROM_S:
            return at_s
        ate = True
        return at_s + instance.lunch_s

    for place in [*(places[stop] for stop in route), depot]:
        leg = abs(place.x_feet - here.x_feet) + abs(place.y_feet - here.y_feet)
        feet, at_s, here = feet + leg, eat(at_s + leg / instance.feet_per_s), place
        if at_s < place.opens_s:
            if place.opens_s > _LUNCH_FROM_S:
                at_s = eat(max(at_s, _LUNCH_FROM_S))
            at_s = max(at_s, place.opens_s)
        if at_s > place.closes_s + 1.0:
            wrong.append(f"{place.id} is reached after it has closed")
        at_s = eat(at_s + place.service_s)
        if place.kind == 1:
            aboard, day = aboard + place.load_yards, day + place.load_yards
            if aboard > instance.capacity_yards + 1e-6:
                wrong.append(f"{aboard} yards aboard at {place.id}")
        elif place.kind == 2:
            aboard = 0.0
        elif aboard:
            wrong.append("a truck goes home loaded")
    if day > instance.day_yards + 1e-6:
        wrong.append(f"{day} yards in a day")
    if sum(places[stop].kind == 1 for stop in route) > instance.most_stops:
        wrong.append("more stops than a day allows")
    return feet


def _seconds(hhmm: str) -> float:
    value = int(float(hhmm))
    return value // 100 * 3600.0 + min(value % 100, 60) * 60.0
