import pickle
from typing import Any

import numpy as np
import pytest

from city.places import Depot, UnloadingSite
from routing.problem import BadProblem, CollectionProblem
from routing.replan import replan
from routing.solve import plan_day
from routing.travel import TravelTable
from tests.routing.town import DAY_S, DEPOT, SEVEN_S, SITE, crane, grab, job, problem, some_jobs

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "what", "says"),
    [
        ({"trucks": ()}, "", "no truck"),
        ({"trucks": (crane("a"), crane("a"))}, "a", "twice"),
        ({"trucks": (crane("a", streams=("paper",)), grab())}, "one", "'residual'"),
        ({"trucks": (crane("a"),), "jobs": (job("two", 1, 1, kind="clear"),)}, "two", "grab vehicle"),
        ({"trucks": (grab("a"),)}, "one", "crane truck"),
        ({"trucks": (crane("a", volume_m3=0.0),)}, "a", "volume_m3"),
        ({"trucks": (crane("a", payload_kg=NAN),)}, "a", "payload_kg"),
        ({"trucks": (crane("a", shift_duration_s=-1.0),)}, "a", "shift_duration_s"),
        ({"trucks": (crane("a", shift_start_hour=NAN),)}, "a", "shift"),
        ({"depots": ()}, "crane-1", "depot"),
        ({"depots": (Depot("depot", "Depot", 53.2, 6.5),)}, "depot", "lon first"),
        ({"unloading_sites": ()}, "", "unloading site"),
        ({"unloading_sites": (UnloadingSite("s", "S", NAN, 53.2),)}, "s", "position"),
        ({"unloading_sites": (UnloadingSite("s", "S", 6.56, 53.21, 9.0, 9.1),)}, "s", "too short"),
        ({"unloading_sites": (UnloadingSite("s", "S", 6.56, 53.21, unloading_s=-5.0),)}, "s", "takes"),
        ({"jobs": (job("one", 1, 1), job("one", 2, 2))}, "one", "twice"),
        ({"jobs": (job("one", 1, 1, volume_m3=-1.0),)}, "one", "volume_m3"),
        ({"jobs": (job("one", 1, 1, load_kg=NAN),)}, "one", "load_kg"),
        ({"jobs": (job("one", 1, 1, service_s=-1.0),)}, "one", "service_s"),
        ({"jobs": (job("one", 1, 1, prize_s=float("inf")),)}, "one", "prize_s"),
        ({"jobs": (job("one", 1, 1, earliest_s=SEVEN_S + 60, latest_s=SEVEN_S),)}, "one", "window"),
        ({"jobs": (job("one", 1, 1, earliest_s=SEVEN_S, latest_s=SEVEN_S + 60),)}, "one", "do not fit"),
        ({"jobs": (job("one", 1, 1, latest_s=NAN),)}, "one", "window"),
        ({"jobs": (job("one", 200, 1),)}, "one", "cannot be reached"),
        ({"now_s": NAN}, "", "now_s"),
        ({"day_start_s": NAN}, "", "day_start_s"),
    ],
)
def test_what_no_plan_can_solve_is_named_with_the_fix(changes: dict[str, Any], what: str, says: str) -> None:
    with pytest.raises(BadProblem, match=says) as caught:
        problem(**({"jobs": (job("one", 1, 1),)} | changes))
    assert caught.value.what == what
    assert caught.value.fix


def table(durations: list[list[float]]) -> CollectionProblem:
    """Depot, site, one job, with travel from a table."""
    lon, lat = [6.50, 6.51, 6.52], [53.2, 53.2, 53.2]
    return CollectionProblem(
        jobs=(job("one", 1, 1).__class__("one", "empty", "at-one", lon[2], lat[2], "residual"),),
        trucks=(crane(),),
        depots=(Depot("depot", "Depot", lon[0], lat[0]),),
        unloading_sites=(UnloadingSite("site", "Site", lon[1], lat[1]),),
        day_start_s=DAY_S,
        now_s=SEVEN_S,
        travel=TravelTable(lon, lat, durations, np.where(np.isfinite(durations), 500.0, durations)),
    )


@pytest.mark.parametrize(
    ("durations", "what", "says"),
    [
        ([[0, 60, 60], [60, 0, NAN], [60, 60, 0]], "one", "nan"),
        ([[0, 60, 60], [60, 0, -5], [60, 60, 0]], "one", "-5"),
        ([[0, 60, float("inf")], [60, 0, float("inf")], [60, 60, 0]], "one", "cannot be reached"),
    ],
)
def test_a_travel_time_that_is_none_names_the_place(durations: list[list[float]], what: str, says: str) -> None:
    with pytest.raises(BadProblem, match=says) as caught:
        plan_day(table(durations), iterations=10)
    assert caught.value.what == what


def test_a_new_job_is_checked_as_the_others_are() -> None:
    day = problem(some_jobs(3))
    plan = plan_day(day, iterations=10)
    with pytest.raises(BadProblem, match="volume_m3"):
        replan(day, plan, (), (job("new", 1, 1, volume_m3=-1.0),), iterations=10)


def test_a_problem_pickles_for_another_process() -> None:
    day = problem(some_jobs(5))
    again = pickle.loads(pickle.dumps(day))
    assert again.jobs == day.jobs
    assert plan_day(again, iterations=20) == plan_day(day, iterations=20)


def test_hours_count_from_local_midnight() -> None:
    day = problem(depots=(DEPOT,), unloading_sites=(SITE,))
    assert day.shift(crane(shift_start_hour=6.5, shift_duration_s=3600.0)) == (DAY_S + 23400.0, DAY_S + 27000.0)
    assert day.hours(UnloadingSite("s", "S", 6.56, 53.21, 8.0, 16.0)) == (DAY_S + 28800.0, DAY_S + 57600.0)
