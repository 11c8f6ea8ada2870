"""The inventory's own answer to: which hosts are there, and how does one reach and address them?

Inventory files may hold templates and look-ups, which `ansible-inventory --list` prints unrendered; so the variables
are asked of Ansible's debug module, which renders them and connects to nothing. Nothing here is cached: an inventory
may be a cloud's, and an old answer would be a wrong one.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.trouble import explain_result

GROUP = "harvesters"
CLOUD_FILE = "aws_ec2.yml"
"""Where it is beside the hosts of an inventory, they are in AWS, and may sleep."""
CLOUD_SAID = re.compile(
    r"((?:Failed to describe instances|Couldn't connect to AWS|The config profile).*?)"
    r"(?=Failed to parse|<<<|Origin:|\Z)",
    re.DOTALL,
)
"""What amazon.aws.aws_ec2 says when AWS does not list its hosts."""
HOSTS = (
    "To try everything on this machine: ./inv demo. For hosts in AWS: ./inv configure, then --inventory inventory/aws. "
    "A server of your own: name it in inventory/aws/hosts.yml."
)
"""How an inventory gets hosts."""
CONNECTION_VARIABLES = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_connection",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_control_path_dir",
    "inventory_dir",
    "harvester_asleep",  # true where the schedules of AWS have stopped the host
)
OPERATOR_VARIABLES = (
    "harvester_settings",
    "harvester_market",
    "harvester_calendar_file",
    "harvester_index_lists_file",
    "overseer_settings",  # of workers elsewhere: what the roles overseer and rclone take
    "overseer_door",
    "overseer_sync",
    "overseer_champion",
    "overseer_code",
    "rclone_remotes",
    "rclone_secrets",
    "harvester_records",
    "database_backup",  # of a PostgreSQL database: what the role of that name takes
    "broker_secret_file",  # JSON with "secret" and "redirect_uri", or the bare app secret
    "broker_secret_parameter",  # or the name of an SSM parameter with it; without either, it is asked for
    "broker_redirect_uri",
    "broker_account",  # client ID of the account that records; a login of another one is refused
    "broker_refresh",  # true where the account still has the broker's refresh flow, and uses it
    "harvester_renew",  # true where the host itself uses it
    "aws_account_managed",
    "aws_identity_schwab",  # the service of AWS that has Schwab's login: ssm or secretsmanager
    "schwab_app_id",
    "schwab_redirect_uri",
    "schwab_api_url",
    "aws_account_profile",
    "broker_proxy",  # these three where broker and AWS are stand-ins
    "broker_ca_file",
    "aws_endpoint_url",
)


@dataclass(frozen=True)
class Host:
    """One harvesting host: its SSH settings, and the inventory's variables that operators' tasks read."""

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    key_file: Path | None = None
    ssh_arguments: tuple[str, ...] = ()
    control_directory: Path | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asleep(self) -> bool:
        """The schedules of AWS have stopped it, or AWS has yet to make it: nothing can be asked of it now."""
        return bool(self.variables.get("harvester_asleep"))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The application settings that the inventory states for this host (differences from the defaults)."""
        return self.variables.get("harvester_settings") or {}


def load_hosts(
    root: Path, inventory: str | None = None, limit: str | None = None, *, named: bool = False
) -> list[Host]:
    """The hosts of group `harvesters`, in inventory order; ConfigError when there is none or Ansible refuses.

    `root` is the repository (its ansible.cfg names the default inventory); `limit` is an Ansible host pattern.
    `named`: where AWS has none of them yet, those that the inventory names for it, asleep.
    """
    require_inventory(root, inventory)
    names = CONNECTION_VARIABLES + OPERATOR_VARIABLES
    answer = ask_ansible(root, inventory, limit, GROUP, names)
    if named and not answer:
        answer = _ask_of_unmade(root, inventory, limit, names)
    hosts = [_host(name, variables, root) for name, variables in answer.items()]
    if not hosts:
        where = inventory or "the default inventory of ansible.cfg"
        if limit:
            raise ConfigError(
                f"{where} has no host matching {limit!r} in its group {GROUP!r}. It has {_names(root, inventory)}."
            )
        raise ConfigError(f"{where} has no host in its group {GROUP!r}. {HOSTS}")
    return hosts


def sleepers_of(root: Path, inventory: str | None, limit: str | None) -> list[str]:
    """The names of the hosts that sleep; ConfigError when Ansible refuses."""
    answer = ask_ansible(root, inventory, limit, GROUP, ("harvester_asleep",))
    return [name for name, variables in answer.items() if variables["harvester_asleep"]]


def refuse_sleepers(names: Iterable[str], otherwise: str = "leave them out with --limit '!asleep'") -> None:
    """HarvesterError when there are any; `otherwise` is what a person may do instead of waking them."""
    if asleep := ", ".join(names):
        raise HarvesterError(
            f"{asleep}: asleep, as hosts in AWS are outside sessions, so this cannot be done there. Start them with "
            f"./inv wake, or {otherwise}."
        )


def _ask_of_unmade(
    root: Path, inventory: str | None, limit: str | None, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The same of hosts that the inventory names and AWS has not: their variables are those of the group."""
    here = ask_ansible(root, inventory, None, "localhost", ("aws_account_managed", "aws_host_names"))["localhost"]
    stated = inventory or os.environ.get("ANSIBLE_INVENTORY")
    if not (stated and here["aws_account_managed"] and here["aws_host_names"]):
        return {}
    hosts = {name: {"harvester_asleep": True} for name in here["aws_host_names"]}
    with tempfile.TemporaryDirectory(prefix="named-") as folder:
        beside = Path(folder) / "hosts.json"
        beside.write_text(json.dumps({GROUP: {"hosts": hosts}}), encoding="utf-8")
        return ask_ansible(root, stated, limit, GROUP, names, beside=beside)


def require_inventory(root: Path, inventory: str | None) -> None:
    """ConfigError when nothing is at the path that --inventory names; a list of hosts by commas is no path."""
    if inventory and "," not in inventory and not (root / inventory).exists():
        raise ConfigError(f"There is no inventory at {root / inventory}. Correct --inventory (inventory/lab: the lab).")


def environment() -> dict[str, str]:
    """That of this process, with a locale in which Ansible starts: it refuses all that are not UTF-8, such as C."""
    values = dict(os.environ)
    locale = next(filter(None, map(values.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return values if "utf" in locale.lower() else values | {"LC_ALL": "C.UTF-8"}


def _names(root: Path, inventory: str | None) -> str:
    command = [program("ansible"), GROUP, "--list-hosts", *(["--inventory", inventory] if inventory else [])]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    return ", ".join(done.stdout.split()[2:]) or "none"  # the first words are their number


def program(name: str) -> str:
    """A program of Ansible from this interpreter's own venv, so that PATH cannot lead to another one."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def ask_ansible(
    root: Path,
    inventory: str | None,
    limit: str | None,
    pattern: str,
    names: Sequence[str],
    *,
    beside: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """These variables, rendered, of each host of the pattern; None for one not set. ConfigError on a refusal.

    `beside` is a second inventory.
    """
    wanted = ", ".join(f"'{name}': {name} | default(none)" for name in names)
    arguments = json.dumps({"msg": "{{ {" + wanted + "} }}"})
    command = [program("ansible"), pattern, "--module-name", "ansible.builtin.debug", "--args", arguments]
    command += ["--inventory", inventory] if inventory else []
    command += ["--inventory", str(beside)] if beside else []
    command += ["--limit", limit] if limit else []
    more = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}
    # What cannot be read is judged below: a run of a playbook ends with it, see ansible.cfg.
    more["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "false"
    done = subprocess.run(command, cwd=root, env=environment() | more, capture_output=True, text=True, check=False)
    # Ansible goes on without a file that it cannot parse; without the hosts of a cloud that does not answer, the
    # variables of others are still right.
    if "Unable to parse" in done.stderr and (pattern == GROUP or not CLOUD_SAID.search(done.stderr)):
        raise ConfigError(_refusal(inventory, done.stderr))
    try:
        # Other callbacks that a person has enabled, such as the times of tasks, write before and after it.
        report, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))
    except ValueError:
        if "Could not match supplied host pattern" in done.stderr or "no hosts match" in done.stderr:
            return {}
        raise ConfigError(_refusal(inventory, done.stderr or done.stdout)) from None
    tasks: Sequence[dict[str, Any]] = [task for play in report["plays"] for task in play["tasks"]]
    results = {name: result for task in tasks for name, result in task["hosts"].items()}
    failed = {name: str(result.get("msg")) for name, result in results.items() if result.get("failed")}
    if failed or done.returncode:
        raise ConfigError(_refusal(inventory, "; ".join(f"{k}: {v}" for k, v in failed.items()) or done.stderr))
    return {name: result["msg"] for name, result in results.items()}


def _refusal(inventory: str | None, why: str) -> str:
    where = inventory or "the default inventory of ansible.cfg"
    if cloud := CLOUD_SAID.search(why):
        return f"AWS does not list the hosts of {where}. {explain_result({'msg': cloud[1]})}"
    reason = " ".join(why.split())[:600] or "no reason given"
    return f"Ansible could not read {where}: {reason}. Look at it with `ansible-inventory --list` and correct the file."


def _host(name: str, variables: dict[str, Any], root: Path) -> Host:
    key = variables["ansible_ssh_private_key_file"]
    control = variables["ansible_control_path_dir"]
    texts = [variables["ansible_ssh_common_args"], variables["ansible_ssh_extra_args"]]
    try:
        arguments = shlex.split(" ".join(filter(None, texts)))
    except ValueError as error:
        raise ConfigError(
            f"The SSH arguments of {name} in the inventory cannot be read ({error}). Correct the quotes in"
            " ansible_ssh_common_args and ansible_ssh_extra_args."
        ) from None
    return Host(
        name=name,
        address=variables["ansible_host"] or name,
        port=int(variables["ansible_port"]) if variables["ansible_port"] else None,
        user=variables["ansible_user"],
        key_file=root / Path(key).expanduser() if key else None,
        ssh_arguments=tuple(arguments),
        control_directory=Path(control).expanduser() if control else None,
        variables=variables,
    )
