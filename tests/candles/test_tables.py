"""The csv.gz of the price feed: one file in force for each symbol and day, the same whoever asks when."""

import gzip
from datetime import timedelta
from pathlib import Path

import pytest
from tests.candles.conftest import INFY, SBIN, FeedHost
from tests.journals import DAY, OPEN_NS, HandClock
from tests.storage.lake.candles import MINUTE, bar, said

from harvester.base.errors import HarvesterError
from harvester.lake.layout import Partition
from harvester.lake.manifest import load_manifest, write_removals
from harvester.price_feed.folder import working

HEADER = (
    "symbol,symbol_clean,timestamp_unix,timestamp_iso,open,high,low,close,volume,resolution,"
    "fetch_timestamp,year,month,day,hour,processed_at"
)
FOLDER = "analytics/csv/symbol=SBIN/year=2026/month=11/day=23"
BARS = 72
"""From 09:15 to 15:15."""
SETTLED = 6 * 60 + 40
"""Minutes after the opening: a quarter of an hour after the closing auction's end is over."""


def record(host: FeedHost, *, last_close: float = 800.5, symbols: tuple[str, ...] = (SBIN, INFY)) -> None:
    """A day of two answers each: one in the morning, one when the day has settled."""
    recorder = host.recorder()
    for symbol in symbols:
        recorder.answer(10.1, symbol, said(bar(0), bar(1), bar(2)))
    for symbol in symbols:
        recorder.answer(SETTLED, symbol, said(*map(bar, range(BARS - 1)), bar(BARS - 1, last_close)))
    recorder.stop(SETTLED + 1)


def test_the_file_is_as_its_users_have_it_to_the_byte(host: FeedHost) -> None:
    record(host)
    host.deliver()
    assert host.keys("analytics/") == [
        "analytics/csv/symbol=INFY/year=2026/month=11/day=23/data_20261123T102500Z.csv.gz",
        f"{FOLDER}/data_20261123T102500Z.csv.gz",
    ]
    lines = host.text("SBIN").split("\r\n")
    assert lines[0] == HEADER and lines[-1] == "" and len(lines) == BARS + 2
    assert lines[1] == (
        "NSE:SBIN-EQ,SBIN,1795405500,2026-11-23T03:45:00,800.0,801.25,799.95,800.5,100,5,"
        "2026-11-23T03:55:06.040000,2026,11,23,3,2026-11-23T10:25:00.040000"
    )
    seen = host.client.head_object(Bucket=host.bucket, Key=host.keys(FOLDER)[0])
    assert (seen["ContentType"], seen["ContentEncoding"]) == ("text/csv", "gzip")


def test_today_is_delivered_again_with_what_its_open_segment_got_since(host: FeedHost) -> None:
    recorder, put, segments = host.recorder(), [], []
    for minutes, symbol in ((5.1, SBIN), (5.2, INFY)):
        recorder.answer(minutes, symbol, said(bar(0)))
        recorder.writer.sync()
        put += [host.deliver().outcome.put, host.deliver().outcome.put]
        segments.append(sorted(path.name for path in (host.root / "journal" / str(DAY)).iterdir()))
    assert put == [1, 0, 1, 0] and segments[0] == segments[1]


def test_three_reruns_with_and_without_receipts_and_after_the_close_leave_the_same_listing(host: FeedHost) -> None:
    record(host)
    first = host.deliver()
    assert (first.outcome.put, first.outcome.complete, first.outcome.new) == (2, True, True)
    listing = host.keys()
    versions = host.client.list_object_versions(Bucket=host.bucket)["Versions"]
    assert host.deliver().outcome.put == 0
    (host.root / "deliveries/price-feed/tables" / f"{DAY}_lab1.json").unlink()
    assert host.deliver().outcome.complete
    host.close()
    assert host.deliver().outcome.complete
    assert host.keys() == listing
    assert host.client.list_object_versions(Bucket=host.bucket)["Versions"] == versions, "nothing was put twice"


def test_the_result_has_the_keys_that_scripts_know(host: FeedHost) -> None:
    record(host)
    assert host.deliver().describe() == {
        "processed_files": 3,
        "total_records": 144,
        "symbols_processed": 2,
        "uploaded_files": 2,
        "date": "2026-11-23",
        "symbols": ["INFY", "SBIN"],
        "expected": 144,
        "missing": 0,
        "rejected": 0,
        "revised": 0,
    }
    host.close()
    again = host.deliver().describe()
    assert (again["uploaded_files"], again["total_records"], again["symbols"]) == (0, 144, ["INFY", "SBIN"])


def test_the_receipt_says_what_was_read_back(host: FeedHost) -> None:
    record(host)
    host.deliver()
    row = next(row for row in host.receipt()["files"] if row["path"] == FOLDER)
    seen = host.client.head_object(Bucket=host.bucket, Key=row["key"], ChecksumMode="ENABLED")
    assert (row["checksum"], row["etag"], row["version_id"]) == (
        seen["ChecksumSHA256"], seen["ETag"], seen["VersionId"]
    )  # fmt: skip
    assert row["bytes"] == len(host.text("SBIN").encode()), "size and hash are of the CSV"


def test_a_last_bar_that_is_revised_supersedes_the_file(host: FeedHost) -> None:
    record(host)
    host.deliver()
    before = host.keys(FOLDER)
    later = host.recorder()
    later.answer(SETTLED + 5, SBIN, said(*map(bar, range(BARS - 1)), bar(BARS - 1, 801.0, 150)))
    later.stop(SETTLED + 6)
    host.close()
    result = host.deliver()
    (key,) = host.keys(FOLDER)
    assert key == f"{FOLDER}/data_20261123T103000Z.csv.gz" and key not in before
    assert [(row["close"], row["volume"]) for row in host.table("SBIN")[-2:]] == [("800.5", "100"), ("801.0", "150")]
    assert result.describe()["revised"] == 1 and result.outcome.put == 1, "the other symbol's file stays"
    assert not host.keys("analytics/csv/symbol=INFY")[1:]


def test_other_bars_of_the_same_newest_answer_get_a_name_of_their_own(host: FeedHost) -> None:
    """A rebuild after damage can leave out a bar and keep the newest answer."""
    record(host)
    host.deliver()
    before = host.keys(FOLDER)
    for path in (host.root / "journal" / str(DAY)).iterdir():
        path.unlink()
    host.clock = HandClock()
    recorder = host.recorder()
    recorder.answer(SETTLED, SBIN, said(*map(bar, range(1, BARS))))
    recorder.answer(SETTLED, INFY, said(*map(bar, range(BARS))))
    recorder.stop(SETTLED + 1)
    assert host.deliver().outcome.complete
    assert host.keys(FOLDER) == [f"{FOLDER}/data_20261123T102501Z.csv.gz"] != before
    assert len(host.table("SBIN")) == BARS - 1
    assert host.deliver().outcome.put == 0 and len(host.keys(FOLDER)) == 1


def test_a_symbol_that_fails_all_day_is_counted_and_the_other_is_there(host: FeedHost) -> None:
    recorder = host.recorder()
    recorder.answer(SETTLED, SBIN, said(*map(bar, range(BARS))))
    recorder.answer(SETTLED, INFY, b'{"s":"error","code":-300,"message":"Invalid symbol"}', status=400)
    recorder.stop(SETTLED + 1)
    said_of = host.deliver().describe()
    assert (said_of["symbols"], said_of["expected"], said_of["missing"]) == (["SBIN"], 144, 72)
    assert host.keys("analytics/csv/symbol=INFY") == []


def test_an_object_of_others_stops_that_symbol_alone_before_anything_is_put(host: FeedHost) -> None:
    record(host)
    foreign = f"{FOLDER}/data_20261123T103000Z.csv.gz"
    host.client.put_object(Bucket=host.bucket, Key=foreign, Body=b"old pipeline")
    result = host.deliver()
    assert result.outcome.foreign and not result.outcome.complete
    (problem,) = result.outcome.problems
    assert problem == (
        f"s3://{host.bucket}/{foreign}: no price feed of ours put it, and a symbol's day may have one file only, so"
        " nothing was put beside it. Of two that deliver, give each a place of its own, or its own symbols. Else move"
        " the object away with an administrator's rights, and run harvester deliver --date for that day."
    )
    assert host.keys(FOLDER) == [foreign] and host.get(foreign) == b"old pipeline"
    assert len(host.keys("analytics/csv/symbol=INFY")) == 1
    host.client.delete_object(Bucket=host.bucket, Key=foreign)
    assert host.deliver().outcome.complete and len(host.keys(FOLDER)) == 1


def test_two_hosts_with_one_place_are_told(host: FeedHost, tmp_path: Path) -> None:
    record(host)
    host.deliver()
    other = FeedHost(tmp_path / "other", host.client, host.bucket, "lab2")
    other.changes = {"host_id": "lab2"}
    record(other)
    result = other.deliver()
    assert len(result.outcome.problems) == 2 and "the price feed of lab1 put it" in result.outcome.problems[0]
    assert host.deliver().outcome.complete and len(host.keys("analytics/")) == 2


def test_a_run_in_the_middle_of_another_is_told_and_does_nothing(host: FeedHost) -> None:
    record(host)
    folder = host.root / "deliveries/price-feed/tables"
    with working(folder), pytest.raises(HarvesterError, match="another run of this delivery is at work"):
        host.deliver()
    assert host.keys() == []
    assert host.deliver().outcome.complete


def test_a_run_that_died_between_put_and_receipt_is_finished_by_the_next(
    host: FeedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(host)
    host.deliver()
    later = host.recorder()
    later.answer(SETTLED + 5, SBIN, said(*map(bar, range(BARS - 1)), bar(BARS - 1, 801.0)))
    later.stop(SETTLED + 6)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("harvester.price_feed.place.FeedBucket.delete", die)
        with pytest.raises(KeyboardInterrupt):
            host.deliver()
    assert len(host.keys(FOLDER)) == 2, "the new one is there, and what it supersedes not gone yet"
    assert host.deliver().outcome.complete
    assert host.keys(FOLDER) == [f"{FOLDER}/data_20261123T103000Z.csv.gz"]


def test_a_full_disk_is_told_and_what_was_delivered_is_found(host: FeedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    record(host)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("harvester.deliver.receipts.replacing", full)
        with pytest.raises(HarvesterError, match="No space left on device"):
            host.deliver()
    listing = host.keys()
    assert host.deliver().outcome.complete and host.keys() == listing


def test_other_compression_of_the_same_lines_is_the_same_file(host: FeedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a newer release of zlib would make it."""
    record(host)
    host.deliver()
    listing = host.keys()
    (host.root / "deliveries/price-feed/tables" / f"{DAY}_lab1.json").unlink()
    compress = gzip.compress
    monkeypatch.setattr("gzip.compress", lambda content, level, mtime: compress(content, 1, mtime=mtime))
    assert host.deliver().outcome.complete and host.keys() == listing


def test_a_day_of_which_nothing_is_here_is_told_and_a_holiday_is_no_fault(host: FeedHost) -> None:
    assert host.deliver(DAY + timedelta(days=1)).outcome.left_out == "there is no session"
    result = host.deliver(DAY - timedelta(days=3))
    assert "nothing of that day is recorded on this host" in result.outcome.problems[0]
    assert host.keys() == []


def test_today_is_due_at_four_once_its_bars_have_settled(host: FeedHost) -> None:
    record(host)
    due = []
    for minutes in (SETTLED - 20, 404.9, 405):
        host.clock.now_ns = OPEN_NS + int(minutes * MINUTE)
        due.append([each.date for each in host.feed().due()])
    assert due == [[], [], [DAY]], "16:00 is 405 minutes after the opening"
    host.close()
    assert [each.date for each in host.feed().due()] == [DAY]
    host.clock.now_ns += 24 * 60 * MINUTE
    assert [each.date for each in host.feed().due()] == [DAY], "today is a holiday, and the closed day stays due"


def test_a_closed_day_that_was_cleaned_up_is_left_out_and_said(host: FeedHost) -> None:
    record(host)
    host.close()
    lake = host.root / "lake"
    partition = Partition(DAY, "lab1")
    manifest = load_manifest(lake, partition)
    assert manifest
    entries = [entry for entry in manifest.files if entry.folder == "candles_v3"]
    write_removals(lake, partition, entries, "0" * 64)
    for entry in entries:
        (lake / entry.path).unlink()
    outcome = host.deliver().outcome
    assert "was cleaned up before it was delivered" in outcome.left_out and outcome.problems == []
