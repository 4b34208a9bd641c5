"""Findings become incidents: those of one place that belong together are one, and one that is over says so."""

from typing import NamedTuple

import msgspec

from city.findings import Evidence, Finding, FindingKind, Incident
from city.places import Cluster, Junction
from city.register import Position, Register

# An emptying is something that happened, and a full container is planned for without asking anybody.
INCIDENT_KINDS: frozenset[FindingKind] = frozenset(
    {
        "dumping",
        "congestion",
        "incident",
        "silent",
        "stuck",
        "implausible",
        "blocked",
        "drift",
        "chatter",
        "tilt",
        "fleet_silent",
    }
)
_MAX_EVIDENCE = 8


class _Site(NamedTuple):
    kind: FindingKind
    place: str


class IncidentBook:
    """Keeps which findings make up which incident. The same findings in the same order make the same incidents.

    Findings of one kind at one site (a cluster, a junction, else the entity itself) are one incident while any of
    them lasts, and when the next begins within `merge_s` after the last was over. What concerns the whole city has
    the city's id as its entity and its middle as its place.
    """

    def __init__(self, register: Register, merge_s: float = 1800.0) -> None:
        self._register = register
        self._merge_s = merge_s
        self._incidents: dict[_Site, Incident] = {}
        self._lasting: dict[_Site, set[str]] = {}
        self._said: dict[_Site, set[str]] = {}
        self._members: dict[str, _Site] = {}

    def take(self, findings: list[Finding]) -> list[Incident]:
        """Return the incidents that these findings begin, change or end, each once, as they are after all of them."""
        changed: dict[str, Incident] = {}
        for finding in findings:
            if finding.kind in INCIDENT_KINDS and (incident := self._take(finding)):
                changed[incident.id] = incident
        return list(changed.values())

    @property
    def lasting(self) -> list[Incident]:
        """Incidents that are not over."""
        return [one for one in self._incidents.values() if one.cleared_at_s is None]

    def adopt(self, known: Incident) -> tuple[Incident, str] | None:
        """Give the lasting incident at the site of `known` the id that the desk knows it by.

        What arrived late was judged at other moments when it came than it is in a replay, so that the same waste
        may have begun a minute earlier or later now. It is the same incident all the same, and what people decided
        about it holds.

        Returns
        -------
        The incident under its id of the desk, and the id that it had; None if nothing lasts there.
        """
        site = _Site(known.kind, self._site_of(known.entity))
        mine = self._incidents.get(site)
        if mine is None or mine.cleared_at_s is not None:
            return None
        return self._keep(site, msgspec.structs.replace(mine, id=known.id, raised_at_s=known.raised_at_s)), mine.id

    def _take(self, finding: Finding) -> Incident | None:
        site = self._members.get(finding.id) or _Site(finding.kind, self._site_of(finding.entity))
        known = self._incidents.get(site)
        if finding.cleared_at_s is not None:
            self._lasting.get(site, set()).discard(finding.id)
            if finding.id not in self._members:
                known = self._begin(site, finding, known)
                if known is None:
                    return None
                self._lasting[site].discard(finding.id)
            assert known is not None  # noqa: S101 - a member's site has an incident
            over = not self._lasting[site]
            cleared = max(finding.cleared_at_s, known.cleared_at_s or 0.0) if over else None
            return self._keep(site, _joined(known, finding, cleared))
        known = self._begin(site, finding, known)
        return self._keep(site, _joined(known, finding, None)) if known else None

    def _begin(self, site: _Site, finding: Finding, known: Incident | None) -> Incident | None:
        position = self._register.position(finding.entity)
        if position is None and finding.entity == self._register.city:
            position = middle(self._register)
        if position is None:
            return None
        over_s = known.cleared_at_s if known else None
        if known is None or (over_s is not None and finding.raised_at_s > over_s + self._merge_s):
            known = Incident(
                id=finding.id,
                kind=finding.kind,
                entity=finding.entity,
                lon=position.lon,
                lat=position.lat,
                raised_at_s=finding.raised_at_s,
                cleared_at_s=None,
                cause=finding.cause,
                probability=finding.probability,
                severity=finding.severity,
                evidence=(),
            )
            # What was said of the one before is over: a service runs for months.
            for one in self._said.get(site, ()):
                del self._members[one]
            self._said[site] = set()
            self._lasting[site] = set()
        self._members[finding.id] = site
        self._said[site].add(finding.id)
        self._lasting[site].add(finding.id)
        return known

    def _keep(self, site: _Site, incident: Incident) -> Incident:
        self._incidents[site] = incident
        return incident

    def _site_of(self, entity: str) -> str:
        if approach := self._register.approaches.get(entity):
            return approach.junction
        return entity


def middle(register: Register) -> Position | None:
    """Return the middle of all clusters and junctions: where what concerns the whole city is kept; None without any."""
    places: list[Cluster | Junction] = [*register.clusters.values(), *register.junctions.values()]
    if not places:
        return None
    return Position(sum(one.lon for one in places) / len(places), sum(one.lat for one in places) / len(places))


def _joined(incident: Incident, finding: Finding, cleared_at_s: float | None) -> Incident:
    evidence: dict[str, Evidence] = {one.text: one for one in incident.evidence}
    evidence.update({one.text: one for one in finding.evidence})
    return msgspec.structs.replace(
        incident,
        raised_at_s=min(incident.raised_at_s, finding.raised_at_s),
        cleared_at_s=cleared_at_s,
        cause=finding.cause or incident.cause,
        probability=max(incident.probability, finding.probability),
        severity=max(incident.severity, finding.severity),
        evidence=tuple(list(evidence.values())[-_MAX_EVIDENCE:]),
        status="open" if cleared_at_s is None else "closed",
    )
