"""The journal as the feeds see it: what must be durable at once, and what a journal that failed goes on as."""

from pathlib import Path

import pytest
from tests.journals import HandClock
from tests.recorder.bench import JournalView
from tests.recorder.fakes import make_settings

from harvester.capture.sink import JournalSink
from harvester.journal.format import JournalError, RunInfo

OPENED = {"type": "gap_open", "gap_id": "1", "symbols": ["A"], "from_ns": 1, "cause": "timeout", "detail": ""}
CLOSED = {"type": "gap_close", "gap_id": "1", "to_ns": 2}


@pytest.fixture
def sink(tmp_path: Path) -> JournalSink:
    run = RunInfo(host_id="h", release="r", config_hash="0", streams={})
    return JournalSink(make_settings(tmp_path), clock=HandClock(), run=run)


@pytest.mark.parametrize(
    ("records", "is_urgent"),
    [([], False), ([CLOSED], False), ([OPENED], True), ([OPENED, CLOSED], True), ([CLOSED, OPENED], True)],
)
def test_a_gap_is_urgent_whatever_is_written_beside_it(
    sink: JournalSink, records: list[dict], *, is_urgent: bool
) -> None:
    sink.open()
    sink.write_all(records)
    sink.write_all([CLOSED])

    assert (sink.take_unsynced(), sink.take_unsynced()) == (is_urgent, False)
    sink.close()


def test_a_journal_that_failed_goes_on_as_another_run_with_what_was_kept_in_order(
    sink: JournalSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(record: object) -> None:
        raise JournalError("no space")

    sink.open()
    assert sink.writer
    monkeypatch.setattr(sink.writer, "append_control", refuse)
    for number in range(3):
        sink.write({"type": "text", "number": number})
    assert sink.failure == "no space"
    assert not sink.append(1, 0, b"frame", 1, 1)

    sink.reopen()
    sink.close()

    journal = JournalView(sink.directory)
    assert [record["number"] for record in journal.of_type("text")] == [0, 1, 2]
    runs = [record["run_id"] for record in journal.of_type("segment")]
    assert len(set(runs)) == len(runs) == 2
