"""Coverage-guided fuzzing of both socket decoders, by the checks of tests/property.

Run: python tests/fuzz/fuzz_decode.py [--seconds 600]
Needs the package atheris, which is not in our lock: install it into a venv of your own together with numpy, and put
this repository's packages on PYTHONPATH. Without it, mutation without coverage runs for the same time.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "files" / name / "src") for name in ("harvester", "exchange"))]

try:
    import atheris
except ImportError:
    atheris = None

FEWEST_FRAMES_FOR_ROUNDS = 80
"""Frames repeated so often are walked by arrays, not one by one."""


def load_checks() -> tuple[Callable[..., object], Callable[..., object]]:
    """The checks, instrumented where atheris is there."""
    if atheris is None:
        from tests.property.decode_checks import check_hsm, check_tbt
    else:
        with atheris.instrument_imports(include=["harvester", "tests.property"]):
            from tests.property.decode_checks import check_hsm, check_tbt
    return check_hsm, check_tbt


def split_frames(data: bytes) -> list[bytes]:
    """Frames of an input: each is preceded by its length in two bytes, the last may be short."""
    frames = []
    while data:
        size = int.from_bytes(data[:2], "big") % 2048
        frames.append(data[2 : 2 + size])
        data = data[2 + size :]
    return frames


def join_frames(frames: list[bytes]) -> bytes:
    """The input that these frames come from."""
    return b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)


def seeds() -> list[bytes]:
    """Inputs to begin with: real-shaped frames of both sockets. The first byte of an input chooses the decoder."""
    from exchange.wire import hsm, tbt

    topic = hsm.Topic("dp|nse_cm|3045", exchange="nse_cm", token="3045", text="SBIN-EQ")
    index = hsm.Topic("if|nse_cm|Nifty 50")
    feeds = hsm.feed(1, [hsm.snapshot(1, topic, range(30)), hsm.snapshot(2, index, range(8)), hsm.lite(2, 7)])
    update = hsm.feed(2, [hsm.update(1, [None] * 29 + [5]), hsm.update(2, [1]), hsm.update(9, [])])
    control = [hsm.auth_reply(), hsm.reply(hsm.SUBSCRIBE), hsm.notice(51001, "limit", hsm.SUBSCRIBE), b"\x00\x01\x0b"]
    levels = [tbt.Level(num, 100 + num, 10, 1) for num in range(3)]
    feed = tbt.Feed("NSE:A-EQ", levels, levels, 5, 6, 7, 8, 1, True, "1")
    later = tbt.Feed("NSE:A-EQ", [tbt.Level(1, None, 0)], sequence=3, other=tbt.message(1, tbt.wrapped(1, 5)))
    messages = [tbt.socket_message([feed], snapshot=True), tbt.socket_message([later])]
    notices = [tbt.socket_message([], kind=tbt.RESPONSE, text="no", error=True), b"pong"]
    return [
        b"\x00" + join_frames([feeds, update]),
        b"\x00" + join_frames([*control, feeds]),
        b"\x80" + join_frames([feeds, update]),
        b"\x01" + join_frames(messages),
        b"\x01" + join_frames(notices + messages),
        b"\x81" + join_frames(messages),
    ]


def make_target() -> Callable[[bytes], None]:
    """The function that any input must pass through unharmed."""
    check_hsm, check_tbt = load_checks()

    def target(data: bytes) -> None:
        if not data:
            return
        frames = split_frames(data[1:])
        if data[0] & 0x80:
            frames *= FEWEST_FRAMES_FOR_ROUNDS // max(len(frames), 1) + 1
        (check_tbt if data[0] & 1 else check_hsm)(frames)

    return target


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, taken out, put in or repeated."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, cut = rng.randint(0, len(out)), rng.randint(0, 8)
        out[at : at + cut] = rng.choice([rng.randbytes(rng.randint(0, 4)), bytes(out[at : at + 2 * cut]), b"\xff"])
    return bytes(out)


def main() -> None:
    """Fuzz for the time given; a failure ends with the input that caused it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args().seconds
    target, inputs = make_target(), seeds()
    if atheris is not None:
        with tempfile.TemporaryDirectory(prefix="corpus-") as corpus:
            for number, data in enumerate(inputs):
                (Path(corpus) / f"seed-{number}").write_bytes(data)
            atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", corpus], target)
            atheris.Fuzz()
        return
    rng, runs, end = random.Random(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutate(rng, rng.choice(inputs))
        try:
            target(data)
        except Exception:
            print(f"failing input: {data.hex()}", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} inputs without coverage in {seconds} s, no failure")


if __name__ == "__main__":
    main()
