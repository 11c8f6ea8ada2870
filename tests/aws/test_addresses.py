"""doctor --aws asks the public addresses: the token page, and the workers' door where there is one."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.aws.account import NAMES

from runbook.aws.environment import Environment
from runbook.doctor import aws as checks
from runbook.doctor.finding import Severity

URL = "https://x.lambda-url.ap-south-1.on.aws/"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each address answers: a code, or an error; and in `seen` what was asked."""
    found: dict[str, Any] = {"seen": []}

    def get(url: str, timeout: float) -> Any:
        found["seen"].append((url, timeout))
        if isinstance(found["answer"], Exception):
            raise found["answer"]
        return SimpleNamespace(status_code=found["answer"])

    monkeypatch.setattr(httpx, "get", get)
    return found


def here(**variables: Any) -> Any:
    client = SimpleNamespace(get_function_url_config=lambda FunctionName: {"FunctionUrl": f"{URL}{FunctionName}/"})
    known = {"aws_functions_deployed": [], "broker_account": "XX00000", **variables}
    account: Any = SimpleNamespace(client=lambda _: client)
    return Environment(known, NAMES, account)


CASES = [
    (checks.check_token_page, {}, "", 404, "token-page"),
    (checks.check_worker_door, {"aws_functions_worker_door": True}, "health", 200, "worker-door"),
]


@pytest.mark.parametrize(("check", "variables", "path", "well", "function"), CASES, ids=["page", "door"])
def test_an_address_is_asked_and_what_it_should_not_answer_is_said(
    check: Any, variables: Any, path: str, well: int, function: str, asked: dict[str, Any]
) -> None:
    asked["answer"] = well
    [finding] = check(here(**variables), "")
    assert finding.level == Severity.OK and asked["seen"] == [(f"{URL}{NAMES.function(function)}/{path}", 20)]
    for answer, says in (
        (403, "permissions are not both there"),
        (503, "look at its log group"),
        (httpx.ConnectError("no route"), "does not answer"),
    ):
        asked["answer"] = answer
        [finding] = check(here(**variables), "")
        assert finding.level == Severity.FAIL and says in finding.detail and "site.yml" in finding.fix


def test_an_account_without_a_door_or_a_page_is_not_asked(asked: dict[str, Any]) -> None:
    assert list(checks.check_worker_door(here(), "")) == []
    assert list(checks.check_token_page(here(broker_account=""), "")) == []
    assert asked["seen"] == []


def test_tokens_of_the_door_that_are_not_stored_are_said_where_there_is_a_door(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = dict.fromkeys(
        (NAMES.parameter(name) for name in ("access_token", "app_secret", "page_key")), "SecureString"
    )
    monkeypatch.setattr(checks, "find_parameters", lambda *_: stored)
    assert [each.level for each in checks.check_secrets(here(), "")] == [Severity.OK]
    [_, finding] = checks.check_secrets(here(aws_functions_worker_door=True), "")
    assert "./inv secret-put --name worker-tokens" in finding.fix and "lets no worker in" in finding.detail
    stored[NAMES.parameter("worker_tokens")] = "SecureString"
    assert len(list(checks.check_secrets(here(aws_functions_worker_door=True), ""))) == 1
