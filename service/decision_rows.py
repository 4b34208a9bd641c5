"""What people decided about dumping, as rows that the detectors learn from."""

from collections.abc import Iterable, Mapping

from city.findings import DUMPING_CAUSES, Incident
from city.readings import ReadingKey, Row
from store.desk import TrailEntry

# Rows of the desk are known by this in place of a device.
DESK = "desk"


def decision_rows(trail: Iterable[TrailEntry], incidents: Mapping[str, Incident]) -> list[Row]:
    """Return a report for each dumping that a person confirmed or dismissed, by rising time.

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
