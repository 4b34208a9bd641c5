from city.findings import Incident
from city.places import Approach, Cluster, Container, Junction
from city.readings import ReadingKey
from city.register import Register
from service.scoreboard import (
    Interval,
    count_stored,
    delays_ms,
    dumping_intervals,
    jam_intervals,
    score_dumpings,
    score_jams,
)
from simulation.planted import PlantedEvent
from simulation.truth import Happening

HOUR = 3600.0
REGISTER = Register(
    "g",
    "UTC",
    clusters=[Cluster("c1", "One", 6.5, 53.2), Cluster("c2", "Two", 6.6, 53.2)],
    containers=[Container("c1-1", "c1", "residual", 4.0)],
    junctions=[Junction("j1", "Cross", 6.5, 53.2)],
    approaches=[Approach("j1-1", "j1", "north", 180.0), Approach("j1-2", "j1", "south", 0.0)],
)


def key(n: int) -> ReadingKey:
    return ReadingKey("pi", "log", n)


def incident(kind: str, entity: str, raised_h: float, cleared_h: float | None = None) -> Incident:
    cleared_s = None if cleared_h is None else cleared_h * HOUR
    return Incident(f"{kind}-{entity}-{raised_h}", kind, entity, 6.5, 53.2, raised_h * HOUR, cleared_s, "x", 1, 1, ())


def planted(
    kind: str, entity: str, start_h: float, end_h: float | None = None, observable: bool = True
) -> PlantedEvent:
    return PlantedEvent("p", kind, entity, start_h * HOUR, None if end_h is None else end_h * HOUR, "x", observable)


def test_what_is_nowhere_is_lost_and_what_a_device_holds_is_pending():
    stored = count_stored(
        produced=[key(0), key(1), key(2), key(3)],
        in_ledger=[key(0), key(1), key(1)],
        points={key(0): [("c1-1", "fill_ratio", 5)]},
        in_store={("c1-1", "fill_ratio", 5)},
        in_outboxes={key(2)},
    )
    assert (stored.produced, stored.in_ledger, stored.stored, stored.unplaced) == (4, 2, 1, 1)
    assert (stored.pending, stored.lost, stored.twice) == (1, 1, 1)


def test_a_reading_with_a_point_missing_in_the_series_store_is_not_stored():
    points = {key(0): [("c1-1", "fill_ratio", 5), ("c1-1", "lid_openings", 5)]}
    stored = count_stored([key(0)], [key(0)], points, {("c1-1", "fill_ratio", 5)}, set())
    assert (stored.stored, stored.lost) == (0, 0)


def test_delay_is_of_live_readings_only():
    produced = {key(0): 10.0, key(1): 100.0}
    assert delays_ms(produced, {key(0): 90.0, key(1): 100.25}, live_from_real_s=50.0) == (250.0, 250.0)
    assert delays_ms(produced, {}, live_from_real_s=50.0) == (None, None)


def test_waste_lies_from_its_first_cause_until_it_is_cleared():
    happenings = [
        Happening("overflow", "c1", 2 * HOUR, "c1-1"),
        Happening("cleared", "c1", 5 * HOUR),
        Happening("overflow", "c1", 6 * HOUR, "c1-1"),
    ]
    intervals = dumping_intervals([planted("dumping", "c1", 1)], happenings, until_s=10 * HOUR)
    assert intervals == [
        Interval("c1", 1 * HOUR, 5 * HOUR, True, "dumped"),
        Interval("c1", 6 * HOUR, 10 * HOUR, True, "overflow"),
    ]


def test_a_dumping_is_found_by_an_incident_that_is_open_while_it_lies():
    truth = [Interval("c1", 1 * HOUR, 5 * HOUR, True, "dumped"), Interval("c2", 1 * HOUR, 5 * HOUR, False, "dumped")]
    score = score_dumpings(truth, [incident("dumping", "c1-1", 2)], REGISTER, 0, 8 * HOUR)
    assert (score.planted, score.observable, score.found, score.false) == (2, 1, 1, 0)
    assert (score.precision, score.recall, score.delay_min) == (1.0, 0.5, 60.0)


def test_an_incident_where_nothing_lay_is_false():
    truth = [Interval("c1", 1 * HOUR, 2.5 * HOUR, True, "dumped")]
    score = score_dumpings(truth, [incident("dumping", "c1", 5), incident("dumping", "c2", 2)], REGISTER, 0, 8 * HOUR)
    assert (score.found, score.false, score.precision) == (0, 2, 0.0)


def test_waste_that_lay_shorter_than_an_hour_is_not_due():
    truth = [Interval("c1", 1 * HOUR, 1.5 * HOUR, True, "dumped")]
    assert score_dumpings(truth, [], REGISTER, 0, 8 * HOUR).planted == 0


def test_a_jam_is_found_on_its_approach_and_its_neighbour_is_not_false():
    truth = jam_intervals([planted("jam", "j1-1", 1, 2)], until_s=8 * HOUR)
    score = score_jams(
        truth,
        [incident("congestion", "j1-1", 1.1), incident("congestion", "j1-2", 1.2), incident("congestion", "j1-2", 4)],
        REGISTER,
        0,
        8 * HOUR,
    )
    assert (score.planted, score.found, score.false, score.raised) == (1, 1, 1, 3)


def test_without_truth_nothing_is_scored():
    score = score_jams(None, [incident("congestion", "j1-1", 1)], REGISTER, 0, HOUR * 8)
    assert (score.planted, score.found, score.false, score.raised) == (None, None, None, 1)
