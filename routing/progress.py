"""How far a truck is, and what that leaves open of its round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from city.places import Truck
from city.plans import Job, Plan, Round, Stop
from routing.crew import Outing, Position
from routing.geometry import distance_m
from routing.problem import BadProblem, CollectionProblem
from routing.streams import LOOSE

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

    `outing` is None for a truck that is out and has not been heard of: its round is left alone.
    """

    truck: str
    frozen: tuple[Stop, ...] = ()
    rest: tuple[Stop, ...] = ()
    outing: Outing | None = None
    round: Round | None = None
    passed_by: tuple[str, ...] = ()
    stream: str = ""


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
        return Standing(truck.id, tuple(frozen), outing=outing, passed_by=passed_by, stream=stream)
    ahead = [stop for stop in round_.stops[next_:] if stop.job not in done]
    committed = _committed(problem, ahead, report, jobs)
    rest = tuple(ahead[len(committed) :])
    outing = _outing(problem, truck, [*driven, *committed])
    return Standing(truck.id, (*frozen, *committed), rest, outing, passed_by=passed_by, stream=stream)


def _from_depot(problem: CollectionProblem, truck: Truck, now_s: float, report: TruckProgress | None) -> Outing:
    depot = problem.depot_of[truck.id]
    start_s, end_s = problem.shift(truck)
    volume_m3, load_kg = (report.volume_m3, report.load_kg) if report else (0.0, 0.0)
    start = Position(depot.id, report.lon, report.lat) if report else Position(depot.id, depot.lon, depot.lat)
    return Outing(
        truck, depot, start, max(start_s, now_s), end_s, volume_m3, load_kg, aboard=volume_m3 > 0 or load_kg > 0
    )


def _outing(problem: CollectionProblem, truck: Truck, frozen: Sequence[Stop]) -> Outing:
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
    )


def _driven(stop: Stop, at_s: float) -> Stop:
    """Return a stop that lies behind the truck: it was not left after the truck reported to be further."""
    return msgspec.structs.replace(stop, arrive_s=min(stop.arrive_s, at_s), leave_s=min(stop.leave_s, at_s))


def _committed(
    problem: CollectionProblem, ahead: Sequence[Stop], report: TruckProgress, jobs: Mapping[str, Job]
) -> list[Stop]:
    """Return the stops that nobody can change before now, with the times that are possible.

    The first is the one that the truck drives to or works at. A report is older than now: what the truck has set out to
    since, when it goes on as it was told, follows.
    """
    committed: list[Stop] = []
    at = msgspec.structs.replace(ahead[0], lon=report.lon, lat=report.lat, leave_s=report.at_s)
    at = msgspec.structs.replace(at, volume_m3=report.volume_m3, load_kg=report.load_kg)
    for stop in ahead:
        at = _reached(problem, stop, at, jobs, may_be_there=not committed)
        committed.append(at)
        if at.leave_s >= problem.now_s:
            break
    committed[-1] = msgspec.structs.replace(at, leave_s=max(at.leave_s, problem.now_s))
    return committed


def _reached(problem: CollectionProblem, stop: Stop, before: Stop, jobs: Mapping[str, Job], may_be_there: bool) -> Stop:
    """Return a stop with its times and loads when the truck left `before` when it says."""
    here, there = Position(before.place, before.lon, before.lat), Position(stop.place, stop.lon, stop.lat)
    begin_s, stay_s, volume_m3, load_kg = before.leave_s, 0.0, before.volume_m3, before.load_kg
    if stop.kind == "start":
        begin_s = max(before.leave_s, stop.leave_s)
        return msgspec.structs.replace(stop, arrive_s=begin_s, leave_s=begin_s)
    is_there = may_be_there and distance_m(here.lon, here.lat, there.lon, there.lat) <= _AT_STOP_M
    on_time = is_there and stop.arrive_s <= before.leave_s < stop.leave_s
    if not on_time:
        begin_s += float(problem.matrix(problem.snap([here, there]), [here, there]).duration_s[0, 1])
    arrive_s = begin_s
    if stop.kind == "unload":
        volume_m3 = load_kg = 0.0
        for site in problem.unloading_sites:
            if site.id == stop.place:
                begin_s, stay_s = max(begin_s, problem.hours(site)[0]), site.unloading_s
    elif stop.job in jobs:
        job = jobs[stop.job]
        begin_s, stay_s = max(begin_s, job.earliest_s or 0.0), job.service_s
        volume_m3, load_kg = volume_m3 + job.volume_m3, load_kg + job.load_kg
    # It is there since it was due, and goes on when it was to.
    times = (stop.arrive_s, stop.leave_s) if on_time else (arrive_s, begin_s + stay_s)
    return msgspec.structs.replace(stop, arrive_s=times[0], leave_s=times[1], volume_m3=volume_m3, load_kg=load_kg)


def _stream(truck: Truck, round_: Round, jobs: Mapping[str, Job]) -> str:
    if truck.kind == "grab":
        return LOOSE
    streams = [jobs[stop.job].stream for stop in round_.stops if stop.job in jobs]
    return (streams or [*truck.streams, ""])[0]
