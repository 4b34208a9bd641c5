"""What the solver finds has to fit in the eyes of what tells its times."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest

from city.places import Truck
from city.plans import Job
from routing.crew import Crew, Outing, Position
from routing.vrp import Search, search
from routing.vrp_model import VrpModel
from tests.routing.town import DEPOT, SEVEN_S, corner, crane, job, problem, some_jobs


def test_a_truck_under_way_does_not_go_home_unloaded_past_where_it_began() -> None:
    """Its beginning is a place for the solver, from which home is near when nothing is aboard."""
    jobs = (job("near", 1, 1), job("far", 2, 1))
    truck, lon_lat = crane(), corner(1, 0)
    both = Outing(truck, DEPOT, Position("here", *lon_lat), SEVEN_S, SEVEN_S + 1e5, under_way=True)
    day = problem(jobs, trucks=(truck,))
    needed_s = Crew(day, jobs, (both,)).drive(0, [0, 1]).end_s - SEVEN_S
    tight = Outing(truck, DEPOT, Position("here", *lon_lat), SEVEN_S, SEVEN_S + needed_s - 60.0, under_way=True)
    crew = Crew(day, jobs, (tight,))
    (order,) = search(crew, [[0]], seed=1, seconds=0.0, iterations=200)
    assert crew.drive(0, order).fits
    assert len(order) == 1


def test_orders_that_were_found_fit_with_breaks_and_windows() -> None:
    jobs = tuple(job(f"j{i}", i % 11, i // 3, latest_s=SEVEN_S + 4000.0 if i % 4 == 0 else None) for i in range(24))
    start = Position("depot", DEPOT.lon, DEPOT.lat)
    breaks = ((SEVEN_S + 1800.0, 900.0),)
    outings = tuple(
        Outing(crane(f"c{k}"), DEPOT, start, SEVEN_S, SEVEN_S + 3 * 3600.0, breaks=breaks) for k in range(3)
    )
    crew = Crew(problem(jobs, trucks=tuple(one.truck for one in outings)), jobs, outings)
    found = search(crew, [[], [], []], seed=1, seconds=0.0, iterations=400)
    assert all(crew.drive(o, order).fits for o, order in enumerate(found))
    assert sorted(item for order in found for item in order if item >= 0) == list(range(24))


def crew_of(jobs: Sequence[Job], trucks: Sequence[Truck]) -> Crew:
    start = Position("depot", DEPOT.lon, DEPOT.lat)
    outings = tuple(Outing(truck, DEPOT, start, SEVEN_S, SEVEN_S + 8 * 3600.0) for truck in trucks)
    return Crew(problem(tuple(jobs), trucks=tuple(trucks) or (crane(),)), tuple(jobs), outings)


@pytest.mark.parametrize(("jobs", "trucks"), [(0, 0), (0, 2), (3, 0), (1, 1)])
def test_a_crew_without_jobs_or_trucks_is_no_fault(jobs: int, trucks: int) -> None:
    crew = crew_of([job(f"j{i}", i, i) for i in range(jobs)], [crane(f"c{k}") for k in range(trucks)])
    found = search(crew, [[] for _ in crew.outings], seed=1, seconds=0.0, iterations=20)
    assert found == [[0]] if jobs and trucks else not any(found)


def test_jobs_that_no_truck_can_do_are_left_out_and_the_rest_is_done() -> None:
    jobs = [job("heavy", 1, 1, load_kg=1e5), job("late", 11, 11, latest_s=SEVEN_S + 181.0), job("usual", 2, 2)]
    assert search(crew_of(jobs, [crane()]), [[]], seed=1, seconds=0.0, iterations=50) == [[2]]
    assert search(crew_of(jobs[:2], [crane()]), [[]], seed=1, seconds=0.0, iterations=50) == [[]]


def test_a_search_that_goes_on_only_gets_better() -> None:
    crew = crew_of(some_jobs(60, seed=8), [crane("a"), crane("b")])
    going = Search(crew, [[], []], seed=2)
    costs = []
    for _ in range(4):
        found = going.go_on(0.0, iterations=30)
        drives = [crew.drive(o, order) for o, order in enumerate(found)]
        assert all(one.fits for one in drives)
        costs.append(sum(crew.price(o, found[o], one) for o, one in enumerate(drives)))
    # The solver counts in whole seconds and metres.
    assert all(later <= sooner * 1.001 for sooner, later in pairwise(costs))
    assert costs[-1] < costs[0]


def test_ten_clusters_of_three_containers_fill_a_truck_of_24_m3() -> None:
    """3 x 0.8 m3 are 2.4000000000000004 m3 to a computer."""
    jobs = [job(f"j{i}", i, 5, volume_m3=3 * 0.8) for i in range(10)]
    (order,) = search(crew_of(jobs, [crane(volume_m3=24.0)]), [[]], seed=1, seconds=0.0, iterations=50)
    assert sorted(order) == list(range(10))


def test_costs_are_told_to_the_unit_however_much_a_day_may_hold() -> None:
    """Beyond 2**53 a move and its way back could both look better, and a local search never end."""
    jobs = [job(f"j{i}", i % 11, i // 11, volume_m3=900.0 + 0.001 * i) for i in range(100)]
    truck = crane(volume_m3=5e4, payload_kg=1e6, volume_per_day_m3=6e4)
    model = VrpModel(crew_of(jobs, [truck, msgspec.structs.replace(truck, id="other")]), 0.0, all_musts=True)
    ways = model.data.distance_matrix(0)[len(jobs), : len(jobs)]
    assert 10.0 < model.largest_penalty * float(ways.sum()) < 2**53
    found = search(model.crew, [[], []], seed=1, seconds=0.0, iterations=100)
    assert sorted(item for order in found for item in order if item >= 0) == list(range(100))
