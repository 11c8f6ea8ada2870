"""What an account cannot have is left out by the roles, with a sentence, and stops no host."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from runbook.aws import budget, functions
from runbook.aws.outcome import Outcome

PAGE = {"name": "page", "log_group": "/aws/lambda/page", "concurrency": 2, "on_failure": None, "public_url": True}


class Exceptions:
    ClientError = ClientError
    NotFoundException = KeyError
    ResourceNotFoundException = LookupError


class Client:
    """Of AWS: what it answers; an exception is raised, and of what is not named there is nothing."""

    exceptions = Exceptions

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def get_paginator(self, operation: str) -> Any:
        return type("Paginator", (), {"paginate": lambda _, **__: [{}]})()

    def __getattr__(self, operation: str) -> Any:
        def call(**_: Any) -> Any:
            answer = self.answers.get(operation, LookupError())
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Account:
    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def client(self, service: str, region: str | None = None) -> Any:
        return Client(**self.answers)


def settle_budget(code: str, dollars: float = 20) -> Outcome:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeBudget")
    wanted: dict[str, Any] = {"dollars": dollars, "percents": [50], "email": "a@example.com", "filters": {}}
    return budget.ensure_budget(Account(describe_budget=error), "123456789012", "b", **wanted)


def test_without_rights_to_bill_there_is_no_budget_and_a_sentence() -> None:
    done = settle_budget("AccessDeniedException")

    assert (done.changed, done.values["left_out"]) == (False, [budget.NO_RIGHTS])
    assert settle_budget("AccessDeniedException", dollars=0).values["left_out"] == []
    with pytest.raises(ClientError):
        settle_budget("InternalErrorException")


@pytest.mark.parametrize(("limit", "reserved"), [(10, None), (101, None), (102, 2), (1000, 2)])
def test_an_account_with_few_concurrent_executions_gets_its_page_without_a_reservation(
    limit: int, reserved: int | None
) -> None:
    account = Account(get_account_settings={"AccountLimit": {"ConcurrentExecutions": limit}})
    done = functions.ensure_settings(account, [PAGE], {}, log_days=30, dry=True)

    assert done.after["page"]["concurrency"] == reserved
    assert done.values["left_out"] == ([] if reserved else [functions.NOT_RESERVED])
