"""token-push --broker schwab and token-status for a host of the market us, its token in SSM or in Secrets Manager."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.exchanges import PROGRAM
from tests.readers.venv import making

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import entered, to_local
from harvester.base.redaction import Secret
from harvester.tokens.places import open_place
from harvester.tokens.schwab_file import read_file, write_file
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from runbook.tokens import credentials, places, schwab_push

REGION, APP_SECRET = "us-east-1", "/alpha-harvester/us/schwab/app-secret"
DAY = 86_400
REFRESH, ACCESS = "refr3sh-token", "acc3ss-token"
SDK = Path(__file__).with_name("schwab_py_file.py")
PLACES = {
    "ssm": {"source": "ssm", "parameter": "/alpha-harvester/us/schwab/access-token"},
    "secrets-manager": {"source": "secretsmanager", "parameter": "schwab-api-token-prod"},
}


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with entered("us"), mock_aws():
        yield


@pytest.fixture(params=PLACES)
def host(request: pytest.FixtureRequest) -> Host:
    return host_of(PLACES[request.param] | {"region": REGION, "renew": {"app_secret": f"ssm:{APP_SECRET}"}})


def host_of(token: dict[str, Any]) -> Host:
    return Host("us1", "192.0.2.1", variables={"harvester_settings": {"market": "us", "token": token}})


def test_a_host_of_new_york_takes_its_login_from_schwab_unless_fyers_is_named(host: Host) -> None:
    indian = Host("h1", "192.0.2.1", variables={"harvester_settings": {"market": "nse"}})

    assert schwab_push.is_meant(host, None) and schwab_push.is_meant(host, "schwab")
    assert (schwab_push.is_meant(indian, None), schwab_push.is_meant(indian, "schwab")) == (False, True)
    assert not schwab_push.is_meant(indian, "fyers")
    with pytest.raises(ConfigError, match=r"us1 is of the market us, .*--broker schwab"):
        schwab_push.is_meant(host, "fyers")
    with pytest.raises(ConfigError, match="no broker named 'zerodha'"):
        schwab_push.is_meant(host, "zerodha")


def test_a_role_that_reads_another_store_than_the_host_is_told_before_a_login(host: Host) -> None:
    used = host.settings["token"]["source"]
    [other] = {"ssm", "secretsmanager"} - {used}
    schwab_push.refuse_another_store(host)
    schwab_push.refuse_another_store(replace(host, variables={**host.variables, "aws_identity_schwab": used}))

    with pytest.raises(ConfigError, match=f"aws_identity_schwab is {other}, .*source is {used}"):
        schwab_push.refuse_another_store(replace(host, variables={**host.variables, "aws_identity_schwab": other}))


def sdk_file(age_s: int = 0, **changes: Any) -> str:
    """A file as schwab-py 1.5.1 writes it after a login so long ago: TokenMetadata.wrapped_token_write_func around what
    Schwab's endpoint answers and authlib adds.
    """
    now = int(time.time()) - age_s
    token = {
        "expires_in": 1800, "token_type": "Bearer", "scope": "api", "refresh_token": REFRESH, "access_token": ACCESS,
        "id_token": "i1", "expires_at": now + 1800,
    }  # fmt: skip
    return json.dumps({"creation_timestamp": now, "token": token | changes})


@pytest.mark.long
def test_the_sdk_reads_what_is_stored_of_the_file_that_it_wrote(host: Host, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "schwab_token.json", tmp_path / "stored.json"
    with making("schwab") as python:
        run = [PROGRAM, "run", "--market", "us", "--always-open", "--", python, str(SDK), "write", str(theirs)]
        done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        schwab_push.push_file(host, theirs)
        kept = stored(host)
        assert kept is not None
        put(ours, write_file(read_file(kept), kept).get_secret_value())
        read = [python, str(SDK), "read", str(ours)]
        seen = json.loads(subprocess.run(read, capture_output=True, text=True, timeout=120, check=True).stdout)
    wrote = json.loads(theirs.read_text("utf-8"))

    assert seen == {
        "created": wrote["creation_timestamp"],
        **{name: wrote["token"][name] for name in ("access_token", "refresh_token", "expires_at")},
    }
    assert json.loads(ours.read_text("utf-8")) == wrote, "a renewal of ours loses nothing of theirs"


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def stored(host: Host) -> Secret | None:
    found = open_place(places.token_settings(host).place, REGION).read()
    return found.value if found else None


def test_the_sdks_file_is_stored_as_it_is(host: Host, tmp_path: Path) -> None:
    text = sdk_file(2 * DAY)
    said = schwab_push.push_file(host, put(tmp_path / "schwab_token.json", text))

    kept = stored(host)
    assert kept is not None and kept.get_secret_value() == text
    ends = to_local(read_file(kept).refresh.expires_at_ns)
    assert said.endswith(f"Next login: before {ends:%a %d %b, %H:%M %Z}, when the refresh token ends.")
    assert REFRESH not in said and ACCESS not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "not in the form of schwab_token.json"),
        (sdk_file(7 * DAY + 60), "its refresh token ended"),
        (sdk_file(refresh_token=None), "not in the form of schwab_token.json"),
        (None, "cannot be read (No such file or directory)"),
    ],
    ids=["another form", "over", "no refresh token", "no file"],
)
def test_another_file_is_refused_by_name_and_what_is_stored_stays(
    host: Host, tmp_path: Path, text: str | None, words: str
) -> None:
    before = put(tmp_path / "before.json", sdk_file())
    schwab_push.push_file(host, before)
    path = tmp_path / "schwab_token.json"
    if text is not None:
        put(path, text)

    with pytest.raises(ConfigError) as caught:
        schwab_push.push_file(host, path)

    assert str(caught.value).startswith(f"--from-file {path}: ") and words in str(caught.value)
    kept = stored(host)
    assert kept is not None and kept.get_secret_value() == before.read_text()


def test_bytes_that_are_no_text_are_refused(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "schwab_token.json"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match=r"cannot be read \(not text\)"):
        schwab_push.push_file(host, path)


def test_a_host_with_a_token_file_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Put schwab-py's file there yourself, as the user harvester-token"):
        schwab_push.push_file(host_of({}), put(tmp_path / "t.json", sdk_file()))


def test_status_shows_when_the_login_ends_and_not_the_thirty_minutes(host: Host, tmp_path: Path) -> None:
    boto3.client("ssm").put_parameter(Name=APP_SECRET, Value="s3cret", Type="SecureString")
    missing = {each.name: each for each in credentials.look([host])}
    schwab_push.push_file(host, put(tmp_path / "t.json", sdk_file(2 * DAY)))

    now_ns = time.time_ns()
    found = {each.name: each for each in credentials.look([host])}
    late = {each.name: each for each in credentials.look([host], now_ns + 2 * DAY * NS_PER_SECOND + 60 * NS_PER_SECOND)}
    over = {each.name: each for each in credentials.look([host], now_ns + 5 * DAY * NS_PER_SECOND + 60 * NS_PER_SECOND)}

    assert list(found) == ["Schwab login", "Schwab app secret", "alert channels"], "and nothing of Fyers"
    assert (missing["Schwab login"].good, missing["Schwab login"].action) == (False, "./inv token-push --broker schwab")
    login = found["Schwab login"]
    assert login.good and login.action == "" and login.expires_at_ns is not None
    assert abs(login.expires_at_ns - now_ns - 5 * DAY * NS_PER_SECOND) < 60 * NS_PER_SECOND
    assert late["Schwab login"].good
    assert late["Schwab login"].action.startswith("./inv token-push --broker schwab, before ")
    assert (over["Schwab login"].good, over["Schwab login"].action) == (False, "./inv token-push --broker schwab")
    assert found["Schwab app secret"].place == f"SSM parameter {APP_SECRET}"
    assert "s3cret" not in str(found) and REFRESH not in str(found)


def test_a_value_that_is_no_login_is_said_and_is_not_good(host: Host) -> None:
    open_place(places.token_settings(host).place, REGION).write(Secret("eyJ.a.b"))
    login = {each.name: each for each in credentials.look([host])}["Schwab login"]

    assert not login.good and "not in the form of schwab_token.json" in login.action
    assert "eyJ" not in str(login)


def test_of_a_token_file_the_host_says_when_the_login_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = time.time_ns()
    token = {
        "version": "file:3",
        "expires_at_ns": now_ns + 60 * NS_PER_SECOND,
        "login_ends_ns": now_ns + DAY * NS_PER_SECOND,
    }
    answer = HostStatus("us1", report={"status": {"token": token}})
    monkeypatch.setattr(credentials, "gather", lambda _: [answer])

    [login] = credentials.look([host_of({})], now_ns)
    assert (login.name, login.expires_at_ns, login.good) == ("Schwab login", token["login_ends_ns"], True)
    assert login.action.startswith("put schwab-py's new file there, before ")


def test_other_secrets_lie_beside_the_apps(host: Host) -> None:
    assert places.place_of(host, "postgres_dsn") == "ssm:/alpha-harvester/us/postgres/dsn"
    assert places.place_of(host, "schwab_app_secret") == f"ssm:{APP_SECRET}"
    odd = host_of(PLACES["ssm"] | {"renew": {"app_secret": "ssm:/mine"}})
    with pytest.raises(
        ConfigError, match=r"token\.renew\.app_secret is /mine, which does not end in /schwab/app-secret"
    ):
        places.place_of(odd, "postgres_dsn")
    assert places.place_of(host_of(PLACES["ssm"]), "postgres_dsn") is None, "the app's secret is in a file"


def test_there_is_no_token_before_to_go_back_to(host: Host, tmp_path: Path) -> None:
    for age in (2 * DAY, DAY):
        schwab_push.push_file(host, put(tmp_path / "t.json", sdk_file(age)))
    before = stored(host)

    with pytest.raises(ConfigError, match=r"us1: .* the one before is over\. Log in again instead: ./inv token-push"):
        credentials.undo([host], Target(tmp_path))

    after = stored(host)
    assert before is not None and after is not None and after.get_secret_value() == before.get_secret_value()
