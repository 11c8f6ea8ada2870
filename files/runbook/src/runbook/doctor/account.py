"""doctor --production in AWS: alarms reach somebody, roles are judged, calls are kept, all of it is tagged."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester.base.aws_names import ROLES
from harvester.base.errors import HarvesterError
from runbook.aws import environment as environments
from runbook.aws.account import ALIVE, find_disks, find_instances, read_role
from runbook.aws.bucket import bucket_exists, read_bucket
from runbook.aws.environment import Environment
from runbook.aws.functions import deployed
from runbook.aws.log_groups import read_log_group
from runbook.aws.outcome import as_tag_dict, pages
from runbook.aws.schedules import read_group
from runbook.doctor.aws import SITE, attempt, check_rights, check_topic
from runbook.doctor.finding import Finding, fail, nothing, ok

TRAIL = "Set aws_baseline_enabled: true in the inventory; then ./inv site --inventory inventory/aws."
NAMES = ("alerts", "rights", "trail", "tags")


def examine_account(root: Path, inventory: str | None) -> Iterator[Finding]:
    """The checks of the account, each nothing to check where the inventory manages none."""
    try:
        here = environments.load_managed(root, inventory)
        if here is None:
            for name in NAMES:
                yield nothing(name, "this inventory describes nothing in AWS")
            return
        with environments.reaching(here) as account:
            for check in (check_topic, check_roles, check_trail, check_tags):
                yield from attempt(check, here, account)
    except HarvesterError as error:
        yield fail("account", str(error), "See there.")


def check_roles(here: Environment, account: str) -> Iterator[Finding]:
    """AWS's own simulator judges the roles; no stand-in has it."""
    if here.variables.get("aws_endpoint_url"):
        yield nothing("rights", "this account is a stand-in, which does not judge policies as AWS does")
    else:
        yield from check_rights(here, account)


def check_trail(here: Environment, _: str) -> Iterator[Finding]:
    """One trail of all regions keeps the account's calls now, whoever made it."""
    client = here.account.client("cloudtrail")
    trails = [one for one in client.describe_trails()["trailList"] if one["IsMultiRegionTrail"]]
    logging = [one["Name"] for one in trails if client.get_trail_status(Name=one["TrailARN"])["IsLogging"]]
    if logging:
        yield ok("trail", f"{logging[0]} keeps all calls, of every region")
    elif trails:
        names = ", ".join(one["Name"] for one in trails)
        yield fail(
            "trail",
            f"{names} is switched off, so calls are not kept",
            f"aws cloudtrail start-logging --name {trails[0]['Name']}",
        )
    else:
        yield fail("trail", "there is none of all regions, so calls are not kept", TRAIL)


def check_tags(here: Environment, account: str) -> Iterator[Finding]:
    """What the environment's names lead to has its tags: costs, policies and destroy go by them. Secrets take none."""
    wanted = here.names.tags.items()
    found = list(_tags(here, account))
    lacking = [what for what, tags in found if not wanted <= tags.items()]
    if lacking:
        yield fail("tags", f"{', '.join(lacking)} lack tags of this environment", SITE)
    elif not found:
        yield fail("tags", "nothing of this environment is there", SITE)
    else:
        yield ok("tags", f"{len(found)} things have them")


def _tags(here: Environment, account: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each thing that is there, found by its name, and its tags."""
    clients, names = here.account, here.names
    ec2, iam, s3, logs = (clients.client(service) for service in ("ec2", "iam", "s3", "logs"))
    functions, sns = clients.client("lambda"), clients.client("sns")
    hosts = [{"Name": "tag:Name", "Values": list(here.variables["aws_host_names"])}]
    alive = [*hosts, {"Name": "instance-state-name", "Values": ALIVE}]
    for reservation in pages(ec2, "describe_instances", "Reservations", Filters=alive):
        for instance in reservation["Instances"]:
            yield instance["InstanceId"], as_tag_dict(instance.get("Tags"))
    for disk in find_disks(ec2, find_instances(ec2, names)):
        yield disk["id"], disk["tags"]
    for role in map(names.role, ROLES):
        if found := read_role(iam, role):
            yield role, found["tags"]
    if bucket_exists(s3, bucket := names.bucket(account)):
        yield bucket, read_bucket(s3, bucket)["tags"]
    there = {one["FunctionName"]: one["FunctionArn"] for one in pages(functions, "list_functions", "Functions")}
    for name in map(names.function, deployed(here.variables)):
        if name in there:
            yield name, functions.list_tags(Resource=there[name])["Tags"]
    for group in (names.host_log_group, *map(names.function_log_group, deployed(here.variables))):
        if kept := read_log_group(logs, group):
            yield group, kept["tags"]
    for topic in (one["TopicArn"] for one in pages(sns, "list_topics", "Topics")):
        if topic.endswith(f":{names.topic}"):
            yield names.topic, as_tag_dict(sns.list_tags_for_resource(ResourceArn=topic)["Tags"])
    scheduled = read_group(clients.client("scheduler"), names.schedule_group)
    if scheduled is not None:
        yield names.schedule_group, scheduled
