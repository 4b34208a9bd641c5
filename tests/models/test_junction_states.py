import numpy as np
import pytest

from city.errors import BadInput
from models.junction_states import Signal, junction_grades, letters, service
from models.signal_timing import SignalParameters, control_delay_s, level_of_service

NAN = np.nan


def signal(n: int, green_s: float = 36.0) -> Signal:
    return Signal(np.full(n, 90.0), np.full(n, green_s))


def test_grades_worsen_with_flow_and_over_capacity_is_f() -> None:
    flow = np.array([100.0, 500.0, 650.0, 800.0])
    now = service(flow, np.full(4, NAN), 1, signal(4))
    assert (np.diff(now.delay_s) > 0).all()
    assert letters(now.grade)[-1] == "F"
    assert now.volume_to_capacity[0] == pytest.approx(100 / 760)


def test_now_and_the_advice_about_green_have_one_delay_one_table_and_one_saturation_flow() -> None:
    flow = np.array([100.0, 500.0, 650.0, 760.0])
    now = service(flow, np.full(4, NAN), 1, signal(4))
    advised = control_delay_s(flow, SignalParameters().saturation_flow, 90, 36)
    np.testing.assert_allclose(now.delay_s, advised)
    assert letters(now.grade) == [level_of_service(one) for one in advised]


def test_uniform_delay_is_that_of_the_manual_when_hardly_anybody_comes() -> None:
    """Half of the cycle's red squared: 0.5 * 90 * (1 - .4)^2 = 16.2 s."""
    assert service(np.array([1e-6]), np.array([NAN]), 1, signal(1)).delay_s[0] == pytest.approx(16.2, abs=0.01)


def test_without_a_signal_the_speed_speaks_and_without_either_it_is_unknown() -> None:
    unknown = Signal(np.full(3, NAN), np.full(3, NAN))
    now = service(np.array([300.0, 300.0, NAN]), np.array([0.9, 0.45, NAN]), 1, unknown)
    assert letters(now.grade) == ["A", "D", "?"]
    assert np.isnan(now.delay_s).all()
    assert np.isnan(now.queue_m).all()


def test_a_blocked_road_with_little_flow_has_no_good_service() -> None:
    assert letters(service(np.array([5.0]), np.array([0.05]), 1, signal(1)).grade) == ["F"]


def test_a_queue_is_known_where_a_detector_sees_it_and_at_least_when_it_reaches_the_upstream_one() -> None:
    quiet = np.full(4, 100.0)
    now = service(
        quiet, np.full(4, NAN), 1, signal(4),
        up_occupancy=np.array([0.02, 0.9, NAN, 0.02]), stop_occupancy=np.array([0.02, 0.9, 0.9, 0.55]), upstream_m=100,
    )  # fmt: skip
    assert now.queue_m[:2].tolist() == [0.0, 100.0]
    assert now.queue_is_at_least.tolist() == [False, True, False, False]
    assert np.isnan(now.queue_m[2])
    assert 20 < now.queue_m[3] < 80


def test_a_junction_is_as_its_worst_approach_and_unknown_when_most_are() -> None:
    grade = np.array([0, 4, -1, 2, -1, -1])
    assert junction_grades(grade, np.array([0, 0, 0, 1, 1, 1]), 2).tolist() == [4, -1]


def test_lanes_and_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput):
        service(np.ones(2), np.ones(2), 0, signal(2))
    with pytest.raises(BadInput):
        service(np.ones(2), np.ones(3), 1, signal(2))
