"""A small town for tests: a grid of two-way streets, a depot, an unloading site, four trucks, jobs at its corners."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from city.places import Depot, Truck, UnloadingSite
from city.plans import Job, Plan, Stop
from routing.network import Network
from routing.problem import CollectionProblem
from routing.progress import TruckProgress
from routing.travel import TravelTimes

LON, LAT = 6.56, 53.21
STEP_LON, STEP_LAT = 0.003, 0.0018  # 200 m each way
SIDE = 12
DAY_S = 1_772_406_000.0
SEVEN_S = DAY_S + 7 * 3600.0


def grid(side: int = SIDE, speed_kph: float = 30.0) -> Network:
    lon = LON + STEP_LON * np.tile(np.arange(side), side)
    lat = LAT + STEP_LAT * np.repeat(np.arange(side), side)
    number = np.arange(side * side).reshape(side, side)
    a = np.r_[number[:, :-1].ravel(), number[:-1].ravel()]
    b = np.r_[number[:, 1:].ravel(), number[1:].ravel()]
    n = len(a) * 2
    return Network(lon, lat, np.r_[a, b], np.r_[b, a], np.full(n, 200.0), np.full(n, speed_kph))


NETWORK = grid()


def corner(column: int, row: int) -> tuple[float, float]:
    return LON + STEP_LON * column, LAT + STEP_LAT * row


def job(id_: str, column: int, row: int, **changes: Any) -> Job:
    lon, lat = corner(column, row)
    kind = changes.pop("kind", "empty")
    facts: dict[str, Any] = {"volume_m3": 3.0, "load_kg": 250.0, "stream": "residual", "containers": (f"{id_}-1",)}
    if kind == "clear":
        facts |= {"volume_m3": 1.0, "load_kg": 80.0, "containers": ()}
    return Job(id=id_, kind=kind, place=f"at-{id_}", lon=lon, lat=lat, **(facts | changes))


def some_jobs(n: int, seed: int = 0, **changes: Any) -> tuple[Job, ...]:
    rng = np.random.default_rng(seed)
    corners = rng.choice(SIDE * SIDE, size=n, replace=False)
    return tuple(job(f"job-{i}", int(c) % SIDE, int(c) // SIDE, **changes) for i, c in enumerate(corners))


DEPOT = Depot("depot", "Depot", *corner(0, 0))
SITE = UnloadingSite("site", "Site", *corner(11, 0))


def crane(id_: str = "crane-1", **changes: Any) -> Truck:
    facts: dict[str, Any] = {"streams": ("residual",), "volume_m3": 60.0, "payload_kg": 4000.0}
    return Truck(id=id_, name=id_, kind="crane", depot="depot", **(facts | changes))


def grab(id_: str = "grab-1", **changes: Any) -> Truck:
    facts: dict[str, Any] = {"streams": ("residual",), "volume_m3": 12.0, "payload_kg": 3000.0}
    return Truck(id=id_, name=id_, kind="grab", depot="depot", **(facts | changes))


FLEET = (crane("crane-1"), crane("crane-2"), grab("grab-1"), grab("grab-2"))


def problem(jobs: tuple[Job, ...] = (), **changes: Any) -> CollectionProblem:
    facts: dict[str, Any] = {
        "jobs": jobs,
        "trucks": FLEET,
        "depots": (DEPOT,),
        "unloading_sites": (SITE,),
        "day_start_s": DAY_S,
        "now_s": SEVEN_S - 600.0,
        "travel": TravelTimes(NETWORK),
    }
    return CollectionProblem(**(facts | changes))


def stops_of(plan: Plan, truck: str) -> list[Stop]:
    return [stop for one in plan.rounds if one.truck == truck for stop in one.stops]


def truck_of(plan: Plan) -> dict[str, str]:
    return {stop.job: one.truck for one in plan.rounds for stop in one.stops if stop.job}


def reported(plan: Plan, at_s: float) -> tuple[TruckProgress, ...]:
    """What trucks report at `at_s` when everything went as planned."""
    reports = []
    for one in plan.rounds:
        done = [i for i, stop in enumerate(one.stops) if stop.leave_s <= at_s]
        if not done:
            continue
        last = one.stops[done[-1]]
        jobs = tuple(one.stops[i].job for i in done if one.stops[i].job)
        reports.append(
            TruckProgress(one.truck, last.lon, last.lat, at_s, jobs, done[-1] + 1, last.volume_m3, last.load_kg)
        )
    return tuple(reports)


def later(day: CollectionProblem, now_s: float, **changes: Any) -> CollectionProblem:
    return replace(day, now_s=now_s, **changes)


def with_stop(plan: Plan, truck: str, index: int, **changes: Any) -> Plan:
    """The plan with one stop changed."""
    rounds = []
    for one in plan.rounds:
        stops = list(one.stops)
        if one.truck == truck:
            stops[index] = msgspec.structs.replace(stops[index], **changes)
        rounds.append(msgspec.structs.replace(one, stops=tuple(stops)))
    return msgspec.structs.replace(plan, rounds=tuple(rounds))


def with_stops(plan: Plan, truck: str, stops: list[Stop]) -> Plan:
    """The plan with other stops in one round."""
    rounds = [msgspec.structs.replace(one, stops=tuple(stops)) if one.truck == truck else one for one in plan.rounds]
    return msgspec.structs.replace(plan, rounds=tuple(rounds))
