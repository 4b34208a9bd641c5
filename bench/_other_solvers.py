"""Two other solvers on the work of a crew, as far as they can model it: no unloading on the way, no breaks of ours.

Going home is told to them as it is to our own solver: a place to which the way is that by the best unloading site.
"""

import importlib
import math
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from routing.crew import Crew, Order
from routing.geometry import Floats

_NO_WAY = 1_000_000.0
_DROP = 10_000_000
# On a busy machine; VROOM stops by itself, and can be stopped by the wall's clock only.
_MOST_WALL_PER_CPU = 10.0


def other_solvers() -> dict[str, Callable[[Crew, float], list[Order]] | None]:
    """Return the solvers by name, None for one that is not installed."""
    known = {"VROOM": ("vroom", solve_with_vroom), "OR-Tools": ("ortools", solve_with_or_tools)}
    result: dict[str, Callable[[Crew, float], list[Order]] | None] = {}
    for name, (module, solve) in known.items():
        try:
            importlib.import_module(module)
            result[name] = solve
        except ImportError:
            result[name] = None
    return result


def solve_with_vroom(crew: Crew, seconds: float) -> list[Order]:
    """Return VROOM's order for each outing."""
    vroom: Any = importlib.import_module("vroom")

    duration_s, price = _tables(crew)
    base_s = _base_s(crew)
    instance: Any = vroom.Input()
    instance.set_durations_matrix("car", np.ceil(duration_s).astype(np.uint32))
    instance.set_costs_matrix("car", np.round(price).astype(np.uint32))
    for o, one in enumerate(crew.outings):
        window = vroom.TimeWindow(math.ceil(one.free_s - base_s), math.floor(one.latest_s - base_s))
        instance.add_vehicle(vroom.Vehicle(o, start=crew.start_row(o), end=_home(crew, o), time_window=window))
    for j, job in enumerate(crew.jobs):
        windows = [vroom.TimeWindow(first, last) for first, last in _windows(crew, j, base_s)]
        if not windows:
            continue
        instance.add_job(vroom.Job(j, location=j, default_service=math.ceil(job.service_s), time_windows=windows))
    answer = instance.solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=seconds * _MOST_WALL_PER_CPU))
    orders: list[Order] = [[] for _ in crew.outings]
    for row in answer.routes.to_dict("records"):
        if row["type"] == "job":
            orders[int(row["vehicle_id"])].append(int(row["id"]))
    return orders


def solve_with_or_tools(crew: Crew, seconds: float) -> list[Order]:
    """Return OR-Tools' order for each outing: guided local search from the cheapest arcs."""
    pywrapcp: Any = importlib.import_module("ortools.constraint_solver.pywrapcp")
    enums: Any = importlib.import_module("ortools.constraint_solver.routing_enums_pb2")

    duration_s, price = _tables(crew)
    base_s = _base_s(crew)
    service_s = np.zeros(len(duration_s))
    service_s[: len(crew.jobs)] = [math.ceil(job.service_s) for job in crew.jobs]
    legs = (np.ceil(duration_s) + service_s[:, None]).astype(int).tolist()
    prices = np.round(price).astype(int).tolist()
    n = len(crew.jobs)
    # Nodes: the jobs, then each outing's start and its home.
    rows = [*range(n), *(crew.start_row(o) for o in range(len(crew.outings)))]
    rows += [_home(crew, o) for o in range(len(crew.outings))]
    starts = list(range(n, n + len(crew.outings)))
    ends = [one + len(crew.outings) for one in starts]
    manager: Any = pywrapcp.RoutingIndexManager(len(rows), len(crew.outings), starts, ends)
    model: Any = pywrapcp.RoutingModel(manager)

    def leg(table: list[list[int]]) -> int:
        nodes = [[table[a][b] for b in rows] for a in rows]
        return int(model.RegisterTransitMatrix(nodes))

    model.SetArcCostEvaluatorOfAllVehicles(leg(prices))
    day_s = max(math.floor(one.latest_s - base_s) for one in crew.outings)
    model.AddDimension(leg(legs), day_s, day_s, False, "time")
    clock = model.GetDimensionOrDie("time")
    for o, one in enumerate(crew.outings):
        clock.CumulVar(model.Start(o)).SetRange(math.ceil(one.free_s - base_s), day_s)
        clock.CumulVar(model.End(o)).SetRange(0, math.floor(one.latest_s - base_s))
    for j in range(n):
        index = manager.NodeToIndex(j)
        model.AddDisjunction([index], _DROP)
        for first, last in _windows(crew, j, base_s)[:1]:
            clock.CumulVar(index).SetRange(first, min(last, day_s))
    parameters: Any = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = enums.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    parameters.local_search_metaheuristic = enums.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    ends_s = time.process_time() + seconds
    model.AddSearchMonitor(model.solver().CustomLimit(lambda: time.process_time() > ends_s))
    parameters.time_limit.FromMilliseconds(int(seconds * _MOST_WALL_PER_CPU * 1000))
    answer = model.SolveWithParameters(parameters)
    orders: list[Order] = [[] for _ in crew.outings]
    if answer is None:
        return orders
    for o in range(len(crew.outings)):
        index = answer.Value(model.NextVar(model.Start(o)))
        while not model.IsEnd(index):
            orders[o].append(manager.IndexToNode(index))
            index = answer.Value(model.NextVar(index))
    return orders


def price_of(crew: Crew, orders: Sequence[Order]) -> tuple[float, int]:
    """Return the price of orders without the work itself, and how many jobs are left out or not done in time."""
    price, done = 0.0, 0
    for o, order in enumerate(orders):
        drive = crew.drive(o, order)
        price += crew.price(o, order, drive) - sum(crew.jobs[j].service_s for j in order if j >= 0) * (
            crew.problem.prices.second
        )
        done += sum(j >= 0 for j in order) if drive.fits else 0
    return price, len(crew.jobs) - done


def _tables(crew: Crew) -> tuple[Floats, Floats]:
    """Return seconds and prices between rows, with each outing's way home as a row of its own."""
    n, prices = len(crew.duration_s), crew.problem.prices
    duration_s = np.full((n + len(crew.outings),) * 2, _NO_WAY)
    distance_m = duration_s.copy()
    duration_s[:n, :n], distance_m[:n, :n] = crew.duration_s, crew.distance_m
    for o, one in enumerate(crew.outings):
        seconds, metres = crew.last_unloading(o)
        if not one.aboard and not one.under_way:
            seconds[crew.start_row(o)] = metres[crew.start_row(o)] = 0.0
        duration_s[:n, _home(crew, o)], distance_m[:n, _home(crew, o)] = seconds, metres
    np.fill_diagonal(duration_s, 0.0)
    np.fill_diagonal(distance_m, 0.0)
    return duration_s, np.minimum(prices.second * duration_s + prices.metre * distance_m, 50 * _NO_WAY)


def _home(crew: Crew, outing: int) -> int:
    return len(crew.duration_s) + outing


def _base_s(crew: Crew) -> float:
    return math.floor(min(one.free_s for one in crew.outings))


def _windows(crew: Crew, job: int, base_s: float) -> list[tuple[int, int]]:
    day_s = max(one.latest_s for one in crew.outings) - base_s
    windows = [(max(0.0, first - base_s), min(last - base_s, day_s)) for first, last in crew.beginnings[job]]
    return [(math.ceil(first), math.floor(last)) for first, last in windows if first <= last]
