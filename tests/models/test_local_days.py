import numpy as np
import pytest

from city.clock import parse_time
from models.local_days import LocalDays


@pytest.mark.parametrize(
    ("zone", "moment", "is_free"),
    [
        ("Europe/Amsterdam", "2026-04-27T11:00:00+02:00", 1),
        ("Europe/Amsterdam", "2026-04-28T11:00:00+02:00", 0),
        ("Europe/Amsterdam", "2014-04-21T11:00:00+02:00", 1),
        ("Europe/Berlin", "2026-10-03T11:00:00+02:00", 1),
        ("Europe/Berlin", "2026-04-27T11:00:00+02:00", 0),
        ("UTC", "2026-12-25T11:00:00+00:00", 0),
        ("UTC", "2026-12-26T11:00:00+00:00", 1),
    ],
)
def test_public_holidays_of_the_time_zones_country_are_no_working_days(zone: str, moment: str, is_free: int) -> None:
    """King's Day, a day after it, an Easter Monday long ago; a Friday without a country, and its Saturday."""
    kind, hour = LocalDays.of_country(zone).of(np.array([parse_time(moment)]))
    assert (kind.tolist(), hour.tolist()) == ([is_free], [11.0])
