"""Solving in a process of its own, so that the page stays responsive: the request, the answer, the warm worker."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from city.places import Depot, Truck, UnloadingSite
from city.plans import Difference, Job, Plan
from routing.check import check_plan
from routing.congestion import ObservedApproach, edge_congestion
from routing.difference import difference
from routing.driving_rules import DrivingRules
from routing.network import Network
from routing.problem import CollectionProblem
from routing.replan import TruckProgress, as_it_stands, replan
from routing.solve import plan_day
from routing.travel import Travel, TravelTimes
from routing.truck_limits import size_of
from service.valhalla_travel import ValhallaTravel

logger = logging.getLogger(__name__)

_NICENESS = 5
# Nobody drives through an inner city that is closed to save less than this, and no stop in it stops all planning.
_CLOSED_ENTRY_S = 3600.0


@dataclass(frozen=True)
class SolveRequest:
    """A day plan to make (`plan` None), or a plan to change for new jobs and for traffic as it is now."""

    jobs: tuple[Job, ...]
    trucks: tuple[Truck, ...]
    depots: tuple[Depot, ...]
    unloading_sites: tuple[UnloadingSite, ...]
    day_start_s: float
    now_s: float
    seconds: float
    seed: int
    observed: tuple[ObservedApproach, ...] = ()
    plan: Plan | None = None
    progress: tuple[TruckProgress, ...] = ()
    new_jobs: tuple[Job, ...] = ()


@dataclass(frozen=True)
class SolveAnswer:
    """A plan that was judged by code that shares nothing with the solver; `violations` empty = it may be driven.

    `left_alone` is the old plan with its times as they will be now if nothing is changed; None for a day plan.
    `change` is the difference to it. `took_s` is real time.
    """

    plan: Plan
    violations: tuple[str, ...]
    distance_m: float
    duration_s: float
    took_s: float
    change: Difference | None = None
    left_alone: Plan | None = None
    left_alone_violations: tuple[str, ...] = field(default=())


class SolverPool:
    """One warm worker process.

    A worker that dies takes its request with it (the future says so) and is replaced.
    """

    def __init__(self, network_file: Path, router: str = "") -> None:
        self._network_file, self._router = network_file, router
        self._lock = threading.Lock()
        self._closed = False
        self._executor = self._start()
        self.restarts = 0

    def submit(self, request: SolveRequest) -> "Future[SolveAnswer]":
        """Solve a request in the worker."""
        with self._lock:
            try:
                return self._executor.submit(solve_request, request)
            except BrokenProcessPool:
                logger.warning("The solver's process has died; a new one takes over.")
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._executor = self._start()
                self.restarts += 1
                return self._executor.submit(solve_request, request)

    def close(self) -> None:
        """End the worker, even in the middle of a request."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            workers = list((self._executor._processes or {}).values())
            self._executor.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(timeout=5)
        # The executor's own thread sees that the worker is gone, and gives the queues back.
        self._executor.shutdown(wait=True)

    def _start(self) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin_worker,
            initargs=(str(self._network_file), os.getpid(), self._router),
        )
        with _no_ctrl_c():
            executor.submit(_is_warm)
        return executor


_network: Network | None = None
_router = ""


def solve_request(request: SolveRequest) -> SolveAnswer:
    """Solve a request in this process; `SolverPool` does the same in another one."""
    began_s = time.monotonic()
    if _network is None:
        raise RuntimeError("the worker has no road network")
    jobs = request.jobs + tuple(job for job in request.new_jobs if job.id not in {one.id for one in request.jobs})
    problem = CollectionProblem(
        jobs=jobs,
        trucks=request.trucks,
        depots=request.depots,
        unloading_sites=request.unloading_sites,
        day_start_s=request.day_start_s,
        now_s=request.now_s,
        travel=_travel(_network, request),
    )
    if request.plan is None:
        plan = plan_day(problem, request.seconds, request.seed)
        report = check_plan(plan, problem)
        return SolveAnswer(
            plan, tuple(report.violations), report.distance_m, report.duration_s, time.monotonic() - began_s
        )
    alone = as_it_stands(problem, request.plan, request.progress)
    plan = replan(problem, request.plan, request.progress, request.new_jobs, request.seconds, request.seed)
    report = check_plan(plan, problem, request.progress, request.plan)
    return SolveAnswer(
        plan,
        tuple(report.violations),
        report.distance_m,
        report.duration_s,
        time.monotonic() - began_s,
        difference(alone, plan),
        alone,
        tuple(check_plan(alone, problem, request.progress, request.plan).violations),
    )


def use_network(network: Network, router: str = "") -> None:
    """Solve over this network in this process, or with the travel times of a Valhalla server.

    A worker process loads the network once and keeps it.
    """
    global _network, _router
    _network, _router = network, router


def _travel(network: Network, request: SolveRequest) -> Travel:
    # Streets must do for every truck of the fleet: any of them may be sent to a stop.
    size = size_of(request.trucks)
    if _router:
        return ValhallaTravel(_router, size)
    seen = edge_congestion(network, request.observed)
    hour = (request.now_s - request.day_start_s) / 3600.0 % 24.0
    rules = DrivingRules(size=size, hour=hour, closed_entry_s=_CLOSED_ENTRY_S)
    return TravelTimes(network, seen.factor, seen.exit_delay_s, rules)


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Let processes that begin now ignore Ctrl-C from their first moment, also while they still import.

    Ctrl-C reaches every process of the terminal's group: the parent ends a worker when it is ready to.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin_worker(network_file: str, parent: int, router: str) -> None:
    # A worker that was begun by another thread does not inherit it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    network = Network.load(network_file)
    network.prepare()
    use_network(network, router)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _is_warm() -> bool:
    return _network is not None
