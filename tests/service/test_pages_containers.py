"""What containers say over weeks, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.service.container_weeks import weeks_of_containers
from tests.service.pages_browser import CONTRASTS, OVERFLOW, PHONE, TARGETS, page_of


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with weeks_of_containers(tmp_path_factory.mktemp("pages")) as client:
        for one in ("k1-residual", "k2-residual"):
            # What is worked out once a day is there.
            client.get(f"/v1/containers/{one}/sensor-worth")
        yield client


def test_a_container_shows_its_emptyings_and_what_its_sensor_is_worth(browser, client):
    with page_of(browser) as page:
        page.goto(f"{client.base_url}/#place/k1-residual")
        detail = page.locator("#detail")
        expect(detail).to_contain_text("6 emptyings of which level and crew say the same")
        expect(detail).to_contain_text("A crew told of it, but the level did not fall: 1")
        expect(detail).to_contain_text("The level fell, but no crew told of it: 1")
        expect(detail).to_contain_text("decisions a month")
        expect(detail.locator("dd", has_text="believed")).to_have_text("believed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_sensor_that_is_not_believed_says_why_and_the_forecast_stands_in(browser, client, scheme):
    with page_of(browser, viewport=PHONE, scheme=scheme) as page:
        page.goto(f"{client.base_url}/#place/k2-residual")
        detail = page.locator("#detail")
        expect(detail.locator(".reason")).to_contain_text("It is stuck.")
        expect(detail).to_contain_text("Fill now, as forecast")
        expect(detail.locator("dd", has_text="believed")).to_have_text("not believed")
        expect(detail.locator(".worth")).to_be_visible()
        assert page.evaluate(OVERFLOW) <= 0
        assert [one for one in page.evaluate(CONTRASTS) if one[1] < 4.5] == []


def test_patterns_name_hot_spots_with_their_hours_and_emptyings_that_do_not_match(browser, client):
    with page_of(browser) as page:
        page.goto(str(client.base_url))
        expect(page.locator("#connection")).to_have_text("Live")
        page.click("#tab-patterns")
        patterns = page.locator("#patterns")
        expect(patterns).to_contain_text("Monday 20:00 to 21:00 (6)")
        expect(patterns).to_contain_text("11 places without a camera: of dumping there nothing is known.")
        expect(patterns).to_contain_text("The level fell, but no crew told of it: 1")
        assert all(min(width, height) >= 24 for _, width, height in page.evaluate(TARGETS))
        patterns.locator("a", has_text="k1-residual").click()
        expect(page.locator("#detail h2")).to_have_text("Residual container k1-residual at Straat 1")


def test_an_incident_where_no_camera_looks_says_what_cannot_be_known(browser, client):
    with page_of(browser) as page:
        page.goto(f"{client.base_url}/#incident/d-kamer-7-0")
        expect(page.locator("#detail")).to_contain_text("cause: bulky waste, dumped")
        expect(page.locator("#detail .unknown").first).to_contain_text("not observable here (no camera)")
