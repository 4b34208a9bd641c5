"""How far each truck is in its round, from what trucks said themselves."""

from collections.abc import Iterable
from typing import NamedTuple

from city.plans import Plan, Round
from city.register import Register
from routing.geometry import distance_m
from service.snapshot import Snapshot, Visit

# No truck says that it is home: one that is this close to where its round ends is.
_HOME_M = 150.0


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


def plan_progress(
    register: Register, plan: Plan, snapshot: Snapshot, since_s: float, told_at_s: float
) -> dict[str, RoundProgress]:
    """Return the progress of every truck that has a round, by truck.

    Parameters
    ----------
    since_s
        Visits before this belong to an older day.
    told_at_s
        When trucks were told of this plan. Until then, and for the stop that it was at or on its way to, a truck
        followed another order: that it did a later stop does not say that it passed by those before it.
    """
    visits: dict[str, dict[str, float]] = {}
    for visit in snapshot.visits:
        if visit.at_s >= since_s:
            visits.setdefault(visit.truck, {})[visit.subject] = visit.at_s
    return {one.truck: _round_progress(one, visits.get(one.truck, {}), snapshot, told_at_s) for one in plan.rounds}


def done_jobs(plan: Plan, visits: Iterable[Visit]) -> dict[str, str]:
    """Return the jobs of a plan that are done, each with the truck that did it."""
    by_subject = {visit.subject: visit.truck for visit in visits}
    done: dict[str, str] = {}
    for job in plan.jobs:
        subjects = job.containers or (job.place,)
        if all(subject in by_subject for subject in subjects):
            done[job.id] = by_subject[subjects[-1]]
    return done


def _round_progress(one: Round, visited: dict[str, float], snapshot: Snapshot, told_at_s: float) -> RoundProgress:
    done_at_s = _done_at_s(one, visited)
    as_told = sorted((at_s, index) for index, at_s in done_at_s.items() if at_s > told_at_s)[1:]
    next_index = _undone(one, done_at_s, max((index + 1 for _, index in as_told), default=0))
    row = snapshot.latest.get((one.truck, "truck"))
    load_kg = row.values.get("load_kg") if row else None
    if next_index == 0 and row and one.stops and row.at_s >= one.stops[0].leave_s:
        next_index = 1
    volume_m3, planned_kg = _aboard(one, done_at_s, next_index)
    at_unloading = next_index < len(one.stops) and one.stops[next_index].kind == "unload"
    last_at_s = max(done_at_s.values(), default=0.0)
    if at_unloading and row and row.at_s > last_at_s and load_kg is not None and load_kg < 0.2 * planned_kg:
        next_index = _undone(one, done_at_s, next_index + 1)
        volume_m3, planned_kg = _aboard(one, done_at_s, next_index)
    lon, lat = (row.values.get("lon_deg"), row.values.get("lat_deg")) if row else (None, None)
    is_last = next_index == len(one.stops) - 1 and one.stops[next_index].kind == "end"
    if is_last and row and row.at_s > last_at_s and lon is not None and lat is not None:
        end = one.stops[next_index]
        next_index += int(distance_m(lon, lat, end.lon, end.lat) <= _HOME_M)
    return RoundProgress(
        one.truck,
        lon,
        lat,
        row.at_s if row else None,
        tuple(one.stops[index].job for index in done_at_s),
        next_index,
        volume_m3,
        planned_kg,
    )


def _done_at_s(one: Round, visited: dict[str, float]) -> dict[int, float]:
    """Return when each stop with a job was done, by its index; those that are not done are not there."""
    done_at_s: dict[int, float] = {}
    for index, stop in enumerate(one.stops):
        subjects = stop.containers or ((stop.place,) if stop.kind == "clear" else ())
        if stop.job and subjects and all(subject in visited for subject in subjects):
            done_at_s[index] = max(visited[subject] for subject in subjects)
    return done_at_s


def _undone(one: Round, done_at_s: dict[int, float], index: int) -> int:
    """Return the first stop from `index` on that is still to be made, when no truck passes by one."""
    while index < len(one.stops):
        before_s = max((at_s for other, at_s in done_at_s.items() if other < index), default=0.0)
        is_left = one.stops[index].kind in ("start", "unload") and any(
            other > index and at_s > before_s for other, at_s in done_at_s.items()
        )
        if index not in done_at_s and not is_left:
            break
        index += 1
    return index


def _aboard(one: Round, done_at_s: dict[int, float], next_index: int) -> tuple[float, float]:
    """Return m³ and kg aboard as planned: those of the stop before, and of later stops that are done already."""
    if next_index == 0:
        return 0.0, 0.0
    before = one.stops[next_index - 1]
    later = [index for index in done_at_s if index > next_index]
    return (
        before.volume_m3 + sum(one.stops[index].volume_m3 - one.stops[index - 1].volume_m3 for index in later),
        before.load_kg + sum(one.stops[index].load_kg - one.stops[index - 1].load_kg for index in later),
    )
