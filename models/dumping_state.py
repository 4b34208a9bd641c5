"""What the dumping model knows between two calls."""

from typing import NamedTuple

import numpy as np

from city.findings import DUMPING_CAUSES
from models.brim import BINS
from models.piles import CLUTTER, MOST_SEEN, PILES
from models.rows import Floats


class DumpingState(NamedTuple):
    """What is known of ``n`` clusters and their ``n + k`` level sensors; times in s since 1970, NaN = never.

    Of each cluster, ``(n,)``:
    `belief`, ``(n, PILES, CLUTTER)`` as of `believed_at_s`, is the probability of each pile (see `models.piles`) with
    each kind of clutter; it is exactly "nothing" while a site rests. `counts`, ``(n, MOST_SEEN + 1)``, is how long
    (fading, s) the camera counted each number while nothing was thought to lie there; `fixture` follows from it.
    `clutter` in `frames` (fading) is the site's share of clutter, `steady` in `filmed` that of piles that are seen
    steadily. Of a camera that reports on change (`holds`) the count `objects` is taken again until `frame_at_s`. `dry`
    is the logarithm of the probability that no container of the cluster has bags beside it; at `spills`, 1/s, bags
    are expected beside full containers that report seldom.

    Of each level sensor, ``(n + k,)``: the smoothed `level` and the reading that did not fit it, `odd_level`;
    `brim`, ``(n + k, 4, BINS)``, is the belief of `models.brim`, all 0 while there is much room; `bags` the probability
    that bags lie beside, `full` that it is full. `lids` in `lids_s` is the rate of lid openings, `rise` over
    `rise_lids` by how much an opening raises the level. `barren` is by how much the level should have risen since it
    last did, from `risen_to`; `still` readings on end were exactly `read`, as those of a sensor that is stuck are.

    Of what people said: when each slot was spoken of last, `told_at_s`; how often each of
    `city.findings.DUMPING_CAUSES` was confirmed at a cluster, `said`, and how often a finding there was dismissed.
    """

    now_s: Floats
    heard_at_s: Floats
    believed_at_s: Floats
    camera_at_s: Floats
    frame_at_s: Floats
    holds: Floats
    spills: Floats
    dry: Floats
    belief: Floats
    clutter: Floats
    frames: Floats
    objects: Floats
    fixture: Floats
    counts: Floats
    steady: Floats
    filmed: Floats
    raised_at_s: Floats
    quiet_until_s: Floats
    cause: Floats
    visited_at_s: Floats
    level_at_s: Floats
    level: Floats
    odd_level: Floats
    brim: Floats
    full: Floats
    bags: Floats
    spill: Floats
    lids: Floats
    lids_s: Floats
    rise: Floats
    rise_lids: Floats
    barren: Floats
    risen_to: Floats
    read: Floats
    still: Floats
    told_at_s: Floats
    said: Floats
    dismissed: Floats


# The large tables are kept in single precision: half the memory of a city, and more exact than any of their numbers.
_SINGLE = frozenset({"belief", "brim", "counts"})


def nothing_known(clusters: int, slots: int) -> DumpingState:
    """Return the state before anything is known: most likely nothing lies there.

    Parameters
    ----------
    clusters, slots
        Number of clusters, and of level sensors (each cluster and each of its containers).
    """
    of_slots = {"visited_at_s", "level_at_s", "level", "odd_level", "full", "bags", "spill"}
    of_slots |= {"lids", "lids_s", "rise", "rise_lids", "brim", "barren", "risen_to", "read", "still", "told_at_s"}
    shapes: dict[str, tuple[int, ...]] = {
        "now_s": (),
        "belief": (PILES, CLUTTER),
        "brim": (4, BINS),
        "counts": (MOST_SEEN + 1,),
    }
    shapes["said"] = (len(DUMPING_CAUSES),)
    never = {"now_s", "odd_level", "read", *(name for name in DumpingState._fields if name.endswith("at_s"))}
    arrays = {}
    for name in DumpingState._fields:
        of = () if name == "now_s" else (slots if name in of_slots else clusters,)
        array = np.zeros((*of, *shapes.get(name, ())), np.float32 if name in _SINGLE else np.float64)
        arrays[name] = np.full_like(array, np.nan) if name in never else array
    arrays["quiet_until_s"][:] = -np.inf
    arrays["belief"][:, 0, 0] = 1.0
    return DumpingState(**arrays)
