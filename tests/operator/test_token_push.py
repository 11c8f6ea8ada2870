"""token-push: where the token goes, that the service uses it, and that nobody else sees it."""

import base64
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from harvester.base.redaction import Secret
from harvester.tokens import aws_stores
from harvester.tokens.claims import TokenError
from harvester.tokens.stores import StoreError
from runbook.fleet import playbook
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from runbook.tokens import adoption, places, token_push
from runbook.tokens.broker_login import Obtained
from runbook.tokens.token_push import next_session_after, push, read_token

PARAMETER = Names("lab").parameter("access_token")
SSM = {"source": "ssm", "parameter": PARAMETER, "region": "ap-south-1"}
IST = ZoneInfo("Asia/Kolkata")


def make_token(seconds: float = 3600, **claims: object) -> str:
    parts = [{"alg": "HS256"}, {"sub": "access_token", "exp": int(time.time() + seconds), "fy_id": "XX00000", **claims}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def host(name: str, token: dict[str, str] | None = None, **variables: object) -> Host:
    settings = {"token": token} if token else {}
    return Host(name, "192.0.2.1", variables={"harvester_settings": settings, **variables})


def answers(version: str, *, state: str = "ok", after: int = 0) -> "Asked":
    return Asked(version, state, after)


class Asked:
    """Hosts that report `version` from the so-manieth question on, and an old one before."""

    def __init__(self, version: str, state: str, after: int) -> None:
        self.version, self.state, self.after, self.times = version, state, after, 0

    def __call__(self, hosts: Sequence[Host]) -> list[HostStatus]:
        self.times += 1
        version = self.version if self.times > self.after else "ssm:0"
        report = {"token_version": version, "status": {"token": {"state": self.state}}}
        return [HostStatus(host.name, report) for host in hosts]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "ASK_AGAIN_SECONDS", 0.0)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_token_in_ssm_is_stored_encrypted_once_and_waited_for(tmp_path: Path) -> None:
    token, claims = read_token(make_token())
    ask = answers("ssm:1", after=2)

    with mock_aws():
        pushed = push(Obtained(token, claims), [host("h1", SSM), host("h2", SSM)], Target(tmp_path), ask=ask)
        client = boto3.client("ssm", region_name="ap-south-1")
        parameter = client.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]

    assert (parameter["Type"], parameter["Version"]) == ("SecureString", 1)
    assert parameter["Value"] == token.get_secret_value()
    assert pushed.versions == {"h1": "ssm:1", "h2": "ssm:1"}
    assert pushed.account == "XX00000"
    assert pushed.expires_at.tzinfo is not None
    assert ask.times == 3


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ansible-playbook that writes down what it could see of its arguments, environment and file."""
    record = tmp_path / "seen.json"
    script = tmp_path / "ansible-playbook"
    script.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "path = json.loads(sys.argv[sys.argv.index('--extra-vars') + 1])['harvester_token_push_file']\n"
        "seen = {'argv': sys.argv, 'environment': dict(os.environ), 'file': path, 'content': open(path).read(),\n"
        "        'mode': os.stat(path).st_mode & 0o777, 'folder': os.stat(os.path.dirname(path)).st_mode & 0o777}\n"
        f"json.dump(seen, open({str(record)!r}, 'w'))\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(playbook, "program", lambda _: str(script))
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "token_push.yml").touch()
    return record


def test_a_token_for_the_file_store_travels_in_a_private_file_that_is_gone_afterwards(
    tmp_path: Path, recorded: Path
) -> None:
    text = make_token()
    token, claims = read_token(text)
    version = token_push.file_version(token)

    pushed = push(Obtained(token, claims), [host("h1")], Target(tmp_path, "inv"), ask=answers(version))

    seen = json.loads(recorded.read_bytes())
    assert (seen["content"], seen["mode"], seen["folder"]) == (text + "\n", 0o600, 0o700)
    assert not Path(seen["file"]).exists()
    assert text not in json.dumps(seen["argv"]) + json.dumps(seen["environment"])
    assert seen["argv"][seen["argv"].index("--limit") + 1] == "h1"
    assert pushed.versions == {"h1": version}


@pytest.mark.parametrize("order", [("h1", "h2"), ("h2", "h1")])
def test_a_store_that_fails_keeps_no_other_from_the_token(
    order: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, claims = read_token(make_token())
    hosts = {"h1": host("h1", SSM | {"region": "us-east-1"}), "h2": host("h2", SSM)}
    whole = aws_stores.open_client

    def open_client(service: str, region: str | None) -> object:
        if region == "us-east-1":
            raise NoCredentialsError
        return whole(service, region)

    monkeypatch.setattr(aws_stores, "open_client", open_client)
    with mock_aws(), pytest.raises(HarvesterError) as caught:
        push(Obtained(token, claims), [hosts[name] for name in order], Target(tmp_path), ask=answers("ssm:1"))
    with mock_aws(), pytest.raises(StoreError) as alone:
        push(Obtained(token, claims), [hosts["h1"]], Target(tmp_path), ask=answers("ssm:1"))

    assert str(caught.value) == f"{alone.value} The token is stored for h2: `./inv token-status` shows it."
    assert "is stored for" not in str(alone.value)


@pytest.mark.parametrize("ask", [answers("ssm:0"), answers("ssm:1", state="refused")], ids=["other", "refused"])
def test_a_service_that_does_not_take_the_token_is_unhealthy_and_the_reason_is_told(tmp_path: Path, ask: Asked) -> None:
    text = make_token()
    token, claims = read_token(text)

    with mock_aws(), pytest.raises(UnhealthyError) as caught:
        push(Obtained(token, claims), [host("h1", SSM)], Target(tmp_path), ask=ask, adoption_seconds=0.0)

    assert caught.value.exit_code == 3
    assert "wanted is ssm:1 in state ok" in str(caught.value)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not a token", "not an access token"),
        ("APPID-100:" + make_token(), "app ID in front"),
        (make_token(-60), "expired"),
        (make_token(sub="refresh_token"), "another kind"),
        (make_token()[:-30], "ccess token"),
    ],
)
def test_what_is_no_usable_token_is_refused_before_anything_is_stored(text: str, said: str) -> None:
    with pytest.raises(TokenError, match=said) as caught:
        read_token(text.replace(".c2lnbmF0dXJl", "") if said == "ccess token" else text)

    assert text not in str(caught.value)


def test_token_settings_of_the_inventory_that_are_wrong_are_named() -> None:
    with pytest.raises(ConfigError, match=r"harvester_settings\.token of h1"):
        places.token_settings(host("h1", {"source": "s3"}))


def test_the_next_login_is_before_the_first_session_that_the_token_does_not_cover() -> None:
    friday_night = datetime(2026, 11, 20, 23, 59, tzinfo=IST)

    following = next_session_after(friday_night)

    # Monday the 23rd is a trading day; the weekend is none
    assert following is not None
    assert following.date().isoformat() == "2026-11-23"


def test_stand_ins_never_see_the_operators_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALREALREAL")

    with environment_of(host("h1", aws_endpoint_url="http://198.51.100.1:5000", broker_proxy="http://127.0.0.1:1")):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
        assert os.environ["AWS_ENDPOINT_URL"] == "http://198.51.100.1:5000"
        assert os.environ["HTTPS_PROXY"] == "http://127.0.0.1:1"

    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIAREALREALREAL"
    assert "AWS_ENDPOINT_URL" not in os.environ


def test_an_inventory_without_stand_ins_changes_nothing() -> None:
    before = dict(os.environ)

    with environment_of(host("h1")):
        assert dict(os.environ) == before


def test_a_token_never_shows_in_a_representation() -> None:
    token, claims = read_token(make_token())

    assert isinstance(token, Secret)
    assert token.get_secret_value() not in repr((token, claims))


def test_the_token_of_a_store_that_is_gone_is_not_taken_for_yours_because_of_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A store that is made anew counts from 1: until its agent looks, a host uses the old token of that version."""
    monkeypatch.setattr(adoption, "ASK_AGAIN_SECONDS", 0.0)
    asked: list[int] = []

    def ask(hosts: Sequence[Host]) -> list[HostStatus]:
        asked.append(111 if not asked else 222)
        report = {"token_version": "ssm:1", "status": {"token": {"state": "ok", "expires_at_ns": asked[-1]}}}
        return [HostStatus(each.name, report) for each in hosts]

    wanted = {"h1": adoption.Wanted("ssm:1", 222)}
    assert adoption.wait([host("h1")], wanted, ask=ask, newest=lambda _: "ssm:1", seconds=60) == ()
    assert asked == [111, 222]
