"""What the API says of containers over weeks, and of sensors that are not believed."""

import pytest

from tests.service.container_weeks import weeks_of_containers


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with weeks_of_containers(tmp_path_factory.mktemp("containers")) as client:
        yield client


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
