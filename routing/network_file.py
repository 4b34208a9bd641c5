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


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays; the file appears whole or not at all."""
    names, index = np.unique(arrays["edge_name"], return_inverse=True)
    target = Path(path)
    draft = target.with_name(f".{target.name}.part")
    with draft.open("wb") as file:
        compact: dict[str, Any] = {**arrays, "edge_name": index.astype(np.int32), _NAMES: names}
        np.savez_compressed(file, format=np.array(_FORMAT), **compact)
    draft.replace(target)


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
            found = {name: arrays[name] for name in arrays.files if name not in ("format", _NAMES)}
            found["edge_name"] = arrays[_NAMES][found["edge_name"]]
            return found
    except FileNotFoundError:
        raise BadFile("There is no such file.", FIX, file=str(path)) from None
    # np.load gives a bare array (no context manager: TypeError, AttributeError) for a file of another kind.
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"This is no road network ({type(error).__name__}).", FIX, file=str(path)) from None
