"""Instruments and sessions of a closed day: what master and calendar said that day, and what a rebuild keeps."""

import gzip
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, INTERVAL_NS, OPEN_NS
from tests.lake_rows import rows
from tests.storage.decode.tables import anew
from tests.storage.lake.sockets import INFY, SBIN

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.calendar import TradingCalendar
from harvester.calendar.trading import Phase
from harvester.lake import schema
from harvester.lake.instruments import read_instruments
from harvester.reader import open_lake
from harvester.reader.errors import AmbiguousNameError
from harvester.reader.verify import verify_lake

LATER = "NSE:SBIN26DEC800CE"
MASTER = {
    SBIN: "10100000003045,STATE BANK OF INDIA,0,1,0.05,INE062A01020,0915-1530|1815-1915:,2026-11-20,,"
    "NSE:SBIN-EQ,10,10,3045,SBIN,3045,-1.0,XX,10100000003045,None,1,0.0",
    LATER: "101126122954321,SBIN 29 Dec 26 800 CE,14,750,0.0025,,0915-1530|1815-1915:,2026-11-20,1798538400,"
    "NSE:SBIN26DEC800CE,10,11,54321,SBIN,3045,800.5,CE,10100000003045,None,1,0.0",
}  # fmt: skip


def keep(folder: Path, day: date, *lines: str) -> Path:
    """A master of that day, of cash alone."""
    (folder / day.isoformat()).mkdir(parents=True)
    with gzip.open(folder / day.isoformat() / "NSE_CM.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return folder


def instruments(place: Any) -> dict[str, dict[str, Any]]:
    return {row["symbol"]: row for row in rows(place.current("instruments"))}


def test_each_column_is_of_the_master_of_the_day(place, tmp_path: Path) -> None:
    masters = keep(tmp_path / "masters", DAY, *MASTER.values(), "no row")
    keep(masters, DAY + timedelta(days=1), MASTER[SBIN].replace("STATE BANK", "LATER"))
    keep(masters, DAY - timedelta(days=1), MASTER[SBIN].replace("STATE BANK", "EARLIER"))
    place.record_all()
    place.close(masters=masters, symbols=(SBIN, INFY, LATER))

    found = instruments(place)
    assert list(found) == sorted([SBIN, INFY, LATER])
    same = {"segment": "nse_cash", "hours": "0915-1530|1815-1915:", "master_date": DAY, "root": "SBIN"}
    assert found[SBIN] == same | {
        "symbol": SBIN, "fy_token": "10100000003045", "isin": "INE062A01020", "name": "STATE BANK OF INDIA",
        "tick_paise": 5, "lot": 1, "ts_expiry": None, "underlying": "10100000003045", "strike_paise": None,
        "option_type": None,
    }  # fmt: skip
    assert found[LATER] == same | {
        "symbol": LATER, "fy_token": "101126122954321", "isin": None, "name": "SBIN 29 Dec 26 800 CE",
        "tick_paise": None, "lot": 750, "ts_expiry": 1_798_538_400 * NS_PER_SECOND, "underlying": "10100000003045",
        "strike_paise": 80_050, "option_type": "CE",
    }  # fmt: skip
    assert {name: value for name, value in found[INFY].items() if value is not None} == {
        "symbol": INFY, "segment": "nse_cash",
    }  # fmt: skip


def test_a_rebuild_keeps_what_was_known_when_the_masters_are_gone(place, tmp_path: Path) -> None:
    place.record_all()
    place.close(masters=keep(tmp_path / "masters", DAY, MASTER[SBIN]))
    first = place.current("instruments").read_bytes()

    place.close(rebuild=True, masters=tmp_path / "nothing")

    assert place.current("instruments").read_bytes() == first
    place.current("instruments").unlink()
    place.close(masters=tmp_path / "nothing")
    assert instruments(place)[SBIN]["isin"] is None, "nobody knows it any more, and the day is whole again"
    assert verify_lake(place.lake).ok


def test_a_rebuild_goes_by_the_master_and_by_the_former_table_where_that_lacks_a_symbol(place, tmp_path: Path) -> None:
    place.record_all()
    first, second = MASTER[SBIN], MASTER[SBIN].replace("STATE BANK", "CORRECTED BANK")
    place.close(masters=keep(tmp_path / "first", DAY, first, first.replace("SBIN", "INFY")))

    place.close(rebuild=True, masters=keep(tmp_path / "second", DAY, second))

    names = {symbol: row["name"] for symbol, row in instruments(place).items()}
    assert names == {SBIN: "CORRECTED BANK OF INDIA", INFY: "STATE BANK OF INDIA"}


def test_a_damaged_table_that_is_needed_stops_a_rebuild(place, tmp_path: Path) -> None:
    place.record_all()
    masters = keep(tmp_path / "masters", DAY, MASTER[SBIN], MASTER[SBIN].replace("SBIN", "INFY"))
    place.close(masters=masters)
    place.current("instruments").write_bytes(b"PAR1")
    with pytest.raises(HarvesterError, match=r"the table of instruments cannot be read .* Restore it"):
        place.close(rebuild=True)

    place.close(rebuild=True, masters=masters)

    assert [row["fy_token"] for row in read_instruments(place.current("instruments"))] == ["10100000003045"] * 2


def test_sessions_are_the_phases_of_the_calendar_and_the_windows(place) -> None:
    place.record_all()
    session = TradingCalendar.load().session(DAY)
    assert session is not None
    place.close(phases={"nse_cash": session.phases})

    window = ("nse_cash", "window", OPEN_NS, OPEN_NS + 20 * INTERVAL_NS)
    found = [tuple(row.values()) for row in rows(place.current("sessions"))]
    assert found == [window, *(("nse_cash", *phase) for phase in session.phases)]
    answer = open_lake(place.lake).sessions(DAY, tz="Asia/Kolkata").arrow().to_pylist()
    assert [(row["segment"], row["phase"]) for row in answer] == [row[:2] for row in found]
    assert {row["host"] for row in answer} == {"lab1"} and str(answer[0]["ts_open"]).endswith("09:15:00+05:30")


def test_a_reader_goes_by_the_phases_that_the_day_was_recorded_with(place) -> None:
    """Not by those of the calendar that is installed with it: this day was all pre-open."""
    place.record_all()
    place.close(phases={"nse_cash": (Phase("pre_open", OPEN_NS, OPEN_NS + 3_600 * NS_PER_SECOND),)})

    lake = open_lake(place.lake)
    assert len(lake.depth("SBIN", DAY).arrow()) == 0
    assert len(lake.depth("SBIN", DAY, session="pre_open").arrow()) == 20


def test_a_symbol_goes_by_its_numbers_where_they_fit_it_alone(place, tmp_path: Path) -> None:
    other = MASTER[SBIN].replace("NSE:SBIN-EQ", INFY).replace("062A", "009A")
    masters = keep(tmp_path / "masters", DAY, MASTER[SBIN], other)
    place.record_all()
    place.close(masters=masters)

    lake = open_lake(place.lake)
    assert {*lake.depth("INE062A01020", DAY).arrow()["symbol"].to_pylist()} == {SBIN}
    with pytest.raises(AmbiguousNameError, match=f"{INFY}, {SBIN}"):
        lake.depth("10100000003045", DAY)
    [row, _] = lake.instruments(DAY, prices="paise").arrow().to_pylist()[::-1]
    assert (row["symbol"], row["host"], row["tick"], row["feeds"]) == (SBIN, "lab1", 5, ["fyers-rest"])


def test_the_real_master_gives_each_share_its_numbers(place, tmp_path: Path, recorded_data: Path) -> None:
    day = tmp_path / "masters" / DAY.isoformat()
    day.mkdir(parents=True)
    (day / "NSE_CM.csv.gz").symlink_to(recorded_data / "fyers_symbol_master/NSE_CM_20250515.csv.gz")
    place.record_all()
    place.close(masters=day.parent)

    found = instruments(place)
    assert (found[SBIN]["isin"], found[INFY]["isin"]) == ("INE062A01020", "INE009A01021")
    assert (found[SBIN]["lot"], found[SBIN]["tick_paise"], found[INFY]["tick_paise"]) == (1, 5, 10)


def test_columns_are_the_published_ones() -> None:
    """docs/formats.md and every reader's code depend on them."""
    columns = {
        kind: {each.name: (str(each.type), each.nullable) for each in anew(schema).SCHEMAS_OF[3][kind]}
        for kind in ("instruments", "sessions")
    }
    text, number, moment = ("string", True), ("int64", True), ("timestamp[ns, tz=UTC]", True)
    named, always = ("string", False), ("timestamp[ns, tz=UTC]", False)
    assert columns["sessions"] == {"segment": named, "phase": named, "ts_open": always, "ts_close": always}
    assert columns["instruments"] == {
        "symbol": named, "segment": named, "fy_token": text, "isin": text, "name": text, "tick_paise": number,
        "lot": number, "ts_expiry": moment, "root": text, "underlying": text, "strike_paise": number,
        "option_type": text, "hours": text, "master_date": ("date32[day]", True),
    }  # fmt: skip
    assert anew(schema).INSTRUMENTS_SCHEMA.field("tick_paise").metadata == {b"unit": b"paise", b"per_rupee": b"100"}
