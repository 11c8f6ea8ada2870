"""The symbol master decides each symbol's segment, and its own session field is held against the calendar."""

import json
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.field.test_segments import FUTURE, GOLD, HOURS, SBIN, write_calendar
from tests.recorder.bench import Bench, hand_over
from tests.recorder.fakes import make_settings
from tests.recorder.minute import OPEN_NS, SECOND, at, record

from harvester.brokers.fyers.segments import MasterRow, assign_segments, find_contradictions
from harvester.calendar import TradingCalendar
from harvester.calendar.segments import guess_segment
from harvester.capture.reassignment import Reassignment
from harvester.config.segments import FILE, find_segments, keep_segments
from harvester.health.checks import check_health
from harvester.ledger.outage import Outage
from harvester.ledger.segments import SegmentLedgers
from harvester.ledger.streams import StreamLedger

IN_FORCE = date(2026, 11, 30)
MANY = frozenset({"SBIN", *(f"N{number}" for number in range(60))})
"""Names that have derivatives, as many as a whole master has at least."""
PLAIN = "0915-1530|1815-1915:"
EVENING = "0900-2355|1815-1915:"


@pytest.mark.parametrize(
    ("symbol", "token", "session", "name", "segment"),
    [
        ("NSE:SBIN-EQ", "10100000003045", PLAIN, "SBIN", "nse_cash"),
        ("NSE:656MH32-SG", "10100000001000", PLAIN, "656MH32", "nse_cash_other"),
        ("NSE:NIFTY50-INDEX", "101000000026000", PLAIN, "NIFTY", "nse_cash"),
        ("NSE:BAJAJ-AUTO26DECFUT", "101126122960001", "0915-1540|1815-1915:", "BAJAJ-AUTO", "nse_fo"),
        ("NSE:USDINR26DECFUT", "101226122960001", "0900-1700|1815-1915:", "USDINR", "nse_currency"),
        ("NSE:CRUDEOIL26OCTFUT", "102026102835001", EVENING, "CRUDEOIL", "nse_commodity"),
        ("BSE:SBIN-A", "12100000500112", PLAIN, "SBIN", "bse_cash"),
        ("BSE:TINY-B", "12100000500999", PLAIN, "TINY", "bse_cash_other"),
        ("MCX:GOLD26DECFUT", "1120261205435823", EVENING, "GOLD", "mcx"),
        ("MCX:COTTON26DECFUT", "1120261205435824", "0900-2100|1815-1915:", "COTTON", "mcx_agri_global"),
        ("MCX:CARDAMOM26DECFUT", "1120261205435825", "0900-1700|1815-1915:", "CARDAMOM", "mcx_agri"),
        ("MCX:NEW26DECFUT", "1120261205435826", "0900-1900|", "NEW", "mcx"),
    ],
)
def test_the_fytoken_and_the_masters_hours_decide(
    symbol: str, token: str, session: str, name: str, segment: str
) -> None:
    listing = MasterRow(symbol, token, session, name)

    assert assign_segments([listing], MANY, TradingCalendar.load(), IN_FORCE) == {symbol: segment}


def test_a_master_of_few_derivatives_classes_nobody_and_an_unknown_code_has_no_segment() -> None:
    calendar = TradingCalendar.load()
    cash = MasterRow("NSE:TINY-EQ", "10100000000042", PLAIN, "TINY")

    assert assign_segments([cash], {"SBIN"}, calendar, IN_FORCE) == {"NSE:TINY-EQ": "nse_cash"}
    assert assign_segments([cash._replace(fy_token="9910")], MANY, calendar, IN_FORCE) == {}


@pytest.mark.parametrize(
    ("segment", "session", "sentence"),
    [
        ("nse_cash", PLAIN, ""),
        ("nse_fo", "0915-1540|1815-1915:", ""),
        (
            "nse_fo",
            PLAIN,
            "nse_fo: the symbol master says 09:15-15:30, the calendar 09:15-15:40, for 2 symbols such as",
        ),
        ("mcx", "0900-2330|1815-1915:", "mcx: the symbol master says 09:00-23:30, the calendar 09:00-23:55"),
        ("nse_fo", "", ""),
        ("nse_fo", "closed", ""),
        ("nse_commodity", EVENING, ""),
    ],
)
def test_a_contradiction_is_one_sentence_a_segment(segment: Any, session: str, sentence: str) -> None:
    listings = [MasterRow(f"NSE:X{number}", "", session, "X") for number in range(2)]

    found = find_contradictions(listings, {one.symbol: segment for one in listings}, TradingCalendar.load(), IN_FORCE)

    assert len(found) == bool(sentence)
    assert "".join(found).startswith(sentence)


def test_the_real_master_contradicts_no_calendar(recorded_data: Path) -> None:
    import csv
    import gzip

    with gzip.open(recorded_data / "fyers_symbol_master/NSE_CM_20250515.csv.gz", "rt", encoding="utf-8") as file:
        listings = [MasterRow(row[9], row[0], row[6], row[13]) for row in csv.reader(file)]
    calendar, day = TradingCalendar.load(), date(2025, 5, 15)

    segments = assign_segments(listings, MANY, calendar, day)

    assert len(segments) == len(listings)
    assert find_contradictions(listings, segments, calendar, day) == []


@pytest.mark.parametrize(
    ("symbol", "segment"),
    [
        ("NSE:BAJAJ-AUTO-EQ", "nse_cash"),
        ("NSE:BAJAJ-AUTO26DECFUT", "nse_fo"),
        ("NSE:NIFTY2632423050PE", "nse_fo"),
        ("NSE:USDINR26DECFUT", "nse_currency"),
        ("BSE:SENSEX26DEC80000CE", "bse_fo"),
        ("BSE:USDINR26DECFUT", "bse_currency"),
        ("BSE:SBIN-A", "bse_cash"),
        ("MCX:GOLD26DECFUT", "mcx"),
    ],
)
def test_until_the_master_has_spoken_the_ticker_is_looked_at(symbol: str, segment: str) -> None:
    assert guess_segment(symbol) == segment


def test_what_the_master_said_is_kept_for_the_next_start_and_a_bad_file_counts_as_none(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, symbols=[SBIN, GOLD])
    guessed = {SBIN: "nse_cash", GOLD: "mcx"}
    assert find_segments(settings) == guessed

    keep_segments(settings, {SBIN: "nse_cash_other", GOLD: "mcx_agri", "NSE:GONE-EQ": "nse_cash"})
    assert find_segments(settings) == {SBIN: "nse_cash_other", GOLD: "mcx_agri"}

    for damaged in ("{", "[]", json.dumps({SBIN: "moon", GOLD: 5})):
        (settings.data_dir / FILE).write_text(damaged, encoding="utf-8")
        assert find_segments(settings) == guessed


def test_a_symbol_that_moves_is_recorded_in_its_segment_by_the_next_run(tmp_path: Path) -> None:
    file = write_calendar(tmp_path / "calendar.json", **HOURS, nse_cash_other=HOURS["nse_cash"])
    settings = make_settings(tmp_path, symbols=[SBIN, FUTURE], calendar={"file": str(file)})
    clock = at(-30)
    hand_over(settings, clock)

    async def story(bench: Bench) -> None:
        context = Mock(settings=settings, segments=find_segments(settings), refused={})
        reassignment = Reassignment(context)
        same = {SBIN: "nse_cash", FUTURE: "nse_fo"}
        assert not reassignment.needs_new_run(bench.recorder, same)
        assert not (settings.data_dir / FILE).exists(), "nothing to say"
        assert reassignment.needs_new_run(bench.recorder, {**same, FUTURE: "mcx"}), "before the opening"
        await clock.advance(40)
        assert not reassignment.needs_new_run(bench.recorder, {**same, SBIN: "nse_cash_other"}), "the same hours"
        assert reassignment.needs_new_run(bench.recorder, {**same, FUTURE: "mcx"}), "other hours, in session"
        both = {SBIN: "nse_cash_other", FUTURE: "mcx"}
        assert reassignment.needs_new_run(bench.recorder, both), "other hours of one, the same of the other"
        assert reassignment.needs_new_run(bench.recorder, {**same, FUTURE: "nse_commodity"}), "no hours at all"

    record(settings, clock, story)

    assert find_segments(settings)[FUTURE] == "nse_commodity"


def test_a_symbol_that_the_master_lacks_today_keeps_the_segment_that_it_had(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, symbols=[SBIN, FUTURE, GOLD])
    context = Mock(settings=settings, segments={SBIN: "nse_cash_other", FUTURE: "nse_fo"}, refused={GOLD: "mcx_agri"})

    assert Reassignment(context).needs_new_run(Mock(window=None), {FUTURE: "nse_commodity"})

    assert find_segments(settings) == {SBIN: "nse_cash_other", FUTURE: "nse_commodity", GOLD: "mcx_agri"}


def test_a_look_up_that_cannot_be_kept_starts_nothing_again(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, symbols=[SBIN])
    reassignment = Reassignment(Mock(settings=settings, segments={SBIN: "nse_cash"}, refused={}))
    (settings.data_dir / FILE).mkdir()
    found = {SBIN: "nse_cash_other"}

    assert [reassignment.needs_new_run(Mock(window=None), found) for _ in range(3)] == [False] * 3


def test_one_connection_of_two_segments_is_accounted_for_by_the_windows_of_each() -> None:
    parts = {"nse_cash": StreamLedger("r", 2, [SBIN]), "mcx": StreamLedger("r-mcx", 2, [GOLD])}
    ledgers = SegmentLedgers(parts)
    parts["nse_cash"].open_window((0, 100))
    parts["mcx"].open_window((0, 1000))
    for symbol in (SBIN, GOLD):
        ledgers.mark_live(symbol, 0, 10)
        assert ledgers.is_live(symbol)
    parts["nse_cash"].close_window(100)

    records = ledgers.mark_lost(0, 500, Outage("disconnect", ""))

    assert [(each["symbols"], each["from_ns"]) for each in records] == [([GOLD], 500)]
    assert [gap.symbol for gap in ledgers.open_gaps] == [GOLD]
    assert ledgers.checkpoint() == {"open": [list(gap) for gap in ledgers.open_gaps]}
    assert ledgers.mark_cause([SBIN, GOLD], 600, Outage("refused", ""))[-1]["cause"] == "refused"
    assert ledgers.symbols == [SBIN, GOLD]


def test_a_silence_is_proven_quiet_within_the_window_of_each_segment() -> None:
    parts = {"nse_cash": StreamLedger("r", 2, [SBIN]), "mcx": StreamLedger("r-mcx", 2, [GOLD])}
    ledgers = SegmentLedgers(parts)
    parts["nse_cash"].open_window((0, 100))
    parts["mcx"].open_window((50, 1000))

    def quiet(*symbols: str) -> list[tuple[list[str], int, int]]:
        records = ledgers.mark_quiet(iter(symbols), 20, 200)
        return [(each["symbols"], each["from_ns"], each["to_ns"]) for each in records]

    assert quiet(GOLD, SBIN) == [([SBIN], 20, 100), ([GOLD], 50, 200)]
    assert quiet(GOLD) == [([GOLD], 50, 200)]
    parts["nse_cash"].close_window(100)
    assert quiet(SBIN, GOLD) == [([GOLD], 50, 200)]
    assert ledgers.segments_of([SBIN]) == ["nse_cash"]
    assert ledgers.segments_of([GOLD, SBIN, GOLD]) == ["nse_cash", "mcx"]


def status_of(settings: Any, wall_ns: int) -> dict[str, Any]:
    """A recorder's status in which cash is closed and gold, whose window is open, delivers."""
    feeds = {"fyers-rest": {"updates": 1, "last_recv_ns": wall_ns}}
    silent = {"fyers-rest": {"updates": 1, "last_recv_ns": wall_ns - 900 * SECOND}}
    parts = {
        "nse_cash": {"open_ns": None, "close_ns": None, "symbols": [SBIN]},
        "mcx": {"open_ns": OPEN_NS, "close_ns": wall_ns + SECOND, "symbols": [GOLD]},
    }
    return {
        "window": {"open": True, "open_ns": OPEN_NS},
        "symbols": {SBIN: {"feeds": silent}, GOLD: {"feeds": feeds}},
        "segments": parts,
        "started_at_ns": OPEN_NS,
        "written_at_ns": wall_ns,
    }


def test_health_asks_nothing_of_a_segment_that_is_closed(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, symbols=[SBIN, GOLD])
    calendar, wall_ns = TradingCalendar.load(), OPEN_NS + 3600 * SECOND
    status = status_of(settings, wall_ns)

    def check(name: str) -> Any:
        found = check_health(settings, status, file_hash="", calendar=calendar, wall_ns=wall_ns)
        return next(each for each in found if each.name == name)

    assert (check("data").ok, check("data").detail) == (True, "all 1 symbols deliver")
    status["segments"]["nse_cash"]["open_ns"] = OPEN_NS
    assert not check("data").ok
    assert "NSE:SBIN-EQ" in check("data").detail
    status["calendar_contradictions"] = ["nse_fo: the symbol master says 09:15-15:50, the calendar 09:15-15:40"]
    assert (check("calendar").ok, check("calendar").detail) == (False, status["calendar_contradictions"][0])
    status["refused_symbols"] = {GOLD: "mcx"}
    assert not check("symbols").ok
    assert "MCX:GOLD26AUGFUT belong to the segment mcx" in check("symbols").detail


@pytest.mark.parametrize("earlier", ["nse_cash", "mcx"])
def test_a_token_is_needed_an_hour_before_the_first_segment_opens(tmp_path: Path, earlier: str) -> None:
    hours = dict.fromkeys(("nse_cash", "mcx"), ("13:00:00", "13:01:00")) | {earlier: ("10:00:00", "10:01:00")}
    file = write_calendar(tmp_path / "calendar.json", **hours)
    settings = make_settings(tmp_path, symbols=[SBIN, GOLD], calendar={"file": str(file)})
    calendar = TradingCalendar.load(file)
    status = status_of(settings, OPEN_NS) | {"window": {"open": False}, "token": {"state": "missing"}}
    judged = []
    for seconds in (-3600, -3599):
        found = check_health(settings, status, file_hash="", calendar=calendar, wall_ns=OPEN_NS + seconds * SECOND)
        judged += [each.ok for each in found if each.name == "token"]
    assert judged == [True, False]
