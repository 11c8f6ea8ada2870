"""Journals of a day that something happened to: each kind of damage that disks, power cuts and people do."""

from collections.abc import Callable
from pathlib import Path

from tests.storage.lake.conftest import SLOTS, Place

from harvester.journal.format import HEADER, MAGIC
from harvester.journal.quarantine import keep_whole
from harvester.journal.recovery import recover

SEGMENT_BYTES = 6_000
"""About seven polls: the session of 20 slots has six segments."""


def segments(place: Place) -> list[Path]:
    """The day's sealed segments, oldest first."""
    return sorted((place.journal / place.partition.date.isoformat()).glob("*.seg"))


def offsets(path: Path) -> list[int]:
    """Where the records of a segment begin."""
    raw, found = path.read_bytes(), []
    at = raw.find(MAGIC)
    while at >= 0:
        found.append(at)
        at = raw.find(MAGIC, at + 1)
    return found


def record(place: Place) -> None:
    """A whole session in several segments."""
    recorder = place.start(segment_bytes=SEGMENT_BYTES)
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS))
    recorder.close_window(SLOTS)
    recorder.stop()


def keep(path: Path) -> None:
    """Copy a segment to where nothing of ours looks, as a backup does."""
    backup = path.parents[2] / "backup"
    backup.mkdir(exist_ok=True)
    (backup / path.name).write_bytes(path.read_bytes())


def backup_of(place: Place) -> Path:
    """The copy of the segment that was damaged."""
    (path,) = (place.root / "backup").iterdir()
    return path


def flip(path: Path, place: int) -> None:
    """Change one byte."""
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0xFF
    path.write_bytes(raw)


def flip_a_byte(place: Place) -> None:
    record(place)
    path = segments(place)[2]
    keep(path)
    flip(path, offsets(path)[3] + HEADER.size + 50)


def cut_a_segment_short(place: Place) -> None:
    record(place)
    path = segments(place)[2]
    keep(path)
    path.write_bytes(path.read_bytes()[: offsets(path)[3] + 100])


def cut_the_only_segment_short(place: Place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS))
    recorder.stop()
    (path,) = segments(place)
    path.write_bytes(path.read_bytes()[: offsets(path)[15]])


def lose_a_segment(place: Place) -> None:
    record(place)
    path = segments(place)[2]
    keep(path)
    path.unlink()


def lose_the_first_segment(place: Place) -> None:
    record(place)
    segments(place)[0].unlink()


def empty_a_segment(place: Place) -> None:
    record(place)
    path = segments(place)[2]
    keep(path)
    path.write_bytes(b"")


def tear_the_tail(place: Place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(10))
    recorder.die()
    (path,) = (place.journal / place.partition.date.isoformat()).glob("*.open")
    path.write_bytes(path.read_bytes()[:-33])
    recover(place.journal, clock=place.clock)


def write_odd_control_records(place: Place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(SLOTS))
    for _ in range(11):
        recorder.control("gap_open", gap_id="x")
    recorder.control("disconnect", feed=99)
    recorder.close_window(SLOTS)
    recorder.stop()


def copy_a_segment(place: Place) -> None:
    """Under another name, as a person does who restores a copy."""
    record(place)
    path = segments(place)[2]
    begun, _, pid = path.stem.partition("-")
    path.with_name(f"{int(begun) + 1}-{pid}.seg").write_bytes(path.read_bytes())


def set_a_file_aside(place: Place) -> None:
    """A segment that never got a record, as after a power cut."""
    record(place)
    path = segments(place)[0].with_name("1795319101000000000-7.open")
    path.write_bytes(bytes(4096))
    keep_whole(place.journal, path)


KINDS: dict[str, Callable[[Place], None]] = {
    "corrupt": flip_a_byte,
    "cut_short": cut_a_segment_short,
    "missing": lose_a_segment,
    "empty": empty_a_segment,
    "torn_tail": tear_the_tail,
    "malformed": write_odd_control_records,
    "repeated": copy_a_segment,
    "quarantined": set_a_file_aside,
}
