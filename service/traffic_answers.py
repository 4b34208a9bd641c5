"""What the API answers about traffic: figures with their interval or a refusal, profiles, and advice about green."""

from typing import Annotated, Literal

from pydantic import Field

from service.answers import Answer, Band


class FigureAnswer(Answer):
    """A planner's figure, how sure it is, and what it rests on."""

    kind: Literal["figure"] = "figure"
    name: str
    value: float
    unit: str
    low: float | None = Field(description="Lower end of the interval; null = the definition leaves nothing to chance")
    high: float | None
    confidence: float
    completeness: float = Field(description="Share of the hours of the period that were measured")
    basis: str
    method: str
    notes: list[str]


class RefusalAnswer(Answer):
    """No figure, because it would rest on too little."""

    kind: Literal["refusal"] = "refusal"
    name: str
    has: float
    needs: float
    of: str
    text: str


FigureOrRefusal = Annotated[FigureAnswer | RefusalAnswer, Field(discriminator="kind")]


class Period(Answer):
    """The days that figures are of, local calendar."""

    first_day: str | None = Field(description="ISO 8601 date; null = nothing was ever counted", examples=["2026-01-01"])
    last_day: str | None
    days: int
    whole_days: int
    completeness: float


class FiguresAnswer(Answer):
    """The planner's figures of a place."""

    entity: str
    period: Period
    years: list[int] = Field(description="Calendar years with counts")
    figures: list[FigureOrRefusal]


class HourAnswer(Answer):
    """What is usual in an hour of the day; null = unknown."""

    hour: int
    median: float | None
    low: float | None = Field(description="10th percentile")
    high: float | None = Field(description="90th percentile")
    days: int


class WeekdayAnswer(Answer):
    """The mean volume of a day of the week with the interval of the mean; null = unknown."""

    name: str
    mean: float | None
    low: float | None
    high: float | None
    days: int


class TrafficProfileAnswer(Answer):
    """The usual day and week, the latest week against it, and the days of the period."""

    entity: str
    period: Period
    workday: list[HourAnswer]
    weekend: list[HourAnswer]
    weekdays: list[WeekdayAnswer]
    week: list[tuple[int, float | None]] = Field(description="The latest seven days by hour: [ms since 1970, vehicles]")
    normal: Band | None = Field(description="What is usual at the hours of `week`")
    days: list[tuple[int, float | None]] = Field(description="[ms since 1970, vehicles that day]; null = unknown")
    weeks: list[tuple[int, float | None]] = Field(description="[ms since 1970, mean workday of that week]")
    refusals: list[str]


class GreenAnswer(Answer):
    """An approach within a plan."""

    id: str
    name: str
    flow: float = Field(description="vehicles/h")
    saturation_now: float = Field(description="v/c in the busiest hour")
    saturation_then: float
    delay_now_s: float
    delay_then_s: float
    level_now: str
    level_then: str
    green_now_s: float
    green_then_s: float


class PlanOfDayAnswer(Answer):
    """A plan for some hours of workdays, as it is and as proposed."""

    from_hour: int
    until_hour: int
    cycle_now_s: float
    cycle_then_s: float
    flow: float = Field(description="vehicles/h into the junction")
    delay_now_s: float
    delay_then_s: float
    level_now: str
    level_then: str
    saving_s: float
    saving_low_s: float
    saving_high_s: float
    flow_ratio: float = Field(description="Y, the sum of the critical flow ratios")
    critical_saturation: float
    is_worth_it: bool
    is_oversaturated: bool
    days: int
    approaches: list[GreenAnswer]
    sentence: str


class ReliefAnswer(Answer):
    """What would relieve a signalised junction, or why that cannot be said."""

    junction: str
    refusal: str | None
    summary: str
    assumed: list[str]
    is_timing_assumed: bool
    phases: list[list[str]] = Field(description="Names of the approaches that have green together")
    cycle_s: float | None = Field(description="Of the timing now, given or assumed")
    green_s: list[float]
    days: int
    completeness: float
    plans: list[PlanOfDayAnswer]
