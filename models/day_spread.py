"""By how much days differ beyond what deposits explain, learnt from how much came in since yesterday."""

from typing import NamedTuple

import numpy as np

from models.fill import DAY_S, Z_80, FillModel, FillState
from models.rows import Floats

# A comparison over longer than this is not of one day.
_LONGEST_S = 1.5 * DAY_S
# What the parameter's `misfit` is worth: so many containers' squared gains of a day.
_PRIOR_GAIN2 = 2.0
_MEMORY_S = 21 * DAY_S
# Containers that come near full tell nothing: what did not fit is not seen.
_MOST_LEVEL = 0.95
# What surprises by more is no luck of a day but a fault.
_MOST_SDS = 6.0
_FULLEST_SPREAD = 0.5
_LEAST, _MOST = 0.02, 1.0


class DaySpread(NamedTuple):
    """What was expected a day ago of ``n`` containers, and what such expectations came to; NaN = nothing yet.

    At `since_s` the level was `level`, `gain` was expected within a day with `variance` (luck of the day left out), and
    the newest emptying was at `emptied_at_s`. `unexplained` of squared surprise came with `gain2` of squared gain (both
    fading), together for the fleet.
    """

    since_s: float
    level: Floats
    gain: Floats
    variance: Floats
    emptied_at_s: Floats
    unexplained: float
    gain2: float

    @classmethod
    def unknown(cls, model: FillModel) -> "DaySpread":
        """Return what is known before anything was compared."""
        never = np.full(len(model.entities), np.nan)
        prior = model.parameters.misfit**2 * _PRIOR_GAIN2
        return cls(np.nan, never, never, never, never, prior, _PRIOR_GAIN2)

    @property
    def misfit(self) -> float:
        """Relative standard deviation of a day's gain that deposits do not explain."""
        return float(np.clip(np.sqrt(max(self.unexplained, 0.0) / self.gain2), _LEAST, _MOST))


def after_a_day(known: DaySpread, model: FillModel, state: FillState, now_s: float) -> DaySpread:
    """Return what is known at `now_s`; before a day has passed since the last comparison nothing changes.

    Containers that were emptied since, or that were expected to come near full, are left out of the comparison.
    """
    since_s = now_s - known.since_s
    if since_s < DAY_S - 1.0:
        return known
    ahead = model.forecast(state, [now_s, now_s + DAY_S], misfit=0.0)
    level = ahead.level[:, 0]
    unexplained, gain2 = known.unexplained, known.gain2
    if since_s <= _LONGEST_S:
        with np.errstate(invalid="ignore"):
            surprise = level - known.level - known.gain * since_s / DAY_S
            sd = np.sqrt(known.variance + (_FULLEST_SPREAD * known.gain) ** 2)
            same = (state.emptied_at_s == known.emptied_at_s) | (
                np.isnan(state.emptied_at_s) & np.isnan(known.emptied_at_s)
            )
            told = same & np.isnan(state.pending_at_s) & (known.level + known.gain + 2 * sd < _MOST_LEVEL)
            told &= (np.abs(surprise) < _MOST_SDS * sd) & (known.gain > 0)
        fading = np.exp(-since_s / _MEMORY_S)
        kept = _PRIOR_GAIN2 * (1 - fading)
        unexplained = fading * unexplained + kept * model.parameters.misfit**2
        unexplained += float((surprise[told] ** 2 - known.variance[told]).sum())
        gain2 = fading * gain2 + kept + float((known.gain[told] ** 2).sum())
    variance = ((ahead.high[:, 1] - ahead.level[:, 1]) / Z_80) ** 2
    return DaySpread(now_s, level, ahead.level[:, 1] - level, variance, state.emptied_at_s, unexplained, gain2)
