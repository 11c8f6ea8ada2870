"""The cap on costs: whom it writes to is compared, too."""

from typing import Any

from tests.aws.account import NAMES, Cloud

from lab.aws.server import ACCOUNT
from runbook.aws.budget import REGION, ensure_budget, read_budget


def ensure(cloud: Cloud, **different: Any) -> bool:
    wanted: dict[str, Any] = {"dollars": 20, "percents": [80, 50], "email": "first@example.com", "filters": {}}
    return ensure_budget(cloud, ACCOUNT, NAMES.budget, **{**wanted, **different}).changed


def readers(cloud: Cloud) -> list[tuple[float, list[str]]]:
    found = read_budget(cloud.client("budgets", REGION), ACCOUNT, NAMES.budget)
    assert found is not None
    return [(mail["percent"], mail["to"]) for mail in found["mails"]]


def test_an_address_that_changed_is_noticed_and_the_former_one_gets_no_more_mail(other: Cloud) -> None:
    assert ensure(other)
    assert not ensure(other)
    assert readers(other) == [(50, ["first@example.com"]), (80, ["first@example.com"])]

    assert ensure(other, email="second@example.com", dry=True)
    assert readers(other) == [(50, ["first@example.com"]), (80, ["first@example.com"])]

    assert ensure(other, email="second@example.com")
    assert not ensure(other, email="second@example.com")
    assert readers(other) == [(50, ["second@example.com"]), (80, ["second@example.com"])]
    assert ensure(other, dollars=0)
    assert read_budget(other.client("budgets", REGION), ACCOUNT, NAMES.budget) is None
