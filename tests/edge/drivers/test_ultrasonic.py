import importlib.util

import pytest

from city.errors import BadInput, MissingPart
from edge.drivers.ultrasonic import UltrasonicDriver, gpio_ping
from edge.ultrasonic import echo_s


def pings(distance_mm, temperature_c=15.0):
    return lambda: None if distance_mm is None else echo_s(distance_mm, temperature_c)


def test_fill_and_raw_distance_are_said():
    one = UltrasonicDriver("c1", pings(1000.0), 2500.0).read(0.0)
    assert one.values == {"fill_ratio": 0.6, "distance_mm": 1000.0}
    assert one.quality == "good"


def test_no_echo_is_unknown_not_empty():
    assert UltrasonicDriver("c1", pings(None), 2500.0).read(0.0).values == {"fill_ratio": None, "distance_mm": None}


def test_a_distance_beyond_the_bottom_keeps_the_distance_and_says_suspect():
    one = UltrasonicDriver("c1", pings(4000.0), 2500.0).read(0.0)
    assert (one.values["fill_ratio"], round(one.values["distance_mm"]), one.quality) == (None, 4000, "suspect")


def test_an_open_lid_is_no_measurement():
    assert UltrasonicDriver("c1", pings(1000.0), 2500.0, is_open=lambda: True).read(0.0) is None


def test_the_temperature_is_used():
    one = UltrasonicDriver("c1", pings(1000.0, 35.0), 2500.0, temperature_c=lambda: 35.0).read(0.0)
    assert one.values["distance_mm"] == 1000.0


def test_a_broken_depth_table_is_said():
    with pytest.raises(BadInput):
        UltrasonicDriver("c1", pings(1.0), 2500.0, ((1.0, 1.0), (2.0, 0.0)))


@pytest.mark.skipif(importlib.util.find_spec("gpiozero") is not None, reason="gpiozero is installed here")
def test_without_gpiozero_the_package_is_named():
    with pytest.raises(MissingPart, match="pip install gpiozero"):
        gpio_ping(23, 24)
