"""The check is tested by mutation: of a valid plan, each kind of corruption has to be found."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from city.plans import Plan, Stop, Unserved
from routing.check import check_plan
from routing.problem import CollectionProblem
from routing.progress import TruckProgress
from routing.replan import replan
from routing.solve import plan_day
from routing.travel import Matrix, TravelTimes
from tests.routing.town import (
    NETWORK,
    SEVEN_S,
    SITE,
    crane,
    grab,
    job,
    later,
    problem,
    reported,
    some_jobs,
    stops_of,
    truck_of,
    with_stop,
    with_stops,
)

change = msgspec.structs.replace
NAN = float("nan")
FLEET = (
    crane("crane-1", payload_kg=1500.0),
    crane("crane-2", payload_kg=1500.0, streams=("residual", "paper")),
    grab("grab-1"),
)
JOBS = (
    *some_jobs(36, seed=8),
    job("window", 11, 11, latest_s=SEVEN_S + 3600.0, must=True),
    job("later", 0, 11, earliest_s=SEVEN_S + 7200.0),
    job("loose", 5, 6, kind="clear"),
    job("dear", 11, 10, must=False, prize_s=0.0),
)
ALL = tuple({(one.lon, one.lat, one.kind): one for one in JOBS}.values())


@pytest.fixture(scope="module")
def day() -> CollectionProblem:
    return problem(ALL, trucks=FLEET)


@pytest.fixture(scope="module")
def plan(day: CollectionProblem) -> Plan:
    made = plan_day(day, iterations=400)
    assert check_plan(made, day).violations == []
    assert made.unserved
    assert [stop.kind for stop in stops_of(made, "crane-2")].count("unload") > 1
    assert stops_of(made, "grab-1")
    return made


def first(plan: Plan, truck: str, kind: str = "empty", skip: int = 0) -> int:
    return [i for i, stop in enumerate(stops_of(plan, truck)) if stop.kind == kind][skip]


def _twice_in_a_round(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    at = first(plan, "crane-2")
    return with_stops(plan, "crane-2", [*stops[: at + 1], stops[at], *stops[at + 1 :]])


def _in_two_rounds(plan: Plan) -> Plan:
    stops = stops_of(plan, "grab-1")
    return with_stops(plan, "grab-1", [stops[0], stops_of(plan, "crane-2")[1], *stops[1:]])


def _dropped_silently(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    at = first(plan, "crane-2")
    return with_stops(plan, "crane-2", stops[:at] + stops[at + 1 :])


def _unserved_forgotten(plan: Plan) -> Plan:
    return change(plan, unserved=())


def _no_reason(plan: Plan) -> Plan:
    return change(plan, unserved=tuple(change(one, reason=" ") for one in plan.unserved))


def _served_and_unserved(plan: Plan) -> Plan:
    return change(plan, unserved=(*plan.unserved, Unserved("loose", "at-loose", "no")))


def _unserved_twice(plan: Plan) -> Plan:
    return change(plan, unserved=plan.unserved * 2)


def _unknown_unserved(plan: Plan) -> Plan:
    return change(plan, unserved=(*plan.unserved, Unserved("nobody", "nowhere", "no")))


def _unknown_job(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2"), job="nobody")


def _wrong_kind_of_truck(plan: Plan) -> Plan:
    return change(
        plan,
        rounds=tuple(
            change(one, truck={"grab-1": "crane-2", "crane-2": "grab-1"}.get(one.truck, one.truck))
            for one in plan.rounds
        ),
    )


def _no_such_truck(plan: Plan) -> Plan:
    return change(plan, rounds=(change(plan.rounds[0], truck="truck-99"), *plan.rounds[1:]))


def _two_rounds_of_a_truck(plan: Plan) -> Plan:
    return change(
        plan,
        rounds=(*plan.rounds, change(plan.rounds[0], stops=plan.rounds[0].stops[:: len(plan.rounds[0].stops) - 1])),
    )


def _unloading_skipped(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    at = first(plan, "crane-2", "unload")
    return with_stops(plan, "crane-2", stops[:at] + stops[at + 1 :])


def _home_without_unloading(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    assert stops[-2].kind == "unload"
    return with_stops(plan, "crane-2", stops[:-2] + stops[-1:])


def _unloads_elsewhere(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2", "unload"), place="canal")


def _unloads_beside(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2", "unload"), lon=SITE.lon - 0.003)


def _unloads_in_no_time(plan: Plan) -> Plan:
    at = first(plan, "crane-2", "unload")
    return with_stop(plan, "crane-2", at, leave_s=stops_of(plan, "crane-2")[at].arrive_s)


def _shift(plan: Plan, seconds: float, truck: str = "crane-2") -> Plan:
    stops = [
        change(stop, arrive_s=stop.arrive_s + seconds, leave_s=stop.leave_s + seconds) for stop in stops_of(plan, truck)
    ]
    return with_stops(plan, truck, stops)


def _before_the_shift(plan: Plan) -> Plan:
    return _shift(plan, -300.0)


def _after_the_shift(plan: Plan) -> Plan:
    return _shift(plan, 7 * 3600.0)


def _out_of_its_window(plan: Plan) -> Plan:
    return _shift(plan, 3600.0, truck_of(plan)["window"])


def _too_early_in_its_window(plan: Plan) -> Plan:
    truck = truck_of(plan)["later"]
    return _shift(plan, -3600.0, truck)


def _sooner_than_it_can_drive(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    at = max(range(1, len(stops) - 1), key=lambda i: stops[i].arrive_s - stops[i - 1].leave_s)
    return with_stop(plan, "crane-2", at, arrive_s=stops[at].arrive_s - 10.0)


def _service_too_short(plan: Plan) -> Plan:
    at = first(plan, "crane-2")
    return with_stop(plan, "crane-2", at, leave_s=stops_of(plan, "crane-2")[at].leave_s - 60.0)


def _back_in_time(plan: Plan) -> Plan:
    at = first(plan, "crane-2")
    return with_stop(plan, "crane-2", at, arrive_s=stops_of(plan, "crane-2")[at].leave_s + 100.0)


def _order_turned_around(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    a, b = first(plan, "crane-2"), first(plan, "crane-2", skip=3)
    stops[a], stops[b] = stops[b], stops[a]
    return with_stops(plan, "crane-2", stops)


def _another_place(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2"), lon=SITE.lon, lat=SITE.lat)


def _another_container(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2"), containers=("other",))


def _another_kind(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2"), kind="clear")


def _no_start(plan: Plan) -> Plan:
    return with_stops(plan, "crane-2", stops_of(plan, "crane-2")[1:])


def _no_end(plan: Plan) -> Plan:
    return with_stops(plan, "crane-2", stops_of(plan, "crane-2")[:-1])


def _ends_elsewhere(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", -1, lon=SITE.lon)


def _home_in_between(plan: Plan) -> Plan:
    stops = stops_of(plan, "crane-2")
    return with_stops(
        plan,
        "crane-2",
        [*stops[:4], change(stops[-1], arrive_s=stops[4].arrive_s, leave_s=stops[4].arrive_s), *stops[4:]],
    )


def _load_made_light(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2", skip=2), load_kg=1.0)


def _volume_made_small(plan: Plan) -> Plan:
    return with_stop(plan, "crane-2", first(plan, "crane-2", skip=2), volume_m3=0.1)


def _shorter_than_it_is(plan: Plan) -> Plan:
    return change(plan, rounds=tuple(change(one, distance_m=one.distance_m * 0.9) for one in plan.rounds))


def _quicker_than_it_is(plan: Plan) -> Plan:
    return change(plan, rounds=tuple(change(one, duration_s=one.duration_s - 60.0) for one in plan.rounds))


def _empty_round(plan: Plan) -> Plan:
    return with_stops(plan, "grab-1", [])


def _nan(field: str) -> Callable[[Plan], Plan]:
    return lambda plan: with_stop(plan, "crane-2", first(plan, "crane-2"), **{field: NAN})


def _nan_distance(plan: Plan) -> Plan:
    return change(plan, rounds=tuple(change(one, distance_m=NAN) for one in plan.rounds))


CORRUPTIONS: list[tuple[Callable[[Plan], Plan], str]] = [
    (_twice_in_a_round, "is done 2 times"),
    (_in_two_rounds, "is done 2 times"),
    (_dropped_silently, "neither in a round nor among the unserved"),
    (_unserved_forgotten, "neither in a round nor among the unserved"),
    (_no_reason, "without a reason"),
    (_served_and_unserved, "in a round and among the unserved"),
    (_unserved_twice, "unserved 2 times"),
    (_unknown_unserved, "unserved but not in the problem"),
    (_unknown_job, "not in the problem"),
    (_wrong_kind_of_truck, "grab vehicle cannot empty"),
    (_no_such_truck, "not in the fleet"),
    (_two_rounds_of_a_truck, "has 2 rounds"),
    (_unloading_skipped, "kg aboard"),
    (_home_without_unloading, "goes home without unloading"),
    (_unloads_elsewhere, "no unloading site"),
    (_unloads_beside, "beside the unloading site"),
    (_unloads_in_no_time, "before it can be done"),
    (_before_the_shift, "before its shift"),
    (_after_the_shift, "after its shift"),
    (_out_of_its_window, "after its window"),
    (_too_early_in_its_window, "before it can be done"),
    (_sooner_than_it_can_drive, "sooner than it can drive"),
    (_service_too_short, "before it can be done"),
    (_back_in_time, "back in time"),
    (_order_turned_around, "back in time"),
    (_another_place, "not what job"),
    (_another_container, "not what job"),
    (_another_kind, "not what job"),
    (_no_start, "does not start at its depot"),
    (_no_end, "does not end at its depot"),
    (_ends_elsewhere, "where its depot is not"),
    (_home_in_between, "in the middle of its round"),
    (_load_made_light, "is not what is"),
    (_volume_made_small, "is not what is"),
    (_shorter_than_it_is, "the plan says"),
    (_quicker_than_it_is, "lasts"),
    (_empty_round, "no start and end"),
    (_nan("arrive_s"), "no number"),
    (_nan("leave_s"), "no number"),
    (_nan("lon"), "no number"),
    (_nan("load_kg"), "no number"),
    (_nan_distance, "no number"),
]


@pytest.mark.parametrize(("corrupt", "says"), CORRUPTIONS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_each_corruption_is_found(
    day: CollectionProblem, plan: Plan, corrupt: Callable[[Plan], Plan], says: str
) -> None:
    violations = check_plan(corrupt(plan), day).violations
    assert any(says in one for one in violations), violations


def test_what_the_problem_forbids_is_found(day: CollectionProblem, plan: Plan) -> None:
    """The same plan is wrong for a smaller truck, a shorter shift, other streams, a slower city."""

    def violations(**changes: object) -> str:
        return " | ".join(check_plan(plan, replace(day, **changes)).violations)

    assert "m3 aboard" in violations(trucks=tuple(change(one, volume_m3=8.0) for one in FLEET))
    assert "kg aboard" in violations(trucks=tuple(change(one, payload_kg=500.0) for one in FLEET))
    assert "after its shift" in violations(trucks=tuple(change(one, shift_duration_s=3600.0) for one in FLEET))
    assert "does not take" in violations(
        trucks=(crane("crane-1"), crane("crane-2", streams=("paper",)), grab("grab-1"))
    )
    assert "sooner than it can drive" in violations(travel=TravelTimes(NETWORK, np.full(NETWORK.n_edges, 1.5)))
    assert "site has closed" in violations(unloading_sites=(change(SITE, closes_hour=7.5),))
    assert "before the plan was made" in violations(now_s=SEVEN_S + 60.0)
    mixed = tuple(change(one, stream="paper") if one.id == "job-3" else one for one in ALL)
    assert "mixes" in violations(jobs=mixed, trucks=tuple(change(one, streams=("residual", "paper")) for one in FLEET))


class Broken(TravelTimes):
    """Travel times in which one is no number."""

    def matrix(self, points: object) -> Matrix:
        """See `Travel.matrix`."""
        matrix = super().matrix(points)
        matrix.duration_s[:, 1] = NAN
        return matrix


def test_a_travel_time_that_is_no_number_is_found(day: CollectionProblem, plan: Plan) -> None:
    assert any("no number" in one for one in check_plan(plan, replace(day, travel=Broken(NETWORK))).violations)


def test_sizes_are_recomputed(day: CollectionProblem, plan: Plan) -> None:
    report = check_plan(plan, day)
    assert report.valid
    assert report.distance_m == pytest.approx(plan.distance_m)
    assert report.duration_s == pytest.approx(plan.duration_s)


AT_S = SEVEN_S + 4000.0


@pytest.fixture(scope="module")
def changed(day: CollectionProblem, plan: Plan) -> tuple[Plan, CollectionProblem, tuple[TruckProgress, ...]]:
    now, progress = later(day, AT_S), reported(plan, AT_S)
    new = replan(now, plan, progress, [job("new", 3, 9, kind="clear")], iterations=100)
    assert check_plan(new, now, progress, plan).violations == []
    return new, now, progress


def _driven_stop_replaced(stops: list[Stop], next_: int) -> list[Stop]:
    stops[1], stops[2] = stops[2], stops[1]
    return stops


def _next_stop_replaced(stops: list[Stop], next_: int) -> list[Stop]:
    stops[next_], stops[next_ + 1] = stops[next_ + 1], stops[next_]
    return stops


def _next_stop_too_soon(stops: list[Stop], next_: int) -> list[Stop]:
    stops[next_] = change(stops[next_], arrive_s=AT_S - 1000.0)
    return stops


def _driven_stop_in_the_future(stops: list[Stop], next_: int) -> list[Stop]:
    stops[next_ - 1] = change(stops[next_ - 1], leave_s=AT_S + 30.0)
    return stops


def _driven_part_forgotten(stops: list[Stop], next_: int) -> list[Stop]:
    return [stops[0], *stops[next_:]]


@pytest.mark.parametrize(
    ("corrupt", "says"),
    [
        (_driven_stop_replaced, "has changed"),
        (_next_stop_replaced, "has changed"),
        (_next_stop_too_soon, "sooner than it can drive"),
        (_driven_stop_in_the_future, "behind it but not its time"),
        (_driven_part_forgotten, "has changed"),
    ],
)
def test_what_may_not_change_under_way_is_found(
    plan: Plan,
    changed: tuple[Plan, CollectionProblem, tuple[TruckProgress, ...]],
    corrupt: Callable[[list[Stop], int], list[Stop]],
    says: str,
) -> None:
    new, now, progress = changed
    report = next(one for one in progress if one.truck == "crane-2")
    spoilt = with_stops(new, "crane-2", corrupt(stops_of(new, "crane-2"), report.next_stop_index))
    violations = check_plan(spoilt, now, progress, plan).violations
    assert any(says in one for one in violations), violations


def test_nobody_can_be_sent_elsewhere_before_now(
    day: CollectionProblem, plan: Plan, changed: tuple[Plan, CollectionProblem, tuple[TruckProgress, ...]]
) -> None:
    _, now, _ = changed
    old = reported(plan, AT_S - 1500.0)
    new = replan(now, plan, old, (), iterations=20)
    assert check_plan(new, now, old, plan).violations == []
    truck, next_ = next(
        (one.truck, one.next_stop_index)
        for one in old
        if any(stop.leave_s < AT_S - 60.0 for stop in stops_of(plan, one.truck)[one.next_stop_index :][:1])
        and len(stops_of(new, one.truck)) > one.next_stop_index + 2
    )
    stops = stops_of(new, truck)
    stops[next_ + 1], stops[next_ + 2] = stops[next_ + 2], stops[next_ + 1]
    violations = check_plan(with_stops(new, truck, stops), now, old, plan).violations
    assert any("which it was not told to" in one for one in violations), violations


def test_a_round_that_is_being_driven_cannot_vanish(
    plan: Plan, changed: tuple[Plan, CollectionProblem, tuple[TruckProgress, ...]]
) -> None:
    new, now, progress = changed
    without = change(new, rounds=tuple(one for one in new.rounds if one.truck != "crane-2"))
    assert any("lost the round" in one for one in check_plan(without, now, progress, plan).violations)


def test_the_round_of_a_truck_not_heard_of_cannot_change(
    plan: Plan, changed: tuple[Plan, CollectionProblem, tuple[TruckProgress, ...]]
) -> None:
    new, now, progress = changed
    silent = tuple(one for one in progress if one.truck != "crane-2")
    assert any("not heard of" in one for one in check_plan(new, now, silent, plan).violations)
