"""A blocked road counts as a jam wherever a round is planned around one."""

from city.findings import Finding
from service.attention import urgency
from service.incidents import IncidentBook
from service.sentences import incident_title
from tests.service.small_city import SmallCity


def test_an_incident_is_kept_shown_and_urgent_when_it_is_severe(tmp_path) -> None:
    city = SmallCity(tmp_path / "city")
    city.close()
    finding = Finding("incident-arm-0-100", "incident", "arm-0", 100.0, "blocked", 0.85, 0.95)
    (incident,) = IncidentBook(city.register).take([finding])
    assert incident.kind == "incident"
    assert urgency(incident) == "urgent"
    assert incident_title(city.register, incident).startswith("Road blocked at ")
