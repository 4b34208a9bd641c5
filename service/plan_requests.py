"""What the solver is asked: the city as it is known now, in the solver's words."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from city.clock import Clock, hours_from_s
from city.plans import Job, Plan
from city.register import Register
from models.rows import Floats
from routing.replan import TruckProgress
from service.day_limits import DayLimits
from service.observed_traffic import NEXT_HOURS_S, observed_approaches, over_a_shift_s
from service.progress import RoundProgress
from service.settings import PlanningSettings
from service.snapshot import Snapshot
from service.solving import AGAIN, SolveRequest

# Real seconds until a first answer is there and somebody has it: what trucks set out to before then stays as it is.
_UNTIL_THERE_S = 2.0
# Real seconds that a search has at least, however fast the city's time runs.
_LEAST_SEARCH_S = 0.5


class PlanRequests:
    """Makes requests to the solver.

    Parameters
    ----------
    limits
        When nobody may work at a place.
    usual_ratio
        Returns the usual speed of approaches at moments, see `observed_approaches`; None = not known.
    """

    def __init__(
        self,
        register: Register,
        clock: Clock,
        planning: PlanningSettings,
        limits: DayLimits,
        *,
        seed: int,
        usual_ratio: Callable[[Sequence[float]], Floats] | None = None,
    ) -> None:
        self._register = register
        self._clock = clock
        self._planning = planning
        self._limits = limits
        self._seed = seed
        self._usual_ratio = usual_ratio
        self._timezone = ZoneInfo(register.timezone)

    def day(self, snapshot: Snapshot, jobs: tuple[Job, ...]) -> SolveRequest:
        """Return the request for a plan of the day."""
        seconds = self._planning.solver_s
        within = tuple(self._limits.applied(jobs, snapshot))
        in_peak = tuple(self._limits.in_peak(jobs, snapshot))
        until_there_s = (1.0 + AGAIN * bool(in_peak)) * seconds + 1.0
        request = self._request(snapshot, within, seconds, until_there_s, over_a_shift_s(self._register))
        return replace(request, in_peak=in_peak)

    def complete(
        self,
        snapshot: Snapshot,
        plan: Plan,
        progress: dict[str, RoundProgress],
        missing: tuple[Job, ...],
    ) -> SolveRequest:
        """Return the request for the plan of the day with what was not known when it was made."""
        seconds = self._planning.solver_s
        jobs = tuple(self._limits.refused_today(plan.jobs, snapshot))
        request = self._request(snapshot, jobs, seconds, seconds + 1.0, NEXT_HOURS_S)
        return self._under_way(request, snapshot, plan, progress, missing)

    def change(
        self,
        snapshot: Snapshot,
        plan: Plan,
        progress: dict[str, RoundProgress],
        new_jobs: tuple[Job, ...],
    ) -> SolveRequest:
        """Return the request for ever better changes of a plan.

        The search ends when the situation that it is about is over, however fast the city's time runs.
        """
        fresh_s = self._clock.real_s(self._planning.outdated_s)
        seconds = max(_LEAST_SEARCH_S, min(self._planning.improve_s, fresh_s))
        jobs = tuple(self._limits.refused_today(plan.jobs, snapshot))
        request = self._request(snapshot, jobs, seconds, _UNTIL_THERE_S, NEXT_HOURS_S)
        return self._under_way(request, snapshot, plan, progress, new_jobs)

    def _request(
        self,
        snapshot: Snapshot,
        jobs: tuple[Job, ...],
        seconds: float,
        until_there_s: float,
        ahead_s: Sequence[float],
    ) -> SolveRequest:
        register = self._register
        return SolveRequest(
            jobs=jobs,
            trucks=tuple(register.trucks.values()),
            depots=tuple(register.depots.values()),
            unloading_sites=tuple(register.unloading_sites.values()),
            day_start_s=hours_from_s(snapshot.now_s, self._timezone),
            # The plan begins when it is there, not when it is asked for.
            now_s=self._clock.now_s() + until_there_s * self._clock.speed_up,
            seconds=seconds,
            seed=self._seed,
            observed=observed_approaches(register, snapshot, self._usual_ratio, ahead_s),
            no_lifting=self._limits.wind().no_lifting(snapshot.now_s),
        )

    def _under_way(
        self,
        request: SolveRequest,
        snapshot: Snapshot,
        plan: Plan,
        progress: dict[str, RoundProgress],
        new_jobs: tuple[Job, ...],
    ) -> SolveRequest:
        reports = tuple(self._truck_progress(one, snapshot) for one in progress.values())
        within = tuple(self._limits.applied(new_jobs, snapshot))
        return replace(request, plan=plan, progress=reports, new_jobs=within)

    def _truck_progress(self, one: RoundProgress, snapshot: Snapshot) -> TruckProgress:
        depot = self._register.depots[self._register.trucks[one.truck].depot]
        return TruckProgress(
            truck=one.truck,
            lon=depot.lon if one.lon is None else one.lon,
            lat=depot.lat if one.lat is None else one.lat,
            at_s=snapshot.now_s if one.at_s is None else one.at_s,
            done_jobs=one.done_jobs,
            next_stop_index=one.next_index,
            volume_m3=one.volume_m3,
            load_kg=one.load_kg,
        )
