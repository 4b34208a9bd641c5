"""The search for better orders of a crew's visits, by PyVRP's iterated local search. It can be asked to go on."""

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

# Plans are made in seconds. Late acceptance with a memory of 2 iterations for each of the iterations that a job gets:
# 10 where there is little time for much work, 500 where there is enough. (The solver's own 300 for 1,000 jobs and a
# minute ends 3 % worse; 10 for 300 jobs and a minute 4 %.)
MEMORY_OF_ITERATIONS_A_JOB = 2.0
SHORTEST_MEMORY, LONGEST_MEMORY = 10, 500
NEIGHBOURS = 20
# What a litre or kilogram too many and a second too late cost at first, in seconds of driving; and how soon that is
# thought over.
LOAD_PENALTY_S, LATE_PENALTY_S, DISTANCE_PENALTY = 6.0, 30.0, 10.0
ITERATIONS_A_PENALTY = 100
_TRIALS = 5
# The part of a search after which it settles for less than all must jobs, and what a plan that does not fit costs.
_GIVE_UP = 0.25
_NOT_FITTING = 2**62


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

    def iterations_left(self, one: Callable[[], object]) -> int:
        """Return how many iterations are left; where that is a question of time, `one` is tried."""
        if self.iterations is not None:
            return self.iterations - self._done
        began_s = self.timer()
        for _ in range(_TRIALS):
            one()
        took_s = max(1e-5, (self.timer() - began_s) / _TRIALS)
        return int(max(0.0, 1.0 - self.used()) * self._seconds / took_s)

    def is_over(self, best_cost: float, gives_up: bool) -> bool:
        """Say whether to stop; one that gives up stops early when nothing that fits was found."""
        used = self.used()
        self._done += 1
        return used >= 1.0 or (gives_up and used >= _GIVE_UP and best_cost > _NOT_FITTING)


class _Strand(pyvrp.IteratedLocalSearchCallbacks):  # type: ignore[misc] # PyVRP tells no types
    """The search over one model, and where it stands."""

    def __init__(self, model: VrpModel, start: Sequence[Order], seed: int) -> None:
        self.model = model
        self._start = start
        self._rng = pyvrp.RandomNumberGenerator(seed=seed)
        self._now: pyvrp.Solution | None = None

    def on_iteration(
        self,
        current: pyvrp.Solution,
        candidate: pyvrp.Solution,
        best: pyvrp.Solution,
        cost_evaluator: pyvrp.CostEvaluator,
    ) -> None:
        """Remember where to go on: at the best that fits, and before there is one, where the search was last."""
        self._now = best if best.is_feasible() else current

    def go_on(self, budget: _Budget, gives_up: bool = False) -> list[Order] | None:
        """Return the best orders so far, None when nothing that fits was found."""
        if self._now is None:
            self._now = self._begin()
        now, evaluator = self._now, self._penalties.cost_evaluator()
        left = budget.iterations_left(lambda: self._local(now, evaluator, exhaustive=False))
        wanted = MEMORY_OF_ITERATIONS_A_JOB * left / len(self.model.jobs)
        # Looking through all moves at each new best one costs most of a short search.
        params = pyvrp.IteratedLocalSearchParams(
            history_length=round(min(max(wanted, SHORTEST_MEMORY), LONGEST_MEMORY)),
            exhaustive_on_best=False,
            callbacks=self,
        )
        algorithm = pyvrp.IteratedLocalSearch(self.model.data, self._penalties, self._local, now, params)
        with warnings.catch_warnings():
            # That penalties are at their bound says what the caller learns anyhow: not all of it can be done.
            warnings.simplefilter("ignore", PenaltyBoundWarning)
            algorithm.run(lambda cost: budget.is_over(cost, gives_up), collect_stats=False, display=False)
        return self.model.orders(self._now) if self._now.is_feasible() else None

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
            often = PenaltyParams(solutions_between_updates=ITERATIONS_A_PENALTY, max_penalty=model.largest_penalty)
            self._penalties = PenaltyManager(low, often)
        if not first.is_complete():
            # What begins without its required clients looks cheaper than all that has them.
            first = self._local(first, self._penalties.cost_evaluator(), exhaustive=False)
        return first
