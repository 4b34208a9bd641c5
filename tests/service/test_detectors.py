import numpy as np

from city.clock import parse_time
from city.register import Register
from service.detectors import Detectors
from service.settings import PlanningSettings


def test_the_live_models_of_traffic_know_the_public_holidays_of_the_citys_country() -> None:
    city = Detectors(Register("Testdrecht", "Europe/Amsterdam"), PlanningSettings())
    kings_day, next_day = (parse_time(f"2026-04-{day}T11:00:00+02:00") for day in (27, 28))
    assert city.local_days.of(np.array([kings_day, next_day]))[0].tolist() == [1, 0]
