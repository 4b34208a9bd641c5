import numpy as np
import pytest

from city.errors import BadInput
from models.hot_spots import WEEK_S, hot_spots


def test_the_place_with_most_incidents_comes_first_with_its_hours() -> None:
    place = [0] * 12 + [1] * 2
    hour = [20] * 9 + [3] * 3 + [20, 100]
    spots = hot_spots(["a", "b", "c", "unwatched"], place, hour, [10 * WEEK_S] * 3 + [0.0])
    assert [(one.place, one.incidents) for one in spots] == [("a", 12), ("b", 2), ("c", 0)]
    assert spots[0].hours[0][0] == 20
    assert spots[0].hours[0][2] == 9
    assert all(one.low < one.per_week < one.high for one in spots)
    assert spots[0].per_week < 1.2
    assert spots[2].per_week > 0


def test_intervals_hold_the_truth_eight_times_in_ten() -> None:
    rng = np.random.default_rng(0)
    truth = rng.gamma(1.5, 0.4, 400)
    place = np.repeat(np.arange(400), rng.poisson(truth * 8))
    spots = hot_spots([str(i) for i in range(400)], place, rng.integers(0, 168, len(place)), [8 * WEEK_S] * 400)
    held = np.mean([one.low <= truth[int(one.place)] <= one.high for one in spots])
    assert 0.74 <= held <= 0.86


@pytest.mark.parametrize("bad", [([3], [0]), ([0], [168]), ([0, 1], [0])])
def test_incidents_at_no_such_place_or_hour_are_refused(bad: tuple[list[int], list[int]]) -> None:
    with pytest.raises(BadInput):
        hot_spots(["a", "b"], *bad, [WEEK_S, WEEK_S])
