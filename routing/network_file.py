"""A road network as one compressed `.npz` file; a name that many streets share stands there once."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city.errors import BadFile

FIX = "Make it again with Network.save, or from OSM with routing.osm.read_osm."

_FORMAT = "ronde-network-2"
_NAMES = "names"
_SOURCE = "made_from"

# np.load gives a bare array (no context manager: TypeError, AttributeError) for a file of another kind.
_NO_NETWORK = (OSError, ValueError, LookupError, EOFError, TypeError, AttributeError, zipfile.BadZipFile)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], made_from: str = "") -> None:
    """Write arrays and what they were made from; the file appears whole or not at all."""
    names, index = np.unique(arrays["edge_name"], return_inverse=True)
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    with draft.open("wb") as file:
        compact: dict[str, Any] = {**arrays, "edge_name": index.astype(np.int32), _NAMES: names}
        compact |= {"format": np.array(_FORMAT), _SOURCE: np.array(made_from)}
        np.savez_compressed(file, **compact)
    draft.replace(target)


def source_of(path: str | os.PathLike[str]) -> str:
    """Return what a network file says that it was made from, empty = nothing, or there is no such file."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return str(arrays[_SOURCE]) if str(arrays["format"]) == _FORMAT else ""
    except _NO_NETWORK:
        return ""


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return what `write_arrays` wrote.

    Raises
    ------
    BadFile
        The file is missing, or is no such file.
    """
    try:
        # Opened here: np.load leaves the file open when it turns out to be none of its own.
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["format"]) != _FORMAT:
                raise BadFile(f"The format {str(arrays['format'])!r} is not {_FORMAT!r}.", FIX, file=str(path))
            found = {name: arrays[name] for name in arrays.files if name not in ("format", _NAMES, _SOURCE)}
            found["edge_name"] = arrays[_NAMES][found["edge_name"]]
            return found
    except FileNotFoundError:
        raise BadFile("There is no such file.", FIX, file=str(path)) from None
    except _NO_NETWORK as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"This is no road network ({type(error).__name__}).", FIX, file=str(path)) from None
