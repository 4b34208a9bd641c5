import numpy as np
import pytest

from city.errors import BadInput
from models.rolling_profile import RollingProfileParameters, rolling_profile

SLOT = np.arange(24 * 7 * 10) % 168


def weekly(n: int = 2, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = 100 + 80 * np.sin(SLOT / 168 * 2 * np.pi * 7)
    return shape[:, None] * (1 + noise * rng.normal(size=(len(SLOT), n)))


def test_what_comes_every_week_is_usual() -> None:
    values = weekly()
    profile = rolling_profile(values, SLOT, 24)
    np.testing.assert_allclose(profile.value[-168:], values[-168:], rtol=0.02)


def test_what_is_usual_rests_on_what_lies_the_delay_before() -> None:
    values = weekly(noise=0.1)
    whole = rolling_profile(values, SLOT, 24)
    cut = values.copy()
    cut[1000 - 23 :] = np.nan
    before = rolling_profile(cut, SLOT, 24)
    np.testing.assert_array_equal(whole.value[:1001], before.value[:1001])
    np.testing.assert_array_equal(whole.scale[:1001], before.scale[:1001])


def test_one_wild_value_moves_it_little_and_a_change_that_stays_is_learnt() -> None:
    values = weekly(noise=0.05)
    wild = values.copy()
    wild[1200] = 100_000.0
    again = rolling_profile(wild, SLOT, 24).value[1200 + 168]
    usual = rolling_profile(values, SLOT, 24).value[1200 + 168]
    assert (np.abs(again - usual) < 30).all()
    changed = values.copy()
    changed[168 * 5 :] *= 1.5
    np.testing.assert_allclose(rolling_profile(changed, SLOT, 24).value[-168:], 1.5 * weekly()[-168:], rtol=0.2)


def test_an_hour_never_seen_is_shrunken_to_its_kind_of_day_and_silence_is_unknown() -> None:
    values = weekly(1)
    values[SLOT == 33] = np.nan
    profile = rolling_profile(values, SLOT, 24)
    at = np.flatnonzero(SLOT == 33)[-1]
    assert profile.value[at, 0] == pytest.approx(weekly(1)[at, 0], rel=0.05)
    assert np.isnan(rolling_profile(np.full((200, 1), np.nan), SLOT[:200], 24).value).all()


@pytest.mark.parametrize("bad", [{"learns": 0}, {"shrinks": -1}, {"scale_learns": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        RollingProfileParameters(**bad)
