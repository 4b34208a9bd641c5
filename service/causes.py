"""Which incidents are reason enough to look for a better plan now, and which have been answered already."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from city.findings import JAM_KINDS, OCCASION_KINDS, Incident
from city.plans import Plan, Proposal, Round
from city.register import Register
from routing.geometry import local_metres
from service.jobs import open_dumpings
from service.occasions import is_occasion
from service.progress import RoundProgress, done_jobs
from service.settings import PlanningSettings
from service.snapshot import Snapshot, Visit

# An incident that was answered is a cause again when it has become this much more severe.
_WORSE = 0.25
# City seconds until a cause that no plan could serve is looked at again.
_AGAIN_S = 3600.0
_NEVER_WORSE = 2.0


class _Answered(NamedTuple):
    cause: str
    severity: float
    until_s: float


class Causes:
    """Remembers what has been asked of the planner and what came of it."""

    def __init__(self, register: Register, planning: PlanningSettings) -> None:
        self._register = register
        self._planning = planning
        self._first_seen: dict[str, float] = {}
        self._answered: dict[str, _Answered] = {}
        self._now_s = 0.0
        self.notes: dict[str, str] = {}

    def due(
        self,
        snapshot: Snapshot,
        incidents: Iterable[Incident],
        plan: Plan,
        progress: Mapping[str, RoundProgress],
        in_hand: Collection[str],
        *,
        force: bool = False,
    ) -> list[Incident]:
        """Return the incidents that a new look at the plan should be about; empty while nothing new is ripe.

        A new cause waits until it is `debounce_s` old. Then everything that is open is looked at together, also
        what a standing proposal is about: the answer takes its place.

        Parameters
        ----------
        in_hand
            Incidents that a proposal stands for, or that a change is being searched for: they are not new.
        force
            The standing proposal does not fit any more: look again even though nothing is new.
        """
        self._now_s = snapshot.now_s
        planned = {job.incident for job in plan.jobs if job.incident}
        open_now = [one for one in open_dumpings(incidents) if one.id not in planned]
        open_now += [one for one in incidents if one.kind in OCCASION_KINDS]
        open_now += [one for one in incidents if self._is_jam_on_the_way(one, plan, progress)]
        open_now = [one for one in open_now if not self._is_answered(one)]
        self._first_seen = {one.id: self._first_seen.get(one.id, snapshot.now_s) for one in open_now}
        ripe = [
            one
            for one in open_now
            if one.id not in in_hand and snapshot.now_s - self._first_seen[one.id] >= self._planning.debounce_s
        ]
        return open_now if ripe or force else []

    def proposed(self, incidents: Iterable[Incident]) -> None:
        """Note that a proposal stands for these."""
        for one in incidents:
            self.notes.pop(one.id, None)

    def settled(self, incidents: Iterable[str]) -> None:
        """Note that these are in the plan now."""
        for one in incidents:
            self.notes.pop(one, None)
            self._answered[one] = _Answered("", _NEVER_WORSE, self._now_s + _AGAIN_S)

    def answered(self, incidents: Iterable[Incident], note: str) -> None:
        """Note that nothing can be done about these for now, and why."""
        for one in incidents:
            self._answered[one.id] = _Answered(one.cause, one.severity, self._now_s + _AGAIN_S)
            self.notes[one.id] = note

    def remember_rejected(self, proposals: Iterable[Proposal], incidents: Mapping[str, Incident]) -> None:
        """Note that somebody said no; these are a cause again only when they have become another matter."""
        for proposal in proposals:
            for id in proposal.incidents:
                if is_occasion(id):
                    self._answered[id] = _Answered("", _NEVER_WORSE, np.inf)
                elif known := incidents.get(id):
                    self._answered[id] = _Answered(known.cause, known.severity, np.inf)
                    self.notes[id] = f"a proposal was rejected: {proposal.decision_reason}"

    def _is_answered(self, incident: Incident) -> bool:
        known = self._answered.get(incident.id)
        if known is None:
            return False
        changed = (known.cause and incident.cause != known.cause) or incident.severity >= known.severity + _WORSE
        return not changed and self._now_s < known.until_s

    def _is_jam_on_the_way(self, incident: Incident, plan: Plan, progress: Mapping[str, RoundProgress]) -> bool:
        if incident.kind not in JAM_KINDS or incident.cleared_at_s is not None or incident.status == "dismissed":
            return False
        return any(_passes(one, progress.get(one.truck), incident, self._planning.jam_radius_m) for one in plan.rounds)


def stale_jobs(proposal: Proposal, plan: Plan, visits: Iterable[Visit], since_s: float) -> list[str]:
    """Return jobs that a proposal gives to another truck although the one that had them has done them by now."""
    done = done_jobs(plan, [one for one in visits if one.at_s >= since_s])
    return [one.job for one in proposal.difference.moved if done.get(one.job) == one.from_truck]


def _passes(one: Round, progress: RoundProgress | None, incident: Incident, radius_m: float) -> bool:
    """Whether what is left of a round comes close to an incident."""
    left = one.stops[max(0, (progress.next_index if progress else 0) - 1) :]
    if len(left) < 2:
        return False
    line = np.array(_remaining(one, left[0].lon, left[0].lat))
    points = local_metres(line[:, 0], line[:, 1], (incident.lon, incident.lat))
    return _distance_to_line_m(points) <= radius_m


def _remaining(one: Round, lon: float, lat: float) -> Sequence[tuple[float, float]]:
    """Return the part of the path behind the point nearest to where the truck was last."""
    if len(one.path) < 2:
        return [(stop.lon, stop.lat) for stop in one.stops]
    points = local_metres([p[0] for p in one.path], [p[1] for p in one.path], (lon, lat))
    nearest = int(np.argmin(np.hypot(points[:, 0], points[:, 1])))
    return one.path[min(nearest, len(one.path) - 2) :]


def _distance_to_line_m(points: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """Return how close a line comes to the origin; `points` is ``(n, 2)`` metres."""
    start, step = points[:-1], np.diff(points, axis=0)
    length2 = np.maximum((step**2).sum(axis=1), 1e-9)
    along = np.clip(-(start * step).sum(axis=1) / length2, 0.0, 1.0)
    nearest = start + along[:, None] * step
    return float(np.hypot(nearest[:, 0], nearest[:, 1]).min())
