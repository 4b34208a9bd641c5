from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from city.errors import BadInput
from routing.selection import SelectionParameters
from simulation.city import SimulatedCity
from simulation.deposits import DepositProcess
from simulation.history import History
from simulation.inflow import HistoryInflow
from simulation.parameters import CityParameters, demo_start_s
from simulation.shadow import Clairvoyant, FixedRota, FixedThreshold, Fullest, Selection, ShadowCity, run_shadow
from simulation.shadow_report import report_html, summarise, table_cells

DAY = date(2026, 3, 23)


@pytest.fixture(scope="module")
def city() -> ShadowCity:
    made = SimulatedCity.generate(CityParameters.of_size(12), 5, demo_start_s(DAY))
    return ShadowCity.of(made.register, made.network, DepositProcess(made.register, made.parameters, 5))


@pytest.fixture(scope="module")
def figures(city):
    policies = [FixedThreshold(0.4), FixedRota(), Selection()]
    return run_shadow(city, policies, DAY, 8, seed=1, iterations=10, settle_days=5)


def test_every_policy_meets_the_same_people(figures):
    came = {name: [one.deposits for one in days] for name, days in figures.items()}
    assert came["fixed"] == came["ronde"] == came["threshold-0.4"]
    assert all(len(days) == 8 and days[0].day == DAY for days in figures.values())


def test_what_is_emptied_is_fuller_when_the_forecast_chooses(figures):
    summaries = summarise(figures, "threshold-0.4")
    ours, fixed = summaries["ronde"], summaries["threshold-0.4"]
    assert ours.fill_at_emptying.value > fixed.fill_at_emptying.value + 0.1
    assert ours.lifts.value < fixed.lifts.value
    assert ours.service_level.value > 0.99


def test_who_knows_what_comes_empties_later_and_serves_as_well(city, figures):
    known = summarise(
        {"clairvoyant": run_shadow(city, [Clairvoyant()], DAY, 8, seed=1, iterations=10, settle_days=5)["clairvoyant"]},
        "clairvoyant",
    )
    ours = summarise(figures, "ronde")["ronde"]
    assert known["clairvoyant"].fill_at_emptying.value > ours.fill_at_emptying.value
    assert known["clairvoyant"].service_level.value >= ours.service_level.value


def test_co2_is_of_kilometres_and_lifts(figures):
    for day in figures["ronde"]:
        assert day.co2_kg == pytest.approx(1.06 * day.distance_km + 0.27 * day.lifts, rel=0.1, abs=1.0)


def test_the_fullest_clusters_of_a_small_city_keep_the_share(city):
    days = run_shadow(city, [Fullest(425)], DAY, 2, seed=1, iterations=5, settle_days=1)["fullest-425"]
    assert all(one.lifts >= 6 for one in days)


def test_the_same_seed_gives_the_same_days(city, figures):
    again = run_shadow(city, [Selection()], DAY, 8, seed=1, iterations=10, settle_days=5)
    assert again["ronde"] == figures["ronde"]


def test_nobody_is_turned_away_where_everything_is_emptied_every_day(city):
    everything = run_shadow(city, [FixedThreshold(0.0)], DAY, 3, seed=1, iterations=5, settle_days=2)
    assert sum(one.turned_away for one in everything["threshold-0"]) == 0


def test_a_policy_that_never_empties_turns_people_away_and_drives_nothing(city):
    @dataclass(frozen=True)
    class Never:
        name: str = "never"
        needs_belief: bool = False

        def choose(self, morning):
            return []

    days = run_shadow(city, [Never()], DAY, 3, seed=1, settle_days=12)["never"]
    assert sum(one.distance_km for one in days) == 0
    one = summarise({"never": days}, "never")["never"]
    assert np.isnan(one.fill_at_emptying.value)
    assert np.isnan(one.distance_ratio.value)
    assert table_cells(one).count("unknown") == 2
    assert summarise({"never": days}, "never")["never"].service_level.value < 0.6


def test_more_for_those_who_find_no_room_means_less_full_containers(city):
    policies = [Selection(SelectionParameters(spared_s=s), name=f"spared-{s}") for s in (0, 400)]
    figures = summarise(run_shadow(city, policies, DAY, 5, seed=2, iterations=10, settle_days=5), "spared-0")
    assert figures["spared-400"].service_level.value >= figures["spared-0"].service_level.value
    assert figures["spared-400"].fill_at_emptying.value < figures["spared-0"].fill_at_emptying.value


def test_a_figure_comes_with_the_interval_that_whole_weeks_leave(figures):
    for one in summarise(figures, "fixed").values():
        assert one.distance_km.low <= one.distance_km.value <= one.distance_km.high
    assert summarise(figures, "fixed")["fixed"].distance_ratio == (1.0, 1.0, 1.0)


def test_the_report_shows_every_policy_in_words_and_lines(figures):
    page = report_html("Shadow <mode>", ["Seed 1 & more."], figures, "fixed")
    assert page.count("<svg") == 6
    assert all(name in page for name in figures)
    assert "Shadow &lt;mode&gt;" in page
    assert "Seed 1 &amp; more." in page


@pytest.mark.parametrize(
    ("policies", "days", "says"),
    [([], 3, "none"), ([FixedRota(), FixedRota()], 3, "each once"), ([FixedRota()], 0, "0 days")],
)
def test_what_cannot_be_compared_is_named(city, policies, days, says):
    with pytest.raises(BadInput, match=says):
        run_shadow(city, policies, DAY, days, seed=1)


@pytest.fixture(scope="module")
def register(city):
    one = next(iter(city.register.containers.values()))
    return type(city.register)(
        "town", "Europe/Amsterdam", clusters=[city.register.clusters[one.cluster]], containers=[one]
    )


class TestHistoryInflow:
    def history(self, value, hours):
        at_s = 1_767_571_200.0 + np.asarray(hours, float) * 3600
        return History(("a",), at_s, np.zeros(len(at_s), np.int64), np.asarray(value, float))

    def total(self, inflow, first_h, last_h):
        begin = 1_767_571_200 // 900
        return sum(float(inflow.quarter(begin + q).ratio[0]) for q in range(first_h * 4, last_h * 4))

    def test_what_rose_came_in_and_what_fell_was_emptied(self, register):
        inflow = HistoryInflow(self.history([0.1, 0.5, 0.45, 0.2, 0.4], [0, 24, 36, 48, 72]), register)
        assert self.total(inflow, 0, 24) == pytest.approx(0.4, abs=0.01)
        assert self.total(inflow, 24, 36) == 0
        assert self.total(inflow, 48, 72) == pytest.approx(0.2, abs=0.01)

    def test_everything_in_a_container_after_an_emptying_came_in(self, register):
        inflow = HistoryInflow(self.history([0.9, 0.2], [0, 24]), register)
        assert self.total(inflow, 0, 24) == pytest.approx(0.2, abs=0.01)

    def test_over_a_gap_the_mean_comes_in_and_that_is_said(self, register):
        inflow = HistoryInflow(self.history([0.0, 0.24, 0.5, 0.74], [0, 24, 120, 144]), register)
        assert self.total(inflow, 24, 48) == pytest.approx(0.24, abs=0.01)
        assert inflow.imputed_share == pytest.approx(96 / 144, abs=0.02)

    def test_persons_are_not_lost_in_fractions(self, register):
        inflow = HistoryInflow(self.history([0.0, 0.5], [0, 24]), register)
        begin = 1_767_571_200 // 900
        volume_l = inflow.volume_l[0]
        assert sum(int(inflow.quarter(begin + q).number[0]) for q in range(96)) == pytest.approx(
            0.5 * volume_l / 33.3, abs=1.5
        )

    def test_another_register_is_refused(self, city):
        with pytest.raises(BadInput, match="containers"):
            HistoryInflow(self.history([0, 1], [0, 24]), city.register)
