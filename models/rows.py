"""Rows as the models see them: columns of numbers, sorted by measured time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from city.errors import BadInput
from city.readings import Row

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_OF_SUBJECT = frozenset({"visit", "report"})


@dataclass(frozen=True)
class Rows:
    """`n` rows about entities of one model, sorted by `at_s` (stable: equal times keep their order).

    Parameters
    ----------
    now_s
        The city's time at which the model is asked; silence is judged by it, nothing else is.
    entity
        ``(n,)``, int64, index into the entities of the model.
    at_s
        ``(n,)``, float64, when it was measured, s since 1970 UTC.
    interval_s
        ``(n,)``, float64, the length that counts and ratios are over (0 = a moment).
    values
        Quantity to ``(n,)``, float64; NaN = not in the row, or looked for and unknown.
    is_visit
        ``(n,)``, bool; a crew was there (emptied the container, cleared the cluster), told by its truck.
    is_report
        ``(n,)``, bool; a person told of it: no sensor did.
    is_suspect
        ``(n,)``, bool; ingest found the reading implausible. Its values are NaN here.
    """

    now_s: float
    entity: Integers
    at_s: Floats
    interval_s: Floats
    values: Mapping[str, Floats]
    is_visit: Booleans
    is_report: Booleans
    is_suspect: Booleans

    def __post_init__(self) -> None:
        n = len(self.entity)
        columns = {
            "at_s": self.at_s,
            "interval_s": self.interval_s,
            "is_visit": self.is_visit,
            "is_report": self.is_report,
            "is_suspect": self.is_suspect,
            **self.values,
        }
        for name, column in columns.items():
            if column.shape != (n,):
                raise BadInput(f"Column {name} has shape {column.shape}, not ({n},).", "Give one value per row.")
        if n and not np.isfinite(self.at_s).all():
            raise BadInput("A row has no finite time.", "Leave out rows whose time is unknown.")
        if n and (np.diff(self.at_s) < 0).any():
            raise BadInput("The rows are not in the order of their time.", "Sort them by at_s, or use Rows.of.")

    def __len__(self) -> int:
        return len(self.entity)

    @classmethod
    def of(cls, rows: Sequence[Row], index: Mapping[str, int], now_s: float) -> "Rows":
        """Return the rows that speak about an entity of `index`, as columns; the others are left out.

        A row of kind ``visit`` or ``report`` speaks about its subject (the container, the cluster), not about the
        truck or whoever tells it.
        """
        about = [index.get((row.subject or "") if row.kind in _OF_SUBJECT else row.entity, -1) for row in rows]
        mine = [i for i, entity in enumerate(about) if entity >= 0]
        mine.sort(key=lambda i: rows[i].at_s)
        n = len(mine)
        values: dict[str, Floats] = {}
        for k, i in enumerate(mine):
            if rows[i].quality == "suspect":
                continue
            for quantity, value in rows[i].values.items():
                if value is None:
                    continue
                if quantity not in values:
                    values[quantity] = np.full(n, np.nan)
                values[quantity][k] = value
        return cls(
            now_s=now_s,
            entity=np.array([about[i] for i in mine], np.int64),
            at_s=np.array([rows[i].at_s for i in mine], np.float64),
            interval_s=np.array([rows[i].interval_s for i in mine], np.float64),
            values=values,
            is_visit=np.array([rows[i].kind == "visit" for i in mine], np.bool_),
            is_report=np.array([rows[i].kind == "report" for i in mine], np.bool_),
            is_suspect=np.array([rows[i].quality == "suspect" for i in mine], np.bool_),
        )

    @classmethod
    def of_columns(
        cls,
        now_s: float,
        entity: npt.ArrayLike,
        at_s: npt.ArrayLike,
        values: Mapping[str, npt.ArrayLike],
        interval_s: npt.ArrayLike = 0.0,
        is_visit: npt.ArrayLike = False,
        is_report: npt.ArrayLike = False,
        is_suspect: npt.ArrayLike = False,
    ) -> "Rows":
        """Return rows made of columns in any order of time; a single number stands for a whole column.

        Raises
        ------
        BadInput
            Columns differ in length, or a time is not finite.
        """
        entities = np.asarray(entity, np.int64)
        times = np.broadcast_to(np.asarray(at_s, np.float64), entities.shape)
        order = np.argsort(times, kind="stable")

        def column(values: npt.ArrayLike, dtype: type) -> npt.NDArray[np.generic]:
            array: npt.NDArray[np.generic] = np.asarray(values, dtype)
            if array.ndim and array.shape != entities.shape:
                raise BadInput(f"A column has shape {array.shape}, not {entities.shape}.", "Give one value per row.")
            return np.broadcast_to(array, entities.shape)[order]

        return cls(
            now_s=now_s,
            entity=entities[order],
            at_s=times[order],
            interval_s=np.asarray(column(interval_s, np.float64), np.float64),
            values={name: np.asarray(column(one, np.float64), np.float64) for name, one in values.items()},
            is_visit=np.asarray(column(is_visit, np.bool_), np.bool_),
            is_report=np.asarray(column(is_report, np.bool_), np.bool_),
            is_suspect=np.asarray(column(is_suspect, np.bool_), np.bool_),
        )

    def value(self, quantity: str) -> Floats:
        """Return the column of `quantity`, ``(n,)``; all NaN where no row has it."""
        if quantity in self.values:
            return self.values[quantity]
        return np.full(len(self), np.nan)

    def part(self, which: Integers | Booleans | slice, now_s: float | None = None) -> "Rows":
        """Return some of the rows, in the order of time; asked at the same time, or at `now_s`."""
        return Rows(
            now_s=self.now_s if now_s is None else now_s,
            entity=self.entity[which],
            at_s=self.at_s[which],
            interval_s=self.interval_s[which],
            values={name: column[which] for name, column in self.values.items()},
            is_visit=self.is_visit[which],
            is_report=self.is_report[which],
            is_suspect=self.is_suspect[which],
        )

    def waves(self, key: Integers | None = None) -> Iterator[Integers]:
        """Yield indices of rows, ``(k,)``, in waves that hold at most one row of each entity.

        The j-th wave holds the j-th row of every entity that has so many, so that walking over the waves sees the
        rows of each entity in the order of time, and within a wave everything can be done at once.

        Parameters
        ----------
        key
            ``(n,)``; rows with the same key never share a wave. The entity if it is left out.
        """
        key = self.entity if key is None else key
        n = len(key)
        if not n:
            return
        by_key = np.argsort(key, kind="stable")
        ordered = key[by_key]
        first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        rank = np.empty(n, np.int64)
        rank[by_key] = np.arange(n) - np.repeat(first, np.diff(np.r_[first, n]))
        by_rank = np.argsort(rank, kind="stable")
        ends = np.cumsum(np.bincount(rank))
        start = 0
        for end in ends:
            yield by_rank[start:end]
            start = int(end)
