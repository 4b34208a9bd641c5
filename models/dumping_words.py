"""What people say of waste beside containers, and what it teaches about a site."""

import numpy as np

from city.findings import DUMPING_CAUSES, DumpingCause, cause_group
from models.dumping_parameters import DAY_S, DumpingParameters
from models.dumping_state import DumpingState
from models.piles import DUMPED, DUMPED_STEADY, LEFT, LEFT_STEADY, MOST_SEEN
from models.rows import Booleans, Floats, Integers

# Before anybody spoke: what is left for want of room or dumped is as likely as the sensors say; most of what is dumped
# is bulky waste.
_ASSUMED: dict[DumpingCause, float] = {"full": 0.45, "jammed": 0.05, "bulky": 0.45, "misuse": 0.05}
_PRIOR = np.array([_ASSUMED.get(one, 0.0) for one in DUMPING_CAUSES])
# What a report is worth where a camera sees nothing: it may be late, or of another place.
_AGAINST_A_CAMERA = 0.002
_OFFICERS_ARE_RIGHT = 0.99
_OVERFLOW = np.array([cause_group(one) == "overflow" for one in DUMPING_CAUSES])
_DUMPED = np.array([cause_group(one) == "dumped" for one in DUMPING_CAUSES])


def doubt(p: DumpingParameters, s: DumpingState, e: Integers) -> Floats:
    """Return how many times the usual odds of waste are asked for at each site, ``(m,)``: 1 until people decided."""
    confirmed, dismissed = s.said[e].sum(axis=1), s.dismissed[e]
    odds: Floats = np.maximum((p.trust_weight + 3 * dismissed) / (p.trust_weight + confirmed), 0.5)
    return odds


def named_cause(
    p: DumpingParameters, s: DumpingState, cluster: int, left: float, dumped: float, jammed: bool
) -> DumpingCause:
    """Return the cause that sensors and people make most likely; unknown if none is sure enough.

    Parameters
    ----------
    left, dumped
        Probabilities that what lies there was left for want of room, or dumped.
    jammed
        Whether a container of the cluster takes nothing although there is room.
    """
    site = s.said[cluster] + p.cause_weight * _PRIOR
    left, dumped = left * float(site[_OVERFLOW].sum()), dumped * float(site[_DUMPED].sum())
    if left + dumped <= 0 or max(left, dumped) / (left + dumped) < p.sure_of_cause:
        return "unknown"
    if left > dumped and jammed:
        return "jammed"
    return DUMPING_CAUSES[int(np.argmax(np.where(_OVERFLOW if left > dumped else _DUMPED, site, -1.0)))]


def dumps_per_day(p: DumpingParameters, s: DumpingState, e: Integers) -> Floats:
    """Return the rate of dumping at each site, ``(m,)``, 1/day, as what people confirmed and dismissed suggests."""
    said = s.said[e]
    rate: Floats = (
        p.dumps_per_day
        * (p.cause_weight + 2 * said[:, _DUMPED].sum(axis=1))
        / (p.cause_weight + said.sum(axis=1) + s.dismissed[e])
    )
    return rate


def weigh_report(p: DumpingParameters, s: DumpingState, e: Integers, beside: Booleans, is_seen: Booleans) -> None:
    """Weigh what passers-by said.

    Parameters
    ----------
    beside, is_seen
        ``(m,)``; whether they saw waste, and whether a camera looks there too. Where none does, waste is as likely
        beforehand as the rate of dumping makes it.
    """
    belief = s.belief[e].astype(np.float64)
    there = 1 - belief[:, 0].sum(axis=1)
    usual = dumps_per_day(p, s, e) * p.lies_s / DAY_S
    least = np.where(beside, np.where(is_seen, _AGAINST_A_CAMERA, usual / (1 + usual)), 0.0)
    short = np.maximum(least - there, 0.0)
    belief[:, 0] *= (1 - short / np.maximum(1 - there, 1e-9))[:, None]
    belief[:, DUMPED.start, 0] += short
    belief[:, 1:] *= np.where(beside, p.report_odds, 1 / p.report_odds)[:, None, None]
    s.belief[e] = belief / belief.sum(axis=2).sum(axis=1)[:, None, None]


def settle(s: DumpingState, cluster: int, cause: int, beside: bool, *, is_open: bool) -> None:
    """Take an officer's word: waste lies there for this cause (a place in `DUMPING_CAUSES`), or none does.

    About a finding that is over (not `is_open`) it teaches what comes of findings at the site, and says nothing of now.
    """
    belief = s.belief[cluster].astype(np.float64)
    if beside:
        s.said[cluster, cause] += 1.0
    else:
        s.dismissed[cluster] += 1.0
    if not is_open:
        return
    if beside:
        weights = belief.copy()
        weights[0] = 0.0
        group = cause_group(DUMPING_CAUSES[cause])
        for name, piles in (("overflow", (DUMPED, DUMPED_STEADY)), ("dumped", (LEFT, LEFT_STEADY))):
            for one in piles:
                weights[one] *= 1e-3 if group == name else 1.0
        if weights.sum() <= 1e-12:
            weights[LEFT.start if group == "overflow" else DUMPED.start, 0] = 1.0
        nothing = np.zeros_like(weights)
        nothing[0, 0] = 1.0
        s.belief[cluster] = _OFFICERS_ARE_RIGHT * weights / weights.sum() + (1 - _OFFICERS_ARE_RIGHT) * nothing
        return
    # What stood there meanwhile was no waste: clutter, and from now on a part of the site.
    lasted_s = float(np.nan_to_num(s.frame_at_s[cluster] - s.raised_at_s[cluster]))
    frames = max(lasted_s, 3600.0) / 900.0
    s.clutter[cluster] += frames
    s.frames[cluster] += frames
    if np.isfinite(s.frame_at_s[cluster]):
        number = int(np.clip(s.objects[cluster], 0, MOST_SEEN))
        s.counts[cluster] *= 0.05
        s.counts[cluster, number] += max(float(s.counts[cluster].sum()), 6 * 3600.0)
        s.fixture[cluster] = float(number)
    s.belief[cluster] = 0.0
    s.belief[cluster, 0, 0] = 1.0
