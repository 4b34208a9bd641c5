import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import BadInput
from city.toml_text import key_line, toml_value

scalars = st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(values)
def test_any_value_survives_being_written(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_what_toml_has_no_word_for_is_refused():
    with pytest.raises(BadInput, match="None"):
        toml_value(None)


@pytest.mark.parametrize(
    ("key", "section", "line"),
    [("a", "", 1), ("b", "one", 4), ("b", "two", 6), ("", "two", 5), ("c", "one", 0), ("", "three", 0)],
)
def test_a_key_is_found_in_its_section(key, section, line):
    assert key_line("a = 1\n# b = 2\n[one]\nb = 3\n[ two ]\n  b=4\n", key, section) == line
