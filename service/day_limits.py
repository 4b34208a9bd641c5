"""When nobody may, or had better not, work at a place today, and why: put into jobs, and shown to whoever asks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from city.clock import hours_from_s
from city.plans import Job
from city.register import Register
from models.rows import Floats
from routing.clock import Interval
from routing.network import Network
from routing.opening_hours import closed_hours, hours_at
from routing.problem import can_do
from routing.vetoes import Lesson, taught
from routing.windows import beginnings
from service.peak_windows import Hours, peak_windows
from service.refusals import LEARNING
from service.sentences import clock_text, place_name
from service.snapshot import Snapshot
from service.weather import Wind, WindForecast, force_text, lifting_text

Why = Literal["zone", "refused", "learned", "peak", "wind"]
_HOUR_S = 3600.0
_DAY_S = 86_400.0


class KeptClear(NamedTuple):
    """From one city time to another nobody is sent to a place, and why in words."""

    from_s: float
    until_s: float
    why: Why
    text: str

    @property
    def span(self) -> Interval:
        """The two times."""
        return self.from_s, self.until_s


class DayLimits:
    """What holds for places on a day, from the map, the register, the traffic, the weather and what drivers said.

    Parameters
    ----------
    network
        Streets with the hours in which trucks may enter them; None = none is known.
    usual_per_h
        Returns the usual vehicles per hour of the approaches in the 24 hours from a time on, see `usual_by_hour`; None
        = nothing is known.
    forecast
        Where the wind is read.
    """

    def __init__(
        self,
        register: Register,
        network: Network | None = None,
        usual_per_h: Callable[[float], Floats] | None = None,
        forecast: WindForecast | None = None,
    ) -> None:
        self._register = register
        self._timezone = ZoneInfo(register.timezone)
        self._usual_per_h = usual_per_h
        self._forecast = forecast or WindForecast(None)
        self._street_hours = _street_hours(register, network) if network is not None else {}
        self._peaks: tuple[tuple[float, int], Mapping[str, tuple[Hours, ...]]] = ((-1.0, -1), {})

    @property
    def has_forecast(self) -> bool:
        """Whether a forecast of the wind was named."""
        return self._forecast.is_there

    def wind(self) -> Wind:
        """Return what is expected of the wind."""
        return self._forecast.now()

    def wind_text(self, now_s: float) -> str:
        """Return when cranes may not lift; empty if they may, or if nothing is known."""
        wind = self.wind()
        return "; ".join(lifting_text(wind, one, self._timezone) for one in wind.no_lifting(now_s))

    def kept_clear(self, place: str, snapshot: Snapshot) -> list[KeptClear]:
        """Return when nobody is sent to a cluster today, by rising time."""
        day_s = hours_from_s(snapshot.now_s, self._timezone)
        lesson = snapshot.lessons.get(place)
        found = [
            *self._zone(place, day_s),
            *self._refused(place, snapshot, day_s),
            *(self._learned(lesson, day_s) if lesson else ()),
            *self._peak(place, snapshot.now_s, day_s),
        ]
        if (before := self._register.clusters[place].before_hour) is not None:
            text = f"Collection is to be done here by {_hour_text(before)}"
            found.append(KeptClear(day_s + before * _HOUR_S, day_s + _DAY_S, "zone", text))
        if any(truck.kind == "crane" for truck in self._register.trucks.values()):
            wind = self.wind()
            found += [
                KeptClear(*one, "wind", f"No lifting: {force_text(wind, one)}")
                for one in wind.no_lifting(snapshot.now_s)
                if one[0] < day_s + _DAY_S
            ]
        return sorted(set(found))

    def applied(self, jobs: Iterable[Job], snapshot: Snapshot) -> list[Job]:
        """Return jobs with all of this in them, as far as it leaves time to do them in what is left of the shifts.

        A peak, or hours in which a zone is closed, that leave a must job no time do not hold for it, and its note says
        so: somebody who knows it can still be sent. (That other jobs leave it none, the solver finds: see `in_peak`.)
        What was learned never takes all the time there is. That somebody said today that it is not safe there holds
        whatever it costs.
        """
        day_s = hours_from_s(snapshot.now_s, self._timezone)
        no_lifting = self.wind().no_lifting(snapshot.now_s)
        return [self._applied(job, snapshot, day_s, no_lifting) for job in jobs]

    def in_peak(self, jobs: Iterable[Job], snapshot: Snapshot) -> list[Job]:
        """Return must jobs that keep clear of a peak as they are when they need not: for a day without other room."""
        day_s = hours_from_s(snapshot.now_s, self._timezone)
        no_lifting = self.wind().no_lifting(snapshot.now_s)
        found = []
        for job in jobs:
            careful = self._applied(job, snapshot, day_s, no_lifting)
            free = self._applied(job, snapshot, day_s, no_lifting, keeps_peaks=False)
            if job.must and careful.avoid != free.avoid:
                found.append(free)
        return found

    def refused_today(self, jobs: Iterable[Job], snapshot: Snapshot) -> list[Job]:
        """Return jobs of a plan that is driven, with what drivers said of their places since it was made."""
        day_s = hours_from_s(snapshot.now_s, self._timezone)
        return [_avoiding(job, [one.span for one in self._refused(job.place, snapshot, day_s)]) for job in jobs]

    def _applied(
        self,
        job: Job,
        snapshot: Snapshot,
        day_s: float,
        no_lifting: Sequence[Interval],
        *,
        keeps_peaks: bool = True,
    ) -> Job:
        left = self._time_left(job, snapshot.now_s, day_s)
        if left is None:
            return job
        zone = [one for one in self._zone(job.place, day_s) if _meets(one, left)]
        kept = _avoiding(job, [one.span for one in zone])
        if zone and job.must and not _has_time(kept, left, ()):
            kept = _noted(job, f"{zone[0].text}: no other time is left today. Somebody has to be allowed in.")
        kept = _avoiding(kept, [one.span for one in self._refused(job.place, snapshot, day_s)])
        if lesson := snapshot.lessons.get(job.place):
            kept = _learned_in(kept, lesson, day_s, left)
        peaks = [one for one in self._peak(job.place, snapshot.now_s, day_s) if _meets(one, left)]
        careful = _avoiding(kept, [one.span for one in peaks])
        if not job.must or not peaks or (keeps_peaks and _has_time(careful, left, no_lifting)):
            return careful
        span = " to ".join(clock_text(at_s, self._timezone) for at_s in peaks[0].span)
        return _noted(kept, f"{peaks[0].text} from {span}: no other time is left for what must be done.")

    def _time_left(self, job: Job, now_s: float, day_s: float) -> Interval | None:
        shifts = [
            (day_s + one.shift_start_hour * _HOUR_S, one.shift_duration_s)
            for one in self._register.trucks.values()
            if can_do(one, job)
        ]
        if not shifts:
            return None
        return max(now_s, min(start_s for start_s, _ in shifts)), max(start_s + lasts_s for start_s, lasts_s in shifts)

    def _zone(self, place: str, day_s: float) -> list[KeptClear]:
        if place not in self._street_hours:
            return []
        opens, closes = self._street_hours[place]
        text = f"The street lets trucks in from {_hour_text(opens)} to {_hour_text(closes)} only"
        return [
            KeptClear(day_s + from_h * _HOUR_S, day_s + until_h * _HOUR_S, "zone", text)
            for from_h, until_h in closed_hours(opens, closes)
        ]

    def _refused(self, place: str, snapshot: Snapshot, day_s: float) -> list[KeptClear]:
        found = []
        for one in snapshot.refusals:
            if one.place != place or one.at_s < day_s or one.reason not in ("blocked", "unsafe"):
                continue
            again_s = one.again_s(self._timezone)
            who = place_name(self._register, one.truck) if one.truck else "the desk"
            said = f"Not {'free' if again_s else 'safe'} at {clock_text(one.at_s, self._timezone)}, says {who}"
            found.append(KeptClear(one.at_s, again_s or day_s + _DAY_S, "refused", said))
        return found

    def _learned(self, lesson: Lesson, day_s: float) -> list[KeptClear]:
        return [
            KeptClear(
                day_s + hour * _HOUR_S,
                day_s + (hour + 1) * _HOUR_S,
                "learned",
                f"Drivers are mostly turned away at this hour ({lesson.refused[hour]:.0%} of visits)",
            )
            for hour in lesson.hours_to_avoid(LEARNING.avoid_from)
        ]

    def _peak(self, place: str, now_s: float, day_s: float) -> list[KeptClear]:
        if self._usual_per_h is None:
            return []
        key = day_s, int(now_s // _HOUR_S)
        if self._peaks[0] != key:
            self._peaks = key, peak_windows(self._register, self._usual_per_h(day_s))
        return [
            KeptClear(
                day_s + from_h * _HOUR_S,
                day_s + until_h * _HOUR_S,
                "peak",
                "The junction beside it has no room to spare",
            )
            for from_h, until_h in self._peaks[1].get(place, ())
        ]


def _street_hours(register: Register, network: Network) -> dict[str, Hours]:
    """Return the hours of the clusters whose streets do not always let trucks in."""
    places = list(register.clusters.values())
    opens, closes = hours_at(network, [one.lon for one in places], [one.lat for one in places])
    return {
        place.id: (float(a), float(b))
        for place, a, b in zip(places, opens, closes, strict=True)
        if closed_hours(float(a), float(b))
    }


def _learned_in(job: Job, lesson: Lesson, day_s: float, left: Interval) -> Job:
    # Within the time that is left: an hour is not kept clear when that leaves none of it.
    earliest_s = left[0] if job.earliest_s is None else max(left[0], job.earliest_s)
    latest_s = left[1] if job.latest_s is None else min(left[1], job.latest_s)
    today = msgspec.structs.replace(job, earliest_s=earliest_s, latest_s=latest_s)
    (wiser,) = taught([today], [lesson], day_s, LEARNING)
    avoid = tuple(one for one in wiser.avoid if one in job.avoid or (one[0] < left[1] and one[1] > left[0]))
    return msgspec.structs.replace(wiser, earliest_s=job.earliest_s, latest_s=job.latest_s, avoid=avoid)


def _avoiding(job: Job, spans: Sequence[Interval]) -> Job:
    """Return the job with spans kept clear; as it is if that left no time at all in its own window."""
    if not spans:
        return job
    careful = msgspec.structs.replace(job, avoid=tuple(dict.fromkeys((*job.avoid, *spans))))
    return careful if beginnings(careful) else job


def _has_time(job: Job, left: Interval, no_lifting: Sequence[Interval]) -> bool:
    last_s = left[1] - job.service_s
    return any(max(first, left[0]) <= min(last, last_s) for first, last in beginnings(job, no_lifting))


def _meets(one: KeptClear, left: Interval) -> bool:
    return one.from_s < left[1] and left[0] < one.until_s


def _noted(job: Job, note: str) -> Job:
    return msgspec.structs.replace(job, note=f"{job.note} {note}".strip())


def _hour_text(hour: float) -> str:
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
