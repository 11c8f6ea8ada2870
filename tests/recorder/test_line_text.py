"""A feed whose server sends text and heartbeats: what is journalled, and what counts as its life; see lines.py."""

import pytest
from tests.recorder.lines import SYMBOLS, Line, Wire, play
from tests.recorder.live_feed import INFY, SBIN


def show(wire: Wire) -> None:
    """Snapshots of all symbols, as text."""
    for symbol in SYMBOLS:
        wire.text(f"snapshot|{symbol}|1")


def test_text_of_such_a_feed_is_data_and_no_control_record(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        await line.at(1)
        assert line.ledger.is_live(SBIN)
        line.wires[0].text(f"update|{SBIN}|{'x' * 5000}")

    journal = play(monkeypatch, story, is_text=True, opening=show).journal

    assert journal.messages == [
        *(f"snapshot|{symbol}|1".encode() for symbol in SYMBOLS),
        f"update|{SBIN}|{'x' * 5000}".encode(),
    ]
    assert journal.of_type("text") == []


def test_a_token_that_the_server_echoes_is_masked_and_the_rest_is_as_received(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(line: Line) -> None:
        assert line.access.token
        line.wires[0].text(f"update|{SBIN}|before {line.access.token.access_token.get_secret_value()} after")

    journal = play(monkeypatch, story, is_text=True, opening=show).journal

    assert journal.messages[-1] == f"update|{SBIN}|before [redacted] after".encode()


def test_a_silence_between_heartbeats_is_the_markets_and_asks_no_second_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        line.wires[0].answers = False
        for second in range(10, 600, 10):
            await line.at(second)
            line.wires[0].text(f"odd|{INFY}|heartbeat")

    line = play(monkeypatch, story, is_text=True, has_heartbeats=True, stale_seconds=30, opening=show)

    assert len(line.tries) == 1
    assert line.gaps == []


def test_without_a_heartbeat_a_connection_is_stale_although_it_never_answered_a_ping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(line: Line) -> None:
        line.wires[0].answers = False
        await line.at(10)
        line.wires[0].text(f"odd|{INFY}|heartbeat")
        await line.at(39)
        assert len(line.tries) == 1
        await line.at(45)

    line = play(monkeypatch, story, is_text=True, has_heartbeats=True, stale_seconds=30, opening=show)

    [ended, _] = line.journal.of_type("disconnect")
    assert (ended["cause"], ended["detail"]) == ("mute", "nothing came for 30 s, not even a heartbeat")
    assert [(cause, begins) for cause, begins, _ in line.gaps] == [("mute", 10.0)]
