from models.spread import Spread, feeding, spread

FEEDS = feeding([("c", "b"), ("b", "a"), ("d", "b"), ("x", "y")])


def test_a_queue_that_grows_against_the_traffic_is_one_trouble_with_its_cause_downstream() -> None:
    assert spread({"a": 0.0, "b": 300.0, "c": 600.0, "y": 100.0}, FEEDS) == [
        Spread("a", (("b", 1), ("c", 2))),
        Spread("y", ()),
    ]


def test_trouble_that_was_there_before_is_of_its_own() -> None:
    assert [one.cause for one in spread({"a": 600.0, "b": 0.0}, FEEDS)] == ["b", "a"]


def test_a_ring_that_stands_since_the_same_minute_is_one() -> None:
    ring = feeding([("a", "b"), ("b", "c"), ("c", "a")])
    (one,) = spread(dict.fromkeys("abc", 0.0), ring)
    assert one.cause == "a"
    assert {name for name, _ in one.reached} == {"b", "c"}
