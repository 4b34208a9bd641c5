"""The independent check of a plan: it shares no code with what makes plans, and recomputes everything."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from city.places import Truck, UnloadingSite
from city.plans import Job, Plan, Round, Stop
from routing.geometry import distance_m
from routing.problem import CollectionProblem
from routing.progress import TruckProgress

# Times are compared to the second, loads to the gram: less is rounding.
_SECONDS = 1.0
_AMOUNT = 1e-6
_METRES = 5.0
# A truck that reports from this near to its stop, while it is due there, stands at it: positions waver.
_BESIDE_M = 75.0


@dataclass(frozen=True)
class CheckReport:
    """What is wrong with a plan (nothing: it is valid), its size recomputed, and its cost in the problem's prices."""

    violations: list[str]
    distance_m: float
    duration_s: float
    cost: float = 0.0

    @property
    def valid(self) -> bool:
        """Nothing is wrong."""
        return not self.violations


def check_plan(
    plan: Plan, problem: CollectionProblem, progress: Sequence[TruckProgress] = (), before: Plan | None = None
) -> CheckReport:
    """Return everything that is wrong with a plan, recomputed from the problem and its travel times.

    Each job stands in one round or, with a reason, among the unserved; its truck is of the right kind and stream; no
    volume and no payload is exceeded between unloadings; trucks unload before they go home, within opening hours;
    windows, times to keep away, times of too much wind, breaks, shifts and a day's volume hold; no stop is reached or
    left earlier than possible; distances and durations are right; and in a changed plan what is driven, and the stop
    that each truck is committed to, are as they were.

    Parameters
    ----------
    plan
        What to check.
    problem
        The day that it is for, with travel as it was known when the plan was made.
    progress
        The reports that a changed plan was made from.
    before
        The plan that it changes. Without it what is driven is told by the plan's own times, and what must not change
        is not checked.
    """
    checker = _Checker(plan, problem, progress, before)
    checker.check()
    return CheckReport(checker.violations, checker.distance_m, checker.duration_s, checker.cost)


class _Checker:
    def __init__(
        self, plan: Plan, problem: CollectionProblem, progress: Sequence[TruckProgress], before: Plan | None
    ) -> None:
        self.plan = plan
        self.problem = problem
        self.before = before
        self.reports = {one.truck: one for one in progress}
        # A changed plan whose predecessor is not given is its own predecessor.
        known = before or (plan if plan.based_on else None)
        self.rounds_before = {one.truck: one for one in known.rounds} if known else {}
        self.jobs: dict[str, Job] = {job.id: job for job in problem.jobs}
        self.jobs |= {job.id: job for job in plan.jobs if job.id not in self.jobs}
        self.trucks: dict[str, Truck] = {truck.id: truck for truck in problem.trucks}
        self.sites: dict[str, UnloadingSite] = {site.id: site for site in problem.unloading_sites}
        self.depots = {depot.id: depot for depot in problem.depots}
        self.violations: list[str] = []
        self.distance_m = 0.0
        self.duration_s = 0.0
        self.cost = 0.0

    def check(self) -> None:
        self._check_jobs()
        for truck, count in Counter(one.truck for one in self.plan.rounds).items():
            self._demand(count == 1, f"truck {truck} has {count} rounds")
        for one in self.plan.rounds:
            if self._numbers_are_numbers(one):
                self._check_round(one)
        missing = set(self.rounds_before) & set(self.reports) - {one.truck for one in self.plan.rounds}
        for truck in sorted(missing):
            driven = self._frozen_before(truck)
            self._demand(len(driven) <= 1, f"truck {truck} has lost the round that it is driving")

    def _check_jobs(self) -> None:
        placed = Counter(stop.job for one in self.plan.rounds for stop in one.stops if stop.job)
        unserved = Counter(one.job for one in self.plan.unserved)
        done = {job for report in self.reports.values() for job in report.done_jobs}
        for job, count in placed.items():
            self._demand(job in self.jobs, f"job {job} is in a round but not in the problem")
            self._demand(count == 1, f"job {job} is done {count} times")
            self._demand(job not in unserved, f"job {job} is in a round and among the unserved")
        for job, count in unserved.items():
            self._demand(job in self.jobs, f"job {job} is unserved but not in the problem")
            self._demand(count == 1, f"job {job} is unserved {count} times")
        for one in self.plan.unserved:
            self._demand(bool(one.reason.strip()), f"job {one.job} is unserved without a reason")
        for job in self.jobs:
            accounted = job in placed or job in unserved or job in done
            self._demand(accounted, f"job {job} is neither in a round nor among the unserved")

    def _numbers_are_numbers(self, one: Round) -> bool:
        numbers = [one.distance_m, one.duration_s, *(moment for pause in one.breaks for moment in pause)]
        for stop in one.stops:
            numbers += [stop.lon, stop.lat, stop.arrive_s, stop.leave_s, stop.volume_m3, stop.load_kg]
        holds = all(math.isfinite(number) for number in numbers)
        self._demand(holds, f"the round of truck {one.truck} holds something that is no number")
        self._demand(len(one.stops) >= 2, f"the round of truck {one.truck} has no start and end")
        return holds and len(one.stops) >= 2

    def _check_round(self, one: Round) -> None:
        who = f"truck {one.truck}"
        frozen = self._frozen(one)
        duration_s, distance_m = self._legs(one.stops)
        self._check_size(one, distance_m)
        if one.truck in self.rounds_before and one.truck not in self.reports and frozen == len(one.stops):
            self._demand(one.stops == self.rounds_before[one.truck].stops, f"{who} was not heard of but changed")
            return
        truck = self.trucks.get(one.truck)
        if truck is None:
            broken_down = one.truck in self.rounds_before and frozen == len(one.stops)
            self._demand(broken_down, f"{who} is not in the fleet")
            return
        self._check_ends(one, truck)
        self._check_prefix(one, frozen)
        self._check_times(one, frozen, duration_s)
        settled = self._settled(one, frozen)
        self._check_shift(one, truck, settled)
        self._check_breaks(one, truck, settled)
        self._check_stops(one, truck, settled)
        self._check_load(one, truck, frozen, settled)

    def _check_size(self, one: Round, distance_m: list[float]) -> None:
        total_m = sum(distance_m)
        lasts_s = one.stops[-1].leave_s - one.stops[0].leave_s
        self.distance_m += total_m
        self.duration_s += lasts_s
        rested_s = sum(until - since for since, until in one.breaks)
        self.cost += self.problem.prices.metre * total_m + self.problem.prices.second * (lasts_s - rested_s)
        wrong = abs(total_m - one.distance_m) > _METRES + 1e-3 * total_m
        unheard = one.truck in self.rounds_before and one.truck not in self.reports
        self._demand(
            unheard or not wrong, f"truck {one.truck} drives {total_m:.0f} m, the plan says {one.distance_m:.0f} m"
        )
        self._demand(
            abs(lasts_s - one.duration_s) <= _SECONDS,
            f"the round of truck {one.truck} lasts {lasts_s:.0f} s, the plan says {one.duration_s:.0f} s",
        )

    def _check_ends(self, one: Round, truck: Truck) -> None:
        who = f"truck {truck.id}"
        first, last = one.stops[0], one.stops[-1]
        self._demand(first.kind == "start" and first.place == truck.depot, f"{who} does not start at its depot")
        self._demand(last.kind == "end" and last.place == truck.depot, f"{who} does not end at its depot")
        depot = self.depots[truck.depot]
        self._demand((last.lon, last.lat) == (depot.lon, depot.lat), f"{who} ends where its depot is not")
        for at, stop in enumerate(one.stops[1:-1], start=1):
            inside = stop.kind in ("empty", "clear", "unload") or (stop.kind == "end" and at < self._frozen(one))
            self._demand(inside, f"stop {at} of {who} is a {stop.kind!r} in the middle of its round")

    def _check_prefix(self, one: Round, frozen: int) -> None:
        if one.truck not in self.reports or one.truck not in self.rounds_before:
            return
        who, report = f"truck {one.truck}", self.reports[one.truck]
        must = self._frozen_before(one.truck)
        now = one.stops[:frozen]
        same = [(s.kind, s.place, s.job) for s in now] == [(s.kind, s.place, s.job) for s in must]
        self._demand(same, f"{who}: what is driven, or its next stop, has changed")
        for stop in now[:-1]:
            self._demand(stop.leave_s <= report.at_s + _SECONDS, f"{who}: {stop.place} lies behind it but not its time")
        if not same or not now or self._is_home(one.truck):
            return
        last, was = now[-1], must[-1]
        if last.kind == "start":
            self._demand(last.leave_s >= report.at_s - _SECONDS, f"{who} starts before it said that it had not")
            return
        here = [Stop("start", one.truck, report.lon, report.lat, 0.0, 0.0), last]
        way_s = self._legs(here)[0][0]
        # Beside it is there: past it in a one-way street, the way back leads around the block.
        beside = float(distance_m(report.lon, report.lat, last.lon, last.lat)) <= _BESIDE_M
        on_site = was.arrive_s <= report.at_s < was.leave_s and (beside or way_s < 60.0)
        soonest_s = was.arrive_s if on_site else report.at_s + way_s
        self._demand(last.arrive_s >= soonest_s - _SECONDS, f"{who} is at {last.place} sooner than it can drive there")
        if not on_site:
            self._check_stay(one.truck, last)

    def _check_times(self, one: Round, frozen: int, duration_s: list[float]) -> None:
        for at, (stop, next_) in enumerate(pairwise(one.stops)):
            self._demand(
                next_.arrive_s >= stop.leave_s - _SECONDS and next_.leave_s >= next_.arrive_s - _SECONDS,
                f"truck {one.truck} goes back in time at stop {at + 1} ({next_.place})",
            )
            if at + 1 < frozen:
                continue
            pauses = _within(one.breaks, stop.leave_s, next_.arrive_s)
            rested_s = sum(until - since for since, until in pauses)
            self._demand(
                next_.arrive_s >= stop.leave_s + duration_s[at] + rested_s - _SECONDS,
                f"truck {one.truck} is at stop {at + 1} ({next_.place}) sooner than it can drive there",
            )
            goes_s = stop.leave_s
            for since, until in pauses:
                self._demand(since <= goes_s + _SECONDS, f"truck {one.truck} breaks off its way to {next_.place}")
                goes_s = until
            if next_.kind != "end":
                self._check_stay(one.truck, next_, one.breaks)

    def _check_stay(self, truck: str, stop: Stop, breaks: Sequence[tuple[float, float]] = ()) -> None:
        earliest_s, stay_s = -math.inf, 0.0
        closed: list[tuple[float, float]] = []
        if stop.kind == "unload" and stop.place in self.sites:
            site = self.sites[stop.place]
            earliest_s, stay_s = self.problem.day_start_s + site.opens_hour * 3600.0, site.unloading_s
        elif stop.job in self.jobs:
            job = self.jobs[stop.job]
            earliest_s, stay_s = -math.inf if job.earliest_s is None else job.earliest_s, job.service_s
            closed = list(job.avoid)
            if job.kind == "empty":
                closed += self.problem.no_lifting
        pauses = _within(breaks, stop.arrive_s, stop.leave_s)
        rested_s = max([stop.arrive_s, *(until for _, until in pauses)])
        begin_s = stop.leave_s - stay_s
        self._demand(
            begin_s >= max(rested_s, earliest_s) - _SECONDS,
            f"truck {truck} leaves {stop.place} before it can be done there",
        )
        for since, until in closed:
            self._demand(
                stop.leave_s <= since + _SECONDS or begin_s >= until - _SECONDS,
                f"truck {truck} works at {stop.place} when nobody may",
            )

    def _check_breaks(self, one: Round, truck: Truck, settled: int) -> None:
        who = f"truck {truck.id}"
        shift_s = self.problem.day_start_s + truck.shift_start_hour * 3600.0
        due = [(self.problem.day_start_s + hour * 3600.0, minutes * 60.0) for hour, minutes in truck.breaks]
        due = [one for one in due if shift_s < one[0] < shift_s + truck.shift_duration_s]
        free_s = one.stops[max(0, settled - 1)].leave_s
        moments = sorted({moment for stop in one.stops for moment in (stop.arrive_s, stop.leave_s)})
        work_ends_s = max((stop.leave_s for stop in one.stops if stop.kind not in ("start", "end")), default=-math.inf)
        for (_, until), (since, _) in pairwise(one.breaks):
            self._demand(since >= until - _SECONDS, f"{who} has two breaks at once")
        self._demand(len(one.breaks) <= len(due), f"{who} has {len(one.breaks)} breaks where {len(due)} are due")
        later = [pause for pause in one.breaks if pause[0] >= free_s - _SECONDS]
        # A break that fell due while the truck was bound to something else comes first.
        wanted = [one for one in due if free_s <= one[0] <= work_ends_s]
        self._demand(len(later) >= len(wanted), f"{who} misses a break")
        for (due_s, lasts_s), (since, until) in zip(reversed(wanted), reversed(later), strict=False):
            self._demand(abs(until - since - lasts_s) <= _SECONDS, f"{who} has a break of {until - since:.0f} s")
            self._demand(since >= due_s - _SECONDS, f"{who} has its break before it is due")
            passed = [moment for moment in moments if due_s + _SECONDS < moment < since - _SECONDS]
            # Only another break may come between.
            passed = [moment for moment in passed if not any(a <= moment <= b for a, b in one.breaks)]
            self._demand(not passed, f"{who} goes on for {since - due_s:.0f} s after its break was due")
        spans = [(a.leave_s, b.arrive_s) for a, b in pairwise(one.stops)] + [(s.arrive_s, s.leave_s) for s in one.stops]
        for since, until in one.breaks:
            inside = any(a - _SECONDS <= since and until <= b + _SECONDS for a, b in spans)
            self._demand(inside, f"{who} has a break outside its round")

    def _check_shift(self, one: Round, truck: Truck, frozen: int) -> None:
        start_s = self.problem.day_start_s + truck.shift_start_hour * 3600.0
        end_s = start_s + truck.shift_duration_s
        first, last = one.stops[0], one.stops[-1]
        self._demand(first.leave_s >= start_s - _SECONDS, f"truck {truck.id} leaves before its shift")
        if not frozen:
            self._demand(
                first.leave_s >= self.problem.now_s - _SECONDS, f"truck {truck.id} leaves before the plan was made"
            )
        # A truck that is late already can only be sent home.
        has_choice = any(stop.job for stop in one.stops[frozen:])
        late_s = max(0.0, last.arrive_s - end_s)
        self._demand(
            late_s <= truck.overtime_s + _SECONDS or (frozen > 0 and not has_choice),
            f"truck {truck.id} is home {late_s:.0f} s after its shift",
        )
        self.cost += self.problem.prices.overtime_second * late_s

    def _check_stops(self, one: Round, truck: Truck, frozen: int) -> None:
        streams = set()
        for at, stop in enumerate(one.stops):
            who = f"truck {truck.id} at stop {at} ({stop.place})"
            if stop.kind == "unload":
                self._check_unloading(stop, who, at < frozen)
            if stop.kind not in ("empty", "clear"):
                self._demand(not stop.job, f"{who}: a {stop.kind!r} with a job")
                continue
            job = self.jobs.get(stop.job)
            if job is None:
                self._demand(False, f"{who}: {stop.kind!r} of a job that is not there")
                continue
            said = (stop.kind, stop.place, stop.lon, stop.lat, stop.containers)
            self._demand(
                said == (job.kind, job.place, job.lon, job.lat, job.containers), f"{who} is not what job {job.id} asks"
            )
            right = truck.kind == ("crane" if job.kind == "empty" else "grab")
            self._demand(right, f"{who}: a {truck.kind} vehicle cannot {job.kind}")
            if job.kind == "empty":
                streams.add(job.stream)
                self._demand(job.stream in truck.streams, f"{who}: the truck does not take {job.stream}")
            if at >= frozen and job.latest_s is not None:
                self._demand(
                    stop.leave_s <= job.latest_s + _SECONDS,
                    f"{who} is done {stop.leave_s - job.latest_s:.0f} s after its window",
                )
        self._demand(len(streams) <= 1, f"truck {truck.id} mixes {' and '.join(sorted(streams))}")

    def _check_unloading(self, stop: Stop, who: str, is_frozen: bool) -> None:
        site = self.sites.get(stop.place)
        if site is None:
            self._demand(False, f"{who} unloads where there is no unloading site")
            return
        self._demand((stop.lon, stop.lat) == (site.lon, site.lat), f"{who} unloads beside the unloading site")
        closes_s = self.problem.day_start_s + site.closes_hour * 3600.0
        self._demand(is_frozen or stop.leave_s <= closes_s + _SECONDS, f"{who} unloads after the site has closed")

    def _check_load(self, one: Round, truck: Truck, frozen: int, settled: int) -> None:
        volume_m3 = load_kg = day_m3 = 0.0
        aboard = False
        most_m3 = math.inf if truck.volume_per_day_m3 is None else truck.volume_per_day_m3
        report = self.reports.get(one.truck)
        if report and one.truck not in self.rounds_before:
            volume_m3, load_kg = report.volume_m3, report.load_kg
            aboard = volume_m3 > 0 or load_kg > 0
        for at, stop in enumerate(one.stops):
            who = f"truck {truck.id} at stop {at} ({stop.place})"
            if at == frozen - 1 and report and stop.kind not in ("start", "unload") and not self._is_home(one.truck):
                # What is aboard is what the truck said, not what the plan thought.
                volume_m3, load_kg = report.volume_m3, report.load_kg
                aboard = aboard or volume_m3 > 0 or load_kg > 0
            if stop.kind == "unload":
                volume_m3, load_kg, aboard = 0.0, 0.0, False
            elif stop.job in self.jobs:
                volume_m3 += self.jobs[stop.job].volume_m3
                load_kg += self.jobs[stop.job].load_kg
                day_m3 += self.jobs[stop.job].volume_m3
                aboard = True
                self._demand(at < settled or day_m3 <= most_m3 + _AMOUNT, f"{who} has taken {day_m3:.2f} m3 in a day")
            if at >= settled:
                if stop.kind == "end":
                    self._demand(not aboard, f"{who} goes home without unloading")
                else:
                    self._demand(volume_m3 <= truck.volume_m3 + _AMOUNT, f"{who} has {volume_m3:.2f} m3 aboard")
                    self._demand(load_kg <= truck.payload_kg + _AMOUNT, f"{who} has {load_kg:.0f} kg aboard")
                if stop.kind in ("empty", "clear", "unload"):
                    said = abs(stop.volume_m3 - volume_m3) <= 1e-3 and abs(stop.load_kg - load_kg) <= 1e-1
                    self._demand(said, f"{who}: what the plan says is aboard is not what is")

    def _frozen(self, one: Round) -> int:
        """Return how many stops of the round could not be changed any more."""
        if one.truck not in self.rounds_before:
            return 0
        if one.truck not in self.reports:
            return len(one.stops) if self.problem.now_s > self.rounds_before[one.truck].stops[0].leave_s else 0
        if one.truck not in self.trucks:
            return len(one.stops)
        return len(self._frozen_before(one.truck))

    def _settled(self, one: Round, frozen: int) -> int:
        """Return how many stops the truck has set out to before now: those are as they were."""
        if not frozen or one.truck not in self.reports or one.truck not in self.rounds_before:
            return frozen
        done = self.reports[one.truck].done_jobs
        ahead = self.rounds_before[one.truck].stops[self._next_before(one.truck) :]
        was = [(stop.kind, stop.place, stop.job) for stop in ahead if stop.job not in done][1:]
        settled = frozen
        while settled < len(one.stops) and one.stops[settled - 1].leave_s < self.problem.now_s - _SECONDS:
            stop, left = one.stops[settled], one.stops[settled - 1]
            if left.kind == "end":
                # It was home, so it can go out again from now on.
                soonest_s = self.problem.now_s + self._legs((left, stop))[0][0]
                self._demand(
                    stop.arrive_s >= soonest_s - _SECONDS,
                    f"truck {one.truck} is at {stop.place} sooner than it can drive there from home",
                )
                break
            same = was[settled - frozen : settled - frozen + 1] == [(stop.kind, stop.place, stop.job)]
            self._demand(same, f"truck {one.truck} sets out to {stop.place} before now, which it was not told to")
            settled += 1
        return settled

    def _next_before(self, truck: str) -> int:
        stops, report = self.rounds_before[truck].stops, self.reports[truck]
        if self.before is None:
            behind = [stop.leave_s <= report.at_s + _SECONDS for stop in stops]
            return len(stops) if all(behind) else behind.index(False)
        next_ = max(0, report.next_stop_index)
        while next_ < len(stops) and stops[next_].job in report.done_jobs:
            next_ += 1
        return next_

    def _is_home(self, truck: str) -> bool:
        return self._next_before(truck) >= len(self.rounds_before[truck].stops)

    def _frozen_before(self, truck: str) -> list[Stop]:
        """Return the stops of the plan before that are driven, and the one that the truck is committed to."""
        stops, done = self.rounds_before[truck].stops, self.reports[truck].done_jobs
        next_ = self._next_before(truck)
        driven = [stop for stop in stops[:next_] if not stop.job or stop.job in done]
        driven += [stop for stop in stops[next_:] if stop.job in done]
        return driven + list(stops[next_ : next_ + 1])

    def _legs(self, stops: Sequence[Stop]) -> tuple[list[float], list[float]]:
        """Return seconds and metres from each stop to the next."""
        travel = self.problem.travel
        points, _ = travel.snap([stop.lon for stop in stops], [stop.lat for stop in stops])
        known, index = np.unique(points, return_inverse=True)
        matrix = travel.matrix(known)
        duration_s = matrix.duration_s[index[:-1], index[1:]]
        if not np.isfinite(duration_s).all():
            self._demand(False, "a travel time between two stops is no number")
        return duration_s.tolist(), matrix.distance_m[index[:-1], index[1:]].tolist()

    def _demand(self, holds: bool, violation: str) -> None:
        if not holds:
            self.violations.append(violation)


def _within(breaks: Sequence[tuple[float, float]], from_s: float, until_s: float) -> list[tuple[float, float]]:
    """Return the breaks that begin from one moment on and before another."""
    return [pause for pause in breaks if from_s - _SECONDS <= pause[0] < until_s - _SECONDS]
