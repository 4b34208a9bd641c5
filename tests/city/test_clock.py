from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from city.clock import (
    ScaledClock,
    SteppedClock,
    WallClock,
    hours_from_s,
    local_hour,
    parse_clock,
    parse_time,
    utc,
)
from city.errors import BadInput

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def test_a_clock_that_is_described_and_parsed_shows_the_same_time():
    clock = ScaledClock(start_s=1_772_431_200.0, speed_up=60.0, epoch_s=12.5)
    again = parse_clock(clock.spec())
    assert isinstance(again, ScaledClock)
    assert (again.start_s, again.speed_up, again.epoch_s) == (1_772_431_200.0, 60.0, 12.5)


@pytest.mark.parametrize("spec", [None, ""])
def test_no_description_is_the_wall_clock(spec):
    assert isinstance(parse_clock(spec), WallClock)


@pytest.mark.parametrize("spec", ["1,2", "a,b,c", "1,0,0", "1,-5,0", "1,2,3,4"])
def test_what_is_no_clock_is_refused(spec):
    with pytest.raises(BadInput):
        parse_clock(spec)


def test_a_stepped_clock_moves_only_when_it_is_moved():
    clock = SteppedClock(5.0)
    assert clock.now_s() == 5.0
    clock.set(4.0)
    assert clock.now_s() == 4.0


@pytest.mark.parametrize("text", ["2026-03-02", "2026-03-02T06:00:00", "soon", "", "2026-13-02T06:00:00Z"])
def test_a_time_without_offset_or_sense_is_refused(text):
    with pytest.raises(BadInput):
        parse_time(text)


def test_a_time_survives_being_written():
    at_s = 1_772_431_200.123
    assert parse_time(utc(at_s).isoformat()) == at_s


@pytest.mark.parametrize("day", ["2026-03-28", "2026-03-29", "2026-10-25", "2026-10-26"])
def test_hours_of_shifts_are_those_that_the_clock_shows_also_when_clocks_change(day):
    noon_s = parse_time(f"{day}T11:00:00Z")
    assert hours_from_s(noon_s, AMSTERDAM) + 7 * 3600 == local_hour(noon_s, 7.0, AMSTERDAM)
    assert (
        local_hour(noon_s, 7.0, AMSTERDAM)
        == datetime.fromisoformat(f"{day}T07:00").replace(tzinfo=AMSTERDAM).timestamp()
    )
