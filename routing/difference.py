"""What changing from one plan to another means: for jobs, trucks, kilometres and times."""

from city.plans import Difference, Moved, Plan, Stop


def difference(before: Plan, after: Plan) -> Difference:
    """Return what `after` changes against `before`.

    To tell what accepting a proposal costs, `before` is the running plan with its times as they will be now
    (`routing.replan.as_it_stands`), not as they were hoped to be in the morning.

    Returns
    -------
    Difference
        `added` and `dropped` are jobs that only `after`, or only `before`, does; `trucks` are those that get other
        stops or another order of them; metres and seconds are `after` minus `before`.
    """
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
    )


def _stops_by_job(plan: Plan) -> dict[str, tuple[str, Stop]]:
    return {stop.job: (one.truck, stop) for one in plan.rounds for stop in one.stops if stop.job}


def _visits(plan: Plan) -> dict[str, list[tuple[str, str, str]]]:
    return {one.truck: [(stop.kind, stop.place, stop.job) for stop in one.stops] for one in plan.rounds}
