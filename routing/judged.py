"""No plan leaves unjudged: what makes plans hands them to the independent check first."""

from collections.abc import Sequence

from city.errors import RondeError
from city.plans import Plan
from routing.check import check_plan
from routing.problem import CollectionProblem
from routing.progress import TruckProgress

_NAMED = 3


class FaultyPlan(RondeError, RuntimeError):
    """A plan that the check refuses: a fault of this software, never of the input. `violations` says what is wrong."""

    def __init__(self, plan: Plan, violations: Sequence[str]) -> None:
        self.plan, self.violations = plan, tuple(violations)
        super().__init__(f"A plan was made that does not hold: {'; '.join(self.violations[:_NAMED])}.")


def judged(
    plan: Plan, problem: CollectionProblem, progress: Sequence[TruckProgress] = (), before: Plan | None = None
) -> Plan:
    """Return the plan if it holds.

    Parameters
    ----------
    plan, problem, progress, before
        As in `routing.check.check_plan`.

    Raises
    ------
    FaultyPlan
        It does not hold.
    """
    violations = check_plan(plan, problem, progress, before).violations
    if violations:
        raise FaultyPlan(plan, violations)
    return plan
