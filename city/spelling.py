"""What to say to somebody who wrote a word that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 12


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, or else what is known.

    >>> did_you_mean("volum_m3", ["id", "volume_m3"])
    "Did you mean 'volume_m3'?"
    >>> did_you_mean("colour", ["id", "volume_m3"])
    'Known are id, volume_m3.'
    >>> did_you_mean("colour", [])
    'None is known.'
    """
    words = list(known)
    if nearest := nearest_word(word, words):
        return f"Did you mean {nearest!r}?"
    if not words:
        return "None is known."
    if len(words) > _SHOWN:
        return f"{len(words)} are known, {', '.join(words[:3])} among them."
    return f"Known are {', '.join(words)}."


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that looks most like `word`, None if none does.

    >>> nearest_word("Crane", ["crane", "grab"])
    'crane'
    """
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else None
