"""A proposal that is bettered while somebody looks at it, in a real browser over a real service."""

import copy
import json
import re

import pytest
from playwright.sync_api import expect

from tests.service.pages_browser import CONTRASTS, OVERFLOW, PHONE, TARGETS, page_of
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import SmallCity

MINUS = "\N{MINUS SIGN}"


class Standing:
    """A proposal of a real service, and the better ones that the page is told of."""

    def __init__(self, runtime, client, said):
        self.runtime = runtime
        self.address = str(client.base_url)
        self.id = said["id"]
        self.said = said
        self.decided = []

    def open(self, page):
        """Go to the proposal's page, which hears from here what is proposed."""
        self.decided.clear()
        page.route(re.compile(rf"/v1/proposals/{self.id}$"), lambda route: route.fulfill(json=self.now))
        page.route(re.compile(rf"/v1/proposals/{self.id}/decision$"), self._decide)
        self.now = copy.deepcopy(self.said)
        self.now["improving"] = True
        self.now["goodUntil"] = "2099-01-01T00:00:00Z"
        page.goto(f"{self.address}/#proposal/{self.id}")
        expect(page.locator("#detail h2")).to_have_text("Reroute Grijper 1")
        expect(page.locator("#connection")).to_have_text("Live")

    def better(self, km=-4.2, **more):
        """Let a better plan take its place, and tell the page."""
        self.now = copy.deepcopy(self.now)
        self.now["planAfter"] += "-better"
        self.now["version"] += 1
        self.now["improvedAt"] = self.now["madeAt"]
        self.now["difference"] |= {"distanceKm": km, **more}
        self.tell()

    def tell(self):
        self.runtime.hub.publish("proposal", {"id": self.id, "status": self.now["status"]})

    def _decide(self, route):
        self.decided.append(json.loads(route.request.post_data))
        route.fulfill(status=409, json={"detail": "It has been reckoned anew since you looked at it."})


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("standing") / "city")
    city.history(full=("k3-residual", "k8-paper"))
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        until(runtime.todays_plan)
        city.now_s = runtime.clock.now_s()
        city.dump("kamer-2")
        (one,) = until(lambda: client.get("/v1/proposals?status=open").json()["items"])
        yield Standing(runtime, client, client.get(f"/v1/proposals/{one['id']}").json())
    city.close()


@pytest.fixture
def page(browser):
    with page_of(browser, viewport={"width": 1200, "height": 500}) as page:
        yield page


def figure(page, name):
    return page.locator("#detail .facts dt", has_text=name).locator("xpath=following-sibling::dd[1]")


def test_a_proposal_says_what_it_changes_with_units_and_what_is_unknown_as_unknown(page, standing):
    standing.open(page)
    expect(figure(page, "Distance")).to_contain_text(" km")
    expect(figure(page, "Working time")).to_contain_text(" min")
    expect(figure(page, "CO₂")).to_contain_text(" kg")
    expect(figure(page, "Places that overflow")).to_have_text("no change")
    expect(figure(page, "Stops added")).to_have_text("1 stop")
    for name in ("Stops dropped", "Stops moved", "Stops at another time", "Latest delay"):
        expect(figure(page, name)).to_have_text("none")
    standing.better(overflows=None, co2Kg=None)
    expect(figure(page, "Places that overflow")).to_have_text("unknown")
    expect(figure(page, "CO₂")).to_have_text("unknown")
    standing.better(overflows=-1.94, laterMin=12.0)
    expect(figure(page, "Places that overflow")).to_have_text(f"{MINUS}1.9 places")
    expect(figure(page, "Latest delay")).to_have_text("12 min")


def test_a_better_plan_changes_figures_and_moves_nothing(page, standing):
    standing.open(page)
    page.click("#detail summary")
    expect(page.locator("#detail .evidence")).to_contain_text("objects")
    expect(page.locator("#detail .search-line")).to_contain_text("still being searched for")
    panel = page.locator("#detail")
    page.locator("#detail .close").focus()
    panel.evaluate("panel => panel.scrollTop = 60")
    at = panel.evaluate("panel => panel.scrollTop")
    box = page.locator("#accept").bounding_box()
    standing.better(km=-7.5)
    expect(figure(page, "Distance")).to_have_text(f"{MINUS}7.5 km")
    expect(page.locator("#detail")).to_contain_text("Bettered at")
    assert panel.evaluate("panel => panel.scrollTop") == at
    assert page.locator("#accept").bounding_box() == box
    expect(page.locator("#detail .close")).to_be_focused()
    expect(page.locator("#detail .evidence")).to_be_visible()
    standing.now["improving"] = False
    standing.better(km=-8.0)
    expect(page.locator("#detail .search-line")).to_contain_text("No still better plan was found.")


def test_what_somebody_decides_about_stays_while_they_do(page, standing):
    standing.open(page)
    before = figure(page, "Distance").text_content()
    page.fill("#reason", "The street is")
    standing.better()
    expect(page.locator("#detail .search-line")).to_contain_text("A better plan is there.")
    page.keyboard.type(" closed")
    expect(page.locator("#reason")).to_have_value("The street is closed")
    expect(page.locator("#reason")).to_be_focused()
    expect(figure(page, "Distance")).to_have_text(before)
    # Who asks for it gets it, and what was typed stays.
    page.get_by_role("button", name="Show it").click()
    expect(figure(page, "Distance")).to_have_text(f"{MINUS}4.2 km")
    expect(page.locator("#reason")).to_have_value("The street is closed")
    page.focus("#by")
    standing.better(km=-9.9)
    page.wait_for_timeout(500)
    expect(figure(page, "Distance")).to_have_text(f"{MINUS}4.2 km")
    # Nobody is about to decide any more.
    page.locator("#detail h2").focus()
    page.mouse.move(5, 5)
    expect(figure(page, "Distance")).to_have_text(f"{MINUS}9.9 km")


def test_the_plan_that_is_on_the_page_is_accepted_and_one_reckoned_anew_is_shown(browser, standing):
    # A refusal is an error to a browser's console.
    context = browser.new_context()
    page = context.new_page()
    standing.open(page)
    seen = standing.now["planAfter"]
    page.hover("#accept")
    standing.better()
    expect(page.locator("#detail .search-line")).to_contain_text("A better plan is there.")
    page.click("#accept")
    expect(page.locator("#decision-fault")).to_contain_text("reckoned anew")
    assert [(one["decision"], one["plan"]) for one in standing.decided] == [("accept", seen)]
    expect(figure(page, "Distance")).to_have_text(f"{MINUS}4.2 km")
    # What has come this moment was read by nobody.
    page.click("#accept")
    expect(page.locator("#decision-fault")).to_contain_text("just taken its place")
    assert len(standing.decided) == 1
    page.wait_for_timeout(1100)
    page.click("#accept")
    until(lambda: len(standing.decided) == 2)
    assert standing.decided[-1]["plan"] == standing.now["planAfter"]
    context.close()


def test_times_that_have_passed_are_said(page, standing):
    standing.open(page)
    standing.now["goodUntil"] = "2026-03-02T06:00:00Z"
    standing.better()
    expect(page.locator("#detail .search-line")).to_contain_text("It is being reckoned anew.")


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_everywhere(browser, standing, viewport, scheme):
    with page_of(browser, viewport=viewport, scheme=scheme) as page:
        standing.open(page)
        standing.better(overflows=None, co2Kg=None)
        expect(figure(page, "CO₂")).to_have_text("unknown")
        page.hover("#accept")
        standing.better()
        expect(page.get_by_role("button", name="Show it")).to_be_visible()
        assert page.evaluate(OVERFLOW) <= 0
        assert {text: ratio for text, ratio in page.evaluate(CONTRASTS) if ratio < 4.5} == {}
        assert [one for one in page.evaluate(TARGETS) if min(one[1:]) < 24] == []
