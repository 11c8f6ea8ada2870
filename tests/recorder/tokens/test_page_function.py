"""What the token functions find in their environment: names, stores, the page with its secrets, and how to log in."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.recorder.tokens.stand_in import Aws

from harvester.alerts.channels import SnsChannel
from harvester.base.aws_names import SECRETS
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.page import function
from harvester.page.links import LinkSigner
from harvester.tokens.login import Grant

PREFIX, KEY = "/h/test", "k" * 32
ENVIRONMENT = {
    "PREFIX": PREFIX, "APP_ID": "ABCDE12345-100", "ACCOUNT": "XY01", "ENVIRONMENT": "test",
    "TOPIC": "arn:aws:sns:ap-south-1:123456789012:h-test",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("API_URL", "PAGE_FUNCTION", "LOGIN", "REFRESH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(function, "SsmOnce", lambda path: SimpleNamespace(path=path))
    for secret, value in {"page_key": KEY, "app_secret": "s" * 20}.items():
        aws.parameters[f"{PREFIX}/{SECRETS[secret]}"] = [value]
    yield
    function._open_page.cache_clear()
    function._budget.cache_clear()


def test_a_name_that_the_environment_lacks_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert function.setting("ACCOUNT") == "XY01"
    monkeypatch.setenv("ACCOUNT", "")
    with pytest.raises(ConfigError, match=r"^This function's environment has no ACCOUNT; run site\.yml again\.$"):
        function.setting("ACCOUNT")


def test_a_secret_that_is_not_stored_is_told_with_the_command_that_stores_it(aws: Aws) -> None:
    assert function.read("page_key").get_secret_value() == KEY
    name = f"{PREFIX}/{SECRETS['page_key']}"
    del aws.parameters[name]
    said = rf"^SSM parameter {name} does not exist\. Store it: \./inv secret-put --name page-key\.$"
    with pytest.raises(ConfigError, match=said):
        function.read("page_key")


def test_the_page_is_that_of_the_environment_and_its_secrets_are_read_every_five_minutes(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [300 * 10**9]
    monkeypatch.setattr(SystemClock, "mono_ns", lambda _: moment[0])
    page = function.open_page("page.example")

    assert (page.app.app_id, page.app.redirect_uri) == ("ABCDE12345-100", "https://page.example/callback")
    assert (page.account, page.api_url) == ("XY01", "https://api-t1.fyers.in")
    assert page.once.path == f"{PREFIX}/token-page/used/"  # type: ignore[attr-defined]
    assert page.app.secret.get_secret_value() == "s" * 20
    now_ns = SystemClock().wall_ns()
    assert page.signer.read_link(LinkSigner(Secret(KEY), "test").make_link(now_ns), now_ns)
    moment[0] = 600 * 10**9 - 1
    assert function.open_page("page.example") is page
    moment[0] += 1
    again = function.open_page("page.example")
    assert again is not page and again.budget is page.budget, "who asks too often stays counted"


def test_another_broker_than_the_live_one_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", "https://broker.example")
    assert function.api_url() == "https://broker.example"


@pytest.mark.parametrize(("refreshes", "kept"), [("true", ["access", "refresh"]), ("false", ["access"])])
def test_a_refresh_token_is_kept_only_where_it_is_used(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, refreshes: str, kept: list[str]
) -> None:
    monkeypatch.setenv("REFRESH", refreshes)
    page = function.open_page("page.example")

    assert page.keep(Grant(Secret("an access token"), Secret("a refresh token"))) == "ssm:1"
    assert page.keep(Grant(Secret("an access token"), None)) == "ssm:2"
    stored = {kind: aws.parameters.get(f"{PREFIX}/{SECRETS[f'{kind}_token']}") for kind in ("access", "refresh")}
    assert stored["access"] == ["an access token"] * 2
    assert [kind for kind, values in stored.items() if values] == kept


def serve(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[Any]:
    """AWS Lambda answers so about the address of a function; what it was asked."""
    asked: list[Any] = []

    def find(**given: Any) -> Any:
        asked.append(given)
        if isinstance(answer, Exception):
            raise answer
        return {"FunctionUrl": answer}

    def opened(*given: Any) -> Any:
        asked.append(given)
        return SimpleNamespace(get_function_url_config=find)

    monkeypatch.setattr(function, "open_client", opened)
    return asked


def test_people_are_told_to_log_in_by_the_days_link_or_by_a_command_where_there_is_no_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert function.remedy() == "Log in: ./inv token-push"
    monkeypatch.setenv("PAGE_FUNCTION", "h-test-page")
    asked = serve(monkeypatch, "https://page.example/")
    told, _, link = function.remedy().partition("?l=")
    assert told == "Log in: https://page.example/login"
    assert LinkSigner(Secret(KEY), "test").read_link(link, SystemClock().wall_ns())
    assert asked == [("lambda", None), {"FunctionName": "h-test-page"}]
    monkeypatch.setenv("LOGIN", "ssm:/h/test/schwab")
    assert function.remedy() == "Log in: ./inv token-push --broker schwab"


def test_a_message_without_a_link_is_better_than_none(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGE_FUNCTION", "h-test-page")
    without = "Log in: ./inv token-push (the page's link could not be made; the function's log says why)"
    serve(monkeypatch, ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "GetFunctionUrlConfig"))
    assert function.remedy() == without
    assert capsys.readouterr().out.startswith("no link: An error occurred (AccessDenied)")
    serve(monkeypatch, "https://page.example/")
    aws.parameters.clear()
    assert function.remedy() == without
    assert "no link: SSM parameter /h/test/" in capsys.readouterr().out


def test_the_topic_is_told_whatever_is_wrong_with_the_channels(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "apprise")
    monkeypatch.setattr(function, "parse_channels", lambda stored: stored.get_secret_value().split())
    name = f"{PREFIX}/{SECRETS['channels']}"
    assert len(function.channels()) == 1, "there are none"
    aws.parameters[name] = ["json://far.example\n"]
    assert len(function.channels()) == 2
    aws.faults.append("AccessDeniedException")
    assert len(function.channels()) == 1
    assert capsys.readouterr().out.startswith("only the topic is told: ")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = function.channels()
    assert len(found) == 1 and isinstance(found[0], SnsChannel)


def test_the_parts_of_the_refresh_lie_each_in_its_own_place() -> None:
    places = [store.place for store in function.renewal_stores()]
    names = ("access_token", "refresh_token", "pin", "app_secret", "refresh_state")
    assert [place.rpartition(" ")[2] for place in places] == [f"{PREFIX}/{SECRETS[name]}" for name in names]
