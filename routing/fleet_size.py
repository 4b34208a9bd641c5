"""How many trucks a day's work takes, when that is still to be decided: the number with which it costs least."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from city.plans import Plan
from routing.crew import Crew, Order
from routing.judged import judged
from routing.problem import CollectionProblem
from routing.solve import crew_of_day, plan_of_orders
from routing.vrp import search

# The part of the time that each trial of a number gets. With trucks to spare a search goes down sooner and ends higher,
# so the first number that is enough may cost a little more then; each further truck has to save more than noise.
_TRIAL = 0.08
_MOST_TRIALS = 6
_SLOWER, _NOTICEABLE = 0.02, 0.005
# Kept back for writing the plan down, and by the jobs.
_SPARE_S, _SPARE_S_A_JOB = 0.2, 0.0006


def plan_with_fleet(
    problem: CollectionProblem,
    seconds: float,
    seed: int = 0,
    timer: Callable[[], float] = time.perf_counter,
) -> Plan:
    """Return a day plan for as many trucks like the first as are best, found by short trials.

    The time that is left improves the best trial. All jobs are of one stream.

    Parameters
    ----------
    problem
        Its first truck stands for all; of its other trucks nothing is used.
    seconds, seed, timer
        As in `routing.solve.plan_day`.
    """
    ends_s = timer() + seconds - min(0.2 * seconds, _SPARE_S + _SPARE_S_A_JOB * len(problem.jobs))
    trial_s = seconds * _TRIAL
    # With trucks to spare everything is done, and their rounds tell how much work there is.
    few = _fewest(problem)
    best = many = _trial(problem, 2 * few + 2, [], seed, trial_s, timer)
    number = max(few, math.ceil(_work_s(best) / _working_s(best)))
    for _ in range(_MOST_TRIALS):
        if number >= len(many.used) or timer() + 2 * trial_s > ends_s:
            break
        fullest = sorted(many.used, key=len, reverse=True)[:number]
        trial = _trial(problem, number, fullest, seed, trial_s, timer)
        if trial.price <= best.price * (1 + _SLOWER if best is many else 1 - _NOTICEABLE):
            best = trial
        elif best is not many:
            break
        number += 1
    last = _trial(problem, max(1, len(best.used)), best.used, seed, max(0.0, ends_s - timer()), timer)
    last = last if last.price < math.inf else best
    return judged(plan_of_orders(last.crew.problem, [(last.crew, last.orders)]), last.crew.problem)


class _Trial:
    """Orders for a number of trucks; infinitely dear when something that must be done is not."""

    def __init__(self, crew: Crew, orders: Sequence[Order]) -> None:
        self.crew, self.orders = crew, [list(order) for order in orders]
        self.used = [order for order in self.orders if order]
        done = {item for order in self.orders for item in order}
        self.drives = [crew.drive(o, order) for o, order in enumerate(self.orders)]
        complete = all(j in done for j, job in enumerate(crew.jobs) if job.must)
        prices = [crew.price(o, order, self.drives[o]) for o, order in enumerate(self.orders)]
        self.price = sum(prices) if complete and all(one.fits for one in self.drives) else math.inf


def _trial(
    problem: CollectionProblem,
    number: int,
    start: Sequence[Order],
    seed: int,
    seconds: float,
    timer: Callable[[], float],
) -> _Trial:
    ends_s = timer() + seconds
    first = problem.trucks[0]
    trucks = tuple(msgspec.structs.replace(first, id=f"{first.id}-{i + 1}") for i in range(number))
    crew = crew_of_day(replace(problem, trucks=trucks))
    orders = [list(order) for order in start] or [[] for _ in trucks]
    found = search(crew, orders, seed, ends_s - timer(), timer=timer, all_or_nothing=True)
    return _Trial(crew, found)


def _fewest(problem: CollectionProblem) -> int:
    truck = problem.trucks[0]
    volume_m3 = sum(job.volume_m3 for job in problem.jobs)
    most_m3 = truck.volume_per_day_m3 or math.inf
    work_s = sum(job.service_s for job in problem.jobs)
    return max(1, math.ceil(volume_m3 / most_m3), math.ceil(work_s / truck.shift_duration_s))


def _work_s(trial: _Trial) -> float:
    """Return the seconds of driving and working of all trucks, without waiting and breaks."""
    crew = trial.crew
    total_s = 0.0
    for o, (order, drive) in enumerate(zip(trial.orders, trial.drives, strict=True)):
        if order:
            breaks_s = sum(until - since for since, until in drive.breaks)
            total_s += drive.end_s - crew.outings[o].free_s - breaks_s - crew.idle_s(drive)
    return total_s


def _working_s(trial: _Trial) -> float:
    one = trial.crew.outings[0]
    return one.latest_s - one.free_s - sum(duration_s for _, duration_s in one.breaks)
