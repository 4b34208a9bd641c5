import math

import pytest

from city.errors import BadInput
from routing.vetoes import Learning, Veto, VetoReason, Visited, lessons, taught
from tests.routing.town import DAY_S, job

DAY = 86_400.0
NOW_S = DAY_S + 40 * DAY


def vetoes(*days: float, hour: float = 8.5, reason: VetoReason = "blocked") -> list[Veto]:
    return [Veto("at-a", reason, hour, NOW_S - day * DAY) for day in days]


def test_one_veto_is_an_event_and_two_are_knowledge() -> None:
    once, twice = lessons(vetoes(1), [], NOW_S), lessons(vetoes(1, 2), [], NOW_S)
    assert taught([job("a", 1, 1)], once, DAY_S)[0].avoid == ()
    eight = (DAY_S + 8 * 3600.0, DAY_S + 9 * 3600.0)
    assert taught([job("a", 1, 1)], twice, DAY_S)[0].avoid == (eight,)
    assert twice[0].vetoes == 2


def test_visits_that_went_well_speak_against_vetoes_and_old_ones_fade() -> None:
    visits = [Visited("at-a", 8.2, NOW_S - day * DAY) for day in (3, 4, 5)]
    assert lessons(vetoes(1, 2), visits, NOW_S)[0].hours_to_avoid(0.5) == ()
    assert lessons(vetoes(400, 401), [], NOW_S)[0].hours_to_avoid(0.5) == ()


def test_other_places_and_what_is_yet_to_come_change_nothing() -> None:
    other = job("b", 2, 2)
    assert taught([other], lessons(vetoes(1, 2), [], NOW_S), DAY_S) == (other,)
    assert lessons(vetoes(-1, -2), [], NOW_S) == ()


def test_a_job_that_could_not_be_done_any_more_keeps_its_window() -> None:
    only = job("a", 1, 1, earliest_s=DAY_S + 8 * 3600.0, latest_s=DAY_S + 9 * 3600.0)
    assert taught([only], lessons(vetoes(1, 2), [], NOW_S), DAY_S) == (only,)


def test_visits_that_are_not_needed_make_an_optional_job_worth_less_and_a_must_stays() -> None:
    learned = lessons(vetoes(1, 2, 3, reason="not_needed"), [], NOW_S)
    may, must = job("a", 1, 1, must=False, prize_s=300.0), job("a", 1, 1)
    assert taught([may], learned, DAY_S)[0].prize_s < 150.0
    assert taught([must], learned, DAY_S) == (must,)


def test_the_same_is_learned_in_any_order() -> None:
    some = vetoes(1, 2, 9)
    assert lessons(some, [], NOW_S)[0].refused[8] == pytest.approx(lessons(some[::-1], [], NOW_S)[0].refused[8])


@pytest.mark.parametrize(
    "bad", [{"half_life_days": 0.0}, {"prior_visits": -1.0}, {"avoid_from": math.nan}, {"wasted_s": -1.0}]
)
def test_figures_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(bad))):
        Learning(**bad)
