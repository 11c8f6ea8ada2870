"""Each segment has hours of its own: its symbols are recorded, accounted for and certified by them alone."""

import csv
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.bench import GOOD, Behaviour, Bench, JournalView, hand_over
from tests.recorder.fakes import make_config, make_settings
from tests.recorder.minute import DAY, OPEN_NS, SECOND, at, lasting, record

from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.calendar.segments import OF_MARKET
from harvester.cli import run as harvester
from harvester.config.segments import refuse_without_hours
from harvester.config.settings import Settings
from harvester.lake.certificate.balance import segments_of
from harvester.lake.close import Closing, NotOverError, close_day, expect_day
from harvester.lake.layout import Partition
from harvester.reader.export import export_csv

RECORDED = ("pre_open", "continuous", "closing_auction")
SBIN, FUTURE, GOLD = "NSE:SBIN-EQ", "NSE:NIFTY26AUGFUT", "MCX:GOLD26AUGFUT"
DOLLAR = "BSE:USDINR26AUGFUT"
HOURS = {"nse_cash": ("10:00:00", "10:01:00"), "nse_fo": ("10:00:00", "10:01:20"), "mcx": ("10:00:30", "10:02:00")}
ENDS = {SBIN: (0, 60), FUTURE: (0, 80), GOLD: (30, 120)}
"""Windows of the symbols, in seconds after the opening."""


@pytest.mark.parametrize(
    ("segment", "day", "expected"),
    [
        pytest.param("nse_fo", date(2026, 7, 31), "09:00-15:30", id="derivatives before August 2026"),
        pytest.param("nse_fo", date(2026, 8, 3), "09:00-15:40", id="derivatives trade to 15:40"),
        pytest.param("bse_fo", date(2026, 8, 3), "09:15-15:40", id="so they do at BSE"),
        pytest.param("nse_cash", date(2026, 8, 3), "09:00-15:35", id="stocks with derivatives have an auction"),
        pytest.param("nse_cash_other", date(2026, 8, 3), "09:00-15:30", id="stocks without keep 15:30"),
        pytest.param("nse_cash_other", date(2026, 12, 7), "09:00-15:30", id="also when the auction moves"),
        pytest.param("nse_currency", date(2026, 11, 30), "09:00-17:00", id="currency"),
        pytest.param("mcx", date(2026, 10, 30), "09:00-23:30", id="commodities in the summer of the US"),
        pytest.param("mcx", date(2026, 11, 2), "09:00-23:55", id="commodities in the winter of the US"),
        pytest.param("mcx", date(2026, 11, 24), "17:00-23:55", id="a holiday whose evening is open"),
        pytest.param("mcx", date(2026, 12, 25), "", id="a holiday of the whole day"),
        pytest.param("mcx", date(2026, 1, 1), "09:00-17:00", id="a day whose evening is closed"),
        pytest.param("mcx_agri", date(2026, 11, 24), "", id="agricultural goods have no evening"),
        pytest.param("mcx_agri_global", date(2026, 11, 30), "09:00-21:00", id="cotton"),
        pytest.param("nse_fo", date(2026, 2, 1), "09:00-15:30", id="the budget's Sunday"),
        pytest.param("nse_currency", date(2026, 2, 1), "", id="currency had none"),
    ],
)
def test_hours_of_each_segment(segment: Any, day: date, expected: str) -> None:
    windows = TradingCalendar.load().of(segment).windows(day, RECORDED)

    assert " ".join(f"{to_local(opens):%H:%M}-{to_local(closes):%H:%M}" for opens, closes in windows) == expected


def test_every_fact_of_the_packaged_hours_states_its_source(root: Path) -> None:
    facts = json.loads((root / "files/harvester/src/harvester/calendar/nse.json").read_bytes())

    rows = [
        row
        for part in (facts, *facts["segments"].values())
        for key in ("phase_rules", "holidays", "special_sessions")
        for row in part.get(key, [])
    ]
    assert len(rows) > 100
    assert [row for row in rows if len(row.get("reference", "")) < 10] == []


def test_a_segment_without_hours_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_calendar(tmp_path / "calendar.json", nse_cash=HOURS["nse_cash"])
    config = make_config(tmp_path, symbols=[SBIN, GOLD], calendar={"file": str(file)})
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")

    code = harvester(["config", "check", str(tmp_path / "config.json")])

    assert code == ConfigError.exit_code
    said = capsys.readouterr().err
    assert f"{GOLD} belong to the segment mcx, of which the trading calendar has no hours" in said


def write_calendar(path: Path, **hours: tuple[str, str]) -> Path:
    """A calendar whose only day is DAY, with the hours of each segment."""
    days = {
        segment: {
            "phase_rules": [{"from": "2090-01-01", "phases": {"continuous": [window]}, "reference": "test"}],
            "special_sessions": [
                {"date": DAY.isoformat(), "kind": "test", "phases": {"continuous": [window]}, "status": "confirmed",
                 "reference": "test"}
            ],
        }
        for segment, window in hours.items()
    }  # fmt: skip
    top = days.pop("nse_cash")
    content = {"timezone": "Asia/Kolkata", "market": "test", "valid_until": "2099-12-31", **top, "segments": days}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Settings:
    """A host that records a stock, a future and gold."""
    file = write_calendar(tmp_path / "calendar.json", **HOURS)
    return make_settings(tmp_path, symbols=[SBIN, FUTURE, GOLD], calendar={"file": str(file)})


def close(settings: Settings, now_seconds: float) -> Closing:
    calendar = TradingCalendar.load(settings.calendar.file)
    return close_day(
        journal=settings.journal_dir,
        lake=settings.lake_dir,
        partition=Partition(DAY, settings.host_id),
        expectation=expect_day(settings, calendar, DAY),
        now_ns=OPEN_NS + int(now_seconds * SECOND),
    )


def fates(journal: JournalView, symbol: str) -> list[str]:
    """What became of each second of two minutes after the opening, from the symbol's opening to its close."""
    begin, end = ENDS[symbol]
    return journal.table(symbol, (OPEN_NS + begin * SECOND, OPEN_NS + end * SECOND), SECOND)


def test_each_symbol_is_polled_in_its_own_hours_and_in_no_others(mixed: Settings) -> None:
    clock = at(-5)
    hand_over(mixed, clock)
    seen: list[tuple[str, int, int]] = []

    async def story(bench: Bench) -> None:
        await clock.advance(5 + 125)
        seen.extend((symbol, slot_ns, sent_ns) for symbol, slot_ns, sent_ns, _ in bench.client.polls)

    journal = record(mixed, clock, story)

    polled = {symbol: sorted((slot - OPEN_NS) // SECOND for name, slot, _ in seen if name == symbol) for symbol in ENDS}
    assert polled == {symbol: list(range(*ends)) for symbol, ends in ENDS.items()}
    assert all(set(fates(journal, symbol)) == {"data"} for symbol in ENDS)
    opened = {(record.get("segment"), tuple(record.get("symbols", ()))) for record in journal.of_type("window_open")}
    assert opened == {(None, ()), ("nse_fo", (FUTURE,)), ("mcx", (GOLD,))}

    with pytest.raises(NotOverError, match="10:02:00"):
        close(mixed, 119)
    certificate = close(mixed, 121).certificate
    assert certificate
    facts = {symbol: (entry["expected"], entry["coverage"]) for symbol, entry in certificate["symbols"].items()}
    assert facts == {SBIN: (60, 1.0), FUTURE: (80, 1.0), GOLD: (90, 1.0)}
    assert {symbol: entry.get("segment") for symbol, entry in certificate["symbols"].items()} == {
        SBIN: None, FUTURE: "nse_fo", GOLD: "mcx"
    }  # fmt: skip
    assert set(certificate["segments"]) == segments_of(certificate) == {"nse_cash", "nse_fo", "mcx"}
    assert certificate["windows"] == [[OPEN_NS, OPEN_NS + 120 * SECOND]], "of all segments"


def test_a_window_closes_while_polls_of_another_segment_are_unanswered(mixed: Settings) -> None:
    clock = at(-5)
    hand_over(mixed, clock)
    open_then: list[set[str]] = []

    async def story(bench: Bench) -> None:
        for seconds in (5 + 59, 3, 20):
            await clock.advance(seconds)
            open_then.append({segment for segment, window in bench.recorder.windows.items() if window})

    record(mixed, clock, story, lambda symbol, _: Behaviour(seconds=5) if symbol == GOLD else GOOD)

    assert open_then == [{"nse_cash", "nse_fo", "mcx"}, {"nse_fo", "mcx"}, {"mcx"}]


def test_a_kill_in_one_segments_window_costs_the_others_nothing(mixed: Settings) -> None:
    clock = at(-5)
    hand_over(mixed, clock)

    record(mixed, clock, lasting(5 + 70.5, killed=True))
    clock.freeze(29)
    journal = record(mixed, clock, lasting(30))

    assert set(fates(journal, SBIN)) == {"data"}, "its window had closed"
    assert fates(journal, FUTURE) == ["data"] * 71 + ["not_running"] * 9
    assert fates(journal, GOLD) == ["data"] * 41 + ["not_running"] * 29 + ["data"] * 20
    certificate = close(mixed, 300).certificate
    assert certificate
    assert {symbol: entry["gaps_by_cause"] for symbol, entry in certificate["symbols"].items()} == {
        SBIN: {}, FUTURE: {"not_running": 9}, GOLD: {"not_running": 29}
    }  # fmt: skip


def test_a_day_of_which_nothing_was_recorded_is_missed_by_segment(mixed: Settings) -> None:
    certificate = close(mixed, 300).certificate

    assert certificate
    assert {symbol: entry["expected"] for symbol, entry in certificate["symbols"].items()} == {
        SBIN: 60, FUTURE: 80, GOLD: 90
    }  # fmt: skip
    assert {cause for entry in certificate["symbols"].values() for cause in entry["gaps_by_cause"]} == {"not_running"}


def test_the_status_tells_the_windows_of_each_segment(mixed: Settings) -> None:
    clock = at(-5)
    hand_over(mixed, clock)
    told: list[dict[str, Any]] = []

    async def story(bench: Bench) -> None:
        await clock.advance(5 + 70)
        told.append({segment: window for segment, window in bench.recorder.windows.items()})
        assert bench.recorder.window == (OPEN_NS, OPEN_NS + 120 * SECOND)

    record(mixed, clock, story)

    assert told == [
        {"nse_cash": None, "nse_fo": (OPEN_NS, OPEN_NS + 80 * SECOND),
         "mcx": (OPEN_NS + 30 * SECOND, OPEN_NS + 120 * SECOND)}
    ]  # fmt: skip


def test_trading_is_known_by_segment(mixed: Settings) -> None:
    """So that silence is asked about where data must be flowing, and not after a segment's close."""
    clock = at(-5)
    hand_over(mixed, clock)
    told: list[dict[str, float]] = []

    async def story(bench: Bench) -> None:
        began_ns = clock.mono_ns()
        for seconds in (4, 6, 30, 30, 60):
            await clock.advance(seconds)
            told.append({name: (ns - began_ns) // SECOND for name, ns in bench.trading.since_ns.items()})

    record(mixed, clock, story)

    both = {"nse_cash": 5, "nse_fo": 5}
    assert told == [{}, both, both | {"mcx": 35}, {"nse_fo": 5, "mcx": 35}, {}]


def test_symbols_of_other_segments_are_recorded_where_one_is_refused(tmp_path: Path) -> None:
    file = write_calendar(tmp_path / "calendar.json", nse_cash=HOURS["nse_cash"])
    settings = make_settings(tmp_path, symbols=[SBIN, GOLD], calendar={"file": str(file)})

    what = refuse_without_hours(settings, TradingCalendar.load(file))

    assert (what.settings.symbols, what.refused) == ((SBIN,), {GOLD: "mcx"})
    alone = make_settings(tmp_path, symbols=[GOLD], calendar={"file": str(file)})
    with pytest.raises(ConfigError, match="MCX:GOLD26AUGFUT belong to the segment mcx"):
        refuse_without_hours(alone, TradingCalendar.load(file))


def test_the_longest_day_of_polls_counts_each_symbol_by_its_segment() -> None:
    calendar, hour_ns = TradingCalendar.load(), 3600 * SECOND

    assert calendar.mean_day_ns({"nse_cash": 1}, RECORDED) == calendar.longest_day_ns(RECORDED) == 20 * hour_ns // 3
    assert calendar.mean_day_ns({"mcx": 1}, RECORDED) == (14 * 60 + 55) * 60 * SECOND
    both = calendar.mean_day_ns({"nse_cash": 1, "mcx": 1}, RECORDED)
    assert both == ((400 + 895) * 60 * SECOND) // 2
    unknown = calendar.mean_day_ns({"bse_currency": 1}, RECORDED)
    assert unknown == calendar.longest_day_ns(RECORDED), "no hours of its own"


def test_every_segment_name_is_in_the_packaged_calendar_or_refused() -> None:
    calendar = TradingCalendar.load()

    assert set(OF_MARKET["nse"]) - set(calendar.segments) == {"nse_commodity", "bse_currency"}


def test_the_csv_has_no_line_of_a_symbol_outside_its_own_window(mixed: Settings) -> None:
    """The answer that came last would stay known until the last segment closes."""
    clock = at(-5)
    hand_over(mixed, clock)
    record(mixed, clock, lasting(5 + 125))
    close(mixed, 121)

    def seconds_of_lines(every_ns: int | None) -> dict[str, list[int]]:
        path, _ = export_csv(mixed.lake_dir, DAY, mixed.data_dir / "out", (), every_ns)
        found: dict[str, list[int]] = {}
        for row in csv.DictReader(path.open(encoding="utf-8")):
            at_ns = int(datetime.fromisoformat(row["timestamp"]).timestamp()) * SECOND
            found.setdefault(row["symbol"], []).append((at_ns - OPEN_NS) // SECOND)
        return found

    assert seconds_of_lines(None) == {symbol: list(range(*ends)) for symbol, ends in ENDS.items()}
    assert seconds_of_lines(10 * SECOND) == {symbol: list(range(*ends, 10)) for symbol, ends in ENDS.items()}
