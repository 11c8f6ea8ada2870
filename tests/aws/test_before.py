"""doctor --aws --before: an account is looked at before anything is made in it, by AWS's own answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.account import NAMES

from runbook.aws import optional
from runbook.aws.environment import Environment
from runbook.doctor import before
from runbook.doctor.finding import Severity

VARIABLES = {
    "aws_host_instance_type": "t3.micro",
    "aws_host_names": ["a", "b"],
    "aws_host_elastic_ip": True,
    "aws_functions_page_concurrency": 2,
    "aws_functions_deployed": [],
    "broker_account": "XX00000",
    "aws_watch_budget_dollars": 20,
}
GOOD: dict[str, Any] = {
    "get_account_plan_state": {"accountPlanType": "PAID"},
    "describe_instance_types": {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 2}}]},
    "get_service_quota": {"Quota": {"Value": 5.0}},
    "describe_addresses": {"Addresses": []},
    "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
    "describe_budgets": {"Budgets": []},
}


class Answers:
    """An account that answers as told; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = GOOD | answers

    def client(self, _: str, __: str | None = None) -> Any:
        return self

    def get_paginator(self, _: str) -> Any:
        class None_:
            def paginate(self, **_: Any) -> list[dict[str, Any]]:
                return [{"Reservations": []}]

        return None_()

    def __getattr__(self, operation: str) -> Any:
        def call(**_: Any) -> Any:
            answer = self.answers[operation]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def levels(check: Any, **answers: Any) -> list[tuple[Severity, str, str]]:
    account: Any = Answers(**answers)
    found = check(Environment(VARIABLES, NAMES, account), "123456789012")
    return [(finding.level, finding.detail, finding.fix) for finding in found]


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)


CHECKS = (before.check_plan, before.check_vcpus, before.check_addresses, before.check_concurrency, before.check_billing)


@pytest.mark.parametrize("check", CHECKS)
def test_an_account_that_is_ready_is_ok(check: Any) -> None:
    assert [level for level, *_ in levels(check)] == [Severity.OK]


@pytest.mark.parametrize(
    ("check", "answers", "level", "said"),
    [
        (
            before.check_plan,
            {"get_account_plan_state": {
                "accountPlanType": "FREE", "accountPlanExpirationDate": datetime(2027, 5, 1, tzinfo=UTC)
            }},
            Severity.FAIL,
            "free plan, which ends on 2027-05-01",
        ),
        (before.check_vcpus, {"get_service_quota": {"Quota": {"Value": 1.0}}}, Severity.FAIL, "1, and 4 are needed"),
        (
            before.check_addresses,
            {"describe_addresses": {"Addresses": [{"Tags": []}] * 5}},
            Severity.OK,
            "5 taken, 0 to come",
        ),
        (
            before.check_addresses,
            {"get_service_quota": {"Quota": {"Value": 1.0}}},
            Severity.FAIL,
            "the quota is 1, and 2 are needed",
        ),
        (
            before.check_concurrency,
            {"get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 10}}},
            Severity.WARN,
            "none can be reserved for the token page",
        ),
        (before.check_billing, {"describe_budgets": denied("DescribeBudgets")}, Severity.WARN, "budgets:ViewBudget"),
        (before.check_plan, {"get_account_plan_state": denied("x")}, Severity.WARN, "freetier:GetAccountPlanState"),
        (before.check_vcpus, {"get_service_quota": denied("x")}, Severity.WARN, "servicequotas:GetServiceQuota"),
    ],
)  # fmt: skip
def test_what_the_first_run_would_stumble_over_is_said_before(
    check: Any, answers: dict[str, Any], level: Severity, said: str
) -> None:
    [(found, detail, fix)] = levels(check, **answers)

    assert found == level and said in detail
    assert bool(fix) == (level != Severity.OK)


def test_what_an_account_cannot_have_is_left_out_with_its_reason() -> None:
    few: Any = {"AccountLimit": {"ConcurrentExecutions": 10}}
    poor: Any = Answers(get_account_settings=few, describe_budgets=denied("DescribeBudgets"))
    rich: Any = Answers()
    silent: Any = Answers(get_account_settings=denied("GetAccountSettings"))

    found = optional.left_out(poor, "123456789012")

    assert list(found) == ["aws_functions_page_concurrency", "aws_watch_budget_dollars"]
    assert "token page" in found["aws_functions_page_concurrency"] and "bill" in found["aws_watch_budget_dollars"]
    assert optional.left_out(rich, "123456789012") == optional.left_out(silent, "123456789012") == {}
