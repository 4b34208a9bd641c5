"""Advice about the green of a junction, as values."""

from dataclasses import dataclass

from models.signal_timing import Timing, level_of_service


@dataclass(frozen=True)
class ApproachAdvice:
    """An approach within a plan: mean flow (vehicles/h), v/c of its worst hour, delay (s) and green (s)."""

    id: str
    name: str
    flow: float
    saturation_now: float
    saturation_then: float
    delay_now_s: float
    delay_then_s: float
    green_now_s: float
    green_then_s: float

    @property
    def level_now(self) -> str:
        """Level of service now."""
        return level_of_service(self.delay_now_s)

    @property
    def level_then(self) -> str:
        """Level of service as proposed."""
        return level_of_service(self.delay_then_s)


@dataclass(frozen=True)
class PlanAdvice:
    """A plan for some hours of workdays.

    Parameters
    ----------
    saving_s, saving_low_s, saving_high_s
        Mean saving per vehicle with its interval (90 %): from how days differ, and from what is unknown of the
        saturation flow.
    flow_ratio
        Y, the sum of the critical flow ratios in the mean of the hours.
    critical_saturation
        Xc = Y C / (C - L) of the proposed timing in the busiest hour: above 1 green alone does not solve it.
    """

    from_hour: int
    until_hour: int
    now: Timing
    then: Timing
    flow: float
    delay_now_s: float
    delay_then_s: float
    saving_s: float
    saving_low_s: float
    saving_high_s: float
    flow_ratio: float
    critical_saturation: float
    days: int
    approaches: tuple[ApproachAdvice, ...]
    sentence: str

    @property
    def is_oversaturated(self) -> bool:
        """Whether more comes in the busiest hour than any division of green lets through."""
        return self.critical_saturation > 1

    @property
    def is_worth_it(self) -> bool:
        """Whether the interval of the saving lies above zero."""
        return is_worth_it(self.saving_s, self.saving_low_s)

    @property
    def level_now(self) -> str:
        """Level of service now."""
        return level_of_service(self.delay_now_s)

    @property
    def level_then(self) -> str:
        """Level of service as proposed."""
        return level_of_service(self.delay_then_s)


@dataclass(frozen=True)
class Relief:
    """Advice about a junction: `phases` hold the ids that have green together, `assumed` what nobody told."""

    phases: tuple[tuple[str, ...], ...]
    plans: tuple[PlanAdvice, ...]
    days: int
    completeness: float
    is_timing_assumed: bool
    assumed: tuple[str, ...]
    summary: str


def is_worth_it(saving_s: float, saving_low_s: float) -> bool:
    """Return whether a saving is worth a change: half a second at least, and more than chance."""
    return saving_low_s > 0 and saving_s >= 0.5
