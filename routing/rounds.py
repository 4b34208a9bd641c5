"""From an order of visits to a round with stops, distance and the line on the map; and from rounds to a plan."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from city.plans import Job, Plan, Round, Stop, Unserved
from routing.clock import Interval
from routing.crew import HOME, Crew, Order, Outing, Position, Visit
from routing.geometry import simplify
from routing.problem import CollectionProblem
from routing.travel import Way

# A line that a phone draws quickly and that still follows the streets.
LINE_TOLERANCE_M = 4.0
MOST_LINE_POINTS = 1500


def fresh_stops(crew: Crew, outing: int, order: Order) -> tuple[list[Stop], tuple[Interval, ...]]:
    """Return the timed stops and the breaks of a round that begins with this order.

    A truck that would wait at its first stop leaves that much later.
    """
    stops, breaks = later_stops(crew, outing, order)
    one = crew.outings[outing]
    wait_s = 0.0
    if order and order[0] >= 0:
        first = stops[0]
        begin_s = first.leave_s - crew.jobs[order[0]].service_s
        if not any(since < begin_s for since, _ in breaks):
            wait_s = begin_s - first.arrive_s
            stops[0] = msgspec.structs.replace(first, arrive_s=begin_s)
    at_s = one.free_s + wait_s
    start = Stop("start", one.depot.id, one.start.lon, one.start.lat, arrive_s=at_s, leave_s=at_s)
    return [start, *stops], breaks


def later_stops(crew: Crew, outing: int, order: Order) -> tuple[list[Stop], tuple[Interval, ...]]:
    """Return the timed stops and the breaks of an order, from the first visit to `end`, without where it starts."""
    drive = crew.drive(outing, order)
    return [_stop(crew, crew.outings[outing], visit) for visit in drive.visits], drive.breaks


def order_of(crew: Crew, stops: Sequence[Stop]) -> Order:
    """Return the order of those stops that the crew knows; unloading before going home is added by itself."""
    number = {job.id: j for j, job in enumerate(crew.jobs)}
    sites = {site.id: -1 - s for s, site in enumerate(crew.sites)}
    order: Order = []
    for stop in stops:
        if stop.kind == "unload" and stop.place in sites:
            order.append(sites[stop.place])
        elif stop.job in number:
            order.append(number[stop.job])
    while order and order[-1] < 0:
        order.pop()
    return order


def round_of(
    problem: CollectionProblem,
    truck: str,
    stops: Sequence[Stop],
    breaks: Sequence[Interval] = (),
    lines: bool = True,
) -> Round:
    """Return the round over stops: distance and line are along the fastest ways as they are now.

    Without `lines` the round has no path, and comes sooner.
    """
    places = [Position(stop.place, stop.lon, stop.lat) for stop in stops]
    distance_m = problem.matrix(problem.snap(places), places).distance_m
    return Round(
        truck=truck,
        stops=tuple(stops),
        distance_m=float(sum(distance_m[i, i + 1] for i in range(len(stops) - 1))),
        duration_s=stops[-1].leave_s - stops[0].leave_s,
        path=line_of(problem, stops) if lines else (),
        breaks=tuple(breaks),
    )


def line_of(problem: CollectionProblem, stops: Sequence[Stop]) -> tuple[tuple[float, float], ...]:
    """Return the line on the map of a round over stops."""
    points = problem.snap(Position(stop.place, stop.lon, stop.lat) for stop in stops)
    return _path(problem.travel.ways([(int(a), int(b)) for a, b in pairwise(points)]))


def plan_of(
    rounds: Sequence[Round], unserved: Sequence[Unserved], jobs: Sequence[Job], made_at_s: float, based_on: str = ""
) -> Plan:
    """Return the plan; its id is made from what it says, so that the same plan has the same id."""
    plan = Plan("", made_at_s, tuple(rounds), tuple(unserved), tuple(jobs), based_on)
    # Not its encoding: which defaults that leaves out differs for a plan that was pickled.
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()
    return msgspec.structs.replace(plan, id=f"plan-{digest[:16]}")


def _stop(crew: Crew, outing: Outing, visit: Visit) -> Stop:
    if visit.item == HOME:
        depot = outing.depot
        return Stop("end", depot.id, depot.lon, depot.lat, visit.arrive_s, visit.leave_s)
    if visit.item < 0:
        site = crew.sites[-1 - visit.item]
        return Stop("unload", site.id, site.lon, site.lat, visit.arrive_s, visit.leave_s)
    job = crew.jobs[visit.item]
    return Stop(
        kind=job.kind,
        place=job.place,
        lon=job.lon,
        lat=job.lat,
        arrive_s=visit.arrive_s,
        leave_s=visit.leave_s,
        job=job.id,
        containers=job.containers,
        volume_m3=visit.volume_m3,
        load_kg=visit.load_kg,
    )


def _path(ways: Sequence[Way]) -> tuple[tuple[float, float], ...]:
    if not ways:
        return ()
    whole = np.concatenate([ways[0].line[:1], *(way.line[1:] for way in ways)])
    tolerance_m = LINE_TOLERANCE_M
    line = simplify(whole, tolerance_m)
    while len(line) > MOST_LINE_POINTS:
        tolerance_m *= 2
        line = simplify(whole, tolerance_m)
    return tuple((round(float(lon), 6), round(float(lat), 6)) for lon, lat in line)
