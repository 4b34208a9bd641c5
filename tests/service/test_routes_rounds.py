"""Rounds handed over by a real service: files for navigators and calendars, directions, and paper in a real browser."""

import gpxpy
import icalendar
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.service.pages_browser import CONTRASTS, OVERFLOW, PHONE, WITHOUT_WEBGL, launch, page_of
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import SmallCity


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("rounds") / "city")
    city.history(full=("k3-residual", "k8-paper"))
    city.truck("crane-1", 6.556, 53.2018, 120.0)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        until(lambda: client.get("/v1/plans/current").status_code == 200)
        yield client
    city.close()


@pytest.fixture
def crane(client):
    return next(one for one in client.get("/v1/plans/current").json()["rounds"] if one["truck"] == "crane-1")


def test_a_navigator_gets_the_stops_in_order_and_no_more_points_than_it_takes(client, crane):
    answer = client.get("/v1/trucks/crane-1/round.gpx?language=en&mostPoints=3")
    assert answer.headers["content-type"].startswith("application/gpx+xml")
    assert 'filename="crane-1.gpx"' in answer.headers["content-disposition"]
    routes = gpxpy.parse(answer.text).routes
    assert all(len(route.points) <= 3 for route in routes)
    points = routes[0].points + [point for route in routes[1:] for point in route.points[1:]]
    assert [point.name for point in points] == [stop["name"] for stop in crane["stops"]]


def test_a_calendar_gets_the_shift(client):
    answer = client.get("/v1/trucks/crane-1/round.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    event = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")[0]
    assert "Kraan 1" in str(event["summary"])


@pytest.mark.parametrize(("language", "words"), [("nl", "Vertrek"), ("en", "Set off")])
def test_directions_are_read_in_either_language(client, crane, language, words):
    text = client.get(f"/v1/trucks/crane-1/round.txt?language={language}").text
    assert words in text
    assert all(stop["name"] in text for stop in crane["stops"])


def test_all_rounds_are_on_paper_and_on_a_map(client):
    rounds = client.get("/v1/plans/current").json()["rounds"]
    sheets = client.get("/v1/plans/current/sheets?language=en").text
    assert sheets.count("<section>") == sum(len(one["stops"]) > 1 for one in rounds)
    drawn = client.get("/v1/plans/current/geojson").json()
    assert sum(one["geometry"]["type"] == "LineString" for one in drawn["features"]) == len(rounds)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/trucks/crane-99/round.gpx", 404, "has no round today"),
        ("/v1/trucks/crane-99/round.html", 404, "/v1/plans/current"),
        ("/v1/trucks/crane-1/round.gpx?mostPoints=1", 422, "mostPoints"),
        ("/v1/trucks/crane-1/round.txt?language=fy", 422, "language"),
    ],
)
def test_what_cannot_be_handed_over_is_a_problem_that_names_the_fix(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_a_dispatcher_hands_a_round_over_from_the_trucks_panel(client, crane):
    with sync_playwright() as playwright:
        browser = launch(playwright, WITHOUT_WEBGL)
        with page_of(browser) as page:
            page.goto(f"{client.base_url}/#place/crane-1")
            expect(page.locator("#detail h2")).to_have_text("Kraan 1")
            with page.expect_download() as download:
                page.get_by_role("link", name="Download GPX").click()
            assert download.value.suggested_filename == "crane-1.gpx"
            assert gpxpy.parse(download.value.path().read_text()).routes
            assert all(
                box > 24 for box in page.locator(".actions a").evaluate_all("all => all.map((a) => a.clientHeight)")
            )
            with page.context.expect_page() as opened:
                page.get_by_role("link", name="Print round").click()
            sheet = opened.value
            expect(sheet.locator("h1")).to_have_text("Ronde Kraan 1")
            expect(sheet.locator("tbody tr")).to_have_count(len(crane["stops"]))
            assert min(contrast for _, contrast in sheet.evaluate(CONTRASTS)) > 4.5
            sheet.set_viewport_size(PHONE)
            assert sheet.evaluate(OVERFLOW) == 0
            sheet.emulate_media(media="print")
            assert len(sheet.pdf(prefer_css_page_size=True)) > 1000
        browser.close()
