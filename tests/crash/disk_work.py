"""What is done on the disk that loses its power: for each scenario what is there before, and the work that is traced.

Run by `tests.crash.disk_faults`. The work says what the program would tell the world by then: "durable 17", "closed".
"""

import json
import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.crash import points
from tests.journals import DAY, INTERVAL_NS, OPEN_NS, HandClock, HandRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.deliver import receipts
from harvester.journal import JournalWriter, RunInfo, recover
from harvester.journal.format import CONTROL, DATA, Record, encode
from harvester.lake.cleanup import delete_files, judge_files, removable
from harvester.lake.manifest import FileEntry, load_manifest
from harvester.lake.prune import delete_segments, judge_segments
from harvester.lake.publish.receipts import Receipt
from harvester.tokens.stores import FileStore
from runbook.pull.cleanup import Plan, PlannedRemoval, archive
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

Say = Callable[[str], None]

RECORDS = 60
PAUSE_SECONDS = 0.0005
"""Between records, so that syncs and writes overlap."""
SEGMENT_BYTES = 9_000
NEVER_MS = 10**7
TORN, SPARE = b"\xf5AHJ torn", b"what a power cut left"
TORN_NAME, SICK_NAME, HALF_NAME = f"{OPEN_NS}-77", f"{OPEN_NS + 1}-77", f"{OPEN_NS + 2}-77"
SOUND = b"".join(
    encode(Record(kind, 0, 0, seq, OPEN_NS, seq, payload))
    for seq, (kind, payload) in enumerate([(CONTROL, b'{"type":"segment"}'), (DATA, b"a" * 5000), (DATA, b"b")], 1)
)
TOKENS = ("first", "second" * 900, "third")


def payload(number: int) -> bytes:
    """What the data record of that number holds."""
    return b"%d:" % number + b"x" * (number * 7919 % 900)


def nothing(place: Path) -> None:
    """Before the work there is an empty folder."""


def record(place: Path, say: Say) -> None:
    """Segments that end, and are made ahead, while the thread of the writer syncs; then a stop."""
    clock, run = HandClock(), RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"})
    writer = JournalWriter(place / "journal", clock=clock, run=run, sync_interval_ms=1, segment_bytes=SEGMENT_BYTES)
    with writer:
        for number in range(RECORDS):
            clock.now_ns += NS_PER_SECOND
            writer.append(1, 0, payload(number), wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
            threading.Event().wait(PAUSE_SECONDS)
            say(f"durable {writer.durable_seq}")
            if number == RECORDS // 2:
                writer.append_control({"type": "window_close"})
                writer.sync()
                while writer._spare is None:  # of which the next record's segment is made
                    threading.Event().wait(PAUSE_SECONDS)
    say(f"durable {writer.durable_seq}")
    say("stopped")


def torn(place: Path) -> None:
    """What runs left: a torn tail, a file without a record, one whose sync failed once, a spare with bytes in it."""
    folder = place / "journal" / DAY.isoformat()
    folder.mkdir(parents=True)
    (folder / f"{TORN_NAME}.open").write_bytes(SOUND + TORN)
    (folder / f"{HALF_NAME}.open").write_bytes(TORN)
    (folder / f"{SICK_NAME}.open").write_bytes(SOUND)
    (folder / f"{SICK_NAME}.suspect").touch()
    (place / "journal" / ".next").write_bytes(SPARE)


def heal(place: Path, say: Say) -> None:
    recover(place / "journal", clock=HandClock())
    say("recovered")


def record_slots(place: Path, *slots: int) -> None:
    clock = HandClock(OPEN_NS + slots[0] * INTERVAL_NS)
    recorder = HandRecorder(place / "journal", clock, segment_bytes=6_000, sync_interval_ms=NEVER_MS)
    recorder.open_window(points.SLOTS)
    recorder.poll_all(*slots)
    recorder.close_window(points.SLOTS)
    recorder.stop()


def recorded(place: Path) -> None:
    record_slots(place, *range(points.SLOTS))


def close(place: Path, say: Say) -> None:
    points.close(place)
    say("closed")


def closed_short(place: Path) -> None:
    """A closed day, and a segment that came later."""
    record_slots(place, 0, 1, 2)
    points.close(place)
    record_slots(place, 3, 4)


def closed(place: Path) -> None:
    recorded(place)
    points.close(place)


def going(place: Path) -> list[FileEntry]:
    """The files of the day that clean-up may delete."""
    manifest = load_manifest(place / "lake", points.PARTITION)
    assert manifest is not None
    return removable(manifest)


def clean(place: Path, say: Say) -> None:
    """Prune the journal, note an upload twice, delete what a receipt proves."""
    journal, lake = place / "journal", place / "lake"
    delete_segments(judge_segments(journal, lake))
    say("pruned")
    for home in ("s3://one", "s3://two"):
        day = receipts.DayReceipt(DAY.isoformat(), "lab1", home)
        receipts.save(place / "uploads", points.PARTITION, day)
        say(f"noted {home}")
    proved = Receipt("0" * 64, {entry.path: entry.sha256 for entry in going(place)})
    delete_files(lake, judge_files(lake, journal, proved, 0), proved)
    say("cleaned")


def source(place: Path, number: int) -> Path:
    """The host's data beside the place: 1 closed short, 2 closed again with more."""
    return place.with_name(f"{place.name}-host-{number}")


def hosts(place: Path) -> None:
    closed_short(source(place, 1))
    shutil.copytree(source(place, 1), source(place, 2))
    points.close(source(place, 2))


def fetch(place: Path, say: Say) -> None:
    """Pull a day, pull it again after it was closed anew, and copy its files to an archive."""
    store = LocalStore(place / "pulled")
    for number in (1, 2):
        lake = source(place, number) / "lake"
        [result] = pull([partial(LocalTransport, "lab1", lake)], store, Selection(raw=True))
        assert not result.problems, result.problems
        say(f"pulled {number}")
    files = tuple(PlannedRemoval(entry, DAY) for entry in going(source(place, 2)))
    archive(Plan("lab1", files), store, place / "archive")
    say("archived")


def store_tokens(place: Path, say: Say) -> None:
    store = FileStore(place / "token")
    for number, text in enumerate(TOKENS):
        say(f"writing {number}")
        store.write(Secret(text))
        say(f"stored {number}")


SCENARIOS: dict[str, tuple[Callable[[Path], None], Callable[[Path, Say], None]]] = {
    "record": (nothing, record),
    "recover": (torn, heal),
    "close": (recorded, close),
    "close again": (closed_short, close),
    "clean up": (closed, clean),
    "pull": (hosts, fetch),
    "token": (nothing, store_tokens),
}
SICK = {"recover": {f"journal/{DAY}/{SICK_NAME}.open": SOUND[:100] + bytes(len(SOUND) - 100)}}
"""Files whose sync failed: what the disk has of them."""


def said_file(place: Path) -> Path:
    """Where the work on a place says what it tells the world: outside the disk."""
    return place.with_name(f"{place.name}.said")


def work(place: Path, scenario: str) -> None:
    """Do the work of one scenario in this process."""
    descriptor = os.open(said_file(place), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    SCENARIOS[scenario][1](place, lambda text: (os.write(descriptor, f"{text}\n".encode()), None)[1])
    os.close(descriptor)


def read_json(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_bytes()))
