import math
import pickle
import time

import numpy as np
import pytest

from city.errors import BadInput
from models.anomalies import AnomalyDetector, AnomalyParameters

STEP_S = 300.0


def scores(values: np.ndarray, detector: AnomalyDetector | None = None, step_s: float = STEP_S) -> np.ndarray:
    detector = detector or AnomalyDetector()
    return np.array([detector.score(step_s * k, float(value)) for k, value in enumerate(values)])


def daily(seed: int, n: int = 3000, noise: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 60 + 20 * np.sin(np.arange(n) * STEP_S / 86_400 * 2 * np.pi) + rng.normal(0, noise, n)


def test_a_spike_and_a_fall_score_highest() -> None:
    values = daily(0)
    values[2000] += 60
    values[2500:2530] -= 45
    said = scores(values)
    assert set(np.argsort(said)[-2:]) == {2000, 2500}
    assert said[2000] > 0.6


def test_a_score_means_the_same_in_every_stream() -> None:
    """One in a hundred records is above 0.5, one in a thousand above 0.6, whatever the stream's noise is like."""
    rng = np.random.default_rng(1)
    n = 12_000
    noises = {
        "normal": rng.normal(0, 1, n),
        "uniform": rng.uniform(-1, 1, n),
        "laplace": rng.laplace(0, 1, n),
        "lognormal": rng.lognormal(0, 1, n),
        "student": rng.standard_t(3, n),
        "poisson": rng.poisson(4, n).astype(float),
        "scaled": 1e6 * rng.normal(0, 1, n),
    }
    quiet = AnomalyParameters(hushed=0.999)
    for name, noise in noises.items():
        said = scores(noise, AnomalyDetector(quiet))[1000:]
        assert 0.003 < (said > 0.5).mean() < 0.03, name
        assert (said > 0.6).mean() < 0.006, name


def test_scores_neither_saturate_nor_tie() -> None:
    for far in (1e2, 1e4, 1e8, 1e12):
        values = daily(2, 1500)
        values[1000], values[1400] = far, 3 * far
        said = scores(values)
        assert said.max() < 1
        assert len(np.unique(said[said > 0.3])) == (said > 0.3).sum()
    nearer, further = (scores(np.r_[daily(2, 1000), far])[-1] for far in (1e9, 2e9))
    assert nearer < further < 1


def test_after_an_alarm_it_is_hushed_and_something_larger_is_still_said() -> None:
    values = daily(3)
    values[2000] += 60
    values[2010] += 60
    values[2040] += 400
    said = scores(values)
    assert said[2000] > 0.6
    assert said[2010] < said[2000] - 0.15
    assert said[2040] > 0.6


def test_what_comes_every_day_at_that_time_is_no_anomaly() -> None:
    rng = np.random.default_rng(4)
    n = 288 * 14
    values = np.where(np.arange(n) % 288 < 12, 80.0, 20.0) + rng.normal(0, 1, n)
    values[288 * 11 + 150 : 288 * 11 + 162] += 60
    said = scores(values)
    first = 288 * 11 + 150
    assert said[first : first + 3].max() > said[288 * 8 : first].max()


def test_a_value_that_sticks_is_seen() -> None:
    values = daily(5)
    values[2000:2040] = values[2000]
    said = scores(values)
    assert said[2000:2045].max() > np.quantile(said[500:2000], 0.998)


def test_a_scale_or_an_offset_changes_nothing() -> None:
    values = daily(6, 800)
    np.testing.assert_allclose(scores(1000 * values), scores(values), rtol=1e-6)


def test_a_detector_that_was_pickled_goes_on_where_it_was() -> None:
    values = daily(7, 400)
    one = AnomalyDetector()
    scores(values[:200], one)
    other = pickle.loads(pickle.dumps(one))
    for k in range(200, 400):
        assert one.score(STEP_S * k, float(values[k])) == other.score(STEP_S * k, float(values[k]))


def test_unknown_values_have_no_score_and_leave_no_trace() -> None:
    values = daily(8, 300)
    one, other = AnomalyDetector(), AnomalyDetector()
    for k, value in enumerate(values):
        assert math.isnan(other.score(STEP_S * k, math.nan))
        assert one.score(STEP_S * k, float(value)) == other.score(STEP_S * k, float(value))


@pytest.mark.parametrize("values", [np.zeros(500), np.full(500, 1e300), np.r_[np.zeros(400), 1e-300, 1e300, -1e300]])
def test_streams_at_the_limits_of_numbers_give_scores(values: np.ndarray) -> None:
    said = scores(values)
    assert np.isfinite(said).all()
    assert ((said >= 0) & (said < 1)).all()


def test_stamps_that_repeat_go_back_or_jump_do_no_harm() -> None:
    detector = AnomalyDetector()
    times = [0.0, 0.0, 300.0, 100.0, 1e9, 1e9 + 300, -5.0]
    assert all(0 <= detector.score(at_s, 5.0 + k % 2) < 1 for k, at_s in enumerate(times * 30))


def test_a_record_costs_less_than_20_microseconds() -> None:
    values = daily(9, 20_000).tolist()
    detector = AnomalyDetector()
    began = time.process_time()
    for k, value in enumerate(values):
        detector.score(STEP_S * k, value)
    assert (time.process_time() - began) / len(values) < 20e-6


@pytest.mark.parametrize(
    "bad", [{"hushed": 1.0}, {"tail_share": 0.6}, {"short_records": 0}, {"long_records": math.nan}]
)
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        AnomalyParameters(**bad)
