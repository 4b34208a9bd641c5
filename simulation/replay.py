"""A city's own history played through the same agents: measured counts and levels, on real or generated streets."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from city.errors import BadFile, BadInput
from city.places import Approach, Cluster, Container, Junction, Truck
from city.register import Register
from city.register_files import read_register, write_register
from routing.network import Network
from simulation.city import enrol, fleet_of, install
from simulation.history import History, read_counts, read_levels, slugs, week_shift_s
from simulation.layout import place_clusters, place_junctions
from simulation.parameters import DAY_S
from simulation.planted import write_planted
from simulation.truth import DENSITY_KG_PER_M3, Happening

Floats = npt.NDArray[np.float64]

FORMAT = "ronde-replay-1"
# A history of hourly values needs a longer past than a sensor's, or nothing in it is usual.
KEPT_BEFORE_S = 28 * DAY_S
KEPT_AFTER_S = 8 * DAY_S
_DETECTORS_PER_JUNCTION = 3
_VALID_BEFORE_S = 10 * 365 * DAY_S


@dataclass(frozen=True)
class ReplayParameters:
    """How a replay stands in the world.

    Parameters
    ----------
    city, name, timezone
        Id, name and IANA time zone; weekday and local hour of the history are kept in it.
    volume_m3
        Volume of each container: files of levels do not say it.
    crane_trucks, grab_trucks
        The fleet.
    """

    city: str = "replay"
    name: str = "Replay"
    timezone: str = "Europe/Berlin"
    volume_m3: float = 4.0
    crane_trucks: int = 4
    grab_trucks: int = 2


@dataclass(frozen=True)
class ReplayCity:
    """A city in which nothing is planted: what is read is what was measured, moved in time by whole weeks.

    Parameters
    ----------
    register, network
        What the product is told. Entities of the files stand where the network has junctions and streets: a file of
        values says nothing about places.
    counts, levels
        Histories with their times moved to the demonstration; None = there is no such file. Index `i` of
        `History.entities` is approach (container) `i` of the register.
    start_s
        Start of the demonstration.
    """

    register: Register
    network: Network
    counts: History | None
    levels: History | None
    start_s: float

    @classmethod
    def build(
        cls,
        network: Network,
        start_s: float,
        *,
        counts: Path | None = None,
        levels: Path | None = None,
        counts_from_s: float | None = None,
        levels_from_s: float | None = None,
        seed: int = 1,
        parameters: ReplayParameters | None = None,
    ) -> "ReplayCity":
        """Return a replay of files on a network.

        Parameters
        ----------
        network
            The streets: generated, or imported from OpenStreetMap.
        start_s
            Start of the demonstration; the history's week begins there, on the same weekday and local hour.
        counts, levels
            A SERIES and a LEVELS file; at least one of them.
        counts_from_s, levels_from_s
            A time in the first day to play; None = the last whole week of the file.

        Raises
        ------
        BadFile
            A file cannot be used; the error names the fix.
        BadInput
            There is no file, or the network has no room for what is in them.
        """
        p = parameters or ReplayParameters()
        if counts is None and levels is None:
            raise BadInput("There is nothing to replay.", "Give a file of counts or of levels.")
        played_counts = _played(read_counts(counts), start_s, p.timezone, counts_from_s) if counts else None
        played_levels = _played(read_levels(levels), start_s, p.timezone, levels_from_s) if levels else None
        junctions, approaches = _detectors(network, played_counts.entities if played_counts else ())
        clusters, containers = _bins(network, played_levels.entities if played_levels else (), p, seed)
        depot, site, trucks = fleet_of(network, p.crane_trucks, p.grab_trucks, seed)
        # Nobody knows the stream of a bin in a file: all are residual, and every crane truck takes that.
        trucks = [_residual(truck) for truck in trucks]
        devices, installations = install(
            clusters, containers, (), junctions, approaches, trucks, start_s - _VALID_BEFORE_S
        )
        register = Register(
            p.city,
            p.timezone,
            name=p.name,
            clusters=clusters,
            containers=containers,
            junctions=junctions,
            approaches=approaches,
            depots=[depot],
            unloading_sites=[site],
            trucks=trucks,
            devices=devices,
            installations=installations,
        )
        return cls(register, network, played_counts, played_levels, start_s)

    def write(self, folder: Path) -> "ReplayCity":
        """Write the replay to `folder`, as `SimulatedCity.write` does, and return it as written."""
        folder.mkdir(parents=True, exist_ok=True)
        register = enrol(self.register, folder / "keys")
        write_register(register, folder / "register")
        self.network.save(folder / "network.npz")
        truth = folder / "truth"
        truth.mkdir(exist_ok=True)
        write_planted(None, truth / "planted.json")
        draft = truth / ".replay.npz.part"
        with draft.open("wb") as file:
            np.savez_compressed(file, **_arrays("counts", self.counts), **_arrays("levels", self.levels))
        os.replace(draft, truth / "replay.npz")
        body = {"format": FORMAT, "start_s": self.start_s}
        (truth / "city.json").write_text(json.dumps(body) + "\n", encoding="utf-8")
        return replace(self, register=register)

    @classmethod
    def read(cls, folder: Path) -> "ReplayCity":
        """Return the replay that `write` wrote.

        Raises
        ------
        BadFile, BadRegister
            A file is missing or is not what `write` wrote.
        """
        file = folder / "truth" / "replay.npz"
        try:
            body: dict[str, Any] = json.loads((folder / "truth" / "city.json").read_text(encoding="utf-8"))
            with np.load(file, allow_pickle=False) as arrays:
                counts, levels = _history(arrays, "counts"), _history(arrays, "levels")
            start_s = float(body["start_s"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadFile(
                f"This is no replay ({error}).", "Make it again with `python -m simulation replay`.", file=str(file)
            ) from None
        register = read_register(folder / "register")
        return cls(register, Network.load(folder / "network.npz"), counts, levels, start_s)


class ReplayWorld:
    """What trucks meet in a replay: the levels that were measured, which their visits cannot change."""

    def __init__(self, city: ReplayCity) -> None:
        self.happenings: list[Happening] = []
        self._levels = city.levels
        self._containers = list(city.register.containers.values())
        self._index = {c.id: i for i, c in enumerate(self._containers)}
        self._approaches = len(city.register.approaches)

    def empty(self, container: str, at_s: float, truck: str = "") -> float:
        """Return the kg that the level last measured stands for."""
        if container not in self._index:
            raise BadInput(f"There is no container {container!r}.", "Use an id of the register.")
        i = self._index[container]
        level = 0.0
        if self._levels is not None:
            until = int(np.searchsorted(self._levels.at_s, at_s, side="right"))
            seen = np.flatnonzero(self._levels.entity[:until] == i)
            level = float(self._levels.value[seen[-1]]) if seen.size else 0.0
        one = self._containers[i]
        self.happenings.append(Happening("emptied", container, at_s, truck=truck, value=level))
        return round(level * one.volume_m3 * DENSITY_KG_PER_M3[one.stream], 1)

    def clear(self, cluster: str, at_s: float, truck: str = "") -> int:
        """Return 0: files of levels say nothing about what lies beside a container."""
        self.happenings.append(Happening("cleared", cluster, at_s, truck=truck))
        return 0

    def take_happenings(self) -> list[Happening]:
        """Return what happened since the last call."""
        taken, self.happenings = self.happenings, []
        return taken

    def speed_ratio_true(self, at_s: float) -> Floats:
        """Return NaN for every approach: counts alone say nothing about speed."""
        return np.full(self._approaches, np.nan)


def _played(history: History, start_s: float, timezone: str, from_s: float | None) -> History:
    shift_s = week_shift_s(history, start_s, timezone, from_s)
    at_s = history.at_s + shift_s
    kept = (at_s > start_s - KEPT_BEFORE_S) & (at_s <= start_s + KEPT_AFTER_S)
    return History(history.entities, at_s[kept], history.entity[kept], history.value[kept])


def _detectors(network: Network, entities: tuple[str, ...]) -> tuple[list[Junction], list[Approach]]:
    """Put each counted entity on an arm of a junction; arms that are left get none, and the last may be shared."""
    if not entities:
        return [], []
    wanted = -(-len(entities) // _DETECTORS_PER_JUNCTION)
    placed = place_junctions(network, wanted)
    if not placed:
        raise BadInput("The streets have no junction to put a detector on.", "Use a larger road network.")
    arms = [arm for _, some, _ in placed for arm in some]
    ids = slugs(entities, "d")
    approaches = [
        Approach(id, arm.junction, entity, arm.bearing_deg, arm.lanes, arm.free_speed_kph)
        for id, entity, arm in zip(ids, entities, (arms[i % len(arms)] for i in range(len(ids))), strict=True)
    ]
    used = {a.junction for a in approaches}
    return [junction for junction, _, _ in placed if junction.id in used], approaches


def _bins(
    network: Network, entities: tuple[str, ...], p: ReplayParameters, seed: int
) -> tuple[list[Cluster], list[Container]]:
    spots = place_clusters(network, len(entities), np.random.default_rng([seed, 61]))
    ids = slugs(entities, "k")
    clusters = [
        Cluster(f"c{id[1:]}", entity, spot.lon, spot.lat) for id, entity, spot in zip(ids, entities, spots, strict=True)
    ]
    return clusters, [Container(id, c.id, "residual", p.volume_m3) for id, c in zip(ids, clusters, strict=True)]


def _residual(truck: Truck) -> Truck:
    return msgspec.structs.replace(truck, streams=("residual",))


def _arrays(name: str, history: History | None) -> dict[str, Any]:
    if history is None:
        return {}
    return {
        f"{name}_entities": np.array(history.entities, dtype=np.str_),
        f"{name}_at_s": history.at_s,
        f"{name}_entity": history.entity,
        f"{name}_value": history.value,
    }


def _history(arrays: Any, name: str) -> History | None:
    if f"{name}_at_s" not in arrays:
        return None
    return History(
        tuple(str(e) for e in arrays[f"{name}_entities"]),
        arrays[f"{name}_at_s"],
        arrays[f"{name}_entity"],
        arrays[f"{name}_value"],
    )
