"""The journal as the feeds see it: what a journal that failed goes on as, and with what."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs
from tests.journals import HandClock
from tests.recorder.bench import JournalView
from tests.recorder.fakes import make_settings

from harvester.capture.sink import JournalSink
from harvester.journal.format import JournalError, RunInfo, segment_header
from harvester.journal.recovery import RecoveryReport


def test_a_journal_that_failed_goes_on_as_another_run_with_what_was_kept_in_order(tmp_path: Path) -> None:
    run = RunInfo(host_id="h", release="r", config_hash="0", streams={0: "NSE:A-EQ"}, candles={0: "NSE:B-EQ"})
    sink = JournalSink(make_settings(tmp_path), clock=HandClock(), run=run)
    refusal = JournalError("no space")
    sink.writer = Mock(failure="no space", append_control=Mock(side_effect=refusal), append=Mock(side_effect=refusal))
    for number in range(3):
        sink.write({"type": "text", "number": number})
    assert sink.failure == "no space"
    assert not sink.append(1, 0, b"frame", 1, 1)

    sink.reopen()
    sink.close()

    journal = JournalView(sink.directory)
    assert [record["number"] for record in journal.of_type("text")] == [0, 1, 2]
    (written,) = journal.of_type("segment")
    assert written["run_id"] != run.run_id, "numbers begin again, so it must not be the run that failed"
    before = segment_header(run, 0, 0)
    assert {key for key in before if before[key] != written[key]} == {"run_id", "wall_ns", "mono_ns"}
    assert written["candles"] == {"0": "NSE:B-EQ"}, "without them no answer could be told to its symbol"


def test_of_several_recoveries_the_problems_of_the_last_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put right in the meantime is none any more."""
    found = iter([["one", "two"], ["two"], []])
    monkeypatch.setattr("harvester.capture.sink.recover", lambda *_, **__: RecoveryReport(problems=next(found)))
    sink = JournalSink(make_settings(tmp_path), clock=HandClock(), run=RunInfo("h", "r", "0", {}))
    with capture_logs() as said:
        sink.open()
        told = [sink.problems]
        for _ in range(2):
            sink.failure = "as if"
            sink.reopen()
            told.append(sink.problems)
    sink.close()

    assert told == [["one", "two"], ["two"], []]
    logged = [line["detail"] for line in said if line["event"] == "journal_problem" and line["log_level"] == "error"]
    assert logged == ["one", "two", "two"]


def test_an_end_or_a_close_that_fails_ends_no_recorder_and_the_first_reason_stays(tmp_path: Path) -> None:
    sink = JournalSink(make_settings(tmp_path), clock=HandClock(), run=RunInfo("h", "r", "0", {}))
    sink.end_segment()
    ends, refuses = JournalError("no space"), JournalError("gone")
    writer = sink.writer = Mock(failure=None, **{"end_segment.side_effect": ends, "close.side_effect": refuses})

    with capture_logs() as said:
        for _ in range(2):
            sink.end_segment()
        sink.close()

    assert (sink.failure, writer.end_segment.call_count, sink.writer) == ("no space", 1, None)
    assert [(line["event"], line["detail"]) for line in said] == [
        ("journal_failed", "no space"),
        ("journal_not_sealed", "gone"),
    ]


@pytest.mark.parametrize(
    ("kinds", "is_urgent"),
    [
        (["gap_open"], True),
        (["gap_close", "gap_open"], True),
        (["gap_open", "gap_close"], True),
        (["gap_close"], False),
        (["text", "state", "token"], False),
        ([], False),
    ],
)
def test_that_a_gap_has_begun_is_made_durable_at_once(tmp_path: Path, kinds: list[str], is_urgent: bool) -> None:
    """A process that dies writes nothing down: that something was not seen is on disk before that."""
    sink = JournalSink(make_settings(tmp_path), clock=HandClock(), run=RunInfo("h", "r", "0", {}))
    writer = sink.writer = Mock(failure=None)

    sink.write_all([{"type": kind, "gap_id": "g", "from_ns": 1, "to_ns": 2, "cause": "mute"} for kind in kinds])

    assert writer.append_control.call_count == bool(kinds)
    assert writer.sync_soon.call_count == is_urgent
