"""The cursor of a view."""

from pathlib import Path

import pytest

from ingest.cursor import Cursor


def test_it_begins_at_the_beginning_and_remembers(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "cursors" / "series")
    assert cursor.position == 0
    cursor.move(17)
    assert cursor.position == 17
    assert Cursor(tmp_path / "cursors" / "series").position == 17
    assert [path.name for path in (tmp_path / "cursors").iterdir()] == ["series"]


@pytest.mark.parametrize("text", ["", "x", "-5", "\0\0\0"])
def test_an_unreadable_file_means_the_beginning(tmp_path: Path, text: str) -> None:
    (tmp_path / "series").write_text(text)
    assert Cursor(tmp_path / "series").position == 0
