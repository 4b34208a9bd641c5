"""Ingest: signed batches through the gate into the ledger, against appending the same bytes to a file.

One thread, no broker: what a message costs from its bytes to its commit. The baseline writes the same messages to a
plain file with the same number of fsyncs, so the ratio is the price of signature, validation, order and chain; CPU
time is what a core must give, whatever else the machine does. Then the same ledger is read, made rows of and audited.

    python -m bench ingest [--json] [--devices 900] [--batches 20] [--readings 50] [--group 500] [--seed 1]
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.codec import body_hash, encode_batch
from broker.envelope import open_envelope, public_key_hex, seal
from broker.topics import up_topic
from city.devices import Device, Installation
from city.places import Cluster, Container
from city.readings import Batch, Reading
from city.register import Register
from ingest.gate import Accepted, Arrival, judge
from ingest.rows import rows_of
from ledger import Ledger, LedgerReader, audit

START_S = 1_770_595_200.0
CITY = "bench"


class _Taken(NamedTuple):
    wall_s: float
    cpu_s: float


def main(arguments: list[str]) -> int:
    """Run the benchmark; return 0, or 1 when not every message is in the ledger, whole."""
    parser = argparse.ArgumentParser(prog="python -m bench ingest", description="The gate and the ledger, one core.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--devices", type=int, default=900, help="devices, each with its key (default 900)")
    parser.add_argument("--batches", type=int, default=20, help="batches of each (default 20)")
    parser.add_argument("--readings", type=int, default=50, help="readings in a batch (default 50)")
    parser.add_argument("--group", type=int, default=500, help="messages in a commit (default 500)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    register, arrivals = _town(options)
    readings = len(arrivals) * options.readings
    taken: dict[str, _Taken] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken["raw append (baseline)"] = _timed(lambda: _append_raw(folder / "raw", arrivals, options.group))
        taken["gate and ledger"] = _timed(lambda: _ingest(folder / "ledger", register, arrivals, options.group))
        taken["of which signatures"] = _timed(lambda: _verify(register, arrivals))
        taken["read and make rows"] = _timed(lambda: _rows(folder / "ledger", register))
        taken["audit"] = _timed(lambda: audit(folder / "ledger"))
        report = audit(folder / "ledger")
        stored_bytes = sum(path.stat().st_size for path in (folder / "ledger").glob("*.seg"))
    whole = report.is_intact and report.readings == readings and not report.gaps
    size = sum(len(one.message) for one in arrivals)
    results = {
        what: {
            "messages_per_s": round(len(arrivals) / one.wall_s),
            "readings_per_s": round(readings / one.wall_s),
            "cpu_us_per_message": round(one.cpu_s / len(arrivals) * 1e6, 1),
            "times_baseline": round(one.wall_s / taken["raw append (baseline)"].wall_s, 2),
        }
        for what, one in taken.items()
    }
    overhead = round(stored_bytes / size - 1, 4)
    if options.json:
        print(json.dumps({"options": vars(options), "results": results, "bytes_overhead": overhead, "whole": whole}))
    else:
        print(f"{len(arrivals)} messages of {options.readings} readings, {size / len(arrivals):.0f} bytes each")
        print(f"{'':24}{'messages/s':>12}{'readings/s':>12}{'cpu us/msg':>12}{'x baseline':>12}")
        for what, one in results.items():
            rates = f"{one['messages_per_s']:12,}{one['readings_per_s']:12,}"
            print(f"{what:24}{rates}{one['cpu_us_per_message']:12.1f}{one['times_baseline']:12.2f}")
        print(f"The ledger takes {overhead:.1%} more bytes than the messages. Whole: {'yes' if whole else 'NO'}.")
    return 0 if whole else 1


def _town(options: argparse.Namespace) -> tuple[Register, list[Arrival]]:
    chance = random.Random(options.seed)
    keys = {f"d-{n}": Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)) for n in range(options.devices)}
    register = Register(
        CITY,
        "Europe/Amsterdam",
        clusters=[Cluster("cl-1", "One", 6.5, 53.2)],
        containers=[Container(f"c-{device}", "cl-1", "residual", 4.0) for device in keys],
        devices=[Device(device, public_key=public_key_hex(key)) for device, key in keys.items()],
        installations=[Installation(device, "fill", f"c-{device}", 0.0) for device in keys],
    )
    bodies = {device: _bodies(device, options, chance) for device in keys}
    # As it comes: everybody's next batch, then everybody's next.
    arrivals = [
        Arrival(up_topic(CITY, device, "readings"), seal(bodies[device][k], key, device), START_S + 86_400.0)
        for k in range(options.batches)
        for device, key in keys.items()
    ]
    return register, arrivals


def _bodies(device: str, options: argparse.Namespace, chance: random.Random) -> list[bytes]:
    bodies: list[bytes] = []
    for k in range(options.batches):
        readings = []
        for i in range(options.readings):
            at_ms = int(START_S) * 1000 + (k * options.readings + i) * 60_000
            values: dict[str, float | None] = {
                "fill_ratio": round(chance.random(), 3),
                "distance_mm": float(chance.randrange(300, 2500)),
                "temperature_c": 11.5,
            }
            readings.append(Reading(at_ms, "fill", "fill", values))
        prev = body_hash(bodies[-1]) if bodies else ""
        salt = f"{chance.getrandbits(64):016x}"
        bodies.append(encode_batch(Batch(1, device, "a" * 32, k * options.readings, prev, salt, "boot", readings)))
    return bodies


def _append_raw(path: Path, arrivals: list[Arrival], group: int) -> None:
    with path.open("wb") as file:
        for some in _groups(arrivals, group):
            for one in some:
                file.write(one.message)
            file.flush()
            os.fdatasync(file.fileno())


def _ingest(folder: Path, register: Register, arrivals: list[Arrival], group: int) -> None:
    with Ledger(folder) as ledger:
        for some in _groups(arrivals, group):
            for one in some:
                decision = judge(one, register, ledger)
                if isinstance(decision, Accepted):
                    ledger.append([decision.entry])
            ledger.commit()


def _verify(register: Register, arrivals: list[Arrival]) -> None:
    for one in arrivals:
        device = one.topic.split("/")[2]
        open_envelope(one.message, register.devices[device].public_key, device)


def _rows(folder: Path, register: Register) -> None:
    reader, position = LedgerReader(folder), 0
    while entries := reader.read(position, 500):
        for entry in entries:
            rows_of(entry, register)
        position = entries[-1].position + 1


def _groups(arrivals: list[Arrival], group: int) -> Iterator[list[Arrival]]:
    rest: Iterable[Arrival] = iter(arrivals)
    while some := list(islice(rest, group)):
        yield some


def _timed(work: Callable[[], object]) -> _Taken:
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    return _Taken(time.perf_counter() - start, time.process_time() - start_cpu)
