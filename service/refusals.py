"""What drivers said of places that they did not serve, and what is learned from it. A view: rebuilt from the ledger."""

from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from city.readings import ReadingKey, Row
from city.register import Register
from city.vetoes import VetoReason, veto_reason
from routing.vetoes import Learning, Lesson, Veto, Visited, lessons
from service.decision_rows import DESK

LEARNING = Learning()
# After so many half-lives what happened weighs 1.5 %: it is forgotten.
_KEPT_S = 6 * LEARNING.half_life_days * 86_400.0
# One who empties four containers was there once.
_ONE_VISIT_S = 1800.0
# A street that is blocked is not free again because the clock strikes.
_LEAST_WAIT_S = 1800.0
_TODAY_S = 2 * 86_400.0


class Refusal(NamedTuple):
    """At `at_s` nobody could or needed to do what was asked at a cluster.

    `reason` None = none that is known; `truck` is empty where somebody at the desk said it of all trucks.
    """

    place: str
    reason: VetoReason | None
    at_s: float
    truck: str = ""

    def again_s(self, timezone: ZoneInfo) -> float | None:
        """Return from when it may be tried again today; None = not today.

        What is blocked may be free in the next hour. That nobody is needed, or that it is not safe there, does not
        change by waiting; a refusal whose reason is not known may be one of these.
        """
        if self.reason != "blocked":
            return None
        hour = datetime.fromtimestamp(self.at_s, timezone).replace(minute=0, second=0, microsecond=0)
        return max((hour + timedelta(hours=1)).timestamp(), self.at_s + _LEAST_WAIT_S)


class Refusals:
    """Remembers vetoes and visits of every cluster; fed by one thread, in the order of the ledger."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._timezone = ZoneInfo(register.timezone)
        self._vetoes: dict[str, deque[Refusal]] = defaultdict(deque)
        self._visits: dict[str, deque[float]] = defaultdict(deque)
        self._recent: deque[Refusal] = deque()
        self._lessons: tuple[tuple[int, int], dict[str, Lesson]] = ((-1, -1), {})
        self._noted = 0
        self._had: set[ReadingKey] = set()
        self.unreadable = 0

    def note(self, row: Row) -> None:
        """Take a row of kind `visit` or `veto`; others are none of this."""
        if row.kind == "visit" and row.subject:
            self._note_visit(row.subject, row.at_s)
        elif row.kind == "veto" and row.key not in self._had:
            # The same entry may be given again, when a model failed on one of its neighbours.
            self._had.add(row.key)
            truck = row.entity if row.entity in self._register.trucks else ""
            # Nobody but a truck and the desk says that a truck is not to come.
            is_heard = bool(truck) or row.key.device == DESK
            place = self._cluster(row.subject or "") if is_heard else ""
            reason = veto_reason(row.values.get("veto_code"))
            # A veto without a known reason teaches nothing, but the stop was refused all the same.
            self.unreadable += reason is None or not place
            if place:
                self._noted += 1
                said = Refusal(place, reason, row.at_s, truck)
                self._vetoes[place].append(said)
                self._recent.append(said)

    def recent(self, now_s: float) -> tuple[Refusal, ...]:
        """Return the refusals of the last two days, as they were heard."""
        while self._recent and self._recent[0].at_s < now_s - _TODAY_S:
            self._recent.popleft()
        return tuple(self._recent)

    def lessons(self, now_s: float) -> Mapping[str, Lesson]:
        """Return what is known of each cluster with a veto, by cluster."""
        key = self._noted, int(now_s // 3600)
        if self._lessons[0] != key:
            self._lessons = key, {one.place: one for one in self._learn(now_s)}
        return self._lessons[1]

    def told(self, place: str) -> list[Refusal]:
        """Return what was said of a cluster, the newest first."""
        return sorted(self._vetoes.get(place, ()), key=lambda one: -one.at_s)

    def visits(self, place: str) -> int:
        """Return how many visits of a cluster are remembered."""
        return len(self._visits.get(place, ()))

    def _learn(self, now_s: float) -> tuple[Lesson, ...]:
        for known in self._vetoes.values():
            while known and known[0].at_s < now_s - _KEPT_S:
                known.popleft()
        vetoes = [
            Veto(one.place, one.reason, self._hour(one.at_s), one.at_s)
            for known in self._vetoes.values()
            for one in known
            if one.reason
        ]
        visits = [
            Visited(place, self._hour(at_s), at_s)
            for place in {one.place for one in vetoes}
            for at_s in self._visits.get(place, ())
        ]
        return lessons(vetoes, visits, now_s, LEARNING)

    def _note_visit(self, subject: str, at_s: float) -> None:
        place = self._cluster(subject)
        if not place:
            return
        known = self._visits[place]
        while known and known[0] < at_s - _KEPT_S:
            known.popleft()
        if not known or abs(at_s - known[-1]) > _ONE_VISIT_S:
            known.append(at_s)
            self._noted += place in self._vetoes

    def _cluster(self, subject: str) -> str:
        if container := self._register.containers.get(subject):
            return container.cluster
        return subject if subject in self._register.clusters else ""

    def _hour(self, at_s: float) -> float:
        local = datetime.fromtimestamp(at_s, self._timezone)
        return local.hour + local.minute / 60.0
