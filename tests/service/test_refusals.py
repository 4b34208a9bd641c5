"""What drivers refuse: heard, told apart from what is not known, learned from, and forgotten."""

from zoneinfo import ZoneInfo

import pytest

from city.readings import ReadingKey, Row
from city.vetoes import VETO_REASONS, veto_code
from service.decision_rows import DESK
from service.refusals import Refusal, Refusals
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY_S = 86_400.0


@pytest.fixture
def register(tmp_path):
    city = SmallCity(tmp_path / "city")
    yield city.register
    city.close()


def row(n, at_s, kind="veto", subject="kamer-3", entity="crane-1", code=0.0, **values):
    said = {"veto_code": code} if kind == "veto" else values
    return Row(ReadingKey("cab", "log", n), entity, kind, at_s, said, 0, "good", True, at_s, subject)


def test_a_street_that_is_blocked_at_an_hour_again_and_again_is_avoided_at_it(register):
    refusals = Refusals(register)
    for day in range(3):
        refusals.note(row(day, MONDAY_S + day * DAY_S))
    lesson = refusals.lessons(MONDAY_S + 3 * DAY_S)["kamer-3"]
    assert lesson.vetoes == 3
    assert lesson.hours_to_avoid(0.5) == (8,)
    assert [one.at_s for one in refusals.told("kamer-3")] == [MONDAY_S + day * DAY_S for day in (2, 1, 0)]


def test_visits_that_went_well_speak_against_and_emptying_two_containers_is_one_visit(register):
    refusals = Refusals(register)
    for day in range(9):
        for n, container in enumerate(("k3-residual", "k3-paper")):
            refusals.note(row(100 + 2 * day + n, MONDAY_S - (9 - day) * DAY_S + 60 * n, "visit", container))
    assert refusals.visits("kamer-3") == 9
    refusals.note(row(1, MONDAY_S))
    refusals.note(row(2, MONDAY_S + DAY_S))
    assert refusals.lessons(MONDAY_S + DAY_S)["kamer-3"].hours_to_avoid(0.5) == ()


def test_a_container_stands_for_its_cluster(register):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S, subject="k3-paper", code=veto_code("not_needed")))
    assert refusals.recent(MONDAY_S) == (Refusal("kamer-3", "not_needed", MONDAY_S, "crane-1"),)


@pytest.mark.parametrize("code", [None, 0.5, 7.0, -1.0, float("nan")])
def test_a_reason_that_is_none_teaches_nothing_and_the_stop_was_refused_all_the_same(register, code):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S, code=code))
    assert refusals.recent(MONDAY_S) == (Refusal("kamer-3", None, MONDAY_S, "crane-1"),)
    assert refusals.lessons(MONDAY_S) == {}
    assert refusals.unreadable == 1


@pytest.mark.parametrize("subject", [None, "", "depot", "crane-2", "nowhere"])
def test_a_veto_of_what_is_no_cluster_is_counted_and_concerns_nothing(register, subject):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S, subject=subject))
    assert (refusals.recent(MONDAY_S), refusals.unreadable) == ((), 1)


def test_only_a_truck_or_the_desk_keeps_trucks_away(register):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S, entity="k3-residual"))
    assert (refusals.recent(MONDAY_S), refusals.unreadable) == ((), 1)
    desk = Row(
        ReadingKey(DESK, "place", 1), DESK, "veto", MONDAY_S, {"veto_code": 0.0}, 0, "good", False, 0.0, "kamer-3"
    )
    refusals.note(desk)
    assert refusals.recent(MONDAY_S) == (Refusal("kamer-3", "blocked", MONDAY_S),)


def test_the_same_reading_twice_is_one_veto(register):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S))
    refusals.note(row(1, MONDAY_S))
    assert len(refusals.told("kamer-3")) == 1


def test_what_is_long_past_is_forgotten_and_what_is_two_days_old_is_not_of_today(register):
    refusals = Refusals(register)
    refusals.note(row(1, MONDAY_S))
    assert refusals.recent(MONDAY_S + 3 * DAY_S) == ()
    assert "kamer-3" in refusals.lessons(MONDAY_S + 300 * DAY_S)
    assert refusals.lessons(MONDAY_S + 400 * DAY_S) == {}


@pytest.mark.parametrize(("minutes", "again"), [(0.0, 1.0), (29.0, 1.0), (31.0, 1.0 + 1 / 60), (59.0, 1.0 + 29 / 60)])
def test_what_is_blocked_may_be_tried_in_another_hour_and_half_an_hour_later_at_the_soonest(minutes, again):
    said = Refusal("kamer-3", "blocked", MONDAY_S + 60 * minutes)
    assert said.again_s(AMSTERDAM) == pytest.approx(MONDAY_S + again * HOUR_S)


@pytest.mark.parametrize("reason", [*VETO_REASONS[1:], None])
def test_what_does_not_change_by_waiting_is_not_tried_again_today(reason):
    assert Refusal("kamer-3", reason, MONDAY_S).again_s(AMSTERDAM) is None
