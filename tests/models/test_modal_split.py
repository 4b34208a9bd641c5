import numpy as np
import pytest

from models.figures import Refusal
from models.modal_split import modal_split
from tests.models.counted import YEAR_2025, days_of


def test_the_split_is_the_ratio_of_totals_with_the_days_as_observations():
    """By hand: cars 600, 700, 800, … and bicycles 400, 300, 200, … make 4,200 of 7,000 in a week."""
    cars = np.array([600.0, 700, 500, 600, 600, 700, 500])
    split = modal_split({"car": days_of(cars), "bike": days_of(1000 - cars)})
    assert split["car"].value == pytest.approx(0.6)
    assert split["bike"].value == pytest.approx(0.4)
    # sum of squares of (car - 0.6 * 1000) is 4 * 100^2: half = t(6) sqrt(40000 / 6 / 7) / 1000.
    assert split["car"].high - 0.6 == pytest.approx(2.44691 * np.sqrt(40000 / 6 / 7) / 1000, rel=1e-4)


def test_hours_in_which_a_class_was_not_counted_do_not_lower_its_share():
    cars, bikes = days_of([600.0] * 14), days_of([400.0] * 14)
    bikes.volume[:, :7] = np.nan
    split = modal_split({"car": cars, "bike": bikes})
    assert split["bike"].value == pytest.approx(0.4)
    assert "little is known" in split["bike"].notes[0]
    assert split["bike"].completeness == pytest.approx(17 / 24)


@pytest.mark.parametrize(
    "classes",
    [
        {},
        {"car": days_of([600.0] * 14)},
        {"car": days_of([600.0] * 14), "bike": days_of([])},
        {"car": days_of([600.0] * 6), "bike": days_of([400.0] * 6)},
        {"car": days_of([2.0] * 14), "bike": days_of([1.0] * 14)},
        {"car": days_of([600.0] * 14), "bike": days_of([400.0] * 14, YEAR_2025 + 100)},
    ],
)
def test_little_is_refused(classes):
    assert isinstance(modal_split(classes), Refusal)
