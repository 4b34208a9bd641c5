import json
from datetime import datetime

import pytest

from service.answers import iso
from store.series import Point
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A city with two days of history, a dumping that was there before the day's plan, and a client of its service."""
    city = SmallCity(tmp_path_factory.mktemp("api") / "city")
    city.history(full=("k3-residual", "k8-paper"))
    city.truck("crane-1", 6.556, 53.2018, 120.0)
    with runtime_of(settings_for(city)) as runtime:
        points = [
            Point(
                "k3-residual", "fill_ratio", round((MONDAY_S - h * HOUR_S) * 1000), None if h == 5 else 0.9 - h * 0.01
            )
            for h in range(48)
        ]
        runtime.series.write(points)
        with client_of(runtime) as client:
            until(lambda: client.get("/v1/plans/current").status_code == 200)
            yield city, runtime, client
    city.close()


@pytest.fixture
def client(served):
    return served[2]


def test_the_city_says_its_time_its_parts_and_that_it_is_ready(client):
    answer = client.get("/v1/city")
    city = answer.json()
    assert (city["id"], city["name"], city["timezone"]) == ("stadje", "Stadje", "Europe/Amsterdam")
    assert city["speedUp"] == 30.0
    assert datetime.fromisoformat(city["now"]).timestamp() >= MONDAY_S
    assert city["parts"] == {"broker": "none", "series": "sqlite"}
    assert city["ready"] is True
    assert city["progress"]["ratio"] == 1.0
    west, south, east, north = city["bounds"]
    assert west < east
    assert south < north
    assert answer.headers["API-Version"] == "1.0.0"


def test_places_are_geojson_with_their_state_and_the_age_of_what_is_known(client):
    answer = client.get("/v1/places", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-encoding"] == "gzip"
    features = {one["properties"]["id"]: one for one in answer.json()["features"]}
    assert len(features) == 12 + 1 + 1 + 1
    full = features["kamer-3"]["properties"]
    assert (full["kind"], full["name"], full["state"]) == ("cluster", "Straat 3", "urgent")
    container = next(one for one in full["containers"] if one["id"] == "k3-residual")
    assert container["fillRatio"] == pytest.approx(0.97, abs=0.05)
    assert container["fillLow"] <= container["fillRatio"] <= container["fillHigh"]
    assert container["ageS"] >= 0
    assert container["at"].endswith("Z")
    junction = features["kruis-1"]["properties"]
    assert junction["approaches"][0]["speedKph"] == pytest.approx(46, abs=3)
    assert features["remise"]["properties"]["kind"] == "depot"


@pytest.mark.parametrize(
    ("id", "kind", "fields"),
    [
        ("k3-residual", "container", {"fillRatio", "overflowProbability", "emptiedAt", "clusterName", "volumeM3"}),
        ("kamer-2", "cluster", {"containers", "observable", "district"}),
        ("arm-0", "approach", {"speedKph", "freeSpeedKph", "stateText", "junctionName", "since"}),
        ("kruis-1", "junction", {"approaches"}),
        ("crane-1", "truck", {"truckKind", "loadKg", "stops", "doneStops", "totalStops"}),
    ],
)
def test_every_kind_of_entity_has_its_detail(client, id, kind, fields):
    entity = client.get(f"/v1/entities/{id}").json()
    assert (entity["id"], entity["kind"]) == (id, kind)
    assert fields <= set(entity)


def test_what_no_camera_sees_is_called_not_observable(client):
    assert client.get("/v1/entities/kamer-2").json()["observable"] is True
    assert client.get("/v1/entities/kamer-4").json()["observable"] is False


def test_a_trend_has_points_with_unknown_as_null_thresholds_and_a_forecast(client):
    start, end = iso(MONDAY_S - 24 * HOUR_S), iso(MONDAY_S + HOUR_S)
    answer = client.get("/v1/trends/k3-residual", params={"quantity": "fill_ratio", "from": start, "to": end})
    trend = answer.json()
    assert trend["unit"] == "ratio of usable volume"
    values = dict(trend["points"])
    assert len(values) == 25
    assert values[round((MONDAY_S - 5 * HOUR_S) * 1000)] is None
    assert {"name": "full", "value": 0.95} in trend["thresholds"]
    ms, level, low, high = trend["forecast"][-1]
    assert ms > MONDAY_S * 1000
    assert low <= level <= high


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/entities/nobody", 404, "no 'nobody'"),
        ("/v1/trends/nobody?quantity=fill_ratio", 404, "no 'nobody'"),
        ("/v1/trends/k3-residual", 422, "quantity"),
        ("/v1/trends/k3-residual?quantity=beauty", 400, "no known quantity"),
        ("/v1/trends/k3-residual?quantity=fill_ratio&from=yesterday", 400, "is no time"),
        ("/v1/trends/k3-residual?quantity=fill_ratio&from=2026-03-02T06:00:00", 400, "no offset"),
        (
            "/v1/trends/k3-residual?quantity=fill_ratio&from=2026-03-02T06:00:00Z&to=2026-03-01T06:00:00Z",
            400,
            "no span of time",
        ),
        ("/v1/incidents/x", 404, "no incident 'x'"),
        ("/v1/incidents?status=odd", 422, "status"),
        ("/v1/incidents?limit=0", 422, "limit"),
        ("/v1/proposals/x", 404, "no proposal 'x'"),
        ("/v1/plans/x", 404, "no plan 'x'"),
        ("/v1/scoreboard", 404, "no scoreboard"),
        ("/v1/nothing", 404, "nothing at /v1/nothing"),
        ("/v1/trends/%00?quantity=fill_ratio", 404, "no '"),
    ],
)
def test_what_does_not_fit_is_a_problem_that_names_the_fix(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert said in problem["detail"]
    assert problem["status"] == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/incidents/x/decision", {"decision": "confirm", "by": "me"}, 404),
        ("/v1/incidents/x/decision", {"decision": "explode", "by": "me"}, 422),
        ("/v1/incidents/x/decision", {"decision": "confirm"}, 422),
        ("/v1/incidents/x/decision", {"decision": "confirm", "by": "me", "extra": 1}, 422),
        ("/v1/proposals/x/decision", {"decision": "accept", "by": "me", "plan": "plan-x"}, 404),
        ("/v1/proposals/x/decision", {"decision": "accept", "by": "me"}, 400),
        ("/v1/proposals/x/decision", {"decision": "accept", "by": ""}, 422),
    ],
)
def test_a_decision_that_does_not_fit_is_a_problem(client, path, body, status):
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_the_day_has_a_plan_with_paths_and_its_trucks_know_their_next_stop(client):
    plan = client.get("/v1/plans/current").json()
    assert plan["distanceKm"] > 0
    served_jobs = {stop["place"] for one in plan["rounds"] for stop in one["stops"] if stop["job"]}
    assert {"kamer-3", "kamer-8"} <= served_jobs
    crane = next(one for one in plan["rounds"] if one["truck"] == "crane-1")
    assert crane["name"] == "Kraan 1"
    assert len(crane["path"]) > 2
    assert client.get(f"/v1/plans/{plan['id']}").json()["id"] == plan["id"]
    truck = next(one for one in client.get("/v1/trucks").json()["trucks"] if one["id"] == "crane-1")
    assert truck["lon"] == pytest.approx(6.556)
    assert truck["totalStops"] == sum(bool(stop["job"]) for stop in crane["stops"])
    assert truck["nextStop"]["name"]


def test_the_map_is_drawn_with_shapes_titles_trucks_and_words_for_who_cannot_see_it(client):
    answer = client.get("/v1/map.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    svg = answer.text
    assert svg.count("<title>") >= 15
    assert "<title>Straat 3: urgent</title>" in svg
    assert '<title id="t">Stadje, 08:' in svg
    assert "Places: " in svg
    assert 'class="round"' in svg
    assert "Kraan 1" in svg
    assert "nan" not in svg.lower()


def test_streets_are_lines_with_their_class(client):
    streets = client.get("/v1/streets").json()
    assert streets["features"][0]["geometry"]["type"] == "LineString"
    assert {one["properties"]["class"] for one in streets["features"]} <= {"major", "minor"}


def test_health_looks_at_every_part(client):
    answer = client.get("/v1/health")
    checks = {one["name"]: one for one in answer.json()["checks"]}
    assert set(checks) == {"detection", "series", "ingest", "broker", "planning"}
    assert checks["detection"]["status"] == "pass"
    assert checks["series"]["status"] == "pass"
    assert checks["ingest"]["status"] == "warn"
    assert answer.status_code == 200


def test_the_description_is_complete_camel_case_and_names_problems(client):
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    for path, methods in described["paths"].items():
        assert path.startswith("/v1/")
        for one in methods.values():
            assert one["tags"]
            assert one["summary"]
    for name, schema in described["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert "_" not in field, f"{name}.{field}"
    assert "application/problem+json" in json.dumps(described["paths"]["/v1/incidents/{id}"])


def test_every_answer_carries_the_headers_of_safety(client):
    for path in ("/v1/city", "/v1/nothing", "/"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "http" not in headers["Content-Security-Policy"]


def test_pages_have_an_etag_and_ranges_and_hide_what_only_builds_them(client):
    page = client.get("/index.html")
    if page.status_code == 404:
        pytest.skip("there are no pages here")
    assert page.headers["Cache-Control"] == "no-cache"
    again = client.get("/index.html", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    part = client.get("/index.html", headers={"Range": "bytes=0-9", "Accept-Encoding": "identity"})
    assert (part.status_code, len(part.content)) == (206, 10)
    for hidden in ("/build_vendor.py", "/package.json", "/node_modules/x.js", "/../settings.py", "/%2e%2e/settings.py"):
        assert client.get(hidden).status_code == 404


def test_live_events_come_over_a_real_connection(client):
    with client.stream("GET", "/v1/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        names = set()
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.add(line.removeprefix("event: "))
            if {"clock", "trucks"} <= names:
                break


def test_an_incident_is_found_shown_confirmed_once_and_kept_in_the_trail(served):
    city, runtime, client = served
    city.now_s = runtime.clock.now_s()
    city.dump("kamer-5")

    def found():
        items = client.get("/v1/incidents", params={"status": "open"}).json()["items"]
        return next((one for one in items if one["entity"] == "kamer-5"), None)

    incident = until(found)
    assert incident["title"].startswith("Waste beside Straat 5")
    assert incident["placeName"] == "Straat 5"
    assert incident["urgency"] == "urgent"
    assert any("camera" in one["text"] for one in incident["evidence"])
    assert client.get("/v1/entities/kamer-5").json()["state"] == "urgent"
    decided = client.post(f"/v1/incidents/{incident['id']}/decision", json={"decision": "confirm", "by": "officer 1"})
    assert decided.json()["status"] == "confirmed"
    again = client.post(f"/v1/incidents/{incident['id']}/decision", json={"decision": "dismiss", "by": "officer 2"})
    assert again.status_code == 409
    assert "already confirmed" in again.json()["detail"]
    trail = client.get("/v1/decisions").json()["items"]
    assert trail[0]["by"] == "officer 1" or any(one["by"] == "officer 1" for one in trail)
