import numpy as np
import pytest

from city.errors import BadInput
from models.holidays import DayKinds, day_kinds
from models.traffic_forecast import TrafficForecastParameters, forecast_hours
from tests.models.streets import hourly_counts

SMALL = TrafficForecastParameters(
    trees=12, leaves=12, learning_rate=0.2, rows=5_000, factors=3, warm_up_h=336, refit_h=336
)
FIT = 24 * 63
HORIZONS = (1, 3, 24)


def kinds_of(at_s: np.ndarray, ahead: int = 24) -> DayKinds:
    return day_kinds(at_s[0] + 3600.0 * np.arange(len(at_s) + ahead), "Europe/Berlin", "DE")


@pytest.fixture(scope="module")
def city() -> tuple[np.ndarray, np.ndarray]:
    return hourly_counts(4)


@pytest.fixture(scope="module")
def said(city: tuple[np.ndarray, np.ndarray]) -> dict[int, np.ndarray]:
    return dict(forecast_hours(city[1], kinds_of(city[0]), FIT, HORIZONS, SMALL))


def error(forecast: np.ndarray, counts: np.ndarray) -> float:
    return float(np.nanmean(np.abs(forecast[FIT : len(counts)] - counts[FIT:])))


def test_it_beats_last_week_and_last_value_and_the_nearer_the_better(
    city: tuple[np.ndarray, np.ndarray], said: dict[int, np.ndarray]
) -> None:
    counts = city[1]
    week = np.full_like(counts, np.nan)
    week[168:] = counts[:-168]
    errors = [error(said[h], counts) / error(week, counts) for h in HORIZONS]
    assert errors[0] < 0.6
    assert errors == sorted(errors)
    assert errors[2] < 0.85


def test_forecasts_differ_from_hour_to_hour_as_the_counts_do(
    city: tuple[np.ndarray, np.ndarray], said: dict[int, np.ndarray]
) -> None:
    for h in HORIZONS:
        spread = np.nanstd(said[h][FIT : len(city[1])], axis=0) / np.nanstd(city[1][FIT:], axis=0)
        assert (spread > 0.7).all()


def test_every_hour_after_the_date_is_forecast_also_beyond_the_end(
    city: tuple[np.ndarray, np.ndarray], said: dict[int, np.ndarray]
) -> None:
    hours = len(city[1])
    for h in HORIZONS:
        known = ~np.isnan(said[h])
        assert not known[:FIT].any()
        assert known[FIT : hours + h].all()
        assert not known[hours + h :].any()


@pytest.mark.parametrize("cut", [FIT + 1, FIT + 14 * 24 + 5])
def test_what_was_said_by_then_does_not_change_when_more_comes(
    city: tuple[np.ndarray, np.ndarray], said: dict[int, np.ndarray], cut: int
) -> None:
    at_s, counts = city
    early = forecast_hours(counts[:cut], kinds_of(at_s[:cut]), FIT, HORIZONS, SMALL)
    for h in HORIZONS:
        np.testing.assert_allclose(early[h][FIT : cut + h], said[h][FIT : cut + h], rtol=1e-9)


@pytest.mark.parametrize("issued", [FIT - 24, FIT - 10, FIT + SMALL.refit_h - 24, FIT + SMALL.refit_h - 1])
def test_what_comes_after_the_hour_of_issue_changes_nothing_said_by_then(
    city: tuple[np.ndarray, np.ndarray], said: dict[int, np.ndarray], issued: int
) -> None:
    """The first hour after a fit is forecast `h` hours before it: what came between is not fitted to."""
    at_s, counts = city
    other = counts.copy()
    other[issued + 1 :] = 3.0 * counts[issued + 1 :] + 50.0
    early = forecast_hours(other, kinds_of(at_s), FIT, HORIZONS, SMALL)
    for h in HORIZONS:
        np.testing.assert_allclose(early[h][FIT : issued + h + 1], said[h][FIT : issued + h + 1], rtol=1e-9)
    assert not np.allclose(early[24][issued + 25 :], said[24][issued + 25 :], equal_nan=True)


def test_a_holiday_is_not_forecast_as_a_working_day() -> None:
    """1 May 2024, a Wednesday; Good Friday and Easter Monday were before it."""
    at_s, counts = hourly_counts(5, days=126, gaps=0.0)
    fit = 24 * 112
    forecast = forecast_hours(counts, kinds_of(at_s), fit, (24,), SMALL)[24]
    day = slice(24 * 121, 24 * 122)
    truth = counts[day].sum()
    assert abs(forecast[day].sum() - truth) < 0.25 * truth
    assert counts[24 * 114 : 24 * 115].sum() > 1.5 * truth, "the week before"


def test_missing_lags_fall_back_on_what_is_usual(city: tuple[np.ndarray, np.ndarray]) -> None:
    at_s, counts = city
    counts = counts.copy()
    counts[FIT - 48 :, 0] = np.nan
    said = forecast_hours(counts, kinds_of(at_s), FIT, (1,), SMALL)[1]
    truth = city[1][FIT:, 0]
    assert not np.isnan(said[FIT : len(counts)]).any()
    week = float(np.nanmean(np.abs(truth[168:] - truth[:-168])))
    assert float(np.nanmean(np.abs(said[FIT : len(counts), 0] - truth))) < week


def test_mostly_zero_counts_are_not_forecast_as_a_constant() -> None:
    at_s, counts = hourly_counts(6, n=6, days=70)
    rare = np.maximum(np.round(counts / 50 - 6), 0)
    rare[np.isnan(counts)] = np.nan
    fit = 24 * 56
    said = forecast_hours(rare, kinds_of(at_s), fit, (1,), SMALL)[1]
    assert (np.nanstd(said[fit : len(rare)], axis=0) > 0.2 * np.nanstd(rare[fit:], axis=0))[
        np.nanmean(rare, axis=0) > 0.2
    ].all()
    assert np.nanmin(said) >= 0


def test_with_little_data_it_is_what_is_usual() -> None:
    at_s, counts = hourly_counts(7, n=3, days=9)
    said = forecast_hours(counts, kinds_of(at_s), 24 * 8, (1, 24), SMALL)
    assert not np.isnan(said[1][24 * 8 : 24 * 9]).any()
    assert error_ratio(said[24][24 * 8 : 24 * 9], counts[24 * 8 : 24 * 9]) < 0.5


def error_ratio(forecast: np.ndarray, counts: np.ndarray) -> float:
    return float(np.nanmean(np.abs(forecast - counts)) / np.nanmean(np.abs(counts - np.nanmean(counts))))


@pytest.mark.parametrize(
    ("horizons", "fit"), [((), 24), ((0,), 24), ((1,), -1), ((1,), 10**6), ((25,), 24), ((-3, 1), 24)]
)
def test_what_does_not_fit_together_is_refused(horizons: tuple[int, ...], fit: int) -> None:
    at_s, counts = hourly_counts(1, n=2, days=3)
    with pytest.raises(BadInput):
        forecast_hours(counts, kinds_of(at_s), fit, horizons, SMALL)


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match="trees"):
        TrafficForecastParameters(trees=0)
