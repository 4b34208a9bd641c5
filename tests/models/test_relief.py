import numpy as np
import pytest

from city.errors import BadInput
from models.figures import Refusal
from models.relief import ApproachCounts, phases_by_bearing, relief
from models.signal_timing import SignalParameters, Timing, control_delay_s
from models.time_of_day_plans import Demand, choose_plans, total_delay_s
from tests.models.counted import YEAR_2025, days_of

MONDAY = YEAR_2025 + 5
ARMS = (("noord", 180.0), ("oost", 270.0), ("zuid", 0.0), ("west", 90.0))
MORNING = np.exp(-0.5 * ((np.arange(24) - 8) / 1.5) ** 2) + 0.08
EVENING = np.exp(-0.5 * ((np.arange(24) - 17) / 1.8) ** 2) + 0.08


def junction(days=21, noise=0.05, scale=1.0, lanes=1, east=900.0):
    """North and south are busy in the morning, east and west in the afternoon."""
    rng = np.random.default_rng(2)
    shapes = (550 * MORNING + 150 * EVENING, 150 * MORNING + east * EVENING)
    found = []
    for i, (name, bearing) in enumerate(ARMS):
        luck = np.exp(noise * rng.normal(size=days))
        found.append(
            ApproachCounts(f"a-{name}", name.capitalize(), bearing, lanes, days_of(luck * scale, MONDAY, shapes[i % 2]))
        )
    return found


def test_opposing_approaches_share_their_green():
    assert phases_by_bearing([180, 270, 0, 90]) == (0, 1, 0, 1)
    assert phases_by_bearing([10, 130, 250]) == (0, 1, 2)
    assert phases_by_bearing([0, 175, 90]) == (0, 0, 1)


def test_green_is_moved_to_where_the_traffic_is_and_a_sentence_says_so():
    advice = relief(junction(), timing=Timing(80, (36, 36)))
    evening = next(one for one in advice.plans if one.from_hour <= 17 < one.until_hour)
    assert evening.then.green_s[1] > 40
    assert evening.delay_then_s < evening.delay_now_s
    assert 0 < evening.saving_low_s < evening.saving_s < evening.saving_high_s
    assert evening.sentence.startswith(("Move ", "Run a cycle of "))
    assert "measured on 15 workdays" in evening.sentence
    assert f"between {evening.from_hour:02d}:00 and {evening.until_hour:02d}:00" in evening.sentence
    assert not advice.is_timing_assumed
    assert advice.summary == evening.sentence


def test_with_the_same_cycle_the_sentence_moves_seconds_from_one_to_the_other():
    advice = relief(junction(), timing=Timing(60, (26, 26)))
    evening = next(one for one in advice.plans if one.from_hour <= 17 < one.until_hour)
    moved = evening.then.green_s[1] - 26
    if evening.then.cycle_s == 60:
        assert evening.sentence.startswith(f"Move {moved:.0f} s of green from Noord and Zuid to Oost and West")


def test_a_timing_that_is_right_is_left_alone():
    """Advice changes little first (the greens), then the rest (the cycle); followed twice, nothing is left to win."""
    timing, savings = Timing(60, (26, 26)), []
    for _ in range(3):
        advice = relief(junction(noise=0.1), timing=timing)
        evening = next(one for one in advice.plans if one.from_hour <= 17 < one.until_hour)
        savings.append(evening.saving_s)
        timing = evening.then
    assert savings[1] < 0.05 * savings[0]
    assert abs(savings[2]) < 0.1
    assert not evening.is_worth_it
    assert evening.sentence.startswith("Keep the green as it is")


def test_what_nobody_told_is_said_to_be_assumed():
    advice = relief(junction())
    assert advice.is_timing_assumed
    assert advice.summary.startswith("If one plan of ")
    assert any("one fixed plan all day" in one for one in advice.assumed)
    assert any("1,900 vehicles/h per lane" in one for one in advice.assumed)
    assert advice.phases == (("a-noord", "a-zuid"), ("a-oost", "a-west"))


def test_more_than_can_pass_is_not_promised_away():
    advice = relief(junction(east=2200.0), timing=Timing(120, (56, 56)))
    evening = next(one for one in advice.plans if one.from_hour <= 17 < one.until_hour)
    assert evening.is_oversaturated
    assert evening.then.cycle_s <= 120
    assert "green alone does not solve it" in evening.sentence


def test_the_day_is_cut_where_the_traffic_changes():
    advice = relief(junction(), timing=Timing(80, (36, 36)))
    assert 2 <= len(advice.plans) <= 4
    assert advice.plans[0].from_hour == 0
    assert advice.plans[-1].until_hour == 24
    for one, following in zip(advice.plans, advice.plans[1:], strict=False):
        assert one.until_hour == following.from_hour
        assert one.until_hour - one.from_hour >= 2
    eight, seventeen = (next(p for p in advice.plans if p.from_hour <= h < p.until_hour) for h in (8, 17))
    assert eight.then.green_s[0] > eight.then.green_s[1]
    assert seventeen.then.green_s[0] < seventeen.then.green_s[1]


def test_delay_is_that_of_the_flow_of_the_hour_and_the_worst_quarter_counts_for_capacity_only():
    timing = Timing(60, (26, 26))
    p = SignalParameters()
    demand = Demand(np.full((1, 24, 2), 700.0), np.full(2, 1900.0), (0, 1))
    each = float(control_delay_s(700, 1900, 60, 26))
    assert total_delay_s(demand, timing, p)[0] == pytest.approx(2 * 700 * each)
    advice = relief(junction(noise=0.0), timing=timing)
    evening = next(one for one in advice.plans if one.from_hour <= 17 < one.until_hour)
    arms, vehicles = evening.approaches, evening.flow
    assert evening.delay_now_s == pytest.approx(sum(one.flow * one.delay_now_s for one in arms) / vehicles)
    east = junction(noise=0.0)[1].volumes.volume[0]
    hours = east[evening.from_hour : evening.until_hour]
    by_hand = (control_delay_s(hours, 1900, 60, 26) * hours).sum() / hours.sum()
    assert arms[1].delay_now_s == pytest.approx(by_hand)
    assert arms[1].saturation_now == pytest.approx(hours.max() / p.peak_hour_factor / 1900 * 60 / 26)
    assert "peak hour factor 0.92 for green and use of capacity, delay at the flow of the hour" in advice.assumed


def test_several_plans_cost_no_more_than_one():
    flow = np.stack([one.volumes.volume for one in junction()], axis=2)
    demand = Demand(flow, np.full(4, 1900.0), (0, 1, 0, 1))
    p = SignalParameters()

    def cost(plans):
        return sum(np.nansum(total_delay_s(demand, x.timing, p)[:, x.from_hour : x.until_hour]) for x in plans)

    assert cost(choose_plans(demand, p)) < 0.95 * cost(choose_plans(demand, p, most=1))


def test_hours_that_were_not_measured_get_no_advice():
    arms = junction()
    for one in arms:
        one.volumes.volume[:, :6] = np.nan
    advice = relief(arms)
    assert advice.plans[0].from_hour == 6


def test_the_same_seed_gives_the_same_interval_and_counts_are_left_as_they_are():
    arms = junction()
    before = arms[0].volumes.volume.copy()
    assert relief(arms, seed=4) == relief(arms, seed=4)
    assert (arms[0].volumes.volume == before).all()


@pytest.mark.parametrize(
    "arms",
    [
        [],
        junction()[:1],
        [junction()[0], junction()[2]],
        junction(days=3),
        [*junction()[:3], ApproachCounts("x", "X", 90.0, 1, days_of([]))],
    ],
)
def test_thin_data_is_refused(arms):
    refusal = relief(arms)
    assert isinstance(refusal, Refusal)
    assert refusal.text.startswith("No advice about green:")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timing": Timing(80, (20, 20, 20))}, "3 greens for 2 phases"),
        ({"timing": Timing(80, (40, 40))}, "leave nothing of a cycle"),
        ({"timing": Timing(80, (60, 0.01))}, "lets nobody pass"),
        ({"phase": [0, 1, 0]}, "do not fit 4 approaches"),
        ({"phase": [0, 2, 0, 2]}, "do not fit 4 approaches"),
    ],
)
def test_a_plan_that_cannot_be_is_named(options, said):
    with pytest.raises(BadInput, match=said):
        relief(junction(), **options)
