"""The error tree: every error says what is wrong, names its facts, and says what mends it."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of every command; stable, so that scripts may rely on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    MISSING_PART = 4
    UNREACHABLE = 5
    REFUSED = 6


class RondeError(Exception):
    """Root of the tree.

    Parameters
    ----------
    problem
        What is wrong, in one sentence, with the value that is wrong.
    fix
        What the reader can do about it, in one sentence.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(f"{problem} {fix}".strip())
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which a leaf with other parameters cannot take: an error that is
        # raised in a worker process must arrive whole.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[RondeError], args: tuple[Any, ...], facts: dict[str, Any]) -> RondeError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class TransientError(RondeError):
    """May succeed when tried again after `retry_after_s` seconds."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, problem: str, fix: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(problem, fix)
        self.retry_after_s = retry_after_s


class PermanentError(RondeError):
    """Can never succeed unchanged: retrying is pointless."""


class BadInput(PermanentError, ValueError):
    """Something handed to us from outside cannot be used as it is."""

    exit_code = ExitCode.BAD_INPUT


class BadFile(BadInput):
    """A file cannot be read; `file`, `line` (1-based, 0 = the whole file) and `field` say where."""

    def __init__(self, problem: str, fix: str = "", *, file: str, line: int = 0, field: str = "") -> None:
        where = file + (f":{line}" if line else "") + (f": {field}" if field else "")
        super().__init__(f"{where}: {problem}", fix)
        self.file = file
        self.line = line
        self.field = field


class BadRegister(BadInput):
    """The files of a register cannot be used; `errors` holds every one found, in the order of the files."""

    SHOWN = 20

    def __init__(self, errors: Sequence[BadFile]) -> None:
        lines = [f"  {error}" for error in errors[: self.SHOWN]]
        if len(errors) > self.SHOWN:
            lines.append(f"  … and {len(errors) - self.SHOWN} more.")
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__("\n".join([f"The register has {count}:", *lines]))
        self.errors = tuple(errors)


class MissingPart(PermanentError):
    """A program or library that was asked for is not installed."""

    exit_code = ExitCode.MISSING_PART


class PortInUse(PermanentError, OSError):
    """A port that we were told to listen on belongs to another program."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, port: int, what: str, option: str) -> None:
        super().__init__(
            f"Port {port} on this machine is already in use, so the {what} cannot listen there.",
            f"End the program that uses it, or choose another port with {option}.",
        )
        self.port = port


class Unreachable(TransientError, ConnectionError):
    """A server does not answer."""


class Refused(PermanentError, PermissionError):
    """A server answered, and said no: credentials or rights are wrong."""

    exit_code = ExitCode.REFUSED
