"""Travel-time matrices over a real city: edge by edge with live congestion, beside a plain node-based search.

CPU seconds of one core. The same streets, the same congestion and the same points for all; every figure of ours
includes working new congestion into the search, which is what a refreshed matrix costs.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from bench._judge import shared
from routing.geometry import Floats, Ints
from routing.kerb import points_on
from routing.network import Network
from routing.osm import read_osm
from routing.travel import TravelTimes

_SIZES = (500, 2000)
_REPEATS = 3
_ASKED_CPU_S = 0.6


def run(quick: bool) -> dict[str, Any]:
    """Return the figures; `quick` leaves out the large matrix and the repetitions."""
    began_s = time.process_time()
    network = read_osm(shared("data", "osm", "heidelberg.test.osm.pbf"))
    read_s = time.process_time() - began_s
    rng = np.random.default_rng(20260101)
    factor = _congestion(network, rng)
    graph_s, _ = _cpu_s(lambda: network.graph.hierarchy, 1)
    figures: dict[str, Any] = {
        "network": {
            "nodes": network.n_nodes,
            "edges": network.n_edges,
            "movements": len(network.graph.movements.from_state),
            "read_cpu_s": round(read_s, 3),
            "prepare_once_cpu_s": round(graph_s, 3),
        },
        "asked_cpu_s_at_500": _ASKED_CPU_S,
        "sizes": [_one(network, n, factor, rng, 1 if quick else _REPEATS) for n in (_SIZES[:1] if quick else _SIZES)],
    }
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    net = figures["network"]
    lines = [
        f"Heidelberg: {net['nodes']} nodes, {net['edges']} directed edges, {net['movements']} movements; reading the "
        f"extract {net['read_cpu_s']} s, preparing the search once {net['prepare_once_cpu_s']} s.",
        "",
        "| points | edge-based, live congestion (CPU s) | scipy, node-based | scipy, edge-based | ours / node-based |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {one['points']} x {one['points']} | {one['ours_cpu_s']} | {one['node_based_cpu_s']} "
        f"| {one['edge_based_cpu_s']} | {one['ours_over_node_based']} |"
        for one in figures["sizes"]
    ]
    exact = all(one["largest_difference_s"] == 0.0 for one in figures["sizes"])
    lines += ["", f"Asked at 500 x 500: at most {figures['asked_cpu_s_at_500']} CPU s. Same durations as scipy's "
              f"edge-based search: {'yes, to the millisecond' if exact else 'no'}."]  # fmt: skip
    return "\n".join(lines)


def _congestion(network: Network, rng: np.random.Generator) -> Floats:
    """Return factors as live detectors give them: a fifth of the streets slower, a few at a crawl."""
    factor = np.ones(network.n_edges)
    slow = rng.random(network.n_edges) < 0.2
    factor[slow] = 1.0 + rng.gamma(2.0, 0.6, int(slow.sum()))
    return np.minimum(factor, 10.0)


def _one(network: Network, n: int, factor: Floats, rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    edges = rng.choice(np.flatnonzero(network.core_edges), n, replace=False)
    points = points_on(network, edges, np.ones(n))
    # New travel times each time: what was worked out for the congestion before is of no use.
    ours_s, matrix = _cpu_s(lambda: TravelTimes(network, factor).matrix(points), repeats)
    node_s, _ = _cpu_s(lambda: _node_based(network, factor, network.edge_to[edges]), repeats)
    edge_s, durations_s = _cpu_s(lambda: _edge_based(network, factor, edges), 1)
    return {
        "points": n,
        "ours_cpu_s": round(ours_s, 3),
        "node_based_cpu_s": round(node_s, 3),
        "edge_based_cpu_s": round(edge_s, 3),
        "ours_over_node_based": round(ours_s / node_s, 2),
        "largest_difference_s": round(float(np.abs(matrix.duration_s - durations_s).max()), 6),
    }


def _cpu_s(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    best, answer = np.inf, None
    for _ in range(repeats):
        began_s = time.process_time()
        answer = work()
        best = min(best, time.process_time() - began_s)
    return best, answer


def _node_based(network: Network, factor: Floats, nodes: Ints) -> Floats:
    """Return durations `(n, n)` in which turns cost nothing and nothing is forbidden: less than what is asked of us."""
    duration_s = network.edge_length_m / (network.edge_speed_kph / 3.6) * factor
    order = np.lexsort((duration_s, network.edge_to, network.edge_from))
    pairs = np.stack([network.edge_from[order], network.edge_to[order]])
    fastest = order[np.r_[True, (np.diff(pairs) != 0).any(axis=0)]]
    ends = (network.edge_from[fastest], network.edge_to[fastest])
    graph = csr_matrix((duration_s[fastest], ends), shape=(network.n_nodes,) * 2)
    result: Floats = dijkstra(graph, indices=nodes)[:, nodes]
    return result


def _edge_based(network: Network, factor: Floats, edges: Ints) -> Floats:
    travel = TravelTimes(network, factor)
    moves = network.graph.movements
    turn_ms = np.round(travel.rules.turns.seconds(moves) * 1000.0)
    edge_ms = np.maximum(1.0, np.round(travel.edge_duration_s * 1000.0))
    weight = edge_ms[moves.state_edge[moves.to_state]] + turn_ms
    graph = csr_matrix((weight, (moves.from_state, moves.to_state)), shape=(moves.n_states,) * 2)
    reached = dijkstra(graph, indices=edges)
    # An edge may be reached in several states, one for each forbidden sequence that is begun there.
    best = np.full((len(edges), network.n_edges), np.inf)
    np.minimum.at(best.T, moves.state_edge, reached.T)
    result: Floats = best[:, edges] / 1000.0
    return result
