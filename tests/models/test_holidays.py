from datetime import date

import numpy as np
import pytest

from city.errors import BadInput
from models.holidays import country_of, day_kinds, local_hours, public_holidays

HOUR_S = 3600.0


def hours_of(day: str, hours: int = 24) -> np.ndarray:
    return np.datetime64(day, "s").astype(float) + HOUR_S * np.arange(hours)


def test_a_holiday_is_a_sunday_and_the_day_between_is_a_bridge() -> None:
    """Ascension Day 2024 was Thursday 9 May."""
    kinds = day_kinds(hours_of("2024-05-08", 24 * 4), "UTC", "DE")
    noon = np.arange(4) * 24 + 12
    assert kinds.is_eve[noon].tolist() == [1, 0, 0, 0]
    assert kinds.is_holiday[noon].tolist() == [0, 1, 0, 0]
    assert kinds.is_bridge[noon].tolist() == [0, 0, 1, 0]
    assert kinds.is_after[noon].tolist() == [0, 0, 1, 0]
    assert (kinds.slot[noon] // 24).tolist() == [2, 6, 4, 5]
    assert kinds.weekday[noon].tolist() == [2, 3, 4, 5]
    assert kinds.days_from_holiday[noon].tolist() == [-1, 0, 1, 2]


def test_hours_are_those_of_the_clock_on_the_wall_on_the_days_on_which_it_changes() -> None:
    spring = local_hours(hours_of("2024-03-31", 4), "Europe/Amsterdam") % 24
    assert spring.tolist() == [1, 3, 4, 5]
    autumn = local_hours(hours_of("2024-10-26T23:00", 4), "Europe/Amsterdam") % 24
    assert autumn.tolist() == [1, 2, 2, 3]
    assert local_hours(np.zeros(0), "Europe/Amsterdam").tolist() == []


def test_a_subdivision_has_holidays_of_its_own() -> None:
    womens_day = date(2024, 3, 8)
    assert womens_day in public_holidays("DE-BE")(2024)
    assert womens_day not in public_holidays("DE")(2024)


def test_the_region_is_the_time_zones_country_unless_it_is_given() -> None:
    kings_day = hours_of("2023-04-27")
    assert country_of("Europe/Amsterdam") == "NL"
    assert day_kinds(kings_day, "Europe/Amsterdam").is_holiday[12] == 1
    assert day_kinds(kings_day, "Europe/Amsterdam", "DE").is_holiday[12] == 0
    assert day_kinds(kings_day, "Europe/Amsterdam", "").is_holiday[12] == 0


def test_school_holidays_are_those_that_are_given() -> None:
    kinds = day_kinds(hours_of("2024-07-01", 48), "UTC", "", [date(2024, 7, 2)])
    assert kinds.is_school_holiday[[12, 36]].tolist() == [0, 1]


@pytest.mark.parametrize("region", ["XX", "DE-XX", "Holland"])
def test_a_region_that_nobody_knows_is_refused(region: str) -> None:
    with pytest.raises(BadInput, match="No public holidays"):
        day_kinds(hours_of("2024-05-08"), "UTC", region)


@pytest.mark.parametrize("timezone", ["Europe/Grunn", "", "../etc"])
def test_a_time_zone_that_nobody_knows_is_refused(timezone: str) -> None:
    with pytest.raises(BadInput, match="time zone"):
        day_kinds(hours_of("2024-05-08"), timezone, "NL")
