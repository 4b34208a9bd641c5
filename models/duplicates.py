"""Findings of several sources about the same waste: which of them are one incident."""

from collections.abc import Mapping, Sequence
from math import cos, radians

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from city.errors import BadInput
from city.findings import Finding

_M_PER_DEGREE = 111_320.0


def same_incident(
    findings: Sequence[Finding],
    positions: Mapping[str, tuple[float, float]],
    *,
    within_m: float = 50.0,
    within_h: float = 6.0,
) -> list[tuple[int, ...]]:
    """Return groups of places in `findings` that tell of the same incident, each in the order of time.

    Two findings of one kind belong together when they are about one entity, or about entities within `within_m`, and
    one begins before the other was over for `within_h`; what belongs to the same third one belongs together.

    Parameters
    ----------
    findings
        Each once, with `cleared_at_s` where it is over.
    positions
        (lon, lat) of entities; one without position is only like itself.

    Returns
    -------
    Every finding in one group; groups in the order of their first finding.

    Raises
    ------
    BadInput
        A distance or time is negative.
    """
    if within_m < 0 or within_h < 0:
        raise BadInput(
            f"Incidents within {within_m} m and {within_h} h cannot be looked for.", "Give numbers from 0 up."
        )
    if not findings:
        return []
    entities = list(dict.fromkeys(one.entity for one in findings))
    near = _neighbours(entities, positions, within_m)
    of_entity: dict[str, list[int]] = {}
    begins = np.array([one.raised_at_s for one in findings])
    ends = np.array([np.inf if one.cleared_at_s is None else one.cleared_at_s for one in findings]) + within_h * 3600
    for i in np.argsort(begins, kind="stable"):
        of_entity.setdefault(findings[i].entity, []).append(int(i))
    pairs = [
        (i, j)
        for entity, mine in of_entity.items()
        for other in near[entity]
        for i in mine
        for j in of_entity.get(other, ())
        if findings[i].kind == findings[j].kind and begins[i] <= begins[j] <= ends[i]
    ]
    n = len(findings)
    graph = coo_matrix((np.ones(len(pairs)), tuple(zip(*pairs, strict=True))), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for i in np.lexsort((np.arange(n), begins)):
        groups.setdefault(int(label[i]), []).append(int(i))
    return [tuple(group) for group in groups.values()]


def _neighbours(
    entities: Sequence[str], positions: Mapping[str, tuple[float, float]], within_m: float
) -> dict[str, list[str]]:
    near = {one: [one] for one in entities}
    known = [one for one in entities if one in positions]
    if len(known) < 2:
        return near
    lon_lat = np.array([positions[one] for one in known], np.float64)
    at_m = lon_lat * _M_PER_DEGREE * np.array([cos(radians(float(lon_lat[:, 1].mean()))), 1.0])
    for i, j in cKDTree(at_m).query_pairs(within_m):
        near[known[i]].append(known[j])
        near[known[j]].append(known[i])
    return near
