"""From the distance that a sensor measures to the fill of a container, through the container's own shape."""

from collections.abc import Sequence
from itertools import pairwise

from city.errors import BadInput

DepthTable = Sequence[tuple[float, float]]

# Farther than the bottom by more than this is no distance to waste: the sensor moved, or looks past the shaft.
_TOLERANCE = 0.05
_MAX_FILL_RATIO = 1.5


def check_depth_table(table: DepthTable) -> None:
    """Check that distances fall and fill ratios rise from point to point.

    Raises
    ------
    BadInput
        They do not, or there is only one point.
    """
    if len(table) < 2:
        raise BadInput(f"A depth table of {len(table)} points describes no shape.", "Give at least two points.")
    for (upper_mm, upper_fill), (lower_mm, lower_fill) in pairwise(table):
        if not (upper_mm > lower_mm and upper_fill < lower_fill):
            raise BadInput(
                f"After ({upper_mm}, {upper_fill}) the depth table goes to ({lower_mm}, {lower_fill}).",
                "Distances must fall and fill ratios must rise.",
            )


def fill_from_distance(distance_mm: float, depth_mm: float, table: DepthTable = ()) -> float | None:
    """Return the fill ratio of the usable volume at a distance from sensor to waste.

    Parameters
    ----------
    distance_mm
        From the sensor to the surface of the waste.
    depth_mm
        From the sensor to the bottom; used where `table` is empty: a straight shaft.
    table
        Points (distance, mm, falling; fill ratio, rising), between which the fill is linear.

    Returns
    -------
    float or None
        0 when the bottom is seen; over 1 when waste stands above the usable volume; None when the distance cannot be
        one to waste (negative, or beyond the bottom by more than 5 %).

    >>> fill_from_distance(1250.0, 2500.0)
    0.5
    >>> fill_from_distance(2550.0, 2500.0)
    0.0
    >>> fill_from_distance(9000.0, 2500.0) is None
    True
    """
    points = tuple(table) or ((depth_mm, 0.0), (0.0, 1.0))
    bottom_mm = points[0][0]
    if not 0.0 <= distance_mm <= bottom_mm * (1.0 + _TOLERANCE):
        return None
    if distance_mm >= bottom_mm:
        return points[0][1]
    upper, lower = points[-2:]
    for one, other in pairwise(points):
        if distance_mm >= other[0]:
            upper, lower = one, other
            break
    share = (upper[0] - distance_mm) / (upper[0] - lower[0])
    return min(_MAX_FILL_RATIO, upper[1] + share * (lower[1] - upper[1]))


def distance_from_fill(fill_ratio: float, depth_mm: float, table: DepthTable = ()) -> float:
    """Return the distance (mm) at which a sensor sees a fill: the inverse of `fill_from_distance`, never negative.

    >>> distance_from_fill(0.5, 2500.0)
    1250.0
    """
    points = tuple(table) or ((depth_mm, 0.0), (0.0, 1.0))
    if fill_ratio <= points[0][1]:
        return points[0][0]
    upper, lower = points[-2:]
    for one, other in pairwise(points):
        if fill_ratio <= other[1]:
            upper, lower = one, other
            break
    share = (fill_ratio - upper[1]) / (lower[1] - upper[1])
    return max(0.0, upper[0] - share * (upper[0] - lower[0]))
