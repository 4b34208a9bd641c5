"""What is written about the register's files is what they are."""

import re
from pathlib import Path

import pytest

from city.register_tables import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "register.md").read_text(encoding="utf-8")


def sections():
    parts = re.split(r"^## (\S+)$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_file_has_a_section_and_no_other_has_one():
    assert sorted(sections()) == sorted(table.file for table in TABLES)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.file)
def test_every_column_is_explained_and_what_is_required_is_said_to_be(table):
    said = {}
    for row in re.findall(r"^\| (`[^|]+) \| ([^|]*) \|$", sections()[table.file], flags=re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row[0]):
            said[name] = row[1].startswith("required")
    assert said == {field.name: field.required for field in table.fields}
