import numpy as np
import pytest

from city.errors import BadInput
from models.signal_timing import (
    SignalParameters,
    Timing,
    control_delay_s,
    critical_flow_ratios,
    level_of_service,
    webster_cycle_s,
    webster_timing,
)


def test_webster_cycle_and_greens():
    """By hand: Y = 600/1800 + 450/1800 = 0.5833, L = 8: C0 = 17 / 0.41667 = 40.8; with L = 10: 20 / 0.41667 = 48."""
    y = critical_flow_ratios([600, 300, 450, 200], [1800] * 4, [0, 0, 1, 1])
    assert y == pytest.approx([1 / 3, 1 / 4])
    assert webster_cycle_s(y, 8) == pytest.approx(40.8)
    assert webster_cycle_s(y, 10) == pytest.approx(48)
    timing = webster_timing(y, SignalParameters(lost_s=5))
    # Greens: (48 - 10) * (1/3) / (7/12) = 21.7 and 16.3, in whole seconds.
    assert timing == Timing(48, (22, 16))


def test_webster_and_cobbes_bounds_hold_when_the_junction_is_full_or_empty():
    assert webster_cycle_s([0.6, 0.5], 8) == np.inf
    assert webster_timing([0.6, 0.5]).cycle_s == 120
    assert webster_timing([0.01, 0.01]).cycle_s == 40
    small = webster_timing([0.001, 0.4], SignalParameters(min_green_s=8))
    assert small.green_s[0] == 8
    assert sum(small.green_s) == small.cycle_s - 8
    assert min(webster_timing([0.1, 0.1, 0.1], SignalParameters(pedestrian_s=15)).green_s) >= 15


def test_control_delay_is_that_of_the_manuals_equations():
    """HCM 2000, eq. 16-11 and 16-12, by hand.

    C = 90, g = 35, s = 1800: c = 700, v = 600: X = 6/7. d1 = 45 (55/90)^2 / (1 - 1/3) = 25.208;
    d2 = 225 (-1/7 + sqrt(1/49 + 4 (6/7) / 175)) = 225 (-1/7 + 0.2) = 12.857.
    """
    delay = control_delay_s(600, 1800, 90, 35)
    assert float(delay) == pytest.approx(25.2083 + 12.8571, abs=1e-3)
    assert level_of_service(float(delay)) == "D"


def test_at_capacity_the_random_part_grows_with_the_length_of_the_period():
    """By hand, X = 1: d1 = 0.5 * 90 * (1 - g/C) = 27.5; d2 = 225 sqrt(4 / 175) = 34.017 in a quarter of an hour."""
    assert float(control_delay_s(700, 1800, 90, 35)) == pytest.approx(27.5 + 225 * np.sqrt(4 / 175), abs=1e-6)
    hour = SignalParameters(analysis_h=1.0)
    assert float(control_delay_s(840, 1800, 90, 35, hour)) > 2 * float(control_delay_s(840, 1800, 90, 35))


@pytest.mark.parametrize(
    ("delay_s", "level"),
    [(5, "A"), (10, "A"), (10.1, "B"), (35, "C"), (55, "D"), (80, "E"), (90, "F"), (np.nan, "unknown")],
)
def test_levels_of_service(delay_s, level):
    assert level_of_service(delay_s) == level


def test_webster_is_near_the_least_delay_that_there_is():
    flow, saturation = np.array([700.0, 450.0]), np.array([1900.0, 1900.0])
    p = SignalParameters(min_cycle_s=20)
    chosen = webster_timing(critical_flow_ratios(flow, saturation, [0, 1]), p)
    best = min(
        float((control_delay_s(flow, saturation, c, [g, c - 8 - g], p) * flow).sum())
        for c in range(20, 121, 2)
        for g in range(6, c - 14)
    )
    assert float((control_delay_s(flow, saturation, chosen.cycle_s, chosen.green_s, p) * flow).sum()) < 1.2 * best


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SignalParameters(saturation_flow=0), "saturation_flow"),
        (lambda: SignalParameters(min_cycle_s=130), "shortest cycle"),
        (lambda: SignalParameters(peak_hour_factor=1.2), "peak hour factor"),
        (lambda: Timing(60, (40, 30)), "do not fit in a cycle"),
        (lambda: Timing(60, ()), "do not fit in a cycle"),
        (lambda: Timing(60, (26, 0)), "greens of 26, 0 s"),
        (lambda: Timing(60, (26, -1)), "greens of 26, -1 s"),
        (lambda: Timing(60, (26, np.nan)), "greens of 26, nan s"),
        (lambda: Timing(60, (26, np.inf)), "greens of 26, inf s"),
        (lambda: Timing(np.nan, (26, 26)), "cycle of nan s"),
        (lambda: Timing(np.inf, (26, 26)), "cycle of inf s"),
        (lambda: webster_timing([0.3, 0.3], cycle_s=15), "no room for 2 phases"),
    ],
)
def test_what_cannot_be_is_named(make, said):
    with pytest.raises(BadInput, match=said):
        make()
