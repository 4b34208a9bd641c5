"""Many sensors that fall silent together, as after an update: one finding about the group, sooner than each alone."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from city.findings import Evidence, Finding, finding_id
from models.contract import index_of
from models.rows import Floats, Rows

_LATE = 1.25
_FEWEST = 5
_SHARE = 0.15
_TIMES_USUAL = 4.0
# Who says nothing for so long was taken away, or is told of as silent alone.
_SETTLES_S = 7 * 86_400.0


class FleetSilenceState(NamedTuple):
    """What is known of ``n`` members, and of ``g`` groups; times in s since 1970, NaN = never or not now.

    `at_s` is the newest row of a member, `interval_s` its longest usual gap. `usual_share` is how many of a group are
    usually late, `since_s` when the group's silence was found. `checked_s` ``(1,)`` is the last look.
    """

    at_s: Floats
    interval_s: Floats
    usual_share: Floats
    since_s: Floats
    checked_s: Floats


class FleetSilenceModel:
    """Finding ``fleet_silent``: a share of a group that is far greater than usual is late by a quarter of its interval.

    One sensor is called silent after three of its intervals, because one may be late; that fifteen in a hundred are
    late together, four times more than usual and no fewer than five, is no chance. So it is found within two intervals.
    It is over when they are back, or about a week later, when those that are still away have become usual.

    Parameters
    ----------
    members
        Id of each sensor's entity to its group: the whole fleet, or a device model or firmware.
    interval_s
        ``(n,)`` in the order of `members`, the expected longest time between rows; NaN or left out = learnt.
    check_s
        How often the fleet is looked at, in measured time.
    """

    def __init__(
        self, members: Mapping[str, str], *, interval_s: npt.ArrayLike | None = None, check_s: float = 300.0
    ) -> None:
        if not check_s > 0:
            raise BadInput(f"check_s is {check_s}.", "Give a number above 0, a part of the shortest interval.")
        self.check_s = check_s
        self.entities = tuple(dict.fromkeys(members.values()))
        self.members = tuple(members)
        self.index = index_of(self.members)
        number = {name: g for g, name in enumerate(self.entities)}
        self.group = np.array([number[one] for one in members.values()], np.int64)
        n = len(self.members)
        self._given_s = np.full(n, np.nan) if interval_s is None else np.array(interval_s, np.float64)
        if self._given_s.shape != (n,):
            raise BadInput(f"interval_s has shape {self._given_s.shape}, not ({n},).", "Give one value per member.")

    def entity_of(self, i: int) -> str:
        """Return the group that the member `i` belongs to."""
        return self.entities[int(self.group[i])]

    def initial_state(self) -> FleetSilenceState:
        """Return the state of a fleet never heard of."""
        n, groups = len(self.members), len(self.entities)
        never = np.full(n, np.nan)
        return FleetSilenceState(
            never, self._given_s, np.full(groups, 0.01), np.full(groups, np.nan), np.full(1, np.nan)
        )

    def update(self, state: FleetSilenceState, rows: Rows) -> tuple[FleetSilenceState, list[Finding]]:
        """Return the state after `rows` and at their `now_s`, and which groups fall silent or are back."""
        s = FleetSilenceState(*(one.copy() for one in state))
        findings: list[Finding] = []
        own = np.flatnonzero(~rows.is_visit & ~rows.is_report)
        e, at_s = rows.entity[own], rows.at_s[own]
        look = np.ceil(at_s / self.check_s)
        bounds = np.flatnonzero(np.diff(look)) + 1
        for first, end in zip(np.r_[0, bounds], np.r_[bounds, len(look)], strict=True):
            if first == end:
                continue
            self._look_until(s, (look[first] - 1) * self.check_s, findings)
            for wave in rows.waves(e[first:end]):
                self._hear(s, e[first + wave], at_s[first + wave])
        # At now_s itself rows may still be missing from this call.
        self._look_until(s, (np.ceil(rows.now_s / self.check_s) - 1) * self.check_s, findings)
        return s, findings

    def late(self, state: FleetSilenceState, at_s: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return how many members of each group, ``(g,)``, are later than they should be, and how many are known."""
        known = np.isfinite(state.at_s) & np.isfinite(state.interval_s)
        late = known & (at_s - state.at_s > _LATE * state.interval_s + 60.0)
        groups = len(self.entities)
        return np.bincount(self.group[late], minlength=groups), np.bincount(self.group[known], minlength=groups)

    def _hear(self, s: FleetSilenceState, e: npt.NDArray[np.int64], at_s: Floats) -> None:
        fresh = ~(at_s <= s.at_s[e])
        e, at_s = e[fresh], at_s[fresh]
        gap_s = at_s - s.at_s[e]
        given = np.isfinite(self._given_s[e])
        silent = np.isfinite(s.since_s[self.group[e]])
        # Whoever was away with the fleet is not used to such gaps.
        learnt = np.where(silent, s.interval_s[e], np.fmax(gap_s, 0.99 * s.interval_s[e]))
        s.interval_s[e] = np.where(given, self._given_s[e], learnt)
        s.at_s[e] = at_s

    def _look_until(self, s: FleetSilenceState, until_s: float, findings: list[Finding]) -> None:
        if np.isnan(s.checked_s[0]):
            s.checked_s[0] = until_s
        while s.checked_s[0] < until_s:
            s.checked_s[0] += self.check_s
            self._look(s, float(s.checked_s[0]), findings)

    def _look(self, s: FleetSilenceState, at_s: float, findings: list[Finding]) -> None:
        silent, n = self.late(s, at_s)
        share = silent / np.maximum(n, 1)
        is_silent = np.isfinite(s.since_s)
        begins = ~is_silent & (silent >= _FEWEST) & (share >= np.maximum(_SHARE, _TIMES_USUAL * s.usual_share))
        ends = is_silent & (share < np.maximum(0.5 * _SHARE, 2 * s.usual_share))
        for g in np.flatnonzero(begins | ends):
            i, name = int(g), self.entities[g]
            said = f"{silent[i]} of {n[i]} sensors ({100 * share[i]:.0f} %)"
            if begins[i]:
                late = at_s - s.at_s > _LATE * s.interval_s + 60.0
                last_s = float(np.quantile(s.at_s[late & (self.group == i)], 0.9))
                told: tuple[Evidence, ...] = (
                    Evidence(f"{said} have said nothing for longer than they should; usual are "
                             f"{100 * s.usual_share[i]:.0f} %.", "", at_s, float(share[i])),
                    Evidence("Most of them were last heard by then: what was changed at that time?", "", last_s),
                )  # fmt: skip
                s.since_s[i] = at_s
                findings.append(
                    Finding(finding_id("fleet_silent", name, at_s), "fleet_silent", name, at_s, "", 0.95, 0.9, told)
                )
            else:
                raised_s = float(s.since_s[i])
                back = share[i] < 0.5 * _SHARE or at_s - raised_s <= _SETTLES_S
                text = (
                    f"They report again but for {said}." if back else f"It has stayed so: {said} are usual from now on."
                )
                told = (Evidence(text, "", at_s, float(share[i])),)
                s.since_s[i] = np.nan
                known_as = finding_id("fleet_silent", name, raised_s)
                findings.append(Finding(known_as, "fleet_silent", name, raised_s, "", 0.95, 0.9, told, at_s))
        calm = np.isnan(s.since_s) | (at_s - s.since_s > _SETTLES_S)
        # Most of the way in a day: what is away for good becomes usual, what fell silent now does not.
        s.usual_share[calm] += (share[calm] - s.usual_share[calm]) * self.check_s / 86_400.0


def fleet_of(entities: Sequence[str], name: str = "fleet") -> dict[str, str]:
    """Return one group of all entities, where no device models are known."""
    return dict.fromkeys(entities, name)
