from pathlib import Path

import pytest

from city.errors import BadFile
from routing.network import Network
from service.streets import import_streets

TOWN = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="53.0" lon="6.001"/><node id="2" lat="53.0" lon="6.002"/>
<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="name" v="{name}"/></way></osm>"""


def test_an_extract_is_read_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    extract, out = tmp_path / "town.osm", tmp_path / "data" / "network.npz"
    extract.write_text(TOWN.format(name="Kort"))
    network, was_read = import_streets(extract, out)
    assert was_read
    again, was_read = import_streets(extract, out)
    assert not was_read
    assert again.edge_name.tolist() == network.edge_name.tolist() == ["Kort", "Kort"]
    extract.write_text(TOWN.format(name="Lang"))
    changed, was_read = import_streets(extract, out)
    assert was_read
    assert set(changed.edge_name) == {"Lang"}


@pytest.mark.parametrize("kept", ["a network of something else", "no network at all"])
def test_what_was_not_made_from_the_extract_is_not_taken_for_it(tmp_path: Path, kept: str) -> None:
    extract, out = tmp_path / "town.osm", tmp_path / "network.npz"
    extract.write_text(TOWN.format(name="Kort"))
    if kept.startswith("a"):
        Network([6.0, 6.001], [53.0, 53.0], [0, 1], [1, 0], [67.0, 67.0], [30.0, 30.0]).save(out)
    else:
        out.write_text("streets")
    assert import_streets(extract, out)[1]


def test_no_extract_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        import_streets(tmp_path / "town.osm", tmp_path / "network.npz")
