import csv
import io

import numpy as np
import pytest

from service.traffic_records import TrafficRecords, intervals_s
from store.series import Point, open_series
from tests.service.counted_city import write_year
from tests.service.running import client_of, runtime_of, settings_for
from tests.service.small_city import MONDAY_S, SmallCity


def open_city(folder, **history):
    city = SmallCity(folder / "city")
    city.traffic(2)
    if history:
        write_year(city.folder, **history)
    return city


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A city with a year of another counter's file."""
    city = open_city(tmp_path_factory.mktemp("counted"), days=365, lost=range(4000, 4030), classes=True)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        yield client
    city.close()


@pytest.fixture(scope="module")
def young(tmp_path_factory):
    """A city with one day of five-minute counts, of which an hour was never heard."""
    city = open_city(tmp_path_factory.mktemp("young"))
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        runtime.series.write(
            [
                Point(arm, quantity, round((MONDAY_S - i * 300) * 1000), value)
                for arm in ("arm-0", "arm-1")
                for i in range(288)
                if not 60 <= i < 72
                for quantity, value in (("vehicle_count", 20.0 + i % 5), ("speed_kph", 40.0 + i % 7))
            ]
        )
        yield client
    city.close()


def by_name(client, place, **query):
    found = client.get(f"/v1/traffic/{place}/figures", params=query).raise_for_status().json()
    return {one["name"]: one for one in found["figures"]}, found


def test_a_year_of_counts_gives_figures_with_interval_and_completeness(counted):
    figures, found = by_name(counted, "arm-0")
    assert found["period"]["days"] == 365
    assert found["years"] == [2025, 2026]
    average = figures["AADT"]
    assert average["kind"] == "figure"
    assert average["low"] <= average["value"] <= average["high"]
    assert average["completeness"] > 0.99
    assert average["unit"] == "vehicles/day"
    assert "08:00 to 09:00" in figures["morning peak hour"]["basis"]
    assert 0.05 < figures["K30"]["value"] < 0.25
    assert figures["share of bike"]["value"] == pytest.approx(0.3, abs=0.02)


def test_d_is_of_the_two_directions_of_one_road_and_refused_where_only_what_comes_in_is_counted(counted):
    assert by_name(counted, "arm-1")[0]["D"]["value"] == pytest.approx(0.6)
    refused = by_name(counted, "arm-0")[0]["D"]
    assert refused["kind"] == "refusal"
    assert "arm-0:lft and arm-0:rgt" in refused["text"]


def test_hourly_counts_have_no_peak_hour_factor_and_the_refusal_says_why(counted):
    figures, _ = by_name(counted, "arm-0")
    assert figures["peak hour factor"]["kind"] == "refusal"
    assert "Hourly counts do not show the peak within" in figures["peak hour factor"]["text"]


def test_a_junctions_figures_are_those_of_its_approaches_together(counted):
    figures, _ = by_name(counted, "kruis-1")
    arms = sum(by_name(counted, arm)[0]["AADT"]["value"] for arm in ("arm-0", "arm-1"))
    assert figures["AADT"]["value"] == pytest.approx(arms, rel=0.01)
    assert figures["mean day into the junction"]["value"] == pytest.approx(arms, rel=0.02)


def test_a_short_count_becomes_annual_with_the_seasons_of_a_place_nearby_that_counts_all_year(tmp_path, counted):
    city = open_city(tmp_path, days=365, lost=range(24 * 12, 24 * 365))
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        figures, _ = by_name(client, "arm-1")
    city.close()
    assert figures["AADT"]["kind"] == "refusal"
    short = figures["AADT from a short count"]
    whole = by_name(counted, "arm-1")[0]
    assert short["low"] < whole["AADT"]["value"] < short["high"]
    assert short["value"] == pytest.approx(whole["AADT"]["value"], rel=0.05)
    assert any("(arm-0)" in one for one in short["notes"])
    assert "AADT from a short count" not in whole


def test_a_short_count_without_a_year_of_counts_nearby_is_refused(young):
    assert "places nearby with a whole year" in by_name(young, "arm-0")[0]["AADT from a short count"]["text"]


def test_a_calendar_year_can_be_asked_for(counted):
    _, found = by_name(counted, "arm-0", year=2026)
    assert found["period"]["firstDay"] == "2026-01-01"
    assert found["period"]["wholeDays"] == 59


def test_one_day_of_counts_is_refused_figure_by_figure_and_never_a_number(young):
    figures, found = by_name(young, "arm-0")
    assert 1 <= found["period"]["days"] <= 2
    refused = {name for name, one in figures.items() if one["kind"] == "refusal"}
    assert {"AADT", "morning peak hour", "peak hour factor", "K30", "D", "modal split"} <= refused
    assert figures["V85 of interval means"]["kind"] == "figure"
    assert "of at least 84 pairs" in figures["AADT"]["text"]
    profile = young.get("/v1/traffic/arm-0/profile").json()
    assert profile["workday"] == []
    assert len(profile["refusals"]) == 2
    assert profile["normal"] is None
    relief = young.get("/v1/traffic/kruis-1/relief").json()
    assert relief["plans"] == []
    assert relief["refusal"].startswith("No advice about green:")


def test_the_profile_has_the_usual_day_the_week_and_unknown_hours_as_unknown(counted):
    profile = counted.get("/v1/traffic/arm-1/profile").json()
    assert len(profile["workday"]) == len(profile["weekend"]) == 24
    evening = profile["workday"][17]
    assert evening["low"] < evening["median"] < evening["high"]
    assert evening["days"] > 200
    assert len(profile["week"]) == len(profile["normal"]["low"]) == 168
    assert len(profile["days"]) == 365
    assert [value for _, value in profile["days"]].count(None) >= 2
    assert profile["weekdays"][0]["name"] == "Monday"
    assert 52 <= len(profile["weeks"]) <= 54
    assert sum(value is not None for _, value in profile["weeks"]) >= 50


def test_advice_about_green_comes_with_a_sentence_and_what_is_assumed(counted):
    relief = counted.get("/v1/traffic/kruis-1/relief").json()
    assert relief["isTimingAssumed"]
    assert relief["phases"] == [["arm 0"], ["arm 1"]]
    assert any("one fixed plan all day" in one for one in relief["assumed"])
    assert relief["plans"][-1]["untilHour"] == 24
    told = counted.get("/v1/traffic/kruis-1/relief", params={"cycleS": 80, "greenS": [36, 36]}).json()
    assert not told["isTimingAssumed"]
    evening = next(one for one in told["plans"] if one["fromHour"] <= 17 < one["untilHour"])
    assert evening["isWorthIt"]
    assert evening["savingLowS"] < evening["savingS"] < evening["savingHighS"]
    assert "from arm 0 to arm 1" in evening["sentence"] or "Run a cycle of" in evening["sentence"]


def test_a_change_that_was_none_is_not_shown_as_one(counted):
    change = counted.get("/v1/traffic/arm-0/change", params={"on": "2025-09-01", "comparison": "arm-1"}).json()
    assert change["kind"] == "figure"
    assert change["low"] < 0 < change["high"]
    early = counted.get("/v1/traffic/arm-0/change", params={"on": "2025-03-03"}).json()
    assert early["kind"] == "refusal"


def test_counts_are_taken_away_as_csv_with_an_unknown_hour_empty(counted):
    answer = counted.get("/v1/traffic/arm-1/counts.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="arm-1.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 365 * 24
    assert rows[0]["hour_start"] == "2025-03-01T00:00:00+01:00"
    assert sum(row["vehicles"] == "" for row in rows) >= 30


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("nowhere/figures", 404, "There is no approach or junction 'nowhere'"),
        ("kamer-1/profile", 404, "There is no approach or junction 'kamer-1'"),
        ("arm-0/relief", 404, "There is no junction 'arm-0'"),
        ("kruis-1/relief?cycleS=80", 400, "Give both cycleS and greenS"),
        ("kruis-1/relief?cycleS=80&greenS=36&greenS=60", 400, "do not fit in a cycle"),
        ("kruis-1/relief?cycleS=80&greenS=30", 400, "1 greens for 2 phases"),
        ("kruis-1/relief?cycleS=80&greenS=36&greenS=0", 400, "Give every phase a green above 0 s"),
        ("kruis-1/relief?cycleS=80&greenS=36&greenS=nan", 400, "Give every phase a green above 0 s"),
        ("kruis-1/relief?cycleS=nan&greenS=36&greenS=36", 422, "cycleS"),
        ("arm-0/change?on=yesterday", 422, "on"),
        ("arm-0/change?on=2025-09-01&comparison=nowhere", 404, "nowhere"),
        ("arm-0/figures?year=3", 422, "year"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_its_fix(counted, path, status, said):
    answer = counted.get(f"/v1/traffic/{path}")
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


def test_a_reading_after_a_gap_did_not_count_through_the_gap():
    assert intervals_s(np.array([60.0, 120.0, 4000.0, 4060.0])).tolist() == [60, 60, 60, 60]
    assert np.isnan(intervals_s(np.array([60.0]))).all()


def test_the_citys_own_count_stands_where_a_file_has_another(tmp_path):
    write_year(tmp_path, days=2)
    day_s = 86_400.0
    with open_series(f"sqlite:///{tmp_path / 'series.sqlite'}") as series:
        from tests.service.counted_city import START_S

        series.write([Point("arm-0", "vehicle_count", round((START_S + m * 60 + 60) * 1000), 1.0) for m in range(60)])
        records = TrafficRecords(series, tmp_path / "history", "Europe/Amsterdam")
        volume = records.counted("arm-0", START_S + 3 * day_s).hours.volume
        assert volume[0, 0] == 60
        assert volume[0, 1] != 60
        assert np.isfinite(volume).all()


def test_a_file_of_the_history_that_cannot_be_read_is_left_out_and_said(tmp_path, caplog):
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "bad.csv").write_text("a,b\n1,2\n")
    with open_series(f"sqlite:///{tmp_path / 'series.sqlite'}") as series:
        records = TrafficRecords(series, tmp_path / "history", "Europe/Amsterdam")
        assert records.counted("arm-0", MONDAY_S).hours.n_days == 0
    assert "left out" in caplog.text


def test_a_row_of_a_wrong_clock_does_not_stretch_the_calendar(tmp_path, caplog):
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "clock.csv").write_text(
        "time,entity,value\n1970-01-01T01:00:00Z,arm-0,5\n2025-03-03T07:00:00Z,arm-0,50\n2199-01-01T01:00:00Z,arm-0,5\n"
    )
    with open_series(f"sqlite:///{tmp_path / 'series.sqlite'}") as series:
        records = TrafficRecords(series, tmp_path / "history", "Europe/Amsterdam")
        assert records.counted("arm-0", MONDAY_S).hours.n_days == 1
    assert "2 rows are of no time that can be" in caplog.text
