"""Where and when waste is dumped again and again, from what the desk keeps."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from city.findings import Finding, Incident, cause_group
from city.register import Register
from models.duplicates import same_incident
from models.hot_spots import hot_spots
from service.container_answers import HotHour, HotSpotAnswer, HotSpotList
from service.sentences import place_name

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def hot_spot_list(
    register: Register, incidents: Iterable[Incident], watched_since_s: Mapping[str, float], now_s: float
) -> HotSpotList:
    """Return the places where dumping was seen, by how surely it is frequent there.

    Left out is what people dismissed, and waste for which the container had no room: against that an emptying helps.

    Parameters
    ----------
    watched_since_s
        Since when a camera has looked at each cluster; one that is not in it is not watched.
    """
    timezone = ZoneInfo(register.timezone)
    clusters = list(register.clusters)
    index = {one: i for i, one in enumerate(clusters)}
    counted = [
        one
        for one in incidents
        if one.kind == "dumping"
        and one.entity in watched_since_s
        and one.entity in index
        and one.status != "dismissed"
        and cause_group(one.cause) != "overflow"
    ]
    # The same waste seen at neighbouring clusters was dumped once.
    counted = [counted[group[0]] for group in same_incident([_finding(one) for one in counted], _positions(register))]
    began = [datetime.fromtimestamp(one.raised_at_s, timezone) for one in counted]
    watched_s = [max(0.0, now_s - watched_since_s.get(one, now_s)) for one in clusters]
    found = hot_spots(
        clusters,
        np.array([index[one.entity] for one in counted], np.int64),
        np.array([24 * one.weekday() + one.hour for one in began], np.int64),
        watched_s,
    )
    items = [
        HotSpotAnswer(
            place=one.place,
            name=place_name(register, one.place),
            per_week=round(one.per_week, 2),
            low=round(one.low, 2),
            high=round(one.high, 2),
            dumpings=one.incidents,
            hours=[
                HotHour(hour_of_week=hour, text=_hour_text(hour), share=share, seen=seen)
                for hour, share, seen in one.hours
                if seen
            ],
        )
        for one in found
        if one.incidents
    ]
    return HotSpotList(items=items, not_watched=len(clusters) - sum(one > 0 for one in watched_s))


def _hour_text(hour_of_week: int) -> str:
    day, hour = divmod(hour_of_week, 24)
    return f"{_DAYS[day]} {hour:02d}:00 to {(hour + 1) % 24:02d}:00"


def _positions(register: Register) -> dict[str, tuple[float, float]]:
    return {one.id: (one.lon, one.lat) for one in register.clusters.values()}


def _finding(one: Incident) -> Finding:
    return Finding(
        one.id, one.kind, one.entity, one.raised_at_s, one.cause, one.probability, one.severity,
        cleared_at_s=one.cleared_at_s,
    )  # fmt: skip
