"""How far each truck is in its round, from what trucks said themselves."""

from collections.abc import Iterable
from typing import NamedTuple

from city.plans import Plan, Round
from city.register import Register
from service.snapshot import Snapshot, Visit


class RoundProgress(NamedTuple):
    """A truck in its round; `next_index` is the stop it drives to (the number of stops when it is back).

    Position is None where the truck has not said it. What is aboard is as planned when it left its last stop, or
    nothing after an unloading that its scales have shown.
    """

    truck: str
    lon: float | None
    lat: float | None
    at_s: float | None
    done_jobs: tuple[str, ...]
    next_index: int
    volume_m3: float
    load_kg: float


def plan_progress(register: Register, plan: Plan, snapshot: Snapshot, since_s: float) -> dict[str, RoundProgress]:
    """Return the progress of every truck that has a round, by truck.

    Parameters
    ----------
    since_s
        Visits before this belong to an older plan.
    """
    visits: dict[str, dict[str, float]] = {}
    for visit in snapshot.visits:
        if visit.at_s >= since_s:
            visits.setdefault(visit.truck, {})[visit.subject] = visit.at_s
    return {one.truck: _round_progress(one, visits.get(one.truck, {}), snapshot) for one in plan.rounds}


def done_jobs(plan: Plan, visits: Iterable[Visit]) -> dict[str, str]:
    """Return the jobs of a plan that are done, each with the truck that did it."""
    by_subject = {visit.subject: visit.truck for visit in visits}
    done: dict[str, str] = {}
    for job in plan.jobs:
        subjects = job.containers or (job.place,)
        if all(subject in by_subject for subject in subjects):
            done[job.id] = by_subject[subjects[-1]]
    return done


def _round_progress(one: Round, visited: dict[str, float], snapshot: Snapshot) -> RoundProgress:
    done: list[str] = []
    next_index, last_at_s = 0, 0.0
    for index, stop in enumerate(one.stops):
        subjects = stop.containers or ((stop.place,) if stop.kind == "clear" else ())
        if stop.job and subjects and all(subject in visited for subject in subjects):
            done.append(stop.job)
            next_index = index + 1
            last_at_s = max(last_at_s, *(visited[subject] for subject in subjects))
    row = snapshot.latest.get((one.truck, "truck"))
    load_kg = row.values.get("load_kg") if row else None
    if next_index == 0 and row and one.stops and row.at_s >= one.stops[0].leave_s:
        next_index = 1
    volume_m3, planned_kg = (0.0, 0.0)
    if next_index > 0:
        volume_m3, planned_kg = one.stops[next_index - 1].volume_m3, one.stops[next_index - 1].load_kg
    at_unloading = next_index < len(one.stops) and one.stops[next_index].kind == "unload"
    if at_unloading and row and row.at_s > last_at_s and load_kg is not None and load_kg < 0.2 * planned_kg:
        next_index += 1
        volume_m3, planned_kg = 0.0, 0.0
    lon, lat = (row.values.get("lon_deg"), row.values.get("lat_deg")) if row else (None, None)
    return RoundProgress(
        one.truck,
        lon,
        lat,
        row.at_s if row else None,
        tuple(done),
        next_index,
        volume_m3,
        planned_kg,
    )
