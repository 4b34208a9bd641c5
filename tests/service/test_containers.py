"""What the API says of containers over weeks, and of sensors that are not believed."""

import pytest

from city.findings import Incident
from city.readings import Reading
from store.series import Point
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity

DAY_S = 86_400.0
DAYS = 50


def levels(emptied_days, days=DAYS):
    """An hourly level that rises by 0.2 a day, and falls to nothing at 09:00 of the days named."""
    level, said = 0.05, []
    for hour in range(days * 24):
        at_s = MONDAY_S - days * DAY_S + hour * HOUR_S
        level = 0.02 if hour % 24 == 0 and hour // 24 in emptied_days else min(level + 0.2 / 24, 1.0)
        said.append((at_s, round(level, 3)))
    return said


def visit(day, container):
    at_s = MONDAY_S - DAYS * DAY_S + day * DAY_S
    return Reading(round(at_s * 1000), "truck", "visit", {"lift_kg": 150.0}, place=container)


def keep_dumpings(desk, place, number):
    for n in range(number):
        at_s = MONDAY_S - (n + 1) * 7 * DAY_S + 12 * HOUR_S
        known = Incident(f"d-{place}-{n}", "dumping", place, 6.5, 53.2, at_s, at_s + HOUR_S, "bulky", 0.9, 0.5, ())
        desk.put_incident(known)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A container that is emptied every fourth day (one told falsely, one not told), and one stuck for days."""
    city = SmallCity(tmp_path_factory.mktemp("containers") / "city")
    emptied = set(range(4, 49, 4))
    told = sorted({*emptied, 34} - {48})
    said = levels(emptied)
    city.tell("node-1", [Reading(round(at * 1000), "k1-residual", "fill", {"fill_ratio": v}) for at, v in said])
    city.tell("cab-crane-1", [visit(day, "k1-residual") for day in told])
    stuck = [v if at < MONDAY_S - 4 * DAY_S else 0.431 for at, v in said]
    city.tell(
        "node-2",
        [
            Reading(round(at * 1000), "k2-residual", "fill", {"fill_ratio": v})
            for (at, _), v in zip(said, stuck, strict=True)
        ],
    )
    seen = [
        Reading(round((MONDAY_S - n * 7 * DAY_S) * 1000), "beside", "beside", {"objects_beside": 0.0}) for n in (8,)
    ]
    city.tell("node-5", seen)
    with runtime_of(settings_for(city, speed_up=1.0)) as runtime:
        runtime.series.write([Point("k1-residual", "fill_ratio", round(at * 1000), v) for at, v in said])
        keep_dumpings(runtime.desk, "kamer-5", 6)
        keep_dumpings(runtime.desk, "kamer-7", 3)
        with client_of(runtime) as client:
            until(lambda: runtime.is_ready)
            yield client
    city.close()


def test_emptyings_that_only_one_side_knows_of_are_listed(client):
    found = client.get("/v1/containers/k1-residual/emptyings").json()
    assert len(found["agreed"]) == 6
    assert [one[:10] for one in found["claimedNotSeen"]] == ["2026-02-14"]
    assert [one[:10] for one in found["seenNotClaimed"]] == ["2026-02-28"]
    city = client.get("/v1/emptyings").json()
    assert [one["container"] for one in city["seenNotClaimed"]] == ["k1-residual"]
    assert city["claimedNotSeen"] == []


def test_a_sensors_worth_is_a_sentence_and_is_refused_on_thin_data(client):
    known = client.get("/v1/containers/k1-residual/sensor-worth").json()
    assert known["isKnown"]
    assert "decisions a month" in known["sentence"]
    thin = client.get("/v1/containers/k2-paper/sensor-worth").json()
    assert (thin["isKnown"], thin["changed"]) == (False, None)
    assert thin["sentence"].startswith("Not known")


def test_a_stuck_sensor_is_not_believed_and_the_forecast_stands_in_with_more_doubt(client):
    sick, well = (client.get(f"/v1/entities/{one}").json() for one in ("k2-residual", "k1-residual"))
    assert (well["sensor"]["isBelieved"], well["sensor"]["quality"]) == (True, 1.0)
    assert (sick["sensor"]["isBelieved"], sick["sensor"]["quality"]) == (False, 0.1)
    assert "stuck" in sick["sensor"]["text"]
    assert "forecast" in sick["sensor"]["text"]
    assert sick["state"] != "unknown"
    assert sick["fillRatio"] > 0.431
    assert sick["fillHigh"] - sick["fillLow"] > well["fillHigh"] - well["fillLow"]


def test_hot_spots_name_place_rate_and_hours_and_who_is_not_watched(client):
    found = client.get("/v1/hot-spots").json()
    assert [(one["place"], one["dumpings"]) for one in found["items"]] == [("kamer-5", 6)]
    spot = found["items"][0]
    assert spot["low"] < spot["perWeek"] < spot["high"]
    assert (spot["hours"][0]["text"], spot["hours"][0]["seen"]) == ("Monday 20:00 to 21:00", 6)
    assert found["notWatched"] == 11


@pytest.mark.parametrize("path", ["nobody/emptyings", "nobody/sensor-worth", "kamer-5/emptyings"])
def test_what_is_no_container_is_not_found(client, path):
    answer = client.get(f"/v1/containers/{path}")
    assert answer.status_code == 404
    assert "container" in answer.json()["title"] + answer.json()["detail"]


def test_an_incident_says_its_cause_in_words_and_what_cannot_be_seen(client):
    watched, blind = (client.get(f"/v1/incidents/d-{place}-0").json() for place in ("kamer-5", "kamer-7"))
    assert watched["causeText"] == "bulky waste, dumped"
    assert (
        blind["notObservable"]
        == "Dumping is not observable here (no camera): only overflow can be told from the levels."
    )
