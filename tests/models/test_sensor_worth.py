import numpy as np
import pytest

from city.errors import BadInput
from models.fill import FillModel
from models.rows import Rows
from models.sensor_worth import WorthParameters, sensor_worth
from tests.models.scenes import DAY_S, START_S


def replay(steady: bool, seed: int = 3, days: int = 90) -> Rows:
    """Readings every two hours of one container, emptied on the first morning that finds it above .85."""
    rng = np.random.default_rng(seed)
    level, pace, fill = 0.0, 0.11, []
    for step in range(days * 12):
        if step % 12 == 4 and level > 0.85:
            level = 0.0
            pace = 0.11 if steady else rng.choice([0.06, 0.11, 0.3])
        level = min(level + pace / 12, 1.05)
        fill.append(round(level + rng.normal(0, 0.008), 3))
    at_s = START_S + 7200.0 * np.arange(len(fill))
    return Rows.of_columns(float(at_s[-1]), np.zeros(len(fill), int), at_s, {"fill_ratio": np.clip(fill, 0, None)})


def test_where_no_cycle_is_like_the_last_the_sensor_saves_more_than_where_all_are_alike() -> None:
    model = FillModel(["a"])
    uneven, even = sensor_worth(model, replay(False)), sensor_worth(model, replay(True))
    assert uneven.saved[0] > even.saved[0]
    assert uneven.is_worth_it[0]
    assert "The sensor is worth it" in uneven.sentence[0]
    assert uneven.changed[0] > even.changed[0]


def test_too_few_days_are_said_to_be_too_few() -> None:
    worth = sensor_worth(FillModel(["a", "b"]), replay(True, days=18))
    assert np.isnan(worth.saved).all()
    assert worth.sentence[0].startswith("Not known")
    assert worth.days[1] == 0


def test_the_same_history_gives_the_same_answer() -> None:
    model, rows = FillModel(["a"]), replay(False, days=40)
    one, other = sensor_worth(model, rows), sensor_worth(model, rows)
    np.testing.assert_array_equal(one.saved, other.saved)
    assert one.sentence == other.sentence


def test_without_readings_nothing_can_be_said() -> None:
    rows = Rows.of_columns(START_S + DAY_S, [0], [START_S], {}, is_visit=True)
    with pytest.raises(BadInput, match="no readings"):
        sensor_worth(FillModel(["a"]), rows)


@pytest.mark.parametrize("bad", [{"every_s": 0}, {"missed_cost": float("nan")}])
def test_parameters_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        WorthParameters(**bad)
