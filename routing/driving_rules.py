"""How a truck drives: what turns cost it, how large it is, and at which hour it is under way."""

import math
from dataclasses import dataclass, field

from city.errors import BadInput
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
    closed_entry_s
        What entering a closed street counts as, in seconds, where it has to be possible: enough that nobody drives
        through for convenience, and a stop inside does not make a whole plan impossible. It chooses the way; what is
        told of the way is driving alone. None = it is not possible.
    open_later
        (opens, closes), hours, of streets that count as open though they are closed at `hour`: something is to be
        done there when they are open, and windows see to it that it is done then.

    Raises
    ------
    BadInput
        The hour or the cost is none.
    """

    turns: TurnCosts = field(default_factory=TurnCosts)
    size: TruckSize = field(default_factory=TruckSize)
    hour: float | None = None
    closed_entry_s: float | None = None
    open_later: frozenset[tuple[float, float]] = frozenset()

    def __post_init__(self) -> None:
        if self.hour is not None and not 0.0 <= self.hour <= 24.0:
            raise BadInput(f"{self.hour} is no hour of a day.", "Give hours from 0 to 24, local time.")
        if self.closed_entry_s is not None and not (math.isfinite(self.closed_entry_s) and self.closed_entry_s >= 0):
            raise BadInput(f"closed_entry_s is {self.closed_entry_s}.", "Give seconds, 0 or more, or None.")

    def shut(self, network: Network) -> Bools:
        """Return `(n_edges,)` bool: streets that the truck may not drive at all."""
        return too_large(network, self.size)

    def closed(self, network: Network) -> Bools | None:
        """Return `(n_edges,)` bool: streets that may be left but not entered; None = all are open."""
        if self.hour is None:
            return None
        closed = closed_at(network, self.hour)
        for opens, closes in self.open_later:
            closed &= (network.edge_opens_hour != opens) | (network.edge_closes_hour != closes)
        return closed if closed.any() else None
