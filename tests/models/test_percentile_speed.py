import numpy as np
import pytest

from city.errors import BadInput
from models.figures import Refusal
from models.percentile_speed import percentile_speed, percentile_speed_of_bins, percentile_speed_of_means


def test_v85_of_vehicles_is_the_85th_percentile_with_an_interval_of_order_statistics():
    """By hand: of the speeds 1..200 km/h, position 0.85 * 199 = 169.15 lies between 170 and 171."""
    figure = percentile_speed(np.arange(1.0, 201.0))
    assert (figure.name, figure.value) == ("V85", pytest.approx(170.15))
    assert figure.low < 165
    assert figure.high > 175
    assert "percentile of the speeds of vehicles" in figure.method


def test_the_interval_covers_the_true_percentile_as_often_as_it_says():
    rng = np.random.default_rng(8)
    truth = 40 + 6 * 1.036433
    hits = [f.low <= truth <= f.high for f in (percentile_speed(rng.normal(40, 6, 150)) for _ in range(300))]
    assert 0.92 <= np.mean(hits) <= 0.99


def test_v85_of_classes_is_interpolated_in_its_class():
    """By hand: 85 % of 200 are 170; 140 lie below 50 km/h and 60 in 50..60, so 50 + 10 * 30/60 = 55."""
    figure = percentile_speed_of_bins([0, 40, 50, 60, np.inf], [40, 100, 60, 0])
    assert figure.value == pytest.approx(55)
    assert figure.low < 55 < figure.high <= 60


def test_a_percentile_in_the_open_class_is_refused():
    refusal = percentile_speed_of_bins([0, 60, 70, np.inf], [20, 80, 100])
    assert isinstance(refusal, Refusal)
    assert "open class above 70" in refusal.text


def test_means_are_weighted_with_their_vehicles_and_say_what_they_are():
    figure = percentile_speed_of_means(np.repeat([40.0, 50.0], 50), np.repeat([9.0, 1.0], 50))
    assert figure.value == 40
    assert figure.name == "V85 of interval means"
    assert "Lower than the V85 of vehicles" in figure.notes[0]


@pytest.mark.parametrize(
    "refusal",
    [
        percentile_speed(np.full(99, 50.0)),
        percentile_speed([]),
        percentile_speed_of_bins([0, 50, np.inf], [30, 30]),
        percentile_speed_of_means([50.0] * 10, 5),
        percentile_speed_of_means([np.nan] * 100, 5),
    ],
)
def test_few_vehicles_are_refused(refusal):
    assert isinstance(refusal, Refusal)


def test_classes_that_make_no_sense_are_named():
    with pytest.raises(BadInput, match="make no classes"):
        percentile_speed_of_bins([0, 50], [1, 2, 3])
