"""What ingest could not use, kept with its reason for a person to look at, and never more of it than the disk bears.

Three kinds, each in files of its own (JSON lines, one `DeadLetter` a line):

- `kept`: authentic messages that the ledger cannot take. Whole, and on disk before the device is told to go on.
- `refused`: what is not authentic or malformed. Anybody may send that, so only its first bytes are kept, only so many
  an hour, and the oldest file goes when there are too many. What is not kept is counted, and the count is kept.
- `noted`: readings of the ledger that no view shows, and points that a store does not take. Their bytes are in the
  ledger; limited like the refused.
"""

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal["kept", "refused", "noted"]
KINDS: tuple[Kind, ...] = ("kept", "refused", "noted")

REFUSED_BYTES = 4096
HOUR_S = 3600.0


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that could not be used, and why.

    `at_s` is city time. `message` holds the first bytes of `size` (all of them where it was kept whole; in the file as
    base64). `count` over 1 stands for that many letters of the reason of which nothing else was kept.
    """

    at_s: float
    kind: Kind
    reason: str
    detail: str = ""
    topic: str = ""
    device: str = ""
    log_id: str = ""
    n: int | None = None
    message: bytes = b""
    size: int = 0
    count: int = 1


class DeadLetters:
    """The dead letters in `folder`; safe to use from several threads, for one process at a time.

    Parameters
    ----------
    folder
        Made when the first letter comes.
    max_bytes
        Of each kind. `refused` and `noted` then lose their oldest file; `kept` takes no more.
    per_hour
        Letters of one reason that are kept in a (real) hour, for `refused` and `noted`.
    per_device_hour
        The same of one reason and one device.
    elapsed_s
        What measures the hour: real seconds that never run backwards.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = 64 << 20,
        per_hour: int = 200,
        per_device_hour: int = 20,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self.per_hour = per_hour
        self.per_device_hour = per_device_hour
        self._elapsed_s = elapsed_s
        self._lock = threading.Lock()
        self._writers = {kind: _Writer(self.folder, kind, max_bytes, kind != "kept") for kind in KINDS}
        self._hour_began_s = elapsed_s()
        self._this_hour: Counter[tuple[str, str, str]] = Counter()
        self._suppressed: Counter[tuple[Kind, str]] = Counter()
        self._last_at_s = 0.0

    def keep(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Keep letters durably; return for each whether it was kept, or only counted.

        A letter is only counted when its kind had enough of its reason for this hour, or, of kind `kept`, when there is
        no room: whoever sent that one must not be told to go on.

        Raises
        ------
        OSError
            The disk refused; none of the letters is kept.
        """
        if not letters:
            return []
        with self._lock:
            counted = self._this_hour.copy(), self._suppressed.copy()
            self._turn_hour(letters[0].at_s)
            kept = [self._put(letter) for letter in letters]
            try:
                for writer in self._writers.values():
                    writer.flush()
            except OSError:
                for writer in self._writers.values():
                    writer.forget()
                # They come again when the disk is back, and must not have used up their hour by then.
                self._this_hour, self._suppressed = counted
                raise
            return kept

    def read(self, kind: Kind | None = None) -> Iterator[DeadLetter]:
        """Yield the letters on disk, of one kind or of all, each kind from old to new."""
        for one in KINDS if kind is None else (kind,):
            for path in _files(self.folder, one):
                for line in path.read_bytes().splitlines():
                    try:
                        yield _decode(line)
                    except msgspec.DecodeError:
                        # Half a line, from a moment in which the process was killed.
                        continue

    def count(self) -> dict[str, int]:
        """Return how many letters of each reason are on disk, those of which only the number was kept included."""
        counts: Counter[str] = Counter()
        for letter in self.read():
            counts[letter.reason] += letter.count
        with self._lock:
            for (_, reason), number in self._suppressed.items():
                counts[reason] += number
        return dict(counts)

    def close(self) -> None:
        """Write down how many were only counted, and close the files."""
        with self._lock:
            self._write_suppressed(self._last_at_s)
            for writer in self._writers.values():
                writer.close()

    def _put(self, letter: DeadLetter) -> bool:
        if letter.kind == "kept":
            if self._writers["kept"].put(_encode(letter) + b"\n"):
                return True
            self._suppressed["noted", letter.reason] += letter.count
            return False
        of_device = (letter.kind, letter.reason, letter.device)
        of_reason = (letter.kind, letter.reason, "")
        device_has_enough = letter.device != "" and self._this_hour[of_device] >= self.per_device_hour
        if device_has_enough or self._this_hour[of_reason] >= self.per_hour:
            self._suppressed[letter.kind, letter.reason] += letter.count
            return False
        self._this_hour[of_reason] += 1
        if letter.device:
            self._this_hour[of_device] += 1
        if len(letter.message) > REFUSED_BYTES:
            letter = msgspec.structs.replace(letter, message=letter.message[:REFUSED_BYTES])
        self._writers[letter.kind].put(_encode(letter) + b"\n")
        return True

    def _turn_hour(self, at_s: float) -> None:
        self._last_at_s = at_s
        if self._elapsed_s() - self._hour_began_s >= HOUR_S:
            self._hour_began_s = self._elapsed_s()
            self._this_hour.clear()
            self._write_suppressed(at_s)

    def _write_suppressed(self, at_s: float) -> None:
        for (kind, reason), number in self._suppressed.items():
            letter = DeadLetter(at_s, kind, reason, "more of the same, of which only the number was kept", count=number)
            self._writers[kind].put(_encode(letter) + b"\n")
        self._suppressed.clear()


class _Writer:
    """Appends lines to the newest of four files of a kind; begins the next when it is full."""

    def __init__(self, folder: Path, kind: Kind, max_bytes: int, may_drop: bool) -> None:
        self._folder = folder
        self._kind = kind
        self._file_bytes = max_bytes // 4
        self._max_bytes = max_bytes
        self._may_drop = may_drop
        self._descriptor = -1
        self._size = 0
        self._lines: list[bytes] = []

    def put(self, line: bytes) -> bool:
        if not self._may_drop:
            total = sum(path.stat().st_size for path in _files(self._folder, self._kind))
            if total + sum(map(len, self._lines)) + len(line) > self._max_bytes:
                return False
        self._lines.append(line)
        return True

    def flush(self) -> None:
        if not self._lines:
            return
        self._open()
        data = b"".join(self._lines)
        try:
            if os.write(self._descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._lines.clear()
        self._size += len(data)

    def forget(self) -> None:
        self._lines.clear()

    def close(self) -> None:
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        if self._descriptor >= 0 and self._size < self._file_bytes:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        files = _files(self._folder, self._kind)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            number = int(files[-1].stem.rsplit("-", 1)[1]) + 1 if files else 0
        else:
            number = int(files[-1].stem.rsplit("-", 1)[1]) if files else 0
        if self._may_drop:
            for path in files[:-3]:
                path.unlink()
        path = self._folder / f"{self._kind}-{number:06d}.jsonl"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._descriptor).st_size
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._size += os.write(self._descriptor, b"\n")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DeadLetter).decode


def _files(folder: Path, kind: Kind) -> list[Path]:
    # What a person put aside under another name is theirs.
    return sorted(path for path in folder.glob(f"{kind}-*.jsonl") if path.stem.removeprefix(f"{kind}-").isdecimal())
