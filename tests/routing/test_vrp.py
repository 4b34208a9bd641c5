"""What the solver finds has to fit in the eyes of what tells its times."""

from routing.crew import Crew, Outing, Position
from routing.vrp import search
from tests.routing.town import DEPOT, SEVEN_S, corner, crane, job, problem


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
