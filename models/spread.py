"""How far trouble on one approach has spread: back along the approaches that feed it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Where trouble began and where it has come to.

    `cause` is the approach furthest downstream; `reached` are the others, each with how many junctions back it lies.
    """

    cause: str
    reached: tuple[tuple[str, int], ...]


def spread(since_s: Mapping[str, float], feeds: Mapping[str, Sequence[str]]) -> list[Spread]:
    """Return which troubles belong together, the earliest cause first.

    An approach in trouble that feeds another that was in trouble before it (or in the same minute) is where that one
    has spread to: a queue grows against the traffic.

    Parameters
    ----------
    since_s
        Approaches in trouble now, and since when.
    feeds
        Approach to the approaches that its traffic comes to next.
    """
    parent: dict[str, str] = {}
    for approach, at_s in since_s.items():
        before = [one for one in feeds.get(approach, ()) if one in since_s and since_s[one] <= at_s and one != approach]
        if before:
            parent[approach] = min(before, key=lambda one: (since_s[one], one))
    groups: dict[str, list[tuple[str, int]]] = {}
    for approach in since_s:
        cause, steps = _cause(approach, parent)
        groups.setdefault(cause, [])
        if steps:
            groups[cause].append((approach, steps))
    spreads = [
        Spread(cause, tuple(sorted(reached, key=lambda one: (one[1], one[0])))) for cause, reached in groups.items()
    ]
    return sorted(spreads, key=lambda one: (since_s[one.cause], one.cause))


def feeding(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return which approaches each one feeds, from pairs (from, to)."""
    feeds: dict[str, list[str]] = {}
    for start, end in pairs:
        feeds.setdefault(start, []).append(end)
    return feeds


def _cause(approach: str, parent: Mapping[str, str]) -> tuple[str, int]:
    at, seen = approach, [approach]
    while at in parent:
        at = parent[at]
        if at in seen:
            # A ring in which all stand since the same minute: the first by name stands for it.
            first = min(seen[seen.index(at) :])
            return (first, 0) if approach == first else (first, max(1, seen.index(at)))
        seen.append(at)
    return at, len(seen) - 1
