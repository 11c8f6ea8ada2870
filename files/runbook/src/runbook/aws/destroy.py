"""The operator's destroy and replace-host: nothing goes that is nowhere else, unless one says so twice."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harvester.base.errors import ConfigError, HarvesterError
from runbook.aws.bucket import bucket_exists
from runbook.aws.environment import Environment
from runbook.aws.host_keys import forget
from runbook.aws.look import find_instances
from runbook.aws.risk import Risk, find_risks
from runbook.aws.teardown import Doomed, left_with_tags, plan, terminate
from runbook.fleet.inventory import Host, load_hosts
from runbook.pull.bucket import BucketLake, connections, open_lake
from runbook.pull.plan import Selection
from runbook.pull.sources import connect_to, find_bucket
from runbook.pull.store import Store
from runbook.pull.transport import Progress
from runbook.report import delivery

UNREACHED = "is there in AWS, and the inventory does not reach it (stopped, perhaps): what it has is not known"


def look(environment: Environment, account: str) -> list[Doomed]:
    """What destroy would remove."""
    return plan(environment.account, environment.names, account)


def risks(environment: Environment, account: str, root: Path, inventory: str | None, store: Store) -> list[Risk]:
    """What would be lost: on hosts that are there, and in the bucket."""
    there = {instance["name"] for instance in find_instances(environment.account.client("ec2"), environment.names)}
    try:
        hosts = load_hosts(root, inventory) if there else []
    except ConfigError:  # hosts that are stopped are not in the inventory; they are listed below
        hosts = []
    reachable = [host for host in hosts if host.name in there]
    found = find_risks([connect_to(host) for host in reachable], store, recording=True)
    strangers = there - {host.name for host in reachable}
    found += [Risk(name, UNREACHED) for name in sorted(strangers)]
    bucket = environment.names.bucket(account)
    if bucket_exists(environment.account.client("s3"), bucket):
        wanted = find_bucket([], f"s3://{bucket}")
        found += _in_bucket(open_lake(wanted), store)
    return found


def _in_bucket(lake: BucketLake, store: Store) -> list[Risk]:
    """What the bucket has alone; a bucket without a closed day has nothing."""
    return find_risks(connections(lake), store, recording=False) if lake.manifests() else []


def refuse(found: Sequence[Risk]) -> None:
    """HarvesterError naming what would be lost, when something would."""
    if not found:
        return
    listed = "; ".join(f"{risk.where}: {risk.what}" for risk in found[:5])
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    raise HarvesterError(
        f"Nothing was removed, because this would be lost: {listed}{more}. Bring it home with ./inv pull-data --raw "
        "(and --from s3), or say twice that it may go: --yes and --lose-data with the environment's name."
    )


def remove(doomed: Sequence[Doomed], say: Callable[[str], None]) -> None:
    """Remove it all, in order; an interrupted run is finished by the next one."""
    for one in doomed:
        say(f"removing {one.kind} {one.name}")
        one.remove()


def prove(environment: Environment, account: str) -> None:
    """HarvesterError when anything is left, by name or by tag."""
    by_name = [f"{one.kind} {one.name}" for one in look(environment, account)]
    left = by_name + left_with_tags(environment.account, environment.names)
    if left:
        raise HarvesterError(f"Not everything is gone: {', '.join(left)}. Run ./inv destroy again.")


def retire(environment: Environment, host: Host, store: Store, progress: Progress | None = None) -> str:
    """Bring everything of a host home, see that it is here, and terminate the host; the id of what is gone.

    site.yml then makes its successor, under the same name and address. HarvesterError when something would be lost.
    """
    ec2 = environment.account.client("ec2")
    found = [one for one in find_instances(ec2, environment.names) if one["name"] == host.name]
    if not found:
        raise ConfigError(f"AWS has no host {host.name}. Name one of the inventory: ansible-inventory --graph.")
    connect = connect_to(host)
    result = delivery.deliver([connect], store, Selection(raw=True), progress=progress)
    if result.problems:
        raise HarvesterError(f"{host.name} stays, because its data did not all come home: {result.problems[0]}.")
    refuse(find_risks([connect], store, recording=True))
    terminate(ec2, found[0]["id"])
    forget(Path(str(environment.variables["aws_host_known_hosts_file"])).expanduser(), host.address)
    return str(found[0]["id"])
