"""What a plan costs: the dispatcher's weights of time and distance."""

import math
from dataclasses import dataclass

from city.errors import BadInput

_USUAL_SPEED_M_S = 30.0 / 3.6


@dataclass(frozen=True)
class Prices:
    """Weights of seconds and metres; only their proportion matters.

    A truck's hour with its crew is worth about 40 times a kilometre's fuel and wear, so a second weighs 25 and a metre
    1: a kilometre is worth 40 s.

    Parameters
    ----------
    second
        Of each second from leaving the depot to being back, waiting included, breaks not.
    metre
        Of each metre.
    overtime_second
        Of each second after the shift's end, besides `second`.

    Raises
    ------
    BadInput
        A weight is negative or no whole number, or all are 0.
    """

    second: int = 25
    metre: int = 1
    overtime_second: int = 13

    def __post_init__(self) -> None:
        for name in ("second", "metre", "overtime_second"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0 and value == int(value)):
                raise BadInput(f"The price {name} is {value}.", "Give a whole number of at least 0.")
        if not self.second and not self.metre:
            raise BadInput("Neither time nor distance costs anything.", "Give second or metre a price above 0.")

    @property
    def driving_second(self) -> float:
        """What a second of driving at 30 km/h costs, metres included: the unit of `Job.prize_s`."""
        return self.second + self.metre * _USUAL_SPEED_M_S
