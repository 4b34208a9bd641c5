import pytest

from city.errors import BadInput
from edge.driver import Measurement
from edge.sampling import Sampler, SamplingParameters

HOUR = 3600.0


def fill(level, **more):
    return Measurement({"fill_ratio": level, **more}, interval_s=600)


def reported(levels, step_s=600.0):
    """Return which of the levels, `step_s` apart, were reported."""
    sampler = Sampler("c1", "fill")
    return [level for n, level in enumerate(levels) if sampler.offer(fill(level), n * step_s)]


def test_first_change_and_crossing_are_reported():
    assert reported([0.10, 0.12, 0.14, 0.15, 0.17, 0.21]) == [0.10, 0.15, 0.21]
    assert reported([0.57, 0.59, 0.60, 0.61, 0.59]) == [0.57, 0.60, 0.59]


def test_an_emptying_is_reported_at_once():
    assert reported([0.9, 0.91, 0.02, 0.03]) == [0.9, 0.02]


def test_a_still_level_is_said_again_after_six_hours():
    sampler = Sampler("c1", "fill")
    at = [n * 600.0 for n in range(80) if sampler.offer(fill(0.3), n * 600.0)]
    assert at == [0.0, 6 * HOUR, 12 * HOUR]


def test_unknown_is_news_once():
    assert reported([0.3, None, None, 0.3, 0.3]) == [0.3, None, 0.3]


def test_a_change_of_quality_is_news():
    sampler = Sampler("c1", "fill")
    assert sampler.offer(fill(0.3), 0.0)
    assert sampler.offer(Measurement({"fill_ratio": 0.3}, quality="suspect"), 600.0)


def test_a_clock_that_is_set_back_silences_nothing():
    sampler = Sampler("c1", "fill")
    assert sampler.offer(fill(0.3), 10 * HOUR)
    assert sampler.offer(fill(0.3), 1 * HOUR)


def test_openings_of_what_is_not_reported_are_added_to_the_next():
    sampler = Sampler("c1", "fill")
    readings = [
        sampler.offer(fill(level, lid_openings=count), n * 600.0)
        for n, (level, count) in enumerate([(0.1, 1.0), (0.11, 2.0), (0.12, 0.0), (0.2, 4.0), (0.3, 1.0)])
    ]
    kept = [(one.values["lid_openings"], one.interval_s) for one in readings if one]
    assert kept == [(1.0, 600), (6.0, 1800), (1.0, 600)]


def test_beside_is_reported_on_change_and_hourly():
    sampler = Sampler("beside", "beside")
    seen = [0, 0, 2, 2, 2, 0] + [0] * 12
    at = [n for n, count in enumerate(seen) if sampler.offer(Measurement({"objects_beside": count}), n * 600.0)]
    assert at == [0, 2, 5, 11, 17]


@pytest.mark.parametrize("kind", ["traffic", "truck", "visit", "report", "veto", "tamper", "health"])
def test_what_counts_is_reported_every_time(kind):
    sampler = Sampler("a1", kind)
    assert all(sampler.offer(Measurement({"vehicle_count": 3.0}, interval_s=60), n * 60.0) for n in range(5))


def test_the_reading_carries_time_place_and_quality():
    one = Sampler("truck", "visit").offer(Measurement({"lift_kg": 200.0}, "suspect", 0, "c9"), 12.3456)
    assert (one.at_ms, one.channel, one.kind, one.quality, one.place) == (12346, "truck", "visit", "suspect", "c9")


def test_it_saves_most_messages_and_stays_close_to_the_truth():
    """A container that fills by 3 % an hour in the day: far below a message per measurement, never 5 points off."""
    sampler = Sampler("c1", "fill")
    level, known, worst, count = 0.0, 0.0, 0.0, 0
    for n in range(7 * 144):
        hour = n / 6 % 24
        level = 0.0 if level > 1.0 else level + (0.005 if 7 < hour < 22 else 0.0)
        if sampler.offer(fill(level), n * 600.0):
            known, count = level, count + 1
        worst = max(worst, abs(level - known))
    assert worst < 0.05
    assert count / 7 < 20


@pytest.mark.parametrize(
    "options",
    [{"fill_change": 0.0}, {"fill_heartbeat_s": -1.0}, {"fill_thresholds": (0.0,)}, {"beside_heartbeat_s": 0.0}],
)
def test_parameters_out_of_range_are_said(options):
    with pytest.raises(BadInput):
        SamplingParameters(**options)
