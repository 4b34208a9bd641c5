"""How much waste is expected to find no room."""

import numpy as np
import numpy.typing as npt

from models.fill import FillModel, FillState
from models.rows import Floats

# Levels at which the probability is asked; between them it is taken as straight.
_LEVELS = (1.0, 1.05, 1.15, 1.35, 2.0)
# Times at which a visit that may come at any time is looked at.
_TIMES = 4


def expected_spill(
    model: FillModel,
    state: FillState,
    at_s: float,
    *,
    over_s: float = 0.0,
    doubt_sd: npt.ArrayLike = 0.0,
    misfit: float | None = None,
) -> tuple[Floats, Floats]:
    """Return, for every container, the probability of being full by a visit and the waste expected not to fit by then.

    Parameters
    ----------
    at_s
        When the visit comes at the latest.
    over_s
        The visit comes at any time of so many seconds before `at_s`, each as likely.
    doubt_sd, misfit
        See `FillModel.forecast`.

    Returns
    -------
    overflow, spill
        ``(n,)`` each; the spill is a ratio of the usable volume, the mean excess over 1: the integral of the
        probability of having brought more than each level. NaN for a container never heard of.
    """
    times = at_s - over_s * np.linspace(1.0, 0.0, _TIMES) if over_s > 0 else np.array([at_s])
    beyond = np.stack(
        [
            model.forecast(state, times, full_at=level, doubt_sd=doubt_sd, misfit=misfit).overflow_probability.mean(1)
            for level in _LEVELS
        ]
    )
    spill = np.asarray(np.trapezoid(beyond, _LEVELS, axis=0), np.float64)
    return beyond[0], spill
