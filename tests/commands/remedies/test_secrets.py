"""Secrets in AWS: whatever names `./inv secret-put` finds the secret afterwards in the place where it reads it."""

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from tests.commands.remedies.running import invoke
from tests.commands.remedies.table import RUN, commands_in, plain, printed
from tests.recorder.fakes import make_token
from tests.tokens.conftest import nothing_kept_between_tests  # noqa: F401

from harvester.base.aws_names import Names
from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.page import function
from harvester.page.links import LinkSigner
from harvester.tokens import refresh as refreshes
from harvester.tokens.login import App, LoginError
from harvester.tokens.places import open_place
from harvester.tokens.web import BrokerAnswer
from harvester.workers.door.bucket import StoredTokens
from runbook.aws.account import refuse_plain_text
from runbook.fleet import inventory
from runbook.fleet.inventory import Host
from runbook.tokens import broker_login, schwab_push

REGION, NAMES = "ap-south-1", Names("lab")
TOKEN = {"source": "ssm", "parameter": NAMES.parameter("access_token"), "region": REGION}
SETTINGS = {"token": TOKEN, "broker": {"app_id": "ABCDE12345-100"}}
HOST = Host(
    "h1",
    "192.0.2.1",
    variables={
        "harvester_settings": SETTINGS,
        "broker_redirect_uri": "http://127.0.0.1:8080/",
        "broker_secret_parameter": "/of-my-own/secret",
        "schwab_app_id": "app",
        "schwab_redirect_uri": "https://127.0.0.1:9/",
    },
)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty one, and an inventory whose token is in it."""
    monkeypatch.setattr(inventory, "load_hosts", lambda *_, **__: [HOST])
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("PREFIX", NAMES.parameter_prefix)
    monkeypatch.setattr(refreshes, "ask", answer)
    monkeypatch.setattr(schwab_push, "page_opener", no_page)
    with mock_aws():
        yield


def put(said: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `./inv secret-put` of a message, with this on its standard input."""
    [words] = [words for words in commands_in(said) if words[1] == "secret-put"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code, answer = invoke(words)
    assert code == 0, answer


def page_key() -> None:
    """The token page begins, with what is stored as its key or with one that is too short."""
    stored = function.store("page_key").read()
    LinkSigner(stored.value if stored else Secret("short"), "lab")


def log_in() -> None:
    """A login that takes the app's secret from its usual place where the inventory names no other."""
    usual = replace(HOST, variables={**HOST.variables, "broker_secret_parameter": None})
    there = open_place(f"ssm:{NAMES.parameter('app_secret')}", REGION).read()
    broker_login.read_app(usual if there else HOST)


def schwab() -> None:
    """A login at Schwab, up to its page."""
    with suppress(LoginError):
        schwab_push.push(HOST)


def refresh() -> None:
    """The broker takes the PIN 4321 alone."""
    stored = open_place(f"secret:{NAMES.parameter('pin')}", REGION).read()
    app = App("ABCDE12345-100", Secret("s3cret"), "")
    token = Secret(make_token(int(time.time()) + 86_400, sub="refresh_token"))
    pin = stored.value if stored else Secret("1234")
    refreshes.refresh(app, token, pin, api_url="https://127.0.0.1:9", wall_ns=time.time_ns())


def answer(*_: object, json_body: dict[str, str], **__: object) -> BrokerAnswer:
    """The broker's, as tests/recorder/tokens/test_refresh.py has it."""
    if json_body["pin"] == "4321":
        return BrokerAnswer(200, {"s": "ok", "access_token": make_token(int(time.time()) + 3_600)}, None)
    return BrokerAnswer(400, {"s": "error", "code": 1, "message": "a valid pin please"}, None)


def no_page(*_: object, **__: object) -> None:
    raise LoginError("no person is here")


READERS: dict[str, tuple[Callable[[], object], str]] = {
    "app-secret of the functions": (lambda: function.read("app_secret"), "s3cret"),
    "page-key": (page_key, ""),
    "app-secret of a login": (log_in, "s3cret"),
    "schwab-app-secret": (schwab, "s3cret"),
    "pin": (refresh, "4321"),
    "worker-tokens": (lambda: StoredTokens(function.store("worker_tokens"), SystemClock()), f"colab {'t' * 64}"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_secret_is_where_it_is_read_after_the_command_that_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, text = READERS[name]
    with pytest.raises(HarvesterError) as caught:
        ask()
    said = plain(str(caught.value))
    if "openssl" in said:
        words = printed("openssl rand -hex 32", said).split()
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    put(said, text, monkeypatch)

    ask()


def test_a_secret_in_plain_text_is_deleted_and_stored_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    name, ssm = NAMES.parameter("page_key"), boto3.client("ssm", region_name=REGION)
    ssm.put_parameter(Name=name, Value="k" * 64, Type="String")
    with pytest.raises(HarvesterError, match=r"plain text\. Delete it \(`aws ssm delete-parameter") as caught:
        refuse_plain_text(ssm, NAMES.parameter_prefix, [name])
    ssm.delete_parameter(Name=str(caught.value).split()[0])
    [words] = [found for found in RUN.findall(Path("docs/runbook.md").read_text("utf-8")) if "page-key" in found]
    put(words, "k" * 64, monkeypatch)

    refuse_plain_text(ssm, NAMES.parameter_prefix, [name])


@pytest.mark.parametrize(
    ("name", "text"),
    [("database-password", "changeme\n"), ("application-variables", "A=1\nPOSTGRES_PASSWORD=postgres\n")],
)
def test_a_default_password_of_a_database_is_not_stored_and_not_shown(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    code, answer = invoke(["./inv", "secret-put", "--name", name])
    assert code == 2 and "the password is a default" in answer and "Nothing was stored. Set another" in answer
    assert "changeme" not in answer and "=postgres" not in answer
    assert open_place(f"ssm:{NAMES.parameter(name.replace('-', '_'))}", REGION).read() is None
    monkeypatch.setattr(sys, "stdin", io.StringIO(text.replace("changeme", "x-92-y").replace("=postgres", "=x-92-y")))
    assert invoke(["./inv", "secret-put", "--name", name])[0] == 0
