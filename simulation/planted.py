"""What was planted: the troubles of a simulated city that a detector should find, written down before it runs."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from city.errors import BadFile

PlantedKind = Literal["dumping", "jam", "stuck", "silent"]


class PlantedEvent(msgspec.Struct, frozen=True):
    """A trouble at an entity from `start_s` to `end_s` (None = until somebody ends it, or never).

    `entity` is a cluster (dumping), an approach (jam), a container or approach (stuck), or a device (silent).
    `observable` is false where no installed sensor can see it: a dumping at a cluster without a camera.
    """

    id: str
    kind: PlantedKind
    entity: str
    start_s: float
    end_s: float | None
    cause: str
    observable: bool

    def rng(self) -> np.random.Generator:
        """Random numbers of this event alone, so that its size does not depend on the others."""
        return np.random.default_rng(zlib.crc32(f"{self.id}/{self.entity}/{self.start_s:.0f}".encode()))

    @property
    def objects(self) -> int:
        """How many objects a dumping leaves."""
        return min(8, 2 + int(self.rng().poisson(2.0)))

    @property
    def speed_ratio(self) -> float:
        """Share of the free speed that is left in the worst of a jam."""
        return float(self.rng().uniform(0.1, 0.22))

    @property
    def capacity_ratio(self) -> float:
        """Share of an approach's capacity that a jam leaves."""
        return float(self.rng().uniform(0.12, 0.35))


def write_planted(events: Sequence[PlantedEvent] | None, path: Path) -> None:
    """Write `truth/planted.json`; None says that nothing was planted because the city is a replay."""
    body = {"planted": None} if events is None else sorted(events, key=lambda e: (e.start_s, e.id))
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=1) + b"\n")
    os.replace(draft, path)


def read_planted(path: Path) -> list[PlantedEvent] | None:
    """Return what `write_planted` wrote.

    Raises
    ------
    BadFile
        It is missing or is not such a file.
    """
    fix = "Make the city again with `python -m simulation generate`."
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if isinstance(raw, dict) and raw == {"planted": None}:
            return None
        return msgspec.convert(raw, list[PlantedEvent])
    except OSError:
        raise BadFile("There is no such file.", fix, file=str(path)) from None
    except msgspec.MsgspecError as error:
        raise BadFile(f"This is no list of planted events ({error}).", fix, file=str(path)) from None
