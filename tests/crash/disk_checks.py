"""What must be true of a disk after a power cut, and after the programs that come next have run on it."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.crash import points
from tests.crash.disk_work import (
    SICK_NAME,
    SOUND,
    SPARE,
    TOKENS,
    TORN,
    TORN_NAME,
    going,
    payload,
    read_json,
    source,
)
from tests.journals import DAY, OPEN_NS, SYMBOLS, HandClock

from harvester.journal import Record, read_segment, recover, scan
from harvester.journal.format import DATA
from harvester.lake.manifest import hash_file, load_manifest
from harvester.lake.publish.receipts import load_receipt
from harvester.reader.verify import verify_lake
from harvester.tokens.stores import FileStore
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

Said = tuple[str, ...]
ALL_POLLS = {(OPEN_NS + slot * points.INTERVAL_NS, symbol) for slot in range(points.SLOTS) for symbol in SYMBOLS}


def number_after(said: Said, word: str) -> int:
    """The last number that was said after a word; 0 when there was none."""
    return max((int(text.split()[1]) for text in said if text.startswith(f"{word} ")), default=0)


def records_of(journal: Path) -> Iterator[Record]:
    for path in sorted(journal.glob("2*/*")):
        if path.suffix in {".open", ".seg"}:
            yield from read_segment(path)


def check_sealed(journal: Path) -> None:
    """A segment under its final name is whole."""
    for path in journal.glob("2*/*.seg"):
        found = scan(path)
        assert found.sealed and not found.damaged, f"{path.name} has its final name and is torn"


def check_recovery(journal: Path) -> None:
    """The next start makes the journal whole, and a second one has nothing to do."""
    report = recover(journal, clock=HandClock(points.AFTER_NS))
    assert not report.problems, report.problems
    assert not recover(journal, clock=HandClock(points.AFTER_NS)).changed, "a second recovery found more"
    assert all(scan(path).sealed for path in journal.glob("2*/*.seg")), "recovery left a segment that is not closed"


def check_record(place: Path, said: Said, home: Path) -> None:
    journal = place / "journal"
    check_sealed(journal)
    check_recovery(journal)
    found = {record.seq: record for record in records_of(journal)}
    lost = set(range(1, number_after(said, "durable") + 1)) - found.keys()
    assert not lost, f"records called durable are gone: {sorted(lost)[:5]}"
    for record in found.values():
        number = record.payload.split(b":")[0]
        assert record.kind != DATA or record.payload == payload(int(number)), f"record {record.seq} has another content"


def check_recover(place: Path, said: Said, home: Path) -> None:
    journal = place / "journal"
    day = journal / DAY.isoformat()
    sound = list(read_of(SOUND, home))
    assert set(day.iterdir()) or "recovered" not in said
    marked = (day / f"{SICK_NAME}.suspect").exists()
    for _ in range(2):
        for name in (TORN_NAME, *([] if marked else [SICK_NAME])):
            read = [record for path in day.glob(f"{name}.*[ng]") for record in read_segment(path)]
            assert read[: len(sound)] == sound, f"records of {name} are lost"
        kept = [path.read_bytes() for path in (journal / "quarantine").glob("[!.]*")]
        torn_tail = any(path.read_bytes().endswith(TORN) for path in day.glob(f"{TORN_NAME}.open"))
        assert torn_tail or TORN in kept, "a torn tail was cut and is not in quarantine"
        spare = journal / ".next"
        assert SPARE in kept or (spare.exists() and spare.read_bytes() == SPARE), "the spare's bytes are gone"
        if "recovered" in said:
            assert not list(day.glob("*.open")) and not marked, "what was recovered is as before"
        check_recovery(journal)


def read_of(data: bytes, home: Path) -> Iterator[Record]:
    path = home / "1-1.seg"
    path.write_bytes(data)
    yield from read_segment(path)


def check_close(place: Path, said: Said, home: Path, *, before: int = 0) -> None:
    """A manifest in force vouches for what is there; the close is done again and gives the whole day."""
    lake = place / "lake"
    for number in range(2):
        manifest = load_manifest(lake, points.PARTITION)
        if number or before or "closed" in said:
            assert manifest is not None, "the manifest is gone"
            assert manifest.generation >= (before + 1 if "closed" in said else before), "the manifest is an old one"
        if manifest:
            report = verify_lake(lake)
            assert report.ok, report.days
        points.close(place)
    check_recovery(place / "journal")
    rows, archived = points.count_rows(lake), points.count_archived(lake)
    assert rows.keys() == archived.keys() == ALL_POLLS and {*rows.values(), *archived.values()} == {1}, "polls are lost"


def check_clean(place: Path, said: Said, home: Path) -> None:
    lake = place / "lake"
    report = verify_lake(lake)
    assert report.ok, report.days
    check_sealed(place / "journal")
    if "pruned" in said:
        assert not list(place.glob("journal/2*/*.seg")), "pruned segments are back"
    if "cleaned" in said:
        assert not [entry.path for entry in going(place) if (lake / entry.path).exists()], "deleted files are back"
    homes = [None, *(text.split()[1] for text in said if text.startswith("noted "))]
    for path in place.glob("uploads/[!.]*"):
        assert read_json(path)["home"] in ("s3://one", "s3://two")[max(0, len(homes) - 2) :]
    assert len(homes) == 1 or list(place.glob("uploads/[!.]*")), "an upload's receipt is gone"


def check_pull(place: Path, said: Said, home: Path) -> None:
    """What receipts and manifests say is here, and a pull that is done again ends well."""
    store = LocalStore(place / "pulled")
    here = {hash_file(path)[1] for folder in (store.lake, store.root / "superseded") for path in visible(folder)}
    for path in store.receipts.glob("[!.]*"):
        assert set(load_receipt(path).files.values()) <= here, "a receipt names a file that is not here"
    known = {hashlib.sha256(path.read_bytes()).hexdigest() for number in (1, 2) for path in visible(host(number, home))}
    assert {hash_file(path)[1] for path in visible(store.lake)} <= known, "a file is torn under its name"
    pulled = number_after(said, "pulled")
    manifest = load_manifest(store.lake, points.PARTITION)
    assert (manifest.generation if manifest else 0) >= pulled, "a day that was pulled is gone"
    if manifest:
        assert verify_lake(store.lake).ok, verify_lake(store.lake).days
    for number in range(1, pulled + 1):
        digests = {entry.sha256 for entry in going(host(number, home).parent)}
        assert digests <= here, f"files of pull {number} are gone"
    for entry in going(host(2, home).parent):
        copy = place / "archive" / entry.path
        assert copy.exists() or "archived" not in said, "a copy in the archive is gone"
        assert not copy.exists() or hash_file(copy) == (entry.bytes, entry.sha256), "a copy in the archive is torn"
    [result] = pull([partial(LocalTransport, "lab1", host(2, home))], store, Selection(raw=True))
    assert not result.problems, result.problems
    assert verify_lake(store.lake).ok, verify_lake(store.lake).days


def host(number: int, home: Path) -> Path:
    return source(home / "pull", number) / "lake"


def visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def check_token(place: Path, said: Said, home: Path) -> None:
    store = FileStore(place / "token")
    texts = [None, *TOKENS]
    stored = sum(text.startswith("stored") for text in said)
    writing = sum(text.startswith("writing") for text in said)
    found, before = (token and token.value.get_secret_value() for token in (store.read(), store.previous()))
    assert found in texts[stored : writing + 1], "the token is neither the one stored nor the one being written"
    if stored > 1 or (writing == stored + 1 and before):
        assert before in texts[max(1, stored - 1) : writing], "the token before is lost"


CHECKS: dict[str, Callable[[Path, Said, Path], None]] = {
    "record": check_record,
    "recover": check_recover,
    "close": check_close,
    "close again": partial(check_close, before=1),
    "clean up": check_clean,
    "pull": check_pull,
    "token": check_token,
}
