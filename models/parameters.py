"""Checks that every model's parameters share."""

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from models.rows import Floats


def check_finite_and_positive(parameters: Any, *, may_be_zero: tuple[str, ...] = ()) -> None:
    """Check the numbers of a frozen parameter object.

    Raises
    ------
    BadInput
        A number is NaN, negative, or zero where that makes no sense.
    """
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if isinstance(value, bool):
            continue
        if not value >= 0 or (value == 0 and field.name not in may_be_zero):
            raise BadInput(f"{type(parameters).__name__}.{field.name} is {value}.", "Give a number above 0.")


def per_entity(values: npt.ArrayLike | None, default: float, n: int, name: str) -> Floats:
    """Return one number per entity, `default` where none is given or it is NaN.

    Raises
    ------
    BadInput
        There are not `n` values, or one of them is not above 0.
    """
    if values is None:
        return np.full(n, default)
    array = np.array(values, np.float64)
    if array.shape != (n,):
        raise BadInput(f"{name} has shape {array.shape}, not ({n},).", "Give one value per entity.")
    array = np.where(np.isnan(array), default, array)
    if n and not (array > 0).all():
        raise BadInput(f"{name} has a value that is not above 0.", "Leave it out (NaN) where it is unknown.")
    return array
