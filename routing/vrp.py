"""The search for better orders of a crew's visits, over PyVRP's local search. It can be asked to go on."""

import math
import time
import warnings
from collections.abc import Callable, Sequence

import pyvrp
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams
from pyvrp.search import (
    OPERATORS,
    LocalSearch,
    NeighbourhoodParams,
    PerturbationManager,
    compute_neighbours,
)

from routing.crew import Crew, Order
from routing.vrp_model import VrpModel

# How much dearer than the last an order may be and still be gone on from, as a part of what a leg costs on average:
# at first and at the end. It comes down with the time that a search gets, so that much work in little time ends well.
WARM, COLD = 0.05, 0.005
NEIGHBOURS = 20
# What a litre or kilogram too many and a second too late cost at first, in seconds of driving; and how soon that is
# thought over.
LOAD_PENALTY_S, LATE_PENALTY_S, DISTANCE_PENALTY = 6.0, 30.0, 10.0
ITERATIONS_A_PENALTY = 100
# The part of the orders that are tried that should fit.
FITTING = 0.4
# The part of a search after which it settles for less than all must jobs.
_GIVE_UP = 0.25


def search(
    crew: Crew,
    start: Sequence[Order],
    seed: int,
    seconds: float,
    iterations: int | None = None,
    keep_s: float = 0.0,
    timer: Callable[[], float] = time.perf_counter,
    all_or_nothing: bool = False,
) -> list[Order]:
    """Return for each outing the order of its visits, better than or as good as `start`: one stretch of a `Search`.

    Parameters
    ----------
    crew, start, seed, keep_s
        As in `Search`.
    seconds, iterations, timer, all_or_nothing
        As in `Search.go_on`.
    """
    return Search(crew, start, seed, keep_s).go_on(seconds, iterations, timer, all_or_nothing)


class Search:
    """A search that goes on where it stopped.

    Parameters
    ----------
    crew
        Jobs and trucks.
    start
        An order for each outing that fits (see `Visit.item`); may leave jobs out.
    seed
        The same seed and iterations give the same answers.
    keep_s
        Seconds that a job's move to another truck than its keeper must save.
    """

    def __init__(self, crew: Crew, start: Sequence[Order], seed: int, keep_s: float = 0.0) -> None:
        self.crew = crew
        self._given = [list(order) for order in start]
        self._seed, self._keep_s = seed, keep_s
        self._all: _Strand | None = None
        self._some: _Strand | None = None

    def go_on(
        self,
        seconds: float,
        iterations: int | None = None,
        timer: Callable[[], float] = time.perf_counter,
        all_or_nothing: bool = False,
    ) -> list[Order]:
        """Search so much longer, and return the best orders so far.

        Parameters
        ----------
        seconds
            Seconds of `timer`; not looked at when `iterations` are given.
        timer
            Tells seconds.
        all_or_nothing
            Give `start` back when not all must jobs can be done.
        """
        if not self.crew.jobs or not self.crew.outings:
            return self._given
        budget = _Budget(seconds, iterations, timer)
        if self._all is None:
            self._all = _Strand(VrpModel(self.crew, self._keep_s, all_musts=True), self._given, self._seed)
        if not self._all.model.types or not self._all.model.jobs:
            return self._given
        found = self._all.go_on(budget, gives_up=not all_or_nothing)
        if found is None and not all_or_nothing:
            # Not all that must be done can be, or not so soon: do what can.
            if self._some is None:
                self._some = _Strand(VrpModel(self.crew, self._keep_s, all_musts=False), self._given, self._seed)
            found = self._some.go_on(budget)
        return found or self._given


class _Budget:
    """What is left of seconds or iterations."""

    def __init__(self, seconds: float, iterations: int | None, timer: Callable[[], float]) -> None:
        self.iterations, self.timer = iterations, timer
        self._began_s = timer()
        self._seconds = max(0.0, seconds)
        self._done = 0

    def used(self) -> float:
        """Return which part is used up."""
        if self.iterations is not None:
            return self._done / max(1, self.iterations)
        return (self.timer() - self._began_s) / self._seconds if self._seconds else 1.0

    def count(self) -> None:
        """Count an iteration."""
        self._done += 1


class _Strand:
    """The search over one model, and where it stands.

    Simulated annealing (Kirkpatrick, Gelatt and Vecchi 1983) over what PyVRP's perturbation and local search make of an
    order.
    """

    def __init__(self, model: VrpModel, start: Sequence[Order], seed: int) -> None:
        self.model = model
        self._start = start
        self._rng = pyvrp.RandomNumberGenerator(seed=seed)
        self._now: pyvrp.Solution | None = None

    def go_on(self, budget: _Budget, gives_up: bool = False) -> list[Order] | None:
        """Return the best orders so far, None when nothing that fits was found; one that gives up tells that early."""
        now = best = self._now or self._begin()
        leg = self.model.leg_price(now)
        fits = best.is_feasible()
        with warnings.catch_warnings():
            # That penalties are at their bound says what the caller learns anyhow: not all of it can be done.
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            while (used := budget.used()) < (_GIVE_UP if gives_up and not fits else 1.0):
                budget.count()
                price = self._penalties.cost_evaluator()
                tried = self._local(now, price, exhaustive=False)
                self._penalties.register(tried)
                if price.cost(tried) < price.cost(best):
                    best, fits = tried, True
                dearer = leg * WARM * (COLD / WARM) ** used * -math.log(1.0 - self._rng.rand())
                if price.penalised_cost(tried) < price.penalised_cost(now) + dearer:
                    now = tried
        # Before there is one that fits, it goes on from where it was last.
        self._now = best if fits else now
        return self.model.orders(best) if fits else None

    def _begin(self) -> pyvrp.Solution:
        model = self.model
        neighbours = compute_neighbours(model.plain, NeighbourhoodParams(num_neighbours=NEIGHBOURS))
        self._local = LocalSearch(model.data, self._rng, neighbours, PerturbationManager())
        for operator in OPERATORS:
            if operator.supports(model.data):
                self._local.add_operator(operator(model.data))
        # PyVRP's own first penalties, high: with low ones an overfull day never leads to an order that fits.
        usual = PenaltyParams(max_penalty=model.largest_penalty)
        high = usual.midpoint_penalties(model.data)
        self._penalties = PenaltyManager(high, usual)
        first = model.solution(self._start)
        if not any(self._start):
            first = self._local(first, self._penalties.cost_evaluator(), exhaustive=True)
        if model.all_musts:
            # From there on the way to a better order leads through some that do not fit. The solver's own penalties
            # come down too slowly for seconds: a change under way was 3..10 % dearer with them.
            loads, _, distance = high
            second = model.crew.problem.prices.driving_second
            low = [LOAD_PENALTY_S * second] * len(loads), LATE_PENALTY_S * second, min(distance, DISTANCE_PENALTY)
            often = PenaltyParams(
                solutions_between_updates=ITERATIONS_A_PENALTY,
                target_feasible=FITTING,
                max_penalty=model.largest_penalty,
            )
            self._penalties = PenaltyManager(low, often)
        if not first.is_complete():
            # What begins without its required clients looks cheaper than all that has them.
            first = self._local(first, self._penalties.cost_evaluator(), exhaustive=False)
        return first
