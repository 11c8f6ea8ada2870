"""Runs a target on mutated inputs for some time: coverage-guided where the package atheris is there, blindly elsewhere.

Atheris is not in our lock: install it into a venv of your own together with what the target imports, and put this
repository's packages on PYTHONPATH.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType

try:
    import atheris
except ImportError:
    atheris = None

Target = Callable[[bytes], None]
LONGEST_INPUT = 4096
LONGEST_SECONDS = 60
"""More for one input is a failure, too."""
MOST_MEMORY_MB = 2048
EXECUTED = "stat::number_of_executed_units:"
"""What stands before the number of inputs at the end of the output, in libFuzzer's words."""


def split(data: bytes) -> list[bytes]:
    """Pieces of an input: each is preceded by its length in two bytes, the last may be short."""
    pieces = []
    while data:
        size = int.from_bytes(data[:2], "big") % 2048
        pieces.append(data[2 : 2 + size])
        data = data[2 + size :]
    return pieces


def join(pieces: Sequence[bytes]) -> bytes:
    """The input that these pieces come from."""
    return b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)


def instrumented() -> AbstractContextManager[object]:
    """Imports within it are watched for coverage, where that is possible."""
    if atheris is None:
        return nullcontext()
    context: AbstractContextManager[object] = atheris.instrument_imports(include=["harvester", "tests.property"])
    return context


def fuzz(target: Target, inputs: Sequence[bytes], description: str) -> None:
    """Fuzz for the time that the command line gives; a failure ends with the input that caused it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0, help="the same inputs each time; 0: others each time")
    chosen = parser.parse_args()
    if atheris is None:
        _blindly(target, inputs, chosen.seconds, random.Random(chosen.seed or None))
        return
    with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
        for number, data in enumerate(inputs):
            (Path(corpus) / f"seed-{number}").write_bytes(data)
        options = [f"-max_total_time={chosen.seconds}", f"-seed={chosen.seed}", f"-max_len={LONGEST_INPUT}"]
        options += [f"-rss_limit_mb={MOST_MEMORY_MB}", f"-timeout={LONGEST_SECONDS}", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, corpus], target)
        atheris.Fuzz()


def _blindly(target: Target, inputs: Sequence[bytes], seconds: int, rng: random.Random) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY_MB << 20, MOST_MEMORY_MB << 20))
    signal.signal(signal.SIGALRM, _too_long)
    runs, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = _mutate(rng, rng.choice(inputs))
        signal.alarm(LONGEST_SECONDS)
        try:
            target(data)
        except BaseException:
            print(f"failing input: {data.hex()}", file=sys.stderr)
            raise
        runs += 1
    signal.alarm(0)
    print(f"without coverage, no failure\n{EXECUTED} {runs}")


def _too_long(_: int, __: FrameType | None) -> None:
    raise TimeoutError(f"one input took more than {LONGEST_SECONDS} s")


def _mutate(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, taken out, put in or repeated."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, cut = rng.randint(0, len(out)), rng.randint(0, 8)
        out[at : at + cut] = rng.choice([rng.randbytes(rng.randint(0, 4)), bytes(out[at : at + 2 * cut]), b"\xff"])
    return bytes(out)
