"""What a demonstration prints: what it does, the live scoreboard, and the result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.live import Live as LiveTable
from rich.table import Table
from rich.text import Text

from city.clock import ScaledClock
from service.demo_figures import Live
from service.scoreboard import Compared, Detection, Scoreboard

_LINE_EVERY_S = 15.0


class Screen:
    """Prints to a terminal as a live table, elsewhere as a line now and then.

    Parameters
    ----------
    console
        Where it prints.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._zone = ZoneInfo("UTC")
        self._live: LiveTable | None = None
        self._clock: ScaledClock | None = None
        self._address = ""
        self._said_s = 0.0

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self, address: str, clock: ScaledClock, timezone: str) -> Iterator[None]:
        """Show figures while the body runs; city times are shown in `timezone` (IANA name)."""
        self._address, self._clock, self._zone = address, clock, ZoneInfo(timezone)
        if not self._console.is_terminal:
            yield
            return
        try:
            with LiveTable(console=self._console, refresh_per_second=2) as self._live:
                yield
        finally:
            self._live = None

    def show(self, figures: Live) -> None:
        """Show the figures as they are now."""
        if self._live:
            self._live.update(Group(Text(self._headline()), _live_table(figures)))
        elif time.monotonic() - self._said_s >= _LINE_EVERY_S:
            self._said_s = time.monotonic()
            self.say(
                f"{self._headline()}: {figures.produced} produced, {figures.in_ledger} in ledger, "
                f"dumpings {_found(figures.dumpings)}, jams {_found(figures.jams)}, "
                f"reroutes {figures.reroutes.accepted}/{figures.reroutes.proposed}"
            )

    def result(self, board: Scoreboard) -> None:
        """Print the final scoreboard."""
        table = Table(
            title=f"Scoreboard: {board.city_hours:.1f} city hours at {board.speed_up:.0f}x, seed {board.seed}"
        )
        table.add_column("What")
        table.add_column("Figure", justify="right")
        rows = [
            ("Readings produced", f"{board.produced:,}"),
            ("  in ledger and series store, read back", f"{board.stored:,}"),
            ("  in ledger, without a meaning (see dead letters)", f"{board.unplaced:,}"),
            ("  still with the device", f"{board.pending:,}"),
            ("  lost / stored twice", f"{board.lost} / {board.twice}"),
            ("Delay to the ledger p50 / p99", f"{_ms(board.delay_p50_ms)} / {_ms(board.delay_p99_ms)}"),
            *_detection_rows("Dumpings", board.dumpings),
            *_detection_rows("Jams", board.jams),
            ("Reroutes accepted / proposed", f"{board.reroutes.accepted} / {board.reroutes.proposed}"),
            ("Day's km, fixed rounds → Ronde", _compared(board.km)),
            ("Containers that overflow, fixed → Ronde", _compared(board.overflows)),
        ]
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        for note in board.notes:
            self.say(f"  {note}")

    def _headline(self) -> str:
        if self._clock is None:
            return ""
        local = datetime.fromtimestamp(self._clock.now_s(), self._zone)
        return f"{local:%a %H:%M} in the city ({self._clock.speed_up:.0f}x) · {self._address}"


def _live_table(figures: Live) -> Table:
    table = Table(show_header=False)
    table.add_column("What")
    table.add_column("Figure", justify="right")
    behind = "unknown" if figures.behind is None else str(figures.behind)
    for row in (
        ("Readings produced / in ledger", f"{figures.produced:,} / {figures.in_ledger:,}"),
        ("Series store is behind by (batches)", behind),
        ("Delay to the ledger p50 / p99", f"{_ms(figures.delay_p50_ms)} / {_ms(figures.delay_p99_ms)}"),
        ("Dumpings found / planted (false)", _found(figures.dumpings)),
        ("Jams found / planted (false)", _found(figures.jams)),
        ("Reroutes accepted / proposed", f"{figures.reroutes.accepted} / {figures.reroutes.proposed}"),
        ("Day's km, fixed rounds → Ronde", _compared(figures.km)),
        ("Containers that overflow, fixed → Ronde", _compared(figures.overflows)),
        ("", "Ctrl-C ends everything"),
    ):
        table.add_row(*row)
    return table


def _detection_rows(name: str, one: Detection) -> list[tuple[str, str]]:
    if one.planted is None:
        return [(f"{name} raised (nothing planted to compare with)", str(one.raised))]
    return [
        (f"{name} planted / found / false", f"{one.planted} / {one.found} / {one.false}"),
        (
            "  precision / recall / median delay",
            f"{_share(one.precision)} / {_share(one.recall)} / "
            + ("unknown" if one.delay_min is None else f"{one.delay_min:.0f} city min"),
        ),
    ]


def _found(one: Detection) -> str:
    if one.planted is None:
        return f"{one.raised} raised, no truth"
    return f"{one.found}/{one.planted} ({one.false} false)"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms"


def _compared(one: Compared) -> str:
    fixed = "unknown" if one.fixed is None else f"{one.fixed:g}"
    ronde = "unknown" if one.ronde is None else f"{one.ronde:g}"
    return f"{fixed} → {ronde}"
