"""From a planted dumping to a command on a real broker, through every part of the service."""

import threading

import msgspec
import pytest

from broker.client import Loop, MqttClient
from broker.codec import Status, decode_command, encode_status
from broker.server import start_broker
from broker.topics import down_topic, up_topic
from city.errors import BadInput
from city.readings import Reading
from service.dispatch import Dispatcher
from tests.service.running import client_of, runtime_of, settings_for, until
from tests.service.small_city import SmallCity


class Cab:
    """What hangs on the broker in place of the trucks: hears every command for the city's trucks."""

    def __init__(self, broker, city, client_id="cabs"):
        self.heard = []
        self.client = MqttClient(broker.host, broker.port, client_id)
        self.client.on_message = lambda topic, payload: self.heard.append(
            (topic.split("/")[2], decode_command(payload))
        )
        for truck in city.register.trucks:
            self.client.subscribe(down_topic("stadje", f"cab-{truck}", "command"))
        self._loop = Loop()
        self._loop.add(self.client)
        self._loop.wait_connected(self.client)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            self._loop.run_once(0.1)
        self._loop.close()

    def close(self):
        self._over.set()
        self._thread.join(5)

    def rounds(self, device):
        return [command for one, command in list(self.heard) if one == device]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with start_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def city(tmp_path):
    city = SmallCity(tmp_path / "city")
    city.history(full=("k3-residual", "k8-paper"))
    yield city
    city.close()


def test_a_dumping_becomes_a_proposal_and_once_accepted_a_command_for_the_truck(city, broker):
    with runtime_of(settings_for(city, f"{broker.host}:{broker.port}")) as runtime, client_of(runtime) as client:
        cab = Cab(broker, city)
        try:
            plan = until(runtime.todays_plan)
            until(lambda: cab.rounds("cab-crane-1") and cab.rounds("cab-crane-2"))
            command = cab.rounds("cab-crane-1")[-1]
            assert command.verb == "follow-round"
            assert command.arguments["plan"] == plan.id
            assert command.arguments["round"]["truck"] == "crane-1"
            assert "path" not in command.arguments["round"]
            last_s = max(one.stops[-1].leave_s for one in plan.rounds if one.truck == "crane-1")
            assert command.expires_at_ms > last_s * 1000
            assert not cab.rounds("cab-grab-1")

            city.now_s = runtime.clock.now_s()
            city.dump("kamer-2")
            (proposal,) = until(lambda: client.get("/v1/proposals?status=open").json()["items"])
            assert "Waste" in proposal["reason"] or "waste" in proposal["reason"]
            assert "Straat 2" in proposal["reason"]
            assert "4 objects" in proposal["reason"]
            assert "Grijper 1 clears it at" in proposal["reason"]
            assert proposal["trucks"] == ["Grijper 1"]
            assert proposal["cost"]["distanceKm"] > 0
            assert proposal["cost"]["durationMin"] > 0

            attention = client.get("/v1/attention").json()
            assert attention["summary"] == "1 thing needs you now"
            assert [one["type"] for one in attention["items"]] == ["proposal"]

            detail = client.get(f"/v1/proposals/{proposal['id']}").json()
            assert detail["before"] == []
            (after,) = detail["after"]
            assert [stop["incident"] for stop in after["stops"] if stop["kind"] == "clear"] == proposal["incidents"]
            assert len(after["path"]) > 2
            assert detail["difference"]["added"] == [f"clear-{proposal['incidents'][0]}"]

            refused = client.post(f"/v1/proposals/{proposal['id']}/decision", json={"decision": "reject", "by": "me"})
            assert refused.status_code == 400
            assert "reason" in refused.json()["detail"]

            said = {"decision": "accept", "by": "dispatcher 3"}
            unnamed = client.post(f"/v1/proposals/{proposal['id']}/decision", json=said)
            assert (unnamed.status_code, "planAfter" in unnamed.json()["detail"]) == (400, True)
            said["plan"] = proposal["planAfter"]
            last_id = runtime.hub.last_id
            accepted = client.post(f"/v1/proposals/{proposal['id']}/decision", json=said).json()
            assert (accepted["status"], accepted["decidedBy"]) == ("accepted", "dispatcher 3")
            command = until(lambda: cab.rounds("cab-grab-1"))[-1]
            assert command.arguments["plan"] == accepted["planAfter"]
            assert "kamer-2" in [stop["place"] for stop in command.arguments["round"]["stops"]]
            current = client.get("/v1/plans/current").json()
            assert (current["id"], current["basedOn"]) == (accepted["planAfter"], plan.id)
            assert client.get("/v1/attention").json()["items"] == []
            names = [event.name for event in runtime.hub._recent if event.id > last_id]
            assert {"plan", "proposal", "attention"} <= set(names)

            twice = client.post(f"/v1/proposals/{proposal['id']}/decision", json={**said, "by": "dispatcher 4"})
            assert twice.status_code == 409

            # The crew clears it: the incident is over, and the stop is done.
            city.now_s = runtime.clock.now_s()
            city.tell(
                "cab-grab-1",
                [Reading(round(city.now_s * 1000), "truck", "visit", {"objects_beside": 0.0}, place="kamer-2")],
            )
            until(lambda: client.get(f"/v1/incidents/{proposal['incidents'][0]}").json()["clearedAt"])
            truck = next(one for one in client.get("/v1/trucks").json()["trucks"] if one["id"] == "grab-1")
            assert truck["doneStops"] == 1
        finally:
            cab.close()


def test_what_was_rejected_is_not_proposed_again_also_not_after_a_restart(city, broker):
    settings = settings_for(city, f"{broker.host}:{broker.port}")
    with runtime_of(settings) as runtime:
        until(runtime.todays_plan)
        city.now_s = runtime.clock.now_s()
        city.dump("kamer-2")
        (proposal,) = until(lambda: runtime.desk.proposals("open"))
        with pytest.raises(BadInput):
            runtime.planner.reject(proposal.id, "me", "  ")
        runtime.planner.reject(proposal.id, "dispatcher 3", "the street is closed")
        (item,) = runtime.attention().items
        assert item.type == "incident"
        assert "the street is closed" in item.detail
        assert runtime.todays_plan().id == proposal.plan_before
        solved = runtime.planner.solved
        # Something else makes it look again; what was rejected stays out of it.
        city.dump("kamer-5")
        (other,) = until(lambda: runtime.desk.proposals("open"))
        assert not set(other.incidents) & set(proposal.incidents)
        assert runtime.planner.solved > solved
        kept = runtime.todays_plan().id
    with runtime_of(settings) as runtime:
        until(lambda: runtime.is_ready)
        assert runtime.todays_plan().id == kept
        assert [one.id for one in runtime.desk.incidents("open")] == [
            one.id for one in sorted(runtime.lasting_incidents(), key=lambda one: -one.raised_at_s)
        ]
        assert len(runtime.desk.incidents()) == 2
        for _ in range(10):
            runtime.planner.step(runtime.snapshot, runtime.lasting_incidents())
        assert not any(set(one.incidents) & set(proposal.incidents) for one in runtime.desk.proposals("open"))


def test_a_second_cause_makes_one_better_proposal_and_the_first_is_superseded(city, broker):
    with runtime_of(settings_for(city, f"{broker.host}:{broker.port}")) as runtime:
        until(runtime.todays_plan)
        city.now_s = runtime.clock.now_s()
        city.dump("kamer-2")
        (first,) = until(lambda: runtime.desk.proposals("open"))
        city.now_s = runtime.clock.now_s()
        city.dump("kamer-5")

        def better():
            standing = runtime.desk.proposals("open")
            return standing if standing and standing[0].id != first.id else []

        (second,) = until(better)
        assert len(second.incidents) == 2
        assert runtime.desk.proposal(first.id).status == "superseded"
        # Dismissed by a person: nothing is left of the reason for half of it, so it is looked at again.
        runtime.desk.decide_incident(first.incidents[0], "dismissed", "officer 1", "", runtime.clock.now_s())
        third = until(lambda: [one for one in runtime.desk.proposals("open") if one.id != second.id])[0]
        assert third.incidents == tuple(one for one in second.incidents if one not in first.incidents)


def test_a_truck_that_was_away_gets_its_round_and_an_expired_one_is_not_sent(city, broker):
    with runtime_of(settings_for(city, f"{broker.host}:{broker.port}")) as runtime:
        plan = until(runtime.todays_plan)
        until(lambda: not runtime.dispatcher.unsent)
        late = Cab(broker, city, "late-cabs")
        try:
            command = until(lambda: late.rounds("cab-crane-1"))[-1]
            assert command.arguments["plan"] == plan.id
            before = len(late.rounds("cab-crane-1"))
            # It says that it is back: the same command comes once more, under the same id.
            status = encode_status(Status(True, round(runtime.clock.now_s() * 1000), "boot-2", "1", 0))
            late.client.publish(up_topic("stadje", "cab-crane-1", "status"), status, retain=True)
            until(lambda: len(late.rounds("cab-crane-1")) > before)
            assert {one.id for one in late.rounds("cab-crane-1")} == {command.id}
        finally:
            late.close()
        clock = city.stopped_clock()
        dispatcher = Dispatcher(city.register, clock, (broker.host, broker.port), client_id="expiry")
        dispatcher.connect()
        silent = Cab(broker, city, "silent")
        try:
            until(lambda: silent.rounds("cab-crane-2"))
            silent.heard.clear()
            dispatcher.send(plan, ["crane-2"], {"crane-2": clock.now_s() - 1})
            dispatcher.send(plan, ["crane-1"], {"crane-1": clock.now_s() + 1})
            until(lambda: silent.rounds("cab-crane-1"))
            assert silent.rounds("cab-crane-2") == []

            without = msgspec.structs.replace(
                plan, id="without", rounds=tuple(one for one in plan.rounds if one.truck != "crane-2")
            )
            dispatcher.send(without, ["crane-2"], {"crane-2": clock.now_s() + 60})
            until(lambda: silent.rounds("cab-crane-2"))
            told = silent.rounds("cab-crane-2")[-1].arguments
            assert (told["plan"], told["round"]["truck"], told["round"]["stops"]) == ("without", "crane-2", [])
        finally:
            silent.close()
            dispatcher.close()
