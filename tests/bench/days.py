"""Frames of a made-up busy minute, for benchmarks of the decoders: same seed, same bytes."""

import random
from collections.abc import Iterator

from exchange.wire import hsm, tbt

SYMBOLS = 50
TICKER = "NSE:SBIN-EQ"


def depth_topics() -> dict[str, str]:
    """Topic name -> ticker of the symbols in the depth frames."""
    return {f"dp|nse_cm|{1000 + number}": f"NSE:S{number}-EQ" for number in range(SYMBOLS)}


def _book(rng: random.Random) -> list[int]:
    best = rng.randrange(10_000, 500_000)
    prices = [best - 5 * level for level in range(5)] + [best + 5 + 5 * level for level in range(5)]
    return prices + [rng.randrange(1, 100_000) for _ in range(10)] + [rng.randrange(1, 500) for _ in range(10)]


def depth_snapshots(seed: int = 1) -> list[bytes]:
    """A frame with a snapshot for each symbol."""
    rng = random.Random(seed)
    topics = enumerate(depth_topics(), start=1)
    return [hsm.feed(number, [hsm.snapshot(number, hsm.Topic(name), _book(rng))]) for number, name in topics]


def depth_updates(frames: int, *, changed: int = 30, entries: int = 1, seed: int = 2) -> list[bytes]:
    """Frames of `entries` updates each with `changed` of the 30 values."""
    rng = random.Random(seed)

    def update() -> bytes:
        chosen = set(rng.sample(range(30), changed))
        values = [value if place in chosen else None for place, value in enumerate(_book(rng))]
        return hsm.update(rng.randrange(SYMBOLS) + 1, values)

    return [hsm.feed(number, [update() for _ in range(entries)]) for number in range(frames)]


def tbt_messages(count: int, *, levels: int = 50, seed: int = 3) -> Iterator[bytes]:
    """One snapshot of 50 + 50 levels, then messages of `levels` a side: snapshots when all 50, else diffs."""
    rng = random.Random(seed)

    def level(num: int, price: int) -> tbt.Level:
        return tbt.Level(num, price, rng.randrange(1, 100_000), rng.randrange(1, 500))

    for number in range(count):
        snapshot = levels == tbt.SLOTS or number == 0
        slots = range(tbt.SLOTS) if snapshot else sorted(rng.sample(range(tbt.SLOTS), levels))
        feed = tbt.Feed(
            TICKER,
            bids=[level(num, 100_000 - 5 * num) for num in slots],
            asks=[level(num, 100_005 + 5 * num) for num in slots],
            tbq=rng.randrange(1_000_000),
            tsq=rng.randrange(1_000_000),
            feed_time=1_763_000_000,
            send_time=1_763_000_000,
            sequence=number + 1,
            snapshot=snapshot,
            token="10100000003045",
        )
        yield tbt.socket_message([feed], snapshot=snapshot)
