"""A minimal receiver: it acknowledges every batch that is next in line, and remembers what it got."""

import threading
from collections import Counter

from broker.client import Loop, MqttClient
from broker.codec import Ack, Command, decode_batch, decode_status, encode_ack, encode_command
from broker.envelope import open_envelope
from broker.topics import down_topic, parse_topic, up_filter
from city.readings import Reading
from city.register import Register


class Acker:
    """Runs in a thread between `with`; checks signatures with the register's keys."""

    def __init__(self, host: str, port: int, register: Register) -> None:
        self.heads: dict[tuple[str, str], int] = {}
        self.readings: list[tuple[str, Reading]] = []
        self.online: dict[str, bool] = {}
        self.faults: list[str] = []
        self._register = register
        self._loop = Loop()
        self._client = MqttClient(host, port, "acker", window=200)
        self._client.on_message = self._received
        for leaf in ("readings", "events", "status"):
            self._client.subscribe(up_filter(register.city, leaf))  # type: ignore[arg-type]
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Acker":
        self._loop.add(self._client)
        self._loop.wait_connected(self._client)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self._thread.join(10)
        self._loop.close()

    @property
    def count(self) -> int:
        return sum(self.heads.values())

    def kinds(self) -> Counter[str]:
        return Counter(reading.kind for _, reading in list(self.readings))

    def command(self, device: str, command: Command) -> None:
        self._client.publish(down_topic(self._register.city, device, "command"), encode_command(command))

    def _run(self) -> None:
        while not self._is_ending:
            self._loop.run_once(0.05)

    def _received(self, topic: str, payload: bytes) -> None:
        parsed = parse_topic(topic)
        if parsed.leaf == "status":
            self.online[parsed.device] = decode_status(payload).online
            return
        key = self._register.devices[parsed.device].public_key
        batch = decode_batch(open_envelope(payload, key, parsed.device))
        place = (parsed.device, batch.log_id)
        n = self.heads.get(place, 0)
        if batch.n0 > n:
            self.faults.append(f"gap at {parsed.device}: {batch.n0} after {n}")
        if batch.n0 == n:
            n += len(batch.readings)
            self.readings += [(parsed.device, reading) for reading in batch.readings]
            self.heads[place] = n
        self._client.publish(down_topic(parsed.city, parsed.device, "ack"), encode_ack(Ack(batch.log_id, n)))
