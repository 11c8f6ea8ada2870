"""The raw zone: every answer as it came, in one file, within a minute, whoever asks how often."""

import json
from typing import Any

import pytest
from tests.candles.conftest import INFY, SBIN, FeedHost
from tests.journals import DAY, OPEN_NS
from tests.storage.lake.candles import MINUTE, bar, said

from harvester import cli
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.price_feed.cuts import CUT_NS, LATE_NS

FIRST = "Raw data/Prices/2026-11-23/raw_file_20261123_035006.json"
"""09:20:06 in India."""


def at(host: FeedHost, minutes: float) -> list[str]:
    host.clock.now_ns = OPEN_NS + int(minutes * MINUTE)
    return host.deliver_raw()


def test_a_round_is_one_file_in_the_shape_that_its_users_read(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, b'{"s":"ok","candles":[[1795405500,800.10,801,799.95,800.5,7]],"x":"\xc3\xa9"}')
    recorder.answer(5.1, INFY, said(bar(0), bar(1)))
    recorder.writer.sync()
    assert at(host, 6) == [FIRST]
    content = host.get(FIRST)
    assert b'"candles":[[1795405500,800.10,801,799.95,800.5,7]]' in content, "rows are as they were served"
    assert '"api_response":{"s":"ok","candles":[[1795405500,800.10,801,799.95,800.5,7]],"x":"é"}' in content.decode()
    read = json.loads(content)
    assert read["metadata"] == {
        "total_symbols_requested": 2,
        "successful_symbols": 2,
        "failed_symbols": [],
        "success_rate_percent": 100.0,
        "ingestion_timestamp": "2026-11-23T03:50:06.040000",
        "resolution": "5",
        "api_method": "fyers-history",
        "api_endpoint": "api-t1.fyers.in",
        "date_fetched": "2026-11-23",
    }
    assert list(read["data"]) == [SBIN, INFY]
    infy = read["data"][INFY]
    assert (infy["symbol"], infy["resolution"], infy["total_records"]) == (INFY, "5", 2)
    assert infy["timestamp"] == "2026-11-23T03:50:06.040000" and infy["candles"] == [bar(0), bar(1)]
    assert host.client.head_object(Bucket=host.bucket, Key=FIRST)["ContentType"] == "application/json"


def test_an_answer_is_up_before_a_minute_is_over(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.writer.sync()
    came_ns = host.clock.now_ns
    waited = 0
    while not host.deliver_raw():
        assert host.receipt(kind="raw")["manifest"]
        waited += 5 * NS_PER_SECOND
        host.clock.now_ns = came_ns + waited
    assert waited <= CUT_NS + LATE_NS + 5 * NS_PER_SECOND
    assert CUT_NS + LATE_NS + 20 * NS_PER_SECOND < 60 * NS_PER_SECOND, "the timer's 20 s leave it room to run"


def test_who_asks_often_and_who_asks_once_get_the_same_files(host: FeedHost, tmp_path: Any, client: Any) -> None:
    recorder = host.recorder()
    for number in range(1, 6):
        for symbol in (SBIN, INFY):
            recorder.answer(5 * number + 0.1, symbol, said(*map(bar, range(number))))
        recorder.writer.sync()
        host.clock.now_ns += 15 * NS_PER_SECOND
        host.deliver_raw()
        host.clock.now_ns += 15 * NS_PER_SECOND
        host.deliver_raw()
    recorder.stop(60)
    listing = {key: host.get(key) for key in host.deliver_raw()}
    assert len(listing) == 5
    (host.root / "deliveries/price-feed/raw" / f"{DAY}_lab1.json").unlink()
    assert {key: host.get(key) for key in host.deliver_raw()} == listing
    assert len(client.list_object_versions(Bucket=host.bucket)["Versions"]) == 5, "nothing was put twice"


def test_only_what_is_new_is_read_again(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.writer.sync()
    at(host, 6)
    place = host.receipt(kind="raw")["manifest"]
    segment, offset = place.split(":")
    assert (host.root / "journal" / str(DAY) / f"{segment}.open").stat().st_size == int(offset)
    at(host, 6.5)
    assert host.receipt(kind="raw")["manifest"] == place
    recorder.answer(10.1, SBIN, said(bar(0), bar(1)))
    recorder.writer.sync()
    assert len(at(host, 11)) == 2
    assert host.receipt(kind="raw")["manifest"] != place


def test_a_segment_is_read_from_its_begin_however_far_the_one_before_it_was_read(host: FeedHost) -> None:
    """The place where a reader goes on is in one segment; a recorder that starts anew opens another."""
    recorder = host.recorder()
    for number in range(1, 9):
        recorder.answer(5 * number + 0.1, SBIN, said(*map(bar, range(number))))
    recorder.writer.sync()
    assert len(at(host, 41)) == 8
    read_until = int(host.receipt(kind="raw")["manifest"].partition(":")[2])
    recorder.stop(42)
    again = host.recorder()
    again.answer(45.1, SBIN, said(bar(8)))
    again.stop(46)
    newest = max((host.root / "journal" / str(DAY)).glob("*.seg"))
    assert newest.stat().st_size < read_until

    assert len(at(host, 47)) == 9


def test_another_round_is_another_file_however_soon(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.answer(5.2, SBIN, said(bar(0)))
    recorder.stop(6)
    assert len(at(host, 7)) == 2


def test_a_long_round_is_several_files_each_within_its_time(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.answer(5.1 + 10 / 60, SBIN, said(bar(0)), due=5.1)
    recorder.answer(5.1 + 25 / 60, INFY, said(bar(0)), due=5.1)
    recorder.writer.sync()
    keys = at(host, 7)
    assert keys == [FIRST, "Raw data/Prices/2026-11-23/raw_file_20261123_035031.json"]
    assert [list(json.loads(host.get(key))["data"]) for key in keys] == [[SBIN], [INFY]]


def test_failures_are_named_in_the_file_of_their_time(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.answer(5.15, INFY, b"<html>busy</html>", status=503, due=5.1)
    recorder.writer.sync()
    recorder.fail(10.1, [SBIN, INFY], "no_token")
    recorder.answer(15.1, SBIN, said(bar(0), bar(1)))
    recorder.fail(15.2, [INFY], "timeout")
    recorder.stop(16)
    keys = at(host, 17)
    read = [json.loads(host.get(key)) for key in keys]
    assert len(read) == 2, "a round without any data is no file"
    assert [each["metadata"]["failed_symbols"] for each in read] == [[INFY], [INFY]]
    assert [each["metadata"]["success_rate_percent"] for each in read] == [50.0, 50.0]
    assert [list(each["data"]) for each in read] == [[SBIN], [SBIN]]


def test_a_clock_set_back_costs_no_answer_and_no_file_is_replaced(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.stop(6)
    first = {key: host.get(key) for key in at(host, 7)}
    host.clock.now_ns = OPEN_NS + int(3 * MINUTE)
    again = host.recorder()
    again.answer(3.2, SBIN, said(bar(0)))
    again.stop(4)
    keys = at(host, 8)
    assert len(keys) == 2 and host.get(FIRST) == first[FIRST]
    assert keys[1] == "Raw data/Prices/2026-11-23/raw_file_20261123_035007.json", "a second after the one before"


def test_a_day_is_delivered_from_the_archive_as_from_the_journal(host: FeedHost) -> None:
    recorder = host.recorder()
    for number in (1, 2):
        recorder.answer(5 * number + 0.1, SBIN, said(bar(0)))
    recorder.stop(12)
    listing = {key: host.get(key) for key in at(host, 420)}
    host.close()
    for path in (host.root / "journal" / str(DAY)).iterdir():
        path.unlink()
    (host.root / "deliveries/price-feed/raw" / f"{DAY}_lab1.json").unlink()
    assert {key: host.get(key) for key in host.deliver_raw()} == listing


def test_a_damaged_record_costs_that_answer_alone(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.answer(5.1, INFY, said(bar(0)))
    recorder.stop(6)
    segments = (host.root / "journal" / str(DAY)).glob("*.seg")
    path = next(each for each in segments if b'"candles":[[' in each.read_bytes())
    content = bytearray(path.read_bytes())
    content[content.index(b'"candles":[[')] ^= 1
    path.write_bytes(content)
    assert [list(json.loads(host.get(key))["data"]) for key in at(host, 7)] == [[INFY]]


def test_a_day_without_answers_is_no_file(host: FeedHost) -> None:
    assert host.deliver_raw() == []
    host.recorder().stop(1)
    assert at(host, 10) == []


def test_a_past_day_is_whole_only_when_its_last_segment_is(host: FeedHost) -> None:
    """A recorder that died left it open: what can be rescued of it comes when the next one starts."""
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.writer.sync()
    assert at(host, 24 * 60) == [FIRST]
    assert host.receipt(kind="raw")["manifest"] != "whole"
    host.clock.now_ns = OPEN_NS
    recorder.answer(10.1, INFY, said(bar(0)))
    recorder.stop(11)
    assert len(at(host, 24 * 60 + 3)) == 2
    assert host.receipt(kind="raw")["manifest"] == "whole"


def test_what_an_evening_could_not_take_goes_the_next_day_and_is_not_read_again(
    host: FeedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, SBIN, said(bar(0)))
    recorder.stop(6)
    host.clock.now_ns += 24 * 60 * MINUTE
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: host.clock.wall_ns())
    monkeypatch.setattr(SystemClock, "mono_ns", lambda _: host.clock.mono_ns())
    assert host.settings
    command = ["deliver-raw", "--config", str(host.root / "config.json")]
    assert cli.run(command) == 0 and host.keys() == [FIRST]
    assert host.receipt(kind="raw")["manifest"] == "whole"
    for path in (host.root / "journal" / str(DAY)).iterdir():
        path.unlink()
    assert cli.run(command) == 0 and host.keys() == [FIRST]
