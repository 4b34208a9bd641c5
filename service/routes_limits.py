"""Routes about what drivers say of places: when nobody is sent there and why, what was learned, and a driver's veto."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from city.errors import BadInput
from city.register import Register
from city.vetoes import VetoReason, veto_reason
from routing.vetoes import Lesson
from service.answers import Answer, Instant
from service.day_limits import Why
from service.decision_rows import decision_rows
from service.problems import Absent, problem_answers
from service.refusals import LEARNING, Refusal
from service.runtime import Runtime
from service.sentences import place_name
from store.desk import PlaceVeto, TrailEntry

_SHOWN = 20
_FEW = 1000


class VetoSaid(BaseModel):
    """What a driver who did not do a stop says of its place, written down by somebody at the desk."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "blocked", "by": "dispatcher 3", "note": "Removal van, one hour"}]},
    )

    reason: VetoReason
    by: str = Field(min_length=1, max_length=80, description="Who writes it down")
    note: str = Field(default="", max_length=2000)
    truck: str = Field(default="", max_length=80, description="Whose driver says it; empty = it holds for all trucks")


class KeptClearAnswer(Answer):
    """From one time to another nobody is sent to a place today."""

    begins: Instant
    ends: Instant
    why: Why = Field(description="zone, refused, learned, peak or wind")
    text: str


class VetoAnswer(Answer):
    """That a place was not served once, and why."""

    at: Instant
    reason: Literal["blocked", "not_needed", "unsafe", "unknown"]
    by: str = Field(description="The truck, or who wrote it down")
    note: str


class LimitsAnswer(Answer):
    """When nobody is sent to a cluster today, and what was learned of it from what drivers said."""

    place: str
    name: str
    kept_clear: list[KeptClearAnswer]
    learned: str = Field(description="What was learned, in a sentence")
    avoided_hours: list[int] = Field(description="Hours of the local day that are kept clear of what was learned")
    not_needed: float = Field(description="Share of the visits that were not needed, as it was learned")
    vetoes: list[VetoAnswer] = Field(description="What it was learned from, the newest first")
    visits: int = Field(description="Visits that are remembered")


def limit_routes(runtime: Runtime) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/clusters", tags=["rounds"])

    @routes.get(
        "/{id}/limits", summary="When nobody is sent to a cluster, and why", responses=problem_answers(400, 404)
    )
    def limits(id: str) -> LimitsAnswer:
        """Return when nobody is sent there today, what was learned from drivers, and from how many vetoes."""
        return _limits(runtime, _cluster(runtime.register, id))

    @routes.post(
        "/{id}/vetoes",
        summary="Write down that a driver did not serve a cluster",
        responses=problem_answers(400, 404, 422),
        status_code=201,
    )
    def veto(id: str, said: VetoSaid) -> LimitsAnswer:
        """Write down what a driver says over the phone. The stop leaves its round at once, and it is remembered.

        What is `blocked` may be tried again in the next hour; what is `not_needed` or `unsafe` is not today.
        """
        register = runtime.register
        cluster = _cluster(register, id)
        if said.truck and said.truck not in register.trucks:
            raise BadInput(f"There is no truck {said.truck!r}.", "Name one of /v1/trucks, or leave it out.")
        entry = runtime.desk.note_veto(
            PlaceVeto(cluster, said.reason, said.truck), said.by, said.note, runtime.clock.now_s()
        )
        runtime.detection.vetoed(entry)
        return _limits(runtime, cluster, entry)

    return routes


def learned_text(lesson: Lesson | None, told: int, visits: int) -> str:
    """Return what was learned of a place, in a sentence."""
    if not told:
        return "No driver has refused a stop here."
    times = f"{told} veto{'es' if told > 1 else ''} and {visits} visit{'s' if visits != 1 else ''}"
    hours = lesson.hours_to_avoid(LEARNING.avoid_from) if lesson else ()
    parts = []
    if hours:
        parts.append(f"nobody is sent here {_hours_text(hours)}")
    if lesson and lesson.not_needed > 0:
        parts.append(f"a visit that may be left out counts {lesson.not_needed:.0%} less, because it was not needed")
    if not parts:
        return f"From {times} nothing is concluded yet."
    return f"Learned from {times}: {' and '.join(parts)}."


def _limits(runtime: Runtime, cluster: str, newest: TrailEntry | None = None) -> LimitsAnswer:
    snapshot, refusals = runtime.snapshot, runtime.detectors.refusals
    lesson = snapshot.lessons.get(cluster)
    written = _written(runtime, cluster)
    told = refusals.told(cluster)
    vetoes = [_veto_answer(runtime.register, one, written) for one in told]
    if newest is not None and newest.at_s not in {one.at_s for one in told}:
        # The detection loop has not come to it yet.
        (row,) = decision_rows([newest], {})
        truck = row.entity if row.entity in runtime.register.trucks else ""
        said = Refusal(cluster, veto_reason(row.values["veto_code"]), newest.at_s, truck)
        vetoes.insert(0, _veto_answer(runtime.register, said, written))
    return LimitsAnswer(
        place=cluster,
        name=place_name(runtime.register, cluster),
        kept_clear=[
            KeptClearAnswer(begins=one.from_s, ends=one.until_s, why=one.why, text=one.text)
            for one in runtime.limits.kept_clear(cluster, snapshot)
        ],
        learned=learned_text(lesson, len(vetoes), refusals.visits(cluster)),
        avoided_hours=list(lesson.hours_to_avoid(LEARNING.avoid_from)) if lesson else [],
        not_needed=round(lesson.not_needed, 3) if lesson else 0.0,
        vetoes=vetoes[:_SHOWN],
        visits=refusals.visits(cluster),
    )


def _written(runtime: Runtime, cluster: str) -> dict[float, TrailEntry]:
    return {one.at_s: one for one in runtime.desk.trail(_FEW, cluster) if one.subject == "place"}


def _veto_answer(register: Register, one: Refusal, written: dict[float, TrailEntry]) -> VetoAnswer:
    entry = written.get(one.at_s)
    truck = place_name(register, one.truck) if one.truck else ""
    by = f"{truck}, told to {entry.by}" if truck and entry else truck or (entry.by if entry else "the desk")
    return VetoAnswer(at=one.at_s, reason=one.reason or "unknown", by=by, note=entry.reason if entry else "")


def _cluster(register: Register, id: str) -> str:
    if container := register.containers.get(id):
        return container.cluster
    if id not in register.clusters:
        raise Absent(f"There is no cluster {id!r} in the register.", "/v1/places lists what there is.")
    return id


def _hours_text(hours: tuple[int, ...]) -> str:
    spans: list[tuple[int, int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour:
            spans[-1] = spans[-1][0], hour + 1
        else:
            spans.append((hour, hour + 1))
    return " and ".join(f"from {begin:02d}:00 to {end:02d}:00" for begin, end in spans)
