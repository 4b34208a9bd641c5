"""Agents, a real broker and an ingest that acknowledges: nothing lost, nothing twice, whoever is killed."""

import os
import random
import signal
import socket
import time

import pytest

from broker.client import Loop, MqttClient
from broker.codec import Command, decode_status, encode_command
from broker.envelope import new_key, public_key_hex
from broker.server import free_port, start_broker
from broker.topics import down_topic, up_filter
from city.clock import WallClock
from edge.agent import Agent, AgentParameters
from edge.link import make_link
from edge.outbox import Outbox
from tests.edge.town import CITY, Tiny, reading
from tests.parts import require


@pytest.fixture(params=["mosquitto", "iotcore"])
def kind(request):
    if request.param == "mosquitto":
        require("mosquitto")
    return request.param


class Town:
    """A few agents and a tiny ingest on one loop."""

    def __init__(self, folder, port, devices, is_on_line=True, **parameters):
        self.folder = folder
        self.port = port
        self.loop = Loop()
        self.keys = {device: new_key() for device in devices}
        self.agents = {}
        self.clients = {}
        self.outboxes = {}
        self.parameters = AgentParameters(**{"ack_timeout_s": 0.5, **parameters})
        self.tiny = None
        for device in devices:
            self.start_agent(device, is_on_line)

    def start_agent(self, device, is_on_line=True):
        clock = WallClock()
        client = make_link("127.0.0.1", self.port, CITY, device, clock, "boot", retry_s=0.05, max_retry_s=0.3)
        outbox = Outbox(self.folder / f"{device}.sqlite", device)
        self.agents[device] = Agent(
            device, CITY, [], outbox, client, self.keys[device], clock, "boot", parameters=self.parameters
        )
        self.clients[device], self.outboxes[device] = client, outbox
        if is_on_line:
            self.loop.add(client)

    def go_on_line(self):
        for client in self.clients.values():
            self.loop.add(client)

    def start_ingest(self):
        client = MqttClient("127.0.0.1", self.port, "ingest", clean=False, retry_s=0.05, max_retry_s=0.3)
        ledger = self.tiny
        self.tiny = Tiny(client, {device: public_key_hex(key) for device, key in self.keys.items()})
        if ledger:
            self.tiny.ledger, self.tiny.prev = ledger.ledger, ledger.prev
        self.loop.add(client)
        self.loop.wait_connected(client)
        return self.tiny

    def run(self, seconds, until=lambda: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.loop.run_once(0.02)
            for agent in self.agents.values():
                agent.tick()
        return until()

    def is_drained(self):
        return all(agent.pending == 0 for agent in self.agents.values())

    def close(self):
        self.loop.close()
        for one in self.outboxes.values():
            one.close()


@pytest.fixture
def town(tmp_path):
    made = []

    def make(port, *devices, **parameters):
        made.append(Town(tmp_path, port, devices, **parameters))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def broker(tmp_path, kind):
    with start_broker(tmp_path / "broker", kind=kind) as running:
        yield running


def test_a_backlog_of_many_devices_arrives_once_and_in_order(broker, town):
    one = town(broker.port, *(f"k{n}" for n in range(20)), is_on_line=False, ack_timeout_s=30.0)
    for agent in one.agents.values():
        agent.enqueue("readings", [reading(n) for n in range(500)])
        agent.enqueue("events", [reading(n) for n in range(3)])
    # Before ingest has subscribed for the first time, a broker throws away what it confirms.
    tiny = one.start_ingest()
    one.run(0.5)
    one.go_on_line()
    assert one.run(20, one.is_drained)
    assert tiny.count() == 20 * 503
    assert tiny.refused == 0
    assert tiny.messages == 20 * 11
    for (_, _), readings in tiny.ledger.items():
        assert [one.at_ms for one in readings] == [reading(n).at_ms for n in range(len(readings))]


def test_in_quiet_times_each_reading_is_sent_once(broker, town):
    """No double of what paho has queued, no resend while the acknowledgement is on its way."""
    one = town(broker.port, "k1", ack_timeout_s=30.0)
    tiny = one.start_ingest()
    agent = one.agents["k1"]
    one.run(0.5)
    for n in range(60):
        agent.enqueue("readings", [reading(n)])
        one.run(0.002)
    assert one.run(5, one.is_drained)
    assert (tiny.messages, tiny.refused, tiny.count()) == (60, 0, 60)
    assert agent.resent == 0


def test_ingest_that_is_away_gets_everything_when_it_comes(broker, town):
    one = town(broker.port, "k1", "k2")
    tiny = one.start_ingest()
    one.run(0.2)
    one.loop.remove(tiny.client)
    for agent in one.agents.values():
        agent.enqueue("readings", [reading(n) for n in range(300)])
    one.run(1.5)
    assert {agent.pending for agent in one.agents.values()} == {300}
    tiny = one.start_ingest()
    assert one.run(10, one.is_drained)
    assert tiny.count() == 600


def test_lost_acknowledgements_are_made_good(broker, town):
    one = town(broker.port, "k1")
    tiny = one.start_ingest()
    tiny.answers = False
    one.agents["k1"].enqueue("readings", [reading(n) for n in range(120)])
    one.run(1.2, lambda: tiny.messages > 3)
    assert tiny.count() == 120
    assert one.agents["k1"].pending == 120
    tiny.answers = True
    assert one.run(10, one.is_drained)
    assert tiny.count() == 120


def test_killing_broker_and_agents_loses_and_doubles_nothing(tmp_path, kind, town):
    """The broker is killed without warning again and again, and agents are started anew on their outboxes."""
    port = free_port()
    luck = random.Random(7)
    running = start_broker(tmp_path / "broker", kind=kind, port=port)
    one = town(port, *(f"k{n}" for n in range(4)))
    tiny = one.start_ingest()
    produced = 0
    try:
        for turn in range(3):
            for _ in range(10):
                for agent in one.agents.values():
                    agent.enqueue("readings", [reading(n) for n in range(luck.randint(1, 30))])
                one.run(luck.uniform(0.0, 0.05))
            os.kill(running.pid, signal.SIGKILL)
            running.stop()
            one.run(0.1)
            device = f"k{turn % 4}"
            one.loop.remove(one.clients[device])
            one.outboxes[device].close()
            one.start_agent(device)
            running = start_broker(tmp_path / "broker", kind=kind, port=port)
        assert one.run(20, one.is_drained)
    finally:
        running.stop()
    produced = sum(one.outboxes[device].head("readings").next_n for device in one.agents)
    assert produced > 0
    assert tiny.count() == produced
    assert len(tiny.ledger) == 4


def test_deleting_on_the_brokers_word_would_lose_readings(tmp_path, kind, town):
    """The negative control: what the broker had confirmed to the device is not in the ledger."""
    port = free_port()
    running = start_broker(tmp_path / "broker", kind=kind, port=port)
    # The new broker confirms what comes before ingest has subscribed, and throws it away: the device sends it again.
    one = town(port, "k1", ack_timeout_s=2.0)
    tiny = one.start_ingest()
    one.run(0.3)
    # Away, but its session waits in the broker.
    one.loop.remove(tiny.client)
    one.run(0.2)
    client, agent = one.clients["k1"], one.agents["k1"]
    agent.enqueue("readings", [reading(n) for n in range(300)])
    assert one.run(5, lambda: client.in_flight == 0)
    os.kill(running.pid, signal.SIGKILL)
    running.stop()
    assert tiny.count() == 0
    assert agent.pending == 300
    with start_broker(tmp_path / "broker", kind=kind, port=port):
        tiny = one.start_ingest()
        assert one.run(10, one.is_drained)
        assert tiny.count() == 300


def test_status_and_will_tell_who_is_there(broker, town):
    one = town(broker.port, "k1", "k2")
    watcher = MqttClient("127.0.0.1", broker.port, "watcher", retry_s=0.05)
    seen = []
    watcher.on_message = lambda topic, payload: seen.append((topic.split("/")[2], decode_status(payload).online))
    watcher.subscribe(up_filter(CITY, "status"))
    one.loop.add(watcher)
    assert one.run(5, lambda: {("k1", True), ("k2", True)} <= set(seen))
    one.agents.pop("k1").close()
    one.run(0.1)
    one.loop.remove(one.clients["k1"])
    assert one.run(5, lambda: ("k1", False) in seen)
    assert ("k2", False) not in seen
    # Cut without a goodbye: the broker says so, and the agent comes back and says otherwise.
    one.clients["k2"]._paho.socket().shutdown(socket.SHUT_RDWR)
    assert one.run(5, lambda: [online for device, online in seen if device == "k2"][-2:] == [False, True])


def test_a_command_reaches_a_device_that_was_away(broker, town):
    one = town(broker.port, "k1")
    tiny = one.start_ingest()
    assert one.run(5, lambda: one.clients["k1"].is_connected)
    one.run(0.2)
    one.loop.remove(one.clients["k1"])
    command = Command("c1", round(time.time() * 1000) + 60_000, "follow-round", {"plan": "p1"})
    tiny.client.publish(down_topic(CITY, "k1", "command"), encode_command(command))
    one.run(0.2)
    done = []
    one.agents["k1"].on_command("follow-round", done.append)
    one.loop.add(one.clients["k1"])
    assert one.run(5, lambda: done == [{"plan": "p1"}])
