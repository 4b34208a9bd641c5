"""Why a driver does not do what was asked at a place."""

from typing import Literal

VetoReason = Literal["blocked", "not_needed", "unsafe"]
# The place of a reason in this tuple is its code on the wire (`veto_code`); a code never changes its meaning.
VETO_REASONS: tuple[VetoReason, ...] = ("blocked", "not_needed", "unsafe")


def veto_code(reason: VetoReason) -> float:
    """Return how a reading says a reason.

    >>> veto_code("not_needed")
    1.0
    """
    return float(VETO_REASONS.index(reason))


def veto_reason(code: float | None) -> VetoReason | None:
    """Return the reason that a reading gives; None if it gives none that is known.

    >>> veto_reason(2.0), veto_reason(0.5), veto_reason(None), veto_reason(7.0)
    ('unsafe', None, None, None)
    """
    if code is None or not 0 <= code < len(VETO_REASONS) or code != int(code):
        return None
    return VETO_REASONS[int(code)]
