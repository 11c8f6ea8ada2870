"""The checksum that S3 states of an object, computed from the file: of one part, and of several."""

import hashlib
import io
from base64 import b64encode
from pathlib import Path

import pytest

from harvester.upload import fingerprint
from harvester.upload.fingerprint import SIZES, Fingerprint, Sizes, encode, take, take_file

SMALL = Sizes(single=10, part=4)


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.mark.parametrize(
    ("size", "parts"),
    [(0, [0]), (9, [9]), (10, [10]), (11, [4, 4, 3]), (12, [4, 4, 4]), (13, [4, 4, 4, 1])],
)
def test_a_file_goes_whole_up_to_a_size_and_in_equal_parts_beyond(size: int, parts: list[int]) -> None:
    assert SMALL.cut(size) == parts


def test_the_sizes_are_those_that_s3_takes() -> None:
    assert SIZES.cut(64 << 20) == [64 << 20]
    assert SIZES.cut((64 << 20) + 1) == [32 << 20, 32 << 20, 1]


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
@pytest.mark.parametrize("content", [b"", b"ten bytes.", b"eleven byte", b"a dozen bytes and more"])
def test_digests_are_of_the_whole_and_of_each_part(
    content: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fingerprint, "CHUNK_BYTES", chunk)
    source = io.BytesIO(content)
    source.seek(min(3, len(content)))
    parts = [content] if len(content) <= 10 else [content[at : at + 4] for at in range(0, len(content), 4)]
    expected = Fingerprint(len(content), hashlib.sha256(content).hexdigest(), tuple(map(sha, parts)))
    assert take(source, SMALL) == expected
    path = tmp_path / "file"
    path.write_bytes(content)
    assert take_file(path, SMALL) == expected
    assert take_file(path).parts == (sha(content),)
    assert take(io.BytesIO(content)).parts == (sha(content),)


def test_memory_is_bounded_by_reading_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    monkeypatch.setattr(fingerprint, "CHUNK_BYTES", 6)
    take(Source(b"0123456789ab"), Sizes(single=8, part=8))
    assert asked == [6, 2, 4]


def test_a_file_that_shrinks_while_it_is_read_ends_there() -> None:
    class Shrunk(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size) if self.tell() < 3 else b""

    found = take(Shrunk(b"abcdef"), Sizes(single=100, part=3))
    assert found.sha256 == hashlib.sha256(b"abcdef").hexdigest()
    short = take(Shrunk(b"abcdefgh"), Sizes(single=3, part=3))
    assert short.size == 3, "what was read, not what was there first"


def test_the_checksum_is_that_of_the_amazon_s3_user_guide() -> None:
    """Checking object integrity: of several parts the digest of the digests, and how many there were."""
    one, two = sha(b"one"), sha(b"two")
    assert encode(one) == b64encode(one).decode()
    assert Fingerprint(3, "", (one,)).checksum == b64encode(one).decode()
    assert Fingerprint(6, "", (one, two)).checksum == f"{b64encode(sha(one + two)).decode()}-2"


def test_a_file_of_two_parts_has_a_digest_of_each() -> None:
    found = take(io.BytesIO(b"eleven byte"), Sizes(single=10, part=8))
    assert found.parts == (sha(b"eleven b"), sha(b"yte"))
    assert found.sha256 == hashlib.sha256(b"eleven byte").hexdigest()
