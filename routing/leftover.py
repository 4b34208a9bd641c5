"""Jobs that a search left out: put in where they fit after all, else told why not."""

from collections.abc import Sequence
from itertools import pairwise

from city.plans import Unserved
from routing.crew import COST_OF_METRE, COST_OF_SECOND, Crew, Drive, Order

NOT_WORTH = "not worth the detour today"
NO_TIME = "no time left in the shift"
NO_TIME_IN_WINDOW = "no time left in its window"
TOO_LARGE = "larger than any truck can hold"
NO_TRUCK = "no truck is left for its stream today"
NOT_PLANNED = "it came up after the plan was made"
PASSED_BY = "the truck passed it by without doing it"


def left_out(crew: Crew, orders: Sequence[Order]) -> list[int]:
    """Return the jobs that are in no order."""
    done = {item for order in orders for item in order}
    return [j for j in range(len(crew.jobs)) if j not in done]


def insert_leftovers(crew: Crew, orders: Sequence[Order]) -> list[Order]:
    """Return the orders with each job put in that fits and is worth it; must jobs first, whatever they cost."""
    result = [list(order) for order in orders]
    waiting = sorted(left_out(crew, result), key=lambda j: (not crew.jobs[j].must, -crew.prize(j), j))
    for job in waiting:
        found = _cheapest(crew, result, job)
        if found is not None and (crew.jobs[job].must or found[0] < crew.prize(job)):
            result[found[1]] = found[2]
    return result


def drop_until_fits(crew: Crew, orders: Sequence[Order]) -> list[Order]:
    """Return the orders without as many of their jobs as it takes; optional ones go first, late ones before early."""
    result = []
    for outing, given in enumerate(orders):
        order = list(given)
        while any(item >= 0 for item in order) and not crew.drive(outing, order).fits:
            _, worst = max((not crew.jobs[item].must, at) for at, item in enumerate(order) if item >= 0)
            del order[worst]
        result.append(_without_idle_unloading(crew, outing, order))
    return result


def reasons(crew: Crew, orders: Sequence[Order]) -> list[Unserved]:
    """Return why each job that is left out is left out."""
    return [Unserved(crew.jobs[j].id, crew.jobs[j].place, _reason(crew, orders, j)) for j in left_out(crew, orders)]


def _reason(crew: Crew, orders: Sequence[Order], job: int) -> str:
    one = crew.jobs[job]
    if not crew.outings:
        return NO_TRUCK
    trucks = [outing.truck for outing in crew.outings]
    if not any(one.volume_m3 <= truck.volume_m3 and one.load_kg <= truck.payload_kg for truck in trucks):
        return TOO_LARGE
    if _cheapest(crew, orders, job) is not None:
        return NOT_WORTH
    if (one.earliest_s, one.latest_s) == (None, None) or _cheapest(crew, orders, job, any_time=True) is None:
        return NO_TIME
    return NO_TIME_IN_WINDOW


def _cheapest(crew: Crew, orders: Sequence[Order], job: int, any_time: bool = False) -> tuple[float, int, Order] | None:
    """Return what putting the job in costs, the outing, and its order then; None = it fits nowhere."""
    best: tuple[float, int, Order] | None = None
    free = job if any_time else None
    unloadings = [-1 - s for s in range(len(crew.sites))]
    for outing, order in enumerate(orders):
        now = crew.drive(outing, order, any_time=free)
        if not now.fits:
            continue
        places = _places(crew, outing, now, len(order), job)
        # With an unloading before or after it only where the load leaves no other way.
        for pieces in ([[job]], [[u, job] for u in unloadings] + [[job, u] for u in unloadings]):
            found = None
            for at in places:
                for piece in pieces:
                    candidate = order[:at] + piece + order[at:]
                    then = crew.drive(outing, candidate, any_time=free)
                    if then.fits:
                        found = (_cost(crew, outing, then) - _cost(crew, outing, now), outing, candidate)
                        break
                if found:
                    break
            if found:
                best = found if best is None or found < best else best
                break
    return best


def _places(crew: Crew, outing: int, now: Drive, n: int, job: int) -> list[int]:
    """Positions in the order where the job may fit by its time alone, cheapest first."""
    rows = _rows(crew, outing, now)
    duration, service_s = crew.duration_s, crew.jobs[job].service_s
    # A stop in between uses up waiting before it uses up the shift.
    slack_s = crew.outings[outing].end_s - now.end_s + crew.waiting_s(now) + 1.0
    extra = [
        (float(duration[a, job] + duration[job, b] - duration[a, b]), at)
        for at, (a, b) in enumerate(pairwise(rows[: n + 2]))
    ]
    return [at for seconds, at in sorted(extra) if seconds + service_s <= slack_s]


def _rows(crew: Crew, outing: int, drive: Drive) -> list[int]:
    visits = [crew.row(visit.item) for visit in drive.visits[:-1]]
    return [crew.start_row(outing), *visits, crew.depot_row(outing)]


def _cost(crew: Crew, outing: int, drive: Drive) -> float:
    metres = sum(float(crew.distance_m[a, b]) for a, b in pairwise(_rows(crew, outing, drive)))
    return COST_OF_SECOND * drive.end_s + COST_OF_METRE * metres


def _without_idle_unloading(crew: Crew, outing: int, order: Order) -> Order:
    kept: Order = []
    aboard = crew.outings[outing].aboard
    for item in order:
        if item >= 0 or aboard:
            kept.append(item)
        aboard = item >= 0
    return kept
