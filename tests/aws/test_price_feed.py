"""The price feed by functions: what the inventory may name, what the functions then know, and what it costs."""

from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from harvester.base.aws_names import Names
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.price_feed.feed_days import FeedDays
from runbook.aws.cost import Configuration, estimate, prices
from runbook.aws.destroy import _raw_zone
from runbook.aws.environment import Environment
from runbook.aws.functions import chosen
from runbook.aws.price_feed import MOST_SYMBOLS, feed_of
from runbook.aws.trading_days import feed_file

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
FIRST = date(2026, 11, 1)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("s3", region_name="ap-south-1")


def test_a_feed_is_its_symbols_and_there_is_none_without_any() -> None:
    assert feed_of([SBIN, INFY], "feed/", ["", "two/"]) == [SBIN, INFY]
    assert feed_of([], "what ever", ["what ever"]) == []


@pytest.mark.parametrize(
    ("symbols", "prefix", "of_hosts", "says"),
    [
        (["SBIN"], "", [], r"'SBIN' is no ticker\. Write it as NSE:SBIN-EQ"),
        ([SBIN, INFY, SBIN], "", [], "names twice: NSE:SBIN-EQ"),
        ([SBIN, "NSE:SBIN"], "", [], "symbol=SBIN in the feed"),
        ([f"NSE:S{n}-EQ" for n in range(MOST_SYMBOLS + 1)], "", [], f"at most {MOST_SYMBOLS} can be asked"),
        ([SBIN], "feed", [], "each part ending in a slash"),
        ([SBIN], "../x/", [], "each part ending in a slash"),
        ([SBIN], "", [""], "two deliveries to one place refuse each other"),
        ([SBIN], "two/", ["", "two/"], "Give one of them another prefix"),
    ],
)
def test_a_feed_that_cannot_work_is_refused(symbols: list[str], prefix: str, of_hosts: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        feed_of(symbols, prefix, of_hosts)


def test_without_hosts_there_are_no_functions_that_see_to_them() -> None:
    means = {"account": "XX00000", "refresh": False, "feed": True, "hosts": False}
    assert chosen([], **means) == ["token-page", "reminder", "ingestion", "etl"]
    with pytest.raises(ConfigError, match="evening and morning see to hosts"):
        chosen(["morning", "evening"], **means)


def test_the_functions_know_the_bars_of_each_day_as_a_host_does() -> None:
    calendar = TradingCalendar.load()
    days = FeedDays(feed_file(calendar, [SBIN, "NSE:NIFTY26NOVFUT"], FIRST))
    friday = date(2026, 11, 20)
    bars = days.bars(friday)
    times = [f"{to_local(edge):%H:%M}" for begin, end in sorted(bars[SBIN].items()) for edge in (begin, end)]
    assert (len(bars[SBIN]), times[0], times[-1]) == (72, "09:15", "15:15")
    opens, settles = days.span(friday) or (0, 0)
    assert f"{to_local(opens):%H:%M} {to_local(settles):%H:%M}" == "09:15 15:55", "derivatives close at 15:40"
    assert len(bars["NSE:NIFTY26NOVFUT"]) > 72
    assert days.span(date(2026, 11, 24)) is None and days.bars(date(2026, 11, 22))[SBIN] == {}
    (begin, end), *_ = sorted(days.bars(date(2026, 11, 8))[SBIN].items())
    assert f"{to_local(begin):%H:%M}" == "18:15" and end - begin == 300 * NS_PER_SECOND
    assert days.span(FIRST - timedelta(days=365)) is None, "a Saturday"
    for day in (FIRST - timedelta(days=366), date(2027, 5, 10)):
        with pytest.raises(HarvesterError, match=r"are known; for later ones run site\.yml again"):
            days.span(day)


def test_a_ticker_of_a_segment_without_hours_is_refused() -> None:
    calendar = TradingCalendar.load()
    segments = {"MCX:GOLD26DECFUT": "mcx", "NSE:USDINR26NOVFUT": "nse_currency"}
    unknown = [symbol for symbol, segment in segments.items() if segment not in calendar.segments]
    for symbol in unknown:
        with pytest.raises(ConfigError, match=f"aws_functions_feed_symbols: {symbol} belongs to"):
            feed_file(calendar, [symbol], FIRST)
    assert feed_file(calendar, [], FIRST)["symbols"] == {}


def test_the_feed_has_its_cost_beside_the_hosts() -> None:
    price = prices("ap-south-1")

    def line(**different: Any) -> Any:
        wanted = Configuration("t3.micro", 0, 16, True, True, 0, 30, 4, 4, **different)
        (found,) = [each for each in estimate(wanted, price) if each.what == "price feed"]
        return found

    off, ten, most = line(), line(feed_symbols=10), line(feed_symbols=400)
    assert (off.dollars, off.how[:4]) == (0, "off;") and f"would cost {ten.dollars:.2f}" in off.how
    assert 0 < ten.dollars < 0.2 < most.dollars < 5


def test_destroy_says_that_the_raw_answers_are_nowhere_else(s3: Any) -> None:
    s3.create_bucket(Bucket="raw-zone", CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
    clients: Any = SimpleNamespace(client=lambda _: s3)

    def risks(prefix: str, *of_hosts: str) -> list[str]:
        variables = {"aws_functions_feed_prefix": prefix, "aws_storage_price_feed": list(of_hosts)}
        return [risk.where for risk in _raw_zone(Environment(variables, Names("test"), clients), "raw-zone")]

    assert risks("") == risks("feed/") == []
    s3.put_object(Bucket="raw-zone", Key="Raw data/Prices/2026-11-20/raw_file_20261120_040000.json", Body=b"{}")
    assert (risks(""), risks("feed/"), risks("", "")) == (["s3://raw-zone/Raw data/Prices/"], [], [])
