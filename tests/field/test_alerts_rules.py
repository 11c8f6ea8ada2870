"""What people are told and when: repeats, storms, all-clears, and days that do not silence each other."""

from typing import Any

import pytest
from tests.field.alerting import CRITICAL, INFO, WARNING, at, notice, titles

from harvester.alerts.book import Book
from harvester.alerts.message import Message, Severity
from harvester.alerts.rules import decide, end_missing, end_notices, raise_notice
from harvester.alerts.wording import BODY_LENGTH, fit, join
from harvester.base.clock import NS_PER_SECOND

MINUTE = 60 * NS_PER_SECOND
START = at("10:00")


class Host:
    """Looks once a minute at what is raised; what was said as "minute severity title"."""

    def __init__(self) -> None:
        self.book, self.said, self.messages = Book(), [], []
        self.entries: list[Any] = []

    def look(self, now_ns: int, *raised: Any, repeating: bool = True) -> list[str]:
        for each in raised:
            raise_notice(self.book, each, now_ns)
        messages, self.entries = decide(self.book, now_ns, repeating=repeating)
        self.messages += messages
        return titles(messages)

    def minutes(self, count: int, *lasting: Any, start: int = START, repeating: bool = True) -> list[str]:
        """What is said while `lasting` are seen at each of `count` looks, a minute apart."""
        said = []
        for minute in range(count):
            now = start + minute * MINUTE
            for each in lasting:
                raise_notice(self.book, each, now, lasts=True)
            end_missing(self.book, {(each.cause, each.source) for each in lasting}, now)
            messages, _ = decide(self.book, now, repeating=repeating)
            self.messages += messages
            said += [f"{minute} {each}" for each in titles(messages)]
        return said


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.mark.parametrize(("severity", "minutes"), [(INFO, 60), (WARNING, 30), (CRITICAL, 5)])
def test_the_same_is_told_again_after_the_time_of_its_severity_and_not_before(
    host: Host, severity: Severity, minutes: int
) -> None:
    again = notice(severity)
    assert len(host.look(START, again)) == 1

    assert host.look(START + minutes * MINUTE - 1, again) == []
    [said] = host.look(START + minutes * MINUTE, again)

    assert said.endswith("h1: disk_low of recorder")
    assert "2 times, since Mon 23 Nov 10:00 IST." in host.messages[-1].body


@pytest.mark.parametrize(("severity", "minutes"), [(INFO, 60), (WARNING, 30), (CRITICAL, 5)])
def test_what_lasts_is_repeated_at_that_pace(host: Host, severity: Severity, minutes: int) -> None:
    said = host.minutes(2 * minutes + 1, notice(severity))

    assert [int(each.split()[0]) for each in said] == [0, minutes, 2 * minutes]


def test_out_of_session_what_lasts_is_told_once(host: Host) -> None:
    assert len(host.minutes(120, notice(CRITICAL), repeating=False)) == 1


def test_of_another_source_or_cause_it_is_another_notice(host: Host) -> None:
    host.look(START, notice(source="a"))

    assert len(host.look(START + MINUTE, notice(source="b"))) == 1
    assert len(host.look(START + 2 * MINUTE, notice(cause="other", source="b"))) == 1


def test_a_graver_turn_is_told_at_once_and_a_milder_one_is_not(host: Host) -> None:
    host.look(START, notice(INFO))

    assert host.look(START + MINUTE, notice(WARNING)) == ["warning h1: disk_low of recorder"]
    assert host.look(START + 2 * MINUTE, notice(INFO)) == []


def test_what_lasts_and_becomes_graver_is_told_out_of_session_too(host: Host) -> None:
    host.minutes(1, notice(WARNING), repeating=False)

    assert len(host.minutes(1, notice(CRITICAL), start=START + MINUTE, repeating=False)) == 1


@pytest.mark.parametrize("apart", [86_400, 3 * 86_400, -3_600, -86_400, 3_600])
def test_what_was_told_another_day_or_under_another_clock_silences_nothing(host: Host, apart: int) -> None:
    host.look(START, notice(INFO))

    assert len(host.look(START + apart * NS_PER_SECOND, notice(INFO))) == 1


def test_of_a_storm_the_first_comes_at_once_and_the_rest_as_one_digest(host: Host) -> None:
    storm = [notice(source=f"unit-{number}") for number in range(40)]

    assert host.look(START, *storm) == ["warning h1: disk_low of unit-0"]
    assert host.look(START + 54 * NS_PER_SECOND) == []
    assert host.look(START + 55 * NS_PER_SECOND) == ["warning h1: 39 more notices"]
    assert host.messages[-1].body.splitlines()[0] == ("WARNING unit-1: disk_low of unit-1 (since Mon 23 Nov 10:00 IST)")
    assert all(f"unit-{number}:" in host.messages[-1].body for number in range(1, 40))
    assert host.look(START + 20 * MINUTE) == []


def test_the_gravest_of_a_storm_is_the_first(host: Host) -> None:
    said = host.look(START, notice(INFO), notice(CRITICAL, "disk_full"), notice(WARNING, "clock"))

    assert said == ["critical h1: disk_full of recorder"]
    assert host.look(START + MINUTE) == ["warning h1: 2 more notices"]


def test_what_is_graver_than_all_before_does_not_wait(host: Host) -> None:
    host.look(START, notice(INFO))

    assert host.look(START + NS_PER_SECOND, notice(WARNING, "clock")) == ["warning h1: clock of recorder"]
    assert host.look(START + 2 * NS_PER_SECOND, notice(WARNING, "other")) == []
    assert host.look(START + 3 * NS_PER_SECOND, notice(CRITICAL, "disk_full")) == ["critical h1: disk_full of recorder"]
    assert host.look(START + MINUTE) == ["warning h1: other of recorder"]


def test_an_endless_storm_is_told_ever_more_rarely(host: Host) -> None:
    said = []
    for minute in range(120):
        now = START + minute * MINUTE
        said += [minute] if host.look(now, *(notice(source=f"{minute}-{each}") for each in range(3))) else []

    assert said[:6] == [0, 1, 3, 7, 15, 25]
    assert len(said) <= 15, "an hour has six digests at most, once it is known to be a storm"


def test_a_digest_of_what_was_kept_says_nothing_of_the_rest(host: Host) -> None:
    host.look(START, notice(source="a"), notice(source="b"), notice(source="c"))
    host.look(START + MINUTE)

    assert len(host.messages[-1].body.splitlines()) == 2


def test_after_a_storm_a_single_notice_comes_at_once_again(host: Host) -> None:
    host.look(START, notice(source="a"), notice(source="b"))
    host.look(START + MINUTE)

    assert len(host.look(START + 10 * MINUTE, notice(source="c"))) == 1
    assert host.book.window_seconds == 55


def test_one_all_clear_names_what_is_clear(host: Host) -> None:
    host.minutes(3, notice(source="a"), notice(CRITICAL, "data", "b"))

    said = host.minutes(3, start=START + 5 * MINUTE)

    assert said == ["0 clear h1: all clear"]
    assert host.messages[-1].body.splitlines() == [
        "Clear since Mon 23 Nov 10:05 IST: a: disk_low of a",
        "Clear since Mon 23 Nov 10:05 IST: b: data of b",
    ]


def test_an_all_clear_names_what_is_still_open(host: Host) -> None:
    one, two, three = notice(source="a"), notice(source="b"), notice(source="c")
    host.minutes(3, one, two, three)
    said = host.minutes(1, three, start=START + 4 * MINUTE)

    assert said == ["0 clear h1: 2 are clear, 1 still open"]
    assert host.messages[-1].body.splitlines()[-1] == "Still open: c: disk_low of c"


def test_a_single_all_clear_says_it_in_its_title(host: Host) -> None:
    host.minutes(1, notice())

    assert host.minutes(1, start=START + MINUTE) == ["0 clear h1: clear: disk_low of recorder"]


def test_an_all_clear_in_the_words_of_who_gave_it(host: Host) -> None:
    host.look(START, notice(cause="no_token", source="reminder"), notice(cause="other", source="script"))
    end_notices(host.book, "reminder", "", START + MINUTE, "The token is in place\nValid until 06:30.")

    assert host.look(START + MINUTE)[0] == "warning h1: other of script"
    assert titles(host.messages)[-1] == "clear h1: The token is in place"
    assert host.messages[-1].body == (
        "Clear since Mon 23 Nov 10:01 IST: reminder: no_token of reminder The token is in place Valid until 06:30."
    )


def test_only_the_named_cause_and_source_end(host: Host) -> None:
    for each in (notice(source="a"), notice(cause="other", source="a"), notice(source="b")):
        raise_notice(host.book, each, START)
    end_notices(host.book, "a", "other", START)

    assert [entry.open for entry in host.book.entries] == [True, False, True]


def test_what_was_not_told_yet_and_is_over_is_told_as_over_and_needs_no_all_clear(host: Host) -> None:
    host.look(START, notice(source="a"), notice(source="b"))
    end_notices(host.book, "b", "disk_low", START + NS_PER_SECOND)

    assert host.look(START + MINUTE) == ["warning h1: disk_low of b"]
    assert "over since Mon 23 Nov 10:00 IST" in host.messages[-1].body
    assert host.look(START + 3 * MINUTE) == []


def test_one_that_comes_and_goes_is_told_at_its_pace_with_how_often(host: Host) -> None:
    said = []
    for minute in range(0, 32, 2):
        said += host.minutes(1, notice(), start=START + minute * MINUTE)
        said += host.minutes(1, start=START + (minute + 1) * MINUTE)

    assert [each.split()[1] for each in said] == ["warning", "clear", "warning", "clear"]
    assert "15 times, since Mon 23 Nov 10:30 IST." in host.messages[2].body


def test_an_all_clear_waits_for_the_digest_of_a_storm(host: Host) -> None:
    host.look(START, notice(source="a"), notice(source="b"))
    end_notices(host.book, "a", "disk_low", START + NS_PER_SECOND)

    assert host.look(START + 30 * NS_PER_SECOND) == []
    assert host.look(START + MINUTE) == ["warning h1: disk_low of b", "clear h1: clear: disk_low of a"]


def test_a_notice_of_a_script_is_not_listed_as_open_for_ever(host: Host) -> None:
    host.look(START, notice(source="script"))
    host.minutes(1, notice(source="a"), start=START + MINUTE)
    host.minutes(1, start=START + 2 * MINUTE)

    assert host.messages[-1].title == "h1: clear: disk_low of a"
    assert "Still open" not in host.messages[-1].body


def test_a_unit_that_failed_is_listed_as_open(host: Host) -> None:
    host.look(START, notice(cause="unit_failed", source="close"))
    host.minutes(1, notice(source="a"), start=START + MINUTE)
    host.minutes(1, start=START + 2 * MINUTE)

    assert "Still open: close: unit_failed of close" in host.messages[-1].body


def test_what_ended_is_forgotten_once_it_could_be_told_again(host: Host) -> None:
    host.minutes(1, notice(INFO))
    host.minutes(1, start=START + MINUTE)
    host.look(START + 59 * MINUTE)
    assert len(host.book.entries) == 1

    host.look(START + 60 * MINUTE)
    assert host.book.entries == []


def test_what_nobody_ends_is_remembered_for_a_fortnight(host: Host) -> None:
    host.look(START, notice())
    host.look(START + 14 * 1440 * MINUTE - 1)
    assert len(host.book.entries) == 1

    host.look(START + 14 * 1440 * MINUTE)
    assert host.book.entries == []


def test_causes_without_end_take_no_memory_without_end_and_are_counted(host: Host) -> None:
    host.look(START, *(notice(source=f"s{number:03}") for number in range(203)))
    host.look(START + MINUTE)

    assert len(host.book.entries) == 200
    assert titles(host.messages)[-1] == "warning h1: 199 more notices"
    assert len(host.messages[-1].body) < 4096
    assert host.book.beyond == 0
    assert "more: the log of the alerts has them." in host.messages[-1].body.splitlines()[-1]


def test_a_notice_says_where_it_comes_from_and_what_to_do(host: Host) -> None:
    host.look(START, notice(CRITICAL, "data", "fyers-hsm", text="No data\nof 5 symbols", remedy="See ./inv logs."))

    [message] = host.messages
    assert message == Message(
        CRITICAL,
        "data",
        "h1: No data",
        "of 5 symbols\nWhat to do: See ./inv logs.\nCRITICAL from fyers-hsm (data) on h1, since Mon 23 Nov 10:00 IST.",
    )
    assert [entry.source for entry in host.entries] == ["fyers-hsm"]


def test_a_digest_says_what_to_do_and_what_was_not_kept(host: Host) -> None:
    host.book.beyond = 3
    host.look(START, notice(source="a"), notice(source="b", remedy="Do b."), notice(source="c"))
    host.look(START + MINUTE)

    assert host.messages[-1].cause == "digest"
    assert host.messages[-1].body.splitlines() == [
        "WARNING b: disk_low of b (since Mon 23 Nov 10:00 IST) What to do: Do b.",
        "WARNING c: disk_low of c (since Mon 23 Nov 10:00 IST)",
        "3 notices of further causes were not kept.",
    ]


def test_a_notice_of_one_line_has_no_empty_ones(host: Host) -> None:
    host.look(START, notice())

    assert host.messages[0].body == "WARNING from recorder (disk_low) on h1, since Mon 23 Nov 10:00 IST."


def test_a_body_is_bounded_whole_lines_first() -> None:
    assert fit(["a" * 10]) == "a" * 10
    assert fit(["a" * 4_000]) == "a" * BODY_LENGTH
    assert fit(["a" * 2_000, "b" * 999, "c"]).splitlines()[1:] == ["... and 2 more: the log of the alerts has them."]
    assert fit(["a" * 2_000, "b" * 998]).splitlines()[1:] == ["b" * 998]


def test_what_a_channel_missed_is_one_message_of_the_gravest_severity() -> None:
    missed = [Message(INFO, "a", "first", "one"), Message(CRITICAL, "b", "second", "two")]

    assert join(missed) == Message(
        CRITICAL, "b", "2 messages of a time in which this channel took none", "first\none\nsecond\ntwo"
    )
    assert join([missed[1], missed[1]._replace(cause="c")]).cause == "b", "of equals the first"
