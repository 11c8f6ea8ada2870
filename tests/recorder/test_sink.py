"""The journal as the feeds see it: what a journal that failed goes on as, and with what."""

from pathlib import Path
from unittest.mock import Mock

from tests.journals import HandClock
from tests.recorder.bench import JournalView
from tests.recorder.fakes import make_settings

from harvester.capture.sink import JournalSink
from harvester.journal.format import JournalError, RunInfo


def test_a_journal_that_failed_goes_on_as_another_run_with_what_was_kept_in_order(tmp_path: Path) -> None:
    run = RunInfo(host_id="h", release="r", config_hash="0", streams={})
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
    (written,) = {record["run_id"] for record in journal.of_type("segment")}
    assert written != run.run_id, "numbers begin again, so it must not be the run that failed"
