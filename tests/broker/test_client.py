"""The contract between client and broker, held by both brokers."""

import os
import random
import signal
import socket
import threading
import time

import pytest

from broker.client import Delivery, Loop, MqttClient, Will
from broker.server import free_port, start_broker
from city.errors import Unreachable
from tests.parts import require


@pytest.fixture(scope="module", params=["mosquitto", "iotcore"])
def broker(request, tmp_path_factory):
    if request.param == "mosquitto":
        require("mosquitto")
    with start_broker(tmp_path_factory.mktemp(request.param), kind=request.param) as running:
        yield running


@pytest.fixture
def loop():
    one = Loop()
    yield one
    one.close()


@pytest.fixture
def connect(broker, loop):
    def make(client_id, *filters, qos=1, on_delivery=None, **options):
        client = MqttClient(broker.host, broker.port, client_id, retry_s=0.05, **options)
        client.received = []
        client.on_message = lambda topic, payload: client.received.append((topic, payload))
        client.on_delivery = on_delivery
        for one in filters:
            client.subscribe(one, qos)
        loop.add(client)
        loop.wait_connected(client)
        run(loop, 0.1)
        return client

    return make


def run(loop, seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        loop.run_once(0.02)
    return until()


def test_wildcard_subscription_gets_every_device_and_nothing_else(connect, loop):
    all_readings = connect("w1", "ronde/w/+/up/readings")
    device = connect("w2")
    for topic in ("ronde/w/a/up/readings", "ronde/w/b/up/readings", "ronde/w/a/up/events", "ronde/x/a/up/readings"):
        assert device.publish(topic, topic.encode())
    run(loop, 5, lambda: len(all_readings.received) >= 2)
    run(loop, 0.2)
    assert sorted(topic for topic, _ in all_readings.received) == ["ronde/w/a/up/readings", "ronde/w/b/up/readings"]


def test_payload_arrives_byte_for_byte(connect, loop):
    got, sender = connect("p1", "ronde/p/+/up/readings"), connect("p2")
    payloads = [b"\x00", os.urandom(100), os.urandom(64 * 1024), os.urandom(250 * 1024)]
    for one in payloads:
        sender.publish("ronde/p/a/up/readings", one)
    assert run(loop, 5, lambda: len(got.received) == len(payloads))
    assert [payload for _, payload in got.received] == payloads


def test_order_holds_over_a_thousand_messages(connect, loop):
    got, sender = connect("o1", "ronde/o/+/up/readings"), connect("o2")
    for n in range(1000):
        sender.publish("ronde/o/a/up/readings", str(n).encode())
    assert run(loop, 10, lambda: len(got.received) == 1000 and sender.in_flight == 0)
    assert [int(payload) for _, payload in got.received] == list(range(1000))


def test_retained_message_meets_a_later_subscriber(connect, loop):
    connect("r1").publish("ronde/r/a/up/status", b"here", retain=True)
    run(loop, 0.2)
    late = connect("r2", "ronde/r/+/up/status")
    assert run(loop, 5, lambda: late.received == [("ronde/r/a/up/status", b"here")])


def test_will_of_a_lost_client_is_published_and_retained(broker, connect, loop):
    watcher = connect("l1", "ronde/l/+/up/status")
    lost = connect("l2", will=Will("ronde/l/a/up/status", b"gone"))
    # The end of a device without a goodbye: its socket closes under it.
    os.close(os.dup(lost._paho.socket().fileno()))
    lost._paho.socket().shutdown(socket.SHUT_RDWR)
    assert run(loop, 5, lambda: watcher.received == [("ronde/l/a/up/status", b"gone")])
    late = connect("l3", "ronde/l/+/up/status")
    assert run(loop, 5, lambda: late.received == [("ronde/l/a/up/status", b"gone")])


def test_goodbye_keeps_the_will_silent(connect, loop):
    watcher = connect("g1", "ronde/g/+/up/status")
    leaving = connect("g2", will=Will("ronde/g/a/up/status", b"gone"))
    loop.remove(leaving)
    run(loop, 0.5)
    assert watcher.received == []


def test_unacknowledged_messages_come_again_to_a_persistent_session(broker, connect, loop):
    first: list[Delivery] = []
    consumer = connect("m1", "ronde/m/+/up/readings", clean=False, manual_ack=True, on_delivery=first.append)
    sender = connect("m2")
    for n in range(10):
        sender.publish("ronde/m/a/up/readings", str(n).encode())
    assert run(loop, 5, lambda: len(first) == 10)
    consumer.acknowledge(first[:4])
    run(loop, 0.3)
    loop.remove(consumer)
    sender.publish("ronde/m/a/up/readings", b"10")
    run(loop, 0.2)
    again: list[Delivery] = []
    connect("m1", "ronde/m/+/up/readings", clean=False, manual_ack=True, on_delivery=again.append)
    wanted = {str(n).encode() for n in range(4, 11)}
    assert run(loop, 5, lambda: wanted <= {one.payload for one in again})
    assert not any(one.again for one in first)
    if broker.kind == "mosquitto":
        assert {one.payload for one in again if one.again} == wanted - {b"10"}


def test_a_consumer_that_is_away_finds_megabytes_waiting(connect, loop):
    """rumqttd keeps a bounded log per filter: that of ingest must stand a restart of ingest."""
    consumer = connect("a1", "ronde/a/+/up/readings", clean=False, manual_ack=True, on_delivery=lambda one: None)
    loop.remove(consumer)
    sender = connect("a2")
    for n in range(400):
        sender.publish("ronde/a/k1/up/readings", str(n).encode().ljust(20_000))
    assert run(loop, 10, lambda: sender.in_flight == 0)
    waiting: list[Delivery] = []

    def deliver(one):
        waiting.append(one)
        again.acknowledge([one])

    again = MqttClient(consumer.host, consumer.port, "a1", clean=False, manual_ack=True)
    again.on_delivery = deliver
    again.subscribe("ronde/a/+/up/readings")
    loop.add(again)
    assert run(loop, 10, lambda: len(waiting) >= 400)
    assert [int(one.payload) for one in waiting] == list(range(400))


def test_a_paused_consumer_gets_nothing_and_then_everything(connect, loop):
    slow, sender = connect("s1", "ronde/s/+/up/readings"), connect("s2")
    slow.pause()
    run(loop, 0.1)
    for n in range(500):
        sender.publish("ronde/s/a/up/readings", str(n).encode())
    run(loop, 0.5)
    assert slow.received == []
    slow.resume()
    assert run(loop, 10, lambda: len(slow.received) == 500)
    assert [int(payload) for _, payload in slow.received] == list(range(500))


def test_publishing_from_another_thread_needs_no_traffic_to_get_going(connect, loop):
    got, sender = connect("t1", "ronde/t/+/up/readings"), connect("t2")

    def publish():
        for n in range(300):
            sender.publish("ronde/t/a/up/readings", str(n).encode(), qos=n % 2)

    thread = threading.Thread(target=publish)
    thread.start()
    end = time.monotonic() + 10
    while len(got.received) < 300 and time.monotonic() < end:
        loop.run_once(5.0)
    thread.join()
    assert sorted(int(payload) for _, payload in got.received) == list(range(300))


def test_a_failing_callback_ends_nothing(connect, loop, caplog):
    got, sender = connect("f1", "ronde/f/+/up/readings"), connect("f2")
    seen = []

    def fail(topic, payload):
        seen.append(payload)
        raise ValueError("from the callback")

    got.on_message = fail
    for n in range(3):
        sender.publish("ronde/f/a/up/readings", str(n).encode())
    assert run(loop, 5, lambda: len(seen) == 3)
    assert got.is_connected
    assert "from the callback" in caplog.text


def test_acknowledging_after_a_reconnect_touches_no_other_message(connect, loop):
    """Message numbers begin anew with each connection: an old one would acknowledge somebody else's message."""
    seen: list[Delivery] = []
    consumer = connect("x1", "ronde/x1/+/up/readings", clean=False, manual_ack=True, on_delivery=seen.append)
    sender = connect("x2")
    sender.publish("ronde/x1/a/up/readings", b"one")
    assert run(loop, 5, lambda: len(seen) == 1)
    old = list(seen)
    consumer._paho.socket().shutdown(socket.SHUT_RDWR)
    assert run(loop, 5, lambda: len(seen) == 2 and consumer.is_connected)
    consumer.acknowledge(old)
    run(loop, 0.2)
    loop.remove(consumer)
    connect("x1", "ronde/x1/+/up/readings", clean=False, manual_ack=True, on_delivery=seen.append)
    assert run(loop, 5, lambda: len(seen) == 3)


def test_nine_hundred_clients_on_one_loop(broker, loop):
    watcher = MqttClient(broker.host, broker.port, "many", retry_s=0.2)
    got = []
    watcher.on_message = lambda topic, payload: got.append(topic)
    watcher.subscribe("ronde/n/+/up/readings")
    loop.add(watcher)
    loop.wait_connected(watcher)
    clients = []
    for n in range(900):
        client = MqttClient(broker.host, broker.port, f"n{n}", clean=False, retry_s=0.2)
        client.subscribe(f"ronde/n/n{n}/down/ack")
        client.on_connected = lambda client=client, n=n: client.publish(f"ronde/n/n{n}/up/readings", b"x" * 500)
        clients.append(client)
        loop.add(client)
    assert run(loop, 30, lambda: len(got) >= 900)
    assert all(client.is_connected for client in clients)
    assert len(set(got)) == 900


def _tiny_server(answer):
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            while True:
                connection, _ = server.accept()
                connection.recv(1000)
                connection.sendall(answer)
                connection.close()
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return server


def test_a_missing_broker_is_said_with_host_and_port(loop):
    port = free_port()
    client = MqttClient("127.0.0.1", port, "nobody", retry_s=0.01)
    loop.add(client)
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port} .Connection refused.") as caught:
        loop.wait_connected(client, 0.3)
    assert caught.value.fix
    assert not client.publish("ronde/a/b/up/readings", b"x")


def test_a_host_that_is_no_name_is_said(loop):
    client = MqttClient("broker..example.org", 1883, "lonely", retry_s=0.05)
    loop.add(client)
    with pytest.raises(Unreachable, match="cannot be found"):
        loop.wait_connected(client, 0.3)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\xff" * 50, b"\x20\x02\x00\x05"])
def test_a_server_that_is_no_broker_or_refuses_is_not_taken_for_one(loop, answer):
    server = _tiny_server(answer)
    client = MqttClient("127.0.0.1", server.getsockname()[1], "lost", retry_s=0.01)
    loop.add(client)
    with pytest.raises(Unreachable):
        loop.wait_connected(client, 0.5)
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.mark.parametrize("seed", range(40))
def test_rubbish_from_a_broker_ends_a_connection_and_never_the_loop(loop, seed):
    luck = random.Random(seed)
    accepted = b"\x20\x02\x00\x00"
    kinds = [0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0, 0x20, 0xF0, 0x00]
    packet = luck.randbytes(luck.randint(0, 12))
    server = _tiny_server(accepted + bytes([luck.choice(kinds), len(packet)]) + packet)
    client = MqttClient("127.0.0.1", server.getsockname()[1], "fuzz", retry_s=0.01)
    client.subscribe("#")
    loop.add(client)
    run(loop, 0.3, lambda: client.connections > 2)
    assert client.connections > 0
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_a_host_with_two_addresses_is_found_on_either(broker, loop):
    client = MqttClient("localhost", broker.port, "named", retry_s=30.0)
    loop.add(client)
    loop.wait_connected(client, 5.0)


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
def test_a_killed_broker_that_comes_back_is_found_again(tmp_path, loop, kind):
    if kind == "mosquitto":
        require("mosquitto")
    port = free_port()
    running = start_broker(tmp_path, kind=kind, port=port)
    client = MqttClient(running.host, port, "back", retry_s=0.1, max_retry_s=0.5)
    lost, got = [], []
    client.on_disconnected = lost.append
    client.on_message = lambda topic, payload: got.append(payload)
    client.subscribe("ronde/b/+/up/readings")
    loop.add(client)
    loop.wait_connected(client)
    os.kill(running.pid, signal.SIGKILL)
    assert run(loop, 5, lambda: bool(lost) and not client.is_connected)
    running.stop()
    with start_broker(tmp_path, kind=kind, port=port):
        loop.wait_connected(client)
        run(loop, 0.2)
        assert client.publish("ronde/b/a/up/readings", b"again")
        assert run(loop, 5, lambda: got == [b"again"])
    assert client.connections == 2


def test_clients_that_start_together_come_back_spread(loop):
    """Full jitter: attempts of many clients after a failure are not at the same moment."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    server.close()
    clients = [MqttClient("127.0.0.1", port, f"j{n}", retry_s=30.0) for n in range(60)]
    for client in clients:
        loop.add(client)
    run(loop, 0.2)
    due = sorted(client._slot.timer_s - time.monotonic() for client in clients)
    assert due[0] < 5 < 25 < due[-1]
