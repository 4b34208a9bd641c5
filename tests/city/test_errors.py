import pickle

import pytest

from city.errors import (
    BadFile,
    BadInput,
    BadRegister,
    ExitCode,
    MissingPart,
    PortInUse,
    Refused,
    RondeError,
    TransientError,
    Unreachable,
)

ERRORS = [
    RondeError("It broke.", "Mend it."),
    BadInput("5 is odd.", "Use 4."),
    BadFile("5 is odd.", "Use 4.", file="a.csv", line=3, field="n"),
    BadRegister([BadFile("5 is odd.", "Use 4.", file="a.csv", line=3, field="n")]),
    MissingPart("No mosquitto.", "Install it."),
    PortInUse(1883, "broker", "--broker-port"),
    TransientError("Busy.", retry_after_s=7.0),
    Unreachable("No answer.", "Start it.", retry_after_s=2.0),
    Refused("401.", "Give a token."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_whole_from_another_process(error):
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    facts, arrived_facts = dict(vars(error)), dict(vars(arrived))
    errors, arrived_errors = facts.pop("errors", ()), arrived_facts.pop("errors", ())
    assert arrived_facts == facts
    assert [str(one) for one in arrived_errors] == [str(one) for one in errors]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_has_an_exit_code_that_is_not_success(error):
    assert error.exit_code != ExitCode.OK


def test_an_error_in_a_file_says_where():
    assert str(BadFile("5 is odd.", "Use 4.", file="a.csv", line=3, field="n")) == "a.csv:3: n: 5 is odd. Use 4."
    assert str(BadFile("It is empty.", file="a.csv")) == "a.csv: It is empty."


def test_a_bad_register_shows_twenty_errors_and_counts_the_others():
    errors = [BadFile(f"{n} is odd.", file="a.csv", line=n) for n in range(1, 24)]
    shown = str(BadRegister(errors)).splitlines()
    assert shown[0] == "The register has 23 errors:"
    assert len(shown) == 1 + 20 + 1
    assert shown[-1] == "  … and 3 more."
    assert BadRegister(errors).errors == tuple(errors)


def test_the_builtin_that_fits_can_be_caught():
    assert isinstance(PortInUse(1, "broker", "--port"), OSError)
    assert isinstance(BadInput("x"), ValueError)
    assert isinstance(Unreachable("x"), ConnectionError)
    assert isinstance(Refused("x"), PermissionError)
