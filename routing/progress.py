"""How far a truck is, and what that leaves open of its round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from city.places import Truck
from city.plans import Job, Plan, Round, Stop
from routing.clock import Breaks, Interval
from routing.crew import Outing, Position
from routing.geometry import distance_m
from routing.problem import BadProblem, CollectionProblem
from routing.streams import LOOSE
from routing.windows import beginnings

_AT_STOP_M = 60.0


class TruckProgress(msgspec.Struct, frozen=True):
    """What a truck reported last.

    Parameters
    ----------
    truck
        Its id.
    lon, lat
        Where it was, degrees.
    at_s
        When, city time (s since 1970).
    done_jobs
        Ids of the jobs that it has done today.
    next_stop_index
        Index in its round's stops of the one that it drives to or works at; as many as there are stops = it is home.
    volume_m3, load_kg
        What was aboard.
    """

    truck: str
    lon: float
    lat: float
    at_s: float
    done_jobs: tuple[str, ...] = ()
    next_stop_index: int = 0
    volume_m3: float = 0.0
    load_kg: float = 0.0


@dataclass(frozen=True)
class Standing:
    """A truck in the middle of a day: the stops that can no longer change, what it can still do, and what it had to do.

    `outing` is None for a truck that is out and has not been heard of: its round is left alone. `breaks` are those that
    can no longer change either: taken, or due before the truck is free.
    """

    truck: str
    frozen: tuple[Stop, ...] = ()
    rest: tuple[Stop, ...] = ()
    outing: Outing | None = None
    round: Round | None = None
    passed_by: tuple[str, ...] = ()
    stream: str = ""
    breaks: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class Situation:
    """All trucks in the middle of a day, the jobs that are open and those that are done."""

    standings: tuple[Standing, ...]
    open_jobs: tuple[Job, ...]
    jobs: tuple[Job, ...]
    keeper: Mapping[str, str] = field(default_factory=dict)
    passed_by: tuple[str, ...] = ()


def situation_of(
    problem: CollectionProblem,
    plan: Plan,
    progress: Sequence[TruckProgress],
    new_jobs: Sequence[Job],
    given_up: frozenset[str] = frozenset(),
) -> Situation:
    """Return how things stand with a plan.

    Parameters
    ----------
    given_up
        Jobs that stay as they are, unserved.

    Raises
    ------
    BadProblem
        A report speaks of a truck that is not there, of one twice, or of no position.
    """
    jobs = {job.id: job for job in (*plan.jobs, *problem.jobs, *new_jobs)}
    reports = _reports(problem, plan, progress)
    rounds = {one.truck: one for one in plan.rounds}
    fleet = {truck.id for truck in problem.trucks}
    standings = [
        _standing(problem, truck, rounds.get(truck.id), reports.get(truck.id), jobs) for truck in problem.trucks
    ]
    standings += [_broken_down(one, reports.get(one.truck)) for one in plan.rounds if one.truck not in fleet]
    done = {job for report in progress for job in report.done_jobs}
    taken = {stop.job for one in standings for stop in one.frozen if stop.job}
    taken |= {stop.job for one in standings if one.outing is None for stop in one.rest if stop.job}
    passed_by = {job for one in standings for job in one.passed_by} | given_up
    passed_by -= {job.id for job in new_jobs} | done | taken
    open_jobs = [job for job in jobs.values() if job.id not in done | taken | passed_by]
    keeper = {stop.job: one.truck for one in standings for stop in one.rest if stop.job}
    return Situation(tuple(standings), tuple(open_jobs), tuple(jobs.values()), keeper, tuple(sorted(passed_by)))


def _reports(problem: CollectionProblem, plan: Plan, progress: Sequence[TruckProgress]) -> dict[str, TruckProgress]:
    known = {truck.id for truck in problem.trucks} | {one.truck for one in plan.rounds}
    reports: dict[str, TruckProgress] = {}
    for one in progress:
        if one.truck not in known:
            raise BadProblem(
                f"A report speaks of truck {one.truck!r}, which is not there.", "Add the truck to the fleet.", one.truck
            )
        if one.truck in reports:
            raise BadProblem(f"There are two reports of truck {one.truck!r}.", "Give the latest only.", one.truck)
        reports[one.truck] = one
    problem.snap([Position(one.truck, one.lon, one.lat) for one in progress])
    return reports


def _broken_down(round_: Round, report: TruckProgress | None) -> Standing:
    """Return what is left of the round of a truck that is no longer in the fleet: what it did."""
    done = set(report.done_jobs) if report else set()
    driven = [_driven(stop, report.at_s) for stop in round_.stops if stop.job in done] if report else []
    return Standing(round_.truck, (round_.stops[0], *driven) if driven else ())


def _standing(
    problem: CollectionProblem,
    truck: Truck,
    round_: Round | None,
    report: TruckProgress | None,
    jobs: Mapping[str, Job],
) -> Standing:
    if round_ is None:
        return Standing(truck.id, outing=_from_depot(problem, truck, problem.now_s, report))
    stream = _stream(truck, round_, jobs)
    if report is None:
        if problem.now_s > round_.stops[0].leave_s:
            return Standing(truck.id, rest=round_.stops, round=round_, stream=stream)
        report = TruckProgress(truck.id, round_.stops[0].lon, round_.stops[0].lat, problem.now_s)
    done, next_ = set(report.done_jobs), max(0, report.next_stop_index)
    while next_ < len(round_.stops) and round_.stops[next_].job in done:
        next_ += 1
    # A truck that was told of this round on its way has done later stops of it already: they lie behind it too.
    driven = [stop for at, stop in enumerate(round_.stops) if stop.job in done or (at < next_ and not stop.job)]
    passed_by = tuple(stop.job for stop in round_.stops[:next_] if stop.job and stop.job not in done)
    frozen = [_driven(stop, report.at_s) for stop in driven]
    if next_ >= len(round_.stops):
        outing = _from_depot(problem, truck, max(problem.now_s, report.at_s), None)
        outing = replace(outing, collected_m3=sum(jobs[job].volume_m3 for job in done if job in jobs))
        return Standing(
            truck.id, tuple(frozen), outing=outing, passed_by=passed_by, stream=stream, breaks=round_.breaks
        )
    ahead = [stop for stop in round_.stops[next_:] if stop.job not in done]
    # Breaks go by the plan: those that it has begun by now are taken, or being taken.
    here = _is_at(problem, ahead[0], report)
    taken = [one for one in round_.breaks if one[0] < (ahead[0].leave_s if here else report.at_s)]
    breaks = Breaks(problem.breaks(truck)[len(taken) :])
    goes_on_s = max([report.at_s, *(until for _, until in taken if not here)])
    committed = _committed(problem, ahead, report, jobs, goes_on_s if not here else None, breaks)
    rest = tuple(ahead[len(committed) :])
    past = (*taken, *breaks.taken)
    collected_m3 = sum(jobs[job].volume_m3 for job in {*done, *(stop.job for stop in committed)} if job in jobs)
    outing = _outing(problem, truck, [*driven, *committed], breaks.left, collected_m3)
    return Standing(truck.id, (*frozen, *committed), rest, outing, passed_by=passed_by, stream=stream, breaks=past)


def _from_depot(problem: CollectionProblem, truck: Truck, now_s: float, report: TruckProgress | None) -> Outing:
    depot = problem.depot_of[truck.id]
    start_s, end_s = problem.shift(truck)
    volume_m3, load_kg = (report.volume_m3, report.load_kg) if report else (0.0, 0.0)
    start = Position(depot.id, report.lon, report.lat) if report else Position(depot.id, depot.lon, depot.lat)
    free_s = max(start_s, now_s)
    # Whoever waited at the depot has had the breaks that were due.
    breaks = tuple(due for due in problem.breaks(truck) if due[0] >= free_s)
    aboard = volume_m3 > 0 or load_kg > 0
    return Outing(truck, depot, start, free_s, end_s, volume_m3, load_kg, aboard, breaks=breaks)


def _outing(
    problem: CollectionProblem,
    truck: Truck,
    frozen: Sequence[Stop],
    breaks: tuple[tuple[float, float], ...],
    collected_m3: float,
) -> Outing:
    _, end_s = problem.shift(truck)
    committed = frozen[-1]
    since = [stop.kind for stop in frozen]
    last = max((at for at, kind in enumerate(since) if kind in ("unload", "start", "end")), default=-1)
    aboard = committed.volume_m3 > 0 or committed.load_kg > 0 or last < len(since) - 1
    return Outing(
        truck,
        problem.depot_of[truck.id],
        Position(committed.place, committed.lon, committed.lat),
        committed.leave_s,
        end_s,
        committed.volume_m3,
        committed.load_kg,
        aboard=aboard,
        under_way=committed.kind not in ("start", "end"),
        breaks=breaks,
        collected_m3=collected_m3,
    )


def _driven(stop: Stop, at_s: float) -> Stop:
    """Return a stop that lies behind the truck: it was not left after the truck reported to be further."""
    return msgspec.structs.replace(stop, arrive_s=min(stop.arrive_s, at_s), leave_s=min(stop.leave_s, at_s))


def _is_at(problem: CollectionProblem, stop: Stop, report: TruckProgress) -> bool:
    """Say whether the truck is at a stop since it was due there, and still has to be."""
    near = distance_m(report.lon, report.lat, stop.lon, stop.lat) <= _AT_STOP_M
    return bool(near) and stop.kind != "start" and stop.arrive_s <= report.at_s < stop.leave_s


def _committed(
    problem: CollectionProblem,
    ahead: Sequence[Stop],
    report: TruckProgress,
    jobs: Mapping[str, Job],
    goes_on_s: float | None,
    breaks: Breaks,
) -> list[Stop]:
    """Return the stops that nobody can change before now, with the times that are possible.

    The first is the one that the truck drives to, from `goes_on_s` on, or works at (None). A report is older than now:
    what the truck has set out to since, when it goes on as it was told, follows.
    """
    committed: list[Stop] = []
    at = msgspec.structs.replace(ahead[0], lon=report.lon, lat=report.lat, leave_s=goes_on_s or report.at_s)
    at = msgspec.structs.replace(at, volume_m3=report.volume_m3, load_kg=report.load_kg)
    for stop in ahead:
        on_time = goes_on_s is None and not committed
        at = _reached(problem, stop, at, jobs, on_time, breaks)
        committed.append(at)
        if at.leave_s >= problem.now_s:
            break
    committed[-1] = msgspec.structs.replace(at, leave_s=max(at.leave_s, problem.now_s))
    return committed


def _reached(
    problem: CollectionProblem, stop: Stop, before: Stop, jobs: Mapping[str, Job], on_time: bool, breaks: Breaks
) -> Stop:
    """Return a stop with its times and loads when the truck left `before` when it says, or is there on time."""
    here, there = Position(before.place, before.lon, before.lat), Position(stop.place, stop.lon, stop.lat)
    volume_m3, load_kg = before.volume_m3, before.load_kg
    if stop.kind == "start":
        begin_s = max(before.leave_s, stop.leave_s)
        return msgspec.structs.replace(stop, arrive_s=begin_s, leave_s=begin_s)
    job, stay_s = jobs.get(stop.job), 0.0
    if job is not None:
        volume_m3, load_kg = volume_m3 + job.volume_m3, load_kg + job.load_kg
    elif stop.kind == "unload":
        volume_m3 = load_kg = 0.0
    if on_time:
        return msgspec.structs.replace(stop, volume_m3=volume_m3, load_kg=load_kg)
    way_s = float(problem.matrix(problem.snap([here, there]), [here, there]).duration_s[0, 1])
    arrive_s = breaks.after(before.leave_s) + way_s
    if stop.kind == "end":
        return msgspec.structs.replace(stop, arrive_s=arrive_s, leave_s=arrive_s, volume_m3=volume_m3, load_kg=load_kg)
    begin_s = breaks.after(arrive_s)
    if job is not None:
        stay_s = job.service_s
        begin_s = breaks.waiting(begin_s, _first_beginning(problem, job, begin_s))
    for site in problem.unloading_sites:
        if stop.kind == "unload" and site.id == stop.place:
            begin_s, stay_s = breaks.waiting(begin_s, problem.hours(site)[0]), site.unloading_s
    return msgspec.structs.replace(
        stop, arrive_s=arrive_s, leave_s=begin_s + stay_s, volume_m3=volume_m3, load_kg=load_kg
    )


def _first_beginning(problem: CollectionProblem, job: Job, at_s: float) -> float:
    """Return when work can begin for a truck that is there; it does not wait for what will not come."""
    return next((max(first, at_s) for first, last in beginnings(job, problem.no_lifting) if at_s <= last), at_s)


def _stream(truck: Truck, round_: Round, jobs: Mapping[str, Job]) -> str:
    if truck.kind == "grab":
        return LOOSE
    streams = [jobs[stop.job].stream for stop in round_.stops if stop.job in jobs]
    return (streams or [*truck.streams, ""])[0]
