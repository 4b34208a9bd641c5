"""What the tests of the agent stand on: a line without a network, and an ingest that fits on a page."""

from broker.codec import Ack, Command, body_hash, decode_batch, encode_ack, encode_command
from broker.envelope import open_envelope
from broker.topics import down_topic, parse_topic, up_filter
from city.readings import Reading
from edge.driver import Measurement

CITY, DEVICE = "groningen", "k17"


class Line:
    """A connection that keeps what it was handed, and is cut and mended by the test."""

    def __init__(self):
        self.on_message = self.on_connected = self.on_disconnected = None
        self.is_connected = False
        self.filters = []
        self.sent = []

    def subscribe(self, topic_filter, qos=1):
        self.filters.append(topic_filter)

    def publish(self, topic, payload, qos=1, retain=False):
        if self.is_connected:
            self.sent.append((topic, payload, retain))
        return self.is_connected

    def mend(self):
        self.is_connected = True
        self.on_connected()

    def cut(self):
        self.is_connected = False
        self.on_disconnected("cut")

    def batches(self, key_hex, leaf="readings", device=DEVICE):
        """Return the batches that were sent, opened, and forget them."""
        found = [
            decode_batch(open_envelope(payload, key_hex, device))
            for topic, payload, _ in self.sent
            if parse_topic(topic).leaf == leaf
        ]
        self.sent = [one for one in self.sent if parse_topic(one[0]).leaf != leaf]
        return found

    def ack(self, log_id, n, device=DEVICE):
        self.on_message(down_topic(CITY, device, "ack"), encode_ack(Ack(log_id, n)))

    def command(self, command_id, expires_at_ms, verb, arguments=None, device=DEVICE):
        body = encode_command(Command(command_id, expires_at_ms, verb, arguments or {}))
        self.on_message(down_topic(CITY, device, "command"), body)


class Tiny:
    """An ingest: authentic, in line, kept, acknowledged. It can be deaf, dumb, or forget."""

    def __init__(self, client, keys):
        self.keys = keys
        self.ledger = {}
        self.prev = {}
        self.messages = 0
        self.refused = 0
        self.answers = True
        self.client = client
        client.on_message = self.received
        for leaf in ("readings", "events"):
            client.subscribe(up_filter(CITY, leaf))

    def received(self, topic, payload):
        device = parse_topic(topic).device
        body = open_envelope(payload, self.keys[device], device)
        batch = decode_batch(body)
        self.messages += 1
        log = self.ledger.setdefault((device, batch.log_id), [])
        if batch.n0 == len(log) and batch.prev == self.prev.get((device, batch.log_id), ""):
            log.extend(batch.readings)
            self.prev[device, batch.log_id] = body_hash(body)
        else:
            self.refused += 1
        if self.answers:
            self.answer(device, batch.log_id)

    def answer(self, device, log_id):
        ack = Ack(log_id, len(self.ledger[device, log_id]))
        self.client.publish(down_topic(CITY, device, "ack"), encode_ack(ack), qos=0)

    def count(self):
        return sum(map(len, self.ledger.values()))


class Counting:
    """A driver that counts its own readings, so that a lost or doubled one shows."""

    kind = "traffic"

    def __init__(self, channel="a1", interval_s=60.0):
        self.channel = channel
        self.interval_s = interval_s
        self.asked = []

    def read(self, now_s):
        self.asked.append(now_s)
        return Measurement({"vehicle_count": float(len(self.asked))}, interval_s=60)


def reading(n, channel="c1"):
    return Reading(1_767_225_600_000 + n, channel, "fill", {"fill_ratio": n / 1000})
