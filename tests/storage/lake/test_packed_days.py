"""A day whose settings say packed: closed, verified, pruned, built again from the archive, and read as any other."""

from argparse import Namespace
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS, HandClock
from tests.recorder.fakes import make_config
from tests.storage.lake.conftest import PARTITION, StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN

from exchange.replay.recording import open_recording
from harvester.base.clock import NS_PER_SECOND
from harvester.base.validation import validate
from harvester.commands import close
from harvester.config.settings import Settings
from harvester.lake.prune import delete_segments, judge_segments
from harvester.reader.verify import verify_lake

EVENING_NS = OPEN_NS + 8 * 3_600 * NS_PER_SECOND


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StreamedPlace:
    monkeypatch.setattr(close, "SystemClock", lambda: HandClock(EVENING_NS))
    (tmp_path / "data").mkdir()
    place = StreamedPlace(tmp_path / "data")
    recorder = place.sockets(segment_seconds=20)
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    for second in range(1, 100):
        recorder.at(second)
        recorder.books(0, (SBIN, INFY)[second % 2], second)
    recorder.close()
    recorder.stop()
    return place


def close_by(place: StreamedPlace, form: str, *, rebuild: bool = False) -> None:
    """`harvester close --date` with the setting."""
    changes = {"data_dir": str(place.root), "host_id": PARTITION.host, "feeds": ["fyers-hsm"], "archive": form}
    settings = validate(Settings, make_config(place.root.parent, **changes))
    assert close.run(Namespace(date=DAY.isoformat(), due=False, rebuild=rebuild, explain=""), settings) == 0


def forms(place: StreamedPlace) -> set[str]:
    return {path.suffix for path in (place.lake / PARTITION.path("raw")).iterdir()}


@pytest.mark.parametrize(("form", "suffix"), [("zstd", ".zst"), ("packed", ".pack")])
def test_a_day_is_whole_in_either_form(place: StreamedPlace, form: str, suffix: str) -> None:
    recorded = [each.record for each in open_recording(place.journal, DAY).events()]
    close_by(place, form)
    rows = place.table("depth")
    assert len(rows) == 101 and forms(place) == {suffix}
    assert verify_lake(place.lake).ok

    verdicts = judge_segments(place.journal, place.lake)
    assert len(verdicts) > 3 and not [verdict for verdict in verdicts if verdict.keep_because]
    delete_segments(verdicts)

    assert [each.record for each in open_recording(place.lake, DAY).events()] == recorded
    close_by(place, form, rebuild=True)
    assert place.table("depth") == rows and verify_lake(place.lake).ok


def test_what_is_archived_keeps_its_form_when_the_setting_changes(place: StreamedPlace) -> None:
    close_by(place, "packed")
    close_by(place, "zstd", rebuild=True)

    assert forms(place) == {".pack"} and verify_lake(place.lake).ok
