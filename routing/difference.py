"""What changing from one plan to another means: for jobs, trucks, kilometres and times."""

from city.plans import Difference, Moved, Plan, Shifted, Stop
from routing.emissions import Emissions

# Less is no news to a driver.
_NOTICED_S = 60.0


def difference(before: Plan, after: Plan, emissions: Emissions | None = None) -> Difference:
    """Return what `after` changes against `before`.

    To tell what accepting a proposal costs, `before` is the running plan with its times as they will be now
    (`routing.replan.as_it_stands`), not as they were hoped to be in the morning.

    Parameters
    ----------
    emissions
        What the trucks give off; None = the usual figures.

    Returns
    -------
    Difference
        `added` and `dropped` are jobs that only `after`, or only `before`, does; `trucks` are those that get other
        stops or another order of them; `shifted` are the stops of both that are reached at least a minute later or
        sooner; metres, seconds, CO₂ and expected overflows are `after` minus `before`.
    """
    off = emissions or Emissions()
    was, is_ = _stops_by_job(before), _stops_by_job(after)
    both = [job for job in is_ if job in was]
    rounds_before, rounds_after = _visits(before), _visits(after)
    return Difference(
        added=tuple(job for job in is_ if job not in was),
        dropped=tuple(job for job in was if job not in is_),
        moved=tuple(
            Moved(job, is_[job][1].place, was[job][0], is_[job][0]) for job in both if was[job][0] != is_[job][0]
        ),
        trucks=tuple(
            truck
            for truck in sorted({*rounds_before, *rounds_after})
            if rounds_before.get(truck) != rounds_after.get(truck)
        ),
        distance_m=after.distance_m - before.distance_m,
        duration_s=after.duration_s - before.duration_s,
        later_s=max([0.0, *(is_[job][1].arrive_s - was[job][1].arrive_s for job in both)]),
        shifted=tuple(
            Shifted(job, stop.place, truck, stop.arrive_s - was[job][1].arrive_s)
            for job in both
            for truck, stop in [is_[job]]
            if abs(stop.arrive_s - was[job][1].arrive_s) >= _NOTICED_S
        ),
        overflows=_more_overflows(before, after, set(was), set(is_)),
        co2_kg=off.co2_kg(after) - off.co2_kg(before),
    )


def _more_overflows(before: Plan, after: Plan, was: set[str], is_: set[str]) -> float | None:
    chances = {job.id: job.overflow_probability for job in (*before.jobs, *after.jobs)}
    # Loose waste lies there already: leaving it does not make a container overflow.
    cleared = {job.id for job in (*before.jobs, *after.jobs) if job.kind == "clear"}
    more = 0.0
    for job, sign in [*((one, 1.0) for one in was - is_), *((one, -1.0) for one in is_ - was)]:
        chance = 0.0 if job in cleared else chances.get(job)
        if chance is None:
            return None
        more += sign * chance
    return more


def _stops_by_job(plan: Plan) -> dict[str, tuple[str, Stop]]:
    return {stop.job: (one.truck, stop) for one in plan.rounds for stop in one.stops if stop.job}


def _visits(plan: Plan) -> dict[str, list[tuple[str, str, str]]]:
    return {one.truck: [(stop.kind, stop.place, stop.job) for stop in one.stops] for one in plan.rounds}
