"""Days of the broker's own candles: rows, revisions, gaps with their causes, and certificates that are checked."""

import json
from pathlib import Path

import pytest
from tests.journals import OPEN_NS
from tests.storage.lake.candles import (
    BARS,
    CLOSE_NS,
    FINAL_AFTER,
    INFY,
    MINUTE,
    SBIN,
    SETTLES_NS,
    WIDTH,
    CandlePlace,
    bar,
    said,
)

from harvester.calendar import Phase
from harvester.commands.close import describe
from harvester.lake.certificate.balance import check_day
from harvester.lake.certificate.candles import check_entry
from harvester.lake.close import NotOverError
from harvester.lake.day.candles import CandlesExpected
from harvester.lake.gaps.polls import GapRow
from harvester.lake.manifest import load_manifest

BOTH = (SBIN, INFY)
OTHERWISE = "the gap at 5 does not hold the 1 bars it names, each once"
ALL = said(*map(bar, range(BARS)))


@pytest.fixture
def host(tmp_path: Path) -> CandlePlace:
    return CandlePlace(tmp_path)


def test_a_whole_day_is_a_final_row_for_each_bar(host: CandlePlace) -> None:
    host.record_all()
    host.close()

    table = host.table()
    assert [row["ts_begin"] for row in table] == [OPEN_NS + number * WIDTH for number in range(BARS)]
    assert {row["resolution_ns"] for row in table} == {WIDTH}
    first = table[0]
    prices = [first[f"{name}_paise"] for name in ("open", "high", "low", "close")]
    assert (prices, first["volume"]) == ([80_000, 80_125, 79_995, 80_050], 100)
    assert (first["final"], first["revision"], first["source"]) == (True, 0, "live")
    assert first["ts_recv"] == OPEN_NS + int(5.1 * MINUTE) + 40_000_000
    assert all(row["final"] for row in table) and host.gaps() == []
    entry = host.entry()
    assert (entry["expected"], entry["recorded"], entry["coverage"], entry["answers"]) == (BARS, BARS, 1.0, BARS + 1)
    assert (entry["revised"], entry["rejected"], entry["gaps_by_cause"]) == (0, {}, {})


def test_a_bar_that_is_being_formed_is_no_row(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.answer(7, SBIN, said(bar(0), bar(1, 800.1, 7)))
    recorder.answer(45, SBIN, ALL)
    recorder.answer(45, INFY, ALL)
    recorder.stop()
    host.close()

    assert len(host.table()) == BARS and host.entry()["revised"] == 0


def test_a_bar_that_the_broker_revises_keeps_what_it_was(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.answer(5.1, SBIN, said(bar(0, 800.1, 7)))
    recorder.answer(10.1, SBIN, said(bar(0, 800.2, 9), bar(1)))
    recorder.answer(45, SBIN, said(bar(0, 800.2, 9), *map(bar, range(1, BARS))))
    recorder.answer(45, INFY, ALL)
    recorder.stop()
    host.close()

    told = [(row["close_paise"], row["volume"], row["revision"], row["final"]) for row in host.table()[:2]]
    assert told == [(80_010, 7, 0, False), (80_020, 9, 1, True)]
    entry = host.entry()
    assert (entry["revised"], entry["recorded"], entry["final"]) == (1, BARS, BARS)


def test_a_failed_request_that_the_next_one_heals_is_no_gap(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.fail(5.1, BOTH, "timeout")
    recorder.answer(10.1, SBIN, b'{"s":"error","code":-99,"message":"no"}', 500)
    for symbol in BOTH:
        recorder.answer(45, symbol, ALL)
    recorder.stop()
    host.close()

    assert host.gaps() == [] and (host.entry()["bad_answers"], host.entry(INFY)["bad_answers"]) == (1, 0)


def test_bars_that_no_answer_brought_have_the_cause_of_the_request_that_should_have(host: CandlePlace) -> None:
    recorder = host.candles()
    for symbol in BOTH:
        recorder.answer(10.1, symbol, said(bar(0), bar(1)))
    recorder.fail(15.1, BOTH, "timeout")
    recorder.fail(20.1, [SBIN], "no_token")
    recorder.answer(20.1, INFY, b'{"s":"error","code":-300,"message":"what?"}', 400)
    recorder.fail(25.1, [SBIN], "no_token")
    recorder.fail(45, [SBIN], "disconnect")
    recorder.stop()
    host.close()

    assert host.lost() == [(2, 3, "timeout", 1), (3, 5, "no_token", 2), (5, 6, "disconnect", 1)]
    assert host.lost(INFY)[:2] == [(2, 3, "timeout", 1), (3, 4, "not_listed", 1)]
    assert host.entry()["gaps_by_cause"] == {"disconnect": 1, "no_token": 2, "timeout": 1}


def test_a_bar_without_a_candle_in_an_answer_is_a_gap_that_says_so(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.answer(45, SBIN, said(bar(0), bar(1), bar(4), bar(5)))
    recorder.answer(45, INFY, said())
    recorder.stop()
    host.close()

    assert host.lost() == [(2, 4, "no_data", 2)] and host.lost(INFY) == [(0, BARS, "no_data", BARS)]


def test_a_rejected_candle_is_a_gap_and_counted_once(host: CandlePlace) -> None:
    wrong = [*bar(1)[:2], 799, 800, *bar(1)[4:]]
    recorder = host.candles()
    for minutes in (10.1, 45):
        recorder.answer(minutes, SBIN, said(bar(0), wrong, bar(2), [*bar(3)[:5], -1], [*bar(4)[:4], 0, 5], bar(5)))
        recorder.answer(minutes, INFY, said(*map(bar, range(BARS)), [1, 2, 2, 2, 2, 2]))
    recorder.stop()
    host.close()

    assert host.entry()["rejected"] == {"high_below_low": 1, "negative_volume": 1, "price_zero": 1}
    assert host.lost() == [(1, 2, "bad_response", 1), (3, 4, "bad_response", 1), (4, 5, "bad_response", 1)]
    assert host.entry(INFY)["rejected"] == {"other_day": 1} and host.gaps(INFY) == []


def test_a_day_stored_twice_in_an_answer_is_there_once(host: CandlePlace) -> None:
    recorder = host.candles()
    candles = [*map(bar, range(BARS))]
    recorder.answer(45, SBIN, said(*candles, *candles))
    recorder.answer(45, INFY, said(*candles, bar(0, 790)))
    recorder.stop()
    host.close()

    assert len(host.table()) == BARS and host.entry()["revised"] == 0
    assert len(host.table(INFY)) == BARS and host.table(INFY)[0]["close_paise"] == 79_000


def test_what_trades_outside_the_due_bars_is_kept(host: CandlePlace) -> None:
    recorder = host.candles()
    for symbol in BOTH:
        recorder.answer(60, symbol, said(*map(bar, range(BARS + 2))))
    recorder.stop()
    phases = (Phase("continuous", OPEN_NS, CLOSE_NS), Phase("closing_auction", CLOSE_NS, CLOSE_NS + 2 * WIDTH))
    host.close(phases={"nse_cash": phases}, now_ns=SETTLES_NS + 2 * WIDTH)

    assert len(host.table()) == BARS + 2 and host.entry()["off_schedule"] == 2 and host.gaps() == []


def test_a_day_that_nobody_recorded_is_gaps_alone(host: CandlePlace) -> None:
    host.close()

    assert host.lost() == [(0, BARS, "not_running", BARS)]
    assert host.entry()["coverage"] == 0.0


@pytest.mark.parametrize(
    ("minutes", "lost"),
    [(11, [(2, BARS, "stopped", BARS - 2)]), (25, [(2, 3, "unknown", 1), (3, BARS, "stopped", BARS - 3)])],
)
def test_a_run_that_ended_within_two_rounds_of_a_bar_is_the_cause(
    host: CandlePlace, minutes: int, lost: list[tuple[int, int, str, int]]
) -> None:
    recorder = host.candles()
    recorder.answer(10.1, SBIN, said(bar(0), bar(1)))
    recorder.answer(10.2, INFY, said(bar(0), bar(1)))
    recorder.stop(minutes)
    host.close()

    assert host.lost() == lost


def test_a_later_start_heals_the_whole_day(host: CandlePlace) -> None:
    host.candles().stop(11)
    recorder = host.candles()
    for symbol in BOTH:
        recorder.answer(44, symbol, ALL)
    recorder.stop()
    host.close()

    assert host.gaps() == [] and [row["final"] for row in host.table()] == [True] * 5 + [False]


def test_two_windows_have_no_bar_between_them(host: CandlePlace) -> None:
    phases = (
        Phase("continuous", OPEN_NS, OPEN_NS + 2 * WIDTH),
        Phase("continuous", OPEN_NS + 4 * WIDTH, OPEN_NS + 6 * WIDTH),
    )
    recorder = host.candles()
    recorder.answer(45, SBIN, said(bar(0), bar(5)))
    recorder.answer(45, INFY, said(bar(0), bar(1), bar(4), bar(5)))
    recorder.stop()
    host.close(phases={"nse_cash": phases})

    assert host.lost() == [(1, 2, "no_data", 1), (4, 5, "no_data", 1)] and host.gaps(INFY) == []
    assert host.entry()["expected"] == 4


def test_the_day_is_not_closed_before_its_bars_have_settled(host: CandlePlace) -> None:
    host.record_all()
    with pytest.raises(NotOverError, match="10:00:00"):
        host.close(now_ns=SETTLES_NS - 1)
    host.close()


def test_a_day_recorded_before_the_setting_went_is_still_closed_with_its_candles(host: CandlePlace) -> None:
    host.record_all()
    host.close(candles=CandlesExpected())
    assert len(host.table()) == BARS and host.entry()["recorded"] == BARS


def test_a_day_keeps_the_resolution_that_it_was_recorded_with(host: CandlePlace) -> None:
    """The setting was 15 minutes when the day was closed, and 5 when it was recorded."""
    host.record_all()
    host.close(candles=CandlesExpected(BOTH, 3 * WIDTH, FINAL_AFTER))
    assert [row["resolution_ns"] for row in host.table()] == [WIDTH] * BARS
    assert (host.certificate()["candles"]["resolution_ns"], host.entry()["recorded"]) == (WIDTH, BARS)


def test_a_bar_that_ends_with_trading_is_whole_then(host: CandlePlace) -> None:
    """Trading ends 2 minutes into the last bar, and a request of a minute later brings it."""
    closes_ns = OPEN_NS + (BARS - 1) * WIDTH + 2 * MINUTE
    recorder = host.candles()
    for minutes in (26.9, 28):
        recorder.answer(minutes, SBIN, ALL)
    recorder.stop()
    host.close(phases={"nse_cash": (Phase("continuous", OPEN_NS, closes_ns),)})

    last = host.table()[-1]
    assert (last["ts_begin"], last["ts_recv"]) == (OPEN_NS + 5 * WIDTH, OPEN_NS + 28 * MINUTE + 40_000_000)
    assert host.lost() == []


def test_a_day_without_candles_has_no_table_and_no_section(host: CandlePlace) -> None:
    host.close(candles=CandlesExpected())
    assert "candles" not in host.certificate()
    manifest = load_manifest(host.lake, host.partition)
    assert manifest and not manifest.find("candles")


@pytest.mark.parametrize(
    ("key", "value", "flaw"),
    [
        ("expected", 5, "expected is 5, counted 6"),
        ("recorded", 5, "recorded is 5, counted 6"),
        ("final", 0, "final is 0, counted 6"),
        ("revised", 1, "revised is 1, counted 0"),
        ("off_schedule", 1, "off_schedule is 1, counted 0"),
        ("gaps_by_cause", {"timeout": 1}, "gaps_by_cause is {'timeout': 1}, counted {}"),
    ],
)
def test_a_certificate_that_is_not_what_the_files_have_is_a_flaw(
    host: CandlePlace, key: str, value: object, flaw: str
) -> None:
    host.record_all()
    host.close()
    certificate = host.certificate()
    certificate["candles"]["symbols"][SBIN][key] = value
    manifest = load_manifest(host.lake, host.partition)
    assert manifest
    assert check_day(host.lake, certificate, manifest.files) == [f"{SBIN}: fyers-history: {flaw}"]


def test_a_gap_over_a_bar_that_is_there_is_a_flaw(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.answer(45, SBIN, said(bar(0), bar(1)))
    recorder.answer(45, INFY, ALL)
    recorder.stop()
    host.close()
    certificate = json.loads(json.dumps(host.certificate()))
    certificate["candles"]["due"]["nse_cash"] = certificate["candles"]["due"]["nse_cash"][:4]
    manifest = load_manifest(host.lake, host.partition)
    assert manifest
    flaws = check_day(host.lake, certificate, manifest.files)
    assert any("does not hold the 4 bars it names" in flaw for flaw in flaws)


@pytest.mark.parametrize(
    ("rows", "gap", "flaws"),
    [
        ([0, 1], (2, 3), []),
        ([0, 1, 2], (2, 3), ["1 bars have a row and are in a gap", "recorded is 2, counted 3"]),
        ([0, 1], (5, 6), [OTHERWISE, "1 bars have neither a row nor a gap"]),
    ],
)
def test_each_bar_that_is_due_has_either_a_row_or_a_gap(
    rows: list[int], gap: tuple[int, int], flaws: list[str]
) -> None:
    entry = {"expected": 3, "recorded": 2, "final": len(rows), "revised": 0, "off_schedule": 0}
    gaps = [GapRow(SBIN, "fyers-history", *gap, "timeout", "", 1, "derived")]
    due = [(0, 1), (1, 2), (2, 3)]
    found = check_entry(entry | {"gaps_by_cause": {"timeout": 1}}, due, [(each, 0, True) for each in rows], gaps)
    assert found == flaws


def test_bars_that_a_certificate_cannot_explain_are_a_flaw(host: CandlePlace) -> None:
    host.record_all()
    host.close()
    certificate = host.certificate()
    certificate["candles"]["unexplained_bars"] = 2
    manifest = load_manifest(host.lake, host.partition)
    assert manifest
    assert check_day(host.lake, certificate, manifest.files) == ["2 bars are unexplained"]


def test_the_same_journal_gives_the_same_day(host: CandlePlace) -> None:
    host.record_all()
    host.close()
    before = host.current("candles").name.rpartition("-")[2]
    host.close(rebuild=True)
    assert host.current("candles").name.rpartition("-")[2] == before


def test_what_the_close_says_has_a_line_for_each_symbol(host: CandlePlace) -> None:
    recorder = host.candles()
    recorder.answer(5.1, SBIN, said(bar(0, 800.1)))
    recorder.answer(45, SBIN, ALL)
    recorder.answer(45, INFY, said(bar(0), [*bar(1)[:5], -1]))
    recorder.stop()

    lines = describe(host.close()).splitlines()
    assert f"  {SBIN} (fyers-history): 6 bars of 6, 1 revised, 0 rejected; gap bars: none" in lines
    assert f"  {INFY} (fyers-history): 1 bars of 6, 0 revised, 1 rejected; gap bars: bad_response 1, no_data 4" in lines
