"""Wind, zones and peaks through the running service: in the plan of the day, in changed plans, and told of."""

import msgspec
import numpy as np
import pytest

from city.readings import Reading
from city.register import Register
from city.register_files import write_register
from routing.opening_hours import with_zone
from service.settings import Settings
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import HOUR_S, SmallCity, corner, grid


@pytest.fixture
def city(tmp_path):
    city = SmallCity(tmp_path / "city")
    city.history(full=("k3-residual", "k8-paper", "k5-residual"))
    yield city
    city.close()


def windy(city, *hours, force=8):
    """A forecast of the day: calm but for these hours of the local day."""
    rows = [f"2026-03-02T{h:02d}:00:00+01:00,{force if h in hours else 3}" for h in range(24)]
    (city.folder / "wind.csv").write_text("time,beaufort\n" + "\n".join(rows) + "\n")


def with_weather(city) -> Settings:
    return settings_for(city).with_options(weather=str(city.folder / "wind.csv"))


def lifts(client):
    plan = client.get("/v1/plans/current").json()
    return [stop for one in plan["rounds"] for stop in one["stops"] if stop["kind"] == "empty"]


def test_no_container_is_emptied_in_the_wind(city):
    windy(city, 8, 9)
    with runtime_of(with_weather(city)) as runtime, client_of(runtime) as client:
        until(runtime.todays_plan)
        assert lifts(client)
        assert all(stop["leave"] > "2026-03-02T09:02:00Z" for stop in lifts(client))
        plan = client.get("/v1/plans/current").json()
        assert plan["wind"] == "No lifting from 08:00 to 10:00: wind force 8"
        (kept,) = client.get("/v1/clusters/kamer-3/limits").json()["keptClear"]
        assert (kept["why"], kept["text"]) == ("wind", "No lifting: wind force 8")
        (check,) = [one for one in client.get("/v1/health").json()["checks"] if one["name"] == "weather"]
        assert check["status"] == "pass"


def test_wind_that_is_forecast_later_makes_a_proposal(city):
    windy(city)
    with runtime_of(with_weather(city)) as runtime, client_of(runtime) as client:
        until(runtime.todays_plan)
        before = lifts(client)
        assert min(stop["leave"] for stop in before) < "2026-03-02T08:30:00Z"
        windy(city, 8, 9, 10)
        (proposal,) = until(lambda: client.get("/v1/proposals?status=open").json()["items"])
        assert "No lifting from 08:00 to 11:00: wind force 8: cranes lift before or after it" in proposal["reason"]
        after = client.get(f"/v1/proposals/{proposal['id']}").json()["after"]
        ahead = [stop for one in after for stop in one["stops"] if stop["kind"] == "empty" and not stop["done"]]
        assert ahead
        assert all(stop["leave"] > "2026-03-02T10:02:00Z" for stop in ahead)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("time,beaufort\n2026-03-01T08:00:00+01:00,9\n", "The forecast is old: it ends at 01-03 09:00."),
        ("time,beaufort\n2026-03-02T08:00:00+01:00,nan\n", "'nan' is no wind force"),
    ],
)
def test_a_forecast_that_tells_nothing_forbids_nothing_and_the_operator_hears_of_it(city, text, said):
    if text is not None:
        (city.folder / "wind.csv").write_text(text)
    with runtime_of(with_weather(city)) as runtime, client_of(runtime) as client:
        until(runtime.todays_plan)
        assert min(stop["leave"] for stop in lifts(client)) < "2026-03-02T08:30:00Z"
        (check,) = [one for one in client.get("/v1/health").json()["checks"] if one["name"] == "weather"]
        assert check["status"] == "warn"
        assert said in check["detail"]
        assert "forbids nothing" in check["detail"]


def test_without_a_forecast_nobody_is_warned(city):
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        assert [one for one in client.get("/v1/health").json()["checks"] if one["name"] == "weather"] == []


def zone(city, opens, closes):
    """Let the middle of the small city be open to trucks at some hours only; kamer-5 and kamer-6 lie in it."""
    (west, south), (east, north) = corner(1, 2), corner(6, 4)
    lon, lat = [west - 1e-4, east + 1e-4, east + 1e-4, west - 1e-4], [south - 1e-4] * 2 + [north + 1e-4] * 2
    with_zone(grid(), lon, lat, opens, closes).save(city.folder / "network.npz")


def stop_at(client, place):
    return next((stop for stop in lifts(client) if stop["place"] == place), None)


def test_stops_of_a_zone_are_done_before_it_closes_and_after_it_opens(city):
    zone(city, 9.5, 11.0)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        until(runtime.todays_plan)
        stop = stop_at(client, "kamer-5")
        assert "2026-03-02T08:33:00Z" <= stop["leave"] <= "2026-03-02T10:00:01Z"
        assert stop_at(client, "kamer-3")["leave"] < "2026-03-02T08:33:00Z"
        kept = client.get("/v1/clusters/kamer-5/limits").json()["keptClear"]
        assert [(one["begins"], one["why"]) for one in kept] == [
            ("2026-03-01T23:00:00Z", "zone"),
            ("2026-03-02T10:00:00Z", "zone"),
        ]


def test_in_a_zone_that_is_closed_all_day_nothing_is_lost(city):
    zone(city, 22.0, 23.0)
    with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
        plan = until(runtime.todays_plan)
        jobs = {job.place: job for job in plan.jobs}
        left_out = {one.place: one.reason for one in plan.unserved}
        stop = stop_at(client, "kamer-5")
        assert jobs["kamer-5"].must
        assert "Somebody has to be allowed in" in stop["note"]
        assert stop_at(client, "kamer-3")["note"] == ""
        assert all(stop_at(client, place) or place in left_out for place in jobs)


def junction_at(city, place):
    """Let the small city's junction stand at a cluster, and its arms be busy from nine to eleven for five days."""
    known, where = city.register, city.register.clusters[place]
    names = ("clusters", "containers", "approaches", "depots", "unloading_sites", "trucks", "devices")
    kinds = {name: getattr(known, name).values() for name in names}
    junction = msgspec.structs.replace(known.junctions["kruis-1"], lon=where.lon, lat=where.lat)
    moved = Register(
        known.city, known.timezone, name=known.name, junctions=[junction], installations=known.installations, **kinds
    )
    write_register(moved, city.folder / "register")
    readings = []
    for quarter in range(5 * 96):
        at_s = city.now_s - 900.0 * (5 * 96 - 1 - quarter)
        hour = (at_s - 450.0 - (city.now_s - 8 * HOUR_S)) / HOUR_S % 24
        count = float(round(30 + 260 * np.exp(-0.5 * ((hour - 10.0) / 0.9) ** 2)))
        values = {"vehicle_count": count, "occupancy_ratio": 0.1, "speed_kph": 42.0}
        readings += [Reading(round(at_s * 1000), arm, "traffic", values, 900) for arm in ("arm-0", "arm-1")]
    city.tell("box-1", readings)


def test_a_stop_at_a_busy_junction_is_not_made_in_its_peak(tmp_path):
    city = SmallCity(tmp_path / "city")
    try:
        junction_at(city, "kamer-3")
        city.now_s += 1.0
        city.history(full=("k3-residual", "k5-residual"))
        with runtime_of(settings_for(city)) as runtime, client_of(runtime) as client:
            plan = until(runtime.todays_plan)
            jobs = {job.place: job for job in plan.jobs if job.stream == "residual"}
            ((begins_s, ends_s),) = jobs["kamer-3"].avoid
            assert jobs["kamer-5"].avoid == ()
            stop = next(s for one in plan.rounds for s in one.stops if s.place == "kamer-3")
            assert stop.leave_s <= begins_s + 1 or stop.leave_s - jobs["kamer-3"].service_s >= ends_s - 1
            (kept,) = client.get("/v1/clusters/kamer-3/limits").json()["keptClear"]
            assert (kept["why"], kept["text"]) == ("peak", "The junction beside it has no room to spare")
            assert kept["begins"] == "2026-03-02T08:00:00Z"
    finally:
        city.close()
