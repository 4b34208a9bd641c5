"""A round as GPX, iCalendar and a printed sheet, read by programs that share nothing with what wrote them."""

from datetime import UTC, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import gpxpy
import icalendar
import msgspec
import pytest

from city.errors import BadInput
from city.plans import Plan, Round
from routing.driven_line import driven_ways
from routing.gpx import round_gpx
from routing.instruction_words import leg_texts
from routing.sheet import SheetRound, sheet_html
from routing.shift_calendar import shift_calendar
from routing.solve import plan_day
from tests.routing.town import NETWORK, problem, some_jobs

NAMES = {"at-job-0": 'Zonnelaan <b>&"1"'}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_day(problem(some_jobs(60)), iterations=30)


@pytest.fixture(scope="module")
def one(plan: Plan) -> Round:
    return max(plan.rounds, key=lambda one: len(one.stops))


@pytest.mark.parametrize("most_points", [2, 7, 25, None])
def test_gpx_has_every_stop_in_order_in_routes_that_a_navigator_takes(one: Round, most_points: int | None) -> None:
    read = gpxpy.parse(round_gpx(one, "Ronde 1", NAMES, most_points=most_points))
    assert all(2 <= len(route.points) <= (most_points or 10**6) for route in read.routes)
    points = read.routes[0].points + [point for route in read.routes[1:] for point in route.points[1:]]
    assert [(p.longitude, p.latitude) for p in points] == [(s.lon, s.lat) for s in one.stops]
    for before, after in zip(read.routes, read.routes[1:], strict=False):
        assert before.points[-1].name == after.points[0].name
    assert not read.tracks
    assert len({route.name for route in read.routes}) == len(read.routes)


def test_gpx_is_of_its_schema_s_namespace_and_keeps_names_whole(one: Round) -> None:
    xml = round_gpx(one, "Ronde <1>", {stop.place: NAMES["at-job-0"] for stop in one.stops}, "en")
    root = ElementTree.fromstring(xml)
    assert root.tag == "{http://www.topografix.com/GPX/1/1}gpx"
    assert {el.text for el in root.iter("{http://www.topografix.com/GPX/1/1}name")} >= {NAMES["at-job-0"]}


@pytest.mark.parametrize("most_points", [1, 0, -5])
def test_a_route_has_two_points_at_least(one: Round, most_points: int) -> None:
    with pytest.raises(BadInput, match="leads nowhere"):
        round_gpx(one, "Ronde", {}, most_points=most_points)


def test_the_shift_is_one_event_and_a_later_plan_replaces_it(plan: Plan, one: Round) -> None:
    event = icalendar.Calendar.from_ical(shift_calendar(plan, one, "Kraan 1", NAMES)).walk("VEVENT")[0]
    assert event.decoded("dtstart").timestamp() == pytest.approx(one.stops[0].leave_s, abs=0.5)
    assert event.decoded("dtend").timestamp() == pytest.approx(one.stops[-1].leave_s, abs=0.5)
    assert event.decoded("dtstart").utcoffset() == timedelta(0)
    assert "Kraan 1" in str(event["summary"])
    later = msgspec.structs.replace(plan, made_at_s=plan.made_at_s + 3600.0)
    again = icalendar.Calendar.from_ical(shift_calendar(later, one, "Kraan 1", NAMES, "en")).walk("VEVENT")[0]
    assert again["uid"] == event["uid"]
    assert again["sequence"] > event["sequence"]


def test_a_later_plan_is_newer_also_when_the_truck_leaves_later(plan: Plan, one: Round) -> None:
    start = msgspec.structs.replace(one.stops[0], leave_s=one.stops[0].leave_s + 1800.0)
    moved = msgspec.structs.replace(one, stops=(start, *one.stops[1:]))
    later = msgspec.structs.replace(plan, made_at_s=plan.made_at_s + 60.0)
    before, after = (
        int(icalendar.Calendar.from_ical(text).walk("VEVENT")[0]["sequence"])
        for text in (shift_calendar(plan, one, "Kraan 1", NAMES), shift_calendar(later, moved, "Kraan 1", NAMES))
    )
    assert 0 < before < after < 2**31


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize(("language", "word"), [("nl", "Ronde"), ("en", "Round")])
def test_a_sheet_has_one_section_for_each_round_and_nothing_inline(plan: Plan, language: str, word: str) -> None:
    pages = [
        SheetRound(one.truck, one, leg_texts(NETWORK, one, driven_ways(NETWORK, one), NAMES, language, UTC))
        for one in plan.rounds
    ]
    read = Texts()
    read.feed(sheet_html(plan.id, pages, language, "/print.css"))
    assert read.tags.count("section") == len(plan.rounds)
    assert read.tags.count("tr") == sum(len(one.stops) for one in plan.rounds) + len(plan.rounds)
    assert ("lang", language) in read.attributes
    assert not {"style", "script", "b"} & {*read.tags, *(name for name, _ in read.attributes)}
    assert any(word in text for text in read.text)
    assert any(NAMES["at-job-0"] in text for text in read.text)


def test_a_plan_in_which_nobody_drives_says_so() -> None:
    assert "rijdt niemand" in sheet_html("plan-1", [], "nl", "/print.css")
