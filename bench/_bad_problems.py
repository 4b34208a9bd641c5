"""Collection problems that no plan can solve: each has to be named, with what mends it, and none may crash."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from city.places import Depot, Truck, UnloadingSite
from city.plans import Job
from routing.check import check_plan
from routing.problem import BadProblem, CollectionProblem
from routing.solve import plan_day
from routing.travel import TravelTable

_DAY_S = 1_772_406_000.0
_SIDE = 6
_STEP = 0.002
_NAN, _INF = float("nan"), float("inf")
change = msgspec.structs.replace


def run(quick: bool) -> dict[str, Any]:
    """Return for each bad problem what was said, and whether that names what is wrong."""
    del quick
    good = _good()
    cases: dict[str, tuple[Callable[[], CollectionProblem], str]] = {
        "no truck for a stream": (lambda: _job(good, stream="glass"), "job-0"),
        "no grab vehicle for loose waste": (lambda: _job(good, kind="clear"), "job-0"),
        "unreachable stop": (lambda: _travel(good, _INF), "job-0"),
        "impossible window": (lambda: _job(good, earliest_s=100.0, latest_s=50.0), "job-0"),
        "window shorter than the work": (lambda: _job(good, earliest_s=100.0, latest_s=110.0), "job-0"),
        "times to avoid leave nothing": (
            lambda: _job(good, earliest_s=0.0, latest_s=900.0, avoid=((0.0, 900.0),)),
            "job-0",
        ),
        "empty fleet": (lambda: replace(good, trucks=()), ""),
        "NaN in the matrix": (lambda: _travel(good, _NAN), "job-0"),
        "negative travel time": (lambda: _travel(good, -1.0), "job-0"),
        "the same id twice": (lambda: replace(good, jobs=(*good.jobs, good.jobs[0])), "job-0"),
        "the same truck twice": (lambda: replace(good, trucks=(*good.trucks, good.trucks[0])), "truck"),
        "zero capacity": (lambda: _truck(good, volume_m3=0.0), "truck"),
        "NaN payload": (lambda: _truck(good, payload_kg=_NAN), "truck"),
        "no shift": (lambda: _truck(good, shift_duration_s=0.0), "truck"),
        "breaks that overlap": (lambda: _truck(good, breaks=((10.0, 30.0), (10.2, 30.0))), "truck"),
        "no such depot": (lambda: _truck(good, depot="elsewhere"), "truck"),
        "no unloading site": (lambda: replace(good, unloading_sites=()), ""),
        "a site that is never open": (lambda: _site(good, opens_hour=9.0, closes_hour=9.0), "site"),
        "a stop without a position": (lambda: _job(good, lon=_NAN), "job-0"),
        "a stop in the sea": (lambda: _job(good, lon=3.0), "job-0"),
        "a load below zero": (lambda: _job(good, load_kg=-1.0), "job-0"),
        "a NaN prize": (lambda: _job(good, prize_s=_NAN), "job-0"),
        "no time": (lambda: replace(good, now_s=_NAN), ""),
        "too much wind the wrong way round": (lambda: replace(good, no_lifting=((5.0, 1.0),)), ""),
    }
    said = {name: _said(make, what) for name, (make, what) in cases.items()}
    left_out = {name: _left_out(make()) for name, make in _overfull(good).items()}
    return {
        "cases": len(said) + len(left_out),
        "named": sum(one["named"] for one in said.values()) + sum(one["named"] for one in left_out.values()),
        "said": said,
        "left_out": left_out,
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"{figures['named']} of {figures['cases']} named.", "", "| problem | what is said |", "| --- | --- |"]
    lines += [f"| {name} | {one['says']} |" for name, one in {**figures["said"], **figures["left_out"]}.items()]
    return "\n".join(lines)


def _said(make: Callable[[], CollectionProblem], what: str) -> dict[str, Any]:
    try:
        plan_day(make(), iterations=5)
    except BadProblem as error:
        return {"named": error.what == what and bool(error.fix), "says": str(error)}
    return {"named": False, "says": "nothing"}


def _left_out(problem: CollectionProblem) -> dict[str, Any]:
    plan = plan_day(problem, iterations=20)
    done = {stop.job for one in plan.rounds for stop in one.stops}
    told = {one.job for one in plan.unserved if one.reason}
    lost = [job.id for job in problem.jobs if job.id not in done | told]
    reasons = sorted({one.reason for one in plan.unserved})
    holds = not check_plan(plan, problem).violations
    return {"named": holds and not lost and bool(told), "says": f"{len(told)} left out: {'; '.join(reasons)}"}


def _overfull(good: CollectionProblem) -> dict[str, Callable[[], CollectionProblem]]:
    return {
        "more than fits into the shift": lambda: _truck(good, shift_duration_s=2700.0),
        "a job larger than any truck": lambda: _job(good, volume_m3=500.0),
        "a window that is over": lambda: _job(good, latest_s=_DAY_S + 3600.0),
        "a storm all day": lambda: replace(good, no_lifting=((_DAY_S, _DAY_S + 86_400.0),)),
    }


def _good() -> CollectionProblem:
    n = _SIDE * _SIDE
    lon, lat = 6.56 + _STEP * (np.arange(n) % _SIDE), 53.21 + _STEP * (np.arange(n) // _SIDE)
    metres = (np.abs(lon[:, None] - lon) + np.abs(lat[:, None] - lat)) * 90_000.0
    places = list(zip(lon.tolist(), lat.tolist(), strict=True))
    jobs = tuple(
        Job(f"job-{i}", "empty", f"at-{i}", *places[i], "residual", (f"c-{i}",), 3.0, 250.0) for i in range(n - 2)
    )
    return CollectionProblem(
        jobs,
        (Truck("truck", "Truck", "crane", "depot", ("residual",), 60.0, 9000.0),),
        (Depot("depot", "Depot", *places[n - 1]),),
        (UnloadingSite("site", "Site", *places[n - 2]),),
        _DAY_S,
        _DAY_S + 6.5 * 3600.0,
        TravelTable(lon, lat, metres / 8.0, metres),
    )


def _job(good: CollectionProblem, **changes: Any) -> CollectionProblem:
    return replace(good, jobs=(change(good.jobs[0], **changes), *good.jobs[1:]))


def _truck(good: CollectionProblem, **changes: Any) -> CollectionProblem:
    return replace(good, trucks=(change(good.trucks[0], **changes),))


def _site(good: CollectionProblem, **changes: Any) -> CollectionProblem:
    return replace(good, unloading_sites=(change(good.unloading_sites[0], **changes),))


def _travel(good: CollectionProblem, value: float) -> CollectionProblem:
    points = np.arange(_SIDE * _SIDE)
    matrix = good.travel.matrix(points)
    duration_s = matrix.duration_s.copy()
    duration_s[:, 0], duration_s[0, 0] = value, 0.0
    lon, lat = 6.56 + _STEP * (points % _SIDE), 53.21 + _STEP * (points // _SIDE)
    return replace(good, travel=TravelTable(lon, lat, duration_s, matrix.distance_m))
