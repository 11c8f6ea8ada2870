"""Of whose candles people are told, and when that is over."""

from harvester.ledger.outage import Outage
from harvester.price_feed.asking import Round
from harvester.price_feed.raw_form import RawAnswer
from harvester.price_feed.trouble import ALL, Trouble, judge, read_trouble

A, B = "NSE:A-EQ", "NSE:B-EQ"
DOWN = Outage("server_error", "HTTP 503")


def rounds(*failing: str) -> list[tuple[list[str], list[str]]]:
    """Of rounds in which these fail ("": none, "AB": both) who is told to fail, and to come again."""
    trouble, told = Trouble(), []
    for each in failing:
        failed = {symbol: DOWN for symbol in (A, B) if symbol[4] in each}
        answers = {symbol: RawAnswer(0, b"") for symbol in (A, B) if symbol not in failed}
        news = judge(trouble, Round(answers, failed))
        told.append((list(news.begun), list(news.ended)))
        trouble = read_trouble(news.trouble.write())
    return told


def test_one_failure_that_the_next_round_heals_is_told_of_nothing() -> None:
    assert rounds("A", "", "B", "A", "") == [([], [])] * 5


def test_a_symbol_that_fails_twice_is_told_once_and_its_end_once() -> None:
    assert rounds("A", "A", "A", "", "") == [([], []), ([A], []), ([], []), ([], [A]), ([], [])]


def test_another_symbol_is_told_on_its_own() -> None:
    both = "AB"
    assert judge(Trouble((A, B), (A,)), Round({"NSE:C-EQ": RawAnswer(0, b"")}, {A: DOWN, B: DOWN})).begun == {
        B: "server_error (HTTP 503)"
    }
    assert rounds("", both) == [([], []), ([ALL], [])]


def test_a_round_without_any_data_is_told_at_once_and_once_and_its_end_is_told() -> None:
    assert rounds("AB", "AB", "", "AB") == [([ALL], []), ([], []), ([], [ALL]), ([ALL], [])]


def test_what_was_told_of_a_symbol_is_not_forgotten_by_a_round_without_any_data() -> None:
    assert rounds("A", "A", "AB", "A", "") == [([], []), ([A], []), ([ALL], []), ([], [ALL]), ([], [A])]


def test_a_memory_that_cannot_be_read_is_none() -> None:
    for text in ("", "[]", "{", '{"failing": 1, "told": []}', '{"told": []}'):
        assert read_trouble(text) == Trouble()


def test_a_failure_before_a_round_without_any_data_counts_after_it() -> None:
    assert rounds("A", "AB", "A") == [([], []), ([ALL], []), ([A], [ALL])]


def test_a_round_without_any_data_is_of_all_symbols_and_counts_for_no_single_one() -> None:
    """The next round, in which one fails and the others come, is its first failure: the one after it may heal it."""
    assert rounds("AB", "A", "") == [([ALL], []), ([], [ALL]), ([], [])]
    assert rounds("AB", "A", "A") == [([ALL], []), ([], [ALL]), ([A], [])]
    assert rounds("", "AB", "B", "A", "A") == [([], []), ([ALL], []), ([], [ALL]), ([], []), ([A], [])]
