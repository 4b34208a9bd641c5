import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from city.errors import BadFile, BadInput
from routing.network import Network
from tests.routing.town import LAT, LON, NETWORK, SIDE, STEP_LON, corner


def small(**changes: Any) -> Network:
    facts: dict[str, Any] = {
        "node_lon": [6.0, 6.001, 6.002],
        "node_lat": [53.0, 53.0, 53.0],
        "edge_from": [0, 1, 1],
        "edge_to": [1, 0, 2],
        "edge_length_m": [67.0, 67.0, 70.0],
        "edge_speed_kph": [30.0, 30.0, 50.0],
    }
    return Network(**(facts | changes))


def test_a_saved_network_is_loaded_as_it_was(tmp_path: Path) -> None:
    bent = small(
        edge_name=["Brug", "Brug", ""],
        shape_start=[0, 0, 0, 1],
        shape_lon=[6.0015],
        shape_lat=[53.0004],
        signal_nodes=[1],
    )
    bent.save(tmp_path / "town.npz")
    again = Network.load(tmp_path / "town.npz")
    for name, value in bent.__getstate__().items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert [path.name for path in tmp_path.iterdir()] == ["town.npz"]


def _not_a_zip(path: Path) -> None:
    path.write_bytes(b"streets")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut_off(path: Path) -> None:
    small().save(path)
    path.write_bytes(path.read_bytes()[:-300])


def _another_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def _another_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _wrong_lengths(path: Path) -> None:
    arrays = small().__getstate__() | {"edge_to": np.array([1, 0])}
    with path.open("wb") as file:
        np.savez(file, format=np.array("ronde-network-2"), **arrays)


def _another_version(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, format=np.array("ronde-network-99"), **small().__getstate__())


def _missing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    "spoil",
    [_not_a_zip, _empty, _cut_off, _another_archive, _another_array, _wrong_lengths, _another_version, _missing],
)
def test_a_file_that_is_no_network_is_named_with_the_fix(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "town.npz"
    spoil(path)
    with pytest.raises(BadFile, match=r"town\.npz") as caught:
        Network.load(path)
    assert "read_osm" in caught.value.fix


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"node_lon": [6.0, 6.001, np.nan]}, "longitude"),
        ({"node_lat": [53.0, 93.0, 53.0]}, "latitude"),
        ({"node_lon": [6.0, 6.001, 60.0]}, "wider than"),
        ({"node_lat": [53.0, 53.0]}, "node_lon and node_lat"),
        ({"edge_to": [1, 0, 3]}, "not there"),
        ({"edge_to": [1, 0, -1]}, "not there"),
        ({"edge_length_m": [67.0, 0.0, 70.0]}, "edge_length_m"),
        ({"edge_speed_kph": [30.0, np.nan, 50.0]}, "edge_speed_kph"),
        ({"edge_speed_kph": [30.0, 50.0]}, "edge_speed_kph"),
        ({"shape_start": [0, 0, 0, 2], "shape_lon": [6.0], "shape_lat": [53.0]}, "shape_start"),
        ({"shape_lon": [6.0]}, "shape_lon"),
        ({"signal_nodes": [7]}, "signal_nodes"),
        ({"edge_from": [], "edge_to": [], "edge_length_m": [], "edge_speed_kph": []}, "no streets"),
    ],
)
def test_what_no_street_can_have_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        small(**changes)


def test_the_nearest_node_is_one_from_which_all_others_can_be_reached() -> None:
    network = small()
    assert network.core.tolist() == [True, True, False]
    assert network.nearest(6.0021, 53.0) == 1
    assert network.nearest([6.0021, 5.9], [53.0, 53.0]).tolist() == [1, 0]


def test_nearest_counts_metres_not_degrees() -> None:
    """At 53 degrees north a degree of longitude is only 0.6 of one of latitude."""
    lon, lat = corner(3, 3)
    node = NETWORK.nearest(lon + 0.4 * STEP_LON, lat)
    assert node == 3 * SIDE + 3


def test_no_coordinate_has_no_nearest_node() -> None:
    with pytest.raises(BadInput):
        NETWORK.nearest(float("nan"), LAT)


def test_the_base_map_draws_each_street_once() -> None:
    drawn = small().to_geojson()
    assert len(drawn["features"]) == 2
    assert [feature["properties"]["oneWay"] for feature in drawn["features"]] == [False, True]
    assert drawn["features"][0]["geometry"]["coordinates"] == [[6.0, 53.0], [6.001, 53.0]]
    assert len(NETWORK.to_geojson()["features"]) == NETWORK.n_edges // 2


def test_two_one_way_streets_between_the_same_corners_are_two_lines() -> None:
    pair = Network(
        [6.0, 6.001],
        [53.0, 53.0],
        [0, 1],
        [1, 0],
        [67.0, 140.0],
        [30.0, 30.0],
        shape_start=[0, 0, 1],
        shape_lon=[6.0005],
        shape_lat=[53.0006],
    )
    drawn = pair.to_geojson()["features"]
    assert [feature["properties"]["oneWay"] for feature in drawn] == [True, True]
    assert [len(feature["geometry"]["coordinates"]) for feature in drawn] == [2, 3]


def test_an_edge_heads_where_its_last_bend_points() -> None:
    bent = small(shape_start=[0, 0, 0, 1], shape_lon=[6.002], shape_lat=[53.01])
    assert bent.edge_bearing_deg.round().tolist() == [90.0, 270.0, 180.0]


def test_a_network_pickles_without_what_it_has_worked_out() -> None:
    NETWORK.nearest(LON, LAT)
    again = pickle.loads(pickle.dumps(NETWORK))
    assert len(pickle.dumps(again)) == len(pickle.dumps(NETWORK))
    assert again.nearest(LON, LAT) == 0
