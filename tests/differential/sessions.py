"""Made-up sessions of both sockets, inside what the SDK gets right; its defects have tests of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from exchange.wire import hsm, tbt

PRICES = st.integers(-(2**31) + 1, 2**31 - 1)
COUNTS = st.integers(0, 2**31 - 1)
PRICE_NAMES = {"ltp", "Yhigh", "Ylow", "lower_ckt", "upper_ckt", "year_high", "year_low"}
INDEX_VALUES_OF_SDK = 6


def is_price(name: str) -> bool:
    """Whether the value of this name is a price; quantities, counts and times are not."""
    return "price" in name or name in PRICE_NAMES


@dataclass(frozen=True)
class HsmSession:
    """A connection's frames, and the ticker of each topic."""

    tickers: dict[str, str] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)


def _value(name: str) -> st.SearchStrategy[int]:
    if name == "prev_close_price":
        return PRICES.filter(bool)  # the SDK fails on an index whose previous close is 0
    return PRICES if is_price(name) else COUNTS


def _snapshot_values(draw: st.DrawFn, kind: str) -> list[int | None]:
    names = hsm.FIELDS[kind][:INDEX_VALUES_OF_SDK] if kind == "if" else hsm.FIELDS[kind]
    values = [draw(st.none() | _value(name)) for name in names]
    if kind != "dp":
        values[0] = draw(PRICES)  # the SDK fails on a lite entry for a topic without a last price
    return values[: draw(st.integers(1, len(values)))]


def _update(draw: st.DrawFn, topic_id: int, kind: str) -> bytes:
    if kind != "dp" and draw(st.integers(0, 4)) == 0:
        return hsm.lite(topic_id, draw(st.none() | PRICES))
    names = hsm.FIELDS[kind][:INDEX_VALUES_OF_SDK] if kind == "if" else hsm.FIELDS[kind]
    few = st.lists(st.sampled_from(range(len(names))), max_size=6)
    chosen = draw(few)
    values: list[int | None] = [None] * draw(st.integers(0, len(names)))
    for place in chosen:
        if place < len(values):
            values[place] = draw(_value(names[place]) | st.integers(1, 3))
    return hsm.update(topic_id, values)


@st.composite
def hsm_sessions(draw: st.DrawFn) -> HsmSession:
    """Snapshots, updates, repeats and lite entries of some topics in frames of some entries."""
    session = HsmSession()
    ids = draw(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=5, unique=True))
    kinds: dict[int, str] = {}
    entries: list[bytes] = []

    def snapshot(topic_id: int) -> bytes:
        kind = kinds.setdefault(topic_id, draw(st.sampled_from(sorted(hsm.FIELDS))))
        topic = hsm.Topic(
            f"{kind}|nse_cm|{topic_id}",
            multiplier=draw(st.sampled_from([1, 1, 100])),
            precision=draw(st.sampled_from([2, 2, 4, 0])),
            exchange="nse_cm",
        )
        session.tickers[topic.name] = f"NSE:T{topic_id}"
        return hsm.snapshot(topic_id, topic, _snapshot_values(draw, kind))

    for _ in range(draw(st.integers(1, 25))):
        topic_id = draw(st.sampled_from(ids))
        fresh = topic_id not in kinds or draw(st.integers(0, 9)) == 0
        entries.append(snapshot(topic_id) if fresh else _update(draw, topic_id, kinds[topic_id]))
        if draw(st.integers(0, 9)) == 0:
            entries.append(entries[-1])
    while entries:
        size = draw(st.integers(1, 4))
        session.frames.append(hsm.feed(len(session.frames), entries[:size]))
        del entries[:size]
    return session


def _side(draw: st.DrawFn, slots: list[int], *, partial: bool) -> list[tbt.Level]:
    def maybe(strategy: st.SearchStrategy[int]) -> int | None:
        return draw(st.none() | strategy) if partial else draw(strategy)

    counts = st.integers(0, 2**32 - 1) | st.integers(0, 3)
    prices = st.integers(0, 10_000_000) | st.integers(-(2**53), 2**53)
    return [tbt.Level(slot, maybe(prices), maybe(counts), maybe(counts)) for slot in slots]


@st.composite
def tbt_sessions(draw: st.DrawFn) -> list[bytes]:
    """A connection's messages: whole snapshots, which name every slot, and diffs of any slots and fields."""
    tickers = draw(st.lists(st.sampled_from(["NSE:A-EQ", "NSE:B-EQ", "NSE:Cé-EQ"]), min_size=1, unique=True))
    seen: set[str] = set()
    frames = []
    for number in range(draw(st.integers(1, 8))):
        chosen = draw(st.lists(st.sampled_from(tickers), min_size=1, unique=True))
        whole = draw(st.integers(0, 5)) == 0 or not seen.issuperset(chosen)
        seen.update(chosen)
        frames.append(_tbt_message(draw, chosen, number + 1, whole=whole))
    return frames


def _tbt_message(draw: st.DrawFn, tickers: list[str], number: int, *, whole: bool) -> bytes:
    slots = st.lists(st.integers(0, tbt.SLOTS - 1), max_size=6)
    times = st.none() | st.integers(0, 2**63 - 1) | st.just(1_763_000_000)

    def side() -> list[tbt.Level]:
        if not whole:
            return _side(draw, draw(slots), partial=True)
        base: Callable[[int], tbt.Level] = lambda slot: tbt.Level(slot, 100 + slot, 10, 1)  # noqa: E731
        levels = [base(slot) for slot in range(tbt.SLOTS)]
        for level in _side(draw, draw(slots), partial=False):
            levels[level.num or 0] = level
        return levels

    feeds = [
        tbt.Feed(
            ticker,
            bids=side(),
            asks=side(),
            tbq=5 if whole else draw(times),
            tsq=6 if whole else draw(times),
            feed_time=draw(times),
            send_time=draw(times),
            sequence=draw(st.sampled_from([number, number, 0, number + 7, 2**40])),
            snapshot=whole,
            token=draw(st.sampled_from(["", "10100000003045"])),
        )
        for ticker in tickers
    ]
    return tbt.socket_message(feeds, snapshot=whole)
