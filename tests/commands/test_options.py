"""What `harvester` takes on its command line is what was accepted, word by word."""

from tests.commands.options import ACCEPTED, describe_all


def test_the_options_of_each_command_are_those_that_were_accepted() -> None:
    assert describe_all().splitlines() == ACCEPTED.read_text("utf-8").splitlines(), (
        "a decision? python -m tests.commands.options, and CHANGELOG.md says it"
    )


def test_each_option_has_a_line_of_help() -> None:
    assert [line for line in describe_all().splitlines() if line.endswith(": None") and "--" in line] == []
