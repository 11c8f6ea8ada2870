"""The reader: streaming, bounded, exact about damage; and the files of format 1 that every later release must read."""

import hashlib
import io
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import google_crc32c
import pytest
import zstandard

from harvester.journal import JournalError, Record, read_segment, scan
from harvester.journal.format import CONTROL, DATA, MAX_PAYLOAD, decode, decode_poll, encode
from harvester.journal.reader import RecordStream

GOLDEN = Path(__file__).parent / "golden"


def record(seq: int, payload: bytes = b"payload") -> Record:
    return Record(DATA, 1, 3, seq, 10**18 + seq, 10**9 + seq, payload)


def read(data: bytes) -> tuple[list[Record], list[tuple[int, int]]]:
    stream = RecordStream(cast(BinaryIO, io.BytesIO(data)))
    return [found for _, found in stream], stream.damaged


def test_the_checksum_is_crc32c_as_published() -> None:
    assert google_crc32c.value(b"123456789") == 0xE3069283


def test_a_false_start_with_a_huge_length_hides_nothing_behind_it() -> None:
    first, second = encode(record(1)), encode(record(2))
    false = b"\xf5AHJ" + (MAX_PAYLOAD).to_bytes(4, "little") + bytes(40)
    assert read(first + false + second) == ([record(1), record(2)], [(len(first), len(first) + len(false))])


def test_a_copy_of_an_earlier_record_counts_as_damage_not_as_data() -> None:
    first, second, third = (encode(record(seq)) for seq in (1, 2, 3))
    found, damaged = read(first + second + first + third)
    assert found == [record(1), record(2), record(3)]
    assert damaged == [(len(first + second), len(first + second + first))]


def test_records_larger_than_a_chunk_are_read() -> None:
    large = [record(seq, bytes([seq]) * MAX_PAYLOAD) for seq in range(1, 4)]
    assert read(b"".join(encode(each) for each in large)) == (large, [])


@pytest.mark.parametrize("chunk", [1, 3, 41, 64])
def test_chunk_borders_change_nothing(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    data = encode(record(1)) + b"rubbish\xf5AH" + encode(record(2)) + b"\xf5AHJ" * 3 + encode(record(3)) + b"\xf5A"
    whole = read(data)
    monkeypatch.setattr("harvester.journal.reader.CHUNK_BYTES", chunk)
    assert read(data) == whole
    assert [each.seq for each in whole[0]] == [1, 2, 3]


def test_a_record_is_found_after_any_number_of_other_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.journal.reader.CHUNK_BYTES", 64)
    whole = encode(record(1))
    for rubbish in range(1, 130):
        end = rubbish + len(whole)
        assert read(b"x" * rubbish + whole + b"x") == ([record(1)], [(0, rubbish), (end, end + 1)])


def test_each_record_comes_with_its_place_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.journal.reader.CHUNK_BYTES", 64)
    whole = encode(record(1))
    data = b"".join(encode(record(seq)) for seq in range(1, 9))
    offsets = [offset for offset, _ in RecordStream(cast(BinaryIO, io.BytesIO(b"x" + data)))]
    assert offsets == [1 + number * len(whole) for number in range(8)]


def test_a_length_that_no_record_has_makes_nobody_read_that_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.journal.reader.CHUNK_BYTES", 100)
    file = io.BytesIO(
        b"\xf5AHJ" + (MAX_PAYLOAD + 1).to_bytes(4, "little") + bytes(40) + encode(record(1)) + bytes(5_000)
    )
    assert next(found for _, found in RecordStream(cast(BinaryIO, file))) == record(1)
    assert file.tell() <= 200


def test_bytes_with_another_magic_are_no_record() -> None:
    whole = encode(record(1))
    assert decode(whole) == record(1)
    assert [decode(b"\xf5AHK" + whole[4:]), decode(whole + b"x"), decode(whole[:-1]), decode(whole[:39])] == [None] * 4


def test_memory_does_not_grow_with_the_file(tmp_path: Path, figure) -> None:
    path = tmp_path / "1-1.seg"
    with path.open("wb") as file:
        for seq in range(1, 40_000):
            file.write(encode(record(seq, b"x" * 1000)))
    tracemalloc.start()
    assert scan(path).records == 39_999
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    figure("scan_memory_mib", round(peak / 2**20, 1), bound="<= 8", unit="MiB", gate=True)


def test_scan_speed(tmp_path: Path, figure) -> None:
    path = tmp_path / "1-1.seg"
    path.write_bytes(b"".join(encode(record(seq, b"x" * 700)) for seq in range(1, 40_000)))
    began = time.perf_counter()
    scan(path)
    figure(
        "scan_mb_per_s", round(path.stat().st_size / 1e6 / (time.perf_counter() - began)), bound=">= 50", unit="MB/s"
    )


def test_a_compressed_segment_reads_like_the_plain_one(tmp_path: Path) -> None:
    data = b"".join(encode(record(seq)) for seq in range(1, 100))
    (tmp_path / "1-1.seg").write_bytes(data)
    (tmp_path / "1-1.seg.zst").write_bytes(zstandard.compress(data))
    assert list(read_segment(tmp_path / "1-1.seg")) == list(read_segment(tmp_path / "1-1.seg.zst"))


def test_broken_compression_is_an_error_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "1-1.seg.zst"
    path.write_bytes(b"no zstandard at all")
    with pytest.raises(JournalError, match=r"1-1\.seg\.zst: the segment cannot be read"):
        scan(path)


def test_a_missing_segment_is_an_error_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        scan(tmp_path / "1-1.seg")


def test_the_golden_segment_of_format_1_reads_as_it_did_when_it_was_written() -> None:
    (path,) = GOLDEN.glob("*.seg")
    found = list(read_segment(path))
    facts = scan(path)
    assert (facts.records, facts.data_records, facts.damaged, facts.sealed) == (8, 3, (), True)
    assert [each.kind for each in found] == [CONTROL, CONTROL, CONTROL, DATA, DATA, DATA, CONTROL, CONTROL]
    poll = decode_poll(found[3].payload)
    assert poll is not None and (poll.status, poll.sent_ns - poll.sched_ns) == (200, 2_000_000)
    digest = hashlib.sha256(b"".join(encode(each) for each in found)).hexdigest()
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest(), "encoding what was read gives the same file"
    assert digest == "43d8bb3bf14f33a8acd082aac74181e5a70816e05afe202f00a95bef52b72cc8"


def test_the_damaged_golden_segment_loses_exactly_what_is_damaged() -> None:
    (path,) = GOLDEN.glob("*.open")
    facts = scan(path)
    assert (facts.records, facts.data_records, facts.sealed) == (6, 2, False)
    assert len(facts.damaged) == 2 and facts.damaged[-1][1] == facts.size


def test_the_journal_imports_nothing_heavy() -> None:
    code = "import sys, harvester.journal; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "pydantic", "httpx", "boto3", "zstandard", "duckdb"} & set(loaded)
