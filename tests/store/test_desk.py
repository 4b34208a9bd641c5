"""The desk: what is kept, what is decided once, and what is never overwritten."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import pytest

from city.errors import BadInput, MissingPart, TransientError
from city.findings import Evidence, Incident
from city.plans import Difference, Job, Moved, Plan, Proposal, Round, Stop, Unserved
from store.desk import AlreadyDecided, Desk, NotFound, ReckonedAnew

DIFFERENCE = Difference(("j-1",), (), (Moved("j-2", "k-2", "t-1", "t-2"),), ("t-1", "t-2"), 1200.0, 340.5, 60.0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/desk.sqlite"


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    with Desk(url) as one:
        yield one


def incident(id: str = "i-1", *, raised_at_s: float = 100.0, **changes: object) -> Incident:
    made = Incident(
        id,
        "dumping",
        "k-1",
        6.566,
        53.219,
        raised_at_s,
        None,
        "dumped",
        0.9,
        0.7,
        (Evidence("3 bags", "objects_beside", 1.0, 3.0),),
    )
    return msgspec.structs.replace(made, **changes)


def plan(id: str = "p-1", stops: int = 3) -> Plan:
    round_ = Round(
        "t-1",
        tuple(Stop("empty", f"k-{n}", 6.5, 53.2, n * 60.0, n * 60.0 + 30, f"j-{n}", (f"c-{n}",)) for n in range(stops)),
        1000.5,
        3600.0,
        ((6.5, 53.2), (6.6, 53.3)),
    )
    return Plan(
        id,
        50.0,
        (round_,),
        (Unserved("j-9", "k-9", "no truck takes textile"),),
        (Job("j-1", "empty", "k-1", 6.5, 53.2, "paper"),),
    )


def proposal(id: str = "v-1", *, before: str = "p-1", made_at_s: float = 200.0) -> Proposal:
    changed = msgspec.structs.replace(plan(f"p-of-{id}"), based_on=before)
    return Proposal(id, made_at_s, "waste beside k-1", ("i-1",), before, changed, DIFFERENCE)


def driving(desk: Desk, id: str = "p-1") -> None:
    desk.put_plan(plan(id))
    desk.set_current_plan(id, 60.0, "ronde")


# Incidents


def test_an_incident_is_kept_as_it_is(desk: Desk) -> None:
    assert desk.put_incident(incident()) == incident()
    assert desk.incident("i-1") == incident()


def test_a_detector_may_say_more_of_an_open_incident(desk: Desk) -> None:
    desk.put_incident(incident())
    later = incident(probability=0.99, cleared_at_s=500.0, status="closed")
    assert desk.put_incident(later) == later
    assert desk.incidents() == [later]


@pytest.mark.parametrize("decision", ["confirmed", "dismissed", "closed"])
def test_a_detector_never_overwrites_a_decision(desk: Desk, decision: str) -> None:
    desk.put_incident(incident())
    decided = desk.decide_incident("i-1", decision, "Anna", "seen", 300.0)  # type: ignore[arg-type]
    assert (decided.status, decided.decided_by, decided.decided_at_s, decided.note) == (decision, "Anna", 300.0, "seen")
    kept = desk.put_incident(incident(probability=0.1, cleared_at_s=900.0, status="open", note="by a detector"))
    assert kept == msgspec.structs.replace(decided, probability=0.1, cleared_at_s=900.0)
    assert desk.incident("i-1") == kept


def test_incidents_are_listed_by_status_the_newest_first(desk: Desk) -> None:
    for n in range(5):
        desk.put_incident(incident(f"i-{n}", raised_at_s=float(n)))
    desk.decide_incident("i-3", "confirmed", "Anna", "", 9.0)
    assert [one.id for one in desk.incidents()] == ["i-4", "i-3", "i-2", "i-1", "i-0"]
    assert [one.id for one in desk.incidents("open", limit=2)] == ["i-4", "i-2"]
    assert [one.id for one in desk.incidents("confirmed")] == ["i-3"]
    assert desk.incidents("dismissed") == []


def test_an_incident_is_decided_once_and_a_confirmed_one_can_be_closed(desk: Desk) -> None:
    desk.put_incident(incident())
    desk.decide_incident("i-1", "confirmed", "Anna", "", 1.0)
    with pytest.raises(AlreadyDecided, match="already confirmed by Anna") as caught:
        desk.decide_incident("i-1", "dismissed", "Bram", "", 2.0)
    assert (caught.value.status, caught.value.decided_by, caught.value.decided_at_s) == ("confirmed", "Anna", 1.0)
    assert desk.decide_incident("i-1", "closed", "Bram", "cleared", 3.0).decided_by == "Bram"
    with pytest.raises(AlreadyDecided):
        desk.decide_incident("i-1", "closed", "Anna", "", 4.0)
    assert [(entry.by, entry.decision, entry.at_s) for entry in desk.trail()] == [
        ("Bram", "closed", 3.0),
        ("Anna", "confirmed", 1.0),
    ]


# Plans


def test_a_plan_of_ten_thousand_stops_is_kept_and_driven(desk: Desk) -> None:
    large = plan("p-large", stops=10_000)
    desk.put_plan(large)
    desk.set_current_plan("p-large", 1.0, "ronde")
    assert desk.plan("p-large") == large
    assert desk.current_plan() == large


def test_a_kept_plan_is_never_changed(desk: Desk) -> None:
    desk.put_plan(plan())
    desk.put_plan(plan())
    with pytest.raises(BadInput, match="another one"):
        desk.put_plan(plan(stops=4))
    assert desk.plan("p-1") == plan()


def test_every_change_of_the_current_plan_is_in_the_trail_once(desk: Desk) -> None:
    assert desk.current_plan() is None
    desk.put_plan(plan("p-1"))
    desk.put_plan(plan("p-2"))
    desk.set_current_plan("p-1", 1.0, "ronde")
    desk.set_current_plan("p-1", 2.0, "ronde")
    desk.set_current_plan("p-2", 3.0, "Anna")
    assert desk.current_plan() == plan("p-2")
    assert [(e.at_s, e.by, e.id, e.reason) for e in desk.trail()] == [
        (3.0, "Anna", "p-2", "instead of p-1"),
        (1.0, "ronde", "p-1", ""),
    ]


def test_a_plan_that_is_not_kept_cannot_be_driven(desk: Desk) -> None:
    driving(desk)
    with pytest.raises(NotFound):
        desk.set_current_plan("p-9", 1.0, "ronde")
    assert desk.current_plan() == plan()


# Proposals


def test_a_proposal_is_kept_as_it_is(desk: Desk) -> None:
    desk.put_proposal(proposal())
    desk.put_proposal(proposal())
    assert desk.proposal("v-1") == proposal()
    assert desk.proposals("open") == [proposal()]


def test_accepting_makes_its_plan_current_and_takes_back_the_others(desk: Desk) -> None:
    driving(desk)
    for id in ("v-1", "v-2", "v-3"):
        desk.put_proposal(proposal(id))
    accepted = desk.decide_proposal("v-2", True, "Anna", "", 300.0)
    assert (accepted.status, accepted.decided_by, accepted.decided_at_s) == ("accepted", "Anna", 300.0)
    assert desk.proposal("v-2") == accepted
    assert desk.current_plan() == proposal("v-2").plan
    assert [(one.id, one.status) for one in desk.proposals()] == [
        ("v-1", "superseded"),
        ("v-2", "accepted"),
        ("v-3", "superseded"),
    ]
    # What the caller may do afterwards, not knowing that it is done, changes nothing.
    before = desk.trail()
    desk.put_plan(accepted.plan)
    desk.set_current_plan(accepted.plan.id, 301.0, "Anna")
    assert desk.supersede_open_proposals(302.0) == []
    assert desk.trail() == before


def test_a_rejection_needs_a_reason_and_changes_no_plan(desk: Desk) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    for reason in ("", "  "):
        with pytest.raises(BadInput, match="reason"):
            desk.decide_proposal("v-1", False, "Anna", reason, 1.0)
    rejected = desk.decide_proposal("v-1", False, "Anna", "truck 2 is at the garage", 2.0)
    assert (rejected.status, rejected.decision_reason) == ("rejected", "truck 2 is at the garage")
    assert desk.current_plan() == plan()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_a_proposal_is_decided_once(desk: Desk, first: bool, second: bool) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    decided = desk.decide_proposal("v-1", first, "Anna", "because", 1.0)
    with pytest.raises(AlreadyDecided, match="by Anna"):
        desk.decide_proposal("v-1", second, "Bram", "because", 2.0)
    assert desk.proposal("v-1") == decided
    desk.put_proposal(proposal())
    assert desk.proposal("v-1") == decided


def test_what_a_dispatcher_looks_at_is_never_changed(desk: Desk) -> None:
    desk.put_proposal(proposal())
    with pytest.raises(BadInput, match="something else"):
        desk.put_proposal(msgspec.structs.replace(proposal(), reason="another"))
    assert desk.proposal("v-1") == proposal()


def better(n: int, id: str = "v-1") -> Proposal:
    """The proposal with another plan, found `n` seconds later."""
    one = proposal(id)
    return msgspec.structs.replace(one, plan=plan(f"better-{n}"), reason=f"better {n}", improved_at_s=200.0 + n)


def test_a_better_plan_takes_the_place_of_the_one_before_under_the_same_id(desk: Desk) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    kept = desk.improve_proposal(better(1))
    assert (kept.id, kept.made_at_s, kept.version, kept.improved_at_s) == ("v-1", 200.0, 2, 201.0)
    assert desk.proposals() == [kept] == [desk.proposal("v-1")]
    assert desk.improve_proposal(better(2)).version == 3
    assert desk.decide_proposal("v-1", True, "Anna", "", 300.0).plan == plan("better-2")


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_what_was_looked_at_is_what_is_accepted(desk: Desk, seen: int) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    desk.improve_proposal(better(1))
    desk.improve_proposal(better(2))
    wanted = [proposal().plan, plan("better-1"), plan("better-2")][seen]
    accepted = desk.decide_proposal("v-1", True, "Anna", "", 300.0, plan=wanted.id)
    assert (accepted.plan, accepted.version, accepted.status) == (wanted, seen + 1, "accepted")
    assert desk.proposal("v-1") == accepted
    assert desk.current_plan() == wanted


def test_a_plan_found_again_can_be_accepted_once_it_was_bettered(desk: Desk) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    for n in (1, 2, 1, 2, 2):
        desk.improve_proposal(better(n))
    assert desk.decide_proposal("v-1", True, "Anna", "", 300.0, plan="better-1").plan == plan("better-1")


def test_what_was_reckoned_anew_or_never_proposed_cannot_be_accepted(desk: Desk) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    desk.improve_proposal(better(1))
    desk.improve_proposal(better(2), anew=True)
    for plan_id in (proposal().plan.id, "better-1", "never"):
        with pytest.raises(ReckonedAnew, match="Look at it again"):
            desk.decide_proposal("v-1", True, "Anna", "", 300.0, plan=plan_id)
    assert desk.proposal("v-1").status == "open"
    assert desk.decide_proposal("v-1", True, "Anna", "", 300.0, plan="better-2").version == 3


def test_only_an_open_proposal_is_bettered_and_only_for_its_plan(desk: Desk) -> None:
    driving(desk)
    with pytest.raises(NotFound):
        desk.improve_proposal(better(1))
    desk.put_proposal(proposal())
    with pytest.raises(BadInput, match="an id of its own"):
        desk.improve_proposal(msgspec.structs.replace(better(1), plan_before="p-2"))
    desk.decide_proposal("v-1", False, "Anna", "no", 300.0)
    with pytest.raises(AlreadyDecided, match="rejected"):
        desk.improve_proposal(better(1))
    assert desk.proposal("v-1").plan == proposal().plan


def test_versions_are_there_after_a_restart_and_gone_once_it_is_decided(desk: Desk, url: str, tmp_path: Path) -> None:
    driving(desk)
    for id in ("v-1", "v-2"):
        desk.put_proposal(proposal(id))
        desk.improve_proposal(better(1, id))
    with Desk(url) as another:
        assert another.decide_proposal("v-1", True, "Anna", "", 300.0, plan=proposal().plan.id).version == 1
    assert desk.proposal("v-2").status == "superseded"
    db = sqlite3.connect(tmp_path / "desk.sqlite")
    assert db.execute("SELECT count(*) FROM proposal_version").fetchone() == (0,)
    db.close()


def test_a_proposal_for_a_plan_that_is_no_longer_driven_cannot_be_accepted(desk: Desk) -> None:
    """Else it would silently undo what was changed in between."""
    driving(desk, "p-1")
    desk.put_proposal(proposal("v-1", before="p-1"))
    driving(desk, "p-2")
    with pytest.raises(AlreadyDecided, match="superseded"):
        desk.decide_proposal("v-1", True, "Anna", "", 1.0)
    assert desk.current_plan() == plan("p-2")
    assert desk.proposal("v-1").status == "superseded"


def test_open_proposals_are_taken_back_and_decided_ones_stay(desk: Desk) -> None:
    for id in ("v-1", "v-2", "v-3"):
        desk.put_proposal(proposal(id))
    desk.decide_proposal("v-2", False, "Anna", "no", 1.0)
    assert desk.supersede_open_proposals(5.0) == ["v-1", "v-3"]
    assert desk.proposals("open") == []
    assert desk.proposal("v-2").status == "rejected"
    with pytest.raises(AlreadyDecided, match="superseded"):
        desk.decide_proposal("v-1", True, "Anna", "", 6.0)
    assert {(e.id, e.decision) for e in desk.trail()} == {
        ("v-1", "superseded"),
        ("v-3", "superseded"),
        ("v-2", "rejected"),
    }


def test_the_trail_can_be_asked_about_one_thing(desk: Desk) -> None:
    driving(desk)
    desk.put_proposal(proposal())
    desk.decide_proposal("v-1", False, "Anna", "no", 9.0)
    assert [(e.subject, e.decision, e.by, e.reason) for e in desk.trail(id="v-1")] == [
        ("proposal", "rejected", "Anna", "no")
    ]
    assert len(desk.trail(limit=1)) == 1


# Bad input


@pytest.mark.parametrize("what", ["incident", "plan", "proposal"])
def test_what_is_not_there_is_not_found(desk: Desk, what: str) -> None:
    with pytest.raises(NotFound, match=f"There is no {what} 'nothing'") as caught:
        getattr(desk, what)("nothing")
    assert isinstance(caught.value, KeyError)
    assert (caught.value.what, caught.value.id) == (what, "nothing")


def test_deciding_on_what_is_not_there_leaves_no_trail(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.decide_incident("nothing", "confirmed", "Anna", "", 1.0)
    with pytest.raises(NotFound):
        desk.decide_proposal("nothing", True, "Anna", "", 1.0)
    assert desk.trail() == []


@pytest.mark.parametrize(
    "changes",
    [{"lon": float("nan")}, {"severity": float("inf")}, {"cause": "\ud800"}, {"status": "perhaps"}, {"entity": None}],
)
def test_an_incident_that_could_not_be_read_again_is_not_kept(desk: Desk, changes: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="'i-1' cannot be kept"):
        desk.put_incident(incident(**changes))
    assert desk.incidents() == []


@pytest.mark.parametrize(("by", "at_s"), [("", 1.0), (" ", 1.0), ("Anna", float("nan"))])
def test_a_decision_is_somebodys_and_has_a_time(desk: Desk, by: str, at_s: float) -> None:
    driving(desk)
    desk.put_incident(incident())
    desk.put_proposal(proposal())
    for decide in (
        lambda: desk.decide_incident("i-1", "confirmed", by, "", at_s),
        lambda: desk.decide_proposal("v-1", True, by, "", at_s),
        lambda: desk.set_current_plan("p-1", at_s, by),
    ):
        with pytest.raises(BadInput):
            decide()


def test_a_word_that_is_no_decision_is_refused(desk: Desk) -> None:
    desk.put_incident(incident())
    with pytest.raises(BadInput, match="confirmed, dismissed or closed"):
        desk.decide_incident("i-1", "open", "Anna", "", 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["", "desk.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://localhost/desk", "influxdb://h/o/b"]
)
def test_a_url_that_names_no_desk_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="sqlite:///PATH"):
        Desk(url)


def test_a_driver_that_is_missing_is_named() -> None:
    with pytest.raises(MissingPart, match="pip install"):
        Desk("postgresql+pg8000://127.0.0.1/ronde")


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite"
    path.write_bytes(b"no database, but long enough to be taken for one " * 40)
    content = path.read_bytes()
    with pytest.raises(BadInput, match="not a database"):
        Desk(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_desk_of_another_version_is_left_alone(url: str, tmp_path: Path) -> None:
    Desk(url).close()
    db = sqlite3.connect(tmp_path / "desk.sqlite")
    db.execute("UPDATE setting SET value = '99' WHERE name = 'version'")
    db.commit()
    db.close()
    with pytest.raises(BadInput, match="version 99"):
        Desk(url)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file"):
        Desk(f"sqlite:///{tmp_path}/file/desk.sqlite")


# Several at once


def test_of_many_threads_that_accept_one_proposal_exactly_one_wins(desk: Desk) -> None:
    driving(desk)
    for n in range(5):
        desk.put_proposal(proposal(f"v-{n}", before="p-1" if n == 0 else f"p-of-v-{n - 1}"))
        barrier = Barrier(8)

        def accept(who: int, n: int = n, barrier: Barrier = barrier) -> str | None:
            barrier.wait()
            try:
                return desk.decide_proposal(f"v-{n}", True, f"d-{who}", "", 1.0).decided_by
            except AlreadyDecided:
                return None

        with ThreadPoolExecutor(8) as pool:
            winners = [one for one in pool.map(accept, range(8)) if one]
        assert len(winners) == 1
        assert desk.proposal(f"v-{n}").decided_by == winners[0]


def test_of_several_proposals_for_one_plan_only_one_can_be_accepted(desk: Desk) -> None:
    driving(desk)
    for n in range(6):
        desk.put_proposal(proposal(f"v-{n}"))
    barrier = Barrier(6)

    def accept(n: int) -> bool:
        barrier.wait()
        try:
            desk.decide_proposal(f"v-{n}", True, f"d-{n}", "", 1.0)
        except AlreadyDecided:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(accept, range(6)))
    assert won.count(True) == 1
    assert desk.current_plan() == proposal(f"v-{won.index(True)}").plan
    assert sorted(one.status for one in desk.proposals()) == ["accepted", *["superseded"] * 5]


def test_a_detector_that_repeats_itself_does_not_hide_a_decision(desk: Desk) -> None:
    desk.put_incident(incident())

    def repeat(n: int) -> None:
        desk.put_incident(incident(probability=n / 200))

    with ThreadPoolExecutor(4) as pool:
        repeated = pool.map(repeat, range(100))
        desk.decide_incident("i-1", "dismissed", "Anna", "a bench", 1.0)
        list(repeated)
    assert desk.incident("i-1").status == "dismissed"
    assert len(desk.incidents()) == 1


_DISPATCHER = """
import sys
from store.desk import AlreadyDecided, Desk
won = []
with Desk(sys.argv[1]) as desk:
    sys.stdin.readline()
    for n in range(30):
        try:
            desk.decide_proposal(f"v-{n}", False, sys.argv[2], "no", 1.0)
            won.append(n)
        except AlreadyDecided:
            pass
print(*won)
"""


def test_of_several_processes_each_proposal_has_one_winner(desk: Desk, url: str) -> None:
    for n in range(30):
        desk.put_proposal(proposal(f"v-{n}"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DISPATCHER, url, f"d-{who}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in range(3)
    ]
    try:
        won = [process.communicate("go\n", timeout=60)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert sorted(int(n) for one in won for n in one) == list(range(30))
    for who, one in enumerate(won):
        assert all(desk.proposal(f"v-{n}").decided_by == f"d-{who}" for n in one)
    assert len(desk.trail()) == 30


_ENDLESS = """
import sys
import msgspec
from store.desk import Desk
from tests.store.test_desk import proposal
with Desk(sys.argv[1]) as desk:
    before = "p-1"
    for n in range(100_000):
        one = proposal(f"v-{n}", before=before)
        desk.put_proposal(one)
        desk.decide_proposal(one.id, True, "Anna", "", float(n))
        before = one.plan.id
        print(n, flush=True)
"""


def test_a_kill_leaves_every_decision_whole(desk: Desk, url: str) -> None:
    driving(desk)
    with subprocess.Popen([sys.executable, "-c", _ENDLESS, url], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for _ in range(10):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            said = 10 + len(process.stdout.read().splitlines())
        finally:
            process.kill()
    accepted = sorted(int(one.id[2:]) for one in desk.proposals("accepted"))
    assert accepted == list(range(len(accepted)))
    assert len(accepted) >= said
    now = desk.current_plan()
    assert now is not None
    assert now.id == f"p-of-v-{accepted[-1]}"
    assert sum(entry.decision == "accepted" for entry in desk.trail()) == len(accepted)
    assert sum(entry.decision == "current" for entry in desk.trail()) == len(accepted) + 1


def test_a_desk_that_is_opened_by_several_at_the_same_moment_is_made_once(url: str) -> None:
    barrier = Barrier(6)

    def open_it(_: int) -> None:
        barrier.wait()
        Desk(url).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_it, range(6)))
    with Desk(url) as desk:
        driving(desk)


def test_a_desk_that_stays_busy_may_be_tried_again(tmp_path: Path, url: str) -> None:
    with Desk(url, busy_s=0.1) as desk:
        other = sqlite3.connect(tmp_path / "desk.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError):
            desk.put_incident(incident())
        assert desk.incidents() == []
        other.close()
        desk.put_incident(incident())
