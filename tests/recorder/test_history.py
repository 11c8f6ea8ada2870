"""What a start learns of the runs before it: of every feed and symbol, whether the runs between had them or not."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.recorder.fakes import FakeClock
from tests.recorder.gap_records import closed, opened

from harvester.base.clock import NS_PER_SECOND
from harvester.capture.history import DayHistory, ReplayedFeed
from harvester.journal.format import FYERS_HSM, FYERS_REST, Poll, RunInfo, encode_poll
from harvester.journal.writer import JournalWriter
from harvester.ledger.gaps import Gap
from harvester.ledger.outage import Cause, Outage

NOW = 1_785_904_200 * NS_PER_SECOND
STATE = {"type": "state", "accounted": {}, "open": [], "settled": [], "feeds": {}}


def read(directory: Path, *records: dict[str, Any] | Poll, interval_ns: int = NS_PER_SECOND) -> DayHistory:
    """The history of a day with these records, all written at the same moment; polls are of symbol S."""
    clock = FakeClock(NOW)
    run = RunInfo(host_id="h", release="r", config_hash="0", streams={0: "S"})
    writer = JournalWriter(directory, clock=clock, run=run)
    for record in records:
        if isinstance(record, Poll):
            writer.append(FYERS_REST, 0, encode_poll(record), wall_ns=NOW, mono_ns=0)
        else:
            writer.append_control(record)
    writer.close()
    (day,) = (path for path in directory.iterdir() if path.name[:2] == "20")
    history = DayHistory(interval_ns)
    history.read(day)
    return history


def window(interval_ns: int | None) -> dict[str, Any]:
    return {"type": "window_open", "open_ns": NOW, "close_ns": NOW + 1, "interval_ns": interval_ns}


@pytest.mark.parametrize(
    ("records", "interval_ns"),
    [
        ([], 7),
        ([window(5)], 5),
        ([window(None)], 7),
        ([{**STATE, "interval_ns": 3}], 3),
        ([STATE], 7),
        ([{**STATE, "interval_ns": 3}, window(5)], 5),
    ],
)
def test_a_slot_is_as_long_as_it_was_for_the_run_that_polled_it(
    tmp_path: Path, records: list[dict[str, Any]], interval_ns: int
) -> None:
    history = read(tmp_path, *records, Poll(NOW, NOW, 200, b"{}"), interval_ns=7)
    assert history.feed(FYERS_REST).accounted == {"S": NOW + interval_ns}


def test_a_checkpoint_tells_of_feeds_and_symbols_that_its_run_had_not(tmp_path: Path) -> None:
    feeds = {str(FYERS_HSM): {"open": [], "accounted": {"A": NOW - 5, "B": NOW - 9}, "topics": {"A": ["sf|a"]}}}
    history = read(tmp_path, {**STATE, "accounted": {"S": NOW - 7}, "feeds": feeds})
    assert history.feed(FYERS_REST).accounted == {"S": NOW - 7}
    assert history.feed(FYERS_HSM).accounted == {"A": NOW - 5, "B": NOW - 9}
    assert history.feed(FYERS_HSM).topics == {"A": ["sf|a"]}


@pytest.mark.parametrize("heard", [(50, 10), (10, 50)])
def test_of_connections_that_ended_with_their_run_the_earliest_last_message_counts(
    tmp_path: Path, heard: tuple[int, int]
) -> None:
    """Whether the other one had the symbol's snapshot before it is not in the journal."""
    streams = {"0": (["A", "B"], NOW - heard[0]), "1": (["A"], NOW - heard[1])}
    history = read(tmp_path, {**STATE, "feeds": {str(FYERS_HSM): {"open": [], "streams": streams}}})
    assert history.feed(FYERS_HSM).accounted == {"A": NOW - 50, "B": NOW - heard[0]}


@pytest.mark.parametrize(("cause", "ends_ns"), [("stopped", NOW + 90), ("disk_full", NOW)])
def test_the_gaps_of_a_feed_that_is_used_no_more_end(tmp_path: Path, cause: Cause, ends_ns: int) -> None:
    history = read(tmp_path, opened("old-1", "A", NOW - 50, Outage(cause, "of old"), feed=FYERS_HSM))
    feed = history.feed(FYERS_HSM)
    assert feed.opened == {"old-1": Gap("old-1", "A", NOW - 50, cause, "of old")}
    assert feed.leave(NOW + 90) == [closed("old-1", ends_ns)]
    assert (feed.opened, feed.accounted) == ({}, {"A": ends_ns})
    assert feed.leave(NOW + 95) == []


def test_a_connection_whose_end_was_not_kept_ends_with_the_next_of_its_stream() -> None:
    """While a journal takes nothing for long, records are dropped: what came is seen up to its last message."""
    feed = ReplayedFeed()
    feed.connect({"stream": 0, "symbols": ["A", "B"]})
    feed.last_ns[0] = 5
    feed.connect({"stream": 0, "symbols": ["B", "C"]})
    assert feed.accounted == {"A": 5, "B": 5}
    feed.last_ns[0] = 9
    feed.end_run()

    assert feed.accounted == {"A": 5, "B": 9, "C": 9}


def test_what_the_data_socket_called_a_symbol_is_kept_once_each(tmp_path: Path) -> None:
    begins = {"type": "connect", "feed": FYERS_HSM, "stream": 0, "symbols": ["A", "B"]}
    with capture_logs() as said:
        history = read(
            tmp_path,
            begins | {"topics": {"sf|a": "A", "sf|b": "B"}},
            {"type": "disconnect", "feed": FYERS_HSM, "stream": 0},
            begins | {"topics": {"sf|a": "A", "if|b": "B"}},
            begins,
        )

    assert history.feed(FYERS_HSM).topics == {"A": ["sf|a"], "B": ["sf|b", "if|b"]}
    assert said == [], "each record was understood"


@pytest.mark.parametrize("kind", ["settled", "quiet"])
def test_a_record_of_a_feed_accounts_for_symbols_of_that_feed_alone(tmp_path: Path, kind: str) -> None:
    """Up to when candles were asked for that had settled, or to when a market is known to have been quiet."""
    times = {"settled": {"sent_ns": NOW - 3}, "quiet": {"from_ns": NOW - 9, "to_ns": NOW - 3}}
    with capture_logs() as said:
        history = read(tmp_path, {"type": kind, "feed": FYERS_HSM, "symbols": ["A", "B"], **times[kind]})

    assert history.feed(FYERS_HSM).accounted == {"A": NOW - 3, "B": NOW - 3}
    assert list(history.feeds) == [FYERS_HSM]
    assert said == []


def test_a_record_that_is_not_understood_is_told_with_its_file_and_number(tmp_path: Path) -> None:
    with capture_logs() as said:
        history = read(tmp_path, {"type": "quiet", "symbols": ["A"]}, {**STATE, "accounted": {"S": NOW - 7}})

    [told] = said
    assert (told["event"], told["detail"]) == ("record_not_understood", "KeyError")
    assert told["file"].endswith(".seg") and told["seq"] > 0
    assert history.feed(FYERS_REST).accounted == {"S": NOW - 7}, "what comes after it counts"
