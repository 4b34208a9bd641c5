"""A small city on disk, made through the real rooms: register, streets, and a ledger that devices wrote."""

import time
from pathlib import Path

import numpy as np

from broker.codec import body_hash, encode_batch
from broker.envelope import new_key, public_key_hex, seal
from city.clock import ScaledClock, SteppedClock, parse_time
from city.devices import Device, Installation
from city.places import Approach, Cluster, Container, Depot, Junction, Truck, UnloadingSite
from city.readings import Batch, Reading
from city.register import Register
from city.register_files import write_register
from ledger import Ledger, NewEntry
from routing.network import Network

# A Monday, 08:00 in Amsterdam.
MONDAY_S = parse_time("2026-03-02T08:00:00+01:00")
SIDE = 8
STEP_DEG = 0.003
HOUR_S = 3600.0
CAMERAS = ("kamer-2", "kamer-5")
_LON, _LAT = 6.55, 53.20


def grid(side: int = SIDE) -> Network:
    """A square of streets, 200 m between corners, both ways."""
    lon = np.array([_LON + STEP_DEG * (i % side) for i in range(side * side)])
    lat = np.array([_LAT + STEP_DEG * 0.6 * (i // side) for i in range(side * side)])
    pairs = [(i, i + 1) for i in range(side * side) if i % side < side - 1]
    pairs += [(i, i + side) for i in range(side * (side - 1))]
    edges = np.array(pairs + [(b, a) for a, b in pairs])
    return Network(
        node_lon=lon,
        node_lat=lat,
        edge_from=edges[:, 0],
        edge_to=edges[:, 1],
        edge_length_m=np.full(len(edges), 200.0),
        edge_speed_kph=np.full(len(edges), 30.0),
        edge_name=np.array(["Straat"] * len(edges)),
    )


def corner(column: int, row: int) -> tuple[float, float]:
    """Where a corner of the grid is, (lon, lat)."""
    return _LON + STEP_DEG * column, _LAT + STEP_DEG * 0.6 * row


class SmallCity:
    """Twelve clusters of two containers, a junction, two crane trucks and a grab vehicle; every device signs."""

    def __init__(self, folder: Path, *, now_s: float = MONDAY_S, batch: int = 50) -> None:
        self.batch = batch
        self.folder = folder
        self.now_s = now_s
        clusters = []
        for i in range(12):
            lon, lat = corner(1 + i % 4 * 2 - i % 2, 1 + i // 4 * 2)
            clusters.append(Cluster(f"kamer-{i}", f"Straat {i}", lon, lat, "Centrum"))
        containers = [
            Container(f"k{i}-{stream}", f"kamer-{i}", stream, 4.0)
            for i in range(12)
            for stream in ("residual", "paper")
        ]
        lon, lat = corner(4, 4)
        junction = Junction("kruis-1", "Kruispunt 1", lon, lat)
        approaches = [Approach(f"arm-{n}", "kruis-1", f"arm {n}", 90.0 * n) for n in range(2)]
        depot = Depot("remise", "Remise", *corner(0, 0))
        site = UnloadingSite("stort", "Stort", *corner(7, 7))
        trucks = [
            Truck("crane-1", "Kraan 1", "crane", "remise", ("residual",), 20.0, 9000.0),
            Truck("crane-2", "Kraan 2", "crane", "remise", ("paper",), 20.0, 9000.0),
            Truck("grab-1", "Grijper 1", "grab", "remise", ("residual",), 12.0, 4000.0),
        ]
        channels = [(f"node-{i}", c.id, c.id) for i in range(12) for c in containers if c.cluster == f"kamer-{i}"]
        channels += [(f"node-{one.split('-')[1]}", "beside", one) for one in CAMERAS]
        channels += [("box-1", one.id, one.id) for one in approaches]
        channels += [(f"cab-{one.id}", "truck", one.id) for one in trucks]
        self.keys = {device: new_key() for device, _, _ in channels}
        self.register = Register(
            "stadje",
            "Europe/Amsterdam",
            name="Stadje",
            clusters=clusters,
            containers=containers,
            junctions=[junction],
            approaches=approaches,
            depots=[depot],
            unloading_sites=[site],
            trucks=trucks,
            devices=[Device(one, "", public_key_hex(key)) for one, key in self.keys.items()],
            installations=[
                Installation(device, channel, entity, now_s - 400 * 86_400.0) for device, channel, entity in channels
            ],
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_register(self.register, folder / "register")
        grid().save(folder / "network.npz")
        self.ledger = Ledger(folder / "ledger")
        self._next: dict[str, tuple[int, str]] = {}

    def clock(self, speed_up: float = 60.0) -> ScaledClock:
        """A clock that shows the city's time now and runs on."""
        return ScaledClock(self.now_s, speed_up, time.time())

    def stopped_clock(self) -> SteppedClock:
        """A clock that shows the city's time and stands still."""
        return SteppedClock(self.now_s)

    def tell(self, device: str, readings: list[Reading], received_at_s: float | None = None) -> None:
        """Let a device say something: sealed as it would, and in the ledger when this returns."""
        entries = []
        for first in range(0, len(readings), self.batch):
            some = readings[first : first + self.batch]
            n0, prev = self._next.get(device, (0, ""))
            body = encode_batch(Batch(1, device, f"log-{device}", n0, prev, "0" * 16, "boot-1", some))
            self._next[device] = n0 + len(some), body_hash(body)
            entries.append(
                NewEntry(
                    self.now_s if received_at_s is None else received_at_s,
                    "readings",
                    device,
                    f"log-{device}",
                    n0,
                    len(some),
                    True,
                    body_hash(body),
                    seal(body, self.keys[device], device),
                )
            )
        self.ledger.append(entries)
        self.ledger.commit()

    def history(self, hours: int = 48, *, full: tuple[str, ...] = (), nodes: range = range(12)) -> None:
        """Two days in which the containers of nodes fill evenly; those in `full` are nearly full by now."""
        for i in nodes:
            readings = []
            for step in range(hours):
                at_s = self.now_s - (hours - 1 - step) * HOUR_S
                for stream in ("residual", "paper"):
                    container = f"k{i}-{stream}"
                    top = 0.97 if container in full else 0.25 + 0.04 * i
                    level = top * (step + 1) / hours
                    readings.append(Reading(round(at_s * 1000), container, "fill", {"fill_ratio": round(level, 3)}))
                # What a camera saw in the last two hours is left for the test to say.
                if f"kamer-{i}" in CAMERAS and step < hours - 2:
                    readings.append(Reading(round(at_s * 1000), "beside", "beside", {"objects_beside": 0.0}))
            self.tell(f"node-{i}", readings)
        if 0 in nodes:
            self.traffic(hours)

    def traffic(self, hours: int, speed_kph: float = 45.0) -> None:
        """Free flow on both arms until now."""
        readings = []
        for step in range(hours * 12):
            at_ms = round((self.now_s - (hours * 12 - 1 - step) * 300.0) * 1000)
            for arm in ("arm-0", "arm-1"):
                values: dict[str, float | None] = {
                    "vehicle_count": 30.0 + step % 7,
                    "occupancy_ratio": 0.08 + 0.002 * (step % 5),
                    "speed_kph": speed_kph + step % 4,
                }
                readings.append(Reading(at_ms, arm, "traffic", values, 300))
        self.tell("box-1", readings)

    def dump(self, cluster: str = "kamer-2", objects: float = 4.0, minutes: int = 60) -> None:
        """Somebody has left things beside a cluster with a camera, which has seen them for a while."""
        node = f"node-{cluster.split('-')[1]}"
        readings = [
            Reading(round((self.now_s - at * 60.0) * 1000), "beside", "beside", {"objects_beside": objects})
            for at in range(minutes, -1, -5)
        ]
        self.tell(node, readings)

    def truck(self, truck: str, lon: float, lat: float, load_kg: float = 0.0) -> None:
        """A truck says where it is."""
        values: dict[str, float | None] = {"lon_deg": lon, "lat_deg": lat, "load_kg": load_kg}
        self.tell(f"cab-{truck}", [Reading(round(self.now_s * 1000), "truck", "truck", values)])

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()
