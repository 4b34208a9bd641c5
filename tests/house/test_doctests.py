"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

from tests.house.test_architecture import ROOMS, ROOT


def modules() -> list[str]:
    found = []
    for room in ROOMS:
        for module in pkgutil.walk_packages([str(ROOT / room)], prefix=f"{room}."):
            path = ROOT / (module.name.replace(".", "/") + ".py")
            if path.is_file() and ">>>" in path.read_text(encoding="utf-8"):
                found.append(module.name)
    return found


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_are_true(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed
