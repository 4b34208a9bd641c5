"""The pages in a real browser over a real service."""

import json
import re
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from store.series import Point
from tests.service.pages_browser import (
    CONTRASTS,
    OVERFLOW,
    PHONE,
    TARGETS,
    WITH_WEBGL,
    WITHOUT_WEBGL,
    launch,
    page_of,
)
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity

LONG_WORD = "Huisvuilafvalinzamelingscontainerverplaatsingsvergunningsaanvraag"


class Served:
    """A city, its service, and where a browser finds it."""

    def __init__(self, city, runtime, client):
        self.city = city
        self.runtime = runtime
        self.client = client
        self.address = str(client.base_url)

    def propose(self, cluster):
        """Let waste appear, and return the proposal that follows."""
        self.city.now_s = self.runtime.clock.now_s()
        self.city.dump(cluster)
        found = until(lambda: self.client.get("/v1/proposals?status=open").json()["items"])
        return found[0]


def serve(folder):
    city = SmallCity(folder / "city")
    city.history(full=("k3-residual", "k8-paper"))
    city.truck("crane-1", 6.556, 53.2018, 120.0)
    city.truck("grab-1", 6.55, 53.2)
    try:
        with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
            runtime.series.write(
                [
                    Point(one, "fill_ratio", round((MONDAY_S - h * HOUR_S) * 1000), None if h == 5 else 0.9 - h * 0.01)
                    for one in ("k3-residual", "k3-paper")
                    for h in range(48)
                ]
            )
            until(lambda: client.get("/v1/plans/current").status_code == 200)
            yield Served(city, runtime, client)
    finally:
        city.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def served_without_webgl(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("picture"))


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright):
    running = launch(playwright, WITH_WEBGL)
    yield running
    running.close()


@pytest.fixture(scope="module")
def plain_browser(playwright):
    """Without WebGL: quick, for what has nothing to do with the live map."""
    running = launch(playwright, WITHOUT_WEBGL)
    yield running
    running.close()


@pytest.fixture
def page(browser):
    with page_of(browser) as page:
        yield page


@pytest.fixture
def plain_page(plain_browser):
    with page_of(plain_browser) as page:
        yield page


def answer(page, path, body):
    """Let the page get an answer that the service does not give now."""
    page.route(re.compile(rf"/v1/{path}$"), lambda route: route.fulfill(json=body))


def silence(page):
    """Let no live event arrive."""
    page.route("**/v1/live", lambda route: route.fulfill(status=204))


def incident(number, title="Waste beside Straat 3", urgency="urgent"):
    return {
        "id": f"i-{number}",
        "type": "incident",
        "urgency": urgency,
        "title": title,
        "detail": "The camera counts 3 objects; usually 0.",
        "place": "kamer-3",
        "lon": 6.56,
        "lat": 53.2,
        "since": "2026-03-02T06:40:00Z",
        "ageS": 60.0,
    }


def test_the_page_says_what_needs_a_person_and_shows_the_city(page, served):
    page.goto(served.address)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("h1")).to_have_text(served.client.get("/v1/attention").json()["summary"])
    expect(page.locator("#counts")).to_contain_text("13 places:")
    expect(page.locator("#map canvas")).to_be_visible()
    page.click("#tab-rounds")
    expect(page.locator("#rounds")).to_contain_text("Kraan 1")
    page.click("#tab-places")
    page.fill("#place-filter", "straat 3")
    expect(page.locator("#places .item")).to_have_count(1)
    page.click("#places .item button")
    expect(page.locator("#detail h2")).to_have_text("Straat 3")
    expect(page.locator("#detail .plot canvas")).to_have_count(2)
    expect(page.locator("#detail")).to_contain_text("not observable here: no camera")


def test_a_sign_on_the_map_is_chosen_by_clicking_it(page, served):
    page.goto(f"{served.address}/#place/k6-paper")
    expect(page.locator("#detail h2")).to_have_text("Paper container k6-paper at Straat 6")
    expect(page.locator("#map canvas")).to_be_visible()
    expect(page.locator(".map")).not_to_have_attribute("aria-busy", "true")
    box = page.locator("#map").bounding_box()
    deadline_s = time.monotonic() + 10
    # The signs are drawn a moment after the map is there.
    while "kamer-6" not in page.url and time.monotonic() < deadline_s:
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(300)
    expect(page.locator("#detail h2")).to_have_text("Straat 6")
    assert page.url.endswith("#place/kamer-6")
    page.go_back()
    expect(page.locator("#detail h2")).to_have_text("Paper container k6-paper at Straat 6")


def test_a_proposal_is_accepted_by_clicking(page, served):
    page.goto(served.address)
    expect(page.locator("#connection")).to_have_text("Live")
    proposal = served.propose("kamer-2")
    page.click(f'.item[data-id="{proposal["id"]}"] button')
    expect(page.locator("#detail h2")).to_have_text("Reroute Grijper 1")
    expect(page.locator("#detail .reason")).to_contain_text("waste beside Straat 2")
    expect(page.locator("#detail")).to_contain_text("Working time")
    expect(page.locator("#detail table")).to_contain_text("new")
    page.fill("#by", "dispatcher 7")
    page.click("#accept")
    expect(page.locator("#detail .outcome").first).to_have_text("Accepted: Grijper 1 rerouted.")
    decided = served.client.get(f"/v1/proposals/{proposal['id']}").json()
    assert (decided["status"], decided["decidedBy"]) == ("accepted", "dispatcher 7")
    expect(page.locator(f'.item[data-id="{proposal["id"]}"]')).to_have_count(0)
    expect(page.locator("#accept")).to_have_count(0)


def test_a_rejection_needs_a_reason_and_keeps_it(page, served):
    proposal = served.propose("kamer-5")
    page.goto(f"{served.address}/#proposal/{proposal['id']}")
    page.click("#reject")
    expect(page.locator("#decision-fault")).to_contain_text("Say why")
    assert served.client.get(f"/v1/proposals/{proposal['id']}").json()["status"] == "open"
    page.fill("#reason", "The street is closed.")
    page.fill("#by", " ")
    page.click("#reject")
    expect(page.locator("#decision-fault")).to_contain_text("Say who decides")
    page.fill("#by", "dispatcher 7")
    page.click("#reject")
    expect(page.locator("#detail .outcome").first).to_have_text("Rejected: nothing changes.")
    decided = served.client.get(f"/v1/proposals/{proposal['id']}").json()
    assert (decided["status"], decided["decisionReason"]) == ("rejected", "The street is closed.")


def test_without_webgl_the_picture_shows_the_rounds_and_a_proposal_is_accepted(plain_page, served_without_webgl):
    served, page = served_without_webgl, plain_page
    page.goto(served.address)
    expect(page.locator("#map .map-note")).to_contain_text("no live map")
    until(lambda: page.evaluate("document.querySelector('#map img').naturalWidth") > 0)
    page.click("#tab-places")
    page.click('.item[data-id="kamer-3"] button')
    ring = page.locator("#map circle.chosen")
    drawn = served.client.get("/v1/map.svg").text
    x, y = re.search(r'd="M([\d.]+) ([\d.]+)l7 12h-14z"><title>Straat 3: urgent', drawn).groups()
    assert float(ring.get_attribute("cx")) == pytest.approx(float(x), abs=0.2)
    assert float(ring.get_attribute("cy")) == pytest.approx(float(y) + 7, abs=0.2)
    proposal = served.propose("kamer-2")
    page.click("#tab-attention")
    page.click(f'.item[data-id="{proposal["id"]}"] button')
    expect(page.locator("#map path.after")).to_have_count(1)
    page.click("#accept")
    expect(page.locator("#detail .outcome").first).to_contain_text("Accepted")
    assert served.client.get(f"/v1/proposals/{proposal['id']}").json()["status"] == "accepted"


def test_on_a_phone_details_take_the_lists_place_and_closing_returns_to_it(browser, served):
    with page_of(browser, viewport=PHONE) as page:
        page.goto(served.address)
        page.click("#tab-places")
        for place in ("kruis-1", "kamer-5"):
            row = page.locator(f'.item[data-id="{place}"] button')
            row.click()
            expect(page.locator("#detail h2")).to_be_in_viewport()
            expect(page.locator("#detail .plot canvas, #detail table").first).to_be_visible()
            expect(page.locator("#places")).to_be_hidden()
            assert page.evaluate(OVERFLOW) <= 0
            page.click("#detail .close")
            expect(row).to_be_in_viewport()
            expect(row).to_be_focused()
            assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_targets_have_size(plain_browser, served, scheme):
    with page_of(plain_browser, scheme=scheme) as page:
        items = [incident(1), incident(2, urgency="watch")]
        answer(page, "attention", {"summary": "1 thing needs you now", "items": items})
        proposal = served.client.get("/v1/proposals").json()["items"][0]
        found = {}
        titles = {
            "k3-residual": "Residual container",
            "kamer-5": "Straat 5",
            "kruis-1": "Kruispunt",
            "crane-1": "Kraan",
        }
        for place, title in titles.items():
            page.goto(f"{served.address}/#place/{place}")
            expect(page.locator("#detail h2")).to_contain_text(title)
            found |= dict(page.evaluate(CONTRASTS))
        page.goto(f"{served.address}/#proposal/{proposal['id']}")
        expect(page.locator("#detail h2")).to_contain_text("Reroute")
        found |= dict(page.evaluate(CONTRASTS))
        assert len(found) > 60
        assert {text: ratio for text, ratio in found.items() if ratio < 4.5} == {}
        small = [one for one in page.evaluate(TARGETS) if min(one[1:]) < 24]
        assert small == []


def test_the_keyboard_alone_opens_closes_and_comes_back(plain_page, served):
    page = plain_page
    answer(page, "attention", {"summary": "1 thing needs you now", "items": [incident(1)]})
    incidents = served.client.get("/v1/incidents").json()["items"]
    answer(page, "incidents/i-1", {**incidents[0], "id": "i-1", "status": "open"})
    page.goto(served.address)
    expect(page.locator(".item")).to_have_count(1)
    for _ in range(6):
        page.keyboard.press("Tab")
    expect(page.locator(".item button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail h2")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#detail .close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator(".item button")).to_be_focused()


def test_silence_is_said_and_ends_by_itself(plain_page, served):
    page = plain_page
    silence(page)
    page.goto(served.address)
    expect(page.locator("#connection")).to_contain_text("Not live since")
    expect(page.locator("#city-clock")).to_contain_text("Mon 2 Mar")
    shown = page.locator("#city-clock").text_content()
    page.wait_for_timeout(2500)
    assert page.locator("#city-clock").text_content() == shown
    page.unroute("**/v1/live")
    expect(page.locator("#connection")).to_have_text("Live")


def test_nothing_is_called_calm_while_the_ledger_is_still_being_read(plain_page, served):
    page = plain_page
    silence(page)
    city = served.client.get("/v1/city").json()
    answer(page, "city", {**city, "ready": False, "progress": {"position": 4500, "entries": 10000, "ratio": 0.45}})
    answer(page, "attention", {"summary": "Nothing needs you now", "items": []})
    page.goto(served.address)
    expect(page.locator("h1")).to_have_text("Reading what the devices sent…")
    expect(page.locator("#loading")).to_contain_text("45 % of 10,000 messages read. What is shown is not complete yet.")
    expect(page.locator("#attention")).to_contain_text("not everything has been read yet")


def test_a_service_that_fails_is_shown_with_its_reason_and_tried_again(plain_browser, served):
    said = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "The desk is locked."}
    context = plain_browser.new_context()
    page = context.new_page()
    page.route(
        "**/v1/city",
        lambda route: route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(said)),
    )
    page.goto(served.address)
    expect(page.locator("#fault")).to_contain_text("The desk is locked.")
    expect(page.locator("h1")).to_have_text("Nothing can be shown yet")
    page.unroute("**/v1/city")
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#fault")).to_be_empty()
    context.close()


def test_ten_thousand_items_and_the_longest_words_fit(plain_browser, served):
    with page_of(plain_browser, viewport=PHONE) as page:
        items = [incident(n, f"Afval naast {LONG_WORD} {n}") for n in range(10_000)]
        answer(page, "attention", {"summary": "10,000 things need you now", "items": items})
        silence(page)
        page.goto(served.address)
        expect(page.locator(".item")).to_have_count(15)
        assert page.evaluate(OVERFLOW) <= 0
        page.get_by_role("button", name=re.compile("Show more")).click()
        expect(page.locator(".item")).to_have_count(30)
        expect(page.locator('.item[data-id="i-15"] button')).to_be_focused()


def test_what_a_register_says_stays_text(plain_page, served):
    page = plain_page
    answer(
        page, "attention", {"summary": "1 thing needs you now", "items": [incident(1, "<img src=x onerror=alert(1)>")]}
    )
    page.goto(served.address)
    expect(page.locator(".item .title")).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".item img")).to_have_count(0)


def test_an_empty_city_says_so(plain_page, served):
    page = plain_page
    empty = {"type": "FeatureCollection", "features": []}
    answer(page, "attention", {"summary": "Nothing needs you now", "items": []})
    answer(page, "places", empty)
    answer(page, "trucks", {"trucks": []})
    silence(page)
    page.goto(served.address)
    expect(page.locator("h1")).to_have_text("Nothing needs you now")
    expect(page.locator("#attention")).to_contain_text("Nothing needs you")
    expect(page.locator("#counts")).to_have_text("No places are in the register.")
    page.click("#tab-places")
    expect(page.locator("#places")).to_contain_text("No places are in the register.")
    page.click("#tab-rounds")
    expect(page.locator("#rounds")).to_contain_text("No trucks are in the register.")
