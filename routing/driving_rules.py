"""How a truck drives: what turns cost it, how large it is, and at which hour it is under way."""

from dataclasses import dataclass, field

from routing.geometry import Bools
from routing.network import Network
from routing.opening_hours import closed_at
from routing.truck_limits import TruckSize, too_large
from routing.turns import TurnCosts


@dataclass(frozen=True)
class DrivingRules:
    """Rules under which ways are searched.

    Parameters
    ----------
    turns
        What turns cost.
    size
        The truck; streets too small for it are no ways.
    hour
        Hour of the local day, 0..24: streets that are closed then cannot be entered; who is inside may leave. None =
        opening hours are left to the windows of jobs.
    """

    turns: TurnCosts = field(default_factory=TurnCosts)
    size: TruckSize = field(default_factory=TruckSize)
    hour: float | None = None

    def shut(self, network: Network) -> Bools:
        """Return `(n_edges,)` bool: streets that the truck may not drive at all."""
        return too_large(network, self.size)

    def closed(self, network: Network) -> Bools | None:
        """Return `(n_edges,)` bool: streets that may be left but not entered; None = all are open."""
        if self.hour is None:
            return None
        closed = closed_at(network, self.hour)
        return closed if closed.any() else None
