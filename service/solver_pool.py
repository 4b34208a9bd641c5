"""The solver's process: warm, so that a first answer comes at once, and polite, so that what must not wait does not."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

from routing.network import Network
from service.solving import SolveAnswer, SolveRequest, ever_better, solve_request, use_network

logger = logging.getLogger(__name__)

_NICENESS = 5
# Later than any search may last: a timer that shows it ends the search that looks at it.
_LONG_AFTER_S = 1e12


class SolverPool:
    """One warm worker process, which answers requests one after the other.

    A worker that dies takes its request with it (the future says so) and is replaced.

    Parameters
    ----------
    network_file
        The streets, which the worker loads once.
    router
        Address of a Valhalla server that tells travel times instead; empty = none.
    """

    def __init__(self, network_file: Path, router: str = "") -> None:
        self._network_file, self._router = network_file, router
        self._lock = threading.Lock()
        self._closed = False
        self._searches = 0
        # Searches up to this number are over; the worker looks at it while it searches.
        self._ended = RawValue("Q", 0)
        self._executor = self._start()
        self.restarts = 0

    def submit(self, request: SolveRequest) -> "Future[SolveAnswer]":
        """Solve a request in the worker."""
        return self.call(solve_request, request)

    def search(self, request: SolveRequest) -> "Search":
        """Begin to search for ever better changes of the request's plan; a search that went on is ended."""
        with self._lock:
            self._searches += 1
            number = self._searches
            self._ended.value = number - 1
        return Search(self, number, request)

    def end_search(self, number: int) -> None:
        """End a search and those before it."""
        with self._lock:
            self._ended.value = max(self._ended.value, number)

    def call(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run a function in the worker, a new one if it has died."""
        with self._lock:
            try:
                return self._executor.submit(function, *arguments)
            except BrokenProcessPool:
                logger.warning("The solver's process has died; a new one takes over.")
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._executor = self._start()
                self.restarts += 1
                return self._executor.submit(function, *arguments)

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
            initargs=(str(self._network_file), os.getpid(), self._router, self._ended),
        )
        with _no_ctrl_c():
            executor.submit(_is_warm)
        return executor


class Search:
    """A search that goes on in the worker while somebody asks for what it finds next. Made by `SolverPool.search`."""

    def __init__(self, pool: SolverPool, number: int, request: SolveRequest) -> None:
        self._pool, self._number = pool, number
        self._first: SolveRequest | None = request

    def next(self) -> "Future[SolveAnswer | None]":
        """Ask for the next better answer, the first at first; None = the search is over."""
        request, self._first = self._first, None
        return self._pool.call(_next_answer, self._number, request)

    def end(self) -> None:
        """End it: whoever waits for an answer gets None soon."""
        self._pool.end_search(self._number)


class _Worker:
    """What the worker process keeps between calls."""

    def __init__(self, ended: Any) -> None:
        self._ended = ended
        self._number = 0
        self._answers: Iterator[SolveAnswer] = iter(())

    def next_answer(self, number: int, request: SolveRequest | None) -> SolveAnswer | None:
        if request is not None:
            self._number = number
            self._answers = ever_better(request, lambda: self._time_s(number))
        # A worker that took the place of one that died knows nothing of its search.
        if self._number != number or self._is_over(number):
            return None
        answer = next(self._answers, None)
        return None if self._is_over(number) else answer

    def _is_over(self, number: int) -> bool:
        return bool(number <= self._ended.value)

    def _time_s(self, number: int) -> float:
        return _LONG_AFTER_S if self._is_over(number) else time.perf_counter()


_worker: _Worker | None = None


def _next_answer(number: int, request: SolveRequest | None) -> SolveAnswer | None:
    return _worker.next_answer(number, request) if _worker is not None else None


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


def _begin_worker(network_file: str, parent: int, router: str, ended: Any) -> None:
    global _worker  # noqa: PLW0603 - a worker process is begun once
    # A worker that was begun by another thread does not inherit it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    network = Network.load(network_file)
    network.prepare()
    use_network(network, router)
    _worker = _Worker(ended)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _is_warm() -> bool:
    return _worker is not None
