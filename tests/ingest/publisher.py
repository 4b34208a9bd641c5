"""Devices in a process of their own: real outboxes and uplinks, fed with made-up readings, until SIGTERM.

``python -m tests.ingest.publisher FOLDER HOST:PORT [trusting]``; ends with exit code 0 when every outbox is empty.
A trusting one forgets what the broker has confirmed, instead of what is in the ledger: the control that must fail.
"""

import signal
import sys
import time
from pathlib import Path

from broker.client import Loop, MqttClient
from broker.codec import decode_ack
from broker.topics import down_topic, up_topic
from city.readings import Log
from edge.outbox import LOGS, Outbox, Outgoing
from edge.uplink import Uplink
from edge.witness import Witness
from tests.ingest.town import CITY, NOW_S, reading, sealed

CHANNELS = {"node-1": "c1", "node-2": "north"}
DRAIN_S = 30.0


class Node:
    """A device: its outbox, its connection and the way of its two logs."""

    def __init__(self, device: str, folder: Path, host: str, port: int, witness: Witness, trusts: bool) -> None:
        self.device = device
        self.outbox = Outbox(folder / f"{device}.sqlite", device, witness)
        self.client = MqttClient(host, port, device, retry_s=0.05, max_retry_s=0.2)
        self.client.subscribe(down_topic(CITY, device, "ack"))
        self.client.on_message = self.answered
        self.client.on_connected = self.connected
        self.client.on_disconnected = lambda _: [one.disconnected() for one in self.uplinks.values()] and None
        self.uplinks = {log: Uplink(self.outbox, log, self.send, ack_timeout_s=0.5) for log in LOGS}
        self.trusts = trusts
        self.made = 0

    def measure(self, log: Log, count: int) -> None:
        readings = []
        for _ in range(count):
            readings.append(reading(self.made, channel=CHANNELS[self.device], at_s=NOW_S - 90_000 + self.made))
            self.made += 1
        self.outbox.append(log, readings, "boot-1", time.monotonic())

    def send(self, batch: Outgoing) -> bool:
        leaf = "events" if batch.log == "events" else "readings"
        return self.client.publish(up_topic(CITY, self.device, leaf), sealed(batch.body, self.device))

    def connected(self) -> None:
        for one in self.uplinks.values():
            one.connected(time.monotonic())

    def answered(self, _topic: str, payload: bytes) -> None:
        ack = decode_ack(payload)
        for log, uplink in self.uplinks.items():
            if self.outbox.head(log).log_id == ack.log_id:
                uplink.acknowledged(ack.n, time.monotonic())

    def tick(self) -> None:
        if not self.client.is_connected:
            return
        for uplink in self.uplinks.values():
            uplink.due(time.monotonic())
            uplink.pump(time.monotonic())
        if self.trusts and self.client.in_flight == 0:
            for log in LOGS:
                head = self.outbox.head(log)
                self.outbox.acknowledge(log, head.log_id, head.sealed_n)
                self.uplinks[log].connected(time.monotonic())

    @property
    def pending(self) -> int:
        return sum(self.outbox.pending(log) for log in LOGS)


def main(folder: Path, address: str, trusts: bool) -> int:
    host, _, port = address.rpartition(":")
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    loop = Loop()
    with Witness(folder / "produced.csv") as witness:
        nodes = [Node(device, folder, host, int(port), witness, trusts) for device in CHANNELS]
        for node in nodes:
            loop.add(node.client)
        until_s = float("inf")
        turn = 0
        while time.monotonic() < until_s and not (ended and not any(node.pending for node in nodes)):
            turn += 1
            if ended:
                until_s = min(until_s, time.monotonic() + DRAIN_S)
            for node in nodes:
                if not ended and node.pending < 2000:
                    node.measure("readings", 3)
                    if turn % 7 == 0:
                        node.measure("events", 1)
                node.tick()
            loop.run_once(0.005)
    loop.close()
    return int(any(node.pending for node in nodes))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], "trusting" in sys.argv[3:]))
