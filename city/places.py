"""Places of the city: where waste and traffic are. Coordinates are always (lon, lat) in degrees, WGS 84."""

from typing import Literal

import msgspec

Stream = Literal["residual", "paper", "glass", "textile", "organic"]
STREAMS: tuple[Stream, ...] = ("residual", "paper", "glass", "textile", "organic")
TruckKind = Literal["crane", "grab"]


class Cluster(msgspec.Struct, frozen=True, omit_defaults=True):
    """Containers that stand together (at most about 12 m wide, on one side of the carriageway)."""

    id: str
    name: str
    lon: float
    lat: float
    district: str = ""
    # Collection must be done by this hour of the local day (an inner city until 11:00), None = any time.
    before_hour: float | None = None


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container of one waste stream.

    `depth_table` maps the distance from sensor to waste (mm, falling) to the fill ratio of the usable volume
    (rising): the geometry of this container. Empty = a straight shaft of `depth_mm`.
    """

    id: str
    cluster: str
    stream: Stream
    volume_m3: float
    depth_mm: float = 2500.0
    depth_table: tuple[tuple[float, float], ...] = ()


class Junction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A junction (kruispunt)."""

    id: str
    name: str
    lon: float
    lat: float
    district: str = ""
    signalised: bool = True


class Approach(msgspec.Struct, frozen=True, omit_defaults=True):
    """One arm of a junction, seen by a detector. `bearing_deg` is the heading of the traffic on it, 0 = north."""

    id: str
    junction: str
    name: str
    bearing_deg: float
    lanes: int = 1
    free_speed_kph: float = 50.0


class Depot(msgspec.Struct, frozen=True):
    """Where trucks start and end their shift."""

    id: str
    name: str
    lon: float
    lat: float


class UnloadingSite(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where trucks unload. Hours are of the local day."""

    id: str
    name: str
    lon: float
    lat: float
    opens_hour: float = 0.0
    closes_hour: float = 24.0
    unloading_s: float = 900.0


class Truck(msgspec.Struct, frozen=True, omit_defaults=True):
    """A collection vehicle. A crane truck empties containers; a grab vehicle clears loose waste beside them."""

    id: str
    name: str
    kind: TruckKind
    depot: str
    streams: tuple[Stream, ...]
    volume_m3: float
    payload_kg: float
    shift_start_hour: float = 7.0
    shift_duration_s: float = 7 * 3600.0
    # Breaks as (hour of the local day when due, minutes); taken when a stop or a way is done, never in the middle.
    breaks: tuple[tuple[float, float], ...] = ()
    # How long after the shift the truck may still be out; that costs half as much again.
    overtime_s: float = 0.0
    # What it may take in a day over all its loads, None = no such limit.
    volume_per_day_m3: float | None = None
    # What street signs ask for; None = not known. The weight is the largest permitted mass.
    height_m: float | None = None
    weight_kg: float | None = None
    length_m: float | None = None


Place = Cluster | Container | Junction | Approach | Depot | UnloadingSite | Truck
