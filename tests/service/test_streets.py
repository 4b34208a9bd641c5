import json
from pathlib import Path

import pytest

from city.errors import BadFile
from routing.network import Network
from service.streets import import_streets, read_zones

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


def zones(folder: Path, **changes: object) -> Path:
    area = [[6.0, 52.9], [6.1, 52.9], [6.1, 53.1], [6.0, 53.1], [6.0, 52.9]]
    facts = {"type": "Polygon", "coordinates": [area], "opensHour": 6, "closesHour": 11} | changes
    geometry = {"type": facts.pop("type"), "coordinates": facts.pop("coordinates")}
    path = folder / "zones.geojson"
    feature = {"type": "Feature", "geometry": geometry, "properties": facts}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_streets_of_a_zone_are_open_at_its_hours_and_another_zone_is_read_again(tmp_path: Path) -> None:
    extract, out = tmp_path / "town.osm", tmp_path / "network.npz"
    extract.write_text(TOWN.format(name="Kort"))
    network, _ = import_streets(extract, out, zones(tmp_path))
    assert network.edge_closes_hour.tolist() == [11.0, 11.0]
    assert not import_streets(extract, out, zones(tmp_path))[1]
    network, was_read = import_streets(extract, out, zones(tmp_path, closesHour=10.5))
    assert was_read
    assert Network.load(out).edge_closes_hour.tolist() == [10.5, 10.5]
    assert import_streets(extract, out)[0].edge_closes_hour.tolist() == [24.0, 24.0]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Point", "coordinates": [6.0, 53.0]},
        {"coordinates": []},
        {"coordinates": [[[6.0, 53.0]]]},
        {"coordinates": [["a", "b", "c"]]},
        {"opensHour": 25},
        {"closesHour": None},
        {"opensHour": 11, "closesHour": 11},
    ],
)
def test_an_area_that_is_none_is_named_with_the_fix(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(BadFile, match=r"zones\.geojson: Area 1") as caught:
        read_zones(zones(tmp_path, **changes))
    assert "opensHour" in caught.value.fix


@pytest.mark.parametrize("content", ["", "[]", "{}", "no json", "[" * 100_000])
def test_a_file_without_areas_is_no_geojson(tmp_path: Path, content: str) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text(content)
    with pytest.raises(BadFile, match="no GeoJSON"):
        read_zones(path)
    with pytest.raises(BadFile, match="no such file"):
        read_zones(tmp_path / "nowhere.geojson")
