"""What people said at the desk, as rows like those of devices: decisions about dumping, and vetoes of places."""

from collections.abc import Iterable, Mapping

from city.findings import DUMPING_CAUSES, Incident
from city.readings import ReadingKey, Row
from city.vetoes import VETO_REASONS, veto_code
from store.desk import TrailEntry

# Rows of the desk are known by this in place of a device.
DESK = "desk"


def decision_rows(trail: Iterable[TrailEntry], incidents: Mapping[str, Incident]) -> list[Row]:
    """Return a report for each dumping that a person confirmed or dismissed, and each veto, by rising time.

    An officer who confirms saw waste there and did not object to the cause; one who dismisses saw none. The trail
    says who, and is never changed: the same decisions teach the same after every start.

    Parameters
    ----------
    trail
        Decisions in any order; those about other things are left out.
    incidents
        By id; a decision about one that is missing is left out.
    """
    rows = []
    for said in trail:
        if said.subject == "place":
            rows.append(_veto_row(said))
            continue
        incident = incidents.get(said.id) if said.subject == "incident" else None
        if incident is None or incident.kind != "dumping" or said.decision not in ("confirmed", "dismissed"):
            continue
        cause = incident.cause if said.decision == "confirmed" and incident.cause in DUMPING_CAUSES else "unknown"
        values: dict[str, float | None] = {
            "waste_beside": float(said.decision == "confirmed"),
            # That a cause stands here at all tells an officer's word from a citizen's.
            "cause_code": float(DUMPING_CAUSES.index(cause)),
        }
        key = ReadingKey(DESK, incident.id, said.n)
        rows.append(Row(key, DESK, "report", said.at_s, values, 0, "good", False, said.at_s, incident.entity))
    return sorted(rows, key=lambda row: (row.at_s, row.key))


def _veto_row(said: TrailEntry) -> Row:
    reason, _, truck = said.decision.partition(" ")
    code = veto_code(reason) if reason in VETO_REASONS else None
    key = ReadingKey(DESK, f"place-{said.id}", said.n)
    return Row(key, truck or DESK, "veto", said.at_s, {"veto_code": code}, 0, "good", False, said.at_s, said.id)
