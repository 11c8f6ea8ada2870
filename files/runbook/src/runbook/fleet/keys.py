"""rotate-ssh-key: a new login key on every host that has the old one, tried before the old one is removed."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target, run
from runbook.fleet.ssh import SshConnection

FORMER = re.compile(r"\.\d{8}T\d{12}Z")  # with microseconds: a second try may follow within a second


def rotate(hosts: Sequence[Host], target: Target) -> Path:
    """Rotate the key that these hosts share; the path of the key, now a new one, is returned.

    The order makes every interruption harmless: the new key is added and tried on all hosts before the old one is
    taken away. A former key lies beside the key until the hosts refuse it; running this again after an interruption
    begins anew and sweeps such keys, too.
    """
    key = shared_key(hosts)
    fresh = key.with_name(f"{key.name}.next")
    fresh.unlink(missing_ok=True)
    make_key(fresh, f"alpha-harvester {datetime.now(UTC):%Y-%m-%d}")
    new_public = public_key(fresh)
    run("rotate_ssh_key", target, {"rotate_ssh_key_add": new_public})
    for host in hosts:
        _try_login(replace(host, key_file=fresh))
    os.link(key, key.with_name(f"{key.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"))
    fresh.replace(key)
    key.with_name(f"{key.name}.pub").write_text(new_public + "\n", encoding="ascii")
    fresh.with_name(f"{fresh.name}.pub").unlink(missing_ok=True)
    for former in former_keys(key):
        run("rotate_ssh_key", target, {"rotate_ssh_key_remove": public_key(former)})
        former.unlink()
    return key


def former_keys(key: Path) -> list[Path]:
    """Keys that were replaced here and that a host may still accept, oldest first."""
    return sorted(path for path in key.parent.glob(f"{key.name}.*") if FORMER.fullmatch(path.name[len(key.name) :]))


def shared_key(hosts: Sequence[Host]) -> Path:
    """The one private key that the inventory names for all of them; ConfigError when there is none or several."""
    keys = {host.key_file for host in hosts}
    if len(keys) != 1 or None in keys:
        raise ConfigError(
            "The inventory does not name one ansible_ssh_private_key_file for these hosts, so there is no key to "
            "rotate. Name it in group_vars, or narrow the run with --limit."
        )
    key = keys.pop()
    if key is None or not key.exists():
        raise ConfigError(f"There is no key at {key}. Correct ansible_ssh_private_key_file in the inventory.")
    return key


def refuse_others(hosts: Sequence[Host], fleet: Iterable[Host]) -> None:
    """ConfigError where a host of the fleet besides these has their key: it is replaced here, and not there."""
    key, chosen = shared_key(hosts), {host.name for host in hosts}
    others = [host.name for host in fleet if host.key_file == key and host.name not in chosen]
    if others:
        raise ConfigError(
            f"{', '.join(others)} logs in with {key} as well, and would be locked out, for that key is replaced here."
            " Leave --limit out, or first give those hosts another ansible_ssh_private_key_file."
        )


def make_key(path: Path, comment: str) -> None:
    """A new Ed25519 key pair without a pass phrase, mode 0600."""
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path), failed=f"ssh-keygen could not make {path}")


def public_key(private: Path) -> str:
    """The public half of a private key, as authorized_keys has it."""
    return _keygen("-y", "-f", str(private), failed=f"{private} cannot be read as a private key")


def _keygen(*words: str, failed: str) -> str:
    command = ["ssh-keygen", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HarvesterError(f"{failed}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()


def _try_login(host: Host) -> None:
    """A login with the new key alone, over a connection of its own."""
    alone = replace(host, ssh_arguments=("-o", "ControlPath=none", *host.ssh_arguments))
    done = SshConnection(alone).run(["true"], timeout_seconds=30)
    if done.returncode:
        raise HarvesterError(f"{host.name} did not run a command with the new key; the old key is still in place.")
