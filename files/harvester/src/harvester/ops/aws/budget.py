"""AWS Budgets: a monthly cap with e-mails on the way to it. No Ansible module exists for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from harvester.ops.aws.outcome import Clients, Outcome

REGION = "us-east-1"
"""Where the Budgets API lives, whatever region the hosts are in."""


def ensure_budget(
    clients: Clients,
    account: str,
    name: str,
    *,
    dollars: float,
    percents: Sequence[float],
    email: str,
    filters: Mapping[str, Sequence[str]],
    dry: bool = False,
) -> Outcome:
    """A cost budget of so many US dollars a month; an e-mail at each of the percents. 0 dollars: no budget.

    A budget that differs is replaced: its history is the account's own cost history, so nothing is lost.
    """
    budgets = clients.client("budgets", region=REGION)
    found = read_budget(budgets, account, name)
    before = {name: found} if found else {}
    wanted = {
        "dollars": float(dollars),
        "percents": sorted(map(float, percents)),
        "filters": {k: list(v) for k, v in filters.items()},
    }
    after = {name: wanted} if dollars else {}
    if not dry and before != after:
        if found:
            budgets.delete_budget(AccountId=account, BudgetName=name)
        if dollars:
            _create(budgets, account, name, wanted, email)
    return Outcome(before, after)


def read_budget(budgets: Any, account: str, name: str) -> dict[str, Any] | None:
    """The budget as it is, or None."""
    try:
        budget = budgets.describe_budget(AccountId=account, BudgetName=name)["Budget"]
    except budgets.exceptions.NotFoundException:
        return None
    notes = budgets.describe_notifications_for_budget(AccountId=account, BudgetName=name).get("Notifications", [])
    return {
        "dollars": float(budget["BudgetLimit"]["Amount"]),
        "percents": sorted(float(note["Threshold"]) for note in notes),
        "filters": budget.get("CostFilters", {}),
    }


def _create(budgets: Any, account: str, name: str, wanted: Mapping[str, Any], email: str) -> None:
    subscriber = {"SubscriptionType": "EMAIL", "Address": email}
    budgets.create_budget(
        AccountId=account,
        Budget={
            "BudgetName": name,
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": f"{wanted['dollars']:g}", "Unit": "USD"},
            "CostFilters": wanted["filters"],
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": "ACTUAL",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": percent,
                    "ThresholdType": "PERCENTAGE",
                },
                "Subscribers": [subscriber],
            }
            for percent in wanted["percents"]
        ],
    )
