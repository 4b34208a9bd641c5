"""Turn restrictions of OpenStreetMap as sequences of edges that may not be driven one after the other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

# A restriction via ways that are cut into more edges than this is left out: it is a mistake in the map.
_LONGEST = 12
_NOT_FOR_TRUCKS = frozenset({"hgv", "motor_vehicle"})


class Restriction(NamedTuple):
    """A relation: from these ways, via a node or ways, onto those; `only` = nowhere else."""

    only: bool
    from_ways: tuple[int, ...]
    via_nodes: tuple[int, ...]
    via_ways: tuple[int, ...]
    to_ways: tuple[int, ...]


class CutEdges(NamedTuple):
    """`(n_edges,)` each: the OSM id of the way that an edge is cut from, and of its first and last node."""

    way: Sequence[int]
    first: Sequence[int]
    last: Sequence[int]


def restriction_of(tags: Mapping[str, str], members: Iterable[tuple[str, int, str]]) -> Restriction | None:
    """Return what a relation forbids a truck, None if nothing.

    Parameters
    ----------
    tags
        Of the relation.
    members
        (type, id, role) of each; type is n for a node, w for a way.

    References
    ----------
    https://wiki.openstreetmap.org/wiki/Relation:restriction
    """
    kind = tags.get("restriction:hgv") or tags.get("restriction") or ""
    if not kind.startswith(("no_", "only_")):
        return None
    if not tags.get("restriction:hgv") and _NOT_FOR_TRUCKS & set(
        (tags.get("except") or "").replace(" ", "").split(";")
    ):
        return None
    by_role: dict[tuple[str, str], list[int]] = defaultdict(list)
    for type_, id_, role in members:
        by_role[role, type_].append(id_)
    found = Restriction(
        kind.startswith("only_"),
        tuple(by_role["from", "w"]),
        tuple(by_role["via", "n"]),
        tuple(by_role["via", "w"]),
        tuple(by_role["to", "w"]),
    )
    is_whole = found.from_ways and found.to_ways and (found.via_nodes or found.via_ways)
    return found if is_whole else None


def forbidden_sequences(edges: CutEdges, restrictions: Iterable[Restriction]) -> list[tuple[int, ...]]:
    """Return the sequences of edges that restrictions forbid; what the extract does not hold whole is left out."""
    of_way: dict[int, list[int]] = defaultdict(list)
    leaving: dict[int, list[int]] = defaultdict(list)
    for edge, (way, first) in enumerate(zip(edges.way, edges.first, strict=True)):
        of_way[way].append(edge)
        leaving[first].append(edge)
    found: set[tuple[int, ...]] = set()
    for one in restrictions:
        to_edges = {edge for way in one.to_ways for edge in of_way[way]}
        for start in (edge for way in one.from_ways for edge in of_way[way]):
            for chain in _chains(edges, one, start, of_way, leaving):
                onward = leaving[edges.last[chain[-1]]]
                meant = [edge for edge in onward if edge in to_edges]
                if not meant:
                    continue
                banned = [edge for edge in onward if edge not in to_edges] if one.only else meant
                found.update((*chain, edge) for edge in banned)
    return sorted(found)


def barred_at(edges: CutEdges, nodes: Iterable[int]) -> list[tuple[int, ...]]:
    """Return the sequences of two edges that would pass a node that cannot be passed; turning round stays possible."""
    blocked = set(nodes)
    leaving: dict[int, list[int]] = defaultdict(list)
    for edge, first in enumerate(edges.first):
        if first in blocked:
            leaving[first].append(edge)
    return [
        (edge, onward)
        for edge, last in enumerate(edges.last)
        if last in blocked
        for onward in leaving[last]
        if (edges.way[onward], edges.last[onward]) != (edges.way[edge], edges.first[edge])
    ]


def _chains(
    edges: CutEdges, one: Restriction, start: int, of_way: Mapping[int, list[int]], leaving: Mapping[int, list[int]]
) -> list[tuple[int, ...]]:
    """Return the edges that are driven from `start` to where the restriction bites."""
    if one.via_nodes:
        return [(start,)] if edges.last[start] in one.via_nodes else []
    via = {edge for way in one.via_ways for edge in of_way[way]}
    if not any(edge in via for edge in leaving[edges.last[start]]):
        return []
    finished: list[tuple[int, ...]] = []
    waiting: list[tuple[int, ...]] = [(start,)]
    while waiting:
        chain = waiting.pop()
        if len(chain) > 1:
            finished.append(chain)
        seen = {edges.first[edge] for edge in chain}
        if len(chain) <= _LONGEST:
            waiting += [
                (*chain, edge)
                for edge in leaving[edges.last[chain[-1]]]
                if edge in via and edges.last[edge] not in seen
            ]
    return finished
