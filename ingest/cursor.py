"""How far a view has come in the ledger."""

import os
from pathlib import Path


class Cursor:
    """A position in the ledger that survives a crash; a missing or unreadable file means the beginning.

    A view that is written before its cursor moves sees entries again after a crash, and never misses one.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self.position = max(0, int(self.path.read_text(encoding="ascii")))
        except (FileNotFoundError, ValueError):
            self.position = 0

    def move(self, position: int) -> None:
        """Move to `position`, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(self.path.name + ".new")
        with temporary.open("w", encoding="ascii") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self.position = position
