"""How much waste is expected to find no room."""

import numpy as np
import numpy.typing as npt

from models.fill import FillModel, FillState
from models.rows import Floats

# Levels at which the probability is asked; between them it is taken as straight.
_LEVELS = (1.0, 1.05, 1.15, 1.35, 2.0)


def expected_spill(
    model: FillModel, state: FillState, at_s: float, *, doubt_sd: npt.ArrayLike = 0.0
) -> tuple[Floats, Floats]:
    """Return, for every container, the probability of being full by `at_s` and the waste expected not to fit by then.

    Returns
    -------
    overflow, spill
        ``(n,)`` each; the spill is a ratio of the usable volume, the mean excess over 1: the integral of the
        probability of having brought more than each level. NaN for a container never heard of.
    """
    beyond = np.stack(
        [
            model.forecast(state, [at_s], full_at=level, doubt_sd=doubt_sd).overflow_probability[:, 0]
            for level in _LEVELS
        ]
    )
    spill = np.asarray(np.trapezoid(beyond, _LEVELS, axis=0), np.float64)
    return beyond[0], spill
