"""Stops that leave the rounds of today at once, because somebody was there and could not, or need not, do them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec

from city.plans import Job, Plan, Round, Stop, Unserved
from city.register import Register
from routing.leftover import PASSED_BY
from service.refusals import Refusal
from service.sentences import clock_text, place_name

_WORDS = {
    "blocked": "it was blocked",
    "not_needed": "it was not needed",
    "unsafe": "it was not safe",
    None: "no reason that is known was given",
}
_ROUNDING = 1e-9
_SECOND_S = 1.0


@dataclass(frozen=True)
class SetAside:
    """A job that a refusal concerns; `again_s` is from when it may be tried again, None = not today."""

    job: str
    refusal: Refusal
    again_s: float | None

    def text(self, register: Register, timezone: ZoneInfo) -> str:
        """Return why it is in no round."""
        who = place_name(register, self.refusal.truck) if self.refusal.truck else "the desk"
        said = f"refused at {clock_text(self.refusal.at_s, timezone)}: {_WORDS[self.refusal.reason]}, says {who}"
        return f"{said} (may be tried from {clock_text(self.again_s, timezone)})" if self.again_s else said


def refused_jobs(
    plan: Plan,
    refusals: Sequence[Refusal],
    done: Collection[str],
    since_s: float,
    timezone: ZoneInfo,
    before: Mapping[str, SetAside] | None = None,
) -> dict[str, SetAside]:
    """Return the jobs of a plan that are not to be driven to as planned, by job.

    What a truck says holds for its own stop there, whenever that was planned. What the desk says, and that a street
    is blocked or not safe, holds for every stop that is planned before it may be tried again.

    Parameters
    ----------
    done
        Jobs that are done: they were not refused.
    since_s
        Refusals before this were of another day.
    before
        What was set aside of the plan that this one took the place of: a job that was given up for today stays so when
        another truck has it now.
    """
    found: dict[str, SetAside] = {}
    planned = {stop.job: (one.truck, stop) for one in plan.rounds for stop in one.stops if stop.job}
    # A plan that was made since knows what is not to be tried again today, and has only these words for it.
    given_up = {one.job for one in plan.unserved if one.reason == PASSED_BY}
    of_place: dict[str, list[Refusal]] = {}
    for one in refusals:
        if one.at_s >= since_s:
            of_place.setdefault(one.place, []).append(one)
    for job in plan.jobs:
        for said in of_place.get(job.place, ()) if job.id not in done else ():
            again_s = said.again_s(timezone)
            if job.id in planned:
                concerns = _concerns(said, again_s, plan, job, *planned[job.id])
            else:
                concerns = job.id in given_up and plan.made_at_s > said.at_s
            if concerns:
                found[job.id] = SetAside(job.id, said, again_s)
        known = (before or {}).get(job.id)
        if known and known.again_s is None and known.refusal.at_s >= since_s and job.id not in done:
            found.setdefault(job.id, known)
    return found


def without(plan: Plan, aside: Mapping[str, str]) -> Plan:
    """Return the plan without the stops of jobs, which stand among the unserved with the reason given.

    Times stay as they were planned: later than they need to be, and still possible.

    Parameters
    ----------
    aside
        Reason by job.
    """
    if not aside:
        return plan
    jobs = {job.id: job for job in plan.jobs}
    planned = {stop.job for one in plan.rounds for stop in one.stops if stop.job}
    unserved = [
        msgspec.structs.replace(one, reason=aside[one.job]) if one.job in aside and one.reason == PASSED_BY else one
        for one in plan.unserved
    ]
    unserved += [Unserved(id, jobs[id].place, why) for id, why in aside.items() if id in planned and id in jobs]
    rounds = tuple(_round_without(one, aside, jobs) for one in plan.rounds)
    return msgspec.structs.replace(plan, rounds=rounds, unserved=tuple(unserved))


def for_the_solver(plan: Plan, given_up: Collection[str]) -> Plan:
    """Return the plan in which jobs that are not to be tried again today are said to have been passed by."""
    return msgspec.structs.replace(
        plan,
        unserved=tuple(
            msgspec.structs.replace(one, reason=PASSED_BY) if one.job in given_up else one for one in plan.unserved
        ),
    )


def _concerns(said: Refusal, again_s: float | None, plan: Plan, job: Job, truck: str, stop: Stop) -> bool:
    own = said.truck == truck
    if said.reason in ("not_needed", None) and said.truck and not own:
        return False
    if own and plan.made_at_s <= said.at_s:
        return True
    # A plan that was made since knows of it: its truck may be there sooner, and waits.
    return again_s is None or stop.leave_s - job.service_s < again_s - _SECOND_S


def _round_without(one: Round, aside: Mapping[str, str], jobs: Mapping[str, Job]) -> Round:
    if not any(stop.job in aside for stop in one.stops):
        return one
    stops: list[Stop] = []
    less_m3 = less_kg = 0.0
    for stop in one.stops:
        if stop.kind == "unload":
            # Nothing to unload is no reason to drive there.
            empty = stops and stops[-1].volume_m3 <= _ROUNDING and stops[-1].load_kg <= _ROUNDING
            if (less_m3 or less_kg) and empty and stops[-1].kind in ("start", "unload"):
                less_m3 = less_kg = 0.0
                continue
            less_m3 = less_kg = 0.0
        if stop.job in aside:
            if job := jobs.get(stop.job):
                less_m3, less_kg = less_m3 + job.volume_m3, less_kg + job.load_kg
            continue
        volume_m3, load_kg = max(0.0, stop.volume_m3 - less_m3), max(0.0, stop.load_kg - less_kg)
        stops.append(msgspec.structs.replace(stop, volume_m3=volume_m3, load_kg=load_kg))
    return msgspec.structs.replace(one, stops=tuple(stops))
