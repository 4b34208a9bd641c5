"""What driving and lifting give off."""

import math
from dataclasses import dataclass

from city.errors import BadInput
from city.plans import Plan


@dataclass(frozen=True)
class Emissions:
    """CO₂ of a collection truck, tank to wheel; a city that knows its fleet gives its own figures, an electric one 0.

    Parameters
    ----------
    kg_per_km
        Of driving. 40 litres of diesel for 100 km, 2.65 kg for a litre.
    kg_per_lift
        Of emptying one container or clearing one heap: a minute of crane work at 6 litres an hour.

    Raises
    ------
    BadInput
        A figure is no number of at least 0.

    References
    ----------
    IPCC 2006 Guidelines, volume 2, chapter 3: diesel 74.1 kg CO₂ per GJ, with 35.8 MJ per litre 2.65 kg per litre.
    The consumption is an assumption about heavy collection trucks, to be replaced by the fleet's own fuel records.
    """

    kg_per_km: float = 1.06
    kg_per_lift: float = 0.27

    def __post_init__(self) -> None:
        for name in ("kg_per_km", "kg_per_lift"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise BadInput(f"{name} is {value}.", "Give a number of at least 0.")

    def co2_kg(self, plan: Plan) -> float:
        """Return the kilograms of CO₂ of all rounds of a plan."""
        lifts = sum(max(1, len(stop.containers)) for one in plan.rounds for stop in one.stops if stop.job)
        return self.kg_per_km * plan.distance_m / 1000.0 + self.kg_per_lift * lifts
