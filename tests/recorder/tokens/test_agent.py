"""The token agent and the file through which it hands over: each poll's outcome, its words, and its patience."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.durability import watched
from tests.recorder.fakes import FakeClock, make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret, redact
from harvester.base.systemd import Notifier
from harvester.tokens import agent as agents
from harvester.tokens.agent import TokenAgent
from harvester.tokens.handover import HandoverReader, Token, write_handover
from harvester.tokens.stores import StoredToken, StoreError

NOW_NS = 1_795_000_000 * NS_PER_SECOND
GOOD = Secret(make_token(1_795_003_600))
OLD = Secret(make_token(1_794_999_999))
TOKEN = Token(Secret("aaaa.b.c"), "file:1", 5)


class Told(Notifier):
    """Keeps what systemd would be told."""

    def __init__(self) -> None:
        super().__init__("")
        self.said: list[tuple[str, str]] = []

    def ready(self, status: str) -> None:
        self.said.append(("ready", status))

    def alive(self, status: str) -> None:
        self.said.append(("alive", status))

    def stopping(self, status: str) -> None:
        self.said.append(("stopping", status))


class Handover:
    """An agent, its store's content, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access-token"
        self.clock, self.told = FakeClock(NOW_NS), Told()
        self.content: StoredToken | StoreError | None = None
        self.agent = TokenAgent(self, self.path, clock=self.clock, notifier=self.told)

    def read(self) -> StoredToken | None:
        if isinstance(self.content, StoreError):
            raise self.content
        return self.content

    def poll(self, content: StoredToken | StoreError | None) -> list[dict[str, Any]]:
        """What one poll logs."""
        self.content = content
        with structlog.testing.capture_logs() as said:
            asyncio.run(self.agent.poll())
        return [dict(line) for line in said]

    @property
    def version(self) -> str | None:
        return json.loads(self.path.read_text())["version"] if self.path.exists() else None


@pytest.fixture
def handover(tmp_path: Path) -> Handover:
    return Handover(tmp_path)


def test_a_good_token_is_handed_over_once_and_said(handover: Handover) -> None:
    said = handover.poll(StoredToken(GOOD, "ssm:1"))
    expires = "2026-11-18T17:36:40+05:30"
    assert said == [{"event": "token_handed_over", "log_level": "info", "version": "ssm:1", "expires": expires}]
    content = {
        "access_token": GOOD.get_secret_value(),
        "version": "ssm:1",
        "expires_at_ns": 1_795_003_600 * NS_PER_SECOND,
    }
    assert json.loads(handover.path.read_text()) == content
    assert handover.poll(StoredToken(GOOD, "ssm:1")) == []
    handover.poll(StoredToken(GOOD, "ssm:2"))
    assert handover.version == "ssm:2"
    assert redact(GOOD.get_secret_value()) == "[redacted]"


def test_another_token_of_the_same_version_is_handed_over(handover: Handover) -> None:
    """A parameter that was deleted and stored again begins at version 1 once more."""
    other = Secret(make_token(1_795_007_200))
    handover.poll(StoredToken(GOOD, "ssm:1"))
    handover.poll(StoredToken(other, "ssm:1"))
    assert json.loads(handover.path.read_bytes())["access_token"] == other.get_secret_value()


def test_a_token_that_is_no_good_is_said_once_and_judged_anew(handover: Handover) -> None:
    handover.poll(StoredToken(GOOD, "ssm:1"))
    [line] = handover.poll(StoredToken(OLD, "ssm:2"))
    assert (line["event"], line["log_level"], line["version"]) == ("token_refused", "error", "ssm:2")
    assert line["detail"].startswith("The token expired at 2026-11-18 16:36 IST.")
    assert handover.poll(StoredToken(OLD, "ssm:2")) == []
    assert [line["version"] for line in handover.poll(StoredToken(OLD, "ssm:3"))] == ["ssm:3"]
    assert handover.version == "ssm:1"
    handover.clock.step(-10)
    handover.poll(StoredToken(OLD, "ssm:3"))
    assert handover.version == "ssm:3"


def test_a_token_that_was_refused_and_then_taken_is_said_again_when_it_is_refused_again(handover: Handover) -> None:
    """What was said of it while the clock was wrong silences nothing that comes later."""
    handover.clock.step(10)
    assert len(handover.poll(StoredToken(OLD, "ssm:1"))) == 1
    for _ in range(2):
        handover.clock.step(-20)
        handover.path.unlink(missing_ok=True)
        with structlog.testing.capture_logs() as taken:
            asyncio.run(handover.agent.poll())
            handover.agent.restore()
        assert "token_handed_over" in [line["event"] for line in taken]
        handover.clock.step(20)
        handover.path.unlink()
        with structlog.testing.capture_logs() as refused:
            handover.agent.restore()
            handover.agent.restore()
        assert [line["event"] for line in refused].count("token_refused") == 1


def test_a_token_that_cannot_be_handed_over_is_tried_at_each_poll(tmp_path: Path) -> None:
    handover = Handover(tmp_path / "missing")
    for _ in range(2):
        [line] = handover.poll(StoredToken(GOOD, "ssm:1"))
        assert (line["event"], line["log_level"], line["version"]) == ("token_not_handed_over", "error", "ssm:1")
        assert "could not be handed over" in line["detail"]
    (tmp_path / "missing").mkdir()
    handover.poll(StoredToken(GOOD, "ssm:1"))
    assert handover.version == "ssm:1"


def test_a_store_that_fails_is_asked_more_and_more_seldom(handover: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    spread: list[tuple[float, float]] = []
    monkeypatch.setattr("random.uniform", lambda low, high: spread.append((low, high)) or 1.0)
    said = [handover.poll(StoreError("throttled"))[0] for _ in range(9)]
    assert [line["retry_seconds"] for line in said] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert {(line["event"], line["log_level"], line["detail"]) for line in said} == {
        ("token_store_failed", "warning", "throttled")
    }
    assert set(spread) == {(0.75, 1.25)}
    assert handover.poll(None) == []
    assert handover.poll(StoreError("throttled"))[0]["retry_seconds"] == 5, "an answer ends the patience"
    handover.poll(StoreError("throttled"))
    handover.agent.look_now()
    assert handover.poll(StoreError("throttled"))[0]["retry_seconds"] == 5, "so does a person's wish"


def serve(handover: Handover, *contents: StoredToken | StoreError | None) -> list[tuple[str, str]]:
    """Run the agent through these answers of the store, and stop it; what systemd was told."""
    left = list(contents)

    def read() -> StoredToken | None:
        content = left.pop(0)
        if not left:
            handover.agent.stop()
        if isinstance(content, StoreError):
            raise content
        return content

    handover.read = read  # type: ignore[method-assign]

    async def wake() -> None:
        running = asyncio.create_task(handover.agent.run())
        while not running.done():
            await asyncio.sleep(0)
            if handover.told.said and left:
                handover.agent.look_now()
        await running

    asyncio.run(asyncio.wait_for(wake(), 10))
    return handover.told.said


def test_the_agent_says_when_it_is_ready_and_when_it_stops(handover: Handover) -> None:
    assert serve(handover, None) == [("ready", "no token has been stored yet"), ("stopping", "stopping")]
    assert handover.version is None


def test_the_agent_says_what_it_handed_over(handover: Handover) -> None:
    state = "handed over ssm:1, good until 2026-11-18 17:36 IST"
    assert serve(handover, StoredToken(GOOD, "ssm:1"))[0] == ("ready", state)


def test_the_agent_says_what_it_refused(handover: Handover) -> None:
    assert serve(handover, StoredToken(OLD, "ssm:2"))[0] == ("ready", "refused ssm:2")


def test_an_agent_whose_store_never_answered_says_so(handover: Handover) -> None:
    assert serve(handover, StoreError("down"))[0] == ("ready", "no token yet")


def test_a_wish_is_answered_at_once(handover: Handover) -> None:
    serve(handover, None, StoredToken(GOOD, "ssm:7"))
    assert handover.version == "ssm:7"


def test_the_watchdog_is_told_while_the_agent_waits(handover: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    handover.content = StoreError("down")

    async def nap(waiting: Any, seconds: float) -> None:
        waiting.close()
        naps.append(seconds)
        handover.clock.freeze(seconds)
        if len(naps) == 5:
            handover.agent.stop()
        raise TimeoutError

    monkeypatch.setattr(agents.asyncio, "wait_for", nap)
    asyncio.run(handover.agent.run())
    assert naps == [5.0, 1.25, 5.0, 5.0, 2.5]
    assert handover.told.said == [("ready", "no token yet"), *[("alive", "no token yet")] * 5, ("stopping", "stopping")]


def test_the_file_is_whole_private_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "access-token"
    for token in (TOKEN, Token(Secret("dddd.e.f"), "file:2", 6)):
        with watched(tmp_path) as disk:
            write_handover(path, token)
        assert "durable access-token" in disk.log
    assert json.loads(path.read_text()) == {"access_token": "dddd.e.f", "version": "file:2", "expires_at_ns": 6}
    assert path.stat().st_mode & 0o777 == 0o440


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "access-token"
    with pytest.raises(HarvesterError) as caught:
        write_handover(path, TOKEN)
    assert str(caught.value) == (
        f"{path}: the token could not be handed over (No such file or directory). The directory must be writable for"
        " the token agent's user; the recorder keeps the token it has."
    )


def test_the_recorder_reads_each_change_once(tmp_path: Path) -> None:
    path = tmp_path / "access-token"
    reader = HandoverReader(path)
    assert reader.read_new() is None
    write_handover(path, TOKEN)
    assert [reader.read_new(), reader.read_new()] == [TOKEN, None]
    assert redact("aaaa.b.c") == "[redacted]"
    write_handover(path, TOKEN)
    assert reader.read_new() == TOKEN, "another file of the same size is another handover"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        '{"access_token": 1, "version": "x", "expires_at_ns": 1}',
        '{"access_token": "\u00e9", "version": "x", "expires_at_ns": 1}',
        '{"access_token": "a", "version": "x", "expires_at_ns": "y"}',
        '{"access_token": "a", "version": "x"}',
        "[" * 65_000,
    ],
)
def test_what_is_no_handover_is_said_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "access-token"
    path.write_text(content)
    reader = HandoverReader(path)
    with pytest.raises(HarvesterError) as caught:
        reader.read_new()
    assert str(caught.value) == f"{path}: not a token handover; restart the token agent."
    assert reader.read_new() is None


def test_a_handover_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError) as caught:
        HandoverReader(tmp_path).read_new()
    assert str(caught.value) == (
        f"{tmp_path}: the token cannot be read (Is a directory); the recorder's user must be in its group."
    )
    (tmp_path / "file").touch()
    with pytest.raises(HarvesterError) as caught:
        HandoverReader(tmp_path / "file" / "token").read_new()
    assert str(caught.value) == f"{tmp_path / 'file' / 'token'}: the token cannot be reached (Not a directory)."


def spoil(handover: Handover, how: str) -> None:
    if how == "gone":
        handover.path.unlink()
    else:
        handover.path.chmod(0o640)
        handover.path.write_text("{")


@pytest.mark.parametrize("how", ["gone", "garbage"])
@pytest.mark.parametrize("answer", [StoredToken(GOOD, "ssm:1"), StoreError("down"), None])
def test_a_handover_that_is_lost_is_back_within_five_seconds(
    handover: Handover, monkeypatch: pytest.MonkeyPatch, how: str, answer: StoredToken | StoreError | None
) -> None:
    """Whatever the store says meanwhile, and however patient the agent has become with it."""
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    handover.poll(StoredToken(GOOD, "ssm:1"))
    handover.content, naps, spoilt_at = answer, [], 0

    async def nap(waiting: Any, seconds: float) -> None:
        nonlocal spoilt_at
        waiting.close()
        naps.append(seconds)
        handover.clock.freeze(seconds)
        if spoilt_at:
            handover.agent.stop()
        elif sum(naps) >= 300:
            spoil(handover, how)
            spoilt_at = len(naps)
        raise TimeoutError

    monkeypatch.setattr(agents.asyncio, "wait_for", nap)
    with structlog.testing.capture_logs() as said:
        asyncio.run(handover.agent.run())

    assert sum(naps[spoilt_at:]) <= 5
    assert handover.version == "ssm:1"
    lines = [line for line in said if line["event"] in ("handover_lost", "token_handed_over")]
    assert [line["event"] for line in lines] == ["handover_lost", "token_handed_over"]
    assert lines[0]["path"] == str(handover.path)


def test_a_lost_handover_that_cannot_be_written_is_said_once_and_tried_until_it_can(handover: Handover) -> None:
    handover.poll(StoredToken(GOOD, "ssm:1"))
    shelf = handover.path.parent.with_name("away")
    handover.path.parent.rename(shelf)
    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            handover.agent.restore()
    handover.path.parent.mkdir()
    handover.agent.restore()

    assert [line["event"] for line in said].count("token_not_handed_over") == 3
    assert handover.version == "ssm:1"


@pytest.mark.parametrize("between", [StoredToken(OLD, "file:2"), None], ids=["refused", "removed"])
def test_a_token_that_is_put_back_is_said_to_be_in_place(handover: Handover, between: StoredToken | None) -> None:
    """A store of a file gives the same value the same version: there is nothing to hand over anew."""
    handover.poll(StoredToken(GOOD, "file:1"))
    handover.poll(between)
    handover.poll(StoredToken(GOOD, "file:1"))

    async def finish() -> None:
        handover.agent.stop()
        await handover.agent.run()

    asyncio.run(finish())

    assert handover.version == "file:1"
    assert handover.told.said[0] == ("ready", "handed over file:1, good until 2026-11-18 17:36 IST")


def test_a_token_that_is_refused_again_after_another_is_said_again(handover: Handover) -> None:
    handover.poll(StoredToken(GOOD, "file:1"))
    said = [
        [line["event"] for line in handover.poll(StoredToken(*each))]
        for each in 2 * [(OLD, "file:2"), (GOOD, "file:1")]
    ]

    assert said == [["token_refused"], [], ["token_refused"], []]


def test_a_lost_handover_of_a_token_that_has_ended_meanwhile_is_said_once(handover: Handover) -> None:
    handover.poll(StoredToken(GOOD, "file:1"))
    handover.path.unlink()
    handover.clock.freeze(7_200)
    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            handover.agent.restore()
            asyncio.run(handover.agent.poll())

    assert [line["event"] for line in said] == ["handover_lost", "token_refused"]
