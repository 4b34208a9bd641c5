"""Devices, and where each was installed from when to when."""

import re

import msgspec

from city.errors import BadInput

ID_PATTERN = re.compile(r"[a-z0-9-]{1,32}")


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device that may publish. `public_key` is its Ed25519 key in hex; empty = registered as unsigned."""

    id: str
    name: str = ""
    public_key: str = ""

    @property
    def is_signed(self) -> bool:
        """Whether readings of this device must be in a signed envelope."""
        return bool(self.public_key)


class Installation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Channel `channel` of `device` watched `entity` from `valid_from_s` until `valid_until_s` (exclusive).

    A device that moves gets a new installation; the old one ends, so old readings stay with the old place.
    """

    device: str
    channel: str
    entity: str
    valid_from_s: float
    valid_until_s: float | None = None

    def covers(self, at_s: float) -> bool:
        """Whether a reading measured at `at_s` belongs to this installation."""
        return self.valid_from_s <= at_s and (self.valid_until_s is None or at_s < self.valid_until_s)


def check_id(text: str, what: str = "id") -> str:
    """Return `text` if it may stand in a topic.

    Raises
    ------
    BadInput
        It does not match ``^[a-z0-9-]{1,32}$``.
    """
    if not ID_PATTERN.fullmatch(text):
        raise BadInput(
            f"The {what} {text!r} is not allowed.", "Use 1 to 32 of the letters a-z, the digits 0-9 and the hyphen."
        )
    return text
