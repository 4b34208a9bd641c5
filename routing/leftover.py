"""Jobs that a search left out: put in where they fit after all, else told why not."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from city.plans import Unserved
from routing.crew import Crew, Drive, Order

NOT_WORTH = "not worth the detour today"
NO_TIME = "no time left in the shift"
NO_TIME_IN_WINDOW = "no time left in its window"
TOO_LARGE = "larger than any truck can hold"
TOO_WINDY = "too much wind to lift in all of its window"
NO_TRUCK = "no truck is left for its stream today"
NOT_PLANNED = "it came up after the plan was made"
CUT_OFF = "no street leads there now"
PASSED_BY = "the truck passed it by without doing it"
NOT_EXPLAINED = "not looked into"
# Positions in a round that are tried for a job, those with the shortest detour: windows seldom leave others.
_MOST_PLACES = 10


def left_out(crew: Crew, orders: Sequence[Order]) -> list[int]:
    """Return the jobs that are in no order."""
    done = {item for order in orders for item in order}
    return [j for j in range(len(crew.jobs)) if j not in done]


def insert_leftovers(crew: Crew, orders: Sequence[Order]) -> list[Order]:
    """Return the orders with each job put in that fits and is worth it; must jobs first, whatever they cost."""
    result = [list(order) for order in orders]
    waiting = sorted(left_out(crew, result), key=lambda j: (not crew.jobs[j].must, -crew.prize(j), j))
    drives = [crew.drive(outing, order) for outing, order in enumerate(result)]
    for job in waiting:
        worth = math.inf if crew.jobs[job].must else crew.prize(job)
        found = min(_insertions(crew, result, job, worth, drives=drives), default=None)
        if found is not None:
            _, outing, order = found
            result[outing], drives[outing] = order, crew.drive(outing, order)
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
    drives = [crew.drive(outing, order) for outing, order in enumerate(orders)]
    return [
        Unserved(crew.jobs[j].id, crew.jobs[j].place, _reason(crew, orders, drives, j)) for j in left_out(crew, orders)
    ]


def unexplained(crew: Crew, orders: Sequence[Order]) -> list[Unserved]:
    """Return the jobs that are left out, where nobody reads why."""
    return [Unserved(crew.jobs[j].id, crew.jobs[j].place, NOT_EXPLAINED) for j in left_out(crew, orders)]


def _reason(crew: Crew, orders: Sequence[Order], drives: Sequence[Drive], job: int) -> str:
    one = crew.jobs[job]
    if not crew.outings:
        return NO_TRUCK
    trucks = [outing.truck for outing in crew.outings]
    if not any(one.volume_m3 <= truck.volume_m3 and one.load_kg <= truck.payload_kg for truck in trucks):
        return TOO_LARGE
    if not crew.beginnings[job]:
        return TOO_WINDY
    if any(True for _ in _insertions(crew, orders, job, drives=drives)):
        return NOT_WORTH
    if crew.beginnings[job] == ((-math.inf, math.inf),):
        return NO_TIME
    if not any(True for _ in _insertions(crew, orders, job, any_time=True, drives=drives)):
        return NO_TIME
    has_window = (one.earliest_s, one.latest_s, one.avoid) != (None, None, ())
    return NO_TIME_IN_WINDOW if has_window else TOO_WINDY


def _insertions(
    crew: Crew,
    orders: Sequence[Order],
    job: int,
    worth: float = math.inf,
    any_time: bool = False,
    drives: Sequence[Drive] = (),
) -> Iterator[tuple[float, int, Order]]:
    """Yield for each outing that the job fits into at a cost below `worth`: the cost, the outing, and its order then.

    The place is the cheapest one of those that promise most; with an unloading before or after the job only where the
    load leaves no other way. `drives` are the orders' own, where they are known.
    """
    free = job if any_time else None
    unloadings = [-1 - s for s in range(len(crew.sites))]
    unloading_s = min(site.unloading_s for site in crew.sites)
    alone = [[job]]
    unloaded = [[u, job] for u in unloadings] + [[job, u] for u in unloadings]
    for outing, order in enumerate(orders):
        now = drives[outing] if drives else crew.drive(outing, order, any_time=free)
        if not now.fits:
            continue
        for pieces, stay_s in ((alone, 0.0), (unloaded, unloading_s)):
            places = [
                (cost, at)
                for cost, at in _places(crew, outing, now, order, job, stay_s)
                if cost < worth and (stay_s or _has_room(crew, outing, now, at, job))
            ]
            found = next(
                (
                    (cost, outing, order[:at] + piece + order[at:])
                    for cost, at in places[:_MOST_PLACES]
                    for piece in pieces
                    if crew.drive(outing, order[:at] + piece + order[at:], any_time=free).fits
                ),
                None,
            )
            if found:
                yield found
                break


def _places(crew: Crew, outing: int, now: Drive, order: Order, job: int, stay_s: float) -> list[tuple[float, int]]:
    """Return costs and positions at which the job and `stay_s` more may fit by time alone, cheapest first."""
    n = len(order)
    visits = [crew.row(visit.item) for visit in now.visits[:-1]]
    rows = np.array([crew.start_row(outing), *visits, crew.depot_row(outing)])[: n + 2]
    a, b = rows[:-1], rows[1:]
    longer_s = crew.duration_s[a, job] + crew.duration_s[job, b] - crew.duration_s[a, b]
    longer_s += crew.jobs[job].service_s + stay_s
    further_m = crew.distance_m[a, job] + crew.distance_m[job, b] - crew.distance_m[a, b]
    prices = crew.problem.prices
    cost = prices.second * longer_s + prices.metre * further_m
    # A stop in between uses up waiting before it uses up the shift.
    slack_s = crew.outings[outing].latest_s - now.end_s + crew.waiting_s(now) + 1.0
    places = np.flatnonzero(longer_s <= slack_s)
    return sorted(zip(cost[places].tolist(), places.tolist(), strict=True))


def _has_room(crew: Crew, outing: int, now: Drive, at: int, job: int) -> bool:
    """Say whether what is aboard before the next unloading leaves room for the job at a position."""
    one, truck = crew.jobs[job], crew.outings[outing].truck
    volume_m3, load_kg = crew.outings[outing].volume_m3, crew.outings[outing].load_kg
    if at:
        volume_m3, load_kg = now.visits[at - 1].volume_m3, now.visits[at - 1].load_kg
    for visit in now.visits[at:]:
        if visit.item < 0:
            break
        volume_m3, load_kg = visit.volume_m3, visit.load_kg
    return volume_m3 + one.volume_m3 <= truck.volume_m3 + 1e-9 and load_kg + one.load_kg <= truck.payload_kg + 1e-9


def _without_idle_unloading(crew: Crew, outing: int, order: Order) -> Order:
    kept: Order = []
    aboard = crew.outings[outing].aboard
    for item in order:
        if item >= 0 or aboard:
            kept.append(item)
        aboard = item >= 0
    return kept
