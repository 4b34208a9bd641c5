"""A small city for the tests of ingest: a signed container node, a signed junction node, and an unsigned device."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.codec import body_hash, encode_batch
from broker.envelope import public_key_hex, seal
from broker.topics import UpLeaf, up_topic
from city.devices import Device, Installation
from city.places import Approach, Cluster, Container, Junction
from city.readings import Batch, Reading, ReadingKind
from city.register import Register
from ingest.gate import Arrival

NOW_S = 1_800_000_000.0
CITY = "testville"
KEYS = {
    "node-1": Ed25519PrivateKey.from_private_bytes(b"1" * 32),
    "node-2": Ed25519PrivateKey.from_private_bytes(b"2" * 32),
    "stranger": Ed25519PrivateKey.from_private_bytes(b"3" * 32),
}


def register(*, installed_from_s: float = 0.0, more: Sequence[Installation] = ()) -> Register:
    return Register(
        CITY,
        "Europe/Amsterdam",
        clusters=[Cluster("cl-1", "One", 6.5, 53.2)],
        containers=[Container("c-1", "cl-1", "paper", 4.0), Container("c-2", "cl-1", "glass", 4.0)],
        junctions=[Junction("j-1", "Cross", 6.6, 53.2)],
        approaches=[Approach("j-1-n", "j-1", "north", 0.0)],
        devices=[
            Device("node-1", public_key=public_key_hex(KEYS["node-1"])),
            Device("node-2", public_key=public_key_hex(KEYS["node-2"])),
            Device("bare"),
        ],
        installations=[
            Installation("node-1", "c1", "c-1", installed_from_s),
            Installation("node-2", "north", "j-1-n", installed_from_s),
            Installation("bare", "c2", "c-2", installed_from_s),
            *more,
        ],
    )


def reading(
    n: int = 0,
    *,
    channel: str = "c1",
    kind: ReadingKind = "fill",
    values: dict[str, float | None] | None = None,
    at_s: float | None = None,
    place: str | None = None,
) -> Reading:
    at_ms = round((NOW_S - 3600 + n if at_s is None else at_s) * 1000)
    return Reading(at_ms, channel, kind, {"fill_ratio": 0.25 + n / 1e6} if values is None else values, place=place)


def body(
    readings: Sequence[Reading],
    n0: int = 0,
    *,
    device: str = "node-1",
    log_id: str = "log-a",
    prev: str = "",
    salt: str = "s",
) -> bytes:
    return encode_batch(Batch(1, device, log_id, n0, prev, salt, "boot-1", list(readings)))


def sealed(content: bytes, device: str = "node-1", key: str | None = None) -> bytes:
    return seal(content, KEYS[key or device], device)


def arrival(
    message: bytes, device: str = "node-1", leaf: UpLeaf = "readings", *, again: bool = False, at_s: float = NOW_S
) -> Arrival:
    return Arrival(up_topic(CITY, device, leaf), message, at_s, again)


def chain(count: int, size: int = 2, device: str = "node-1", log_id: str = "log-a") -> list[bytes]:
    """Return `count` bodies of `size` readings, each following the one before."""
    channel = {"node-1": "c1", "node-2": "north"}[device]
    bodies: list[bytes] = []
    for k in range(count):
        prev = body_hash(bodies[-1]) if bodies else ""
        readings = [reading(k * size + i, channel=channel) for i in range(size)]
        bodies.append(body(readings, k * size, device=device, log_id=log_id, prev=prev, salt=str(k)))
    return bodies
