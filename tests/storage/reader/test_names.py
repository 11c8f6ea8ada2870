"""A symbol goes by any name that fits it alone; what fits nothing, or too much, is said with what to do."""

from datetime import date, timedelta
from typing import Any

import pytest
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.reader.days import FRIDAY, MONDAY, TCS, THURSDAY

from harvester.reader import Lake
from harvester.reader.errors import AmbiguousNameError, QuestionError, UnknownSymbolError
from harvester.reader.symbols import names_of, resolve


class Recorded:
    """A day of one host: its symbols, with their identifiers."""

    def __init__(self, day: object, symbols: dict[str, set[str]], host: str = "a") -> None:
        self.date, self.host = day, host
        self.segments = dict.fromkeys(symbols, "nse_cash")
        self.identifiers = {name: frozenset(ids) for name, ids in symbols.items() if ids}


@pytest.mark.parametrize("name", ["NSE:SBIN-EQ", "SBIN-EQ", "SBIN", "sbin", "nse:sbin-eq"])
def test_any_name_that_fits_one_symbol(lake: Lake, name: str) -> None:
    assert lake.depth(name, THURSDAY).arrow().equals(lake.depth(SBIN, THURSDAY).arrow())


def test_short_forms() -> None:
    assert names_of("NSE:M&M-EQ") == {"NSE:M&M-EQ", "M&M-EQ", "M&M"}
    assert names_of("NSE:BAJAJ-AUTO-EQ") == {"NSE:BAJAJ-AUTO-EQ", "BAJAJ-AUTO-EQ", "BAJAJ-AUTO"}
    assert names_of("NSE:SBIN26NOVFUT") == {"NSE:SBIN26NOVFUT", "SBIN26NOVFUT"}


def test_a_name_that_fits_two_is_refused() -> None:
    day = Recorded(THURSDAY, {"NSE:SBIN-EQ": set(), "BSE:SBIN-A": set()})
    with pytest.raises(AmbiguousNameError, match=r"BSE:SBIN-A, NSE:SBIN-EQ"):
        resolve("SBIN", [day], [day], None)  # type: ignore[list-item]
    assert resolve("NSE:SBIN-EQ", [day], [day], None) == {day: "NSE:SBIN-EQ"}  # type: ignore[list-item]


def test_a_rename_is_followed_by_the_identifier_both_ways() -> None:
    old = Recorded(THURSDAY, {"NSE:TATAMOTORS-EQ": {"10100000003456", "INE155A01022"}})
    new = Recorded(FRIDAY, {"NSE:TMPV-EQ": {"10100000003456", "INE155A01022"}, "NSE:TVSMOTOR-EQ": {"1"}})
    lake = [old, new]
    wanted = {old: "NSE:TATAMOTORS-EQ", new: "NSE:TMPV-EQ"}
    for name in ("TATAMOTORS", "TMPV", "INE155A01022", "10100000003456"):
        assert resolve(name, lake, lake, None) == wanted  # type: ignore[arg-type]
    assert resolve("TATAMOTORS", [new], lake, None) == {new: "NSE:TMPV-EQ"}  # type: ignore[list-item,arg-type]


@pytest.mark.parametrize(
    ("here", "there", "first"),
    [(FRIDAY - timedelta(days=4), MONDAY, "new"), (FRIDAY - timedelta(days=2), MONDAY, "old"),
     (FRIDAY - timedelta(days=3), MONDAY, "old")],
    ids=["the later day is nearer", "the earlier day is nearer", "as far: the earlier day"],
)  # fmt: skip
def test_a_name_of_other_days_alone_means_what_it_was_on_the_nearest(here: date, there: date, first: str) -> None:
    """The lake's days come in their order."""
    asked = Recorded(FRIDAY, {"NSE:OLD-EQ": {"1"}, "NSE:NEW-EQ": {"2"}})
    lake: Any = [Recorded(here, {"NSE:ABC-EQ": {"1"}}), asked, Recorded(there, {"NSE:ABC-EQ": {"2"}})]

    assert resolve("ABC", lake[1:2], lake, None) == {asked: f"NSE:{first.upper()}-EQ"}  # type: ignore[comparison-overlap]


def test_a_name_that_fits_two_on_another_day_is_refused_by_itself() -> None:
    lake: Any = [Recorded(THURSDAY, {"NSE:SBIN-EQ": set(), "BSE:SBIN-A": set()}), Recorded(FRIDAY, {TCS: set()})]
    with pytest.raises(AmbiguousNameError, match=r"^'sbin' fits BSE:SBIN-A, NSE:SBIN-EQ\."):
        resolve("sbin", lake[1:], lake, None)


def test_a_name_that_passed_to_another_instrument_is_not_followed_across() -> None:
    old = Recorded(THURSDAY, {"NSE:ABC-EQ": {"1"}})
    new = Recorded(FRIDAY, {"NSE:ABC-EQ": {"2"}})
    with pytest.raises(AmbiguousNameError):
        resolve("ABC", [old, new], [old, new], None)  # type: ignore[list-item]
    assert resolve("1", [old, new], [old, new], None) == {old: "NSE:ABC-EQ"}  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("old", "new", "is_followed"),
    [
        (("NSE:A-EQ", {"101", "INE155A01022"}), ("NSE:A-BE", {"102", "INE155A01022"}), True),  # another series
        (("NSE:A-EQ", {"101", "INE155A01022"}), ("NSE:B-EQ", {"101", "INE155A01030"}), True),  # shares were split
        (("NSE:A-EQ", {"101", "INE155A01022"}), ("NSE:B-EQ", {"101", "INE999A01022"}), False),  # the number was reused
        (("NSE:A-EQ", {"101", "INE155A01022"}), ("BSE:B-A", {"121", "INE155A01022"}), False),  # another exchange
        (("NSE:A-EQ", set()), ("NSE:B-EQ", {"101", "INE155A01022"}), False),
        (("NSE:A26DECFUT", {"101"}), ("NSE:B26DECFUT", {"101"}), True),  # a derivative has no issuer
        (("NSE:A-EQ", {"101"}), ("NSE:B-EQ", {"101", "INE155A01022"}), True),
        (("NSE:A-EQ", {"101", "INE155A01022"}), ("NSE:B-EQ", {"101"}), True),
    ],
)
def test_an_instrument_is_followed_by_what_is_permanent(old: Any, new: Any, is_followed: bool) -> None:
    days = [Recorded(THURSDAY, dict([old])), Recorded(FRIDAY, dict([new]))]
    wanted = {days[0]: old[0]} | ({days[1]: new[0]} if is_followed else {})
    assert resolve(old[0], days, days, None) == wanted  # type: ignore[arg-type]


def test_days_with_and_without_identifiers_are_of_one_symbol() -> None:
    """Older days have none."""
    days = [Recorded(THURSDAY, {SBIN: set()}), Recorded(FRIDAY, {SBIN: {"1"}}), Recorded(MONDAY, {SBIN: {"2"}})]
    for pair in (days[:2], days[1::-1], [days[0], days[2]]):
        assert resolve("SBIN", pair, pair, None) == dict.fromkeys(pair, SBIN)  # type: ignore[arg-type]
    with pytest.raises(AmbiguousNameError):
        resolve("SBIN", days, days, None)  # type: ignore[arg-type]


def test_a_symbol_of_another_day_says_on_which(lake: Lake) -> None:
    with pytest.raises(UnknownSymbolError, match=r"not recorded on 2026-11-20\. This lake has it on 2026-11-19"):
        lake.depth("INFY", FRIDAY)
    assert {*lake.depth("INFY").arrow()["symbol"].to_pylist()} == {INFY}


def test_a_symbol_that_never_was_gets_no_guess_from_its_spelling(lake: Lake) -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        lake.depth("SBINN", FRIDAY)
    assert "NSE:SBIN-EQ," not in str(caught.value)
    assert "lake.symbols('2026-11-20')" in str(caught.value)


def test_a_symbol_that_two_hosts_recorded_needs_a_host() -> None:
    days = [Recorded(MONDAY, {TCS: set()}, host) for host in ("a", "b")]
    with pytest.raises(AmbiguousNameError, match=r"a, b\. Name one with host="):
        resolve("TCS", days, days, None)  # type: ignore[arg-type]
    assert resolve("TCS", days, days, "b") == {days[1]: TCS}  # type: ignore[arg-type,comparison-overlap]
    with pytest.raises(UnknownSymbolError, match="by a, b"):
        resolve("TCS", days, days, "c")  # type: ignore[arg-type]


@pytest.mark.parametrize("symbols", [[], ["SBIN", "SBIN"]])
def test_no_symbol_and_one_twice(lake: Lake, symbols: list[str]) -> None:
    with pytest.raises(QuestionError):
        lake.depth(symbols, THURSDAY)
