import pytest

from routing.osm_access import hours_of
from routing.osm_tags import may_enter


@pytest.mark.parametrize(
    ("tags", "hours"),
    [
        ({}, None),
        ({"motor_vehicle:conditional": "destination @ (Mo-Sa 06:00-11:00)"}, (6.0, 11.0)),
        ({"access:conditional": "no @ (11:00-06:00)"}, (6.0, 11.0)),
        ({"hgv:conditional": "no @ (7:30-19:00 AND weight>7.5)"}, (19.0, 7.5)),
        ({"access:conditional": "yes @ (07:00 - 24:00)"}, (7.0, 24.0)),
        ({"access:conditional": "no @ (2016 Apr 25 - 2016 Sep 26)"}, None),
        ({"access:conditional": "no @ (Su 00:00-24:00)"}, None),
        ({"motor_vehicle:conditional": "maybe @ (06:00-11:00)"}, None),
        ({"access": "no", "hgv:conditional": "yes @ (07:00-11:00)"}, (7.0, 11.0)),
        ({"hgv": "yes", "access:conditional": "no @ (07:00-11:00)"}, None),
        ({"access": "yes", "hgv:conditional": "no @ (11:00-07:00)"}, (7.0, 11.0)),
        ({"vehicle:conditional": "yes @ (06:00-12:00)", "hgv:conditional": "no @ (10:00-18:00)"}, (6.0, 10.0)),
    ],
)
def test_conditional_tags_are_hours(tags: dict[str, str], hours: tuple[float, float] | None) -> None:
    assert may_enter({"highway": "residential"} | tags)
    assert hours_of(tags) == hours


@pytest.mark.parametrize(
    ("when", "hours"),
    [
        ("yes @ (07:00-09:00,16:00-18:30)", (16.0, 18.5)),
        ("yes @ (07:00-09:00,16:00-18:00)", (7.0, 9.0)),
        ("yes @ (07:00-09:00); yes @ (08:00-10:00)", (7.0, 10.0)),
        ("no @ (07:00-09:00,16:00-18:00)", (18.0, 7.0)),
        ("yes @ (Mo-Fr 06:00-11:00; Sa 08:00-12:00)", (8.0, 11.0)),
        ("no @ (Mo-Fr 11:00-06:00; Sa 10:00-06:00)", (6.0, 10.0)),
    ],
)
def test_of_several_spans_a_truck_is_sent_in_the_longest_in_which_it_is_sure_to_be_let_in(
    when: str, hours: tuple[float, float]
) -> None:
    assert hours_of({"motor_vehicle:conditional": when}) == hours


@pytest.mark.parametrize(
    "tags",
    [
        {"hgv": "no", "access:conditional": "yes @ (07:00-11:00)"},
        {"access": "no", "access:conditional": "no @ (07:00-11:00)"},
        {"access": "private", "hgv:conditional": "no @ (07:00-11:00)"},
        {"highway": "pedestrian", "hgv:conditional": "no @ (07:00-11:00)"},
        {"vehicle:conditional": "yes @ (07:00-09:00)", "hgv:conditional": "no @ (06:00-10:00)"},
    ],
)
def test_a_condition_opens_its_own_key_alone_and_no_opens_nothing(tags: dict[str, str]) -> None:
    assert not may_enter({"highway": "residential"} | tags)


def test_a_pedestrian_street_is_open_at_the_hours_that_let_vehicles_in() -> None:
    tags = {"highway": "pedestrian", "motor_vehicle:conditional": "delivery @ (06:00-11:00)"}
    assert may_enter(tags)
    assert hours_of(tags) == (6.0, 11.0)
