"""When nobody is sent to a place, in a real browser over a real service: seen, told by phone, and learned from."""

import pytest
from playwright.sync_api import expect

from city.readings import Reading
from tests.service.pages_browser import CONTRASTS, OVERFLOW, PHONE, TARGETS, page_of
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, SmallCity


class Served:
    """A city with a windy afternoon in which drivers were turned away before."""

    def __init__(self, city, runtime, client):
        self.city, self.runtime, self.client = city, runtime, client
        self.address = str(client.base_url)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("limits") / "city")
    city.history(full=("k3-residual", "k8-paper", "k5-residual"))
    for week in range(1, 5):
        at_ms = round((city.now_s - week * 7 * 24 * HOUR_S + 3.5 * HOUR_S) * 1000)
        city.tell("cab-crane-1", [Reading(at_ms, "truck", "veto", {"veto_code": 0.0}, place="kamer-3")], at_ms / 1000)
    rows = [f"2026-03-02T{h:02d}:00:00+01:00,{8 if h in (13, 14) else 3}" for h in range(24)]
    (city.folder / "wind.csv").write_text("time,beaufort\n" + "\n".join(rows) + "\n")
    settings = settings_for(city, speed_up=1.0).with_options(weather=str(city.folder / "wind.csv"))
    try:
        with runtime_of(settings) as runtime, client_of(runtime) as client:
            until(lambda: client.get("/v1/plans/current").status_code == 200)
            yield Served(city, runtime, client)
    finally:
        city.close()


def test_a_place_says_when_nobody_is_sent_there_and_what_it_was_learned_from(browser, served):
    with page_of(browser) as page:
        page.goto(f"{served.address}/#place/kamer-3")
        section = page.locator("#detail .limits")
        expect(section).to_contain_text("11:00 to 12:00: Drivers are mostly turned away at this hour")
        expect(section).to_contain_text("13:00 to 15:00: No lifting: wind force 8")
        expect(section).to_contain_text("Learned from 4 vetoes and 0 visits: nobody is sent here from 11:00 to 12:00.")
        expect(section.locator("ul").nth(1)).to_contain_text("Mon 23 Feb 11:30: blocked, says Kraan 1")


def test_a_place_of_which_nobody_said_anything_says_so(browser, served):
    with page_of(browser) as page:
        page.goto(f"{served.address}/#place/kamer-7")
        expect(page.locator("#detail .limits")).to_contain_text("No driver has refused a stop here.")


def test_a_driver_who_phones_is_written_down_and_the_stop_leaves_its_round(browser, served):
    with page_of(browser) as page:
        page.goto(f"{served.address}/#place/kamer-5")
        page.get_by_text("A driver phones: this stop was not done").click()
        expect(page.locator("#veto-truck option")).to_have_count(4)
        page.fill("#veto-by", " ")
        page.click("#veto")
        expect(page.locator("#veto-fault")).to_contain_text("Say who writes it down")
        expect(page.locator("#veto-by")).to_be_focused()
        page.select_option("#veto-reason", "unsafe")
        expect(page.locator("#veto-truck")).to_have_value("crane-1")
        page.fill("#veto-note", "loose cable")
        page.fill("#veto-by", "dispatcher 3")
        page.click("#veto")
        section = page.locator("#detail .limits")
        expect(section).to_contain_text("not safe, says Kraan 1, told to dispatcher 3: loose cable")
        expect(section).to_contain_text("Written down. Its stop leaves the rounds of today.")
        expect(page.locator("#veto-note")).to_have_value("")
        page.click("#tab-rounds")
        rounds = page.locator("#rounds")
        expect(rounds).to_contain_text("No lifting from 13:00 to 15:00: wind force 8.")
        rounds.locator("summary").click()
        expect(rounds.locator("details li", has_text="Straat 5")).to_contain_text("it was not safe, says Kraan 1")


def test_a_rejection_about_one_place_is_remembered_there(browser, served):
    served.city.now_s = served.runtime.clock.now_s()
    served.city.dump("kamer-2")
    found = until(lambda: served.client.get("/v1/proposals?status=open").json()["items"], 90)
    with page_of(browser) as page:
        page.goto(f"{served.address}/#proposal/{found[0]['id']}")
        expect(page.locator("#about-reason")).to_be_disabled()
        page.select_option("#about-place", "kamer-2")
        page.select_option("#about-reason", "blocked")
        page.fill("#reason", "market day")
        page.click("#reject")
        expect(page.locator("#detail .outcome").first).to_contain_text("Rejected")
        page.goto(f"{served.address}/#place/kamer-2")
        expect(page.locator("#detail .limits")).to_contain_text("blocked, says dispatcher: market day")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE])
def test_it_can_be_read_and_pressed_and_fits(browser, served, scheme, viewport):
    with page_of(browser, scheme=scheme, viewport=viewport) as page:
        page.goto(f"{served.address}/#place/kamer-3")
        expect(page.locator("#detail .limits")).to_contain_text("Learned from")
        page.get_by_text("A driver phones: this stop was not done").click()
        found = dict(page.evaluate(CONTRASTS))
        assert {text: ratio for text, ratio in found.items() if ratio < 4.5} == {}
        assert [one for one in page.evaluate(TARGETS) if min(one[1:]) < 24] == []
        assert page.evaluate(OVERFLOW) <= 0
