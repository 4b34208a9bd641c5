"""Streets that a truck may enter only at certain hours: an inner city until 11:00."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from city.errors import BadInput
from routing.geometry import Bools, Floats
from routing.kerb import taken_apart
from routing.network import Network


def closed_at(network: Network, hour: float) -> Bools:
    """Return `(n_edges,)` bool: streets that a truck may not enter at this hour of the local day (0..24).

    Raises
    ------
    BadInput
        The hour is not within 0..24.
    """
    if not 0.0 <= hour <= 24.0:
        raise BadInput(f"{hour} is no hour of a day.", "Give hours from 0 to 24, local time.")
    opens, closes = network.edge_opens_hour, network.edge_closes_hour
    by_day = (opens <= hour) & (hour < closes)
    over_midnight = (hour >= opens) | (hour < closes)
    is_open: Bools = np.where(opens < closes, by_day, over_midnight) | ((opens == 0.0) & (closes == 24.0))
    return ~is_open


def hours_at(network: Network, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Return from and until which hour of the local day `(n,)` a truck gets to the streets at which places lie.

    0 and 24 = always. A place at a junction is reached by the street into it that is open longest.
    """
    if ((network.edge_opens_hour == 0.0) & (network.edge_closes_hour == 24.0)).all():
        n = len(np.atleast_1d(np.asarray(lon, dtype=float)))
        return np.zeros(n), np.full(n, 24.0)
    points, _ = network.kerbs.snap(lon, lat)
    at = taken_apart(network, points)
    opens, closes = np.zeros(len(points)), np.full(len(points), 24.0)
    for k in np.flatnonzero(at.node >= 0):
        into = np.flatnonzero(network.edge_to == at.node[k])
        if len(into):
            best = into[np.argmax(_open_hours(network.edge_opens_hour[into], network.edge_closes_hour[into]))]
            opens[k], closes[k] = network.edge_opens_hour[best], network.edge_closes_hour[best]
    on_edge = at.edge >= 0
    edges = at.edge[on_edge]
    opens[on_edge], closes[on_edge] = network.edge_opens_hour[edges], network.edge_closes_hour[edges]
    return opens, closes


def closed_hours(opens_hour: float, closes_hour: float) -> tuple[tuple[float, float], ...]:
    """Return the (from, until) of a day, hours, in which a street that is open between two hours is closed.

    >>> closed_hours(6.0, 11.0), closed_hours(9.0, 8.0), closed_hours(0.0, 24.0)
    (((0.0, 6.0), (11.0, 24.0)), ((8.0, 9.0),), ())
    """
    if opens_hour == closes_hour:
        return ()
    if opens_hour > closes_hour:
        return ((closes_hour, opens_hour),)
    return tuple(one for one in ((0.0, opens_hour), (closes_hour, 24.0)) if one[0] < one[1])


def with_zone(network: Network, lon: ArrayLike, lat: ArrayLike, opens_hour: float, closes_hour: float) -> Network:
    """Return the network in which streets within an area may be entered between these hours only.

    Parameters
    ----------
    lon, lat
        `(n,)` float64, degrees: corners of the area, in order; the last is joined to the first.
    opens_hour, closes_hour
        Hours of the local day, 0..24. They take the place of what the streets had.

    Raises
    ------
    BadInput
        The area has fewer than three corners, an hour is none, or it opens and closes at the same hour.
    """
    corners = np.stack([np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)], axis=-1)
    if corners.ndim != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise BadInput("A zone is no area.", "Give three or more corners in degrees, in order.")
    if opens_hour == closes_hour:
        raise BadInput(
            f"A zone opens and closes at {opens_hour}.",
            "Give two hours that differ; leave the zone out if always open.",
        )
    middle = np.stack(
        [
            (network.node_lon[network.edge_from] + network.node_lon[network.edge_to]) / 2,
            (network.node_lat[network.edge_from] + network.node_lat[network.edge_to]) / 2,
        ],
        axis=-1,
    )
    inside = _within(middle, corners)
    return replace(
        network,
        edge_opens_hour=np.where(inside, opens_hour, network.edge_opens_hour),
        edge_closes_hour=np.where(inside, closes_hour, network.edge_closes_hour),
    )


def _open_hours(opens: Floats, closes: Floats) -> Floats:
    hours: Floats = np.where(opens == closes, 24.0, (closes - opens) % 24.0)
    return np.where(hours == 0.0, 24.0, hours)


def _within(points: Floats, corners: Floats) -> Bools:
    """Return whether each point lies in the area: a ray from it crosses its border an odd number of times."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside
