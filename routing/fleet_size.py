"""How many trucks a day's work takes, when that is still to be decided: the number with which it costs least."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec

from city.plans import Plan
from routing.problem import CollectionProblem
from routing.solve import plan_day

# The part of the time that each trial of a number gets; a number is better when it saves more than the noise of that.
_TRIAL = 0.1
_MOST_TRIALS = 5
_NOTICEABLE = 0.002


def plan_with_fleet(
    problem: CollectionProblem,
    seconds: float,
    seed: int = 0,
    timer: Callable[[], float] = time.perf_counter,
) -> Plan:
    """Return a day plan for as many of the first truck as are best, found by short trials; the rest of time improves it.

    Parameters
    ----------
    problem
        Its first truck stands for all; of its other trucks nothing is used.
    seconds, seed, timer
        As in `routing.solve.plan_day`.
    """
    ends_s = timer() + seconds
    trial_s = seconds * _TRIAL
    # With trucks to spare everything is done, and their rounds tell how much work it is.
    few = _fewest(problem)
    many = plan_day(_with(problem, 2 * few + 2), trial_s, seed, timer=timer)
    work_s = sum(one.duration_s for one in many.rounds)
    number = max(few, min(len(many.rounds), math.floor(work_s / problem.trucks[0].shift_duration_s)))
    best, best_price = many, _price(problem, many)
    for _ in range(_MOST_TRIALS - 1):
        if number >= len(many.rounds) + 1:
            break
        plan = plan_day(_with(problem, number), trial_s, seed, timer=timer)
        price = _price(problem, plan)
        if price < best_price * (1 - _NOTICEABLE):
            best, best_price = plan, price
        elif best is not many:
            break
        number += 1
    trucks = _with(problem, len(best.rounds))
    return plan_day(trucks, ends_s - timer(), seed, start=_renamed(best, trucks), timer=timer)


def _fewest(problem: CollectionProblem) -> int:
    truck = problem.trucks[0]
    volume_m3 = sum(job.volume_m3 for job in problem.jobs)
    work_s = sum(job.service_s for job in problem.jobs)
    most_m3 = truck.volume_per_day_m3 or math.inf
    return max(1, math.ceil(volume_m3 / most_m3), math.ceil(work_s / truck.shift_duration_s))


def _with(problem: CollectionProblem, number: int) -> CollectionProblem:
    first = problem.trucks[0]
    trucks = [msgspec.structs.replace(first, id=f"{first.id}-{i + 1}") for i in range(number)]
    return replace(problem, trucks=tuple(trucks))


def _renamed(plan: Plan, problem: CollectionProblem) -> Plan:
    rounds = [
        msgspec.structs.replace(one, truck=truck.id) for one, truck in zip(plan.rounds, problem.trucks, strict=True)
    ]
    return msgspec.structs.replace(plan, rounds=tuple(rounds))


def _price(problem: CollectionProblem, plan: Plan) -> float:
    missing = {one.job for one in plan.unserved}
    if any(job.must and job.id in missing for job in problem.jobs):
        return math.inf
    return problem.prices.second * plan.duration_s + problem.prices.metre * plan.distance_m
