"""What every model is: a pure, vectorised fold over rows."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from city.errors import BadInput
from city.findings import Finding
from models.rows import Rows

State = TypeVar("State")


class Model(Protocol[State]):
    """A model of many entities at once.

    `update` is pure: it leaves the state that it is given as it is, and the same state and rows give the same answer.
    A state is a picklable tuple of arrays. Many rows of one entity in one call give what the same rows give one
    call at a time. Rows not newer than the last one seen of their entity are left out: they are doubles, or late.
    """

    @property
    def entities(self) -> tuple[str, ...]:
        """Ids of the entities, in the order of the arrays that the model answers with."""
        ...

    @property
    def index(self) -> Mapping[str, int]:
        """Index by id of everything whose rows the model wants: what `Rows.of` is to be called with."""
        ...

    def initial_state(self) -> State:
        """Return what is known before the first row."""
        ...

    def update(self, state: State, rows: Rows) -> tuple[State, list[Finding]]:
        """Return the state after `rows`, and what is found in them, in the order in which it was known."""
        ...


def index_of(entities: tuple[str, ...]) -> dict[str, int]:
    """Return the index of every entity.

    Raises
    ------
    BadInput
        An entity is named twice.
    """
    index = {entity: i for i, entity in enumerate(entities)}
    if len(index) != len(entities):
        twice = next(entity for i, entity in enumerate(entities) if index[entity] != i)
        raise BadInput(f"The entity {twice!r} is named twice.", "Give every entity once.")
    return index
