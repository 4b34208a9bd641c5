"""Jobs, rounds, plans and proposals: what trucks are asked to do."""

from typing import Literal

import msgspec

JobKind = Literal["empty", "clear"]
StopKind = Literal["start", "empty", "clear", "unload", "end"]
ProposalStatus = Literal["open", "accepted", "rejected", "superseded"]


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to collect at a place: containers of one stream of a cluster (`empty`), or loose waste (`clear`).

    `must` jobs may not be left out while any truck can do them; others earn `prize_s`, the seconds of driving that
    doing them today is worth. `incident` names what asked for it. The window is city time in seconds since 1970.
    `avoid` are (from, until), city time, in which nobody may work there: a street that must not be blocked in a peak.
    """

    id: str
    kind: JobKind
    place: str
    lon: float
    lat: float
    stream: str
    containers: tuple[str, ...] = ()
    volume_m3: float = 0.0
    load_kg: float = 0.0
    service_s: float = 180.0
    must: bool = True
    prize_s: float = 0.0
    earliest_s: float | None = None
    latest_s: float | None = None
    incident: str = ""
    avoid: tuple[tuple[float, float], ...] = ()
    # What whoever does it should know: why it is done although it should not be at that time.
    note: str = ""
    # That something overflows before the next day when this is not done today, None = not known.
    overflow_probability: float | None = None


class Stop(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stop of a round. `place` is a cluster, an unloading site or a depot; `job` is set on `empty` and `clear`.

    `volume_m3` and `load_kg` are what is aboard when the truck leaves.
    """

    kind: StopKind
    place: str
    lon: float
    lat: float
    arrive_s: float
    leave_s: float
    job: str = ""
    containers: tuple[str, ...] = ()
    volume_m3: float = 0.0
    load_kg: float = 0.0


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """The round of one truck, from `start` to `end`; `path` is the driven line as (lon, lat) for the map.

    `breaks` are (from, until), city time: each lies between two stops, or at a stop before its work begins.
    """

    truck: str
    stops: tuple[Stop, ...]
    distance_m: float
    duration_s: float
    path: tuple[tuple[float, float], ...] = ()
    breaks: tuple[tuple[float, float], ...] = ()


class Unserved(msgspec.Struct, frozen=True):
    """A job that is in no round, and why."""

    job: str
    place: str
    reason: str


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rounds of all trucks from `made_at_s` on. `based_on` is the plan that this one changes, empty for a day plan."""

    id: str
    made_at_s: float
    rounds: tuple[Round, ...]
    unserved: tuple[Unserved, ...] = ()
    jobs: tuple[Job, ...] = ()
    based_on: str = ""

    @property
    def distance_m(self) -> float:
        """Metres driven by all trucks, what is driven already included."""
        return sum(one.distance_m for one in self.rounds)

    @property
    def duration_s(self) -> float:
        """Seconds of all rounds together, from start to end."""
        return sum(one.duration_s for one in self.rounds)


class Moved(msgspec.Struct, frozen=True):
    """A job that another truck takes over."""

    job: str
    place: str
    from_truck: str
    to_truck: str


class Shifted(msgspec.Struct, frozen=True):
    """A stop of both plans that is reached at another time; `later_s` < 0 = sooner."""

    job: str
    place: str
    truck: str
    later_s: float


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """What accepting a proposal changes against leaving things as they are.

    `later_s` is how much later the most delayed stop that is in both plans is reached. `overflows` is how many more
    places are expected to overflow, None where the chance of a job that makes the difference is not known.
    """

    added: tuple[str, ...]
    dropped: tuple[str, ...]
    moved: tuple[Moved, ...]
    trucks: tuple[str, ...]
    distance_m: float
    duration_s: float
    later_s: float
    shifted: tuple[Shifted, ...] = ()
    overflows: float | None = None
    co2_kg: float | None = None


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A changed plan that waits for a dispatcher's decision.

    While it waits, a better plan may take the place of its plan: `version` counts them from 1, and `improved_at_s` is
    when the newest came.
    """

    id: str
    made_at_s: float
    reason: str
    incidents: tuple[str, ...]
    plan_before: str
    plan: Plan
    difference: Difference
    status: ProposalStatus = "open"
    decided_by: str = ""
    decided_at_s: float | None = None
    decision_reason: str = ""
    version: int = 1
    improved_at_s: float | None = None
