"""The planner's figures, profiles and advice of a place, as the API answers them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from city.places import Approach
from city.register import Register
from models.aadt import SeasonalFactors, aadt, annualised, seasonal_factors
from models.before_after import change
from models.figures import Answer as Answered
from models.figures import Figure, Refusal
from models.modal_split import modal_split
from models.peak import d_factor, k_factor, peak_hour, peak_hour_factor
from models.percentile_speed import percentile_speed_of_means
from models.relief import ApproachCounts, relief
from models.rows import Floats
from models.screen_line import ScreenLine, mean_day, screen_line
from models.signal_timing import SignalParameters, Timing
from models.traffic_profiles import Profile, day_of_week, hour_of_week, weekday_name, workday_and_weekend
from models.traffic_volumes import Volumes
from service.answers import Band
from service.place_views import finite
from service.sentences import place_name
from service.traffic_answers import (
    FigureAnswer,
    FigureOrRefusal,
    FiguresAnswer,
    GreenAnswer,
    HourAnswer,
    Period,
    PlanOfDayAnswer,
    RefusalAnswer,
    ReliefAnswer,
    TrafficProfileAnswer,
    WeekdayAnswer,
)
from service.traffic_records import Counted, TrafficRecords

_EPOCH = date(1970, 1, 1)
_YEAR_DAYS = 366
_CHANGE_DAYS = 56
# So many places nearby are asked for a year of counts.
_MOST_PLACES = 12
_LEAST_WORKDAYS = 3


class TrafficViews:
    """Answers about the traffic of approaches and junctions."""

    def __init__(self, register: Register, records: TrafficRecords) -> None:
        self._register = register
        self._records = records
        self._zone = ZoneInfo(register.timezone)

    def figures(self, id: str, now_s: float, year: int | None = None) -> FiguresAnswer:
        """Return every figure of an approach, or those of a junction's approaches together."""
        counted = self._counted(id, now_s)
        years = _years(counted.hours)
        hours, quarters = (_cut(one, year) for one in counted)
        found: list[Answered] = []
        if id in self._register.junctions:
            line = self._line(id, now_s, year)
            found.append(line if isinstance(line, Refusal) else _called(mean_day(line), "mean day into the junction"))
        average = aadt(hours)
        found.append(average)
        if isinstance(average, Refusal) and id in self._register.approaches:
            found.append(self._from_short_count(id, hours, now_s, year))
        fine = quarters if quarters.n_days else hours
        for name, first, last in (("morning peak hour", 0.0, 12.0), ("evening peak hour", 12.0, 24.0)):
            peak, _ = peak_hour(fine, from_hour=first, until_hour=last)
            found.append(_called(peak, name))
        found += [peak_hour_factor(fine), k_factor(hours, 30), k_factor(hours, 100)]
        if id in self._register.approaches:
            found.append(self._direction(id, year))
            found.append(percentile_speed_of_means(*self._records.speeds(id, now_s)))
            split = modal_split({kind: _cut(one, year) for kind, one in self._records.classes(id).items()})
            found += [split] if isinstance(split, Refusal) else list(split.values())
        return FiguresAnswer(
            entity=id, period=_period(hours), years=years, figures=[figure_answer(one) for one in found]
        )

    def profile(self, id: str, now_s: float, year: int | None = None) -> TrafficProfileAnswer:
        """Return the usual day and week, and the latest week against it."""
        hours = _cut(self._counted(id, now_s).hours, year)
        kinds, week, weekdays = workday_and_weekend(hours), hour_of_week(hours), day_of_week(hours)
        refusals = [one.text for one in (kinds, weekdays) if isinstance(one, Refusal)]
        latest = hours.of_days(hours.first_day + hours.n_days - 7, hours.first_day + hours.n_days - 1)
        at = [self._ms(int(day), hour) for day in latest.day for hour in range(24)] if hours.n_days else []
        # Hours to come are not unknown.
        at = at[: sum(one + 3_600_000 <= now_s * 1000 for one in at)]
        normal = None
        if isinstance(week, Profile):
            normal = Band(
                low=list(zip(at, _shown(week.low[latest.weekday].ravel()), strict=False)),
                high=list(zip(at, _shown(week.high[latest.weekday].ravel()), strict=False)),
            )
        return TrafficProfileAnswer(
            entity=id,
            period=_period(hours),
            workday=_hours_of(kinds, 0),
            weekend=_hours_of(kinds, 1),
            weekdays=[]
            if isinstance(weekdays, Refusal)
            else [
                WeekdayAnswer(
                    name=weekday_name(i),
                    mean=finite(weekdays.mean[i], 0),
                    low=finite(weekdays.low[i], 0),
                    high=finite(weekdays.high[i], 0),
                    days=int(weekdays.days[i]),
                )
                for i in range(7)
            ],
            week=list(zip(at, _shown(latest.volume.ravel()), strict=False)) if at else [],
            normal=normal,
            days=[
                (self._ms(int(day), 12), value) for day, value in zip(hours.day, _shown(hours.day_volume), strict=True)
            ],
            weeks=[(self._ms(day, 12), value) for day, value in _workday_by_week(hours)],
            refusals=refusals,
        )

    def change(self, id: str, on: date, now_s: float, comparison: str | None = None) -> FigureOrRefusal:
        """Return the change of the daily volume from the eight weeks before a day to the eight weeks from it on."""
        day = (on - _EPOCH).days
        hours = self._counted(id, now_s).hours
        periods = (day - _CHANGE_DAYS, day - 1), (day, day + _CHANGE_DAYS - 1)
        before, after = (hours.of_days(*one) for one in periods)
        beside = None
        if comparison is not None:
            theirs = self._counted(comparison, now_s).hours
            beside = theirs.of_days(*periods[0]), theirs.of_days(*periods[1])
        return figure_answer(change(before, after, beside))

    def relief(self, junction: str, now_s: float, timing: Timing | None, year: int | None = None) -> ReliefAnswer:
        """Return what would relieve a junction."""
        approaches = [
            ApproachCounts(
                one.id, one.name, one.bearing_deg, one.lanes, _cut(self._records.counted(one.id, now_s).hours, year)
            )
            for one in self._register.approaches_of(junction)
        ]
        advice = relief(approaches, SignalParameters(), timing=timing)
        if isinstance(advice, Refusal):
            return _no_relief(junction, advice.text)
        names = {one.id: one.name for one in approaches}
        now = advice.plans[0].now
        return ReliefAnswer(
            junction=junction,
            refusal=None,
            summary=advice.summary,
            assumed=list(advice.assumed),
            is_timing_assumed=advice.is_timing_assumed,
            phases=[[names[id] for id in phase] for phase in advice.phases],
            cycle_s=now.cycle_s,
            green_s=list(now.green_s),
            days=advice.days,
            completeness=round(advice.completeness, 3),
            plans=[
                PlanOfDayAnswer(
                    from_hour=one.from_hour,
                    until_hour=one.until_hour,
                    cycle_now_s=one.now.cycle_s,
                    cycle_then_s=one.then.cycle_s,
                    flow=round(one.flow),
                    delay_now_s=round(one.delay_now_s, 1),
                    delay_then_s=round(one.delay_then_s, 1),
                    level_now=one.level_now,
                    level_then=one.level_then,
                    saving_s=round(one.saving_s, 2),
                    saving_low_s=round(one.saving_low_s, 2),
                    saving_high_s=round(one.saving_high_s, 2),
                    flow_ratio=round(one.flow_ratio, 3),
                    critical_saturation=round(one.critical_saturation, 3),
                    is_worth_it=one.is_worth_it,
                    is_oversaturated=one.is_oversaturated,
                    days=one.days,
                    approaches=[
                        GreenAnswer(
                            id=arm.id,
                            name=arm.name,
                            flow=round(arm.flow),
                            saturation_now=round(arm.saturation_now, 2),
                            saturation_then=round(arm.saturation_then, 2),
                            delay_now_s=round(arm.delay_now_s, 1),
                            delay_then_s=round(arm.delay_then_s, 1),
                            level_now=arm.level_now,
                            level_then=arm.level_then,
                            green_now_s=arm.green_now_s,
                            green_then_s=arm.green_then_s,
                        )
                        for arm in one.approaches
                    ],
                    sentence=one.sentence,
                )
                for one in advice.plans
            ],
        )

    def hours_csv(self, id: str, now_s: float) -> str:
        """Return every hour of a place as CSV: start of the hour, vehicles; an unknown hour has an empty cell."""
        hours = self._counted(id, now_s).hours
        lines = ["hour_start,entity,vehicles\r\n"]
        for day, row in zip(hours.day.tolist(), hours.volume, strict=True):
            for hour, value in enumerate(row):
                text = f"{value:.0f}" if np.isfinite(value) else ""
                lines.append(f"{self._start(day, hour).isoformat()},{id},{text}\r\n")
        return "".join(lines)

    def _counted(self, id: str, now_s: float) -> Counted:
        if id in self._register.approaches:
            return self._records.counted(id, now_s)
        arms = [self._records.counted(one.id, now_s) for one in self._register.approaches_of(id)]
        return Counted(_summed([one.hours for one in arms], 24), _summed([one.quarters for one in arms], 96))

    def _line(self, junction: str, now_s: float, year: int | None) -> ScreenLine | Refusal:
        arms = self._register.approaches_of(junction)
        line = screen_line({one.id: _cut(self._records.counted(one.id, now_s).hours, year) for one in arms})
        if isinstance(line, Refusal):
            return Refusal("mean day into the junction", "approaches with counts", line.has, line.needs)
        return line

    def _from_short_count(self, id: str, short: Volumes, now_s: float, year: int | None) -> Answered:
        """Return a short count made annual with the seasons of the nearest place that has a year of counts."""
        here = self._register.junctions[self._register.approaches[id].junction]
        shrink = np.cos(np.radians(here.lat))

        def away(other: Approach) -> float:
            there = self._register.junctions[other.junction]
            return float(np.hypot((there.lon - here.lon) * shrink, there.lat - here.lat))

        others = sorted((one for one in self._register.approaches.values() if one.id != id), key=away)
        for other in others[:_MOST_PLACES]:
            factors = seasonal_factors(_cut(self._records.counted(other.id, now_s).hours, year))
            if isinstance(factors, SeasonalFactors):
                found = annualised(short, factors)
                if isinstance(found, Refusal):
                    return found
                notes = (*found.notes, f"The seasons are those of {other.name} ({other.id}).")
                return Figure(**{**vars(found), "notes": notes})
        return Refusal("AADT from a short count", "places nearby with a whole year of counts", 0, 1)

    def _direction(self, id: str, year: int | None) -> Answered:
        """Return D where both directions of one road are counted: opposite approaches of a junction are two roads."""
        both = self._records.directions(id)
        if both is None:
            note = f"An approach has one direction; give the road's counts as {id}:lft and {id}:rgt."
            return Refusal("D", "directions of the road with counts of their own", 0, 2, note)
        return d_factor(*(_cut(one, year) for one in both))

    def _start(self, day: int, hour: int) -> datetime:
        at = _EPOCH + timedelta(days=day)
        return datetime(at.year, at.month, at.day, hour, tzinfo=self._zone)

    def _ms(self, day: int, hour: int) -> int:
        return round(self._start(day, hour).timestamp() * 1000)


def figure_answer(one: Answered) -> FigureOrRefusal:
    """Return a figure or a refusal as the API says it."""
    if isinstance(one, Refusal):
        return RefusalAnswer(name=one.name, has=round(one.has, 3), needs=round(one.needs, 3), of=one.of, text=one.text)
    digits = 0 if abs(one.value) >= 100 else 1 if one.unit else 3
    return FigureAnswer(
        name=one.name,
        value=round(one.value, digits),
        unit=one.unit,
        low=None if one.low is None else round(one.low, digits),
        high=None if one.high is None else round(one.high, digits),
        confidence=one.confidence,
        completeness=round(one.completeness, 3),
        basis=one.basis,
        method=one.method,
        notes=list(one.notes),
    )


def unsignalised(register: Register, junction: str) -> ReliefAnswer:
    """Return the answer about a junction without a signal."""
    return _no_relief(junction, f"{place_name(register, junction)} has no signal: there is no green to divide.")


def _no_relief(junction: str, text: str) -> ReliefAnswer:
    return ReliefAnswer(
        junction=junction, refusal=text, summary=text, assumed=[], is_timing_assumed=True, phases=[], cycle_s=None,
        green_s=[], days=0, completeness=0.0, plans=[],
    )  # fmt: skip


def _called(one: Answered, name: str) -> Answered:
    if isinstance(one, Refusal):
        return Refusal(name, one.of, one.has, one.needs, one.note)
    return Figure(**{**vars(one), "name": name})


def _cut(table: Volumes, year: int | None) -> Volumes:
    """Return a calendar year, or the last year that has counts."""
    if not table.n_days:
        return table
    if year is not None:
        return table.of_days((date(year, 1, 1) - _EPOCH).days, (date(year, 12, 31) - _EPOCH).days)
    last = table.first_day + table.n_days - 1
    return table.of_days(max(table.first_day, last - _YEAR_DAYS + 1), last)


def _summed(tables: Sequence[Volumes], bins: int) -> Volumes:
    tables = [one for one in tables if one.n_days]
    if not tables:
        return Volumes(0, np.full((0, bins), np.nan), np.zeros(0, bool))
    first = min(one.first_day for one in tables)
    last = max(one.first_day + one.n_days for one in tables) - 1
    cut = [one.of_days(first, last) for one in tables]
    return Volumes(first, np.sum([one.volume for one in cut], axis=0), np.any([one.excluded for one in cut], axis=0))


def _workday_by_week(table: Volumes) -> list[tuple[int, float | None]]:
    """Return the Wednesday of each week with the mean of its workdays; None where fewer than three are known."""
    found = []
    for week in np.unique(table.week) if table.n_days else ():
        known = table.day_volume[(table.week == week) & table.is_workday]
        known = known[np.isfinite(known)]
        found.append((int(week) * 7 - 1, finite(known.mean(), 0) if len(known) >= _LEAST_WORKDAYS else None))
    return found


def _years(table: Volumes) -> list[int]:
    known = table.day[np.isfinite(table.volume).any(axis=1)] if table.n_days else np.empty(0, np.int64)
    return sorted({(_EPOCH + timedelta(days=int(one))).year for one in known})


def _period(table: Volumes) -> Period:
    def text(day: int) -> str:
        return (_EPOCH + timedelta(days=day)).isoformat()

    return Period(
        first_day=text(table.first_day) if table.n_days else None,
        last_day=text(table.first_day + table.n_days - 1) if table.n_days else None,
        days=table.n_days,
        whole_days=table.whole_days if table.n_days else 0,
        completeness=round(table.completeness, 3),
    )


def _hours_of(profile: Profile | Refusal, kind: int) -> list[HourAnswer]:
    if isinstance(profile, Refusal):
        return []
    median, low, high = (_shown(one[kind]) for one in (profile.median, profile.low, profile.high))
    return [
        HourAnswer(hour=h, median=median[h], low=low[h], high=high[h], days=int(profile.days[kind, h]))
        for h in range(24)
    ]


def _shown(values: Floats) -> list[float | None]:
    return [finite(one, 1) for one in values]
