"""What else asks for another plan than incidents: a stop that was blocked and may be tried again, and wind."""

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from city.findings import OCCASION_KINDS, Evidence, FindingKind, Incident
from city.plans import Job, Plan, Stop
from city.register import Register
from service.progress import RoundProgress
from service.sentences import clock_text, place_name
from service.set_aside import SetAside
from service.weather import Wind, lifting_text, overlapping

TOO_WINDY = "too much wind to lift when its truck would have been there"


def is_occasion(id: str) -> bool:
    """Whether what a proposal was made for is one of these, and no incident of the desk."""
    return id.partition("-")[0] in OCCASION_KINDS


def retries(register: Register, plan: Plan, aside: Mapping[str, SetAside], until_s: float) -> list[Incident]:
    """Return an occasion for each place whose stops may be tried again before `until_s` and are worth it."""
    jobs = {job.id: job for job in plan.jobs}
    found: dict[str, Incident] = {}
    for one in aside.values():
        job = jobs.get(one.job)
        if job is None or one.again_s is None or one.again_s >= until_s or not (job.must or job.prize_s > 0):
            continue
        text = one.text(register, ZoneInfo(register.timezone))
        occasion = _occasion("refused", job.place, f"{one.refusal.at_s:.0f}", job, one.refusal.at_s, "blocked", text)
        found[occasion.id] = occasion
    return list(found.values())


def winds(
    register: Register, plan: Plan, progress: Mapping[str, RoundProgress], wind: Wind, now_s: float
) -> list[Incident]:
    """Return an occasion for each span in which no crane may lift and a round has one lift."""
    jobs = {job.id: job for job in plan.jobs}
    found = {}
    for span in wind.no_lifting(now_s):
        stop = next((stop for stop in _lifts(plan, progress, jobs) if _is_in(stop, jobs, span, now_s)), None)
        if stop is not None:
            key = f"{span[0]:.0f}-{span[1]:.0f}"
            text = lifting_text(wind, span, ZoneInfo(register.timezone))
            one = _occasion("wind", register.city, key, jobs[stop.job], now_s, "wind", text)
            found[one.id] = one
    return list(found.values())


def lifts_in_wind(
    plan: Plan, progress: Mapping[str, RoundProgress], no_lifting: Iterable[tuple[float, float]], now_s: float
) -> dict[str, str]:
    """Return why the stops that cranes are on their way to cannot be done as planned, by job: the wind is too strong.

    Other stops can be given to other times; one that a truck is bound to has to be taken from it first.
    """
    jobs = {job.id: job for job in plan.jobs}
    spans = list(no_lifting)
    found = {}
    for one in plan.rounds:
        how_far = progress.get(one.truck)
        stop = one.stops[how_far.next_index] if how_far and how_far.next_index < len(one.stops) else None
        job = jobs.get(stop.job) if stop else None
        if stop and job and job.kind == "empty" and any(_is_in(stop, jobs, span, now_s) for span in spans):
            found[job.id] = TOO_WINDY
    return found


def trucks_in_wind(
    plan: Plan, progress: Mapping[str, RoundProgress], no_lifting: Iterable[tuple[float, float]], now_s: float
) -> frozenset[str]:
    """Return the trucks whose rounds have a lift at a time at which no crane may: they have to be told another one."""
    jobs = {job.id: job for job in plan.jobs}
    spans = list(no_lifting)
    ahead = _lifts(plan, progress, jobs)
    lifting = {stop.job for stop in ahead if any(_is_in(stop, jobs, span, now_s) for span in spans)}
    return frozenset(one.truck for one in plan.rounds if any(stop.job in lifting for stop in one.stops))


def occasion_part(register: Register, plan: Plan, before: Plan, one: Incident) -> str:
    """Return what a plan does about an occasion, for the reason of a proposal."""
    text = one.evidence[0].text
    if one.kind == "wind":
        planned = {stop.job for round_ in plan.rounds for stop in round_.stops if stop.job}
        left = sum(stop.job not in planned for round_ in before.rounds for stop in round_.stops if stop.job)
        return f"{text}: cranes lift before or after it" + (f", {left} stops are left out" if left else "")
    zone = ZoneInfo(register.timezone)
    left_out = {other.job for other in before.unserved}
    again = {job.id: job for job in plan.jobs if job.place == one.entity and job.id in left_out}
    deeds = [
        f"{place_name(register, round_.truck)} tries again at "
        f"{clock_text(stop.leave_s - again[stop.job].service_s, zone)}"
        for round_ in plan.rounds
        for stop in round_.stops
        if stop.job in again
    ]
    return f"{place_name(register, one.entity)} was {text}: {' and '.join(deeds) or 'nobody can come again today'}"


def tried_again(plan: Plan, before: Plan, place: str) -> bool:
    """Whether a plan has a stop at a place that was in no round before."""
    left_out = {one.job for one in before.unserved if one.place == place}
    return any(stop.job in left_out for one in plan.rounds for stop in one.stops)


def _lifts(plan: Plan, progress: Mapping[str, RoundProgress], jobs: Mapping[str, Job]) -> Iterable[Stop]:
    for one in plan.rounds:
        how_far = progress.get(one.truck)
        done = how_far.done_jobs if how_far else ()
        for stop in one.stops[how_far.next_index if how_far else 0 :]:
            if stop.job in jobs and jobs[stop.job].kind == "empty" and stop.job not in done:
                yield stop


def _is_in(stop: Stop, jobs: Mapping[str, Job], span: tuple[float, float], now_s: float) -> bool:
    # A truck that is late lifts now.
    begins_s = max(stop.leave_s - jobs[stop.job].service_s, now_s)
    ends_s = max(stop.leave_s, now_s + 1.0)
    return overlapping((span,), begins_s, ends_s) is not None


def _occasion(kind: FindingKind, entity: str, key: str, at: Job, at_s: float, cause: str, text: str) -> Incident:
    return Incident(
        id=f"{kind}-{entity}-{key}",
        kind=kind,
        entity=entity,
        lon=at.lon,
        lat=at.lat,
        raised_at_s=at_s,
        cleared_at_s=None,
        cause=cause,
        probability=1.0,
        severity=0.5,
        evidence=(Evidence(text),),
    )
