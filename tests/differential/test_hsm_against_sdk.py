"""The data socket's decoder and the broker's unmodified SDK agree on all that both can know."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Figure
from tests.differential.sdk import SdkHsm
from tests.differential.sessions import INDEX_VALUES_OF_SDK, HsmSession, hsm_sessions, is_price
from tests.examples import examples

from exchange.wire import hsm
from harvester.decode.frames import ABSENT
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder
from harvester.decode.hsm_layout import SNAPSHOT, SYMBOL

DROPPED = {"OI", "Yhigh", "Ylow"}
"""Values that the SDK does not deliver; circuits it delivers as 0."""


def as_the_sdk_would(
    batch: HsmBatch, tickers: dict[str, str], last: dict[int, list[int]]
) -> dict[int, list[dict[str, Any]]]:
    """What the SDK would deliver for each frame of a batch, made from our columns: it drops repeats.

    `last` has the values of each topic before the batch, and afterwards those at its end.
    """
    found: list[tuple[int, int, dict[str, Any]]] = []
    for rows in batch.rows:
        names = hsm.FIELDS[rows.kind.prefix]
        names = names[:INDEX_VALUES_OF_SDK] if rows.kind.prefix == "if" else names
        for entry, (topic_number, state) in enumerate(zip(rows.topic.tolist(), rows.values.T.tolist(), strict=True)):
            if last.get(topic_number) != state or rows.form[entry] == SNAPSHOT:
                last[topic_number] = state
                values = dict(zip(names, state, strict=False))
                topic = batch.topics[topic_number]
                delivered = _deliver(rows.kind.prefix, values, int(rows.scale[entry]))
                delivered |= {"type": rows.kind.prefix, "symbol": tickers[topic.name]}
                found.append((int(rows.frame[entry]), entry, delivered))
    frames: dict[int, list[dict[str, Any]]] = {}
    for frame, _, delivered in found:
        frames.setdefault(frame, []).append(delivered)
    return frames


def _deliver(kind: str, values: dict[str, int], scale: int) -> dict[str, Any]:
    known = {name: value for name, value in values.items() if value != ABSENT and name not in DROPPED}
    out: dict[str, Any] = {name: value / scale if is_price(name) else value for name, value in known.items()}
    if kind == "sf":
        out |= {"lower_ckt": 0, "upper_ckt": 0}
    digits = {"sf": 4, "if": 2}.get(kind)
    if digits and out.get("ltp") is not None and out.get("prev_close_price"):
        out["ch"] = round(out["ltp"] - out["prev_close_price"], digits)
        out["chp"] = round(out["ch"] / out["prev_close_price"] * 100, digits)
    return out


def by_topic(messages: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Messages by symbol and kind: the order among topics of a frame is not in our columns, which go by kind."""
    topics: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        topics.setdefault(f"{message['type']} {message['symbol']}", []).append(message)
    return topics


def decode_in_batches(frames: Sequence[bytes], sizes: Iterator[int]) -> Iterator[tuple[int, HsmBatch]]:
    """(number of the first frame, batch) of a session cut into batches of the given sizes."""
    decoder, start = HsmDecoder(), 0
    while start < len(frames):
        size = next(sizes, len(frames))
        yield start, decoder.decode(frames[start : start + size])
        start += size


def differences(session: HsmSession, sizes: list[int]) -> tuple[int, list[str]]:
    """How many messages both delivered, and where they differ."""
    sdk = SdkHsm(session.tickers)
    compared, wrong = 0, []
    last: dict[int, list[int]] = {}
    for start, batch in decode_in_batches(session.frames, iter(sizes)):
        ours = as_the_sdk_would(batch, session.tickers, last)
        frames = session.frames[start : start + sizes[0] if sizes else None]
        for number in range(len(frames)):
            theirs = by_topic(sdk.take(session.frames[start + number]))
            mine = by_topic(ours.get(number, []))
            compared += sum(map(len, theirs.values()))
            if mine != theirs:
                wrong.append(f"frame {start + number}: ours {mine}, the SDK's {theirs}")
    assert sdk.log.entries == [], "the session must stay within what the SDK can read"
    return compared, wrong


@examples(150)
@given(hsm_sessions(), st.integers(1, 30))
def test_sessions_of_any_content_agree(session: HsmSession, size: int) -> None:
    _, wrong = differences(session, [size] * (len(session.frames) + 1))

    assert wrong == []


def test_a_long_busy_session_agrees_in_every_value(figure: Figure) -> None:
    from tests.bench import days

    frames = days.depth_snapshots() + days.depth_updates(1500, changed=6, entries=3)
    compared, wrong = differences(HsmSession(days.depth_topics(), frames), [512] * 10)

    figure("hsm_messages_compared", compared, bound=">= 4000", unit="messages", gate=True)
    figure("hsm_messages_that_differ", len(wrong), bound="== 0", unit="messages", gate=True)


def test_recorded_messages_come_back_from_their_values(recorded_data: Path) -> None:
    lines = (recorded_data / "fyers_raw/ws_messages.jsonl").read_text("utf-8").splitlines()
    assert lines
    for line in lines:
        message: dict[str, Any] = json.loads(line)["message"]
        kind, ticker = message["type"], message["symbol"]
        values = [
            None if name not in message else round(message[name] * 100) if is_price(name) else message[name]
            for name in hsm.FIELDS[kind]
        ]
        topic = hsm.Topic(f"{kind}|nse_cm|1")
        frames = [hsm.feed(1, [hsm.snapshot(7, topic, [1] * len(values))]), hsm.feed(2, [hsm.update(7, values)])]
        sdk = SdkHsm({topic.name: ticker})
        sdk.take(frames[0])

        (theirs,) = sdk.take(frames[1])
        (ours,) = as_the_sdk_would(HsmDecoder().decode(frames), {topic.name: ticker}, {})[1]

        assert ours == theirs
        assert {name: theirs[name] for name in message if name not in ("ch", "chp")} == {
            name: value for name, value in message.items() if name not in ("ch", "chp")
        }


def test_the_recorded_snapshot_decodes_to_its_published_values(recorded_data: Path) -> None:
    facts = json.loads((recorded_data / "fyers_raw/hsm_facts.json").read_text("utf-8"))
    raw, scaled = facts["raw"], facts["scaled"]
    names = {"prev_close_price": "prev_close", "open_price": "open", "high_price": "high", "low_price": "low"}

    def value(name: str) -> int | None:
        name = names.get(name, name)
        return raw[name] if name in raw else round(scaled[name] * 100) if name in scaled else None

    snapshot = hsm.snapshot(3, hsm.Topic(facts["topic"]), [value(name) for name in hsm.FIELDS["sf"]])
    rows = HsmDecoder().decode([hsm.feed(1, [snapshot])]).rows[0]

    assert rows.kind is SYMBOL and len(rows.kind.fields) == facts["field_count"]
    assert rows.scale.tolist() == [facts["price_multiplier"]]
    for name, number in raw.items():
        column = {"bid_size": "bid_qty", "ask_size": "ask_qty"}.get(name, name)
        assert rows.column(column).tolist() == [number]
