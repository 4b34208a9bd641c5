"""The moment until which a command of ``ronde evaluate`` learns."""

from datetime import UTC, datetime

from city.errors import BadInput


def time_of(text: str, option: str) -> float:
    """Return the time (s since 1970 UTC) that an option names: a date is its first moment, no offset means UTC.

    What is stamped with this moment or before teaches; what is stamped later is judged. Where the time is counted in
    whole days (levels of containers), the day of that moment teaches as a whole.

    Raises
    ------
    BadInput
        It is no date and no time.

    >>> time_of("2024-02-29", "--train-until")
    1709164800.0
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text!r} is no date.", "Write it as 2024-02-29.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
