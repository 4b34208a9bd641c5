"""Evidence for an incident as a sum of small decision trees over the features of an approach's minute."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.incident_features import Singles

# Rows whose way through all trees is walked at once: what fits into the cache.
_AT_ONCE = 512


class Trees(NamedTuple):
    """``(t, k)`` nodes of ``t`` trees.

    A node with `feature` >= 0 sends a row to `low` when its feature is at most `threshold`, else to `high`. A leaf has
    feature -1 and adds `threshold`.
    """

    feature: npt.NDArray[np.int16]
    threshold: Singles
    low: npt.NDArray[np.int16]
    high: npt.NDArray[np.int16]
    base: float
    depth: int

    def score(self, features: Singles) -> Singles:
        """Return the log odds of an incident, ``(m,)``, for features ``(m, f)``."""
        total: Singles = np.empty(len(features), np.float32)
        first = np.arange(len(self.feature)) * self.feature.shape[1]
        feature, threshold = self.feature.ravel(), self.threshold.ravel()
        low, high = (
            self.low.ravel() + first.repeat(self.low.shape[1]),
            self.high.ravel() + first.repeat(self.low.shape[1]),
        )
        for start in range(0, len(features), _AT_ONCE):
            rows = features[start : start + _AT_ONCE]
            row = np.arange(len(rows))[:, None]
            at = np.broadcast_to(first, (len(rows), len(first)))
            for _ in range(self.depth):
                at = np.where(rows[row, feature[at]] <= threshold[at], low[at], high[at])
            total[start : start + _AT_ONCE] = self.base + threshold[at].sum(axis=1)
        return total


def read_trees(lines: Sequence[str], names: Sequence[str], base: float) -> Trees:
    """Return the trees written in `lines`, one a line, nodes in the order root, low side, high side.

    A node is ``name<=threshold``, a leaf a number.

    Raises
    ------
    BadInput
        A line is no tree, or names a feature that is not among `names`.

    >>> trees = read_trees(["a<=1.5 -1 b<=0 2 3"], ["a", "b"], 0.5)
    >>> trees.score(np.array([[1.0, 0.0], [2.0, 0.0], [2.0, 1.0]], np.float32)).tolist()
    [-0.5, 2.5, 3.5]
    """
    index = {name: i for i, name in enumerate(names)}
    parsed = []
    depth = 0
    for line in lines:
        tokens = line.split()
        nodes: list[tuple[int, float, int, int]] = []
        end, deep = _parse(tokens, 0, index, nodes, line)
        if end != len(tokens):
            raise BadInput(f"There is more than a tree in {line!r}.", "Write one tree a line.")
        parsed.append(nodes)
        depth = max(depth, deep)
    k = max((len(nodes) for nodes in parsed), default=1)
    shape = (len(parsed), k)
    trees = Trees(
        np.zeros(shape, np.int16), np.zeros(shape, np.float32), np.zeros(shape, np.int16), np.zeros(shape, np.int16),
        base, depth,
    )  # fmt: skip
    for t, nodes in enumerate(parsed):
        for i, (feature, threshold, low, high) in enumerate(nodes):
            trees.feature[t, i] = max(feature, 0)
            trees.threshold[t, i] = threshold
            trees.low[t, i], trees.high[t, i] = (i, i) if feature < 0 else (low, high)
    return trees


def _parse(
    tokens: Sequence[str], at: int, index: dict[str, int], nodes: list[tuple[int, float, int, int]], line: str
) -> tuple[int, int]:
    """Append the node that begins at token `at`; return the token after its subtree, and the depth of that."""
    try:
        name, is_split, number = tokens[at].rpartition("<=")
        here = len(nodes)
        nodes.append((-1, float(number), here, here))
        if not is_split:
            return at + 1, 0
        low = len(nodes)
        after, deep_low = _parse(tokens, at + 1, index, nodes, line)
        high = len(nodes)
        after, deep_high = _parse(tokens, after, index, nodes, line)
        nodes[here] = (index[name], float(number), low, high)
        return after, 1 + max(deep_low, deep_high)
    except (IndexError, KeyError, ValueError):
        raise BadInput(f"This is no tree: {line!r}.", "Write it with python -m bench._teach_incidents.") from None
