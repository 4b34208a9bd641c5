"""What the models know of traffic, as routing asks for it: over the next hours, or over a shift for a day's plan."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from city.register import Register
from models.rows import Floats
from models.travel_factors import speed_factors
from routing.congestion import ObservedApproach
from service.snapshot import Snapshot

_HOUR_S = 3600.0
# Rounds that are changed now are driven over the next hours: moments ahead, s. Arrival times that were reckoned with
# what is seen at this moment alone were wrong by twice as much (ADR 59).
NEXT_HOURS_S = tuple(900.0 * quarter for quarter in range(8))
# A jam that is seen now is half gone after this time; what it then is was not measured, only what is usual.
HALF_LIFE_S = 1800.0


def over_a_shift_s(register: Register) -> tuple[float, ...]:
    """Return moments ahead, s, an hour apart, over the longest shift."""
    longest_s = max((one.shift_duration_s for one in register.trucks.values()), default=_HOUR_S)
    return tuple(_HOUR_S * hour for hour in range(max(1, math.ceil(longest_s / _HOUR_S))))


def observed_approaches(
    register: Register,
    snapshot: Snapshot,
    usual_ratio: Callable[[Sequence[float]], Floats] | None = None,
    ahead_s: Sequence[float] = NEXT_HOURS_S,
) -> tuple[ObservedApproach, ...]:
    """Return the approaches of which anything is known, with their speed over the moments `ahead_s`.

    What is seen now fades into what is usual; an approach that nothing is seen of now is as usual. One of which neither
    is known is left out. The speed over several moments is the one that takes as long as they do together.

    Parameters
    ----------
    usual_ratio
        Returns the usual speed of every approach of the snapshot as a share of the free speed at moments (s since
        1970), ``(n, k)``; None = not known.
    ahead_s
        Moments, s from the time of the snapshot.
    """
    known = snapshot.approaches
    times_s = [snapshot.now_s, *(snapshot.now_s + after_s for after_s in ahead_s)]
    usual = np.full((len(known.ids), len(times_s)), np.nan) if usual_ratio is None else usual_ratio(times_s)
    factors = speed_factors(known.speed_ratio, usual, np.asarray(ahead_s), fades_s=HALF_LIFE_S / math.log(2))
    ratio = 1 / (1 / factors).mean(1)
    observed = []
    for i in np.flatnonzero(np.isfinite(known.speed_ratio) | np.isfinite(usual).any(1)):
        approach = register.approaches[known.ids[i]]
        junction = register.junctions[approach.junction]
        # A detector's speed is that of the queue too, so the wait at the stop line must not be counted again.
        observed.append(ObservedApproach(junction.lon, junction.lat, approach.bearing_deg, float(ratio[i])))
    return tuple(observed)
