"""The desk: incidents, plans and proposals, what people decided about them, and the trail of those decisions.

Kept with SQLAlchemy in SQLite (WAL, durable at every commit; several threads and processes may use it at once). The
queries use nothing that only SQLite knows, and rows that decide are locked where a database locks rows. PostgreSQL is
meant to take its place in a city and is not supported yet: its driver is no dependency, so no test runs against it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc

from city.errors import BadInput, PermanentError
from city.findings import Incident, IncidentStatus
from city.plans import Plan, Proposal, ProposalStatus
from city.vetoes import VetoReason
from store import desk_tables as tables

Decision = Literal["confirmed", "dismissed", "closed"]
_T = TypeVar("_T")


class NotFound(PermanentError, KeyError):
    """The desk has no such thing; `what` and `id` say which."""

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"There is no {what} {id!r}.", "Look it up in the list: it may have another id.")
        self.what = what
        self.id = id

    def __str__(self) -> str:
        return f"{self.problem} {self.fix}"


class AlreadyDecided(PermanentError):
    """Somebody was first; `status`, `decided_by` and `decided_at_s` say what was decided, by whom and when."""

    def __init__(self, what: str, id: str, status: str, decided_by: str, decided_at_s: float | None) -> None:
        who = f" by {decided_by}" if decided_by else ""
        super().__init__(f"The {what} {id!r} is already {status}{who}.", "Look at it again before you decide.")
        self.id = id
        self.status = status
        self.decided_by = decided_by
        self.decided_at_s = decided_at_s


class ReckonedAnew(PermanentError):
    """The plan that somebody decided about is no longer proposed: it was reckoned anew; `id` says which proposal."""

    def __init__(self, id: str) -> None:
        super().__init__(
            f"The proposal {id!r} has been reckoned anew since you looked at it.",
            "Look at it again before you decide.",
        )
        self.id = id


class TrailEntry(NamedTuple):
    """One decision: `by` whom, about which `subject` ("incident", "plan", "proposal", "place") and `id`, and why.

    About a place it is a driver's veto that somebody wrote down: the decision is its reason, a blank and a truck may
    follow.
    """

    n: int
    at_s: float
    by: str
    subject: str
    id: str
    decision: str
    reason: str


class PlaceVeto(NamedTuple):
    """A place that was not served, why, and which truck it was; empty = it holds for all."""

    place: str
    reason: VetoReason
    truck: str = ""


class Desk:
    """Operational records of one city.

    Every method may raise `TransientError` when the database is busy or away; then nothing of it was done.

    Parameters
    ----------
    url
        ``sqlite:///PATH``, made if it is not there.
    busy_s
        How long to wait for another who writes, before `TransientError`.

    Raises
    ------
    BadInput
        The url names no desk, or the file is none of this version.
    MissingPart
        The database's driver is not installed.
    """

    def __init__(self, url: str, busy_s: float = 15.0) -> None:
        self._engine = tables.make_engine(url, busy_s)
        self._reads = self._engine.execution_options(ronde_reads=True)
        try:
            self._in_transaction(_prepare)
        except BaseException:
            self._engine.dispose()
            raise

    def put_incident(self, incident: Incident) -> Incident:
        """Keep what a detector says of an incident, and return it as the desk has it.

        What a person decided stays as it was decided, whatever `incident` says about that.
        """
        tables.checked(incident)
        table = tables.incident
        says = {
            "kind": incident.kind,
            "entity": incident.entity,
            "raised_at_s": incident.raised_at_s,
            "body": incident,
        }
        decision = {
            "status": incident.status,
            "decided_by": incident.decided_by,
            "decided_at_s": incident.decided_at_s,
            "note": incident.note,
        }

        def put(db: sa.Connection) -> Incident:
            mine = table.c.id == incident.id
            row = db.execute(sa.select(table.c.decided_at_s).where(mine).with_for_update()).first()
            if row is None:
                db.execute(table.insert().values(id=incident.id, **says, **decision))
            else:
                db.execute(table.update().where(mine).values(says if row.decided_at_s is not None else says | decision))
            return _incident(db.execute(sa.select(table).where(mine)).one())

        return self._in_transaction(put)

    def incidents(self, status: IncidentStatus | None = None, limit: int = 1000) -> list[Incident]:
        """Return incidents, the newest first."""
        table = tables.incident
        query = sa.select(table).order_by(table.c.raised_at_s.desc(), table.c.id).limit(limit)
        return [
            _incident(row) for row in self._rows(query if status is None else query.where(table.c.status == status))
        ]

    def incident(self, id: str) -> Incident:
        """Return one incident, or raise `NotFound`."""
        return _incident(self._row(tables.incident, "incident", id))

    def decide_incident(self, id: str, decision: Decision, by: str, note: str, at_s: float) -> Incident:
        """Write down a person's decision, once; what was confirmed can still be closed.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or somebody was first.
        BadInput
            It is no decision, or nobody's.
        """
        if decision not in ("confirmed", "dismissed", "closed"):
            raise BadInput(f"{decision!r} is no decision about an incident.", "Say confirmed, dismissed or closed.")
        _check_who(by, at_s)
        table = tables.incident

        def decide(db: sa.Connection) -> Incident:
            row = db.execute(sa.select(table).where(table.c.id == id).with_for_update()).first()
            if row is None:
                raise NotFound("incident", id)
            if row.decided_at_s is not None and (row.status, decision) != ("confirmed", "closed"):
                raise AlreadyDecided("incident", id, row.status, row.decided_by, row.decided_at_s)
            values = {"status": decision, "decided_by": by, "decided_at_s": at_s, "note": note}
            db.execute(table.update().where(table.c.id == id).values(values))
            _write_down(db, at_s, by, "incident", id, decision, note)
            return msgspec.structs.replace(_incident(row), **values)

        return self._in_transaction(decide)

    def put_plan(self, plan: Plan) -> None:
        """Keep a plan. A plan is never changed: the same one may be put again, another needs another id.

        Raises
        ------
        BadInput
            A plan of this id is kept, and it is another one.
        """
        tables.checked(plan)
        self._in_transaction(lambda db: _put_plan(db, plan))

    def plan(self, id: str) -> Plan:
        """Return one plan, or raise `NotFound`."""
        plan: Plan = self._row(tables.plan, "plan", id).body
        return plan

    def current_plan(self) -> Plan | None:
        """Return the plan that trucks are driving; None before there is one."""
        rows = self._rows(
            sa.select(tables.plan.c.body).join(tables.current_plan, tables.current_plan.c.plan == tables.plan.c.id)
        )
        return rows[0].body if rows else None

    def set_current_plan(self, id: str, at_s: float, by: str) -> None:
        """Make a kept plan the current one; if it already is, nothing happens.

        Raises
        ------
        NotFound
            There is no such plan.
        """
        _check_who(by, at_s)

        def change(db: sa.Connection) -> None:
            before = _lock_current(db)
            if db.execute(sa.select(tables.plan.c.id).where(tables.plan.c.id == id)).first() is None:
                raise NotFound("plan", id)
            if before != id:
                _make_current(db, before, id, at_s, by)

        self._in_transaction(change)

    def put_proposal(self, proposal: Proposal) -> None:
        """Keep a proposal. What a dispatcher may be looking at is never changed: another proposal needs another id.

        A better plan for the same causes is another version of it, see `improve_proposal`.

        Raises
        ------
        BadInput
            A proposal of this id is kept, and it proposes something else.
        """
        tables.checked(proposal)
        table = tables.proposal

        def put(db: sa.Connection) -> None:
            row = db.execute(sa.select(table).where(table.c.id == proposal.id)).first()
            if row is not None:
                if _undecided(row.body) != _undecided(proposal):
                    raise BadInput(
                        f"A proposal {proposal.id!r} is kept and proposes something else.",
                        "Give the new one its own id.",
                    )
                return
            db.execute(
                table.insert().values(
                    id=proposal.id,
                    made_at_s=proposal.made_at_s,
                    plan_before=proposal.plan_before,
                    body=proposal,
                    status=proposal.status,
                    decided_by=proposal.decided_by,
                    decided_at_s=proposal.decided_at_s,
                    decision_reason=proposal.decision_reason,
                )
            )

        self._in_transaction(put)

    def improve_proposal(self, better: Proposal, *, anew: bool = False) -> Proposal:
        """Put a better plan in the place of an open proposal's, and return the proposal as it is kept now.

        It keeps its id and when it was made, and its version rises by one. Whoever still looks at a plan that it had
        before can accept that one.

        Parameters
        ----------
        anew
            It was reckoned from how things are now: the plans before cannot be accepted any more.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        BadInput
            It changes another plan than the proposal did.
        """
        tables.checked(better)
        table, versions = tables.proposal, tables.proposal_version

        def improve(db: sa.Connection) -> Proposal:
            _lock_current(db)
            row = db.execute(sa.select(table).where(table.c.id == better.id).with_for_update()).first()
            if row is None:
                raise NotFound("proposal", better.id)
            if row.status != "open":
                raise AlreadyDecided("proposal", better.id, row.status, row.decided_by, row.decided_at_s)
            was: Proposal = row.body
            if better.plan_before != was.plan_before:
                raise BadInput(
                    f"The proposal {better.id!r} changes the plan {was.plan_before!r}, not {better.plan_before!r}.",
                    "Propose it under an id of its own.",
                )
            kept = msgspec.structs.replace(_undecided(better), made_at_s=was.made_at_s, version=was.version + 1)
            if anew:
                _forget_versions(db, [was.id])
            elif was.plan.id != kept.plan.id:
                mine = sa.and_(versions.c.proposal == was.id, versions.c.plan.in_([was.plan.id, kept.plan.id]))
                db.execute(versions.delete().where(mine))
                db.execute(versions.insert().values(proposal=was.id, plan=was.plan.id, body=was))
            db.execute(table.update().where(table.c.id == was.id).values(body=kept))
            return kept

        return self._in_transaction(improve)

    def proposals(self, status: ProposalStatus | None = None, limit: int = 1000) -> list[Proposal]:
        """Return proposals, the newest first."""
        table = tables.proposal
        query = sa.select(table).order_by(table.c.made_at_s.desc(), table.c.id).limit(limit)
        return [
            _proposal(row) for row in self._rows(query if status is None else query.where(table.c.status == status))
        ]

    def proposal(self, id: str) -> Proposal:
        """Return one proposal, or raise `NotFound`."""
        return _proposal(self._row(tables.proposal, "proposal", id))

    def decide_proposal(
        self,
        id: str,
        accept: bool,
        by: str,
        reason: str,
        at_s: float,
        veto: PlaceVeto | None = None,
        *,
        plan: str | None = None,
    ) -> Proposal:
        """Accept or reject an open proposal: of all who try, exactly one succeeds.

        Accepting does everything in one transaction: its plan is kept and becomes the current plan, and the other
        open proposals are superseded, because they change a plan that is no longer driven. A proposal whose
        `plan_before` is not the current plan is superseded instead of accepted, and `AlreadyDecided` says so.
        A rejection whose reason is one of its places is written down as a veto of that place too.

        Parameters
        ----------
        plan
            Id of the plan that was looked at. A better one may have taken its place: what was looked at is what is
            accepted. None = the newest.

        Raises
        ------
        NotFound, AlreadyDecided
            There is none, or it is no longer open.
        ReckonedAnew
            The plan that was looked at is no longer proposed.
        BadInput
            A rejection without a reason, or a decision of nobody.
        """
        _check_who(by, at_s)
        if not accept and not reason.strip():
            raise BadInput(
                "A rejection needs a reason.", "Say in a few words why: the next proposal can then be better."
            )
        table = tables.proposal

        def decide(db: sa.Connection) -> Proposal | AlreadyDecided:
            plan_now = _lock_current(db)
            row = db.execute(sa.select(table).where(table.c.id == id).with_for_update()).first()
            if row is None:
                raise NotFound("proposal", id)
            if row.status != "open":
                raise AlreadyDecided("proposal", id, row.status, row.decided_by, row.decided_at_s)
            if accept and plan_now is not None and row.plan_before != plan_now:
                _supersede(db, at_s, by, table.c.id == id)
                return AlreadyDecided("proposal", id, "superseded", "", at_s)
            body: Proposal = row.body
            if accept and plan is not None and plan != body.plan.id:
                body = _version(db, id, plan)
            values = {
                "status": "accepted" if accept else "rejected",
                "decided_by": by,
                "decided_at_s": at_s,
                "decision_reason": reason,
            }
            db.execute(table.update().where(table.c.id == id).values(**values, body=body))
            _forget_versions(db, [id])
            _write_down(db, at_s, by, "proposal", id, str(values["status"]), reason)
            if veto and not accept:
                _write_veto(db, veto, at_s, by, reason)
            if accept:
                _put_plan(db, body.plan)
                if plan_now != body.plan.id:
                    _make_current(db, plan_now, body.plan.id, at_s, by)
                _supersede(db, at_s, by, table.c.status == "open")
            return msgspec.structs.replace(body, **values)

        decided = self._in_transaction(decide)
        if isinstance(decided, AlreadyDecided):
            raise decided
        return decided

    def note_veto(self, veto: PlaceVeto, by: str, note: str, at_s: float) -> TrailEntry:
        """Write down that a place was not served, and why; return the entry.

        Raises
        ------
        BadInput
            It is nobody's.
        """
        _check_who(by, at_s)

        def write(db: sa.Connection) -> TrailEntry:
            _write_veto(db, veto, at_s, by, note)
            newest = sa.select(tables.trail).where(tables.trail.c.id == veto.place).order_by(tables.trail.c.n.desc())
            return TrailEntry(*db.execute(newest.limit(1)).one())

        return self._in_transaction(write)

    def supersede_open_proposals(self, at_s: float, by: str = "ronde") -> list[str]:
        """Take back every open proposal, because what it was made for has changed; return their ids."""
        _check_who(by, at_s)

        def supersede(db: sa.Connection) -> list[str]:
            _lock_current(db)
            return _supersede(db, at_s, by, tables.proposal.c.status == "open")

        return self._in_transaction(supersede)

    def trail(self, limit: int = 1000, id: str | None = None) -> list[TrailEntry]:
        """Return decisions, the newest first; with `id`, those about that incident, plan, proposal or place."""
        query = sa.select(tables.trail).order_by(tables.trail.c.n.desc()).limit(limit)
        return [TrailEntry(*row) for row in self._rows(query if id is None else query.where(tables.trail.c.id == id))]

    def close(self) -> None:
        """Give up connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _in_transaction(self, work: Callable[[sa.Connection], _T]) -> _T:
        with tables.explained():
            try:
                with self._engine.begin() as db:
                    return work(db)
            except exc.IntegrityError:
                # Another process put the same id between our look and our insert: now it can be seen.
                with self._engine.begin() as db:
                    return work(db)

    def _rows(self, query: sa.Select[Any]) -> list[Any]:
        with tables.explained(), self._reads.connect() as db:
            return list(db.execute(query).all())

    def _row(self, table: sa.Table, what: str, id: str) -> Any:
        rows = self._rows(sa.select(table).where(table.c.id == id))
        if not rows:
            raise NotFound(what, id)
        return rows[0]


def _prepare(db: sa.Connection) -> None:
    tables.metadata.create_all(db)
    version = db.execute(sa.select(tables.setting.c.value).where(tables.setting.c.name == "version")).scalar()
    if version is None:
        db.execute(tables.setting.insert().values(name="version", value=tables.VERSION))
        db.execute(tables.current_plan.insert().values(name="plan", plan=None))
    elif version != tables.VERSION:
        raise BadInput(
            f"The desk is of version {version}, and this program writes version {tables.VERSION}.",
            "Use the program that made it.",
        )


def _lock_current(db: sa.Connection) -> str | None:
    query = sa.select(tables.current_plan.c.plan).where(tables.current_plan.c.name == "plan").with_for_update()
    plan: str | None = db.execute(query).scalar_one()
    return plan


def _make_current(db: sa.Connection, before: str | None, id: str, at_s: float, by: str) -> None:
    db.execute(tables.current_plan.update().where(tables.current_plan.c.name == "plan").values(plan=id))
    _write_down(db, at_s, by, "plan", id, "current", f"instead of {before}" if before else "")


def _put_plan(db: sa.Connection, plan: Plan) -> None:
    kept = db.execute(sa.select(tables.plan.c.body).where(tables.plan.c.id == plan.id)).scalar()
    if kept is None:
        db.execute(tables.plan.insert().values(id=plan.id, made_at_s=plan.made_at_s, body=plan))
    elif kept != plan:
        raise BadInput(f"A plan {plan.id!r} is kept and is another one.", "Give the new one its own id.")


def _supersede(db: sa.Connection, at_s: float, by: str, which: sa.ColumnElement[bool]) -> list[str]:
    table = tables.proposal
    ids = list(db.execute(sa.select(table.c.id).where(which).order_by(table.c.id)).scalars())
    values = {"status": "superseded", "decided_by": "", "decided_at_s": at_s, "decision_reason": ""}
    db.execute(table.update().where(table.c.id.in_(ids)).values(values))
    _forget_versions(db, ids)
    for id in ids:
        _write_down(db, at_s, by, "proposal", id, "superseded", "")
    return ids


def _write_veto(db: sa.Connection, veto: PlaceVeto, at_s: float, by: str, note: str) -> None:
    _write_down(db, at_s, by, "place", veto.place, f"{veto.reason} {veto.truck}".strip(), note)


def _version(db: sa.Connection, id: str, plan: str) -> Proposal:
    table = tables.proposal_version
    mine = sa.and_(table.c.proposal == id, table.c.plan == plan)
    body: Proposal | None = db.execute(sa.select(table.c.body).where(mine)).scalar()
    if body is None:
        raise ReckonedAnew(id)
    return body


def _forget_versions(db: sa.Connection, ids: Sequence[str]) -> None:
    table = tables.proposal_version
    db.execute(table.delete().where(table.c.proposal.in_(ids)))


def _write_down(db: sa.Connection, at_s: float, by: str, subject: str, id: str, decision: str, reason: str) -> None:
    db.execute(tables.trail.insert().values(at_s=at_s, by=by, subject=subject, id=id, decision=decision, reason=reason))


def _incident(row: Any) -> Incident:
    body: Incident = row.body
    return msgspec.structs.replace(
        body, status=row.status, decided_by=row.decided_by, decided_at_s=row.decided_at_s, note=row.note
    )


def _proposal(row: Any) -> Proposal:
    body: Proposal = row.body
    return msgspec.structs.replace(
        body,
        status=row.status,
        decided_by=row.decided_by,
        decided_at_s=row.decided_at_s,
        decision_reason=row.decision_reason,
    )


def _undecided(proposal: Proposal) -> Proposal:
    return msgspec.structs.replace(proposal, status="open", decided_by="", decided_at_s=None, decision_reason="")


def _check_who(by: str, at_s: float) -> None:
    if not by.strip():
        raise BadInput("A decision needs to be somebody's.", "Say by whom it is.")
    if not math.isfinite(at_s):
        raise BadInput(f"A decision was taken at {at_s}, which is no time.", "Give seconds since 1970.")
