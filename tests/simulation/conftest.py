from datetime import date

import pytest

from simulation.city import SimulatedCity
from simulation.parameters import CityParameters, demo_start_s

START_S = demo_start_s(date(2026, 11, 23))


@pytest.fixture(scope="session")
def groningen() -> SimulatedCity:
    return SimulatedCity.generate(CityParameters(), 7, START_S)


@pytest.fixture(scope="session")
def town() -> SimulatedCity:
    """A city of forty clusters."""
    return SimulatedCity.generate(CityParameters.of_size(40), 3, START_S)
