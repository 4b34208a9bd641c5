"""What the API answers, as models: camelCase, ISO 8601 times in UTC, units in the names."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from city.clock import utc
from city.vetoes import VetoReason


def iso(at_s: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC.

    >>> iso(0.25)
    '1970-01-01T00:00:00Z'
    """
    return utc(at_s).strftime("%Y-%m-%dT%H:%M:%SZ")


Instant = Annotated[
    float,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-02T06:00:00Z"]}),
]
PlaceState = Literal["ok", "watch", "urgent", "unknown"]


class Answer(BaseModel):
    """Base of all answers: names are camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Parts(Answer):
    """The parts that this service runs with."""

    broker: str = Field(description="connected, not connected or none")
    series: str = Field(description="Kind of the series store", examples=["sqlite", "influxdb"])


class Progress(Answer):
    """How much of the ledger has been read since the start."""

    position: int
    entries: int
    ratio: float


class CityAnswer(Answer):
    """The city, its time, and whether the service has caught up."""

    id: str
    name: str
    timezone: str
    now: Instant
    speed_up: float
    bounds: list[float] = Field(description="west, south, east, north in degrees")
    parts: Parts
    replay: bool = Field(description="Whether readings are played back from a history")
    ready: bool = Field(description="False while the ledger is still being read after a start")
    progress: Progress


class Check(Answer):
    """One part that was looked at."""

    name: str
    status: Literal["pass", "warn", "fail"]
    detail: str
    value: float | None = None
    unit: str = ""


class HealthAnswer(Answer):
    """Whether the service does its work; the worst check decides."""

    status: Literal["pass", "warn", "fail"]
    now: Instant
    checks: list[Check]


class EvidenceAnswer(Answer):
    """One thing that speaks for an incident."""

    text: str
    quantity: str
    at: Instant | None
    value: float | None


class IncidentAnswer(Answer):
    """Something a detector found, and what people decided about it."""

    id: str
    kind: str
    entity: str
    title: str
    place: str
    place_name: str
    lon: float
    lat: float
    raised_at: Instant
    cleared_at: Instant | None
    age_s: float
    cause: str
    cause_text: str = Field(description="The cause in words; empty where the kind has none")
    not_observable: str = Field(description="What cannot be known at this place, and why; empty where all can be seen")
    probability: float
    severity: float
    urgency: Literal["urgent", "watch"]
    evidence: list[EvidenceAnswer]
    status: Literal["open", "confirmed", "dismissed", "closed"]
    decided_by: str
    decided_at: Instant | None
    note: str


class IncidentList(Answer):
    """Incidents, newest first."""

    items: list[IncidentAnswer]


class IncidentDecision(BaseModel):
    """What a person decides about an incident."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"decision": "confirm", "by": "officer 12", "note": "two mattresses"}]},
    )

    decision: Literal["confirm", "dismiss", "close"]
    by: str = Field(min_length=1, max_length=80, description="Who decides")
    note: str = Field(default="", max_length=2000)


class ProposalDecision(BaseModel):
    """What a dispatcher decides about a proposal; a rejection needs a reason."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"decision": "reject", "by": "dispatcher 3", "reason": "The street is closed today."}]
        },
    )

    decision: Literal["accept", "reject"]
    place: str = Field(
        default="", max_length=80, description="Cluster that the reason of a rejection is about: it is remembered"
    )
    place_reason: VetoReason | None = Field(default=None, alias="placeReason", description="Why it cannot be served")
    by: str = Field(min_length=1, max_length=80, description="Who decides")
    reason: str = Field(default="", max_length=2000)
    plan: str = Field(
        default="",
        max_length=80,
        description="Who accepts names the plan that was looked at (planAfter): a better one may have taken its place",
    )


class AttentionItem(Answer):
    """One thing that waits for a person."""

    id: str
    type: Literal["proposal", "incident"]
    urgency: Literal["urgent", "watch"]
    title: str
    detail: str
    place: str
    lon: float
    lat: float
    since: Instant
    age_s: float


class AttentionAnswer(Answer):
    """What needs a person now, the most urgent first."""

    summary: str = Field(examples=["3 things need you now"])
    items: list[AttentionItem]


class StopAnswer(Answer):
    """A stop of a round."""

    kind: str
    place: str
    name: str
    lon: float
    lat: float
    arrive: Instant
    leave: Instant
    job: str
    containers: list[str]
    overflow_probability: float | None = Field(
        description="That something overflows here before the next day's round if this stop is not made; null = unknown"
    )
    volume_m3: float
    load_kg: float
    done: bool
    incident: str
    note: str = Field(default="", description="What whoever does it should know: why it is done at such a time")


class RoundAnswer(Answer):
    """The round of one truck."""

    truck: str
    name: str
    stops: list[StopAnswer]
    path: list[list[float]] = Field(description="The driven line as [lon, lat]")
    distance_km: float
    duration_min: float


class UnservedAnswer(Answer):
    """A job in no round, and why."""

    job: str
    place: str
    name: str
    reason: str


class PlanAnswer(Answer):
    """The rounds of all trucks."""

    id: str
    made_at: Instant
    based_on: str
    rounds: list[RoundAnswer]
    unserved: list[UnservedAnswer]
    wind: str = Field(default="", description="When cranes may not lift today; empty = they may, or it is not known")
    distance_km: float
    duration_min: float


class MovedAnswer(Answer):
    """A job that another truck takes over."""

    job: str
    place: str
    from_truck: str
    to_truck: str


class ShiftedAnswer(Answer):
    """A stop that is reached at another time; fewer minutes than 0 = sooner."""

    job: str
    place: str
    name: str
    truck: str
    later_min: float


_OVERFLOWS = (
    "How many more places are expected to overflow before the next day's round (negative = fewer); null = unknown"
)
_CO2 = "Kilograms of CO2 from driving and lifting (negative = less); null = unknown"


class DifferenceAnswer(Answer):
    """What a proposal changes against leaving things as they are."""

    added: list[str] = Field(description="Jobs that are done only if it is accepted")
    dropped: list[str] = Field(description="Jobs that are done only if it is not")
    moved: list[MovedAnswer]
    shifted: list[ShiftedAnswer] = Field(description="Stops that are reached at least a minute later or sooner")
    trucks: list[str]
    distance_km: float
    duration_min: float
    later_min: float = Field(description="How much later the most delayed of the stops comes that are in both plans")
    overflows: float | None = Field(description=_OVERFLOWS)
    co2_kg: float | None = Field(description=_CO2)


class CostAnswer(Answer):
    """What a proposal costs (negative = saves)."""

    distance_km: float
    duration_min: float
    overflows: float | None = Field(description=_OVERFLOWS)
    co2_kg: float | None = Field(description=_CO2)


class ProposalSummary(Answer):
    """A proposal without its rounds."""

    id: str
    made_at: Instant
    age_s: float
    status: Literal["open", "accepted", "rejected", "superseded"]
    reason: str
    incidents: list[str]
    trucks: list[str] = Field(description="Names of the trucks whose rounds change")
    cost: CostAnswer
    plan_after: str = Field(description="The plan that it proposes now; name it when you accept")
    version: int = Field(description="Rises when a better plan takes the place of the one before")
    improved_at: Instant | None = Field(description="When the plan that it proposes now was found, if not at first")
    improving: bool = Field(description="A better plan is being searched for")
    good_until: Instant | None = Field(
        description="Until when its times hold while it is open; then it is reckoned anew"
    )
    decided_by: str
    decided_at: Instant | None
    decision_reason: str


class ProposalAnswer(ProposalSummary):
    """A proposal with the rounds that it touches, before and after."""

    causes: list[IncidentAnswer] = Field(description="The incidents that it answers, each with its evidence")
    before: list[RoundAnswer]
    after: list[RoundAnswer]
    difference: DifferenceAnswer
    plan_before: str


class ProposalList(Answer):
    """Proposals, newest first."""

    items: list[ProposalSummary]


class NextStop(Answer):
    """Where a truck goes next."""

    place: str
    name: str
    arrive: Instant


class TruckAnswer(Answer):
    """A truck: where it is and how far its round is."""

    id: str
    name: str
    truck_kind: str = Field(description="crane or grab")
    streams: list[str]
    lon: float | None
    lat: float | None
    at: Instant | None
    age_s: float | None
    load_kg: float | None
    payload_kg: float
    state: Literal["driving", "idle", "done", "unknown"]
    done_stops: int
    total_stops: int
    next_stop: NextStop | None


class TruckList(Answer):
    """All trucks."""

    trucks: list[TruckAnswer]


class Band(Answer):
    """What is normal at each time of the points."""

    low: list[tuple[int, float | None]]
    high: list[tuple[int, float | None]]


class Threshold(Answer):
    """A named line in a chart."""

    name: str
    value: float


class TrendAnswer(Answer):
    """A quantity of an entity over time; null is unknown, not zero."""

    entity: str
    quantity: str
    unit: str
    points: list[tuple[int, float | None]] = Field(description="[ms since 1970, value or null]")
    normal: Band | None
    thresholds: list[Threshold]
    forecast: list[tuple[int, float, float, float]] = Field(description="[ms since 1970, level, low, high]")
    against_usual: str = Field(default="", description="The latest quarter of an hour against the usual, in words")


class EntityBase(Answer):
    """What every entity has."""

    id: str
    name: str
    lon: float | None
    lat: float | None
    state: PlaceState
    age_s: float | None = Field(description="Age of the newest reading in city seconds; null = never heard")
    quantities: list[str] = Field(description="Quantities that /v1/trends has for it")
    incidents: list[IncidentAnswer]


class ContainerBrief(Answer):
    """A container of a cluster and its latest state."""

    id: str
    stream: str
    fill_ratio: float | None
    fill_low: float | None
    fill_high: float | None
    at: Instant | None
    age_s: float | None
    state: PlaceState


class ApproachBrief(Answer):
    """An approach of a junction and its latest state."""

    id: str
    name: str
    speed_kph: float | None
    vehicle_count: float | None
    occupancy_ratio: float | None
    at: Instant | None
    age_s: float | None
    state: PlaceState


class SensorAnswer(Answer):
    """What the word of a container's sensor is worth, and why."""

    quality: float | None = Field(description="1 = nothing is known against it, 0 = worth nothing, null = no sensor")
    is_believed: bool = Field(description="False where the level shown is the forecast, and not what it says")
    text: str
    since: Instant | None


class ContainerAnswer(EntityBase):
    """A container: fill, forecast and when it was emptied."""

    kind: Literal["container"] = "container"
    stream: str
    volume_m3: float
    cluster: str
    cluster_name: str
    fill_ratio: float | None
    fill_low: float | None
    fill_high: float | None
    overflow_probability: float | None = Field(description="That it overflows before the next possible visit")
    emptied_at: Instant | None
    sensor: SensorAnswer


class ClusterAnswer(EntityBase):
    """A cluster: its containers, and what stands beside them where a camera looks."""

    kind: Literal["cluster"] = "cluster"
    district: str
    before_hour: float | None
    observable: bool = Field(description="Whether waste beside it can be seen at all")
    not_observable: str = Field(description="Why it cannot be seen; empty where it can")
    objects_beside: float | None
    containers: list[ContainerBrief]


class ApproachAnswer(EntityBase):
    """An approach: what its detector says, and what that means."""

    kind: Literal["approach"] = "approach"
    junction: str
    junction_name: str
    speed_kph: float | None
    free_speed_kph: float
    vehicle_count: float | None
    occupancy_ratio: float | None
    speed_ratio: float | None = Field(description="Speed against free speed; null = unknown")
    since: Instant | None
    state_text: str
    level_of_service: str | None = Field(description="A (free) to F (broken down); null = unknown")
    service_text: str
    flow_per_h: float | None = Field(description="Vehicles per hour over about the last quarter of an hour")
    volume_to_capacity: float | None = Field(description="For an assumed share of green, see capacityText")
    capacity_text: str
    queue_text: str


class JunctionAnswer(EntityBase):
    """A junction and its approaches."""

    kind: Literal["junction"] = "junction"
    district: str
    signalised: bool
    level_of_service: str | None = Field(description="Of its worst approach; null = too few are known")
    service_text: str
    approaches: list[ApproachBrief]


class TruckDetailAnswer(TruckAnswer):
    """A truck and its round."""

    kind: Literal["truck"] = "truck"
    distance_km: float | None
    duration_min: float | None
    stops: list[StopAnswer]
    quantities: list[str]


EntityAnswer = Annotated[
    ContainerAnswer | ClusterAnswer | ApproachAnswer | JunctionAnswer | TruckDetailAnswer, Field(discriminator="kind")
]


class DecidedAnswer(Answer):
    """One decision of a person, from the audit trail."""

    at: Instant
    by: str
    what: str
    subject: str
    note: str


class FeatureCollection(BaseModel):
    """GeoJSON (RFC 7946)."""

    model_config = ConfigDict(
        json_schema_extra={"externalDocs": {"url": "https://www.rfc-editor.org/rfc/rfc7946", "description": "GeoJSON"}}
    )

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[dict[str, Any]]
