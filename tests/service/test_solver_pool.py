"""A real worker process that searches on while somebody asks, until it is told to end or dies."""

import multiprocessing
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from routing.check import check_plan
from routing.solve import plan_day
from service.solver_pool import SolverPool
from service.solving import SolveRequest
from tests.routing.town import NETWORK, SEVEN_S, crane, grab, job, later, problem, reported, some_jobs

AT_S = SEVEN_S + 600.0
DAY = problem(some_jobs(50, seed=4), trucks=(crane("crane-1"), crane("crane-2"), grab("grab-1")))
# Loose waste that came up in no order: where each piece fits best is not the best order of it all.
NEW = tuple(job(f"new-{i}", 7 * i % 12, 5 * i % 11, kind="clear") for i in range(12))


@pytest.fixture(scope="module")
def request_():
    plan = plan_day(DAY, iterations=3)
    now = later(DAY, AT_S)
    return SolveRequest(
        jobs=now.jobs,
        trucks=now.trucks,
        depots=now.depots,
        unloading_sites=now.unloading_sites,
        day_start_s=now.day_start_s,
        now_s=now.now_s,
        seconds=30.0,
        seed=1,
        plan=plan,
        progress=reported(plan, AT_S),
        new_jobs=NEW,
    )


@pytest.fixture
def pool(tmp_path):
    NETWORK.save(tmp_path / "network.npz")
    pool = SolverPool(tmp_path / "network.npz")
    yield pool
    pool.close()


def test_the_first_answer_has_what_is_new_and_each_later_one_is_clearly_better(pool, request_):
    search = pool.search(request_)
    first = search.next().result(30)
    asked = {one.id for one in NEW}
    better = search.next().result(30)
    search.end()
    for answer in (first, better):
        assert answer.violations == ()
        assert asked <= {stop.job for one in answer.plan.rounds for stop in one.stops}
        assert all(len(one.path) > 1 for one in answer.plan.rounds)
        assert answer.change.added
        judged = check_plan(answer.plan, later(DAY, AT_S), request_.progress, request_.plan)
        assert judged.violations == []
    assert better.duration_s < first.duration_s
    assert better.change.duration_s < first.change.duration_s


def test_an_end_is_heard_in_the_middle_of_a_search_and_the_worker_goes_on_with_the_next(pool, request_):
    search = pool.search(request_)
    assert search.next().result(30) is not None
    waiting = search.next()
    while waiting.done():
        waiting = search.next()
    search.end()
    began_s = time.monotonic()
    waiting.result(30)
    assert search.next().result(30) is None
    # Not after the half minute that it had.
    assert time.monotonic() - began_s < 10
    again = pool.search(request_)
    assert again.next().result(30).plan.rounds
    assert search.next().result(30) is None
    assert pool.restarts == 0


def test_a_new_search_ends_the_one_before(pool, request_):
    one = pool.search(request_)
    one.next().result(30)
    two = pool.search(request_)
    assert one.next().result(30) is None
    assert two.next().result(30) is not None


def test_a_worker_that_dies_takes_its_search_with_it_and_is_replaced(pool, request_):
    search = pool.search(request_)
    search.next().result(30)
    waiting = search.next()
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        waiting.result(30)
    assert search.next().result(30) is None
    assert pool.restarts == 1
    assert pool.search(request_).next().result(30) is not None
