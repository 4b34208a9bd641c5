"""The planner's part of the page, in a real browser over a real service."""

import pytest
from playwright.sync_api import expect

from store.series import Point
from tests.service.counted_city import write_year
from tests.service.pages_browser import CONTRASTS, OVERFLOW, PHONE, TARGETS, page_of
from tests.service.running import client_of, runtime_of, settings_for
from tests.service.small_city import MONDAY_S, SmallCity

LOST = [*range(4000, 4030), *range(8640, 8650)]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("counted") / "city")
    city.traffic(4)
    write_year(city.folder, lost=LOST, classes=True)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        yield str(client.base_url)
    city.close()


@pytest.fixture(scope="module")
def young(tmp_path_factory):
    city = SmallCity(tmp_path_factory.mktemp("young") / "city")
    city.traffic(4)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        runtime.series.write(
            [
                Point(arm, "vehicle_count", round((MONDAY_S - i * 300) * 1000), 20.0 + i % 5)
                for arm in ("arm-0", "arm-1")
                for i in range(288)
                if not 60 <= i < 72
            ]
        )
        yield str(client.base_url)
    city.close()


def open_place(page, address, place):
    page.goto(f"{address}/#place/{place}")
    expect(page.locator(".planner .figures li").first).to_be_visible()


def test_a_junctions_page_says_what_would_relieve_it_and_compares_with_the_timing_that_runs(browser, counted):
    with page_of(browser) as page:
        open_place(page, counted, "kruis-1")
        expect(page.locator(".relief .outcome")).to_contain_text("If one plan of")
        expect(page.locator(".relief .outcome")).to_contain_text("per vehicle; measured on 60 workdays")
        expect(page.locator(".relief table.plans tbody tr").first).to_contain_text("now")
        page.get_by_text("Give the timing that runs now", exact=True).click()
        page.fill("#timing-cycle", "80")
        page.fill("#timing-green-0", "36")
        page.fill("#timing-green-1", "50")
        page.get_by_role("button", name="Compare with this timing").click()
        expect(page.locator(".relief .error")).to_contain_text("do not fit in a cycle")
        page.fill("#timing-cycle", "80")
        page.fill("#timing-green-0", "36")
        page.fill("#timing-green-1", "36")
        page.get_by_role("button", name="Compare with this timing").click()
        expect(page.locator(".relief .outcome")).not_to_contain_text("If one plan of")
        expect(page.locator(".relief table.plans").first).to_contain_text("80: 36 + 36")


def test_an_approachs_page_has_figures_with_what_they_rest_on_and_tables_beside_charts(browser, counted):
    with page_of(browser) as page:
        open_place(page, counted, "arm-1")
        average = page.locator(".figures li", has_text="Average day of the year (AADT)")
        expect(average).to_contain_text("vehicles/day")
        expect(average).to_contain_text("measured: 36")
        expect(page.locator(".figures li.refused", has_text="Peak hour factor")).to_contain_text("too little data")
        day = page.locator("figure.chart", has_text="The usual day")
        day.get_by_role("button", name="As table").click()
        expect(day.locator("tbody tr")).to_have_count(24)
        expect(day.locator("tbody tr").nth(17)).to_contain_text(" to ")
        page.get_by_text("Mean day of the week", exact=True).click()
        expect(page.locator(".planner tr", has_text="Saturday")).to_contain_text(" to ")
        week = page.locator("figure.chart", has_text="The latest seven days")
        expect(week.locator(".chart-readout")).to_contain_text("Hatched: unknown.")
        week.get_by_role("button", name="As table").click()
        expect(week.locator("tbody")).to_contain_text("unknown")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the hourly counts (CSV)").click()
        assert download.value.suggested_filename == "arm-1.csv"


def test_another_year_and_a_measure_can_be_asked_for(browser, counted):
    with page_of(browser) as page:
        open_place(page, counted, "arm-0")
        page.get_by_text("Before and after a measure", exact=True).click()
        page.fill("#change-on", "2025-09-01")
        page.get_by_role("button", name="Compare eight weeks").click()
        expect(page.locator(".change [role=status]")).to_contain_text("Change of the daily volume")
        page.select_option("#figures-year", "2026")
        expect(page.locator(".planner")).to_contain_text("2026-01-01 to 2026-12-31")
        expect(page.locator(".figures li.refused").first).to_contain_text("too little data")
        expect(page.locator("#figures-year")).to_be_focused()


def test_with_one_day_of_counts_every_figure_is_refused_in_words(browser, young):
    with page_of(browser, viewport=PHONE) as page:
        open_place(page, young, "kruis-1")
        expect(page.locator(".relief .unknown")).to_contain_text("No advice about green: 1 of at least 5 workdays")
        expect(page.locator(".figures li:not(.refused)")).to_have_count(0)
        expect(page.locator("figure.chart", has_text="The usual day")).to_contain_text("No profile of the day")
        assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["kruis-1", "arm-0"])
def test_on_a_phone_it_fits_and_can_be_read_and_pressed(browser, counted, scheme, place):
    with page_of(browser, viewport=PHONE, scheme=scheme) as page:
        open_place(page, counted, place)
        page.evaluate("() => document.querySelectorAll('.planner details').forEach((one) => (one.open = true))")
        assert page.evaluate(OVERFLOW) <= 0
        assert {text: ratio for text, ratio in page.evaluate(CONTRASTS) if ratio < 4.5} == {}
        assert [one for one in page.evaluate(TARGETS) if min(one[1:]) < 24] == []
