import pytest

from broker.topics import DOWN_LEAVES, UP_LEAVES, BadTopic, Topic, down_topic, parse_topic, up_filter, up_topic


@pytest.mark.parametrize("leaf", UP_LEAVES)
def test_up_topic_comes_back(leaf):
    assert parse_topic(up_topic("groningen", "k-17", leaf)) == Topic("groningen", "k-17", "up", leaf)


@pytest.mark.parametrize("leaf", DOWN_LEAVES)
def test_down_topic_comes_back(leaf):
    assert parse_topic(down_topic("groningen", "k-17", leaf)) == Topic("groningen", "k-17", "down", leaf)


def test_filter_takes_any_device():
    assert up_filter("groningen", "plain") == "ronde/groningen/+/up/plain"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ronde",
        "ronde/g/k/up",
        "ronde/g/k/up/readings/more",
        "rond/g/k/up/readings",
        "ronde//k/up/readings",
        "ronde/g//up/readings",
        "ronde/g/k/down/readings",
        "ronde/g/k/up/ack",
        "ronde/g/k/sideways/readings",
        "ronde/G/k/up/readings",
        "ronde/g/k\n/up/readings",
        "ronde/g/+/up/readings",
        "ronde/g/#/up/readings",
        "ronde/g/" + "k" * 33 + "/up/readings",
        "ronde/g/k/up/readings\x00",
    ],
)
def test_other_topics_are_refused(text):
    with pytest.raises(BadTopic) as caught:
        parse_topic(text)
    assert caught.value.topic == text


@pytest.mark.parametrize(("city", "device"), [("g", "a/b"), ("g", "#"), ("+", "k"), ("", "k"), ("g", "K")])
def test_no_topic_is_made_of_what_is_no_id(city, device):
    with pytest.raises(BadTopic):
        up_topic(city, device, "readings")
    with pytest.raises(BadTopic):
        down_topic(city, device, "ack")


@pytest.mark.parametrize(("city", "leaf"), [("a/b", "readings"), ("g", "ack"), ("g", "")])
def test_no_filter_is_made_of_what_is_no_id_or_leaf(city, leaf):
    with pytest.raises(BadTopic):
        up_filter(city, leaf)
