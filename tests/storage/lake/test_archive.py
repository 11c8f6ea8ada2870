"""Archived segments in each form: verified when written, read back anywhere, damage named."""

import errno
import io
from pathlib import Path

import pytest
from tests.bench.market import updates
from tests.bench.wire import arrivals, record

from harvester.base.errors import HarvesterError
from harvester.journal import JournalError, read_segment
from harvester.journal.format import HEADER
from harvester.lake.day.segments import Source, find_sources, read_index
from harvester.lake.publish import archive
from harvester.lake.publish.archive import Form, archive_path, archive_segment, hash_unpacked
from harvester.lake.publish.columns import ints, read_block
from harvester.lake.publish.packed import Unpacker


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    (path,) = record(tmp_path_factory.mktemp("journal"), list(arrivals(updates(600))))
    index = read_index([Source(path.stem, path)])
    return index.sources[0]


@pytest.mark.parametrize("form", Form)
def test_an_archived_segment_is_read_as_the_segment(source: Source, tmp_path: Path, form: Form) -> None:
    target = archive_segment(source, tmp_path, form)
    assert target == archive_path(tmp_path, source.name) and target.suffix == form
    assert hash_unpacked(target) == source.sha256
    assert list(read_segment(target)) == list(read_segment(source.path))
    assert [found.path for found in find_sources(tmp_path / "none", tmp_path)] == [target]


def test_a_copy_of_another_form_is_kept(source: Source, tmp_path: Path) -> None:
    packed = archive_segment(source, tmp_path, Form.PACKED)
    before = packed.read_bytes()
    assert archive_segment(source, tmp_path) == packed
    assert packed.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_packed_is_two_fifths_of_compressed_at_most(source: Source, tmp_path: Path) -> None:
    sizes = {form: archive_segment(source, tmp_path / form.name, form).stat().st_size for form in Form}
    assert 5 * sizes[Form.PACKED] < 2 * sizes[Form.ZSTD]


def test_a_segment_with_damage_is_compressed_as_it_is(source: Source, tmp_path: Path) -> None:
    torn = tmp_path / source.path.name
    torn.write_bytes(source.path.read_bytes()[:-1])
    index = read_index([Source(torn.stem, torn)])

    target = archive_segment(index.sources[0], tmp_path / "raw", Form.PACKED)

    assert target.suffix == Form.ZSTD and hash_unpacked(target) == index.sources[0].sha256


def test_an_archive_of_the_first_packed_form_says_what_to_do(source: Source, tmp_path: Path) -> None:
    (tmp_path / f"{source.name}.seg.pack").write_bytes(b"\xf5AHPACK\x01" + bytes(90))
    with pytest.raises(HarvesterError, match=r"docs/formats\.md says how to convert it"):
        archive_segment(source, tmp_path)


@pytest.mark.parametrize("form", Form)
def test_a_copy_that_unpacks_to_other_bytes_never_counts(
    source: Source, tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = archive.WRITERS[form]

    def lossy(plain, small) -> None:  # type: ignore[no-untyped-def]
        plain.read(7)
        write(plain, small)

    monkeypatch.setitem(archive.WRITERS, form, lossy)
    with pytest.raises(HarvesterError, match="does not unpack to the bytes"):
        archive_segment(source, tmp_path, form)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize("form", Form)
def test_a_damaged_copy_is_named(source: Source, tmp_path: Path, form: Form) -> None:
    target = archive_segment(source, tmp_path, form)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    with pytest.raises(OSError, match=r"damaged|broken"):
        hash_unpacked(target)
    with pytest.raises(JournalError, match="the segment cannot be read"):
        list(read_segment(target))
    with pytest.raises(HarvesterError, match="does not unpack to the bytes"):
        archive_segment(source, tmp_path, form)


def unpacked(data: bytes) -> str:
    """The words of the error that these bytes give as an archive."""
    reader = Unpacker(io.BytesIO(data))
    with pytest.raises(OSError, match="packed") as caught:
        while reader.read(1 << 16):
            pass
    assert caught.value.errno == errno.EBADMSG
    return str(caught.value.strerror)


def test_damage_of_a_packed_segment_is_told_in_words(source: Source, tmp_path: Path) -> None:
    whole = archive_segment(source, tmp_path, Form.PACKED).read_bytes()
    damaged = "the packed segment is damaged: "
    for end in (0, 1, 19):
        assert unpacked(whole[:end]) == damaged + "it ends early"
    assert unpacked(b"AHP\x01" + whole[4:]) == damaged + "no block begins where one must"
    assert unpacked(whole[:4] + b"\xff\xff\xff\x7f" + whole[8:]) == damaged + "no block begins where one must"
    assert unpacked(whole[:12] + b"\xff\xff\xff\x7f" + whole[16:]) == damaged + "no block begins where one must"
    odd = damaged + "a block is not what was packed, or bytes follow the last"
    assert unpacked(whole[:16] + bytes([whole[16] ^ 1]) + whole[17:]) == odd
    assert unpacked(whole + b"x") == odd
    assert unpacked(b"\xf5AHP" + whole[4:]).startswith("packed in the first form: docs/formats.md")


def block(*columns: list[int]) -> bytes:
    """Columns of a block, after the six of the records' heads, which are zeros."""
    heads = [[0] * len(columns[0])] * 6
    return b"".join(part for column in (*heads, *columns) for part in ints(column))


@pytest.mark.parametrize(
    ("body", "count", "size", "words"),
    [
        (b"", 3, 3 * HEADER.size - 1, "more records than bytes for them"),
        (block([101]), 1, 100, "more entries than bytes for them"),
        (block([13, 13]), 2, 100, "more entries than bytes for them"),
        (block([1], [], [0], [1 << 32 | 1]), 1, 100, "entries that none has, or more values than bytes for them"),
        (block([1], [], [0], [0x100]), 1, 100, "entries that none has, or more values than bytes for them"),
        (block([1], [], [0], [26]), 1, 100, "entries that none has, or more values than bytes for them"),
        (block([1], [], [0], [25]), 1, 100, "a column is longer than its block"),
        (block([0], [5]), 1, 100, "a column is longer than its block"),
        (block([0, 0], [5, -5]) + b"12345\x01\x01", 2, 100, "a column is longer than its block"),
        (block([25], [], [0], [1] + [0] * 24), 1, 100, "a column is longer than its block"),
        (b"\x01", 1, 100, "a column is longer than its block"),
        (b"", 1, 100, "a column is longer than its block"),
    ],
)
def test_columns_that_cannot_be_say_why(body: bytes, count: int, size: int, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        read_block(body, count, size)
