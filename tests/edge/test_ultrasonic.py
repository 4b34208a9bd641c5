import random

import pytest

from edge.ultrasonic import distance_from_echoes, echo_s, measure_distance, speed_of_sound_mps


@pytest.mark.parametrize(("temperature_c", "speed"), [(0.0, 331.3), (20.0, 343.2), (40.0, 354.7)])
def test_speed_of_sound(temperature_c, speed):
    assert speed_of_sound_mps(temperature_c) == pytest.approx(speed, abs=0.1)


@pytest.mark.parametrize("temperature_c", [-10.0, 0.0, 40.0])
def test_temperature_is_corrected(temperature_c):
    echo = echo_s(1500.0, temperature_c)
    assert distance_from_echoes([echo] * 7, temperature_c) == pytest.approx(1500.0)
    assert abs(distance_from_echoes([echo] * 7, None) - 1500.0) > 30.0


def test_three_wrong_echoes_of_seven_do_not_move_it():
    right = echo_s(1500.0, 15.0)
    echoes = [right, None, 0.0001, right, 0.03, right, right]
    assert distance_from_echoes(echoes, 15.0) == pytest.approx(1500.0)


@pytest.mark.parametrize(
    "echoes", [[], [None] * 7, [0.01, 0.01, 0.01, None, None, None, None], [float("nan")] * 7, [-1.0] * 7]
)
def test_too_few_echoes_are_no_distance(echoes):
    assert distance_from_echoes(echoes, 15.0) is None


def test_seven_pings_of_a_noisy_sensor_are_close():
    noise = random.Random(1)

    def ping():
        return echo_s(noise.choice([1500.0] * 9 + [400.0]) + noise.gauss(0.0, 5.0), 15.0)

    errors = sorted(abs(measure_distance(ping, 15.0) - 1500.0) for _ in range(500))
    assert errors[495] < 25.0
