"""Damage of a journal is named wherever a person looks, with what it cost and what to do; none of it is overlooked."""

import html
from argparse import Namespace
from pathlib import Path

import pytest
from tests.field import damaged
from tests.journals import OPEN_NS, SYMBOLS, HandClock
from tests.recorder.fakes import make_config, make_settings
from tests.storage.lake.conftest import SLOTS, Place

from harvester.alerts.inbox import take
from harvester.alerts.message import Severity
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.validation import validate
from harvester.capture.publisher import describe_journal
from harvester.capture.sink import JournalSink
from harvester.commands import close
from harvester.commands.close import describe
from harvester.config.settings import Settings
from harvester.journal.format import HEADER, RunInfo
from harvester.lake.certificate.damage import tell_damage
from harvester.reader.verify import verify_lake
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult
from runbook.pull.store import LocalStore
from runbook.report import delivery
from runbook.report.catalogue import load_days
from runbook.report.report import write_report
from runbook.report.verification import verify_store


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where a pull would have put the lake, too."""
    return Place(tmp_path / "pulled")


def found(place: Place) -> list[dict]:
    return place.certificate()["damage"]


@pytest.mark.parametrize("kind", damaged.KINDS)
def test_each_kind_is_named_wherever_a_person_looks(place: Place, kind: str) -> None:
    damaged.KINDS[kind](place)
    closing = place.close()
    (entry,) = found(place)
    assert entry["kind"] == kind

    told = describe(closing)
    (sentence,) = [line.strip() for line in told.splitlines() if line.strip().startswith("damage: ")]
    words = sentence.removeprefix("damage: ")
    assert words.endswith(".") and len(words) > 60
    (day,) = verify_lake(place.lake).days
    assert (day.damage, day.problems) == ([words], [])
    (checked,) = verify_store(LocalStore(place.root), Selection()).days
    assert checked.damage == [words]
    pulled = [HostResult("lab1", dates=["2026-11-23"])]
    assert delivery.damage_pulled(load_days(place.lake), pulled) == [f"2026-11-23 lab1: {words}"]
    page = write_report(place.lake, place.root / "report.html").read_text("utf-8")
    assert html.escape(words).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page


def test_a_flipped_byte_costs_the_polls_that_its_record_held(place: Place) -> None:
    damaged.flip_a_byte(place)
    place.close()
    (entry,) = found(place)
    (gap,) = [gap for symbol in SYMBOLS for gap in place.gaps(symbol)]
    assert (gap.cause, gap.slots, gap.source) == ("damaged", 1, "derived")
    assert (entry["records"], entry["slots"], entry["symbols"]) == (1, 1, [gap.symbol])
    assert entry["from_ns"] <= gap.to_ns and gap.from_ns <= entry["to_ns"]
    assert entry["where"] in gap.detail


@pytest.mark.parametrize("spoil", [damaged.cut_a_segment_short, damaged.lose_a_segment, damaged.empty_a_segment])
def test_what_a_lost_segment_cost_is_counted(place: Place, spoil) -> None:
    """Also the records of which nothing is left: the numbers say how many there were."""
    spoil(place)
    place.close()
    (entry,) = found(place)
    lost = sum(gap.slots or 0 for symbol in SYMBOLS for gap in place.gaps(symbol))
    assert {gap.cause for symbol in SYMBOLS for gap in place.gaps(symbol)} == {"damaged"}
    assert entry["slots"] == lost > 3 and entry["symbols"] == sorted(SYMBOLS)
    assert entry["records"] >= lost
    assert place.certificate()["unexplained_slots"] == 0


def test_bytes_that_are_no_record_are_counted_also_at_the_end_and_the_beginning_of_a_segment(place: Place) -> None:
    """The tail of one, and the first record of the next but one, which says whose segment it is."""
    damaged.cut_a_segment_short(place)
    path = damaged.segments(place)[4]
    begin, end = damaged.offsets(path)[:2]
    damaged.flip(path, begin + HEADER.size + 5)
    place.close()
    short, head = found(place)
    assert (short["kind"], short["bytes"]) == ("cut_short", 100)
    assert (head["kind"], head["where"], head["bytes"], head["records"]) == ("corrupt", path.stem, end - begin, 1)
    assert "cost nothing that was due" in tell_damage(place.certificate())[1]


def test_a_last_segment_that_is_cut_short_does_not_read_as_a_recorder_that_ended(place: Place) -> None:
    """It read "the recorder wrote nothing more"."""
    damaged.cut_the_only_segment_short(place)
    place.close()
    (entry,) = found(place)
    assert (entry["kind"], entry["records"], entry["to_ns"]) == ("cut_short", None, None)
    assert {gap.cause for symbol in SYMBOLS for gap in place.gaps(symbol)} == {"damaged"}


def test_a_run_whose_first_segment_is_missing_did_not_start_late(place: Place) -> None:
    damaged.lose_the_first_segment(place)
    place.close()
    (entry,) = found(place)
    assert (entry["kind"], entry["from_ns"]) == ("missing", None) and entry["records"] > 3
    assert {gap.cause for symbol in SYMBOLS for gap in place.gaps(symbol)} == {"damaged"}


def test_a_copy_of_a_segment_is_read_once(place: Place) -> None:
    damaged.copy_a_segment(place)
    place.close()
    (entry,) = found(place)
    rows = [(row["run_id"], row["seq"], row["entry"]) for row in place.rows()]
    assert len(rows) == len(set(rows)) == 2 * SLOTS
    assert entry["records"] > 3 and entry["slots"] == 0


def test_a_day_that_nothing_happened_to_says_nothing(place: Place) -> None:
    damaged.record(place)
    closing = place.close()
    assert found(place) == [] and "damage" not in describe(closing)
    assert "amage" not in write_report(place.lake, place.root / "report.html").read_text("utf-8").split("<body>")[1]


def test_people_are_told_of_a_damaged_day_and_of_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The close hands in a notice: the day is closed, so no failed unit says it."""
    inbox = place.root.parent / "inbox"
    inbox.mkdir()
    monkeypatch.setattr(close, "SystemClock", lambda: HandClock(OPEN_NS + 8 * 3_600 * NS_PER_SECOND))
    changes = {"data_dir": str(place.root), "host_id": "lab1", "alerts": {"inbox": str(inbox)}}
    settings = validate(Settings, make_config(place.root.parent, **changes))
    arguments = Namespace(date="2026-11-23", due=False, rebuild=False, explain="")
    damaged.lose_a_segment(place)
    assert close.run(arguments, settings) == 0
    (posted,) = take(inbox)
    assert (posted.notice.severity, posted.notice.source, posted.notice.host) == (
        Severity.WARNING,
        close.SOURCE,
        "lab1",
    )
    assert posted.notice.cause == "journal_damage 2026-11-23"
    assert "Records that the recorder numbered are in no segment here" in posted.notice.text
    assert "polls of NSE:INFY-EQ, NSE:SBIN-EQ" in posted.notice.text and "verify-data" in posted.notice.remedy
    posted.path.unlink()
    backup = damaged.backup_of(place)
    damaged.segments(place)[0].with_name(backup.name).write_bytes(backup.read_bytes())
    assert close.run(arguments, settings) == 0
    assert not list(take(inbox)), "it is whole again"


@pytest.mark.parametrize("kind", damaged.KINDS)
def test_people_are_told_of_what_cost_something_or_asks_for_somebody(
    place: Place, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    inbox = place.root.parent / "inbox"
    inbox.mkdir()
    monkeypatch.setattr(close, "SystemClock", lambda: HandClock(OPEN_NS + 8 * 3_600 * NS_PER_SECOND))
    changes = {"data_dir": str(place.root), "host_id": "lab1", "alerts": {"inbox": str(inbox)}}
    settings = validate(Settings, make_config(place.root.parent, **changes))
    damaged.KINDS[kind](place)

    assert close.run(Namespace(date="2026-11-23", due=False, rebuild=False, explain=""), settings) == 0

    assert bool(list(take(inbox))) is (kind not in ("torn_tail", "repeated", "quarantined")), found(place)


def test_the_status_says_what_is_in_quarantine_and_what_recovery_could_not_do(tmp_path: Path) -> None:
    place = Place(tmp_path)
    damaged.tear_the_tail(place)
    sink = JournalSink(
        make_settings(tmp_path, data_dir=str(tmp_path)), clock=place.clock, run=RunInfo("h", "r", "c", {})
    )
    sink.open()
    try:
        told = describe_journal(sink)
    finally:
        sink.close()
    assert (told["quarantine"]["files"], told["problems"]) == (1, [])
    assert told["quarantine"]["bytes"] > 100


def test_every_segment_that_cannot_be_read_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged.record(place)
    broken = damaged.segments(place)[1:3]
    plain = Path.open

    def refuse(path: Path, *args: object, **options: object) -> object:
        if path in broken:
            raise OSError(5, "Input/output error", str(path))
        return plain(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HarvesterError) as caught:
        place.close()
    assert all(path.name in str(caught.value) for path in broken) and "Input/output error" in str(caught.value)


@pytest.mark.parametrize("spoil", [damaged.flip_a_byte, damaged.cut_a_segment_short, damaged.empty_a_segment])
def test_a_whole_copy_beside_a_damaged_segment_brings_everything_back(place: Place, spoil) -> None:
    """What the sentence advises: under its name with the first number lowered by 1; then the day is built again."""
    spoil(place)
    before = place.close()
    assert before.certificate and "lowered by 1" in "".join(tell_damage(before.certificate))
    backup = damaged.backup_of(place)
    begun, _, pid = backup.stem.partition("-")
    (damaged.segments(place)[2].with_name(f"{int(begun) - 1}-{pid}.seg")).write_bytes(backup.read_bytes())
    again = place.close()
    assert again.outcome == "closed" and {gap.cause for gap in place.gaps()} == set()
    assert [entry["kind"] for entry in found(place) if entry["loses"]] == []
    assert len(place.rows()) == 2 * SLOTS


def test_a_missing_segment_that_comes_back_is_built_in(place: Place) -> None:
    damaged.lose_a_segment(place)
    place.close()
    assert found(place)
    backup = damaged.backup_of(place)
    (damaged.segments(place)[0].with_name(backup.name)).write_bytes(backup.read_bytes())
    assert place.close().outcome == "closed" and found(place) == []
    assert len(place.rows()) == 2 * SLOTS
