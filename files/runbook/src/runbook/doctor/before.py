"""Checks of an account before anything is made in it and a cent is spent: what the first run would stumble over."""

from collections.abc import Iterator
from typing import Any

from harvester.base.aws_errors import cause_of
from runbook.aws.account import find_addresses, find_image, find_instances, find_subnet
from runbook.aws.budget import REGION as BILLING_REGION
from runbook.aws.environment import Environment
from runbook.aws.functions import PAGE, deployed
from runbook.aws.optional import RESERVING_LEAVES
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.fleet.trouble import failures

FAMILIES = "acdhimrtz"
"""First letters of the instance types that count against one quota, Running On-Demand Standard instances."""
VCPUS, ADDRESSES = ("ec2", "L-1216C47A"), ("ec2", "L-0263D0A3")
ASK_FOR_MORE = "Ask for more in the console under Service Quotas; an answer can take a day."


def check_place(here: Environment, _: str) -> Iterator[Finding]:
    """The instance type is offered in a zone with a default subnet, and the vendor's parameter names an image."""
    ec2, kind = here.account.client("ec2"), str(here.variables["aws_host_instance_type"])
    place = find_subnet(ec2, kind, str(here.variables["aws_account_subnet"] or ""))
    image, _device = find_image(here.account, ec2, kind)
    yield ok("place", f"{kind} in {place['zone']}, a default subnet, and today's Ubuntu 24.04: {image}")


def check_plan(here: Environment, _: str) -> Iterator[Finding]:
    """The account is on the paid plan: on the free one AWS closes it when its credits or six months are over."""
    try:
        plan = here.account.client("freetier", BILLING_REGION).get_account_plan_state()
    except failures() as error:
        yield _unknown("plan", error, "freetier:GetAccountPlanState", "Look at the console's home page.")
        return
    if plan.get("accountPlanType") == "FREE":
        ends = f" on {plan['accountPlanExpirationDate']:%Y-%m-%d}" if plan.get("accountPlanExpirationDate") else ""
        fix = "Upgrade it in the console under Billing, Free plan; what is within the free tier stays free."
        yield fail("plan", f"the account is on the free plan, which ends{ends}, and its hosts with it", fix)
    else:
        yield ok("plan", "the account is on the paid plan")


def check_vcpus(here: Environment, _: str) -> Iterator[Finding]:
    """The quota has room for hosts that are yet to be made."""
    ec2, kind = here.account.client("ec2"), str(here.variables["aws_host_instance_type"])
    cores = int(ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"])
    missing = max(0, len(here.variables["aws_host_names"]) - len(find_instances(ec2, here.names)))
    if kind[0] not in FAMILIES:
        yield warn("vCPUs", f"the quota of {kind} is not known here", "Look under Service Quotas.")
        return
    yield _room(here, VCPUS, "vCPUs", cores * missing, f"{missing} hosts of {kind}")


def check_addresses(here: Environment, _: str) -> Iterator[Finding]:
    """The quota has room for the hosts' Elastic IPs."""
    if not here.variables["aws_host_elastic_ip"]:
        return
    ec2 = here.account.client("ec2")
    missing = max(0, len(here.variables["aws_host_names"]) - len(find_addresses(ec2, here.names.tags)))
    taken = len(ec2.describe_addresses()["Addresses"])
    yield _room(here, ADDRESSES, "Elastic IPs", taken + missing if missing else 0, f"{taken} taken, {missing} to come")


def _room(here: Environment, quota: tuple[str, str], name: str, wanted: int, why: str) -> Finding:
    service, code = quota
    client = here.account.client("service-quotas")
    try:
        limit = float(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except failures() as error:
        return _unknown(name, error, "servicequotas:GetServiceQuota", "Look under Service Quotas.")
    if wanted > limit:
        return fail(name, f"the quota is {limit:g}, and {wanted} are needed ({why})", ASK_FOR_MORE)
    return ok(name, f"the quota is {limit:g}, {wanted} are needed ({why})")


def check_concurrency(here: Environment, _: str) -> Iterator[Finding]:
    """How many functions may run at a time: new accounts have 10, of which none can be reserved."""
    limits = here.account.client("lambda").get_account_settings()["AccountLimit"]
    allowed = int(limits["ConcurrentExecutions"])
    reserved = int(here.variables.get("aws_functions_page_concurrency") or 0)
    if PAGE not in deployed(here.variables) or not reserved or allowed - reserved >= RESERVING_LEAVES:
        yield ok("functions", f"{allowed} may run at a time")
        return
    fix = f"Set aws_functions_page_concurrency: 0, which costs nothing else. Or: {ASK_FOR_MORE}"
    yield warn("functions", f"{allowed} may run at a time, so none can be reserved for the token page", fix)


def check_billing(here: Environment, account: str) -> Iterator[Finding]:
    """The budget can be made: that is the root user's to allow."""
    if not here.variables.get("aws_watch_budget_dollars"):
        return
    try:
        here.account.client("budgets", BILLING_REGION).describe_budgets(AccountId=account, MaxResults=1)
    except failures() as error:
        fix = "As root user: Account, IAM user and role access to billing. Or set aws_watch_budget_dollars: 0."
        yield _unknown("budget", error, "budgets:ViewBudget", fix)
    else:
        yield ok("budget", "budgets can be seen with these credentials")


def _unknown(name: str, error: BaseException, action: str, fix: str) -> Finding:
    why = f"these credentials may not call {action}" if cause_of(error) == "denied" else "AWS does not say"
    return warn(name, f"not known: {why}", fix)


BEFORE: tuple[Any, ...] = (check_place, check_plan, check_vcpus, check_addresses, check_concurrency, check_billing)
