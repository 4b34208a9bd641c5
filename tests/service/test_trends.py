import numpy as np

from service.trends import thinned, usual_band, with_gaps

DAY_S = 86_400.0


def test_a_thinned_series_keeps_its_ends_and_its_extremes():
    at_s = np.arange(50_000.0)
    value = np.sin(at_s / 500)
    value[12_345], value[40_000], value[20_000:20_500] = 9.0, -9.0, np.nan
    few_at, few = thinned(at_s, value, 2000)
    assert len(few_at) <= 2000
    assert (few_at[0], few_at[-1]) == (0.0, 49_999.0)
    assert (np.nanmax(few), np.nanmin(few)) == (9.0, -9.0)
    assert np.isnan(few).any()
    assert (np.diff(few_at) > 0).all()


def test_a_short_series_is_left_as_it_is():
    at_s = np.arange(10.0)
    assert thinned(at_s, at_s, 2000)[0] is at_s


def test_what_is_usual_is_of_the_same_time_of_day():
    history_at_s = np.arange(0, 5 * DAY_S, 900.0)
    history = np.where(history_at_s % DAY_S < DAY_S / 2, 10.0, 50.0)
    band = usual_band(history_at_s, history, np.array([5 * DAY_S + 3600.0, 5 * DAY_S + 20 * 3600.0]))
    assert [value for _, value in band.low] == [10.0, 50.0]
    assert band.high[0][0] == (5 * DAY_S + 3600.0) * 1000


def test_one_day_is_no_rhythm_and_unknown_hours_stay_unknown():
    assert usual_band(np.arange(0, DAY_S, 900.0), np.ones(96), np.array([DAY_S])) is None
    assert usual_band(np.empty(0), np.empty(0), np.array([0.0])) is None
    at_s = np.concatenate([np.arange(0, 3600.0, 600.0) + day * DAY_S for day in range(3)])
    band = usual_band(at_s, np.ones(len(at_s)), np.array([3 * DAY_S + 12 * 3600.0]))
    assert band.low[0][1] is None


def test_where_readings_are_missing_stands_an_unknown_one():
    at_s = np.array([0.0, 60, 120, 600, 660, 720])
    gapped_at, gapped = with_gaps(at_s, np.ones(6))
    assert gapped_at.tolist() == [0, 60, 120, 180, 600, 660, 720]
    assert np.isnan(gapped).tolist() == [False, False, False, True, False, False, False]
    assert with_gaps(at_s[:2], np.ones(2))[0].tolist() == [0, 60]
