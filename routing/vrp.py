"""A crew's work as PyVRP sees it, and back: the only file that knows PyVRP.

How it is put, where PyVRP has no word for it:

- Unloading on the way is a reload depot. Unloading before going home is a virtual place for each truck: travel to it is
  travel to the quickest site, unloading, and the way home.
- All jobs are optional for PyVRP, a must job with a prize that nothing else outweighs: what cannot be done is then
  left out and can be named, where required clients would leave no solution at all.
- Staying with one's truck is a profile for each truck, in which the way into another truck's job is dearer. It is
  dearer in distance, which is only a cost, so that no real time is lost by it.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyvrp
from pyvrp import Activity, ActivityType
from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams
from pyvrp.search import OPERATORS, LocalSearch, NeighbourhoodParams, PerturbationManager, compute_neighbours
from pyvrp.stop import MaxIterations, MaxRuntime

from routing.crew import COST_OF_METRE, COST_OF_SECOND, Crew, Order

# Plans are made in seconds: a short memory of late acceptance and few neighbours find more in that time. Over days of
# 250 and 400 jobs a memory of 30 and 15 neighbours took 1..3 % less driving after 4 s than 10 and 50.
HISTORY_LENGTH = 30
NEIGHBOURS = 15
_NO_WAY = 10_000_000
_MOST_UNLOADINGS = 8
_LITRES = 1000.0
# What a must job is worth in seconds of driving, besides all that is optional.
_MUST_S = 86_400.0


def search(
    crew: Crew,
    start: Sequence[Order],
    seed: int,
    seconds: float,
    iterations: int | None = None,
    keep_s: float = 0.0,
) -> list[Order]:
    """Return for each outing the order of its visits (see `Visit.item`), better than or as good as `start`.

    Parameters
    ----------
    crew
        Jobs and trucks.
    start
        An order for each outing that fits; may leave jobs out.
    seed
        The same seed and `iterations` give the same answer.
    seconds
        Real seconds to search; not looked at when `iterations` are given.
    keep_s
        Seconds that a job's move to another truck than its keeper must save.
    """
    if not crew.jobs or not crew.outings:
        return [list(order) for order in start]
    model = _Model(crew, keep_s)
    if not model.vehicles or not model.jobs:
        return [list(order) for order in start]
    rng = pyvrp.RandomNumberGenerator(seed=seed)
    neighbours = compute_neighbours(model.data, NeighbourhoodParams(num_neighbours=NEIGHBOURS))
    local = LocalSearch(model.data, rng, neighbours, PerturbationManager())
    for operator in OPERATORS:
        if operator.supports(model.data):
            local.add_operator(operator(model.data))
    # PyVRP's own first penalties, high: with low ones an overfull day never leads to an order that fits.
    penalties = PenaltyManager(PenaltyParams().midpoint_penalties(model.data), PenaltyParams())
    params = pyvrp.IteratedLocalSearchParams(history_length=HISTORY_LENGTH)
    algorithm = pyvrp.IteratedLocalSearch(model.data, penalties, local, model.solution(start), params)
    stop = MaxIterations(iterations) if iterations is not None else MaxRuntime(max(0.0, seconds))
    best = algorithm.run(stop, collect_stats=False, display=False).best
    return model.orders(best) if best.is_feasible() else [list(order) for order in start]


class _Model:
    """PyVRP's data for a crew, with what is needed to read its answers."""

    def __init__(self, crew: Crew, keep_s: float) -> None:
        self.crew = crew
        self.base_s = math.floor(min(one.free_s for one in crew.outings))
        self.vehicles = [o for o, one in enumerate(crew.outings) if one.free_s < one.end_s]
        # A must job that no truck can do even alone would keep the search among orders that do not fit.
        self.jobs = [j for j in range(len(crew.jobs)) if self._can_be_done(j)]
        self.vehicle_of = {o: v for v, o in enumerate(self.vehicles)}
        self.client_of = {j: c for c, j in enumerate(self.jobs)}
        # Clients that keep trucks under way in the plan: they have to be brought home even without jobs.
        under_way = [o for o in self.vehicles if crew.outings[o].under_way]
        self.pins = {o: len(self.jobs) + i for i, o in enumerate(under_way)}
        self.keep_s = keep_s

    @cached_property
    def data(self) -> pyvrp.ProblemData:
        """The crew's work in PyVRP's words."""
        return self._data(self.keep_s)

    def solution(self, orders: Sequence[Order]) -> pyvrp.Solution:
        """Return the orders as PyVRP's solution."""
        routes = []
        for outing, order in enumerate(orders):
            visits = [self._activity(item) for item in order if item < 0 or item in self.client_of]
            pin = self.pins.get(outing)
            if outing in self.vehicle_of and (pin is not None or any(item >= 0 for item in order)):
                first = [] if pin is None else [Activity(ActivityType.CLIENT, pin)]
                routes.append(pyvrp.Route(self.data, first + visits, self.vehicle_of[outing]))
        return pyvrp.Solution(self.data, routes)

    def orders(self, solution: pyvrp.Solution) -> list[Order]:
        """Return PyVRP's solution as orders of visits."""
        orders: list[Order] = [[] for _ in self.crew.outings]
        for route in solution.routes():
            order = orders[self.vehicles[route.vehicle_type()]]
            for one in list(route)[1:-1]:
                if one.is_client() and one.idx < len(self.jobs):
                    order.append(self.jobs[one.idx])
                elif one.is_depot():
                    order.append(-1 - one.idx)
        return orders

    def _activity(self, item: int) -> Activity:
        if item >= 0:
            return Activity(ActivityType.CLIENT, self.client_of[item])
        return Activity(ActivityType.DEPOT, -1 - item)

    def _can_be_done(self, job: int) -> bool:
        ways: list[Order] = [[job], *([-1 - s, job] for s in range(len(self.crew.sites)))]
        return self._latest(job) >= 0 and any(self.crew.drive(o, way).fits for o in self.vehicles for way in ways)

    def _latest(self, job: int) -> int:
        one = self.crew.jobs[job]
        if one.latest_s is None:
            return _NO_WAY
        return math.floor(one.latest_s - one.service_s - self.base_s)

    def _data(self, keep_s: float) -> pyvrp.ProblemData:
        crew, sites = self.crew, self.crew.sites
        n_rows = len(crew.duration_s)
        locations = [pyvrp.Location(0, 0) for _ in range(n_rows + len(self.vehicles))]
        depots = [
            pyvrp.Depot(
                crew.row(-1 - s),
                tw_early=max(0, math.ceil(crew.problem.hours(site)[0] - self.base_s)),
                tw_late=max(0, math.floor(crew.problem.hours(site)[1] - site.unloading_s - self.base_s)),
                service_duration=math.ceil(site.unloading_s),
            )
            for s, site in enumerate(sites)
        ]
        depots += [pyvrp.Depot(crew.start_row(o)) for o in self.vehicles]
        depots += [self._end(o, n_rows + v) for v, o in enumerate(self.vehicles)]
        clients = [self._client(j) for j in self.jobs]
        clients += [
            pyvrp.Client(crew.start_row(o), pickup=[0, 0], required=False, prize=self._outweighing()) for o in self.pins
        ]
        durations, distances = self._matrices(n_rows)
        kept = keep_s > 0 and any(one >= 0 for one in crew.keeper)
        profiled = kept or bool(self.pins)
        vehicles = []
        for v, o in enumerate(self.vehicles):
            one = crew.outings[o]
            capacity = [math.floor(one.truck.volume_m3 * _LITRES), math.floor(one.truck.payload_kg)]
            aboard = [math.ceil(one.volume_m3 * _LITRES), math.ceil(one.load_kg)]
            vehicles.append(
                pyvrp.VehicleType(
                    capacity=capacity,
                    initial_load=[min(a, c) for a, c in zip(aboard, capacity, strict=True)],
                    start_depot=len(sites) + v,
                    end_depot=len(sites) + len(self.vehicles) + v,
                    tw_early=math.ceil(one.free_s - self.base_s),
                    tw_late=math.floor(one.end_s - self.base_s),
                    unit_distance_cost=COST_OF_METRE,
                    unit_duration_cost=COST_OF_SECOND,
                    profile=v if profiled else 0,
                    reload_depots=list(range(len(sites))),
                    max_reloads=_MOST_UNLOADINGS,
                )
            )
        if not profiled:
            return pyvrp.ProblemData(locations, clients, depots, vehicles, [distances], [durations])
        dearer = [self._dearer(distances, o, keep_s) for o in self.vehicles]
        return pyvrp.ProblemData(locations, clients, depots, vehicles, dearer, [durations] * len(dearer))

    def _client(self, job: int) -> pyvrp.Client:
        one = self.crew.jobs[job]
        early = 0 if one.earliest_s is None else max(0, math.ceil(one.earliest_s - self.base_s))
        return pyvrp.Client(
            job,
            pickup=[math.ceil(one.volume_m3 * _LITRES), math.ceil(one.load_kg)],
            service_duration=math.ceil(one.service_s),
            tw_early=min(early, self._latest(job)),
            tw_late=self._latest(job),
            prize=self._outweighing() if one.must else round(self.crew.prize(job)),
            required=False,
        )

    def _outweighing(self) -> int:
        optional = sum(self.crew.prize(j) for j in self.jobs if not self.crew.jobs[j].must)
        return round(_MUST_S * COST_OF_SECOND + optional)

    def _end(self, outing: int, location: int) -> pyvrp.Depot:
        crew = self.crew
        home = [float(crew.duration_s[crew.row(-1 - s), crew.depot_row(outing)]) for s in range(len(crew.sites))]
        hours = [crew.problem.hours(site) for site in crew.sites]
        early = min(h[0] + site.unloading_s + way for h, site, way in zip(hours, crew.sites, home, strict=True))
        late = max(h[1] + way for h, way in zip(hours, home, strict=True))
        return pyvrp.Depot(
            location,
            tw_early=max(0, math.ceil(early - self.base_s)),
            tw_late=max(0, math.ceil(early - self.base_s), math.floor(late - self.base_s)),
        )

    def _matrices(self, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        n = n_rows + len(self.vehicles)
        durations, distances = np.full((n, n), _NO_WAY), np.full((n, n), _NO_WAY)
        durations[:n_rows, :n_rows] = np.ceil(self.crew.duration_s)
        distances[:n_rows, :n_rows] = np.round(self.crew.distance_m)
        for v, o in enumerate(self.vehicles):
            seconds, metres = self.crew.last_unloading_s(o)
            if not self.crew.outings[o].aboard:
                here, depot = self.crew.start_row(o), self.crew.depot_row(o)
                seconds[here], metres[here] = self.crew.duration_s[here, depot], self.crew.distance_m[here, depot]
            durations[:n_rows, n_rows + v], distances[:n_rows, n_rows + v] = np.ceil(seconds), np.round(metres)
        for matrix in (durations, distances):
            np.fill_diagonal(matrix, 0)
        return durations, distances

    def _dearer(self, distances: np.ndarray, outing: int, keep_s: float) -> np.ndarray:
        """Distances for one truck, in which the way into another truck's job costs `keep_s` more."""
        own = distances.copy()
        moved = [j for j, keeper in enumerate(self.crew.keeper) if keeper not in (-1, outing)]
        own[:, moved] += round(keep_s * COST_OF_SECOND / COST_OF_METRE)
        for other in self.pins:
            if other != outing:
                own[:, self.crew.start_row(other)] = _NO_WAY
        np.fill_diagonal(own, 0)
        return own
