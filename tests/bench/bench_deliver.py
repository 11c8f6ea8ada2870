"""The price feed's day: 5,000 symbols of 75 bars, from the journal and from the lake, into a bucket in this process.

The delivery's own client of S3 signs and writes every request, which ends here: what a network costs is not counted.
The journal has a round of answers every 25 minutes, which is how often the broker's limits let 5,000 symbols be asked.
`python -m tests.bench.bench_deliver deliver PLACE` does that in a process of its own.
"""

import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import child

if TYPE_CHECKING:
    from tests.bench.report import Report

SYMBOLS, BARS, ROUND = 5_000, 75, 5
"""Bars a round: each answer has the day so far."""
DAY = "2026-07-20"
"""When continuous trading ended at 15:30."""


def run(report: "Report", *, long: bool) -> None:
    """Record the day, deliver it from the journal, close it, deliver it again as if nothing had been."""
    with tempfile.TemporaryDirectory(prefix="bench-deliver-") as folder:
        place = Path(folder)
        _record(place)
        journal = child.run("tests.bench.bench_deliver", "deliver", place)
        child.run("tests.bench.bench_deliver", "close", place)
        shutil.rmtree(place / "deliveries")
        lake = child.run("tests.bench.bench_deliver", "deliver", place)
    rows = [
        [name, f"{day['records']:,}", day["cpu_s"], day["requests_s"], day["rss_mib"], day["bytes"] / day["records"]]
        for name, day in (("the journal, before the close", journal), ("the lake", lake))
    ]
    columns = ["a day of 5,000 symbols from", "bars", "CPU-s", "of it S3's client", "RSS MiB", "bytes/bar"]
    report.table("Delivering the price feed", columns, rows)
    report.figure("deliver_lake_cpu_s", round(lake["cpu_s"], 1), bound="<= 20", unit="s")
    report.figure("deliver_tables_cpu_s", round(lake["cpu_s"] - lake["requests_s"], 1), bound="<= 20", unit="s")
    report.figure("deliver_rss_mib", round(lake["rss_mib"], 1), bound="<= 150", unit="MiB")
    report.figure("deliver_journal_cpu_s", round(journal["cpu_s"], 1), bound="<= 120", unit="s")
    report.figure("deliver_journal_rss_mib", round(journal["rss_mib"], 1), bound="<= 200", unit="MiB")


def _settings(place: Path) -> Any:
    from harvester.config.file import parse_settings

    names = [f"NSE:B{number:04}-EQ" for number in range(SYMBOLS)]
    content = {
        "host_id": "bench",
        "data_dir": str(place),
        "symbols": names,
        "broker": {"app_id": "ABCDE12345-100"},
        "feeds": ["fyers-history"],
        "candles": {"every_seconds": 1800},
        "deliveries": [{"name": "price-feed", "kind": "price-feed", "place": "s3://bench-bucket/"}],
    }
    return parse_settings(json.dumps(content).encode(), place / "config.json")


def _record(place: Path) -> None:
    from datetime import date

    from tests.journals import HandClock
    from tests.storage.lake.candles import CandleRecorder

    from harvester.base.clock import NS_PER_SECOND
    from harvester.base.market import midnight_ns
    from harvester.journal.format import FYERS_HISTORY, CandlePoll, encode_candles

    open_ns = midnight_ns(date.fromisoformat(DAY)) + 33_300 * NS_PER_SECOND
    clock, first_s = HandClock(open_ns), open_ns // NS_PER_SECOND
    names = _settings(place).symbols
    recorder = CandleRecorder(place / "journal", clock, symbols=names)
    for last in range(ROUND, BARS + 1, ROUND):
        sent_ns = open_ns + last * 300 * NS_PER_SECOND + (5 if last < BARS else 900) * NS_PER_SECOND
        for number in range(SYMBOLS):
            base = 100 + number
            rows = [
                [
                    first_s + 300 * each,
                    base,
                    base + 1.35,
                    base - 0.95,
                    base + each / 20,
                    900 + each * 7,
                ]
                for each in range(last)
            ]
            body = json.dumps({"s": "ok", "candles": rows}, separators=(",", ":")).encode()
            clock.now_ns = sent_ns + number * 1_000_000
            payload = encode_candles(CandlePoll(sent_ns, clock.now_ns, 200, 300, body))
            recorder.writer.append(FYERS_HISTORY, number, payload, wall_ns=clock.now_ns, mono_ns=clock.mono_ns())
    recorder.stop()


class Bucket:
    """Answers the delivery's requests, and remembers no object: what a bucket holds is no memory of ours.

    S3's answer to a put states the checksum, so no object is asked for again.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.began = self.seconds = 0.0

    def begin(self, **_: Any) -> None:
        """The client begins a call."""
        self.began = time.process_time()

    def end(self, **_: Any) -> None:
        """The client has its answer."""
        self.seconds += time.process_time() - self.began

    def send(self, request: Any, **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        class Raw(io.BytesIO):
            def stream(self, *_: Any, **__: Any) -> Any:
                yield self.read()

        headers, body = {"ETag": '"e"'}, b""
        if request.method == "PUT":
            content = request.body if isinstance(request.body, bytes) else request.body.read()
            headers["x-amz-checksum-sha256"] = b64encode(hashlib.sha256(content).digest()).decode()
            self.bytes += len(content)
        else:
            assert request.method == "GET" and "list-type=2" in request.url, request
            body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        return AWSResponse(request.url, 200, headers, Raw(body))


def _deliver(place: Path) -> dict[str, Any]:
    from datetime import date

    from tests.journals import HandClock

    from harvester.lake.layout import Partition
    from harvester.price_feed.feed import PriceFeed
    from harvester.price_feed.place import FeedBucket
    from harvester.upload.bucket import open_client

    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    settings, bucket = _settings(place), Bucket()
    client = open_client("ap-south-1", "http://127.0.0.1:9")
    client.meta.events.register_first("before-parameter-build.s3", bucket.begin)
    client.meta.events.register("before-send.s3", bucket.send)
    client.meta.events.register_last("after-call.s3", bucket.end)
    feed = PriceFeed(settings, settings.deliveries[0], FeedBucket(client, "bench-bucket", ""), HandClock())
    began = time.process_time()
    result = feed.deliver_day(Partition(date.fromisoformat(DAY), "bench"))
    spent = time.process_time() - began
    assert result.outcome.complete and result.outcome.put == SYMBOLS, result.outcome.problems[:3]
    records = result.receipt.counts["records"]
    assert records == SYMBOLS * BARS
    return {
        "records": records,
        "cpu_s": spent,
        "requests_s": bucket.seconds,
        "rss_mib": child.peak_mib(),
        "bytes": bucket.bytes,
    }


def _close(place: Path) -> dict[str, Any]:
    from datetime import date

    from harvester.calendar import TradingCalendar
    from harvester.lake.close import close_day, expect_day
    from harvester.lake.layout import Partition

    settings, day = _settings(place), date.fromisoformat(DAY)
    close_day(
        journal=settings.journal_dir,
        lake=settings.lake_dir,
        partition=Partition(day, "bench"),
        expectation=expect_day(settings, TradingCalendar.load(), day),
        now_ns=time.time_ns(),
    )
    return {}


if __name__ == "__main__":
    print(json.dumps({"deliver": _deliver, "close": _close}[sys.argv[1]](Path(sys.argv[2]))))
