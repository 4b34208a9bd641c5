import numpy as np
import pytest

from models.holiday_region import region_of_series
from tests.models.streets import hourly_counts


@pytest.mark.parametrize("region", ["DE", "FR", "DE-BE"])
def test_the_region_whose_holidays_the_counts_keep_is_found(region: str) -> None:
    at_s, counts = hourly_counts(1, days=360, region=region)
    found = region_of_series(counts, at_s, "Europe/Amsterdam")
    assert found.startswith(region)


def test_the_zones_own_country_is_kept_where_the_data_say_nothing_against_it() -> None:
    at_s, counts = hourly_counts(2, days=360, region="NL")
    assert region_of_series(counts, at_s, "Europe/Amsterdam").startswith("NL")
    assert region_of_series(counts[: 24 * 20], at_s[: 24 * 20], "Europe/Berlin") == "DE"
    assert region_of_series(np.full((24 * 200, 3), np.nan), at_s[: 24 * 200], "Europe/Berlin") == "DE"


def test_a_zone_of_no_country_has_no_holidays_before_there_are_data() -> None:
    at_s, counts = hourly_counts(3, days=5)
    assert region_of_series(counts, at_s, "UTC") == ""
