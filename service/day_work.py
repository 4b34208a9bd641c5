"""When a plan of the day is to be made, and of what."""

from zoneinfo import ZoneInfo

from city.clock import hours_from_s, local_hour
from city.findings import Incident
from city.plans import Job, Plan
from city.register import Register
from service.jobs import day_jobs, incident_jobs, open_dumpings
from service.settings import PlanningSettings
from service.snapshot import Snapshot

# A plan is not worth making when every shift ends sooner than this.
_LEAST_SHIFT_S = 1800.0
# So many of the containers with a sensor have to be known for a plan of the day to be called complete.
_ENOUGH_KNOWN = 0.9
_MAY_BE_UNREAD = 200


class DayWork:
    """What there is to do on a day, and whether enough is known of it."""

    def __init__(self, register: Register, planning: PlanningSettings) -> None:
        self._register = register
        self._planning = planning
        self._timezone = ZoneInfo(register.timezone)
        self._measured = [
            one.entity
            for one in register.installations
            if one.entity in register.containers and one.valid_until_s is None
        ]

    def is_due(self, snapshot: Snapshot, waited_s: float) -> bool:
        """Say whether a day that has no plan yet should get one now.

        Parameters
        ----------
        waited_s
            Real seconds since the start.
        """
        now_s = snapshot.now_s
        if now_s < local_hour(now_s, self._planning.plan_hour, self._timezone):
            return False
        if self.ends_s(now_s) < now_s + _LEAST_SHIFT_S:
            return False
        return waited_s > self._planning.wait_for_late_s or self.is_known(snapshot)

    def is_known(self, snapshot: Snapshot) -> bool:
        """Say whether enough is known for a plan to be complete."""
        known = sum(snapshot.containers.level[snapshot.containers.index[one]] >= 0 for one in self._measured)
        is_read = snapshot.entries - snapshot.position <= _MAY_BE_UNREAD
        return is_read and not snapshot.late_devices and bool(known >= _ENOUGH_KNOWN * len(self._measured))

    def ends_s(self, now_s: float) -> float:
        """Return when the last shift of the day ends; 0 without trucks."""
        from_s = hours_from_s(now_s, self._timezone)
        trucks = self._register.trucks.values()
        return max((from_s + one.shift_start_hour * 3600.0 + one.shift_duration_s for one in trucks), default=0.0)

    def jobs(self, snapshot: Snapshot, incidents: list[Incident]) -> tuple[Job, ...]:
        """Return all that is to be done."""
        jobs = {one.id: one for one in day_jobs(self._register, snapshot, self._planning)}
        return tuple((jobs | self.asked(snapshot, open_dumpings(incidents))).values())

    def asked(self, snapshot: Snapshot, incidents: list[Incident]) -> dict[str, Job]:
        """Return what incidents ask for, by job."""
        jobs = (job for one in incidents for job in incident_jobs(self._register, snapshot, one, self._planning))
        return {job.id: job for job in jobs}

    def missing(self, snapshot: Snapshot, plan: Plan) -> tuple[Job, ...]:
        """Return what was not known when a plan of the day was made."""
        known = {one.id for one in plan.jobs}
        return tuple(job for job in day_jobs(self._register, snapshot, self._planning) if job.id not in known)
