import pytest

from city.devices import Device, Installation
from city.errors import BadInput
from city.places import Cluster, Container, Junction
from city.register import Position, Register
from tests.city.samples import small_city


def test_a_moved_device_leaves_its_old_readings_with_the_old_place():
    register = small_city()
    assert register.entity_at("pi-1", "c1", 1_699_999_999.0) is None
    assert register.entity_at("pi-1", "c1", 1_700_000_000.0) == "c1"
    assert register.entity_at("pi-1", "c1", 1_750_000_000.25) == "c3"
    assert register.entity_at("pi-1", "nothing", 1_750_000_000.0) is None
    assert register.entity_at("pi-2", "c1", 1_750_000_000.0) is None


def test_a_cluster_may_be_watched_itself():
    assert small_city().entity_at("pi-1", "beside", 1_800_000_000.0) == "k1"


def test_everything_that_stands_has_a_position():
    register = small_city()
    assert register.position("c1") == register.position("k1") == Position(6.5665, 53.2190)
    assert register.position("a1") == register.position("j1")
    assert register.position("d1") == Position(6.61, 53.206)
    assert register.position("t1") is None
    assert register.position("nowhere") is None


def test_parts_of_places_are_found_in_the_registers_order():
    register = small_city()
    assert [one.id for one in register.containers_of("k1")] == ["c1", "c2"]
    assert register.containers_of("k3") == []
    assert [one.id for one in register.approaches_of("j1")] == ["a1"]


def test_a_city_without_a_name_is_called_by_its_id():
    assert Register("emmen", "Europe/Amsterdam").name == "emmen"


K1 = Cluster("k1", "A", 6.5, 53.2)
PI = Device("pi-1")


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"clusters": [K1, K1]}, "used twice"),
        ({"clusters": [K1], "junctions": [Junction("k1", "B", 6.5, 53.2)]}, "a cluster and a junction"),
        ({"containers": [Container("c1", "k1", "glass", 4.0)]}, "The cluster 'k1' of container 'c1'"),
        ({"clusters": [K1], "containers": [Container("c1", "k11", "glass", 4.0)]}, "Did you mean 'k1'"),
        ({"devices": [PI, PI]}, "used twice"),
        ({"devices": [PI], "installations": [Installation("pi-1", "x", "k1", 0.0)]}, "The entity 'k1'"),
        ({"clusters": [K1], "installations": [Installation("pi-1", "x", "k1", 0.0)]}, "The device 'pi-1'"),
        (
            {
                "clusters": [K1],
                "devices": [PI],
                "installations": [Installation("pi-1", "x", "k1", at) for at in (5.0, 0.0)],
            },
            "watches two things",
        ),
    ],
)
def test_a_register_that_contradicts_itself_is_refused(parts, what):
    with pytest.raises(BadInput, match=what):
        Register("groningen", "Europe/Amsterdam", **parts)


def test_a_device_may_be_called_like_what_it_is_built_into():
    assert small_city().devices["t1"].is_signed
