"""When a truck had better not stand at a cluster: the hours in which the junction beside it has no room to spare."""

from collections import defaultdict

import numpy as np

from city.errors import BadInput
from city.register import Register
from models.junction_states import SATURATION_VEH_PER_H_LANE
from models.rows import Floats
from models.travel_factors import BUSY_V_C, HOURS, peaks_to_avoid
from service.service_now import ASSUMED_GREEN_SHARE
from service.usual_traffic import UsualTraffic

Hours = tuple[float, float]
_HOUR_S = 3600.0


def peak_windows(
    register: Register, usual_per_h: Floats, *, within_m: float = 60.0, above: float = BUSY_V_C
) -> dict[str, tuple[Hours, ...]]:
    """Return the hours of the day to keep away from each cluster, as (from, until); clusters without any are left out.

    Parameters
    ----------
    usual_per_h
        ``(n, 24)``, usual vehicles per hour of the register's approaches in their order, by hour of the day; NaN =
        unknown: nothing is to be avoided for it.
    within_m
        A stop this near to a junction stands in its queues.
    above
        Volume to capacity from which an hour is a peak. The share of green is assumed: signals do not tell it.

    Raises
    ------
    BadInput
        The shape does not fit the register.
    """
    approaches = list(register.approaches.values())
    if usual_per_h.shape != (len(approaches), HOURS):
        raise BadInput(f"usual_per_h has shape {usual_per_h.shape}.", f"Give ({len(approaches)}, {HOURS}).")
    if not approaches or not register.clusters:
        return {}
    junctions = [register.junctions[one.junction] for one in approaches]
    lanes = np.array([one.lanes for one in approaches], np.float64)
    peaks = peaks_to_avoid(
        list(register.clusters),
        [(one.lon, one.lat) for one in register.clusters.values()],
        [one.id for one in approaches],
        [(one.lon, one.lat) for one in junctions],
        usual_per_h / (SATURATION_VEH_PER_H_LANE * ASSUMED_GREEN_SHARE * lanes)[:, None],
        within_m=within_m,
        above=above,
    )
    busy: dict[str, list[Hours]] = defaultdict(list)
    for one in peaks:
        busy[one.place].append((float(one.first_hour), float(one.end_hour)))
    return {place: _joined(hours) for place, hours in busy.items()}


def usual_by_hour(traffic: UsualTraffic, day_s: float) -> Floats:
    """Return usual vehicles per hour of every approach in the 24 hours from `day_s` on, ``(n, 24)``; NaN = unknown.

    Parameters
    ----------
    day_s
        From when the hours of the local day count, s since 1970; see `hours_from_s`.
    """
    return traffic.usual_per_h([day_s + (hour + 0.5) * _HOUR_S for hour in range(HOURS)])


def _joined(hours: list[Hours]) -> tuple[Hours, ...]:
    joined: list[Hours] = []
    for begin, end in sorted(hours):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return tuple(joined)
