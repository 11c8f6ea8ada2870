"""Schwab's token on a host: in schwab-py's own form, renewed ahead of its 30 minutes by the agent."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.journals import HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.base.systemd import Notifier
from harvester.tokens import schwab_renewal
from harvester.tokens.agent import TokenAgent
from harvester.tokens.claims import TokenError
from harvester.tokens.expiry import Opaque
from harvester.tokens.handover import HandoverReader
from harvester.tokens.refresh import RefreshError
from harvester.tokens.schwab import SchwabTokens
from harvester.tokens.schwab_file import check_access, login_end, read_file, write_file
from harvester.tokens.schwab_renewal import AHEAD_NS, SchwabRenewer
from harvester.tokens.stores import FileStore

NOW_S = 1_796_049_000
DAY = 86_400


def kept(**changes: Any) -> Secret:
    token = {"access_token": "a1", "refresh_token": "r1", "expires_at": NOW_S + 1800, "scope": "api", "id_token": "i"}
    return Secret(json.dumps({"creation_timestamp": NOW_S - DAY, "token": token | changes}))


def test_a_file_of_the_sdk_has_both_tokens_and_their_ends() -> None:
    tokens = read_file(kept())

    assert (tokens.access.token.get_secret_value(), tokens.access.expires_at_ns) == (
        "a1",
        (NOW_S + 1800) * NS_PER_SECOND,
    )
    assert tokens.refresh.expires_at_ns == (NOW_S + 6 * DAY) * NS_PER_SECOND, (
        "7 days from the login, not from a renewal"
    )


def test_what_is_written_keeps_what_is_not_ours_and_the_time_of_the_login() -> None:
    before = read_file(kept())
    new = SchwabTokens(Opaque(Secret("a2"), (NOW_S + 3600) * NS_PER_SECOND), before.refresh)

    written = json.loads(write_file(new, kept()).get_secret_value())

    assert written["creation_timestamp"] == NOW_S - DAY
    assert written["token"] == {
        "access_token": "a2", "refresh_token": "r1", "expires_at": NOW_S + 3600, "scope": "api", "id_token": "i"
    }  # fmt: skip
    assert read_file(write_file(new)) == new


@pytest.mark.parametrize(
    "value",
    ["", "[]", "{}", "eyJ.a.b", '{"creation_timestamp": 1}', '{"creation_timestamp": "x", "token": {}}',
     json.dumps({"creation_timestamp": 1, "token": {"access_token": 1, "refresh_token": "r", "expires_at": 2}})],
)  # fmt: skip
def test_another_value_is_refused_in_a_sentence_that_quotes_nothing(value: str) -> None:
    with pytest.raises(TokenError, match=r"not in the form of schwab_token.json.*Log in again: ./inv token-push"):
        read_file(Secret(value))


def test_an_access_token_is_good_until_its_end() -> None:
    end_ns = (NOW_S + 1800) * NS_PER_SECOND

    access = check_access(kept(), end_ns - 1)
    assert access.token.get_secret_value() == "a1"
    assert access.login_ends_ns == login_end(kept()) == (NOW_S + 6 * DAY) * NS_PER_SECOND
    with pytest.raises(TokenError, match="expired at 2026-11-30"):
        check_access(kept(), end_ns)


class World:
    """A host's token, its agent, and a broker that answers as it is told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.clock = folder, HandClock()
        self.clock.now_ns = NOW_S * NS_PER_SECOND
        self.store, self.secret = FileStore(folder / "token"), FileStore(folder / "secret")
        self.store.write(kept())
        self.secret.write(Secret("s3cret"))
        self.asked: list[str] = []
        self.refusal: RefreshError | None = None
        monkeypatch.setattr(schwab_renewal.schwab, "renew", self.renew)
        renewer = SchwabRenewer(self.store, self.secret, "key", "https://e", self.clock)
        self.agent = TokenAgent(
            self.store,
            folder / "handover",
            clock=self.clock,
            notifier=Notifier(),
            check=check_access,
            renew=renewer.renew,
        )
        self.reader = HandoverReader(folder / "handover")

    def renew(self, app: Any, refresh: Opaque, *, wall_ns: int, api_url: str) -> SchwabTokens:
        self.asked.append(f"{app.app_id} {app.secret.get_secret_value()} {refresh.token.get_secret_value()} {api_url}")
        if self.refusal:
            raise self.refusal
        number = len(self.asked) + 1
        return SchwabTokens(Opaque(Secret(f"a{number}"), wall_ns + 1800 * NS_PER_SECOND), refresh)

    def poll(self, seconds: float = 0) -> str | None:
        """What the recorder is handed so much later, if it is something new."""
        self.clock.now_ns += int(seconds * NS_PER_SECOND)
        asyncio.run(self.agent.poll())
        token = self.reader.read_new()
        self.login_ends_ns = token.login_ends_ns if token else None
        return token.access_token.get_secret_value() if token else None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_token_is_renewed_five_minutes_ahead_and_handed_over(world: World) -> None:
    ahead = AHEAD_NS // NS_PER_SECOND
    assert world.poll() == "a1" and world.login_ends_ns == (NOW_S + 6 * DAY) * NS_PER_SECOND
    assert world.poll(1800 - ahead - 1) is None and world.asked == []
    assert world.poll(1) == "a2" and world.asked == ["key s3cret r1 https://e"]
    assert world.poll(60) is None and len(world.asked) == 1
    assert world.poll(1800 - ahead - 60) == "a3" and world.login_ends_ns == (NOW_S + 6 * DAY) * NS_PER_SECOND


def test_one_that_ended_while_the_host_slept_is_renewed_before_it_is_judged(world: World) -> None:
    assert world.poll(3 * DAY) == "a2"


def test_a_broker_without_time_is_asked_again_and_the_old_token_stays(world: World) -> None:
    world.poll()
    world.refusal = RefreshError("later", "no answer")
    assert world.poll(1500) is None and len(world.asked) == 1
    assert world.poll(29) is None and len(world.asked) == 1, "not more often than every 30 s"
    world.refusal = None
    assert world.poll(1) == "a3"


def test_a_refused_refresh_token_is_not_sent_again_until_somebody_has_logged_in(world: World) -> None:
    world.poll()
    world.refusal = RefreshError("refused", "expired. Log in again")
    world.poll(1500)
    world.poll(3600)
    assert len(world.asked) == 1
    world.refusal = None
    world.store.write(
        kept(access_token="a9", refresh_token="r9", expires_at=world.clock.now_ns // NS_PER_SECOND + 1800)
    )
    assert world.poll(5) == "a9"
    assert world.poll(1600) == "a3" and world.asked[-1].split()[2] == "r9"


def test_without_the_apps_secret_nothing_is_sent_and_it_is_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (world.folder / "secret").unlink()
    world.poll(1500)

    assert world.asked == [] and "does not hold the app's secret" in capsys.readouterr().out
