"""A whole simulated city: register, streets and planted troubles from parameters and a seed."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broker.envelope import load_key, new_key, public_key_hex, save_key
from city.devices import Device, Installation
from city.errors import BadFile, BadInput
from city.places import Approach, Cluster, Container, Depot, Junction, Stream, Truck, UnloadingSite
from city.register import Register
from city.register_files import read_register, write_register
from routing.network import Network
from simulation.deposits import DepositProcess
from simulation.layout import crossings_passed, edge_place, place_clusters, place_junctions
from simulation.parameters import HOUR_S, CityParameters
from simulation.planted import PlantedEvent, read_planted, write_planted
from simulation.streets import StreetParameters, district_at, generate_network
from simulation.troubles import draw_troubles
from simulation.truth import Truth

Ints = npt.NDArray[np.int64]

FORMAT = "ronde-simulated-city-1"
_VALID_BEFORE_S = 400 * 24 * HOUR_S
# Volume, and the height of the shaft that goes with it.
_KINDS = ((4.0, 2500.0), (5.0, 2900.0))
# Distance from the sensor as a share of the depth, and the fill there: a pit is narrower at its bottom.
_SHAPE = ((1.0, 0.0), (0.85, 0.10), (0.6, 0.40), (0.35, 0.72), (0.13, 1.0), (0.05, 1.1))
_INNER_CITY = "Binnenstad"
# Six hours of work and two breaks of half an hour, planned at seven: Groningen's, arXiv 2409.13386.
_SHIFT: dict[str, Any] = {
    "shift_start_hour": 7.0,
    "shift_duration_s": 7 * HOUR_S,
    "breaks": ((10.0, 30.0), (12.0, 30.0)),
}


@dataclass(frozen=True)
class SimulatedCity:
    """A city that does not exist, with everything that will go wrong in it.

    Parameters
    ----------
    register, network
        What the product is told: places, devices and installations; streets.
    planted, overflow_at_s
        What it is not told: troubles, and containers that become full if nobody empties them.
    parameters, seed, start_s
        What it was made from; `start_s` is the start of the demonstration (s since 1970).
    """

    register: Register
    network: Network
    planted: tuple[PlantedEvent, ...]
    overflow_at_s: dict[str, float]
    parameters: CityParameters
    seed: int
    start_s: float

    @classmethod
    def generate(cls, parameters: CityParameters, seed: int, start_s: float) -> "SimulatedCity":
        """Return the city of these parameters and seed; the same arguments give the same city.

        Raises
        ------
        BadInput
            The streets have no room for what the parameters ask for.
        """
        network = generate_network(seed, parameters.streets)
        register, edges = build_register(network, parameters, seed, start_s)
        passed = _passed(register, network, edges)
        per_day = DepositProcess(register, parameters, seed).per_day
        troubles = draw_troubles(register, passed, per_day, parameters, seed, start_s)
        return cls(register, network, tuple(troubles.events), troubles.overflow_at_s, parameters, seed, start_s)

    def truth(self) -> Truth:
        """Return the truth of this city, at the beginning of its history."""
        return Truth(self.register, self.parameters, self.planted, self.overflow_at_s, self.seed, self.start_s)

    def write(self, folder: Path) -> "SimulatedCity":
        """Write the city to `folder` and return it as written: each device has a key of its own now.

        `register/`, `network.npz`, `keys/DEVICE.key` (mode 0600), `truth/planted.json`, `truth/city.json`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        register = enrol(self.register, folder / "keys")
        write_register(register, folder / "register")
        self.network.save(folder / "network.npz")
        truth = folder / "truth"
        truth.mkdir(exist_ok=True)
        write_planted(self.planted, truth / "planted.json")
        body = {
            "format": FORMAT,
            "seed": self.seed,
            "start_s": self.start_s,
            "overflow_at_s": self.overflow_at_s,
            "parameters": asdict(self.parameters),
        }
        draft = truth / ".city.json.part"
        draft.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, truth / "city.json")
        return replace(self, register=register)

    @classmethod
    def read(cls, folder: Path) -> "SimulatedCity":
        """Return the city that `write` wrote.

        Raises
        ------
        BadFile, BadRegister
            A file is missing or is not what `write` wrote.
        """
        file = folder / "truth" / "city.json"
        fix = "Make the city again with `python -m simulation generate`."
        try:
            body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if body.get("format") != FORMAT:
                raise BadFile(f"The format {body.get('format')!r} is not {FORMAT!r}.", fix, file=str(file))
            raw = dict(body["parameters"])
            parameters = CityParameters(**{**raw, "streets": StreetParameters(**raw["streets"])})
            seed, start_s = int(body["seed"]), float(body["start_s"])
            overflow_at_s = {str(k): float(v) for k, v in body["overflow_at_s"].items()}
        except BadFile:
            raise
        except OSError:
            raise BadFile("There is no simulated city here.", fix, file=str(file)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadFile(f"This describes no simulated city ({error}).", fix, file=str(file)) from None
        planted = read_planted(folder / "truth" / "planted.json")
        if planted is None:
            raise BadFile("This city is a replay.", fix, file=str(file))
        return cls(
            read_register(folder / "register"),
            Network.load(folder / "network.npz"),
            tuple(planted),
            overflow_at_s,
            parameters,
            seed,
            start_s,
        )


def build_register(network: Network, parameters: CityParameters, seed: int, start_s: float) -> tuple[Register, Ints]:
    """Return a register on `network`, and for each approach the edge `(n_approaches,)` that it is.

    Raises
    ------
    BadInput
        The network has too few junctions.
    """
    rng = np.random.default_rng([seed, 51])
    placed = place_junctions(network, parameters.junctions)
    if len(placed) < parameters.junctions:
        raise BadInput(
            f"The streets have {len(placed)} junctions that are apart, not {parameters.junctions}.",
            "Ask for fewer junctions or a larger city.",
        )
    junctions, approaches, edges = zip(*placed, strict=True)
    spots = place_clusters(network, parameters.clusters, rng)
    districts = district_at(np.array([s.lon for s in spots]), np.array([s.lat for s in spots]), parameters.streets)
    clusters = [
        Cluster(
            f"c{k:04d}", spot.street or f"Cluster {k}", spot.lon, spot.lat, district,
            11.0 if district == _INNER_CITY else None,
        )
        for k, (spot, district) in enumerate(zip(spots, districts, strict=True), start=1)
    ]  # fmt: skip
    containers = _containers(clusters, parameters, rng)
    camera = rng.permutation(len(clusters)) < round(parameters.camera_share * len(clusters))
    arms = [a for some in approaches for a in some]
    depot, unloading, trucks = fleet_of(network, parameters.crane_trucks, parameters.grab_trucks, seed)
    district_of_junctions = district_at(
        np.array([j.lon for j in junctions]), np.array([j.lat for j in junctions]), parameters.streets
    )
    located = [Junction(j.id, j.name, j.lon, j.lat, d) for j, d in zip(junctions, district_of_junctions, strict=True)]
    devices, installations = install(
        clusters, containers, [c.id for c, has in zip(clusters, camera, strict=True) if has], located, arms, trucks,
        start_s - _VALID_BEFORE_S,
    )  # fmt: skip
    register = Register(
        parameters.city,
        parameters.timezone,
        name=parameters.name,
        clusters=clusters,
        containers=containers,
        junctions=located,
        approaches=arms,
        depots=[depot],
        unloading_sites=[unloading],
        trucks=trucks,
        devices=devices,
        installations=installations,
    )
    return register, np.concatenate(edges)


def fleet_of(network: Network, cranes: int, grabs: int, seed: int) -> tuple[Depot, UnloadingSite, list[Truck]]:
    """Return a depot at the edge of the streets, an unloading site at another, and trucks.

    Volumes are as waste lies in a container: the press of a truck of 20 m³ makes five of one.
    """
    rng = np.random.default_rng([seed, 53])
    at = edge_place(network, 125.0, 0.62, rng)
    depot = Depot("depot", "Depot", round(float(network.node_lon[at]), 6), round(float(network.node_lat[at]), 6))
    at = edge_place(network, 80.0, 0.72, rng)
    site = UnloadingSite(
        "unloading", "Afvalstation", round(float(network.node_lon[at]), 6), round(float(network.node_lat[at]), 6),
        6.0, 20.0, 900.0,
    )  # fmt: skip
    trucks = []
    for i in range(1, cranes + 1):
        streams: tuple[Stream, ...] = ("residual",)
        if cranes > 1 and i == cranes:
            streams = ("paper",)
        trucks.append(Truck(f"crane-{i}", f"Kraanwagen {i}", "crane", depot.id, streams, 100.0, 10_000.0, **_SHIFT))
    for i in range(1, grabs + 1):
        trucks.append(Truck(f"grab-{i}", f"Grijper {i}", "grab", depot.id, ("residual",), 25.0, 5_000.0, **_SHIFT))
    return depot, site, trucks


def install(
    clusters: Sequence[Cluster],
    containers: Sequence[Container],
    cameras: Iterable[str],
    junctions: Sequence[Junction],
    approaches: Sequence[Approach],
    trucks: Sequence[Truck],
    valid_from_s: float,
) -> tuple[list[Device], list[Installation]]:
    """Return one device for each cluster, junction and truck, and what each of its channels watches.

    Channels: `fill-1`, `fill-2`, … for the containers of a cluster and `beside` for its camera (`cameras`: ids of
    clusters); `arm-1`, … for the approaches of a junction; `truck` for a truck.
    """
    with_camera = set(cameras)
    devices: list[Device] = []
    installed: list[Installation] = []

    def put(device: str, name: str, channels: Iterable[tuple[str, str]]) -> None:
        devices.append(Device(device, name))
        installed.extend(Installation(device, channel, entity, valid_from_s) for channel, entity in channels)

    inside: dict[str, list[str]] = {c.id: [] for c in clusters}
    for container in containers:
        inside[container.cluster].append(container.id)
    arms: dict[str, list[str]] = {j.id: [] for j in junctions}
    for approach in approaches:
        arms[approach.junction].append(approach.id)
    for cluster in clusters:
        channels = [(f"fill-{i}", c) for i, c in enumerate(inside[cluster.id], start=1)]
        if cluster.id in with_camera:
            channels.append(("beside", cluster.id))
        put(f"pi-{cluster.id}", f"Node {cluster.name}", channels)
    for junction in junctions:
        put(f"pi-{junction.id}", f"Node {junction.name}", [(f"arm-{i}", a) for i, a in enumerate(arms[junction.id], 1)])
    for truck in trucks:
        put(f"pi-{truck.id}", f"Boordcomputer {truck.name}", [("truck", truck.id)])
    return devices, installed


def enrol(register: Register, keys: Path) -> Register:
    """Give each device a key in `keys` (one that is there is kept) and return the register with the public halves."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    devices = []
    for device in register.devices.values():
        path = keys / f"{device.id}.key"
        if path.exists():
            key = load_key(path)
        else:
            key = new_key()
            save_key(path, key)
        devices.append(Device(device.id, device.name, public_key_hex(key)))
    return with_devices(register, devices)


def with_devices(register: Register, devices: Iterable[Device]) -> Register:
    """Return the register with other devices."""
    return Register(
        register.city,
        register.timezone,
        name=register.name,
        clusters=register.clusters.values(),
        containers=register.containers.values(),
        junctions=register.junctions.values(),
        approaches=register.approaches.values(),
        depots=register.depots.values(),
        unloading_sites=register.unloading_sites.values(),
        trucks=register.trucks.values(),
        devices=devices,
        installations=register.installations,
    )


def _containers(clusters: Sequence[Cluster], parameters: CityParameters, rng: np.random.Generator) -> list[Container]:
    extra = parameters.containers - len(clusters)
    number = np.ones(len(clusters), dtype=np.int64)
    while extra > 0:
        room = np.flatnonzero(number < 1 + max(3, -(-extra // len(clusters))))
        chosen = rng.choice(room, size=min(extra, len(room)), replace=False)
        # One more here and there, a few clusters with three or four, as along a street of flats.
        chosen = chosen[: max(1, (3 * extra + 3) // 4)]
        number[chosen] += 1
        extra -= len(chosen)
    paper = rng.random(len(clusters)) < (parameters.paper_share if parameters.crane_trucks > 1 else 0.0)
    made = []
    for k, cluster in enumerate(clusters):
        for i in range(1, int(number[k]) + 1):
            volume, depth = _KINDS[int(rng.random() < 0.6)]
            table = tuple((round(share * depth, 1), fill) for share, fill in _SHAPE)
            stream: Stream = "paper" if paper[k] else "residual"
            made.append(Container(f"{cluster.id}-{i}", cluster.id, stream, volume, depth, table))
    return made


def _passed(register: Register, network: Network, edges: Ints) -> npt.NDArray[np.float64]:
    ends = [(p.lon, p.lat) for p in register.depots.values()]
    ends += [(p.lon, p.lat) for p in register.unloading_sites.values()]
    centres = network.nearest(*np.array(ends).T)
    some = list(register.clusters.values())[:: max(1, len(register.clusters) // 120)]
    stops = network.nearest(np.array([c.lon for c in some]), np.array([c.lat for c in some]))
    counts: npt.NDArray[np.float64] = crossings_passed(network, stops, centres)[edges].astype(float)
    return counts
