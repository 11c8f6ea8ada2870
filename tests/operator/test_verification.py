"""verify-data: what is wrong with pulled days, and which days are not there."""

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from made_lake import LakeMaker

from harvester.base.errors import ConfigError, HarvesterError
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport
from runbook.report.verification import missing_days, verify_store

MakeLake = Callable[..., LakeMaker]


@pytest.fixture
def pulled(make_lake: MakeLake, store: LocalStore) -> LocalStore:
    """Two trading days without their raw segments."""
    lake = make_lake(days=2)
    pull([partial(LocalTransport, "lab1", lake.root)], store, Selection())
    return store


def test_a_whole_store_is_found_whole_though_raw_data_stayed_on_the_host(pulled: LocalStore) -> None:
    result = verify_store(pulled, Selection())

    assert result.ok, result
    assert [(day.files, day.raw_left_on_host, day.rows, day.recorded, day.expected) for day in result.days] == [
        (7, 1, 108, 108, 120)
    ] * 2
    assert result.days[0].gaps_by_cause == {"no_token": 12}
    assert result.days[0].coverage == 0.9


def test_the_accounts_are_checked_though_raw_data_stayed_on_the_host(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)
    lake.overstate("2026-11-20")
    pull([partial(LocalTransport, "lab1", lake.root)], store, Selection())

    result = verify_store(store, Selection())

    assert "updates is 55, counted 54" in " ".join(result.days[0].problems)


@pytest.mark.parametrize("kind", ["depth_v3", "gaps_v3", "certificate"])
def test_a_flipped_bit_is_found_in_every_kind_of_file(pulled: LocalStore, kind: str) -> None:
    victim = next(pulled.lake.glob(f"{kind}/date=2026-11-20/*/*"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 4
    victim.write_bytes(content)

    result = verify_store(pulled, Selection())

    assert not result.ok
    assert [day.date for day in result.days if day.problems] == ["2026-11-20"]


def test_a_csv_where_parquet_should_be_is_called_that(pulled: LocalStore) -> None:
    next(pulled.lake.glob("depth_v3/date=2026-11-20/*/*")).write_text("timestamp,symbol,ltp\n1,2,3\n")

    [problem] = verify_store(pulled, Selection()).days[1].problems

    assert "looks like CSV" in problem


def test_a_missing_file_is_named(pulled: LocalStore) -> None:
    next(pulled.lake.glob("gaps_v3/date=2026-11-20/*/*")).unlink()

    [problem] = verify_store(pulled, Selection()).days[1].problems

    assert re.search(r"gaps_v3-g1-\w+\.parquet: it is missing", problem)


def test_a_truncated_manifest_is_a_problem_of_its_day_alone(pulled: LocalStore) -> None:
    manifest = next(pulled.lake.glob("manifest/date=2026-11-20/*/manifest.json"))
    manifest.write_bytes(manifest.read_bytes()[:100])

    result = verify_store(pulled, Selection())

    assert [bool(day.problems) for day in result.days] == [False, True]


def test_a_stranger_is_told_and_is_no_fault(pulled: LocalStore) -> None:
    unlisted = next(pulled.lake.glob("depth_v3/date=2026-11-20/*")) / "notes.csv"
    unlisted.write_text("mine")

    result = verify_store(pulled, Selection())

    assert result.ok
    assert [Path(path).name for path in result.unlisted] == ["notes.csv"]


def test_symbols_narrow_the_figures_and_an_unknown_one_is_refused(pulled: LocalStore) -> None:
    assert verify_store(pulled, Selection(), ["NSE:SBIN-EQ"]).days[0].rows == 54
    with pytest.raises(ConfigError, match="NSE:NOPE-EQ"):
        verify_store(pulled, Selection(), ["NSE:NOPE-EQ"])


def test_nothing_pulled_yet_says_so(store: LocalStore) -> None:
    with pytest.raises(HarvesterError, match="no manifest"):
        verify_store(store, Selection())


def test_trading_days_without_data_are_named_and_holidays_are_not() -> None:
    present = {date(2026, 11, 6), date(2026, 11, 12)}

    missing = list(missing_days(present, Selection()))

    # the 7th is a Saturday, the 8th a Sunday with the muhurat session, the 10th a holiday
    assert missing == [date(2026, 11, 8), date(2026, 11, 9), date(2026, 11, 11)]


def test_an_empty_range_that_was_asked_for_is_missing_as_a_whole() -> None:
    selection = Selection(date(2026, 11, 16), date(2026, 11, 17))

    assert list(missing_days(set(), selection)) == [date(2026, 11, 16), date(2026, 11, 17)]


def test_days_are_missing_by_the_calendars_of_the_segments_that_were_recorded() -> None:
    first, last = date(2026, 11, 20), date(2026, 11, 27)
    present = {first, last}
    evening = date(2026, 11, 24)  # NSE has a holiday, MCX an evening

    def missing(**days: set[date]) -> list[int]:
        return [day.day for day in missing_days(present, Selection(), days)]  # type: ignore[arg-type]

    assert missing(nse_cash=present) == [23, 25, 26]
    assert missing(nse_cash=present, mcx=present) == [23, evening.day, 25, 26]
    assert missing(mcx=present) == [23, evening.day, 25, 26]
    assert missing(nse_cash=present, mcx={last}) == [23, 25, 26], "gold is recorded since the last day alone"
    assert missing(nse_cash={first}, mcx={last}) == [23, 25, 26], "the one went on until the other is here"
