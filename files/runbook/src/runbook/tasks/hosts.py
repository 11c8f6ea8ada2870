"""Steps on the hosts: start and stop, update and go back, access."""

from invoke.context import Context

from runbook.tasks.here import hosts_of, play, target_of
from runbook.tasks.options import FORCE, WHERE, agree, operator


@operator(**WHERE)
def start(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Start the harvester's services and wait until they are healthy."""
    play("start", inventory, limit)


@operator(**FORCE, **WHERE)
def stop(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Stop recording until `start`; the gap is in the ledger."""
    play("stop", inventory, limit, harvester_override_blackout=force)


@operator(**FORCE, **WHERE)
def restart(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Restart the harvester's services and wait until they are healthy."""
    play("restart", inventory, limit, harvester_override_blackout=force)


@operator(check="only say what would change", **FORCE, **WHERE)
def deploy(
    _: Context, check: bool = False, force: bool = False, inventory: str | None = None, limit: str | None = None
) -> None:
    """Install release, configuration and units of this checkout on the hosts; verified, or rolled back."""
    play("deploy", inventory, limit, check=check, harvester_override_blackout=force)


@operator(**FORCE, **WHERE)
def rollback(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Go back to the previous release and its configuration, without the network."""
    play("rollback", inventory, limit, harvester_override_blackout=force)


@operator(yes="do not ask", **WHERE)
def rotate_ssh_key(_: Context, yes: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Replace the login key of these hosts; the old one goes when the new one has been seen to work."""
    from runbook.console.terminal import console
    from runbook.fleet import keys

    hosts, target = hosts_of(inventory, limit), target_of(inventory, limit)
    question = f"Replace {keys.shared_key(hosts)} on {', '.join(host.name for host in hosts)}?"
    agree(question, "Nothing was changed.", yes=yes)
    console().print(f"{keys.rotate(hosts, target)} is a new key; the hosts refuse the old one now.", markup=False)
