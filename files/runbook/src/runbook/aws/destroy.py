"""destroy and replace-host: data that is nowhere else is not removed, unless the operator says so twice."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harvester.base.errors import ConfigError, HarvesterError
from harvester.price_feed.layout import RAW
from runbook.aws.account import find_instances
from runbook.aws.bucket import bucket_exists
from runbook.aws.environment import Environment
from runbook.aws.host_keys import forget
from runbook.aws.leftovers import SECONDS, left_with_tags
from runbook.aws.price_feed import HOSTS, PLACE
from runbook.aws.risk import Risk, find_risks
from runbook.aws.teardown import Doomed, plan, terminate
from runbook.fleet.inventory import Host, load_hosts
from runbook.pull.bucket import connections, open_lake
from runbook.pull.plan import Selection
from runbook.pull.sources import connect_to, find_bucket
from runbook.pull.store import LocalStore
from runbook.pull.transport import Progress
from runbook.report import delivery

UNREACHED = "is there in AWS, and asleep or not in the inventory: what it has is not known. ./inv wake starts it"


def risks(environment: Environment, account: str, root: Path, inventory: str | None, store: LocalStore) -> list[Risk]:
    """What would be lost: on hosts that are there, and in the bucket."""
    there = {instance["name"] for instance in find_instances(environment.account.client("ec2"), environment.names)}
    try:
        hosts = load_hosts(root, inventory) if there else []
    except ConfigError:  # hosts that the inventory does not list are named below
        hosts = []
    reachable = [host for host in hosts if host.name in there and not host.asleep]
    found = find_risks([connect_to(host) for host in reachable], store, recording=True)
    found += [Risk(name, UNREACHED) for name in sorted(there - {host.name for host in reachable})]
    bucket = environment.names.bucket(account)
    if bucket_exists(environment.account.client("s3"), bucket):
        lake = open_lake(find_bucket([], f"s3://{bucket}"))
        found += find_risks(connections(lake), store, recording=False) if lake.manifests() else []
        found += _raw_zone(environment, bucket)
    return found


def _raw_zone(environment: Environment, bucket: str) -> list[Risk]:
    """The raw answers of a price feed that functions brought: no journal of a host has them."""
    prefix = str(environment.variables[PLACE])
    if prefix in environment.variables[HOSTS]:
        return []
    root = f"{prefix}{RAW}/"
    listed = environment.account.client("s3").list_objects_v2(Bucket=bucket, Prefix=root, MaxKeys=1)
    where = f"s3://{bucket}/{root}"
    what = f"raw answers of the price feed, which are nowhere else; aws s3 sync '{where}' FOLDER takes a copy"
    return [Risk(where, what)] if listed.get("Contents") else []


def refuse(found: Sequence[Risk]) -> None:
    """HarvesterError naming what would be lost, when something would."""
    if not found:
        return
    listed = "; ".join(f"{risk.where}: {risk.what}" for risk in found[:5])
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    raise HarvesterError(
        f"Nothing was removed, because this would be lost: {listed}{more}. Download it with ./inv pull-data --raw "
        "(and --from s3), or say twice that it may go: --yes and --lose-data with the environment's name."
    )


def remove(doomed: Sequence[Doomed], say: Callable[[str], None]) -> None:
    """Remove it all, in order; an interrupted run is finished by the next one."""
    for one in doomed:
        say(f"removing {one.kind} {one.name}")
        one.remove()


def check_gone(environment: Environment, account: str) -> None:
    """HarvesterError when anything is left, by name or by tag."""
    doomed = plan(environment.account, environment.names, account, secrets=environment.secrets)
    by_name = [f"{one.kind} {one.name}" for one in doomed]
    # Where a name is still taken, no patience with the list by tags changes the verdict.
    left = by_name + left_with_tags(environment.account, environment.names, seconds=0 if by_name else SECONDS)
    if left:
        raise HarvesterError(f"Not everything is gone: {', '.join(left)}. Run ./inv destroy again.")


def retire(environment: Environment, host: Host, store: LocalStore, progress: Progress | None = None) -> str:
    """Download all data of a host, check that it is here, and terminate the host; the id of the terminated instance.

    site.yml then makes a new one with the same name and address. HarvesterError when data would be lost.
    """
    ec2 = environment.account.client("ec2")
    found = [one for one in find_instances(ec2, environment.names) if one["name"] == host.name]
    if not found:
        raise ConfigError(f"AWS has no host {host.name}. Name one of the inventory: ansible-inventory --graph.")
    connect = connect_to(host)
    result = delivery.deliver([connect], store, Selection(raw=True), progress=progress)
    if result.problems:
        raise HarvesterError(f"{host.name} stays, because not all of its data was downloaded: {result.problems[0]}.")
    refuse(find_risks([connect], store, recording=True))
    terminate(ec2, found[0]["id"])
    forget(Path(str(environment.variables["aws_host_known_hosts_file"])).expanduser(), host.address)
    return str(found[0]["id"])
