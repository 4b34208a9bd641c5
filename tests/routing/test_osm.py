import gzip
from pathlib import Path

import numpy as np
import pytest

from city.errors import BadFile
from routing.network import Network
from routing.osm import read_osm
from tests.parts import require


def osm(*ways: str, signals: tuple[int, ...] = ()) -> str:
    """Five nodes in a row, 1..5, node 6 north of node 3; ways on them."""
    spots = {i: (53.0, 6.0 + 0.001 * i) for i in range(1, 6)} | {6: (53.001, 6.003)}
    nodes = "".join(
        f'<node id="{i}" lat="{lat}" lon="{lon}">'
        + ('<tag k="highway" v="traffic_signals"/>' if i in signals else "")
        + "</node>"
        for i, (lat, lon) in spots.items()
    )
    return f'<?xml version="1.0"?><osm version="0.6">{nodes}{"".join(ways)}</osm>'


def way(id_: int, nodes: list[int], **tags: str) -> str:
    refs = "".join(f'<nd ref="{n}"/>' for n in nodes)
    return f'<way id="{id_}">{refs}' + "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items()) + "</way>"


def read(tmp_path: Path, *ways: str, signals: tuple[int, ...] = ()):
    path = tmp_path / "town.osm"
    path.write_text(osm(*ways, signals=signals))
    return read_osm(path)


ROW = [1, 2, 3, 4, 5]


def test_a_street_is_cut_at_junctions_and_keeps_its_bends(tmp_path: Path) -> None:
    network = read(
        tmp_path, way(1, ROW, highway="residential", name="Lange Straat"), way(2, [3, 6], highway="residential")
    )
    assert network.n_nodes == 4
    assert network.n_edges == 6
    assert set(network.edge_name) == {"Lange Straat", ""}
    first = np.flatnonzero(network.edge_name == "Lange Straat")[0]
    assert len(network.edge_line(int(first))) == 3
    assert network.edge_length_m[first] == pytest.approx(133.8, abs=0.5)


def test_traffic_lights_are_nodes(tmp_path: Path) -> None:
    network = read(tmp_path, way(1, ROW, highway="residential"), signals=(2,))
    assert network.n_nodes == 3
    assert network.node_lon[network.signal_nodes].tolist() == [6.002]


@pytest.mark.parametrize(
    ("tags", "forwards", "backwards"),
    [
        ({}, True, True),
        ({"oneway": "yes"}, True, False),
        ({"oneway": "-1"}, False, True),
        ({"oneway": "no"}, True, True),
        ({"junction": "roundabout"}, True, False),
    ],
)
def test_one_way_streets_are_driven_one_way(
    tmp_path: Path, tags: dict[str, str], forwards: bool, backwards: bool
) -> None:
    network = read(tmp_path, way(1, [1, 3], highway="primary", **tags), way(2, [3, 6, 1], highway="primary"))
    straight = network.edge_length_m < 140
    found = {
        (float(network.node_lon[network.edge_from[e]]), float(network.node_lon[network.edge_to[e]]))
        for e in np.flatnonzero(straight)
    }
    assert ((6.001, 6.003) in found, (6.003, 6.001) in found) == (forwards, backwards)


@pytest.mark.parametrize(
    ("tags", "kph"),
    [
        ({"highway": "residential"}, 24.0),
        ({"highway": "primary"}, 40.0),
        ({"highway": "primary", "maxspeed": "70"}, 56.0),
        ({"highway": "primary", "maxspeed": "30 mph"}, 30 * 1.609344 * 0.8),
        ({"highway": "primary", "maxspeed": "none"}, 64.0),
        ({"highway": "primary", "maxspeed": "NL:urban"}, 40.0),
        ({"highway": "primary", "maxspeed": "signals"}, 40.0),
        ({"highway": "primary", "maxspeed": "0"}, 40.0),
        ({"highway": "trunk", "maxspeed": "120"}, 64.0),
    ],
)
def test_speed_is_the_limit_or_the_usual_one_as_a_truck_drives_it(
    tmp_path: Path, tags: dict[str, str], kph: float
) -> None:
    network = read(tmp_path, way(1, ROW, **tags))
    assert network.edge_speed_kph.tolist() == pytest.approx([kph] * 2)


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "footway"},
        {"highway": "track"},
        {"highway": "residential", "access": "private"},
        {"highway": "residential", "motor_vehicle": "no"},
        {"waterway": "canal"},
    ],
)
def test_what_a_truck_may_not_drive_is_left_out(tmp_path: Path, tags: dict[str, str]) -> None:
    network = read(tmp_path, way(1, [1, 2], highway="residential"), way(2, [2, 3, 4], **tags))
    assert network.n_nodes == 2


def test_a_street_that_leads_nowhere_else_is_cut_off(tmp_path: Path) -> None:
    network = read(
        tmp_path, way(1, [1, 2, 3], highway="residential"), way(2, [3, 4, 5], highway="residential", oneway="yes")
    )
    assert network.n_nodes == 2
    assert network.core.all()


def _cut_off() -> bytes:
    whole = (require("shared-data") / "osm" / "heidelberg.test.osm.pbf").read_bytes()
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("counts.csv", b"time,entity,value\n"),
        ("town.osm.pbf", b"this is no map" * 100),
        ("town.osm.pbf", b""),
        ("town.osm", b"<html><body>404</body></html>"),
        ("town.osm", b"<?xml version='1.0'?><osm version='0.6'><node id='1' lat='53'"),
        ("town.osm", osm().encode()),
        ("town.osm", osm(way(1, ROW, highway="cycleway")).encode()),
        ("town.osm.gz", gzip.compress(osm(way(1, ROW, highway="residential")).encode())[:-40]),
        ("town.osm.pbf", "cut off"),
    ],
    ids=["csv", "text", "nothing", "html", "cut-off-xml", "no-ways", "no-street", "cut-off-gz", "cut-off-pbf"],
)
def test_a_file_that_gives_no_streets_is_named_with_the_fix(tmp_path: Path, name: str, content: bytes | str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else _cut_off())
    with pytest.raises(BadFile, match=name) as caught:
        read_osm(path)
    assert ".osm.pbf" in caught.value.fix


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        read_osm(tmp_path / "nowhere.osm.pbf")


def test_a_real_city_is_read() -> None:
    network = read_osm(require("shared-data") / "osm" / "heidelberg.test.osm.pbf")
    assert network.n_nodes > 5000
    assert network.core.all()
    assert len(network.signal_nodes) > 200
    assert "Berliner Straße" in set(network.edge_name)


def relation(kind: str, *members: tuple[str, int, str], **tags: str) -> str:
    inside = "".join(f'<member type="{t}" ref="{ref}" role="{role}"/>' for t, ref, role in members)
    tagged = "".join(
        f'<tag k="{k}" v="{v}"/>' for k, v in ({"type": "restriction", "restriction": kind} | tags).items()
    )
    return f'<relation id="{abs(hash(members)) % 10**9 + 1}">{inside}{tagged}</relation>'


STREETS = (
    way(1, [1, 2, 3], highway="residential"),
    way(2, [3, 4, 5], highway="residential"),
    way(3, [3, 6], highway="residential"),
)


def followed_by(network: Network) -> set[tuple[str, str]]:
    """Movements as (from, to), each edge named by its ends; n = on the arm to the north."""

    ends = [
        f"{round((network.node_lon[a] - 6) * 1000)}{round((network.node_lon[b] - 6) * 1000)}"
        + ("n" if max(network.node_lat[a], network.node_lat[b]) > 53.0005 else "")
        for a, b in zip(network.edge_from, network.edge_to, strict=True)
    ]
    moves = network.graph.movements
    return {
        (ends[moves.state_edge[a]], ends[moves.state_edge[b]])
        for a, b in zip(moves.from_state, moves.to_state, strict=True)
    }


VIA_3 = (("way", 1, "from"), ("node", 3, "via"), ("way", 3, "to"))


@pytest.mark.parametrize(
    ("restriction", "tags", "onto"),
    [
        (None, {}, {"31", "35", "33n"}),
        ("no_left_turn", {}, {"31", "35"}),
        ("no_left_turn", {"except": "hgv"}, {"31", "35", "33n"}),
        ("no_left_turn", {"except": "psv"}, {"31", "35"}),
        ("no_left_turn", {"except": "motorcar;goods"}, {"31", "35"}),
        ("no_left_turn", {"except": "psv; motor_vehicle"}, {"31", "35", "33n"}),
        ("only_left_turn", {}, {"33n"}),
        ("give_way", {}, {"31", "35", "33n"}),
    ],
)
def test_turn_restrictions_hold(tmp_path: Path, restriction: str | None, tags: dict[str, str], onto: set[str]) -> None:
    more = [relation(restriction, *VIA_3, **tags)] if restriction else []
    moves = followed_by(read(tmp_path, *STREETS, *more))
    assert {b for a, b in moves if a == "13"} == onto
    assert {b for a, b in moves if a == "53"} == {"31", "35", "33n"}


def test_a_restriction_by_way_forbids_the_whole_sequence_only(tmp_path: Path) -> None:
    members = (("way", 1, "from"), ("way", 2, "via"), ("way", 4, "to"))
    network = read(tmp_path, *STREETS, way(4, [5, 6], highway="residential"), relation("no_left_turn", *members))
    assert np.diff(network.ban_start).tolist() == [3]
    assert network.graph.movements.n_states == network.n_edges + 1


@pytest.mark.parametrize("members", [VIA_3[:2], VIA_3[1:], (("way", 1, "from"), ("node", 77, "via"), ("way", 3, "to"))])
def test_a_restriction_that_the_extract_does_not_hold_whole_is_left_out(tmp_path: Path, members: tuple) -> None:
    network = read(tmp_path, *STREETS, relation("no_left_turn", *members))
    assert len(network.ban_edge) == 0


@pytest.mark.parametrize(
    ("tags", "passes"),
    [
        ({"barrier": "bollard"}, False),
        ({"barrier": "bollard", "bollard": "rising"}, True),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, True),
        ({"barrier": "gate"}, True),
        ({"barrier": "gate", "access": "private"}, False),
        ({"barrier": "kerb"}, True),
    ],
)
def test_a_bollard_stops_a_truck(tmp_path: Path, tags: dict[str, str], passes: bool) -> None:
    path = tmp_path / "town.osm"
    node = '<node id="4" lat="53.0" lon="6.004"'
    tagged = "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
    path.write_text(osm(*STREETS).replace(f"{node}></node>", f"{node}>{tagged}</node>"))
    assert (
        ("35" in {b for _, b in followed_by(read_osm(path))}) or ("34", "45") in followed_by(read_osm(path))
    ) == passes


def test_limits_hours_and_speeds_of_each_direction_are_kept(tmp_path: Path) -> None:
    tags = {"maxheight": "3.5", "maxweight": "7.5", "maxlength": "9", "maxspeed:forward": "60", "maxspeed": "50"}
    hours = {"motor_vehicle": "no", "motor_vehicle:conditional": "delivery @ (06:00-11:00)"}
    network = read(tmp_path, way(1, ROW, highway="primary", **tags, **hours))
    assert network.edge_max_height_m.tolist() == [3.5, 3.5]
    assert network.edge_max_weight_kg.tolist() == [7500.0, 7500.0]
    assert network.edge_max_length_m.tolist() == [9.0, 9.0]
    assert network.edge_opens_hour.tolist() == [6.0, 6.0]
    assert network.edge_closes_hour.tolist() == [11.0, 11.0]
    assert network.edge_speed_kph.tolist() == pytest.approx([48.0, 40.0])


@pytest.mark.parametrize(("tags", "is_street"), [({}, False), ({"motor_vehicle": "delivery"}, True)])
def test_a_pedestrian_street_is_driven_where_its_tags_let_vehicles_in(
    tmp_path: Path, tags: dict[str, str], is_street: bool
) -> None:
    network = read(tmp_path, way(1, [1, 2], highway="residential"), way(2, [2, 3, 4], highway="pedestrian", **tags))
    assert (network.n_nodes == 3) == is_street
