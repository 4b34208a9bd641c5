"""A plausible street network from a seed: an old centre inside a canal, a ring, radials, and districts with grids.

Everything is laid out in local metres around the centre; only the finished network has degrees. The city is an
ellipse; `r` below is a share of its half axes. Ring and radials are laid first, because they share their crossings
exactly; a district's grid then keeps clear of them and joins them at chosen crossings. Canals cut the grid, and the
few streets that stay across them are its bridges.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from city.errors import BadInput
from routing.network import Network
from simulation.street_names import DISTRICTS, street_name

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

METRES_PER_DEGREE = 111_320.0

_CANAL_R = 0.15
_ARCS = (("Diepenring", 0.175, 30.0), ("Singelring", 0.30, 50.0), ("Ringweg", 0.48, 80.0), ("Buitenring", 0.74, 50.0))
_RADIALS = (
    "Damsterweg", "Bedumerweg", "Winsumerweg", "Friesestraatweg", "Hoogkerkerweg", "Peizerweg", "Hereweg",
    "Europaweg", "Harkstederweg",
)  # fmt: skip
_RADIAL_KPH = 50.0
_LOCAL_KPH = 30.0


@dataclass(frozen=True)
class StreetParameters:
    """Where the city lies and how large it is.

    Parameters
    ----------
    lon, lat
        Centre, degrees.
    half_width_m, half_height_m
        Half axes of the city's ellipse.
    block_m
        Length of a block of an ordinary district.
    """

    lon: float = 6.566
    lat: float = 53.219
    half_width_m: float = 5600.0
    half_height_m: float = 4100.0
    block_m: float = 118.0

    def __post_init__(self) -> None:
        if min(self.half_width_m, self.half_height_m) < 5 * self.block_m:
            raise BadInput(
                f"A city of {self.half_width_m:.0f} by {self.half_height_m:.0f} m has no room for streets.",
                f"Make both half axes at least five blocks of {self.block_m:.0f} m.",
            )


class _Lines(NamedTuple):
    """Straight pieces: ends `(n, 2)` in metres."""

    a: Floats
    b: Floats


@dataclass
class _Draft:
    """The network while it is drawn: nodes in metres, two-way or one-way pieces between them."""

    xy: list[tuple[float, float]] = field(default_factory=list)
    pieces: list[tuple[int, int, float, str, bool]] = field(default_factory=list)
    main: set[int] = field(default_factory=set)

    def node(self, x: float, y: float) -> int:
        self.xy.append((x, y))
        return len(self.xy) - 1

    def lines(self) -> _Lines:
        xy = np.array(self.xy).reshape(-1, 2)
        ends = np.array([piece[:2] for piece in self.pieces], dtype=np.int64).reshape(-1, 2)
        return _Lines(xy[ends[:, 0]], xy[ends[:, 1]])


def generate_network(seed: int, parameters: StreetParameters | None = None) -> Network:
    """Return a strongly connected street network.

    Parameters
    ----------
    seed
        Same seed and parameters, same network.
    parameters
        Place and size; the default is a city of Groningen's shape with about 4,500 nodes.

    Returns
    -------
    Network
        Nodes inside the ellipse; speeds of 30 km/h in districts, 50 on radials, 80 on the ring. Crossings of arcs
        and radials are its `signal_nodes`.
    """
    p = parameters or StreetParameters()
    rng = np.random.default_rng([seed, 1])
    draft = _Draft()
    crossings = _lay_main_roads(draft, p, rng)
    _lay_districts(draft, p, rng)
    return _finish(draft, crossings, p)


def district_at(lon: Floats, lat: Floats, parameters: StreetParameters) -> list[str]:
    """Return the district's name at each position `(n,)`, degrees."""
    x, y = _to_metres(lon, lat, parameters)
    _, nearest = cKDTree([(d.x, d.y) for d in DISTRICTS]).query(
        np.column_stack([x / parameters.half_width_m, y / parameters.half_height_m])
    )
    return [DISTRICTS[i].name for i in nearest]


def _polar(theta: Floats | float, r: Floats | float, p: StreetParameters) -> Floats:
    return np.column_stack(
        [np.atleast_1d(r * p.half_width_m * np.cos(theta)), np.atleast_1d(r * p.half_height_m * np.sin(theta))]
    )


def _lay_main_roads(draft: _Draft, p: StreetParameters, rng: np.random.Generator) -> list[int]:
    n = len(_RADIALS)
    angles = 2 * np.pi * (np.arange(n) + rng.uniform(-0.12, 0.12, n)) / n
    wobble = rng.uniform(0.02, 0.05, (n, len(_ARCS))) * rng.choice([-1, 1], (n, len(_ARCS)))
    crossing = [[draft.node(*_polar(a, r, p)[0]) for a in angles] for _, r, _ in _ARCS]
    step_m = p.block_m * 1.05
    for arc, (name, r, kph) in enumerate(_ARCS):
        for i in range(n):
            j = (i + 1) % n
            to = angles[j] + (2 * np.pi if j == 0 else 0.0)
            steps = max(1, round((to - angles[i]) * r * (p.half_width_m + p.half_height_m) / 2 / step_m))
            t = np.linspace(0.0, 1.0, steps + 1)[1:-1]
            bulge = 1.0 + 0.02 * np.sin(2 * np.pi * t)
            points = _polar(angles[i] + t * (to - angles[i]), r * bulge, p)
            _chain(draft, crossing[arc][i], points, crossing[arc][j], kph, name)
    ends = [r for _, r, _ in _ARCS[1:]] + [1.0]
    for i, name in enumerate(_RADIALS):
        at = crossing[0][i]
        for part, r_to in enumerate(ends):
            r_from = _ARCS[part][1]
            length = (r_to - r_from) * float(np.hypot(*_polar(angles[i], 1.0, p)[0]))
            t = np.linspace(0.0, 1.0, max(1, round(length / step_m)) + 1)[1:]
            points = _polar(angles[i] + wobble[i, part] * np.sin(np.pi * t), r_from + t * (r_to - r_from), p)
            to_node = crossing[part + 1][i] if part + 1 < len(_ARCS) else draft.node(*points[-1])
            _chain(draft, at, points[:-1], to_node, _RADIAL_KPH, name)
            at = to_node
    draft.main.update(range(len(draft.xy)))
    return [node for arc in (2, 1, 3) for node in crossing[arc]]


def _chain(draft: _Draft, start: int, points: Floats, end: int, kph: float, name: str) -> None:
    at = start
    for x, y in points:
        node = draft.node(float(x), float(y))
        draft.pieces.append((at, node, kph, name, False))
        at = node
    draft.pieces.append((at, end, kph, name, False))


def _lay_districts(draft: _Draft, p: StreetParameters, rng: np.random.Generator) -> None:
    half = np.array([p.half_width_m, p.half_height_m])
    centres = np.array([(d.x, d.y) for d in DISTRICTS])
    main = draft.lines()
    canals = _canals(p, rng)
    keep_off = cKDTree(_sampled([main, canals], 12.0))
    parks = np.column_stack([rng.uniform(-0.8, 0.8, (9, 2)), rng.uniform(0.03, 0.07, 9)])
    nodes: list[int] = []
    candidates: list[tuple[int, int, float, str, bool]] = []
    for d, district in enumerate(DISTRICTS):
        block = p.block_m * district.block
        turn = rng.uniform(0, np.pi / 2)
        reach = int(1.2 * max(half) / block / 2)
        rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        jitter = rng.normal(0.0, 0.07 * block, (*rows.shape, 2))
        gx, gy = rows * block + jitter[..., 0], columns * block * 1.15 + jitter[..., 1]
        x = centres[d, 0] * half[0] + gx * np.cos(turn) - gy * np.sin(turn)
        y = centres[d, 1] * half[1] + gx * np.sin(turn) + gy * np.cos(turn)
        share = np.stack([x / half[0], y / half[1]], axis=-1)
        own = np.argmin(((share[..., None, :] - centres) ** 2).sum(-1), axis=-1) == d
        inside = own & (np.hypot(share[..., 0], share[..., 1]) < 0.96)
        # Beyond the built-up heart of a district lie fields.
        inside &= np.hypot(share[..., 0] - centres[d, 0], share[..., 1] - centres[d, 1]) < 0.27
        for px, py, radius in parks:
            inside &= np.hypot(share[..., 0] - px, share[..., 1] - py) > radius
        inside &= keep_off.query(np.stack([x, y], axis=-1))[0] > 0.33 * block
        number = np.full(rows.shape, -1)
        for i, j in zip(*np.nonzero(inside), strict=True):
            number[i, j] = draft.node(float(x[i, j]), float(y[i, j]))
            nodes.append(int(number[i, j]))
        base = int(rng.integers(0, 10_000))
        for i, j in zip(*np.nonzero(inside), strict=True):
            for di, dj, line in ((1, 0, int(j)), (0, 1, 1000 + int(i))):
                if i + di <= 2 * reach and j + dj <= 2 * reach and number[i + di, j + dj] >= 0:
                    ends = (int(number[i, j]), int(number[i + di, j + dj]))
                    one_way = district.one_way and line % 3 == 0
                    if one_way and line % 2:
                        ends = (ends[1], ends[0])
                    candidates.append((*ends, _LOCAL_KPH, street_name(base + line), one_way))
    keep = rng.random(len(candidates)) > 0.07
    candidates = [c for c, kept in zip(candidates, keep, strict=True) if kept]
    candidates += _between_districts(draft, nodes, candidates, p, rng)
    candidates += _onto_main_roads(draft, nodes, main, p, rng)
    draft.pieces += _without_crossings(draft, candidates, main, canals, rng)


def _between_districts(
    draft: _Draft, nodes: list[int], laid: list[tuple[int, int, float, str, bool]], p: StreetParameters,
    rng: np.random.Generator,
) -> list[tuple[int, int, float, str, bool]]:  # fmt: skip
    """Join streets that end near one another, as at a district's edge."""
    xy = np.array(draft.xy)
    degree = np.bincount(np.array([c[:2] for c in laid]).ravel(), minlength=len(xy))
    ends = np.array([n for n in nodes if degree[n] <= 2])
    pairs = cKDTree(xy[ends]).query_pairs(1.15 * p.block_m, output_type="ndarray")
    known = {frozenset(c[:2]) for c in laid}
    joined: list[tuple[int, int, float, str, bool]] = []
    used: dict[int, int] = {}
    for a, b in ends[pairs]:
        if used.get(a, 0) < 1 and used.get(b, 0) < 1 and frozenset((int(a), int(b))) not in known:
            used[a] = used[b] = 1
            joined.append((int(a), int(b), _LOCAL_KPH, street_name(int(rng.integers(0, 10_000))), False))
    return joined


def _onto_main_roads(
    draft: _Draft, nodes: list[int], main: _Lines, p: StreetParameters, rng: np.random.Generator
) -> list[tuple[int, int, float, str, bool]]:
    """Join main roads to the nearest street on either side of them."""
    xy = np.array(draft.xy)
    tree = cKDTree(xy[nodes])
    along: dict[int, Floats] = {}
    for a, b, *_ in draft.pieces:
        along[a] = along[b] = xy[b] - xy[a]
    joins: list[tuple[int, int, float, str, bool]] = []
    for node in sorted(draft.main):
        if rng.random() > 0.75:
            continue
        near = np.array(tree.query_ball_point(xy[node], 1.5 * p.block_m), dtype=np.int64)
        if not near.size:
            continue
        offset = xy[np.array(nodes)[near]] - xy[node]
        side = np.sign(along[node][0] * offset[:, 1] - along[node][1] * offset[:, 0])
        for one in (-1.0, 1.0):
            here = near[side == one]
            if here.size:
                nearest = here[np.argmin(((xy[np.array(nodes)[here]] - xy[node]) ** 2).sum(1))]
                name = street_name(int(rng.integers(0, 10_000)))
                joins.append((node, int(np.array(nodes)[nearest]), _LOCAL_KPH, name, False))
    return joins


def _without_crossings(
    draft: _Draft, candidates: list[tuple[int, int, float, str, bool]], main: _Lines, canals: _Lines,
    rng: np.random.Generator,
) -> list[tuple[int, int, float, str, bool]]:  # fmt: skip
    xy = np.array(draft.xy)
    ends = np.array([c[:2] for c in candidates])
    pieces = _Lines(xy[ends[:, 0]], xy[ends[:, 1]])
    over_main = _crosses(pieces, main)
    over_canal = _crosses(pieces, canals)
    # The old centre has a bridge for every gate; a canal through a district is crossed seldom.
    near_centre = np.hypot(*(xy[ends[:, 0]] / 1000.0).T) < 1.2 * _CANAL_R * np.hypot(*np.ptp(xy, axis=0)) / 2000.0
    bridge = rng.random(len(candidates)) < np.where(near_centre, 0.5, 0.12)
    keep = ~over_main & (~over_canal | bridge)
    return [c for c, kept in zip(candidates, keep, strict=True) if kept]


def _crosses(one: _Lines, other: _Lines) -> npt.NDArray[np.bool_]:
    """Whether each piece of `one` truly crosses any piece of `other`; touching at an end is no crossing."""

    def side(a: Floats, b: Floats, q: Floats) -> Floats:
        return (b[..., 0] - a[..., 0]) * (q[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (q[..., 0] - a[..., 0])

    crosses = np.zeros(len(one.a), dtype=bool)
    for start in range(0, len(one.a), 512):
        a, b = one.a[start : start + 512, None], one.b[start : start + 512, None]
        c, d = other.a[None], other.b[None]
        eps = 1e-3
        hit = (side(a, b, c) * side(a, b, d) < -eps) & (side(c, d, a) * side(c, d, b) < -eps)
        crosses[start : start + 512] = hit.any(axis=1)
    return crosses


def _canals(p: StreetParameters, rng: np.random.Generator) -> _Lines:
    """Return a ring of water around the centre and three canals from it to the edge, between the radials."""
    n = len(_RADIALS)
    around = _polar(np.linspace(0, 2 * np.pi, 61), _CANAL_R, p)
    starts, ends = [around[:-1]], [around[1:]]
    for sector in (0, 3, 6):
        theta = 2 * np.pi * (sector + 0.5) / n
        r = np.linspace(_CANAL_R, 1.0, 40)
        course = _polar(theta + 0.06 * np.sin(6 * r + rng.uniform(0, 6)), r, p)
        starts.append(course[:-1])
        ends.append(course[1:])
    return _Lines(np.concatenate(starts), np.concatenate(ends))


def _sampled(groups: list[_Lines], step_m: float) -> Floats:
    points = []
    for lines in groups:
        longest = float(np.hypot(*(lines.b - lines.a).T).max())
        for t in np.linspace(0.0, 1.0, int(longest / step_m) + 2):
            points.append(lines.a + t * (lines.b - lines.a))
    return np.concatenate(points)


def _finish(draft: _Draft, crossings: list[int], p: StreetParameters) -> Network:
    xy = np.array(draft.xy)
    two_way = [c for c in draft.pieces if not c[4]]
    pieces = [*draft.pieces, *((b, a, kph, name, False) for a, b, kph, name, _ in two_way)]
    start = np.array([c[0] for c in pieces], dtype=np.int64)
    end = np.array([c[1] for c in pieces], dtype=np.int64)
    graph = coo_matrix((np.ones(len(pieces)), (start, end)), shape=(len(xy), len(xy)))
    _, part = connected_components(graph, directed=True, connection="strong")
    kept = part == np.bincount(part).argmax()
    renumber = np.cumsum(kept) - 1
    edges = np.flatnonzero(kept[start] & kept[end])
    length = np.hypot(*(xy[end[edges]] - xy[start[edges]]).T)
    return Network(
        node_lon=p.lon + xy[kept, 0] / (METRES_PER_DEGREE * np.cos(np.radians(p.lat))),
        node_lat=p.lat + xy[kept, 1] / METRES_PER_DEGREE,
        edge_from=renumber[start[edges]],
        edge_to=renumber[end[edges]],
        edge_length_m=np.maximum(length, 1.0),
        edge_speed_kph=np.array([pieces[e][2] for e in edges]),
        edge_name=np.array([pieces[e][3] for e in edges], dtype=np.str_),
        signal_nodes=renumber[[c for c in crossings if kept[c]]],
    )


def _to_metres(lon: Floats, lat: Floats, p: StreetParameters) -> tuple[Floats, Floats]:
    return (
        (lon - p.lon) * METRES_PER_DEGREE * np.cos(np.radians(p.lat)),
        (lat - p.lat) * METRES_PER_DEGREE,
    )
