import numpy as np
import pytest

from city.errors import BadInput
from models.evaluation import Origins, integrated_brier
from models.fill_history import AHEAD, LONGEST_D, NOW, DailyLevels, FillHistory, outlooks, watch
from models.time_to_full import TimeToFullParameters, chance, walk_forward

FIRST_DAY = 17_600
QUICK = TimeToFullParameters(trees=10, refit_days=40)


def bins(seed: int, n: int = 14, days: int = 200) -> DailyLevels:
    """Levels in steps of .2, seen once a day, of bins of very different pace that are emptied some days after full."""
    rng = np.random.default_rng(seed)
    pace, level = rng.choice([0.04, 0.12, 0.3], n), rng.uniform(0, 0.5, n)
    rows = []
    for day in range(days):
        level += pace * rng.gamma(2.0, 0.5, n)
        level[(level > 0.8) & (rng.random(n) < 0.5)] = 0.0
        level[rng.random(n) < 0.02] = 0.0
        if rng.random() > 0.03:
            rows += [(i, FIRST_DAY + day, min(np.floor(level[i] / 0.2) * 0.2, 1.0)) for i in range(n)]
    entity, at, seen = zip(*rows, strict=True)
    return DailyLevels(np.array(entity), np.array(at), np.array(seen))


def until(levels: DailyLevels, day: int) -> DailyLevels:
    kept = levels.day <= day
    return DailyLevels(levels.entity[kept], levels.day[kept], levels.level[kept])


@pytest.fixture(scope="module")
def levels() -> DailyLevels:
    return bins(1)


@pytest.fixture(scope="module")
def said(levels: DailyLevels) -> np.ndarray:
    return walk_forward(levels, FIRST_DAY + 120, QUICK)


def test_probabilities_rise_with_the_days_and_are_given_for_every_reading_below_full(
    levels: DailyLevels, said: np.ndarray
) -> None:
    due = (levels.day > FIRST_DAY + 120) & (levels.level < 0.8)
    assert np.isfinite(said[due]).all()
    assert np.isnan(said[~due]).all()
    assert ((said[due] >= 0) & (said[due] <= 1)).all()
    assert (np.diff(said[due], axis=1) >= 0).all()


def test_what_is_said_of_a_day_does_not_change_when_the_file_ends_there(levels: DailyLevels, said: np.ndarray) -> None:
    """Cut in the middle of the second refit's time: everything until then is the same, to the last digit."""
    cut = FIRST_DAY + 170
    short = until(levels, cut)
    again = walk_forward(short, FIRST_DAY + 120, QUICK)
    np.testing.assert_array_equal(again, said[: len(short.day)])


def test_it_beats_the_share_by_level_and_its_intervals_hold(levels: DailyLevels, said: np.ndarray) -> None:
    seen = watch(levels)
    test = np.isfinite(said[:, 0]) & (seen.duration_d > 0)
    origins = Origins(*(c[test] for c in (*levels, seen.duration_d, seen.event)))
    before = (levels.day <= FIRST_DAY + 106) & (seen.duration_d > 0)
    naive = np.zeros((test.sum(), 7))
    for level in np.unique(levels.level[test]):
        like = before & (levels.level == level)
        duration, event = seen.duration_d[like], seen.event[like]
        hazard = [(event & (duration == k)).sum() / max((duration >= k).sum(), 1) for k in range(1, 8)]
        naive[levels.level[test] == level] = 1 - np.cumprod(1 - np.array(hazard))
    assert integrated_brier(origins, said[test][:, :7]) < 0.7 * integrated_brier(origins, naive)
    t, full = seen.duration_d[test], seen.event[test]
    low, high = 1 + (said[test] < 0.1).sum(1), 1 + (said[test] < 0.9).sum(1)
    assert 0.72 <= ((low <= t) & (t <= high))[full].mean() <= 0.95


def test_a_new_container_is_forecast_like_the_fleet(levels: DailyLevels) -> None:
    """One that appears after the last refit gets an answer, near that of the others at its level."""
    n = int(levels.entity.max()) + 1
    late = FIRST_DAY + 130
    with_new = DailyLevels(np.r_[levels.entity, n], np.r_[levels.day, late], np.r_[levels.level, 0.4])
    order = np.argsort(with_new.day, kind="stable")
    with_new = DailyLevels(with_new.entity[order], with_new.day[order], with_new.level[order])
    said = walk_forward(with_new, FIRST_DAY + 120, QUICK)
    new = with_new.entity == n
    others = (with_new.level == 0.4) & ~new & np.isfinite(said[:, 0])
    assert said[new][0, 6] == pytest.approx(said[others][:, 6].mean(), abs=0.35)
    assert 0.05 < said[new][0, 6] < 0.99


def test_too_little_to_learn_from_still_gives_an_answer() -> None:
    few = DailyLevels(np.zeros(12, int), FIRST_DAY + np.arange(12), np.tile([0.0, 0.2, 0.4], 4))
    said = walk_forward(few, FIRST_DAY + 5, QUICK)
    assert np.isfinite(said[6:]).all()
    assert (np.diff(said[6:], axis=1) >= 0).all()


def test_of_several_readings_in_a_day_each_is_forecast_from_what_was_known_by_then() -> None:
    once = bins(2, n=4, days=30)
    noon = DailyLevels(np.r_[once.entity, 0], np.r_[once.day, FIRST_DAY + 20], np.r_[once.level, 0.6])
    order = np.argsort(noon.day, kind="stable")
    noon = DailyLevels(noon.entity[order], noon.day[order], noon.level[order])
    known, plain = outlooks(noon), outlooks(once)
    assert known.now[np.flatnonzero(order == len(once.day))[0], NOW.index("level")] == pytest.approx(0.6)
    same = order != len(once.day)
    early = noon.day[same] <= FIRST_DAY + 20
    np.testing.assert_array_equal(known.now[same][early], plain.now[once.day <= FIRST_DAY + 20])


def test_the_days_since_the_emptying_and_the_weekday_of_emptyings_are_learned() -> None:
    """Both bins stand at .2 for six days and are full on the seventh, Sunday, to be emptied on Monday."""
    monday = FIRST_DAY - (FIRST_DAY + 3) % 7
    day = np.repeat(monday + np.arange(84), 2)
    levels = DailyLevels(np.tile([0, 1], 84), day, np.where((day - monday) % 7 == 6, 1.0, 0.2))
    ahead = outlooks(levels).ahead[::2]
    tomorrow = ahead[:, 0, AHEAD.index("hazard_of_age")]
    assert tomorrow[-2] > 0.6 > 0.2 > tomorrow[-5]
    emptied = ahead[-1, :7, AHEAD.index("emptied_of_weekday")]
    assert emptied.argmax() == 0
    assert emptied[0] > 0.6
    assert (emptied[1:] < 0.1).all()


def test_interval_margins_move_only_what_is_near_an_edge() -> None:
    odds = np.array([[-1.9, -5.0, 4.0]])
    plain = chance(odds)
    moved = chance(odds, interval_margin=0.04)
    assert plain[0, 0] == pytest.approx(0.13, abs=0.005)
    assert (moved[0, :2] < 0.1).all()
    assert moved[0, 2] == plain[0, 2]


def test_a_reading_is_watched_until_full_emptied_or_missing() -> None:
    day = FIRST_DAY + np.array([0, 1, 2, 3, 4, 6, 7])
    levels = DailyLevels(np.zeros(7, int), day, np.array([0.2, 0.6, 0.2, 0.4, 0.6, 0.6, 0.8]))
    seen = watch(levels)
    assert seen.duration_d.tolist() == [1, 0, 2, 1, 0, 1, 0]
    assert seen.event.tolist() == [False] * 5 + [True, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_levels_that_make_no_sense_are_refused(bad: float) -> None:
    with pytest.raises(BadInput):
        walk_forward(DailyLevels(np.zeros(2, int), FIRST_DAY + np.arange(2), np.array([0.1, bad])), FIRST_DAY)


def test_days_come_in_order_and_a_container_once_a_day() -> None:
    history = FillHistory(2)
    assert history.observe(5, np.array([0, 1]), np.array([0.1, 0.2])).ahead.shape[1] == LONGEST_D
    with pytest.raises(BadInput, match="order"):
        history.observe(5, np.array([0]), np.array([0.1]))
    with pytest.raises(BadInput, match="twice"):
        history.observe(6, np.array([0, 0]), np.array([0.1, 0.1]))


@pytest.mark.parametrize("bad", [{"full_ratio": 0}, {"refit_days": -1}, {"boosted_share": 1.5}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        TimeToFullParameters(**bad)  # type: ignore[arg-type]


def test_no_readings_are_no_forecasts() -> None:
    none = np.zeros(0, np.int64)
    assert walk_forward(DailyLevels(none, none, np.zeros(0)), 10).shape == (0, 14)
