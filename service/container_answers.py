"""What the API answers about containers over time: emptyings, what a sensor is worth, where waste is dumped."""

from pydantic import Field

from service.answers import Answer, Instant


class EmptyingAnswer(Answer):
    """An emptying that only one side knows of."""

    container: str
    name: str
    at: Instant


class AgreedEmptying(Answer):
    """An emptying that the level showed and a crew told."""

    seen: Instant
    claimed: Instant


class ContainerEmptyings(Answer):
    """Emptyings of one container, the newest first."""

    container: str
    start: Instant
    end: Instant
    agreed: list[AgreedEmptying]
    claimed_not_seen: list[Instant] = Field(description="A crew said so; the level was watched and did not fall")
    seen_not_claimed: list[Instant] = Field(description="The level fell; no crew said so")
    not_observable: list[Instant] = Field(description="A crew said so; no level was read around that time")


class CityEmptyings(Answer):
    """Emptyings of which the crews and the levels tell different things, the newest first."""

    start: Instant
    end: Instant
    agreed: int
    not_observable: int
    claimed_not_seen: list[EmptyingAnswer]
    seen_not_claimed: list[EmptyingAnswer]


class SensorWorthAnswer(Answer):
    """What the readings of a container change in decisions; figures a month, null where too little could be judged."""

    container: str
    sentence: str
    is_known: bool
    is_worth_it: bool
    days: float = Field(description="Days of decisions that could be judged")
    changed: float | None
    needless: float | None
    needless_without: float | None
    missed: float | None
    missed_without: float | None


class HotHour(Answer):
    """An hour of the local week."""

    hour_of_week: int = Field(description="0 = Monday 00:00")
    text: str
    share: float = Field(description="Share of a week's dumpings, drawn towards the city's hours")
    seen: int


class HotSpotAnswer(Answer):
    """A place with its rate of dumping."""

    place: str
    name: str
    per_week: float
    low: float
    high: float
    dumpings: int
    hours: list[HotHour]


class HotSpotList(Answer):
    """Places by how surely waste is dumped there often; and how many nobody watches."""

    items: list[HotSpotAnswer]
    not_watched: int = Field(description="Clusters without a camera: of them nothing is known")
