"""The cap on costs, call by call: whom it writes to at which share, and what is replaced; moto has the rest (aws)."""

from types import SimpleNamespace
from typing import Any

import pytest

from runbook.aws.budget import REGION, ensure_budget, read_budget


class Missing(Exception):
    """The account has no such budget."""


class Budgets:
    """The AWS Budgets API with one budget at most."""

    class exceptions:
        NotFoundException = Missing

    def __init__(self) -> None:
        self.made: dict[str, Any] | None = None
        self.calls: list[str] = []

    def get_paginator(self, operation: str) -> Any:
        """Everything on one page."""
        return SimpleNamespace(paginate=lambda **asked: [getattr(self, operation)(**asked)])

    def describe_budget(self, AccountId: str, BudgetName: str) -> dict[str, Any]:
        if self.made is None or self.made["Budget"]["BudgetName"] != BudgetName:
            raise Missing
        return {"Budget": self.made["Budget"]}

    def create_budget(self, **asked: Any) -> None:
        self.calls.append("create")
        self.made = asked

    def delete_budget(self, **asked: Any) -> None:
        self.calls.append("delete")
        self.made = None

    def _notes(self) -> list[dict[str, Any]]:
        assert self.made
        return list(self.made["NotificationsWithSubscribers"])

    def describe_notifications_for_budget(self, **asked: Any) -> dict[str, Any]:
        return {"Notifications": [{**each["Notification"], "NotificationState": "OK"} for each in self._notes()]}

    def describe_subscribers_for_notification(self, Notification: dict[str, Any], **asked: Any) -> dict[str, Any]:
        [found] = [each for each in self._notes() if each["Notification"] == Notification]
        return {"Subscribers": found["Subscribers"]}


class Clients:
    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets

    def client(self, name: str, region: str = "") -> Budgets:
        assert (name, region) == ("budgets", REGION)
        return self.budgets


@pytest.fixture
def budgets() -> Budgets:
    return Budgets()


def ensure(budgets: Budgets, **different: Any) -> bool:
    wanted: dict[str, Any] = {
        "dollars": 20,
        "percents": [100, 50.0],
        "email": "a@example.com",
        "filters": {"Tag": ("x",)},
    }
    return ensure_budget(Clients(budgets), "1", "cap", **wanted | different).changed  # type: ignore[arg-type]


def test_each_share_writes_to_the_one_address_when_it_was_spent(budgets: Budgets) -> None:
    assert ensure(budgets)

    assert budgets.made
    assert budgets.made["AccountId"] == "1"
    assert budgets.made["Budget"] == {
        "BudgetName": "cap", "BudgetType": "COST", "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "20", "Unit": "USD"}, "CostFilters": {"Tag": ["x"]},
    }  # fmt: skip
    mail = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "ThresholdType": "PERCENTAGE"}
    reader = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
    mails = [({**mail, "Threshold": share}, [reader]) for share in (50.0, 100.0)]
    assert [(each["Notification"], each["Subscribers"]) for each in budgets._notes()] == mails
    assert not ensure(budgets, percents=[50, 100]), "the order is no difference"
    assert budgets.calls == ["create"]


@pytest.mark.parametrize(
    "different", [{"dollars": 21}, {"percents": [50]}, {"email": "b@example.com"}, {"filters": {"Tag": ["y"]}}]
)
def test_what_differs_is_replaced_and_a_check_replaces_nothing(budgets: Budgets, different: dict[str, Any]) -> None:
    ensure(budgets)

    assert ensure(budgets, dry=True, **different)
    assert budgets.calls == ["create"]
    assert ensure(budgets, **different)
    assert budgets.calls == ["create", "delete", "create"]
    assert not ensure(budgets, **different)


def test_without_dollars_there_is_no_budget(budgets: Budgets) -> None:
    assert not ensure(budgets, dollars=0)
    ensure(budgets)
    assert ensure(budgets, dollars=0)
    assert (budgets.calls, read_budget(budgets, "1", "cap")) == (["create", "delete"], None)
