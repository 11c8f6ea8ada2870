"""A dump: pg_dump's own custom format, uncompressed inside of one gzip stream, written whole or not at all.

Compressed once, outside, it is what its name says: `gunzip -c FILE | pg_restore -d DATABASE` works anywhere.
"""

import hashlib
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replacing
from harvester.base.redaction import one_line
from harvester.database.programs import Program
from harvester.database.server import OTHER_ENCODING, WITHOUT_ENCODING, Server

CHUNK_BYTES = 1 << 20
LEVEL = 6
GZIP = 31
"""zlib: a gzip stream with the largest window. Its header has no time: the same dump has the same bytes."""
SAID_BYTES = 4000
TROUBLE = {
    "statement timeout": "somebody holds a table that is needed; run it again when they are done.",
    "No space left": "a disk is full; make room on the server's, and run it again.",
    "could not extend": "a disk is full; make room on the server's, and run it again.",
    "has no equivalent in encoding": OTHER_ENCODING,
    "invalid byte sequence": WITHOUT_ENCODING,
    "unsupported version": "the dump is of a newer version; install the client of that version.",
    "server version mismatch": "the server is newer; install the client of its version.",
    "Connection refused": "the server cannot be reached; start it, and run it again.",
    "could not connect": "the server cannot be reached; start it, and run it again.",
    "input file does not appear to be a valid archive": "the dump is spoiled; use another backup.",
    "unexpected end of file": "the dump is spoiled: it ends too early; use another backup.",
    "could not read from input file": "the dump is spoiled: it ends too early; use another backup.",
}
"""What PostgreSQL's programs say, and what to do."""


class SpoiledError(HarvesterError):
    """A dump is not whole, or holds something else than its manifest says."""


@dataclass(frozen=True)
class Written:
    """A dump on disk."""

    bytes: int
    sha256: str


def write_dump(program: Program, server: Server, database: str, options: Sequence[str], path: Path) -> Written:
    """Dump with these options of pg_dump. Raises HarvesterError; then nothing has the dump's name."""
    command = [str(program.path), "--format=custom", "--compress=0", "--no-password", *options]
    with server.environment(database) as environment, tempfile.TemporaryFile() as said:
        try:
            make_directory(path.parent)
            for left in path.parent.glob(".*.dump.gz.*"):
                left.unlink(missing_ok=True)  # of a backup that was killed; one at a time is at work
            with replacing(path, 0o640) as target, _running(command, environment, said) as process:
                written = _pack(process.stdout, target)
                _refuse(process, said, f"pg_dump of {database}")
                return written
        except OSError as error:
            raise HarvesterError(
                f"{path}: the dump cannot be written ({error.strerror}). Make room there, or correct the folder's"
                " owner, and run it again; no part of it has its name."
            ) from error


def unpack(path: Path) -> Iterator[bytes]:
    """pg_dump's own bytes of a dump. Raises SpoiledError where the compression does not end as it must, OSError."""
    packed = zlib.decompressobj(GZIP)
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            if packed.eof:
                break
            try:
                while chunk:
                    yield packed.decompress(chunk, CHUNK_BYTES)
                    chunk = packed.unconsumed_tail
            except zlib.error:
                raise SpoiledError(_spoiled(path, "its compression is damaged")) from None
    yield packed.flush()
    if not packed.eof:
        raise SpoiledError(_spoiled(path, "it ends too early"))
    if packed.unused_data or chunk:
        raise SpoiledError(_spoiled(path, "something follows its end"))


def check_hash(path: Path, size: int, sha256: str) -> None:
    """Compare a dump with what its manifest says. Raises SpoiledError."""
    digest, found = hashlib.sha256(), 0
    try:
        with path.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                found += len(chunk)
    except OSError as error:
        raise SpoiledError(_spoiled(path, f"it cannot be read: {error.strerror}")) from error
    if (found, digest.hexdigest()) != (size, sha256):
        raise SpoiledError(
            _spoiled(
                path,
                f"it has {found} bytes and SHA-256 {digest.hexdigest()[:12]}..., its manifest says {size} and"
                f" {sha256[:12]}...",
            )
        )


def read_whole(program: Program, path: Path) -> None:
    """Have pg_restore read a dump to its end, into nothing. Raises HarvesterError."""
    feed_restore(program, ["--file=/dev/null"], path)


def feed_restore(
    program: Program, options: Sequence[str], path: Path, environment: dict[str, str] | None = None
) -> None:
    """Run pg_restore on a dump. Raises SpoiledError where the dump is to blame, HarvesterError with what was said."""
    command = [str(program.path), "--no-password", *options]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=environment
        )
        with process:
            try:
                _feed(process, path)
            except BaseException:
                process.kill()
                raise
        _refuse(process, said, f"{path}: pg_restore {program.version}")


def _feed(process: "subprocess.Popen[bytes]", path: Path) -> None:
    assert process.stdin is not None  # noqa: S101  # it is a pipe; tells mypy
    try:
        for chunk in unpack(path):
            process.stdin.write(chunk)
        process.stdin.close()
    except BrokenPipeError:
        pass  # what it says says why
    except OSError as error:
        raise SpoiledError(_spoiled(path, f"it cannot be read: {error.strerror}")) from error


@contextmanager
def _running(
    command: Sequence[str], environment: dict[str, str], said: IO[bytes]
) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=environment)
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _pack(source: IO[bytes] | None, target: IO[bytes]) -> Written:
    assert source is not None  # noqa: S101  # it is a pipe; tells mypy
    packer, digest, size = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP), hashlib.sha256(), 0
    while True:
        chunk = source.read(CHUNK_BYTES)
        packed = packer.compress(chunk) if chunk else packer.flush()
        target.write(packed)
        digest.update(packed)
        size += len(packed)
        if not chunk:
            return Written(size, digest.hexdigest())


def _refuse(process: "subprocess.Popen[bytes]", said: IO[bytes], what: str) -> None:
    code = process.wait()
    if code == 0:
        return
    said.seek(0)
    text = one_line(said.read(SAID_BYTES).decode(errors="replace"), 500)
    for words, remedy in TROUBLE.items():
        if words in text:
            raise HarvesterError(f"{what}: {remedy} ({text})")
    raise HarvesterError(f"{what} ended with {code}: {text}. Correct that, and run it again.")


def _spoiled(path: Path, why: str) -> str:
    return f"{path}: the dump is spoiled: {why}. Use another backup, and have this one fetched or made again."
