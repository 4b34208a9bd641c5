"""Movements at junctions: from which directed edge to which, what kind of turn each is, and what it costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from city.errors import BadInput
from routing.geometry import Bools, Floats, Ints

_STRAIGHT_DEG = 30.0
_FULL_TURN_DEG = 90.0
_FASTER_KPH = 8.0


@dataclass(frozen=True)
class TurnCosts:
    """Seconds that a truck loses where one edge goes over into the next, on top of driving both.

    They are typical values, not measured ones: a city that knows its own delays gives those.

    Parameters
    ----------
    right_s, left_s
        A turn of 90 degrees or more at a junction (three roads or more); half of it at 60 degrees, nothing up to 30. A
        left turn crosses what comes the other way.
    give_way_s
        Entering or crossing into a faster road without traffic lights.
    signal_s
        Passing traffic lights, whatever the direction: half a cycle's red, seen over many passages.
    u_turn_s
        Turning round at a junction or in the street.
    dead_end_s
        Turning round where the street ends.

    Raises
    ------
    BadInput
        One of them is negative or no number.

    References
    ----------
    The order of size is that of OSRM's car profile (turn_penalty 7.5 s, traffic_light_penalty 2 s, u_turn_penalty
    20 s), larger where a truck of ten metres is slower.
    """

    right_s: float = 2.0
    left_s: float = 6.0
    give_way_s: float = 3.0
    signal_s: float = 8.0
    u_turn_s: float = 60.0
    dead_end_s: float = 20.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{one.name} is {value}.", "Give the seconds that such a turn costs, 0 or more.")

    def seconds(self, movements: "Movements") -> Floats:
        """Return `(n_movements,)` float64, seconds that each movement costs."""
        size = np.clip((np.abs(movements.angle_deg) - _STRAIGHT_DEG) / (_FULL_TURN_DEG - _STRAIGHT_DEG), 0.0, 1.0)
        cost = size * np.where(movements.angle_deg < 0, self.left_s, self.right_s)
        cost += np.where(movements.into_faster, self.give_way_s, 0.0)
        cost = np.where(movements.at_junction & ~movements.is_u_turn, cost, 0.0)
        cost += np.where(movements.is_u_turn, np.where(movements.at_dead_end, self.dead_end_s, self.u_turn_s), 0.0)
        result: Floats = cost + np.where(movements.at_signal, self.signal_s, 0.0)
        return result


@dataclass(frozen=True, eq=False)
class Movements:
    """What may follow what. A state is an edge that is being driven.

    The first `n_edges` states are the edges themselves. Others are copies of an edge for who came to it along the
    beginning of a forbidden sequence, and therefore has fewer ways on.

    Parameters
    ----------
    state_edge
        `(n_states,)` int64, the edge of each state.
    from_state, to_state
        `(n_movements,)` int64.
    angle_deg
        `(n_movements,)` float64, -180..180, how far the heading turns, above 0 = to the right.
    is_u_turn, at_dead_end, at_junction, at_signal, into_faster
        `(n_movements,)` bool: back along the same street; where that street ends; where three roads or more meet; at
        traffic lights; from a slower road into a faster one where there are no lights.
    """

    state_edge: Ints
    from_state: Ints
    to_state: Ints
    angle_deg: Floats
    is_u_turn: Bools
    at_dead_end: Bools
    at_junction: Bools
    at_signal: Bools
    into_faster: Bools

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.state_edge)


@dataclass(frozen=True, eq=False)
class Streets:
    """What movements are made from: `(n_edges,)` each, and the nodes with traffic lights."""

    n_nodes: int
    edge_from: Ints
    edge_to: Ints
    length_m: Floats
    speed_kph: Floats
    start_bearing_deg: Floats
    end_bearing_deg: Floats
    signal_nodes: Ints


def find_movements(streets: Streets, forbidden: Sequence[tuple[int, ...]]) -> Movements:
    """Return the movements that are allowed.

    Parameters
    ----------
    streets
        The edges.
    forbidden
        Sequences of two or more edges that may not be driven one after the other.
    """
    n_edges = len(streets.edge_from)
    order = np.argsort(streets.edge_from, kind="stable")
    start = np.searchsorted(streets.edge_from[order], np.arange(streets.n_nodes + 1))
    ways_on = np.diff(start)[streets.edge_to]
    from_edge = np.repeat(np.arange(n_edges, dtype=np.int64), ways_on)
    nth = np.arange(len(from_edge)) - np.repeat(np.cumsum(ways_on) - ways_on, ways_on)
    to_edge = order[start[streets.edge_to][from_edge] + nth]

    state_edge, from_state, to_state = _with_memory(n_edges, from_edge, to_edge, forbidden)
    a, b = state_edge[from_state], state_edge[to_state]
    via = streets.edge_to[a]
    pairs = np.unique(
        np.stack([np.r_[streets.edge_from, streets.edge_to], np.r_[streets.edge_to, streets.edge_from]]), axis=1
    )
    roads = np.bincount(pairs[0][pairs[0] != pairs[1]], minlength=streets.n_nodes)
    is_u_turn = (streets.edge_to[b] == streets.edge_from[a]) & (
        np.abs(streets.length_m[a] - streets.length_m[b]) < 0.01
    )
    at_signal = np.zeros(streets.n_nodes, dtype=bool)
    at_signal[streets.signal_nodes] = True
    return Movements(
        state_edge,
        from_state,
        to_state,
        (streets.start_bearing_deg[b] - streets.end_bearing_deg[a] + 180.0) % 360.0 - 180.0,
        is_u_turn,
        roads[via] <= 1,
        roads[via] >= 3,
        at_signal[via],
        (streets.speed_kph[b] > streets.speed_kph[a] + _FASTER_KPH) & ~at_signal[via],
    )


def _with_memory(
    n_edges: int, from_edge: Ints, to_edge: Ints, forbidden: Sequence[tuple[int, ...]]
) -> tuple[Ints, Ints, Ints]:
    """Return states and movements in which no forbidden sequence can be driven.

    References
    ----------
    The states are those of the automaton of Aho and Corasick (1975), Efficient string matching. CACM 18(6), over edges.
    """
    never = {tuple(map(int, one)) for one in forbidden}
    begun = sorted({one[:k] for one in never for k in range(2, len(one))})
    state_of = {one: n_edges + i for i, one in enumerate(begun)}
    state_edge = np.r_[np.arange(n_edges, dtype=np.int64), np.array([one[-1] for one in begun], dtype=np.int64)]
    if not never:
        return state_edge, from_edge, to_edge

    def next_state(driven: tuple[int, ...]) -> int | None:
        ends = [driven[k:] for k in range(len(driven))]
        if any(end in never for end in ends):
            return None
        return next((state_of[end] for end in ends if end in state_of), driven[-1])

    special = np.isin(from_edge, [one[0] for one in never if len(one) == 2] + [one[0] for one in begun])
    tails, heads = [from_edge[~special]], [to_edge[~special]]
    ways_on: dict[int, list[int]] = {}
    for a, b in zip(from_edge.tolist(), to_edge.tolist(), strict=True):
        ways_on.setdefault(a, []).append(b)
    found: list[tuple[int, int]] = []
    for driven in [(int(edge),) for edge in np.unique(from_edge[special])] + begun:
        for edge in ways_on.get(driven[-1], []):
            target = next_state((*driven, edge))
            if target is not None:
                found.append((state_of.get(driven, driven[0]), target))
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return state_edge, np.concatenate([*tails, pairs[:, 0]]), np.concatenate([*heads, pairs[:, 1]])
