"""Small pieces of TOML as text: a value, and the line on which a key stands."""

import json
import re
from typing import Any

from city.errors import BadInput


def toml_value(value: Any) -> str:
    """Return a value as TOML.

    >>> toml_value((1.0, True, "a b"))
    '[1.0, true, "a b"]'
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(toml_value(one) for one in value)}]"
        case dict():
            return f"{{{', '.join(f'{toml_value(str(key))} = {toml_value(one)}' for key, one in value.items())}}}"
    raise BadInput(f"{value!r} cannot be written as TOML.", "Use texts, numbers, true, false, and lists of them.")


def key_line(text: str, key: str, section: str = "") -> int:
    r"""Return the line (1-based) on which `key` is set in `section`, 0 if it is not found.

    Without a key, the line of the section's header. Keys that are dotted or quoted are not found.

    >>> key_line("[a]\nx = 1\n[b]\nx = 2\n", "x", "b")
    4
    """
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            current = header[1]
            if not key and current == section:
                return number
        elif key and current == section and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return 0
