"""Figures that a planner can sign: a value with its interval and its completeness, or a refusal that says why not."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number, how sure it is, and what it rests on.

    Parameters
    ----------
    name
        What it is called in the field.
    value, unit
        The number and its unit.
    low, high
        Interval of `confidence`; both None where the definition leaves nothing to chance (a census of the period).
    completeness
        Share of the hours of the period that were measured, 0..1.
    basis
        What was measured, in words.
    method
        How the number was made of it, in words.
    notes
        What a reader must know before using it.
    """

    name: str
    value: float
    unit: str
    low: float | None
    high: float | None
    completeness: float
    basis: str
    method: str
    confidence: float = 0.95
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """No number, because it would rest on too little: what there is, what is needed, and of what.

    >>> Refusal("V85", "speeds", 12, 100).text
    'No V85: 12 of at least 100 speeds are there.'
    """

    name: str
    of: str
    has: float
    needs: float
    note: str = ""

    @property
    def text(self) -> str:
        """The refusal in a sentence."""
        said = f"No {self.name}: {_amount(self.has)} of at least {_amount(self.needs)} {self.of} are there."
        return f"{said} {self.note}".strip()


Answer = Figure | Refusal


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.2f}"
