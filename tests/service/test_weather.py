"""Wind from a file: read, read again, and unknown where it says nothing that can be."""

import os
from zoneinfo import ZoneInfo

import pytest

from city.clock import parse_time
from service.weather import Wind, WindForecast, parse_wind

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON_S = parse_time("2026-03-02T12:00:00+01:00")


def forecast(*forces, first=12):
    rows = [f"2026-03-02T{first + n:02d}:00:00+01:00,{force}" for n, force in enumerate(forces)]
    return "time,beaufort\n" + "\n".join(rows) + "\n"


def test_hours_above_force_six_forbid_lifting_and_are_told_of():
    wind = parse_wind(forecast(5, 7, 8, 6, 7))
    assert wind.no_lifting(NOON_S) == ((NOON_S + 3600, NOON_S + 3 * 3600), (NOON_S + 4 * 3600, NOON_S + 5 * 3600))
    said, is_well = wind.told(NOON_S, AMSTERDAM)
    assert said == ("No lifting from 13:00 to 15:00: wind force 8; No lifting from 16:00 to 17:00: wind force 7")
    assert is_well
    assert wind.no_lifting(NOON_S + 3 * 3600) == ((NOON_S + 4 * 3600, NOON_S + 5 * 3600),)


def test_a_calm_day_is_said_to_be_one_and_no_file_is_not():
    said, is_well = parse_wind(forecast(2, 3)).told(NOON_S, AMSTERDAM)
    assert (said, is_well) == ("No wind above force 6 is expected until 02-03 14:00.", True)
    said, is_well = Wind().told(NOON_S, AMSTERDAM)
    assert not is_well
    assert said.startswith("The wind is not known")


def test_the_forecast_of_yesterday_forbids_nothing_and_says_so():
    wind = parse_wind(forecast(8, 9))
    assert wind.no_lifting(NOON_S + 86_400) == ()
    said, is_well = wind.told(NOON_S + 86_400, AMSTERDAM)
    assert not is_well
    assert "The forecast is old: it ends at 02-03 14:00." in said


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-1", "18", "strong", "7,5"])
def test_a_force_that_is_none_is_an_unknown_hour_and_the_others_count(cell):
    wind = parse_wind(forecast(8, f'"{cell}"', 8))
    assert wind.no_lifting(NOON_S) == ((NOON_S, NOON_S + 3600), (NOON_S + 2 * 3600, NOON_S + 3 * 3600))
    assert "line 3" in wind.problem
    assert cell in wind.problem
    assert not wind.told(NOON_S, AMSTERDAM)[1]


def test_an_empty_cell_is_an_hour_of_which_nothing_is_known():
    wind = parse_wind(forecast(8, "", 8))
    assert (wind.problem, len(wind.no_lifting(NOON_S))) == ("", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no columns time and beaufort"),
        ("when,wind\n2026-03-02T12:00:00+01:00,7\n", "no columns time and beaufort"),
        ("time,beaufort\n2026-03-02T12:00:00,7\n", "line 2"),
        ("time,beaufort\nnoon,7\n2026-03-02T12:00:00+01:00\n", "line 2"),
        ("time,beaufort\n" + "x,1\n" * 9, "and 6 more"),
    ],
)
def test_what_is_no_forecast_is_named_with_its_line(text, said):
    wind = parse_wind(text, "wind.csv")
    assert said in wind.problem
    assert "wind.csv" in wind.problem
    assert wind.no_lifting(NOON_S) == ()


def test_hours_that_overlap_are_one_span():
    text = forecast(7, 7) + "2026-03-02T12:30:00+01:00,9\n"
    assert parse_wind(text).no_lifting(NOON_S) == ((NOON_S, NOON_S + 2 * 3600),)


def test_the_file_is_read_again_when_it_changes_and_its_absence_is_told(tmp_path):
    file = tmp_path / "wind.csv"
    source = WindForecast(file)
    assert "cannot be read" in source.now().problem
    file.write_text(forecast(8))
    assert source.now().no_lifting(NOON_S) == ((NOON_S, NOON_S + 3600),)
    file.write_text(forecast(3))
    os.utime(file, ns=(1, 1))
    assert source.now().no_lifting(NOON_S) == ()
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in source.now().problem
    file.write_text('time,beaufort\n"' + "2026-03-02T12:00:00+01:00,7\n" * 6000)
    assert "cannot be read" in source.now().problem
    file.unlink()
    assert "No such file" in source.now().problem
    assert not WindForecast(None).is_there
    assert WindForecast(None).now() == Wind()
