"""When nobody is sent to a place: zones, peaks, what was learned, what was refused, wind; in jobs and in words."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from city.places import Cluster
from city.plans import Job
from city.register import Register
from routing.opening_hours import with_zone
from routing.vetoes import Lesson
from routing.windows import beginnings
from service.day_limits import DayLimits
from service.detectors import Detectors
from service.refusals import Refusal
from service.settings import PlanningSettings
from service.solving import SolveRequest, solve_request, use_network
from service.weather import WindForecast
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity, corner, grid

DAY_S = MONDAY_S - 8 * HOUR_S


@pytest.fixture
def city(tmp_path):
    city = SmallCity(tmp_path / "city")
    yield city
    city.close()


def at(hour):
    return DAY_S + hour * HOUR_S


def job(place="kamer-3", **changes):
    values = {"id": f"empty-{place}", "kind": "empty", "place": place, "lon": 6.55, "lat": 53.2, "stream": "residual"}
    return Job(**{**values, **changes})


def snapshot_of(city, now_s=MONDAY_S, **changes):
    known = Detectors(city.register, PlanningSettings()).snapshot(now_s, 0, 0, True)
    return replace(known, **changes)


def zoned(opens, closes):
    """The whole small city lies in a zone but its lowest rows, where depot and sites are."""
    (west, south), (east, north) = corner(0, 0), corner(7, 7)
    return with_zone(
        grid(), [west - 1, east + 1, east + 1, west - 1], [south - 1, south - 1, north + 1, north + 1], opens, closes
    )


def usual(per_h, hours=(7, 8)):
    """Flows on the approaches of the small city's junction: busy in these hours."""
    return lambda day_s: np.array([[per_h if hour in hours else 100.0 for hour in range(24)]] * 2)


def beside_the_junction(city):
    """The register of the small city with one more cluster, at its junction."""
    known = city.register
    junction = known.junctions["kruis-1"]
    extra = Cluster("kamer-99", "Aan het kruispunt", junction.lon, junction.lat)
    kinds = {
        name: list(getattr(known, name).values())
        for name in (
            "clusters", "containers", "junctions", "approaches", "depots", "unloading_sites", "trucks", "devices",
        )
    }  # fmt: skip
    kinds["clusters"].append(extra)
    return Register(known.city, known.timezone, installations=known.installations, **kinds)


def test_a_zone_that_closes_at_eleven_has_its_stops_done_before(city):
    limits = DayLimits(city.register, zoned(6.0, 11.0))
    (careful,) = limits.applied([job()], snapshot_of(city))
    assert careful.avoid == ((at(11), at(24)),)
    assert careful.note == ""
    (kept, *_) = [one for one in limits.kept_clear("kamer-3", snapshot_of(city)) if one.from_s == at(11)]
    assert (kept.until_s, kept.why) == (at(24), "zone")
    assert kept.text == "The street lets trucks in from 06:00 to 11:00 only"


def test_in_a_zone_that_stays_closed_all_day_a_must_is_told_of_and_a_may_is_left(city):
    limits = DayLimits(city.register, zoned(1.0, 2.0))
    must, may = limits.applied([job(), job("kamer-4", must=False, prize_s=100.0)], snapshot_of(city))
    assert must.avoid == ()
    assert must.note.startswith("The street lets trucks in from 01:00 to 02:00 only: no other time is left today")
    assert may.avoid
    assert all(last < MONDAY_S or first > at(15) for first, last in beginnings(may))


def test_a_peak_is_kept_clear_but_for_a_must_that_has_no_other_time(city):
    register = beside_the_junction(city)
    limits = DayLimits(register, usual_per_h=usual(2000.0, range(7, 10)))
    snapshot = snapshot_of(city)
    careful, hurried, may, elsewhere = limits.applied(
        [
            job("kamer-99"),
            job("kamer-99", id="b", latest_s=at(9.9)),
            job("kamer-99", id="c", latest_s=at(9.9), must=False),
            job("kamer-3"),
        ],
        snapshot,
    )
    assert (careful.avoid, careful.note) == (((at(7), at(10)),), "")
    assert hurried.avoid == ()
    assert "no room to spare from 07:00 to 10:00: no other time is left for what must be done" in hurried.note
    assert (may.avoid, may.note) == (((at(7), at(10)),), "")
    assert elsewhere.avoid == ()
    assert [one.why for one in limits.kept_clear("kamer-99", snapshot)] == ["peak"]


def test_a_must_that_the_day_has_no_other_room_for_is_done_in_the_peak_and_says_so(city):
    register = beside_the_junction(city)
    limits = DayLimits(register, usual_per_h=usual(2000.0, range(8, 11)))
    snapshot = snapshot_of(city)
    long = {
        "service_s": 2.9 * HOUR_S,
        "lon": register.junctions["kruis-1"].lon,
        "lat": register.junctions["kruis-1"].lat,
    }
    both = [job("kamer-99", **long), job("kamer-3", **long, avoid=((at(8), at(11)),))]
    truck = replace_shift(register.trucks["crane-1"], 7 * HOUR_S)
    request = SolveRequest(
        jobs=tuple(limits.applied(both, snapshot)),
        trucks=(truck,),
        depots=tuple(register.depots.values()),
        unloading_sites=tuple(register.unloading_sites.values()),
        day_start_s=DAY_S,
        now_s=MONDAY_S,
        seconds=0.5,
        seed=1,
    )
    use_network(grid())
    assert len(solve_request(request).plan.unserved) == 1
    answer = solve_request(replace(request, in_peak=tuple(limits.in_peak(both, snapshot))))
    assert (answer.plan.unserved, answer.violations) == ((), ())
    (noted,) = [one.note for one in answer.plan.jobs if one.note]
    assert noted.startswith("The junction beside it has no room to spare from 08:00 to 11:00: no other time is left")


def replace_shift(truck, lasts_s):
    return msgspec.structs.replace(truck, shift_start_hour=8.0, shift_duration_s=lasts_s)


def test_traffic_that_is_unknown_keeps_nothing_clear(city):
    limits = DayLimits(beside_the_junction(city), usual_per_h=lambda day_s: np.full((2, 24), np.nan))
    assert limits.applied([job("kamer-99")], snapshot_of(city))[0].avoid == ()


def test_what_drivers_taught_is_kept_clear_as_long_as_there_is_other_time(city):
    lesson = Lesson("kamer-3", {9: 0.7, 11: 0.3}, 0.0, 3)
    snapshot = snapshot_of(city, lessons={"kamer-3": lesson})
    limits = DayLimits(city.register)
    careful, hurried = limits.applied([job(), job(id="b", latest_s=at(9.9), earliest_s=at(9))], snapshot)
    assert careful.avoid == ((at(9), at(10)),)
    assert hurried.avoid == ()
    (kept,) = limits.kept_clear("kamer-3", snapshot)
    assert (kept.span, kept.why) == ((at(9), at(10)), "learned")
    assert "70%" in kept.text


def test_visits_that_are_not_needed_are_worth_less(city):
    snapshot = snapshot_of(city, lessons={"kamer-3": Lesson("kamer-3", {}, 0.6, 4)})
    (wiser,) = DayLimits(city.register).applied([job(must=False, prize_s=100.0)], snapshot)
    assert wiser.prize_s == pytest.approx(40.0)


def test_what_was_refused_today_is_kept_clear_until_it_may_be_tried_again(city):
    refusals = (Refusal("kamer-3", "blocked", at(9.2), "crane-1"), Refusal("kamer-4", "unsafe", at(9.2)))
    snapshot = snapshot_of(city, at(9.3), refusals=refusals)
    limits = DayLimits(city.register)
    blocked, unsafe, other = limits.applied([job(), job("kamer-4"), job("kamer-5")], snapshot)
    assert blocked.avoid == ((at(9.2), at(10)),)
    assert unsafe.avoid == ((at(9.2), at(24)),)
    assert other.avoid == ()
    assert [one.text for one in limits.kept_clear("kamer-3", snapshot)] == ["Not free at 09:12, says Kraan 1"]
    assert [one.text for one in limits.kept_clear("kamer-4", snapshot)] == ["Not safe at 09:12, says the desk"]
    yesterday = snapshot_of(city, at(33.3), refusals=refusals)
    assert limits.applied([job()], yesterday)[0].avoid == ()


def test_windows_that_overlap_leave_what_is_outside_of_them_all(city):
    lesson = Lesson("kamer-3", {10: 0.9, 9: 0.9}, 0.0, 5)
    snapshot = snapshot_of(
        city, at(9.1), lessons={"kamer-3": lesson}, refusals=(Refusal("kamer-3", "blocked", at(9.6)),)
    )
    limits = DayLimits(city.register, zoned(6.0, 13.0))
    (careful,) = limits.applied([job()], snapshot)
    pieces = [(a, b) for a, b in beginnings(careful) if b > at(9.1) and a < at(24)]
    assert pieces == [(at(11), at(13) - 180.0)]


def test_a_refusal_of_all_of_a_jobs_own_window_leaves_it_a_window(city):
    refusals = (Refusal("kamer-3", "unsafe", at(9)),)
    snapshot = snapshot_of(city, at(9.3), refusals=refusals)
    (left,) = DayLimits(city.register).applied([job(earliest_s=at(9.5), latest_s=at(10))], snapshot)
    assert beginnings(left)


def test_wind_is_told_of_every_place_and_no_forecast_of_none(city, tmp_path):
    file = tmp_path / "wind.csv"
    file.write_text("time,beaufort\n2026-03-02T13:00:00+01:00,7\n")
    limits = DayLimits(city.register, forecast=WindForecast(file))
    (kept,) = limits.kept_clear("kamer-3", snapshot_of(city))
    assert (kept.span, kept.why) == ((at(13), at(14)), "wind")
    assert kept.text == "No lifting: wind force 7"
    assert limits.has_forecast
    assert not DayLimits(city.register).has_forecast
    assert DayLimits(city.register).kept_clear("kamer-3", snapshot_of(city)) == []


def test_a_job_that_no_truck_can_do_is_left_for_the_problem_to_name(city):
    strange = job(stream="glass")
    assert DayLimits(city.register, zoned(6.0, 11.0)).applied([strange], snapshot_of(city)) == [strange]
