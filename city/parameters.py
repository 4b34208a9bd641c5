"""Parameters of the city's parts, read from one TOML file: one section per object.

The sections are the fields of a frozen struct, and what a section holds is a frozen struct too. What a struct checks
in `__post_init__`, and the limits that its annotations name, hold for the file as for code.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from city.errors import BadFile, BadInput
from city.spelling import did_you_mean
from city.toml_text import key_line, toml_value

_S = TypeVar("_S", bound=msgspec.Struct)


def read_parameters(path: Path | str, sections: type[_S]) -> _S:
    """Read a TOML file of parameters.

    Parameters
    ----------
    sections
        Struct with a field for each section; a section's type is a struct as well.

    Raises
    ------
    BadFile
        The file cannot be read, names an unknown section or key, or a value does not fit; says which.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise BadFile(f"The file cannot be read: {what}.", "Check its name and rights.", file=str(path)) from None
    except UnicodeDecodeError:
        raise BadFile("The file is not UTF-8.", "Save it as UTF-8.", file=str(path)) from None
    return parse_parameters(text, sections, str(path))


def parse_parameters(text: str, sections: type[_S], file: str = "") -> _S:
    """Return the parameters that a TOML text holds; see `read_parameters`."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # What is no TOML, and numbers and depths that Python does not take.
        raise BadFile(f"This is not TOML: {error}.", "Mend it there.", file=file) from None
    read = {}
    known = {field.name: field for field in msgspec.structs.fields(sections)}
    for name in tables:
        if name not in known:
            raise BadFile(
                f"{name!r} is no known section.",
                did_you_mean(name, known),
                file=file,
                line=key_line(text, "", name) or key_line(text, name),
                field=name,
            )
    for name, field in known.items():
        if name in tables or field.required:
            read[name] = _section(tables.get(name, {}), name, field.type, _default(field), text, file)
    return sections(**read)


def sample(sections: type[msgspec.Struct]) -> str:
    """Return a configuration file with every key: required ones live, the others as comments that show the default.

    A line that begins with `#` and no space after it is a default: without the `#` it says what the code does anyhow.
    What stands above a section is the first line of its struct's docstring; what stands above a key is its
    `msgspec.Meta(description=…)`. A required key shows the first of its `examples`.
    """
    parts = []
    for field in msgspec.structs.fields(sections):
        lines = []
        if words := (field.type.__doc__ or "").strip():
            lines.append(f"# {words.splitlines()[0]}")
        lines.append(f"[{field.name}]")
        values = _default(field)
        for key in msgspec.structs.fields(field.type):
            lines += _sample_key(key, _default(key) if values is msgspec.NODEFAULT else getattr(values, key.name))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """Return the value that a field has when none is given, NODEFAULT if it must be."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _sample_key(key: msgspec.structs.FieldInfo, default: Any) -> list[str]:
    meta = getattr(key.type, "__metadata__", ())
    words = next((one.description for one in meta if getattr(one, "description", None)), None)
    examples = next((one.examples for one in meta if getattr(one, "examples", None)), None)
    lines = [f"# {words}"] if words else []
    if default is msgspec.NODEFAULT:
        example = examples[0] if examples else _EXAMPLES.get(type(msgspec.inspect.type_info(key.type)), "")
        return [*lines, f"{key.encode_name} = {toml_value(example)}"]
    if default is None:
        return [*lines, f"# {key.encode_name} is not set unless it is given here."]
    return [*lines, f"#{key.encode_name} = {toml_value(msgspec.to_builtins(default))}"]


_EXAMPLES: dict[type, Any] = {
    msgspec.inspect.IntType: 0,
    msgspec.inspect.FloatType: 0.0,
    msgspec.inspect.BoolType: False,
    msgspec.inspect.ListType: [],
    msgspec.inspect.VarTupleType: [],
}


def _section(table: Any, name: str, struct: type[msgspec.Struct], default: Any, text: str, file: str) -> msgspec.Struct:
    def wrong(problem: str, fix: str, key: str = "") -> BadFile:
        line = key_line(text, key, name) or key_line(text, "", name) or key_line(text, name)
        return BadFile(problem, fix, file=file, line=line, field=f"{name}.{key}" if key else name)

    if not isinstance(table, Mapping):
        raise wrong(f"{name!r} is a section, not a key.", f"Write [{name}] and its keys under it.")
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in table:
        if key not in fields:
            raise wrong(f"{key!r} is no known key of [{name}].", did_you_mean(key, fields), key)
    for key, field in fields.items():
        if field.required and key not in table:
            raise wrong(f"The key {key!r} is missing.", f"Add it to [{name}].", key)
    values = {}
    for key, value in table.items():
        try:
            values[fields[key].name] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            raise wrong(*_in_words(str(error), value, fields[key].type), key) from None
    try:
        return struct(**values) if default is msgspec.NODEFAULT else msgspec.structs.replace(default, **values)
    except BadInput as error:
        raise wrong(error.problem, error.fix) from None
    except (ValueError, TypeError) as error:
        raise wrong(f"{error}", "Correct the values of this section.") from None


def _in_words(message: str, value: Any, kind: Any) -> tuple[str, str]:
    """Turn a validation's message into what is wrong and what would be right."""
    shown = toml_value(value) if isinstance(value, str | int | float | list | dict) else str(value)
    if expected := re.match(r"Expected (.*?)(?:, got .*)?(?: - at .*)?$", message):
        return f"{shown} does not fit.", f"Expected here: {expected[1].replace('`', '')}."
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.LiteralType):
        return f"{shown} is no known word here.", did_you_mean(str(value), map(str, info.values))
    return f"{shown} does not fit: {message}.", "Correct the value."
