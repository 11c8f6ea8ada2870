"""AWS Budgets: a monthly cap with e-mails on the way to it. No Ansible module exists for it."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from harvester.base.aws_errors import cause_of
from runbook.aws.outcome import Clients, Outcome, pages

REGION = "us-east-1"
"""Where the Budgets API lives, whatever region the hosts are in."""
MAIL: dict[str, Any] = {
    "NotificationType": "ACTUAL",
    "ComparisonOperator": "GREATER_THAN",
    "ThresholdType": "PERCENTAGE",
}
NOTIFICATION = (*MAIL, "Threshold")
"""What tells one notification of a budget from another; its state, which is listed too, does not."""


NO_RIGHTS = (
    "No budget: these credentials have no right to bill, so nobody is told of the cap. Allow it as root user (Account, "
    "IAM user and role access to billing), then run site.yml again."
)


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
    """A cost budget of so many US dollars a month, with a mail to `email` alone at each percent. 0 dollars: no budget.

    A budget that differs is replaced: its history is the account's own cost history, so nothing is lost. Without rights
    to bill it is left out, and `values["left_out"]` says so: hosts do not need it.
    """
    budgets = clients.client("budgets", region=REGION)
    try:
        found = read_budget(budgets, account, name)
    except budgets.exceptions.ClientError as error:
        if cause_of(error) != "denied":
            raise
        return Outcome({}, {}, {"left_out": [NO_RIGHTS] if dollars else []})
    before = {name: found} if found else {}
    wanted = {
        "dollars": float(dollars),
        "mails": [{"percent": percent, "to": [email]} for percent in sorted(map(float, percents))],
        "filters": {k: list(v) for k, v in filters.items()},
    }
    after = {name: wanted} if dollars else {}
    if not dry and before != after:
        if found:
            budgets.delete_budget(AccountId=account, BudgetName=name)
        if dollars:
            _create(budgets, account, name, wanted)
    return Outcome(before, after)


def read_budget(budgets: Any, account: str, name: str) -> dict[str, Any] | None:
    """The budget as it is, or None."""
    try:
        budget = budgets.describe_budget(AccountId=account, BudgetName=name)["Budget"]
    except budgets.exceptions.NotFoundException:
        return None
    this = {"AccountId": account, "BudgetName": name}
    mails = []
    for note in pages(budgets, "describe_notifications_for_budget", "Notifications", **this):
        asked = {**this, "Notification": {key: note[key] for key in NOTIFICATION if key in note}}
        readers = pages(budgets, "describe_subscribers_for_notification", "Subscribers", **asked)
        mails.append({"percent": float(note["Threshold"]), "to": sorted(one["Address"] for one in readers)})
    return {
        "dollars": float(budget["BudgetLimit"]["Amount"]),
        "mails": sorted(mails, key=itemgetter("percent")),
        "filters": budget.get("CostFilters", {}),
    }


def _create(budgets: Any, account: str, name: str, wanted: Mapping[str, Any]) -> None:
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
                "Notification": MAIL | {"Threshold": mail["percent"]},
                "Subscribers": [{"SubscriptionType": "EMAIL", "Address": address} for address in mail["to"]],
            }
            for mail in wanted["mails"]
        ],
    )
