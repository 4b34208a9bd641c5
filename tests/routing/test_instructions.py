from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from city.plans import Round, Stop
from routing.driven_line import driven_ways
from routing.instruction_words import LANGUAGES, distance_text, instruction_text, leg_texts, ordinal, round_text
from routing.instructions import Instruction, instructions
from routing.network import Network
from routing.osm import read_osm
from routing.rounds import round_of
from routing.travel import TravelTimes
from routing.truck_limits import TruckSize
from routing.way_search import EdgePart
from tests.parts import require
from tests.routing.town import NETWORK, SEVEN_S, SIDE, corner, grid, problem


def named() -> Network:
    """The town with names: rows are A-straat, B-straat, …; columns are 1e weg, 2e weg, …"""
    row = NETWORK.edge_from // SIDE
    along = row == NETWORK.edge_to // SIDE
    names = [
        f"{chr(65 + r)}-straat" if is_row else f"{c + 1}e weg"
        for r, c, is_row in zip(row.tolist(), (NETWORK.edge_from % SIDE).tolist(), along.tolist(), strict=True)
    ]
    return Network(**(NETWORK.__getstate__() | {"edge_name": names}))


TOWN = named()


def told(network: Network, a: int, b: int) -> list[Instruction]:
    return instructions(network, TravelTimes(network).ways([(a, b)])[0].parts)


def test_a_way_is_told_street_by_street() -> None:
    said = told(TOWN, 0, 3 * SIDE + 4)
    # Right turns are cheaper than left ones: north first, then east.
    assert [(one.manoeuvre, one.street, one.distance_m) for one in said] == [
        ("depart", "1e weg", 600.0),
        ("right", "D-straat", 800.0),
    ]


@pytest.mark.parametrize(
    ("onto", "manoeuvre"),
    [((0, 1), "left"), ((0, -1), "right"), ((1, 0), "straight"), ((-1, 0), "u-turn")],
)
def test_turns_are_called_by_their_angle(onto: tuple[int, int], manoeuvre: str) -> None:
    """From the west into corner (5, 5)."""
    here = 5 * SIDE + 5
    there = here + onto[0] + onto[1] * SIDE
    first = np.flatnonzero((TOWN.edge_from == here - 1) & (TOWN.edge_to == here))[0]
    second = np.flatnonzero((TOWN.edge_from == here) & (TOWN.edge_to == there))[0]
    parts = [(int(first), 0.5, 1.0), (int(second), 0.0, 0.5)]
    said = instructions(TOWN, [EdgePart(*one) for one in parts])
    assert said[-1].manoeuvre == (manoeuvre if manoeuvre != "straight" else "depart")
    assert sum(one.distance_m for one in said) == pytest.approx(200.0)


def test_a_roundabout_is_one_instruction_with_its_exit() -> None:
    """A ring of four nodes, driven one way, with an arm at each."""
    angle = np.radians([0.0, 90.0, 180.0, 270.0])
    ring = np.stack([6.0 + 3e-4 * np.cos(angle), 53.0 + 2e-4 * np.sin(angle)], axis=1)
    arms = np.stack([6.0 + 3e-3 * np.cos(angle), 53.0 + 2e-3 * np.sin(angle)], axis=1)
    nodes = np.concatenate([ring, arms])
    r, a = np.arange(4), np.arange(4) + 4
    network = Network(
        nodes[:, 0],
        nodes[:, 1],
        np.r_[r, r, a],
        np.r_[(r + 1) % 4, a, r],
        np.r_[np.full(4, 30.0), np.full(8, 180.0)],
        np.full(12, 30.0),
        edge_name=["", "", "", "", *["Oost", "Noord", "West", "Zuid"] * 2],
        roundabout_edges=np.arange(4),
    )
    for target, exit_ in ((5, 1), (6, 2), (7, 3)):
        said = told(network, 4, target)
        assert [one.manoeuvre for one in said] == ["depart", "roundabout"]
        assert said[1].exit == exit_
        assert said[1].street == network.edge_name[target]
    assert instruction_text(said[1], "nl").startswith("Neem op de rotonde de 3e afslag naar Zuid")
    assert instruction_text(said[1], "en").startswith("At the roundabout take the 3rd exit onto Zuid")


def test_every_manoeuvre_has_words_in_every_language_with_and_without_a_name() -> None:
    seen = set()
    for language in LANGUAGES:
        for manoeuvre in Instruction.__annotations__["manoeuvre"].__args__:
            for street in ("Oosterstraat", ""):
                text = instruction_text(Instruction(manoeuvre, street, 240.0, 6.5, 53.2, 2), language)
                assert text.endswith("(240 m)")
                assert ("Oosterstraat" in text) == bool(street)
                seen.add(text)
    assert len(seen) == 2 * 2 * 10


@pytest.mark.parametrize(("n", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")])
def test_numbers_count(n: int, text: str) -> None:
    assert ordinal(n, "en") == text
    assert ordinal(n, "nl") == f"{n}e"


def test_nothing_driven_is_nothing_told() -> None:
    assert instructions(TOWN, []) == []
    assert distance_text(994.0, "nl") == "990 m"
    assert distance_text(996.0, "nl") == "1,0 km"


def a_round(network: Network, factor: np.ndarray | None = None) -> Round:
    spots = [("start", 0, 0), ("empty", 6, 3), ("empty", 6, 3), ("clear", 2, 8), ("end", 0, 0)]
    stops = [
        Stop(
            kind,
            f"{column}-{row}",
            *corner(column, row),
            SEVEN_S + i * 600,
            SEVEN_S + i * 600 + 120,
            job=f"j{i}" * (0 < i < 4),
        )
        for i, (kind, column, row) in enumerate(spots)
    ]
    return round_of(problem(travel=TravelTimes(network, factor)), "crane-1", stops)


def test_a_round_is_driven_again_as_it_was_drawn_though_traffic_has_changed() -> None:
    rng = np.random.default_rng(5)
    one = a_round(NETWORK, rng.choice([1.0, 6.0], NETWORK.n_edges))
    ways = driven_ways(NETWORK, one)
    assert sum(way.distance_m for way in ways) == pytest.approx(one.distance_m)
    corners = {(round(lon, 6), round(lat, 6)) for way in ways for lon, lat in way.line}
    assert set(one.path) <= corners


def test_a_round_is_never_told_through_a_street_that_is_too_small_for_its_truck() -> None:
    one = a_round(NETWORK)
    edges = [(part.edge, NETWORK.kerbs.twin[part.edge]) for way in driven_ways(NETWORK, one) for part in way.parts[1:3]]
    limits = np.full(NETWORK.n_edges, np.inf)
    limits[np.ravel(edges)] = 3.5
    low = replace(NETWORK, edge_max_height_m=limits)
    for drawn in (one, msgspec.structs.replace(one, path=())):
        driven = {part.edge for way in driven_ways(low, drawn, TruckSize(height_m=3.6)) for part in way.parts}
        assert not driven & set(np.ravel(edges).tolist())
        assert driven_ways(low, drawn, TruckSize(height_m=3.5))[0].distance_m == pytest.approx(1800.0)


def test_a_round_in_words_has_its_stops_in_order_with_local_times() -> None:
    one = a_round(TOWN)
    legs = leg_texts(TOWN, one, driven_ways(TOWN, one), {"6-3": "Zonnelaan"}, "nl", timezone(timedelta(hours=1)))
    assert [leg.number for leg in legs] == [0, 1, 2, 3, 0]
    assert [leg.name for leg in legs] == ["0-0", "Zonnelaan", "Zonnelaan", "2-8", "0-0"]
    assert legs[0].steps == legs[2].steps == ()
    assert legs[1].steps[0].startswith("Vertrek over ")
    text = round_text("Ronde 1", legs)
    at = datetime.fromtimestamp(SEVEN_S + 600, UTC) + timedelta(hours=1)
    assert f"{at:%H:%M}  1. Zonnelaan: Legen" in text
    english = round_text("Round 1", leg_texts(TOWN, one, driven_ways(TOWN, one), {}, "en", UTC))
    assert "Turn " in english
    assert "Set off along " in english


def test_a_real_city_is_told_in_streets_that_add_up() -> None:
    network = read_osm(require("shared-data") / "osm" / "heidelberg.test.osm.pbf")
    travel = TravelTimes(network)
    nodes = np.random.default_rng(2).choice(network.n_nodes, 12, replace=False)
    for way in travel.ways(list(zip(nodes[:-1].tolist(), nodes[1:].tolist(), strict=True))):
        said = instructions(network, way.parts)
        assert said[0].manoeuvre == "depart"
        assert sum(one.distance_m for one in said) == pytest.approx(way.distance_m, abs=40.0)
        assert len(said) < max(4, len(way.parts))
        assert not any(a.street == b.street and b.manoeuvre == "straight" for a, b in pairwise(said))


def test_a_town_without_names_is_told_by_turns() -> None:
    town = grid(4)
    text = [instruction_text(one, "nl") for one in told(town, 1, 10)]
    assert text[0].startswith("Vertrek (")
    assert len(text) == 2
