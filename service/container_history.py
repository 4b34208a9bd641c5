"""What containers' readings and crews tell over weeks: emptyings that both know of or one, and a sensor's worth."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from city.clock import Clock
from city.errors import BadInput
from city.register import Register
from models.emptyings import (
    Emptyings,
    MatchedEmptyings,
    claimed_emptyings,
    match_emptyings,
    seen_emptyings,
)
from models.fill import FillModel
from models.rows import Rows
from models.sensor_worth import sensor_worth
from routing.selection import DENSITY_KG_M3
from service.container_answers import (
    AgreedEmptying,
    CityEmptyings,
    ContainerEmptyings,
    EmptyingAnswer,
    SensorWorthAnswer,
)
from service.detectors import Detectors
from service.place_views import finite
from service.sentences import place_name
from store.series import SeriesStore

DAY_S = 86_400.0
OF_CONTAINER_DAYS = 30.0
OF_CITY_DAYS = 3.0
WORTH_DAYS = 60.0
LEAST_DAYS = 14.0
# City seconds for which an answer is given again.
_CITY_KEPT_S = 900.0
_WORTH_KEPT_S = DAY_S


class _Kept(NamedTuple):
    at_s: float
    answer: SensorWorthAnswer


class ContainerHistory:
    """Answers that read weeks of one container or days of all; one at a time, and kept for a while."""

    def __init__(self, register: Register, series: SeriesStore, detectors: Detectors, clock: Clock) -> None:
        self._register = register
        self._series = series
        self._detectors = detectors
        self._clock = clock
        self._lock = threading.Lock()
        self._worth: dict[str, _Kept] = {}
        self._city: CityEmptyings | None = None

    def emptyings(self, container: str) -> ContainerEmptyings:
        """Return the emptyings of a container in the last `OF_CONTAINER_DAYS`."""
        end_s = self._clock.now_s()
        start_s = end_s - OF_CONTAINER_DAYS * DAY_S
        matched = self._matched([container], start_s, end_s)
        pairs = zip(matched.seen.at_s, matched.claimed.at_s, strict=True)
        return ContainerEmptyings(
            container=container,
            start=start_s,
            end=end_s,
            agreed=[
                AgreedEmptying(seen=float(seen), claimed=float(told)) for seen, told in sorted(pairs, reverse=True)
            ],
            claimed_not_seen=_newest_first(matched.claimed_not_seen),
            seen_not_claimed=_newest_first(matched.seen_not_claimed),
            not_observable=_newest_first(matched.not_observable),
        )

    def city_emptyings(self) -> CityEmptyings:
        """Return where crews and levels disagree about the last `OF_CITY_DAYS`."""
        with self._lock:
            end_s = self._clock.now_s()
            if self._city is None or end_s - self._city.end > _CITY_KEPT_S:
                containers = list(self._register.containers)
                start_s = end_s - OF_CITY_DAYS * DAY_S
                matched = self._matched(containers, start_s, end_s)
                self._city = CityEmptyings(
                    start=start_s,
                    end=end_s,
                    agreed=len(matched.seen.at_s),
                    not_observable=len(matched.not_observable.at_s),
                    claimed_not_seen=self._named(matched.claimed_not_seen, containers),
                    seen_not_claimed=self._named(matched.seen_not_claimed, containers),
                )
            return self._city

    def worth(self, container: str) -> SensorWorthAnswer:
        """Return what a container's readings of the last `WORTH_DAYS` changed against the forecast alone."""
        with self._lock:
            end_s = self._clock.now_s()
            kept = self._worth.get(container)
            if kept is None or end_s - kept.at_s > _WORTH_KEPT_S:
                self._worth[container] = kept = _Kept(end_s, self._judge(container, end_s))
            return kept.answer

    def _judge(self, container: str, end_s: float) -> SensorWorthAnswer:
        rows = self._rows([container], end_s - WORTH_DAYS * DAY_S, end_s)
        try:
            found = sensor_worth(self._model([container]), rows, least_days=LEAST_DAYS)
        except BadInput:
            return SensorWorthAnswer(
                container=container,
                sentence="Not known: there are no readings of its level.",
                is_known=False,
                is_worth_it=False,
                days=0.0,
                changed=None,
                needless=None,
                needless_without=None,
                missed=None,
                missed_without=None,
            )
        return SensorWorthAnswer(
            container=container,
            sentence=found.sentence[0],
            is_known=bool(np.isfinite(found.saved[0])),
            is_worth_it=bool(found.is_worth_it[0]),
            days=float(found.days[0]),
            changed=finite(found.changed[0], 2),
            needless=finite(found.needless[0], 2),
            needless_without=finite(found.needless_without[0], 2),
            missed=finite(found.missed[0], 2),
            missed_without=finite(found.missed_without[0], 2),
        )

    def _matched(self, containers: Sequence[str], start_s: float, end_s: float) -> MatchedEmptyings:
        rows = self._rows(containers, start_s, end_s)
        return match_emptyings(seen_emptyings(self._model(containers), rows), claimed_emptyings(rows), rows)

    def _model(self, containers: Sequence[str]) -> FillModel:
        known = [self._register.containers[one] for one in containers]
        return FillModel(
            containers,
            volume_m3=[one.volume_m3 for one in known],
            density_kg_m3=[DENSITY_KG_M3.get(one.stream, np.nan) for one in known],
        )

    def _rows(self, containers: Sequence[str], start_s: float, end_s: float) -> Rows:
        """Return the levels that the series store keeps, and the visits that crews told, as rows."""
        found = self._series.windows(containers, "fill_ratio", start_s, end_s)
        read = [np.isfinite(found[one].value) & (found[one].quality != "suspect") for one in containers]
        told = [
            (i, at) for i, one in enumerate(containers) for at in self._detectors.claimed(one) if start_s <= at < end_s
        ]
        fill = [found[one].value[mine] for one, mine in zip(containers, read, strict=True)]
        at_s = [found[one].at_s[mine] for one, mine in zip(containers, read, strict=True)]
        n, visits = sum(len(one) for one in fill), len(told)
        return Rows.of_columns(
            end_s,
            np.concatenate([np.repeat(np.arange(len(containers)), [len(one) for one in fill]), [i for i, _ in told]]),
            np.concatenate([*at_s, [at for _, at in told]]),
            {"fill_ratio": np.concatenate([*fill, np.full(visits, np.nan)])},
            is_visit=np.r_[np.zeros(n, np.bool_), np.ones(visits, np.bool_)],
        )

    def _named(self, some: Emptyings, containers: Sequence[str]) -> list[EmptyingAnswer]:
        order = np.argsort(-some.at_s, kind="stable")
        ids = [containers[some.entity[k]] for k in order]
        return [
            EmptyingAnswer(container=id, name=place_name(self._register, id), at=float(at))
            for id, at in zip(ids, some.at_s[order], strict=True)
        ]


def _newest_first(some: Emptyings) -> list[float]:
    return sorted((float(at) for at in some.at_s), reverse=True)
