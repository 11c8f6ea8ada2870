"""Ingestion and ETL as functions: a day's candles in the bucket without a host, and what people are told."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.candles.conftest import INFY, SBIN
from tests.candles.without_a_host import TOKEN, Feed, account, at, built, unpacked
from tests.sdk.test_faults import arm

from exchange.market.history import candles, parse_request
from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.history import history_query
from harvester.calendar.model import packaged
from harvester.price_feed import asking
from harvester.price_feed.layout import COLUMNS

NUMBERS = count(1)
FRIDAY, SATURDAY, HOLIDAY, MUHURAT = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 24), date(2026, 11, 8)
WINDOWS = [["09:15:00", "10:00:00"], ["11:30:00", "12:30:00"]]


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's, with a disaster-recovery drill of two windows on a Saturday."""
    content = json.loads(packaged().read_text())
    drill = {"date": str(SATURDAY), "kind": "dr_drill", "phases": {"continuous": WINDOWS}, "status": "confirmed"}
    content["special_sessions"].append({**content["special_sessions"][0], **drill})
    path = tmp_path_factory.mktemp("calendar") / "calendar.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def modules(calendar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("functions")
    with unpacked(folder, built(folder / "zip", calendar, SBIN, INFY)) as found:
        yield found


@pytest.fixture
def feed(start: Callable[..., Any], calendar: Path, modules: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> Feed:
    server = start(always_open=False, calendar=calendar)
    bucket = f"functions-{next(NUMBERS)}"
    queue = account(monkeypatch, client, bucket)
    monkeypatch.setenv("APP_ID", server.app.app_id)
    monkeypatch.setattr(asking, "SPACING_SECONDS", 0)
    monkeypatch.setattr(modules["ingestion"], "SystemClock", lambda: server.clock)
    found = Feed(modules, server, client, bucket, queue, monkeypatch)
    found.move(at(FRIDAY, "09:00"))
    found.push(server.token())
    return found


def served(feed: Feed, symbol: str, day: date, at_ns: int) -> list[list[str]]:
    """What the exchange's own book model says of the day."""
    asked = parse_request(history_query(symbol, "5", day, day), at_ns)
    rows = candles(feed.server.world.model, asked, at_ns)
    return [[str(begin), *(repr(float(price)) for price in prices), str(volume)] for begin, *prices, volume in rows]


def cells(feed: Feed, symbol: str, day: date) -> list[list[str]]:
    return [[row[2], *row[4:9]] for row in feed.table(symbol, day)]


@pytest.mark.parametrize(
    ("day", "first", "last", "bars", "due"),
    [
        (FRIDAY, "15:05", "15:50", 72, "16:00"),
        (MUHURAT, "17:55", "19:35", 12, "19:35"),
        (SATURDAY, "12:20", "12:45", 21, "16:00"),
    ],
    ids=["a day with a closing auction", "muhurat, on a Sunday evening", "a drill of two windows on a Saturday"],
)
def test_the_day_is_in_the_bucket_cell_by_cell_at_its_own_time(
    feed: Feed, day: date, first: str, last: str, bars: int, due: str
) -> None:
    feed.move(at(day, "09:00"))
    feed.push(feed.server.token())
    rounds = feed.ask_until(at(day, first), at(day, last) + timedelta(minutes=10))
    assert [each["failed_symbols"] for each in rounds] == [{}] * len(rounds)
    raw = feed.keys("Raw data/")
    assert raw == [each["file"] for each in rounds] and raw
    assert feed.letters() == [], "what works is not told"
    early, late = at(day, due) - timedelta(minutes=5), at(day, due)
    assert feed.etl(now=early.isoformat()) == {"due": False}
    answer = feed.etl(now=late.isoformat())
    assert answer == {
        "processed_files": len(rounds), "total_records": 2 * bars, "symbols_processed": 2, "uploaded_files": 2,
        "date": str(day), "symbols": ["INFY", "SBIN"],
        "expected": 2 * bars, "missing": 0, "rejected": 0, "revised": 0, "missing_bars": {},
    }  # fmt: skip
    now_ns = feed.server.clock.wall_ns()
    for name, symbol in (("SBIN", SBIN), ("INFY", INFY)):
        assert cells(feed, name, day) == served(feed, symbol, day, now_ns)
        assert all(len(row) == len(COLUMNS) == 16 for row in feed.table(name, day))
    ((subject, text),) = feed.letters()
    assert subject == "Lightweight ETL Success" and f"{2 * bars} bars of 2 symbols" in text
    listing = {key: feed.get(key) for key in feed.keys("analytics/")}
    assert feed.etl(now=(late + timedelta(hours=1)).isoformat())["uploaded_files"] == 0
    assert feed.etl(date=str(day))["uploaded_files"] == 0
    assert {key: feed.get(key) for key in feed.keys("analytics/")} == listing
    assert [subject for subject, _ in feed.letters()] == ["Lightweight ETL Success"], "of the call by hand alone"


def test_a_holiday_and_the_hours_outside_a_session_ask_nobody(feed: Feed) -> None:
    for moment in (at(HOLIDAY, "11:00"), at(FRIDAY, "09:10"), at(FRIDAY, "15:55"), at(date(2026, 11, 22), "11:00")):
        assert feed.ask(moment) == {"session": False}
    assert feed.etl(now=at(HOLIDAY, "16:00").isoformat()) == {"due": False}
    answer = feed.etl(date=str(HOLIDAY))
    assert answer["left_out"] == "there is no session" and (answer["processed_files"], answer["expected"]) == (0, 0)
    assert feed.keys() == []
    assert feed.letters() == [("Lightweight ETL Success", "2026-11-24: there is no session, nothing to do.")]


def test_a_raw_file_has_the_shape_that_its_users_read(feed: Feed) -> None:
    (answer,) = feed.ask_until(at(FRIDAY, "09:25"), at(FRIDAY, "09:25"))
    key = answer["file"]
    moment = feed.raw(key)["metadata"]["ingestion_timestamp"]
    assert key == f"Raw data/Prices/2026-11-20/raw_file_{moment[:19].replace('-', '').replace(':', '')}.json".replace(
        "T", "_"
    )
    raw = feed.raw(key)
    assert raw["metadata"] == {
        "total_symbols_requested": 2, "successful_symbols": 2, "failed_symbols": [], "success_rate_percent": 100.0,
        "ingestion_timestamp": moment, "resolution": "5", "api_method": "fyers-history",
        "api_endpoint": "api-t1.fyers.in", "date_fetched": "2026-11-20",
    }  # fmt: skip
    sbin = raw["data"][SBIN]
    assert list(sbin) == ["symbol", "resolution", "candles", "timestamp", "total_records", "api_response"]
    assert sbin["candles"] == sbin["api_response"]["candles"] and sbin["total_records"] == len(sbin["candles"]) == 2
    head = feed.client.head_object(Bucket=feed.bucket, Key=key)
    assert head["ContentType"] == "application/json"


def test_a_symbol_that_goes_on_failing_is_named_told_once_and_its_bars_are_said_to_be_missing(feed: Feed) -> None:
    arm(feed.server, {"action": "error", "status": 400, "symbol": INFY, "path": "*/history", "count": 3})
    rounds = feed.ask_until(at(FRIDAY, "09:20"), at(FRIDAY, "09:30"))
    assert [list(each["failed_symbols"]) for each in rounds] == [[INFY]] * 3
    assert [feed.raw(each["file"])["metadata"]["failed_symbols"] for each in rounds] == [[INFY]] * 3
    ((subject, text),) = feed.letters()
    assert subject == "Ingestion FAILURE" and text.startswith(f"No candles of {INFY}: bad_response (HTTP 400")
    answer = feed.etl(now=at(FRIDAY, "16:00").isoformat())
    assert (answer["expected"], answer["symbols"]) == (144, ["SBIN"])
    missing = answer["missing_bars"][INFY]
    assert len(missing) == 72 and missing["2026-11-20T09:15:00+05:30"] == "no answer came"
    assert answer["missing_bars"][SBIN]["2026-11-20T15:10:00+05:30"] == "no answer came after its end"
    ((subject, text),) = feed.letters()
    assert subject == "Lightweight ETL Success"
    assert f"{INFY}: 72 missing between 09:15 and 15:10 IST (no answer came)" in text
    feed.ask(at(FRIDAY, "09:35"))
    assert [subject for subject, _ in feed.letters()] == ["Ingestion works again"]


def test_a_503_is_asked_again_in_the_round_and_one_that_stays_is_healed_by_the_next(feed: Feed) -> None:
    arm(feed.server, {"action": "error", "status": 503, "symbol": INFY, "path": "*/history", "count": 1})
    assert feed.ask(at(FRIDAY, "09:25"))["failed_symbols"] == {}
    arm(feed.server, {"action": "error", "status": 503, "symbol": INFY, "path": "*/history", "count": 2})
    assert list(feed.ask(at(FRIDAY, "09:30"))["failed_symbols"]) == [INFY]
    assert feed.ask(at(FRIDAY, "09:40"))["failed_symbols"] == {}
    assert feed.letters() == []
    answer = feed.etl(date=str(FRIDAY))
    assert INFY in answer["missing_bars"] and answer["total_records"] == 2 * 4, "what ended 15 s before an answer came"


def test_an_expired_token_ends_the_round_and_people_are_told_once_how_to_log_in(feed: Feed) -> None:
    feed.ask(at(FRIDAY, "09:20"))
    feed.push("expired.token.value")
    rounds = feed.ask_until(at(FRIDAY, "09:25"), at(FRIDAY, "09:35"))
    assert [(each["file"], each["successful_symbols"]) for each in rounds] == [(None, 0)] * 3
    assert len(feed.keys("Raw data/")) == 1
    ((subject, text),) = feed.letters()
    assert subject == "Ingestion FAILURE" and "all symbols: token_refused" in text and "./inv token-push" in text
    assert "expired.token.value" not in text
    feed.push(feed.server.token())
    assert feed.ask(at(FRIDAY, "09:40"))["successful_symbols"] == 2
    assert [subject for subject, _ in feed.letters()] == ["Ingestion works again"]


def test_without_a_token_nobody_asks_the_broker(feed: Feed) -> None:
    boto3.client("ssm").delete_parameter(Name=TOKEN)
    answer = feed.ask(at(FRIDAY, "09:25"))
    assert answer["failed_symbols"] == dict.fromkeys((SBIN, INFY), "no_token: no access token is stored")
    assert [subject for subject, _ in feed.letters()] == ["Ingestion FAILURE"]


def test_a_round_stops_where_the_broker_is_asked_too_often(feed: Feed) -> None:
    arm(feed.server, {"action": "error", "status": 429, "path": "*/history", "count": 1})
    assert set(feed.ask(at(FRIDAY, "09:25"))["failed_symbols"]) == {SBIN, INFY}


def test_each_success_is_mailed_where_that_is_wanted(feed: Feed) -> None:
    feed.patch.setenv("MAIL_EACH", "true")
    key = feed.ask(at(FRIDAY, "09:25"))["file"]
    assert feed.letters() == [("Ingestion Success", f"{key}: 2 symbols")]


def test_a_day_without_raw_files_fails_by_mail_and_by_hand_as_an_error(feed: Feed) -> None:
    answer = feed.etl(now=at(FRIDAY, "16:00").isoformat())
    assert "has no raw file of that day" in answer["problems"][0]
    with pytest.raises(HarvesterError, match="has no raw file of that day"):
        feed.etl(date=str(FRIDAY))
    assert [subject for subject, _ in feed.letters()] == ["Lightweight ETL FAILURE"] * 2


@pytest.mark.parametrize("text", ["2026-13-01", "yesterday", 20261120])
def test_a_date_that_is_none_is_refused(feed: Feed, text: Any) -> None:
    with pytest.raises(HarvesterError, match="Write it as 2026-11-20"):
        feed.etl(date=text)


def test_a_day_that_the_archive_does_not_know_is_an_error(feed: Feed) -> None:
    with pytest.raises(HarvesterError, match=r"2024-01-02: the days from 2025-11-01 to .* are known"):
        feed.etl(date="2024-01-02")


def test_what_lies_in_the_raw_zone_and_is_none_is_named_and_the_rest_is_brought(feed: Feed) -> None:
    feed.ask(at(FRIDAY, "09:25"))
    folder = "Raw data/Prices/2026-11-20"
    for name, content in (("notes.txt", b"x"), ("raw_file_20261120_120000.json", b'{"data": [1]}')):
        feed.client.put_object(Bucket=feed.bucket, Key=f"{folder}/{name}", Body=content)
    answer = feed.etl(now=at(FRIDAY, "16:00").isoformat())
    assert (answer["processed_files"], answer["uploaded_files"], len(answer["problems"])) == (1, 2, 2)
    assert f"s3://{feed.bucket}/{folder}/notes.txt is left out" in answer["problems"][0]
    assert [subject for subject, _ in feed.letters()] == ["Lightweight ETL FAILURE"]


def test_a_file_of_others_in_the_folder_of_a_symbol_stops_that_symbol(feed: Feed) -> None:
    feed.ask(at(FRIDAY, "09:25"))
    foreign = "analytics/csv/symbol=SBIN/year=2026/month=11/day=20/data_20261120T103000Z.csv.gz"
    feed.client.put_object(Bucket=feed.bucket, Key=foreign, Body=b"of a host", Metadata={"harvester-host": "lab1"})
    answer = feed.etl(now=at(FRIDAY, "16:00").isoformat())
    (problem,) = answer["problems"]
    assert "the price feed of lab1 put it" in problem
    assert 'call alpha-harvester-lab-etl with {"date": "2026-11-20"}' in problem
    assert feed.keys("analytics/csv/symbol=SBIN/") == [foreign] and answer["uploaded_files"] == 1
