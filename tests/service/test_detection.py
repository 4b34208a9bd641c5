import pytest

from city.readings import Reading
from ledger.reader import LedgerReader
from service.attention import attention
from service.detection import DetectionLoop
from service.detectors import Detectors
from service.settings import PlanningSettings
from service.snapshot import UNKNOWN
from store.desk import Desk
from tests.service.running import until
from tests.service.small_city import HOUR_S, MONDAY_S, SmallCity


@pytest.fixture
def city(tmp_path):
    city = SmallCity(tmp_path / "city")
    yield city
    city.close()


@pytest.fixture
def desk(tmp_path):
    with Desk(f"sqlite:///{tmp_path / 'desk.sqlite'}") as desk:
        yield desk


class Watched:
    """A detection loop over a city, and what it showed."""

    def __init__(self, city, desk, detectors=None):
        self.shown = []
        self.detectors = detectors or Detectors(city.register, PlanningSettings())
        self.loop = DetectionLoop(
            LedgerReader(city.folder / "ledger"),
            city.register,
            self.detectors,
            desk,
            city.stopped_clock(),
            tick_s=0.05,
            on_snapshot=lambda snapshot, incidents: self.shown.append((snapshot, incidents)),
        )

    def __enter__(self):
        self.loop.start()
        until(lambda: self.shown and self.shown[-1][0].ready)
        return self

    def __exit__(self, *_):
        self.loop.stop()

    @property
    def snapshot(self):
        return self.shown[-1][0]


def test_a_backlog_is_read_while_progress_shows_and_the_desk_hears_of_each_incident_once(tmp_path, desk):
    city = SmallCity(tmp_path / "backlog", batch=4)
    city.history(hours=24 * 4)
    city.dump("kamer-2")
    city.close()
    with Watched(city, desk) as watched:
        first, last = watched.shown[0][0], watched.snapshot
        assert not first.ready
        assert 0 < first.position < first.entries
        assert (last.position, last.ready) == (last.entries, True)
        assert all(not incidents for snapshot, incidents in watched.shown if not snapshot.ready)
        told = [one.id for _, incidents in watched.shown for one in incidents]
        assert len(told) == len(set(told))
        assert [one.entity for one in desk.incidents("open")] == ["kamer-2"]


def test_a_restart_finds_the_same_and_writes_nothing_twice(city, desk):
    city.history()
    city.dump("kamer-2")
    with Watched(city, desk):
        before = desk.incidents()
    decided = desk.decide_incident(before[0].id, "confirmed", "officer 1", "", MONDAY_S)
    with Watched(city, desk) as again:
        assert desk.incidents() == [decided]
        assert [incidents for _, incidents in again.shown if incidents] == []


def test_an_open_incident_that_nothing_says_any_more_is_ended(city, desk, tmp_path):
    other = SmallCity(tmp_path / "other")
    other.history()
    other.dump("kamer-5")
    with Watched(other, desk):
        assert desk.incidents("open")
    other.close()
    city.history()
    with Watched(city, desk):
        until(lambda: not desk.incidents("open"))
        assert desk.incidents("closed")[0].cleared_at_s == MONDAY_S


def test_rows_that_a_model_cannot_take_are_left_out_and_said_but_do_not_blind_the_city(city, desk):
    class Choosy(Detectors):
        """Fails on what the box at the junction says, as a faulty model would."""

        def feed(self, rows, now_s):
            if any(row.key.device == "box-1" for row in rows):
                raise ArithmeticError("a model's fault")
            return super().feed(rows, now_s)

    with Watched(city, desk, Choosy(city.register, PlanningSettings())) as watched:
        city.traffic(1)
        until(lambda: watched.loop.skipped)
        assert watched.loop.skipped_because == "a model's fault"
        city.history(hours=3)
        city.dump("kamer-2")
        until(lambda: desk.incidents("open"))


def test_what_fails_once_is_tried_again_and_said_meanwhile(city, desk):
    city.history(hours=3)
    faults = []
    shown = []

    class Moody(Detectors):
        """Fails when it is asked what is known for the first time after the catch-up."""

        def snapshot(self, now_s, position, entries, ready):
            if ready and not faults:
                faults.append("seen")
                raise OSError("the disk was away")
            return super().snapshot(now_s, position, entries, ready)

    loop = DetectionLoop(
        LedgerReader(city.folder / "ledger"),
        city.register,
        Moody(city.register, PlanningSettings()),
        desk,
        city.stopped_clock(),
        tick_s=0.05,
        on_snapshot=lambda snapshot, _: shown.append(snapshot),
    )
    loop.start()
    try:
        assert until(lambda: loop.fault) == "the disk was away"
        until(lambda: shown and shown[-1].ready)
        until(lambda: not loop.fault)
        city.dump("kamer-2")
        until(lambda: desk.incidents("open"))
    finally:
        loop.stop()


def test_a_device_that_tells_what_it_kept_is_late_not_silent(city, desk):
    readings = [
        Reading(round((MONDAY_S - 40 * HOUR_S + 60 * n) * 1000), "arm-0", "traffic", {"vehicle_count": 5.0 + n % 3}, 60)
        for n in range(100)
    ]
    city.tell("box-1", readings)
    with Watched(city, desk) as watched:
        assert watched.snapshot.late_devices == 1
        assert "arm-0" not in watched.snapshot.sick
        assert desk.incidents() == []


class TestDecisions:
    """What an officer decides is told to the detectors, live and after every start alike."""

    class Listening(Detectors):
        """Detectors that remember which reports they heard, and after how many other rows."""

        def __init__(self, register, planning):
            super().__init__(register, planning)
            self.heard, self.rows = [], 0

        def feed(self, rows, now_s):
            self.heard += [(row.subject, row.values["waste_beside"], self.rows) for row in rows if row.kind == "report"]
            self.rows += sum(row.kind != "report" for row in rows)
            return super().feed(rows, now_s)

    def test_a_decision_is_told_where_it_fell_among_the_readings(self, city, desk):
        city.history(hours=3)
        city.dump("kamer-2")
        with Watched(city, desk):
            incident = desk.incidents("open")[0]
        desk.decide_incident(incident.id, "dismissed", "officer 1", "a bicycle", city.now_s + 60.0)
        city.now_s += 3600.0
        city.traffic(1)
        listening = self.Listening(city.register, PlanningSettings())
        with Watched(city, desk, listening):
            [(subject, value, after)] = listening.heard
            assert (subject, value) == ("kamer-2", 0.0)
            assert 0 < after < listening.rows

    def test_a_decision_of_now_is_told_at_once(self, city, desk):
        city.history(hours=3)
        city.dump("kamer-2")
        listening = self.Listening(city.register, PlanningSettings())
        with Watched(city, desk, listening) as watched:
            incident = desk.incidents("open")[0]
            watched.loop.decided(desk.decide_incident(incident.id, "confirmed", "officer 1", "", MONDAY_S - 1.0))
            until(lambda: listening.heard)
            assert listening.heard[0][:2] == ("kamer-2", 1.0)


def test_a_fleet_that_falls_silent_is_one_incident_of_the_city_and_decisions_go_on(city, desk):
    city.now_s -= 14 * HOUR_S
    city.history()
    city.now_s += 14 * HOUR_S
    for i in range(6):
        levels = [
            Reading(
                round((MONDAY_S - hour * HOUR_S) * 1000), f"k{i}-{stream}", "fill", {"fill_ratio": 0.4 - hour / 100}
            )
            for hour in range(13, -1, -1)
            for stream in ("residual", "paper")
        ]
        city.tell(f"node-{i}", levels)
    with Watched(city, desk) as watched:
        (incident,) = until(lambda: [one for one in desk.incidents("open") if one.kind == "fleet_silent"])
        assert incident.entity == "stadje"
        assert (watched.snapshot.fleet_silence.silent, watched.snapshot.fleet_silence.known) == (12, 24)
        known = watched.snapshot.containers
        silent = known.index["k9-residual"]
        assert known.state[silent] != UNKNOWN
        assert known.level[silent] > 0.6
        said = attention(city.register, [incident], [], None, MONDAY_S, fleet_silence=watched.snapshot.fleet_silence)
        assert said.summary.startswith("12 of 24 sensors fell silent at 18:00; decisions go on from forecasts")
        assert [one.place for one in said.items] == [""]
