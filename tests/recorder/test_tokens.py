"""Tokens: what they say about themselves, how they are handed over, and what the agent refuses to hand over."""

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.recorder.fakes import FakeClock, make_settings, make_token
from tests.recorder.sockets import until

from harvester.base.aws_names import Names
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import Secret
from harvester.base.systemd import Notifier
from harvester.brokers.access import Access
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.limits import RequestLimits
from harvester.tokens.agent import TokenAgent
from harvester.tokens.claims import TokenError, check_token, read_claims
from harvester.tokens.handover import HandoverReader, Token, write_handover
from harvester.tokens.stores import FileStore, StoredToken, StoreError

NOW = time.time()
NOW_NS = int(NOW) * NS_PER_SECOND
GARBAGE = [
    "",
    "hunter2-is-not-a-token",
    "a.b",
    "a.b.c",
    "a.b.c.d",
    "!!!.???.***",
    "{}",
    "x" * 10_000,
    make_token(NOW + 36_000)[:-40].rsplit(".", 1)[0],
    make_token(NOW + 36_000).replace(".", "..", 1),
    "ABCDE12345-100:" + make_token(NOW + 36_000),
    make_token(NOW + 36_000) + "\n",
    make_token(NOW - 1),
    make_token(NOW + 36_000, sub="auth_code"),
    make_token(NOW + 36_000, exp="tomorrow"),
    make_token(NOW + 36_000, exp=None),
    make_token(NOW + 36_000, exp=True),
    make_token(NOW + 36_000, exp=1e300),
    make_token(NOW + 36_000, exp=-5),
    "eyJhbGciOiJIUzI1NiJ9.W10.c2ln",
    "eyJhbGciOiJIUzI1NiJ9.bm90IGpzb24.c2ln",
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:24])
def test_what_is_no_living_access_token_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(TokenError) as refused:
        check_token(Secret(text), NOW_NS)

    assert len(text) < 8 or text not in str(refused.value)
    assert len(str(refused.value)) > 40


def test_a_good_token_says_who_and_how_long() -> None:
    claims = check_token(Secret(make_token(NOW + 3600)), NOW_NS)

    assert claims.account == "XX00000"
    assert claims.expires_at_ns == int(NOW + 3600) * NS_PER_SECOND
    assert read_claims(Secret(make_token(NOW - 5))).expires_at_ns < NOW_NS


def test_parameter_names_are_built_in_one_place() -> None:
    assert Names("lab").parameter("access_token") == "/alpha-harvester/lab/fyers/access-token"
    for wrong in ("", "Lab", "../x", "a/b", "lab\n"):
        with pytest.raises(ConfigError):
            Names(wrong).parameter("access_token")


def test_the_handover_is_whole_private_and_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "access-token"

    write_handover(path, Token(Secret("a.b.c"), "file:1", 5))
    first = path.stat().st_ino
    write_handover(path, Token(Secret("d.e.f"), "file:2", 6))

    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert path.stat().st_ino != first
    assert json.loads(path.read_text()) == {"access_token": "d.e.f", "version": "file:2", "expires_at_ns": 6}
    assert [entry.name for entry in tmp_path.iterdir()] == ["access-token"]


def test_an_unwritable_handover_is_explained(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError, match="could not be handed over"):
        write_handover(tmp_path / "missing" / "access-token", Token(Secret("a.b.c"), "file:1", 5))


def test_the_reader_sees_each_token_once_and_survives_its_removal(tmp_path: Path) -> None:
    path = tmp_path / "access-token"
    reader = HandoverReader(path)
    assert reader.read_new() is None

    write_handover(path, Token(Secret("aaaa.b.c"), "file:1", 5))
    assert reader.read_new() == Token(Secret("aaaa.b.c"), "file:1", 5)
    assert reader.read_new() is None
    path.unlink()
    assert reader.read_new() is None
    write_handover(path, Token(Secret("dddd.e.f"), "file:2", 5))
    assert reader.read_new() == Token(Secret("dddd.e.f"), "file:2", 5)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access_token": 1, "version": "x", "expires_at_ns": 1}'])
def test_a_broken_handover_is_reported_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "access-token"
    path.write_text(content)
    reader = HandoverReader(path)

    with pytest.raises(HarvesterError, match="access-token"):
        reader.read_new()
    assert reader.read_new() is None


def test_a_handover_whose_mode_is_corrected_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "access-token"
    path.write_text("{")
    reader = HandoverReader(path)
    with pytest.raises(HarvesterError):
        reader.read_new()

    path.chmod(0o600)

    with pytest.raises(HarvesterError):
        reader.read_new()


class FakeStore:
    """Holds what a test puts in; raises it when it is an error."""

    def __init__(self, content: StoredToken | StoreError | None = None) -> None:
        self.content = content
        self.reads = 0

    def read(self) -> StoredToken | None:
        self.reads += 1
        if isinstance(self.content, StoreError):
            raise self.content
        return self.content


def agent_for(store: object, path: Path) -> TokenAgent:
    return TokenAgent(store, path, clock=SystemClock(), notifier=Notifier(""))  # type: ignore[arg-type]


def handed_over(path: Path) -> str | None:
    return json.loads(path.read_text())["version"] if path.exists() else None


def test_the_agent_hands_over_what_is_sound_and_keeps_it_through_trouble(tmp_path: Path) -> None:
    path = tmp_path / "access-token"
    store = FakeStore()
    agent = agent_for(store, path)

    async def story() -> list[str | None]:
        seen = []
        good, garbage = Secret(make_token(NOW + 36_000)), Secret("garbage-garbage")
        for content in (
            None,
            StoredToken(good, "ssm:1"),
            StoredToken(garbage, "ssm:2"),
            StoreError("throttled"),
            None,
            StoredToken(Secret(make_token(NOW - 60)), "ssm:3"),
            StoredToken(good, "ssm:4"),
        ):
            store.content = content
            await agent.poll()
            seen.append(handed_over(path))
        return seen

    assert asyncio.run(story()) == [None, "ssm:1", "ssm:1", "ssm:1", "ssm:1", "ssm:1", "ssm:4"]


def test_garbage_is_reported_once_and_never_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = agent_for(FakeStore(StoredToken(Secret("very-secret-garbage"), "ssm:9")), tmp_path / "access-token")

    async def story() -> None:
        for _ in range(3):
            await agent.poll()

    asyncio.run(story())

    printed = capsys.readouterr().out
    assert printed.count("token_refused") == 1
    assert "ssm:9" in printed
    assert "very-secret-garbage" not in printed


def test_a_token_that_was_refused_by_a_wrong_clock_is_taken_when_the_clock_is_right(tmp_path: Path) -> None:
    now = time.time_ns()
    clock = FakeClock(now + 48 * 3600 * NS_PER_SECOND)
    store = FakeStore(StoredToken(Secret(make_token(time.time() + 3600)), "ssm:1"))
    path = tmp_path / "access-token"
    agent = TokenAgent(store, path, clock=clock, notifier=Notifier(""))

    asyncio.run(agent.poll())
    assert handed_over(path) is None
    clock._wall_ns = now
    asyncio.run(agent.poll())

    assert handed_over(path) == "ssm:1"


def test_the_agent_backs_off_while_the_store_fails(tmp_path: Path) -> None:
    agent = agent_for(FakeStore(StoreError("down")), tmp_path / "access-token")

    async def delays() -> list[float]:
        seen = []
        for _ in range(12):
            await agent.poll()
            seen.append(agent._delay_seconds())
        return seen

    seen = asyncio.run(delays())
    assert 3.5 <= seen[0] <= 6.5
    assert 100 < seen[-1] <= 375


def test_sighup_makes_the_agent_look_at_once(tmp_path: Path) -> None:
    store = FakeStore()
    agent = agent_for(store, tmp_path / "access-token")

    async def story() -> None:
        running = asyncio.create_task(agent.run())
        await until(lambda: store.reads == 1)
        store.content = StoredToken(Secret(make_token(NOW + 36_000)), "file:2")
        agent.look_now()
        await until(lambda: handed_over(tmp_path / "access-token") == "file:2")
        agent.stop()
        await asyncio.wait_for(running, 60)

    asyncio.run(story())
    assert handed_over(tmp_path / "access-token") == "file:2"
    assert store.reads == 2


def test_the_file_store_names_versions_by_content(tmp_path: Path) -> None:
    path = tmp_path / "credential"
    store = FileStore(path)
    assert store.read() is None
    path.write_text("\n")
    assert store.read() is None

    path.write_text("abc\n")
    stored = store.read()

    assert stored is not None
    assert stored.value.get_secret_value() == "abc"
    assert stored.version == "file:ba7816bf"
    with pytest.raises(StoreError, match="cannot be read"):
        FileStore(tmp_path).read()


def test_the_agent_as_a_process_serves_a_file_and_stops_on_sigterm(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    content = {
        "symbols": ["NSE:SBIN-EQ"],
        "broker": {"app_id": "ABCDE12345-100"},
        "token": {"file": str(tmp_path / "credential"), "handover": str(tmp_path / "access-token")},
    }
    config.write_text(json.dumps(content))
    token = make_token(NOW + 3600)
    (tmp_path / "credential").write_text(token)

    process = subprocess.Popen(
        [sys.executable, "-c", "from harvester.cli import main; main()", "token-agent", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "JOURNAL_STREAM": "1:2"},
    )
    deadline = time.monotonic() + 20
    while not (tmp_path / "access-token").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    output, _ = process.communicate(timeout=10)

    assert process.returncode == 0, output
    assert json.loads((tmp_path / "access-token").read_text())["access_token"] == token
    assert "<6>" in output
    assert "timestamp=" not in output
    assert token not in output


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_stored_token_is_this_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "credential"
    store = FileStore(path)
    before = os.umask(umask)
    try:
        store.write(Secret("first"))
        path.chmod(0o644)
        store.write(Secret("second"))
        kept = sorted(tmp_path.iterdir())
        after_write = {stat.S_IMODE(file.stat().st_mode) for file in kept}
        store.undo()
    finally:
        os.umask(before)

    assert len(kept) == 2
    assert after_write == {0o600}
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_token_is_proven_once_before_each_opening_of_each_day(tmp_path: Path) -> None:
    keeper = TokenKeeper(Mock(settings=make_settings(tmp_path)))
    opens = [day * 86_400 * NS_PER_SECOND for day in (1, 2, 3)]

    for opens_ns in opens:
        asked = [opens_ns - minutes * 60 * NS_PER_SECOND for minutes in (60, 11, 10, 5, 1)]
        assert [keeper.is_proof_due(opens_ns, now_ns) for now_ns in asked] == [False, False, True, False, False]
    assert not keeper.is_proof_due(None, opens[-1])


def test_a_token_that_is_handed_over_again_is_no_new_one(tmp_path: Path) -> None:
    """An agent that starts again writes what it finds: connections made anew for that would be gaps for nothing."""
    settings, access = make_settings(tmp_path), Access(RequestLimits(8, 180, 90_000))
    sink = Mock()
    keeper = TokenKeeper(Mock(settings=settings, access=access, sink=sink))
    one, other = (
        Token(Secret(make_token(NOW + hours * 3_600)), f"ssm:{hours}", NOW * NS_PER_SECOND) for hours in (5, 6)
    )
    later = one._replace(login_ends_ns=NOW * NS_PER_SECOND)
    renamed = one._replace(version="ssm:9")
    found = []
    for token in (one, one, other, other, one, renamed, later, later):
        settings.token.handover.parent.mkdir(parents=True, exist_ok=True)
        write_handover(settings.token.handover, token)
        found.append(keeper.adopt_new())
        assert access.token == token and keeper.problem == ""

    assert found == [True, False, True, False, True, True, True, False]
    assert [call.args[0]["version"] for call in sink.write.call_args_list] == [
        "ssm:5",
        "ssm:6",
        "ssm:5",
        "ssm:9",
        "ssm:5",
    ]


@pytest.mark.parametrize("other", [False, True])
def test_a_handover_that_could_be_read_again_is_no_problem_any_more(tmp_path: Path, other: bool) -> None:
    """Also where the token is the one in use: the status, and the alerts with it, would name a trouble that is over."""
    settings, access = make_settings(tmp_path), Access(RequestLimits(8, 180, 90_000))
    keeper, path = TokenKeeper(Mock(settings=settings, access=access)), settings.token.handover
    token = Token(Secret(make_token(NOW + 3_600)), "ssm:1", NOW_NS)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_handover(path, token)
    assert keeper.adopt_new()
    path.unlink()
    path.write_text("not a handover")
    assert not keeper.adopt_new() and "not a token handover" in keeper.problem

    write_handover(path, token._replace(version="ssm:2") if other else token)

    assert keeper.adopt_new() is other
    assert keeper.problem == ""
