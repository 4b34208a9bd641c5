"""Whether the service does its work: each part looked at, the worst one decides."""

from typing import Literal

from ingest.status import STATUS_NAME, read_status
from service.answers import Check, HealthAnswer
from service.runtime import Runtime
from service.sentences import duration_text

_LAG_WARN_ENTRIES = 2000
# Real seconds after which what ingest said of itself is too old to be believed.
_STATUS_OLD_S = 15.0

Status = Literal["pass", "warn", "fail"]


def health_answer(runtime: Runtime) -> HealthAnswer:
    """Look at every part."""
    checks = [_detection(runtime), _series(runtime), _ingest(runtime), _broker(runtime), _solver(runtime)]
    checks += [*_weather(runtime), *_vetoes(runtime)]
    order: tuple[Status, ...] = ("pass", "warn", "fail")
    worst = max(checks, key=lambda one: order.index(one.status)).status
    return HealthAnswer(status=worst, now=runtime.clock.now_s(), checks=checks)


def _detection(runtime: Runtime) -> Check:
    snapshot = runtime.snapshot
    lag = snapshot.entries - snapshot.position
    if runtime.detection.fault:
        return Check(name="detection", status="fail", detail=runtime.detection.fault, value=lag, unit="entries")
    if skipped := runtime.detection.skipped:
        detail = f"{skipped} entries were left out, because a model failed on them: {runtime.detection.skipped_because}"
        return Check(name="detection", status="fail", detail=detail, value=skipped, unit="entries")
    if not snapshot.ready:
        detail = f"The ledger is being read: {snapshot.position} of {snapshot.entries} entries."
        return Check(name="detection", status="warn", detail=detail, value=lag, unit="entries")
    status: Status = "warn" if lag > _LAG_WARN_ENTRIES else "pass"
    detail = f"{lag} entries of the ledger are not read yet."
    return Check(name="detection", status=status, detail=detail, value=lag, unit="entries")


def _series(runtime: Runtime) -> Check:
    if runtime.series_problem:
        return Check(name="series", status="fail", detail=runtime.series_problem)
    return Check(name="series", status="pass", detail="A point was written and read back.")


def _ingest(runtime: Runtime) -> Check:
    status = read_status(runtime.settings.folder / STATUS_NAME)
    if status is None:
        return Check(name="ingest", status="warn", detail="Ingest has said nothing yet: is it running?")
    old_s = runtime.clock.now_s() - status.at_s
    if runtime.clock.real_s(old_s) > _STATUS_OLD_S:
        detail = f"Ingest has said nothing for {duration_text(old_s)}: is it running?"
        return Check(name="ingest", status="fail", detail=detail, value=round(old_s, 1), unit="s")
    view = status.series
    problem = (
        status.ledger_error or status.broker_error or (view.last_error if view and view.state != "running" else "")
    )
    if problem or not status.connected:
        return Check(name="ingest", status="fail", detail=problem or "Ingest is not connected to the broker.")
    return Check(
        name="ingest",
        status="pass",
        detail=f"{status.counters.accepted_readings} readings taken; {view.behind if view else 0} entries wait for the "
        "series store.",
        value=round(old_s, 1),
        unit="s",
    )


def _broker(runtime: Runtime) -> Check:
    state = runtime.dispatcher.status
    if state == "none":
        return Check(name="broker", status="warn", detail="No broker was named, so no truck is told anything.")
    if state != "connected":
        return Check(name="broker", status="fail", detail=f"Not connected: {runtime.dispatcher.problem}")
    unsent = runtime.dispatcher.unsent
    if unsent:
        return Check(name="broker", status="warn", detail=f"Rounds wait to be sent to {', '.join(unsent)}.")
    return Check(name="broker", status="pass", detail="Connected.")


def _solver(runtime: Runtime) -> Check:
    if runtime.planner.fault:
        return Check(name="planning", status="fail", detail=runtime.planner.fault)
    detail = "Solving." if runtime.planner.is_solving else f"{runtime.planner.solved} plans solved."
    return Check(name="planning", status="pass", detail=detail, value=runtime.planner.solved, unit="plans")


def _weather(runtime: Runtime) -> list[Check]:
    if not runtime.limits.has_forecast:
        return []
    said, is_well = runtime.limits.wind().told(runtime.clock.now_s(), runtime.timezone)
    return [Check(name="weather", status="pass" if is_well else "warn", detail=said)]


def _vetoes(runtime: Runtime) -> list[Check]:
    unreadable = runtime.detectors.refusals.unreadable
    if not unreadable:
        return []
    detail = f"{unreadable} vetoes of drivers name no cluster or no reason that is known: see what their devices send."
    return [Check(name="vetoes", status="warn", detail=detail, value=unreadable, unit="vetoes")]
