import msgspec
import pytest

from city.errors import BadInput
from city.plans import Plan, Round, Stop
from routing.difference import difference
from routing.emissions import Emissions
from tests.routing.town import job


def plan(rounds: dict[str, list[tuple[str, float]]], metres: float = 1000.0) -> Plan:
    made = []
    for truck, visits in rounds.items():
        stops = [Stop("empty", f"at-{job}", 6.5, 53.2, at, at + 60.0, job=job) for job, at in visits]
        made.append(Round(truck, tuple(stops), metres, stops[-1].leave_s - stops[0].leave_s))
    return Plan("p", 0.0, tuple(made))


BEFORE = plan({"a": [("one", 100.0), ("two", 200.0), ("three", 300.0)], "b": [("four", 100.0), ("five", 200.0)]})


def test_nothing_changed_is_no_difference() -> None:
    nothing = difference(BEFORE, BEFORE)
    assert (nothing.added, nothing.dropped, nothing.moved, nothing.trucks) == ((), (), (), ())
    assert (nothing.distance_m, nothing.duration_s, nothing.later_s) == (0.0, 0.0, 0.0)


def test_added_dropped_moved_and_later_are_told() -> None:
    after = plan(
        {"a": [("one", 150.0), ("three", 250.0)], "b": [("four", 100.0), ("two", 220.0), ("new", 300.0)]}, 1300.0
    )
    told = difference(BEFORE, after)
    assert told.added == ("new",)
    assert told.dropped == ("five",)
    assert [(one.job, one.place, one.from_truck, one.to_truck) for one in told.moved] == [("two", "at-two", "a", "b")]
    assert told.trucks == ("a", "b")
    assert told.distance_m == pytest.approx(600.0)
    assert told.later_s == 50.0


def test_another_order_touches_the_truck_and_other_times_alone_do_not() -> None:
    turned = plan({"a": [("two", 100.0), ("one", 200.0), ("three", 300.0)], "b": [("four", 130.0), ("five", 230.0)]})
    assert difference(BEFORE, turned).trucks == ("a",)
    assert difference(BEFORE, turned).later_s == 100.0


def test_a_round_that_is_new_or_gone_touches_its_truck() -> None:
    only_a = msgspec.structs.replace(BEFORE, rounds=BEFORE.rounds[:1])
    assert difference(BEFORE, only_a).trucks == ("b",)
    assert difference(only_a, BEFORE).trucks == ("b",)
    assert difference(only_a, BEFORE).added == ("four", "five")


def test_sooner_is_not_later() -> None:
    sooner = plan({"a": [("one", 50.0), ("two", 150.0), ("three", 250.0)], "b": [("four", 100.0), ("five", 200.0)]})
    assert difference(BEFORE, sooner).later_s == 0.0


def test_shifts_of_a_minute_co2_and_expected_overflows_are_told() -> None:
    after = plan({"a": [("one", 100.0), ("two", 290.0), ("three", 310.0)], "b": [("four", 100.0)]}, 1300.0)
    jobs = (job("five", 1, 1, overflow_probability=0.4),)
    told = difference(msgspec.structs.replace(BEFORE, jobs=jobs), after, Emissions(1.0, 0.5))
    assert [(one.job, one.truck, one.later_s) for one in told.shifted] == [("two", "a", 90.0)]
    assert told.overflows == pytest.approx(0.4)
    assert told.co2_kg == pytest.approx((after.distance_m - BEFORE.distance_m) / 1000.0 - 0.5)


def test_an_overflow_risk_that_is_not_known_is_not_zero() -> None:
    less = plan({"a": [("one", 100.0), ("two", 200.0), ("three", 300.0)], "b": [("four", 100.0)]})
    assert difference(BEFORE, less).overflows is None
    assert difference(BEFORE, BEFORE).overflows == 0.0


@pytest.mark.parametrize("name", ["kg_per_km", "kg_per_lift"])
def test_emissions_that_are_no_number_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match=name):
        Emissions(**{name: float("nan")})
