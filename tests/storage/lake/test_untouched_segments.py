"""A close reads no segment, and unpacks no copy, that `harvester build` has read and nobody has touched since."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.journals import DAY
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN
from tests.storage.lake.test_parts import build, files, parts, record, without_parts
from tests.storage.lake.test_slices import is_sliced, slice_up

from harvester.base.release import release_id
from harvester.journal.format import HEADER, day_directory
from harvester.lake.day import segments as segments_module
from harvester.lake.day.segments import DayIndex, Source, find_sources, read_index
from harvester.lake.layout import RAW
from harvester.lake.publish import archive as archive_module
from harvester.lake.tables import part_files
from harvester.reader.verify import verify_lake


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that an index, or a comparison with a copy, has read."""
    names: list[str] = []

    def watch(module: Any) -> None:
        plain = module.open_segment

        def open_segment(path: Path) -> Any:
            names.append(path.name)
            return plain(path)

        monkeypatch.setattr(module, "open_segment", open_segment)

    watch(segments_module)
    watch(archive_module)
    return names


def journal(place: StreamedPlace) -> list[Path]:
    return sorted(place.journal.glob("*/*.seg"))


def sources(place: StreamedPlace) -> list[Source]:
    """Those in the journal."""
    return find_sources(day_directory(place.journal, DAY), place.lake / "none")


def test_the_close_reads_the_last_segments_and_their_copies_alone(streamed: StreamedPlace, opened: list[str]) -> None:
    record(streamed, lambda: build(streamed))
    expected = files(without_parts(streamed))
    built = {path.name.removesuffix(".part") for path in parts(streamed).glob("*.part")}
    later = [path for path in journal(streamed) if path.stem not in built]
    opened.clear()

    assert files(streamed) == expected

    assert len(built) == 2 and later
    assert sorted(opened) == sorted([*(path.name for path in later), *(f".{path.name}.zst" for path in later)])
    assert verify_lake(streamed.lake).ok


@pytest.mark.parametrize("how", ["written", "altered", "copied"])
def test_a_segment_that_was_touched_after_it_was_built_is_read_again(
    streamed: StreamedPlace, opened: list[str], how: str
) -> None:
    """With the same size and the same time of its last write."""
    record(streamed, lambda: build(streamed))
    first = journal(streamed)[0]
    content, times = bytearray(first.read_bytes()), first.stat()
    if how == "altered":
        content[len(content) // 2] ^= 1
    if how == "copied":
        shutil.copy2(first, first.with_suffix(".new"))
        first.with_suffix(".new").rename(first)
    else:
        first.write_bytes(content)
        os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (first.stat().st_size, first.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    expected = files(without_parts(streamed))
    opened.clear()

    assert files(streamed) == expected
    assert first.name in opened


def test_a_copy_that_was_altered_after_it_was_made_is_made_anew(streamed: StreamedPlace) -> None:
    record(streamed, lambda: build(streamed))
    expected = files(without_parts(streamed))
    copy = sorted((parts(streamed) / part_files.RAW).iterdir())[0]
    content, times = bytearray(copy.read_bytes()), copy.stat()
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert files(streamed) == expected
    assert verify_lake(streamed.lake).ok


def test_a_copy_that_is_in_the_archive_already_is_listed_with_its_own_hash(streamed: StreamedPlace) -> None:
    """A close that was killed put it there, made otherwise than the build's, which was made again since."""
    record(streamed, lambda: build(streamed))
    first = journal(streamed)[0]
    archive = streamed.lake / streamed.partition.path(RAW)
    archive.mkdir(parents=True)
    (archive / f"{first.name}.zst").write_bytes(zstandard.compress(first.read_bytes(), level=1))

    assert streamed.close(explain="as told").outcome == "closed"
    assert verify_lake(streamed.lake).ok


@pytest.mark.parametrize("beside", [-1, 1])
def test_records_that_two_segments_have_count_once(streamed: StreamedPlace, beside: int) -> None:
    """The same segment lies there under an earlier or a later name, put back after the day was built."""
    record(streamed, lambda: build(streamed))
    second = journal(streamed)[1]
    begun, _, process = second.stem.partition("-")
    again = second.with_name(f"{int(begun) + beside}-{process}.seg")
    shutil.copy2(second, again)
    os.utime(again, ns=(second.stat().st_mtime_ns + beside,) * 2)
    expected = files(without_parts(streamed))

    assert files(streamed) == expected


def test_a_head_that_is_damaged_is_that_of_the_segment_before_though_it_was_not_read(streamed: StreamedPlace) -> None:
    record(streamed, lambda: build(streamed))
    third = journal(streamed)[2]
    content = bytearray(third.read_bytes())
    content[HEADER.size + 4] ^= 1
    third.write_bytes(content)
    known = part_files.segments_before(streamed.lake, DAY, release_id())
    assert len(known) == 2 and third.stem not in known

    assert told(read_index(sources(streamed), known)) == told(read_index(sources(streamed)))


def told(index: DayIndex) -> dict[str, Any]:
    """All that an index of socket segments says."""
    names = ("name", "bytes", "sha256", "records", "data_records", "feeds", "first_ns", "last_ns", "header", "damaged")
    return {
        "sources": [{name: getattr(source, name) for name in names} for source in index.sources],
        "numbers": [(each.numbers.first, each.numbers.last, each.numbers.sealed) for each in index.sources],
        "ranges": [source.numbers.ranges() for source in index.sources],
        "controls": list(index.controls),
        "unconnected": index.unconnected,
        "rest": (index.odd_controls, index.unattributed, index.other_feeds, index.symbols, index.candles),
    }


@pytest.mark.parametrize("taken", range(1, 16))
def test_an_index_of_facts_is_that_of_the_segments(streamed: StreamedPlace, taken: int) -> None:
    """Whichever segments it takes: two runs, connections that go on in the next segment, frames of none."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.writer.seal()
    build(streamed)
    recorder.at(10)
    recorder.books(0, SBIN, 10)  # of a connection of the segment before
    recorder.writer.seal()
    build(streamed)
    recorder.stop()
    alone = streamed.sockets()
    alone.connect(1, [SBIN])
    alone.snapshots(1, SBIN, number=20)
    alone.writer.seal()
    build(streamed)
    alone.snapshots(0, INFY)  # which the run before had connected, and this one has not
    alone.close()
    alone.stop()
    known = part_files.segments_before(streamed.lake, DAY, release_id())
    assert len(known) == 4 and part_files.segments_before(streamed.lake, DAY, "another release") == {}
    facts = {name: each for place, (name, each) in enumerate(sorted(known.items())) if taken >> place & 1}

    assert told(read_index(sources(streamed), facts)) == told(read_index(sources(streamed)))


def test_a_slice_that_was_touched_and_has_its_bytes_is_taken(streamed: StreamedPlace) -> None:
    made: list[int] = []
    record(streamed, lambda: made.append(slice_up(streamed)))
    for path in parts(streamed).glob("slice-*.parquet"):
        path.touch()

    assert streamed.close(explain="as told").outcome == "closed"
    assert made == [1, 1] and is_sliced(streamed)
