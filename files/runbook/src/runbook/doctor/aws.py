"""Checks of the account in AWS: what is set up, and what only the real AWS can show."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.base.market import zone
from runbook.aws import athena
from runbook.aws import environment as environments
from runbook.aws.account import find_instances, find_parameters, has_secret
from runbook.aws.bucket import BLOCKED, bucket_exists, read_bucket
from runbook.aws.environment import Environment
from runbook.aws.functions import DOOR, OF_FEED, PAGE, deployed
from runbook.aws.glue import database_exists
from runbook.aws.host_keys import find_keys, read_console
from runbook.aws.schedules import read_schedules
from runbook.doctor.before import BEFORE, check_place
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.doctor.support import check_support
from runbook.fleet.trouble import explain, failures

SITE = "Run ansible-playbook -i inventory/aws site.yml: it repairs what differs."
PAGE_SECONDS = 20
KNOWN_DAYS = 45
"""So many days ahead functions should know the calendar; after the last that they know they fail."""
CALLS: dict[str, dict[str, str]] = {
    "dead-man": {},
    "evening": {},
    "morning": {},
    "reminder": {"now": "2026-01-04T12:00:00+05:30"},  # on a Sunday it sends nothing
}
"""What functions are called with, those of the price feed with a time at night. The refresh is not: it would get a
token; the page has a check of its own."""
AWS_ENDING = "AbCdEf"
"""AWS ends the ARN of a secret in six characters of its own; policies allow any."""
SIMULATED = (
    ("host", "s3:DeleteObject", "arn:aws:s3:::{bucket}/lake/x", False),
    ("host", "s3:PutObject", "arn:aws:s3:::{bucket}/lake/x", True),
    ("host", "{read}", "{login}", True),
    ("host", "ssm:GetParameter", "arn:aws:ssm:{region}:{account}:parameter{secret}", False),
    ("dead-man", "cloudwatch:GetMetricData", "*", True),
    ("dead-man", "ec2:StopInstances", "*", False),
    ("morning", "ec2:DescribeInstances", "*", True),
)


def examine_aws(root: Path, inventory: str | None, *, before: bool = False) -> Iterator[Finding]:
    """Every check in turn; a check that AWS refuses is a finding, and the next one is made all the same.

    `before`: those of an account in which nothing is made yet.
    """
    try:
        here = environments.load(root, inventory or "inventory/aws")
        with environments.reaching(here) as account:
            yield ok("account", f"{account}, {here.names.region}, {here.names.stem}")
            for check in BEFORE if before else CHECKS:
                yield from attempt(check, here, account)
    except HarvesterError as error:
        yield fail("account", str(error), "See there.")


def attempt(
    check: Callable[[Environment, str], Iterator[Finding]], here: Environment, account: str
) -> Iterator[Finding]:
    """A check's findings; that AWS refuses it is one, too."""
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        yield from check(here, account)
    except failures() as error:
        yield fail(name, explain(error, here.account.profile), "See there; then run this again.")
    except HarvesterError as error:
        yield fail(name, str(error), "See there.")


def check_hosts(here: Environment, _: str) -> Iterator[Finding]:
    """Each host of the inventory is there and as safe as it was made."""
    ec2 = here.account.client("ec2")
    found = {instance["name"]: instance for instance in find_instances(ec2, here.names)}
    for name in here.variables["aws_host_names"]:
        if name not in found:
            yield fail(name, "is not there", SITE)
            continue
        identity = found[name]["id"]
        instance = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
        metadata = instance["MetadataOptions"]
        if (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) != ("required", 1):
            yield fail(name, "its metadata service answers without a token, or beyond one hop", SITE)
        else:
            yield ok(name, f"{identity}, {found[name]['state']}, IMDSv2 alone")


def check_console(here: Environment, _: str) -> Iterator[Finding]:
    """The console shows SSH host keys: an emulator has no console."""
    ec2 = here.account.client("ec2")
    for instance in find_instances(ec2, here.names):
        keys = find_keys(read_console(ec2, instance["id"]))
        if keys:
            yield ok("console", f"{instance['name']} shows {len(keys)} SSH host keys")
        else:
            fix = "After a few minutes of running it should; else accept the key by hand (runbook)."
            yield warn("console", f"{instance['name']} shows no SSH host key (AWS keeps the output for a while)", fix)


def check_bucket(here: Environment, account: str) -> Iterator[Finding]:
    """Settings of the bucket, and that it refuses a put that could replace something: moto alone does not."""
    from botocore.exceptions import ClientError

    s3, name = here.account.client("s3"), here.names.bucket(account)
    if not bucket_exists(s3, name):
        yield fail("bucket", f"{name} is not there", SITE)
        return
    settings = read_bucket(s3, name)
    if settings["public_access"] != BLOCKED or settings["versioning"] != "Enabled":
        yield fail("bucket", f"{name} is not closed to the public, or not versioned", SITE)
    key = "lake/.doctor"
    try:
        s3.put_object(Bucket=name, Key=key, Body=b"")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        yield ok("bucket", f"{name} refuses a write that could replace something")
    else:
        s3.delete_object(Bucket=name, Key=key)
        yield fail("bucket", f"{name} took a write without a condition", SITE)


def check_tables(here: Environment, account: str) -> Iterator[Finding]:
    """Athena's tables fit the lake, where they were made."""
    if not database_exists(here.account.client("glue"), here.names.database):
        return
    differing = [change.what for change in athena.plan(here, account)]
    if differing:
        yield warn("tables", f"{', '.join(differing)}: not as the lake is", "./inv athena-tables repairs them.")
    else:
        yield ok("tables", f"{here.names.database} has every kind of table, for every host")


def check_topic(here: Environment, account: str) -> Iterator[Finding]:
    """The topic has a subscription, and each is confirmed: without that AWS delivers nothing."""
    arn = f"arn:aws:sns:{here.names.region}:{account}:{here.names.topic}"
    listed = here.account.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    pending = [one["Endpoint"] for one in listed if "pending" in one["SubscriptionArn"].lower()]
    if pending:
        yield fail("alerts", f"{', '.join(pending)} has not confirmed AWS's mail", "Follow the link in that mail.")
    elif not listed:
        yield fail("alerts", "there is no subscription", "Set aws_watch_email, then run site.yml.")
    else:
        yield ok("alerts", f"{len(listed)} confirmed")


def check_secrets(here: Environment, _: str) -> Iterator[Finding]:
    """The token is stored, encrypted; of Schwab, what renews it as well."""
    found = find_parameters(here.account.client("ssm"), here.names.parameter_prefix)
    token, secret = here.names.parameter("access_token"), ""
    if here.schwab:
        token, secret = here.names.parameter("schwab_access_token"), here.names.parameter("schwab_app_secret")
    if here.secrets:
        [token] = here.secrets
        stored = has_secret(here.account.client("secretsmanager"), token)
    else:
        stored = found.get(token) == "SecureString"
    if not stored:
        yield warn("token", f"{token} is not stored", "./inv token-push --inventory inventory/aws")
    elif secret and found.get(secret) != "SecureString":
        fix = "./inv secret-put --name schwab-app-secret --inventory inventory/aws"
        yield warn("token", f"{secret} is not stored, so no host can renew the access token", fix)
    else:
        yield ok("token", f"{token} is stored, encrypted")
    for secret in ("app_secret", "page_key") if PAGE in deployed(here.variables) else ():
        if found.get(here.names.parameter(secret)) != "SecureString":
            fix = f"./inv secret-put --name {secret.replace('_', '-')} --inventory inventory/aws"
            yield warn("token page", f"{here.names.parameter(secret)} is not stored, so no login works there", fix)
    tokens = here.names.parameter("worker_tokens")
    if DOOR in deployed(here.variables) and found.get(tokens) != "SecureString":
        fix = "./inv secret-put --name worker-tokens --inventory inventory/aws < FILE"
        yield warn("worker door", f"{tokens} is not stored, so the door lets no worker in", fix)


def check_schedules(here: Environment, _: str) -> Iterator[Finding]:
    """There is one for each function that is called on time, and the functions know trading days of weeks to come."""
    found = read_schedules(here.account.client("scheduler"), here.names.schedule_group)
    if not found:
        yield fail("schedules", "there are none", SITE)
        return
    name = here.names.function(deployed(here.variables)[0])
    settings = here.account.client("lambda").get_function_configuration(FunctionName=name)
    until = str(settings.get("Environment", {}).get("Variables", {}).get("KNOWN_UNTIL", ""))
    soon = (datetime.now(zone()) + timedelta(days=KNOWN_DAYS)).date().isoformat()
    if until < soon:
        yield warn("schedules", f"functions know trading days until {until or 'no day'} alone", SITE)
    else:
        yield ok("schedules", f"{len(found)}, trading days known until {until}")


def check_functions(here: Environment, _: str) -> Iterator[Finding]:
    """Functions run: they are called for real, which no emulator here does."""
    client = here.account.client("lambda")
    at_night = {"now": datetime.now(zone()).replace(hour=3).isoformat()}
    calls = {**CALLS, **dict.fromkeys(OF_FEED, at_night)}
    for name in deployed(here.variables):
        if name not in calls:
            continue
        answer = client.invoke(FunctionName=here.names.function(name), Payload=json.dumps(calls[name]).encode())
        if answer.get("FunctionError"):
            said = answer["Payload"].read(300).decode("utf-8", "replace")
            yield fail(name, f"failed when it was called: {said}", f"Look at {here.names.function_log_group(name)}.")
        else:
            yield ok(name, "was called and answered")


def check_token_page(here: Environment, _: str) -> Iterator[Finding]:
    """The page answers at its public address, with 404 where the caller has no link."""
    if PAGE in deployed(here.variables):
        yield _check_address(here, "token page", PAGE, "", (404, "to a caller without a link"))


def check_worker_door(here: Environment, _: str) -> Iterator[Finding]:
    """The door answers at its public address; 503 says that no tokens are stored."""
    if DOOR in deployed(here.variables):
        yield _check_address(here, "worker door", DOOR, "health", (200, "to GET /health"))


def _check_address(here: Environment, what: str, function: str, path: str, expected: tuple[int, str]) -> Finding:
    import httpx

    client, name = here.account.client("lambda"), here.names.function(function)
    url, (code, to_whom) = client.get_function_url_config(FunctionName=name)["FunctionUrl"], expected
    try:
        status = httpx.get(f"{url}{path}", timeout=PAGE_SECONDS).status_code
    except httpx.HTTPError as error:
        return fail(what, f"{url} does not answer ({error})", "Is the network up? If so: " + SITE)
    if status == code:
        return ok(what, f"{url} answers {code} {to_whom}")
    why = "its permissions are not both there" if status == httpx.codes.FORBIDDEN else "look at its log group"
    return fail(what, f"{url} answers {status}, not {code}, {to_whom}: {why}", SITE)


def check_rights(here: Environment, account: str) -> Iterator[Finding]:
    """AWS's own simulator agrees with what the roles are meant to be able to do."""
    iam, names = here.account.client("iam"), here.names
    places: dict[str, Any] = {"bucket": names.bucket(account), "region": names.region, "account": account}
    places |= {"secret": names.parameter("app_secret"), "read": "ssm:GetParameter"}
    token = names.parameter("schwab_access_token" if here.schwab else "access_token")
    places["login"] = f"arn:aws:ssm:{names.region}:{account}:parameter{token}"
    if here.secrets:
        places["login"] = f"arn:aws:secretsmanager:{names.region}:{account}:secret:{here.secrets[0]}-{AWS_ENDING}"
        places["read"] = "secretsmanager:GetSecretValue"
    wrong = []
    for role, action, resource, allowed in SIMULATED:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{account}:role/{names.role(role)}",
            ActionNames=[action.format(**places)],
            ResourceArns=[resource.format(**places)],
        )
        if (answer["EvaluationResults"][0]["EvalDecision"] == "allowed") != allowed:
            wrong.append(f"{role} {'may not' if allowed else 'may'} {action.format(**places)}")
    yield fail("rights", "; ".join(wrong), SITE) if wrong else ok("rights", f"{len(SIMULATED)} calls as they should be")


CHECKS = (
    check_place,
    check_hosts,
    check_console,
    check_bucket,
    check_tables,
    check_topic,
    check_secrets,
    check_schedules,
    check_functions,
    check_token_page,
    check_worker_door,
    check_support,
    check_rights,
)
