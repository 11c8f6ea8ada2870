"""What an account cannot have yet, and hosts can do without: it is left out, with a sentence, and stops nothing."""

from collections.abc import Mapping

from harvester.base.aws_errors import cause_of
from runbook.aws.budget import REGION as BILLING_REGION
from runbook.aws.outcome import Clients
from runbook.aws.session import Account
from runbook.fleet.trouble import failures

LEAVING_OUT = ("aws_functions_page_concurrency", "aws_watch_budget_dollars")
RESERVED = 2
"""Concurrent executions that the role reserves for the token page, which the whole world can call."""
RESERVING_LEAVES = 100
"""AWS refuses a reservation that leaves fewer than so many concurrent executions for all other functions."""


def left_out(account: Account, account_id: str) -> Mapping[str, str]:
    """Variables of the inventory that leave something out where they are 0, each with the reason.

    What AWS does not say, because these credentials may not ask it, is taken to be there: the first run finds out.
    """
    found = {}
    if not can_reserve(account):
        found["aws_functions_page_concurrency"] = (
            "The account may run too few functions at a time to reserve some for the token page. Remove this when "
            "AWS has raised that quota (Lambda, concurrent executions)."
        )
    if not may_budget(account, account_id):
        found["aws_watch_budget_dollars"] = (
            "These credentials have no right to bill, so no budget is made and nobody is told of its cap. Allow it as "
            "root user (Account, IAM user and role access to billing), then configure again."
        )
    return found


def can_reserve(account: Clients) -> bool:
    """Whether the account's quota lets concurrent executions be reserved for the token page; True where not known."""
    try:
        limits = account.client("lambda").get_account_settings()["AccountLimit"]
    except failures():
        return True
    return int(limits["ConcurrentExecutions"]) - RESERVED >= RESERVING_LEAVES


def may_budget(account: Account, account_id: str) -> bool:
    """Whether budgets may be looked at, which the root user has to allow; True where AWS does not say."""
    try:
        account.client("budgets", BILLING_REGION).describe_budgets(AccountId=account_id, MaxResults=1)
    except failures() as error:
        return cause_of(error) != "denied"
    return True
