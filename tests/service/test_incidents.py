import pickle

import pytest

from city.findings import Evidence, Finding, finding_id
from service.attention import attention
from service.incidents import IncidentBook
from service.snapshot import FleetSilence
from tests.service.small_city import SmallCity


def finding(kind, entity, at_s, cleared_at_s=None, **more):
    values = {"cause": "", "probability": 0.9, "severity": 0.5, "evidence": (Evidence(f"{entity} at {at_s}"),)} | more
    return Finding(finding_id(kind, entity, at_s), kind, entity, at_s, cleared_at_s=cleared_at_s, **values)


def book(tmp_path):
    city = SmallCity(tmp_path / "city")
    city.close()
    return IncidentBook(city.register)


def test_findings_of_one_junction_are_one_incident_until_all_are_over(tmp_path):
    incidents = book(tmp_path)
    (first,) = incidents.take([finding("congestion", "arm-0", 100.0)])
    (same,) = incidents.take([finding("congestion", "arm-1", 160.0, severity=0.8)])
    assert same.id == first.id
    assert (same.raised_at_s, same.severity, len(same.evidence)) == (100.0, 0.8, 2)
    (still,) = incidents.take([finding("congestion", "arm-0", 100.0, 300.0)])
    assert still.cleared_at_s is None
    (over,) = incidents.take([finding("congestion", "arm-1", 160.0, 400.0)])
    assert (over.cleared_at_s, over.status) == (400.0, "closed")
    assert incidents.lasting == []


def test_what_begins_again_soon_is_the_same_and_what_begins_later_is_another(tmp_path):
    incidents = book(tmp_path)
    first = incidents.take([finding("dumping", "kamer-2", 0.0), finding("dumping", "kamer-2", 0.0, 1000.0)])[0]
    again = incidents.take([finding("dumping", "kamer-2", 1500.0)])[0]
    assert (again.id, again.cleared_at_s, again.status) == (first.id, None, "open")
    incidents.take([finding("dumping", "kamer-2", 1500.0, 2000.0)])
    assert incidents.take([finding("dumping", "kamer-2", 9000.0)])[0].id != first.id


def test_an_emptying_and_a_full_container_are_no_incidents(tmp_path):
    assert book(tmp_path).take([finding("emptied", "k1-paper", 1.0, 1.0), finding("full", "k1-paper", 2.0)]) == []


def test_a_finding_heard_of_only_when_it_is_over_is_kept_as_over(tmp_path):
    (only,) = book(tmp_path).take([finding("dumping", "kamer-2", 0.0, 50.0)])
    assert (only.cleared_at_s, only.status) == (50.0, "closed")


def test_the_same_findings_make_the_same_incidents_in_every_replay(tmp_path):
    said = [
        finding("congestion", "arm-0", 100.0),
        finding("dumping", "kamer-2", 120.0),
        finding("congestion", "arm-0", 100.0, 200.0),
    ]
    city = SmallCity(tmp_path / "city")
    city.close()
    at_once = {one.id: one for one in IncidentBook(city.register).take(said)}
    bit_by_bit = {}
    other = IncidentBook(city.register)
    for one in said:
        bit_by_bit.update({incident.id: incident for incident in other.take([one])})
    assert at_once == bit_by_bit


def test_a_site_where_it_happens_every_day_for_years_takes_no_more_room(tmp_path):
    incidents = book(tmp_path)
    sizes = []
    for day in range(1000):
        at_s = 1e9 + 86_400.0 * day
        incidents.take([finding("dumping", "kamer-2", at_s), finding("dumping", "kamer-2", at_s, at_s + 600.0)])
        sizes.append(len(pickle.dumps(incidents)))
    assert sizes[-1] < 1.1 * sizes[10]


def test_what_concerns_the_whole_city_is_kept_in_its_middle(tmp_path):
    incidents = book(tmp_path)
    (one,) = incidents.take([finding("fleet_silent", "stadje", 100.0)])
    assert (one.lon, one.lat) == (pytest.approx(6.55, abs=0.03), pytest.approx(53.2, abs=0.03))
    assert incidents.take([finding("fleet_silent", "another-city", 100.0)]) == []


def test_silent_sensors_stand_behind_the_silence_of_the_fleet(tmp_path):
    city = SmallCity(tmp_path / "city")
    city.close()
    silent = [finding("silent", f"k{i}-paper", 50.0) for i in range(3)] + [finding("silent", "arm-0", 50.0)]
    found = IncidentBook(city.register).take([*silent, finding("fleet_silent", "stadje", 100.0)])
    together = attention(city.register, found, [], None, 200.0, fleet_silence=FleetSilence(3, 24, 0.0))
    assert [one.urgency for one in together.items] == ["urgent", "watch"]
    assert together.summary.startswith("3 of 24 sensors fell silent at 01:00; decisions go on from forecasts. 1 thing")
    each = attention(city.register, found[:-1], [], None, 200.0)
    assert len(each.items) == 4
