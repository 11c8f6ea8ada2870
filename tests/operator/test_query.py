"""query: the views, exact prices, and what is said of SQL and files that are wrong."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from made_lake import SLOTS, LakeMaker

from harvester.base.errors import ConfigError, HarvesterError
from harvester.reader.errors import IncompleteLakeError, MixedLakesError, NotALakeError
from runbook.report.query import ask, open_lake
from runbook.report.views import IN_RUPEES

MakeLake = Callable[..., LakeMaker]


def test_depth_has_prices_in_paise_and_times_with_a_zone(make_lake: MakeLake) -> None:
    sql = "select ltp_paise, ts_recv, recv_ns, date, host from quotes order by recv_ns, symbol limit 1"

    answer = ask(sql, make_lake(days=1).root)

    [(ltp, time, ns, day, host)] = answer.rows
    assert (ltp, str(day), host) == (150_000, "2026-11-20", "lab1")
    assert time.isoformat() == "2026-11-20T09:15:00.032000+05:30"
    assert ns == round(time.timestamp() * 1000) * 1_000_000


def test_depth_rupees_has_exact_decimals(make_lake: MakeLake) -> None:
    sql = (
        "select ltp, bid_px_1, ask_px_5 from depth_rupees join quotes_rupees using (run_id, seq, entry)"
        " order by depth_rupees.symbol, depth_rupees.recv_ns limit 1"
    )

    answer = ask(sql, make_lake(days=1).root)

    assert answer.rows == [(Decimal("1500.00"), Decimal("1499.95"), Decimal("1500.25"))]
    assert answer.to_csv() == "ltp,bid_px_1,ask_px_5\n1500.00,1499.95,1500.25\n"
    assert json.loads(answer.to_json()) == [{"ltp": "1500.00", "bid_px_1": "1499.95", "ask_px_5": "1500.25"}]


@pytest.mark.parametrize("table", IN_RUPEES)
def test_every_price_of_a_view_in_rupees_is_an_exact_decimal_under_its_own_name(
    make_lake: MakeLake, table: str
) -> None:
    with open_lake(make_lake(days=1).root) as connection:
        kinds = dict(connection.execute(f"select column_name, column_type from (describe {table}_rupees)").fetchall())  # noqa: S608
        stored = dict(connection.execute(f"select column_name, column_type from (describe {table})").fetchall())  # noqa: S608

    prices = {name for name in stored if "_paise" in name and not stored[name].endswith("[]")}
    assert prices and not any("_paise" in name for name in kinds)
    assert {name for name, kind in kinds.items() if kind == "DECIMAL(18,2)"} == {
        name.replace("_paise", "") for name in prices
    }
    lists = {name for name in stored if stored[name].endswith("[]")}
    assert len(kinds) == len(stored) - len(lists), "every other column stays"


def test_gaps_and_certificate_tell_the_same_misses(make_lake: MakeLake) -> None:
    lake = make_lake(days=2).root

    [(by_gaps,)] = ask("select sum(slots) from gaps", lake).rows
    [(by_certificate, expected)] = ask("select sum(missed), sum(expected) from certificate", lake).rows

    assert by_gaps == by_certificate == 24
    assert expected == 4 * SLOTS


def test_a_file_that_no_manifest_names_is_never_counted_and_named(make_lake: MakeLake) -> None:
    lake = make_lake(days=1).root
    table = next(lake.glob("depth_v3/*/*/depth_v3-*.parquet"))
    table.with_name("other.parquet").write_bytes(table.read_bytes())

    with pytest.raises(MixedLakesError, match=r"other\.parquet is in no manifest of this day, .* Move it away"):
        ask("select count(*) from depth", lake)


@pytest.mark.parametrize("kind", ["depth_v3", "gaps_v3"])
def test_half_a_pull_is_no_answer(make_lake: MakeLake, kind: str) -> None:
    lake = make_lake(days=2).root
    next(lake.glob(f"{kind}/*/*/*")).unlink()

    with pytest.raises(IncompleteLakeError, match=rf"{kind}-g1-\w+\.parquet is not here, .* Pull the day again"):
        ask("select count(*) from depth", lake)


def test_a_table_that_was_not_recorded_is_an_empty_view(make_lake: MakeLake) -> None:
    answer = ask("select count(*), max(bid_px_paise[1]) from depth50", make_lake(days=1).root)
    assert answer.rows == [(0, None)]


def test_trades_instruments_and_sessions_can_be_asked_for(make_lake: MakeLake) -> None:
    lake = make_lake(days=1).root

    assert ask("select count(*), sum(qty), max(px) from trades_rupees", lake).rows == [(0, None, None)], "one volume"
    names = "select count(distinct symbol) from {}"
    assert ask(names.format("instruments"), lake).rows == ask(names.format("depth"), lake).rows
    assert ask("select distinct segment, phase from sessions where open_ns < close_ns", lake).rows[0][0] == "nse_cash"


@pytest.mark.parametrize("sql", ["selec 1", "select nothing from depth", "select * from dept"])
def test_wrong_sql_is_answered_with_the_views_there_are(make_lake: MakeLake, sql: str) -> None:
    views = "bars, bars_rupees, candles, candles_rupees, certificate, depth, depth50, depth_rupees, gaps, history, "
    with pytest.raises(ConfigError, match=views):
        ask(sql, make_lake(days=1).root)


@pytest.mark.parametrize(
    ("content", "looks"),
    [(b"timestamp,symbol\n2026,NSE:SBIN-EQ\n", "CSV"), (b"PAR1 and then nothing", "cut short"), (b"\0\1\2", "else")],
)
def test_a_file_that_is_no_parquet_is_named_with_the_way_out(make_lake: MakeLake, content: bytes, looks: str) -> None:
    lake = make_lake(days=1).root
    next(lake.glob("depth_v3/*/*/depth_v3-*.parquet")).write_bytes(content)

    with pytest.raises(HarvesterError, match=looks) as caught:
        ask("select 1", lake)

    assert "pull-data" in str(caught.value)


def test_a_parquet_file_damaged_inside_is_explained(make_lake: MakeLake) -> None:
    lake = make_lake(days=1).root
    table = next(lake.glob("depth_v3/*/*/depth_v3-*.parquet"))
    content = table.read_bytes()
    table.write_bytes(content[:4] + bytes(len(content) - 8) + content[-4:])

    with pytest.raises((HarvesterError, ConfigError)) as caught:
        ask("select count(*) from depth", lake)

    assert "pull-data downloads it again" in str(caught.value)


def test_values_damaged_inside_are_explained(make_lake: MakeLake) -> None:
    """The footer is whole, so that what reads the values alone can see it."""
    lake = make_lake(days=1).root
    table = next(lake.glob("depth_v3/*/*/depth_v3-*.parquet"))
    content = table.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    table.write_bytes(content[:4] + bytes(len(content) - 4 - footer) + content[-footer:])

    with pytest.raises(HarvesterError, match="verify-data"):
        ask("select sum(bid_px_1), max(run_id), max(symbol), max(ts_recv) from depth_rupees", lake)


def test_a_place_without_data_says_how_to_get_some(make_lake: MakeLake) -> None:
    with pytest.raises(NotALakeError, match="pull-data"):
        ask("select 1", make_lake(days=0).root)


def test_a_range_outside_says_which_days_are_here(make_lake: MakeLake) -> None:
    with pytest.raises(ConfigError, match=r"no closed day of that range: it has 2026-11-19, 2026-11-20\. Ask for some"):
        open_lake(make_lake(days=2).root, since=date(2027, 1, 1))


def test_a_folder_that_is_above_the_lake_or_holds_tables_alone_is_said(make_lake: MakeLake) -> None:
    lake = make_lake(days=1).root
    with pytest.raises(NotALakeError, match=f"{lake} is one: give that path"):
        ask("select 1", lake.parent)
    shutil.rmtree(lake / "manifest")
    with pytest.raises(NotALakeError, match="half a copy"):
        ask("select 1", lake)
