"""pull-data from end to end: what lies where afterwards."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from made_lake import LakeMaker, trading_days
from tests.storage.reader.days import MONDAY, record_all
from tests.storage.reader.traded import record_traded

from harvester.base.errors import ConfigError
from harvester.reader.errors import NotALakeError
from runbook.fleet.inventory import Host
from runbook.pull.plan import Selection
from runbook.pull.rsync import SshTransport
from runbook.pull.sources import Connect, connect_to, lake_of
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport
from runbook.report.catalogue import find_symbols, load_days
from runbook.report.delivery import deliver, parse_format

MakeLake = Callable[..., LakeMaker]
HEADER = (
    "timestamp,symbol,ltp,total_buy_qty,total_sell_qty,"
    "bid_px_1,bid_qty_1,bid_px_2,bid_qty_2,bid_px_3,bid_qty_3,bid_px_4,bid_qty_4,bid_px_5,bid_qty_5,"
    "ask_px_1,ask_qty_1,ask_px_2,ask_qty_2,ask_px_3,ask_qty_3,ask_px_4,ask_qty_4,ask_px_5,ask_qty_5"
)


def connection(lake: LakeMaker) -> Connect:
    return partial(LocalTransport, lake.host, lake.root)


def test_csv_files_of_the_old_format_and_the_report_lie_beside_the_lake(make_lake: MakeLake, store: LocalStore) -> None:
    delivery = deliver([connection(make_lake(days=2))], store, Selection(), csv=True)

    assert [path.name for path in delivery.csv_files] == [f"market_depth_{day}.csv" for day in trading_days(2)]
    lines = delivery.csv_files[1].read_text().splitlines()
    assert lines[0] == HEADER
    assert lines[1].startswith("2026-11-20T09:15:00.000000+05:30,NSE:INFY-EQ,1500.00,1000,2000,1499.95,10,")
    assert len(lines) == 109
    assert delivery.report is not None
    assert delivery.report.exists()


def test_symbols_choose_what_the_csv_holds(make_lake: MakeLake, store: LocalStore) -> None:
    delivery = deliver([connection(make_lake(days=1))], store, Selection(), symbols=["SBIN"], csv=True)

    lines = delivery.csv_files[0].read_text().splitlines()[1:]
    assert {line.split(",")[1] for line in lines} == {"NSE:SBIN-EQ"}
    assert len(lines) == 54


def test_the_csv_has_lines_as_often_as_is_asked(make_lake: MakeLake, store: LocalStore) -> None:
    csv, every_ns = parse_format("csv", "60")
    delivery = deliver([connection(make_lake(days=1))], store, Selection(), csv=csv, every_ns=every_ns)

    times = [line.split(",")[0] for line in delivery.csv_files[0].read_text().splitlines()[1:]]
    assert {time[17:] for time in times} == {"00.000000+05:30"}
    assert times[::2] == times[1::2], "of both symbols"


def test_an_unknown_symbol_is_refused_after_the_data_is_safe(make_lake: MakeLake, store: LocalStore) -> None:
    with pytest.raises(ConfigError, match=r"'NSE:SBI-EQ' is no symbol .* from certificate'` lists what is here"):
        deliver([connection(make_lake(days=1))], store, Selection(), symbols=["NSE:SBI-EQ"])

    assert len(list(store.lake.glob("depth_v3/*/*/*"))) == 1


def test_days_of_two_hosts_lie_side_by_side_and_are_one_csv(make_lake: MakeLake, store: LocalStore) -> None:
    lakes = [make_lake(days=1, host="lab1"), make_lake(days=1, host="lab2")]

    delivery = deliver([connection(lake) for lake in lakes], store, Selection(), csv=True)

    assert sorted(path.name for path in store.lake.glob("depth_v3/*/*")) == ["host=lab1", "host=lab2"]
    assert len(delivery.csv_files) == 1
    assert len(delivery.csv_files[0].read_text().splitlines()) == 108 + 1, "one line for a symbol and a time"


def test_a_file_that_a_cleanup_took_is_named_with_where_to_look(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=2)
    next(lake.root.glob(f"depth_v3/date={trading_days(2)[0]}/*/*")).unlink()

    delivery = deliver([connection(lake)], store, Selection())

    [problem] = delivery.problems
    assert "If a clean-up took it" in str(problem)
    assert delivery.hosts[0].dates == trading_days(2)[1:]


def test_nothing_to_pull_says_so(make_lake: MakeLake, store: LocalStore) -> None:
    with pytest.raises(NotALakeError, match="no closed day"):
        deliver([connection(make_lake(days=0))], store, Selection())


def test_the_lake_of_a_host_is_where_its_settings_say() -> None:
    assert lake_of(Host("h1", "a")) == "/var/lib/harvester/lake"
    assert lake_of(Host("h1", "a", variables={"harvester_settings": {"data_dir": "/data"}})) == "/data/lake"


def test_a_host_that_is_this_machine_needs_no_ssh() -> None:
    here = connect_to(Host("h1", "a", variables={"ansible_connection": "local"}))()

    assert isinstance(here, LocalTransport)
    assert here.lake == Path("/var/lib/harvester/lake")
    assert isinstance(connect_to(Host("h1", "a"))(), SshTransport)


def test_a_symbol_goes_by_any_name_that_fits_it_alone(tmp_path: Path) -> None:
    days = load_days(record_traded(tmp_path))

    for name in ("NSE:SBIN-EQ", "SBIN-EQ", "SBIN", "INE062A01020", "10100000003045"):
        assert find_symbols([name], days, days) == ["NSE:SBIN-EQ"]
    assert find_symbols([], days, days) == find_symbols(["SBIN"], [], days) == []


def test_a_symbol_of_another_day_is_answered_with_the_days_that_have_it(tmp_path: Path) -> None:
    days = load_days(record_all(tmp_path))

    with pytest.raises(ConfigError, match=r"'INFY' was not recorded on 2026-11-23\. This lake has it on 2026-11-19"):
        find_symbols(["INFY"], [day for day in days if day.date == MONDAY], days)
