"""Steps on the hosts: start and stop, update and go back, access."""

from invoke.context import Context

from runbook.tasks.here import ROOT, awake_hosts_of, go_by_calendar, hosts_of, play, target_of
from runbook.tasks.options import APPLICATION, FORCE, WHERE, agree, operator


@operator(check="only say what would change", inventory=WHERE["inventory"])
def site(_: Context, check: bool = False, inventory: str | None = None) -> None:
    """Build all that an inventory says, and repair it: the account in AWS, the hosts, the harvester on them."""
    play("site", inventory, None, check=check)


def act(verb: str, application: bool, inventory: str | None, limit: str | None, *, force: bool = False) -> None:
    """The playbook of the harvester, or of the user's application, which has no data of ours to lose."""
    if application:
        play("application", inventory, limit, application_do=verb)
    else:
        play(verb, inventory, limit, **({} if verb == "start" else {"harvester_override_blackout": force}))


@operator(**APPLICATION, **WHERE)
def start(_: Context, application: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Start the harvester's services, or the application, and wait until they are healthy."""
    act("start", application, inventory, limit)


@operator(**APPLICATION, **FORCE, **WHERE)
def stop(
    _: Context,
    application: bool = False,
    force: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Stop recording until `start`; the gap is in the ledger."""
    act("stop", application, inventory, limit, force=force)


@operator(**APPLICATION, **FORCE, **WHERE)
def restart(
    _: Context,
    application: bool = False,
    force: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Restart the harvester's services and wait until they are healthy."""
    act("restart", application, inventory, limit, force=force)


@operator(check="only say what would change", **FORCE, **WHERE)
def deploy(
    _: Context, check: bool = False, force: bool = False, inventory: str | None = None, limit: str | None = None
) -> None:
    """Install release, configuration and units of this checkout on the hosts; verified, or rolled back."""
    play("deploy", inventory, limit, check=check, harvester_override_blackout=force)


@operator(**APPLICATION, **FORCE, **WHERE)
def rollback(
    _: Context,
    application: bool = False,
    force: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Go back to the previous release and its configuration, without the network."""
    act("rollback", application, inventory, limit, force=force)


@operator(
    to="port on the host's own loopback, such as 8000 of the application",
    here="port on this machine (default: the same)",
    **WHERE,
)
def tunnel(_: Context, to: int = 8000, here: int = 0, inventory: str | None = None, limit: str | None = None) -> None:
    """Reach a port of a host's own, such as the application's, on this machine until Ctrl-C."""
    from contextlib import suppress

    from harvester.base.errors import ConfigError
    from runbook.console.terminal import console
    from runbook.fleet import tunnel

    hosts = awake_hosts_of(inventory, limit)
    if len(hosts) != 1:
        raise ConfigError(f"A tunnel leads to one host, and these are {len(hosts)}: name it with --limit HOST.")
    process = tunnel.open_tunnel(hosts[0], to, here or to)
    console().print(
        f"http://{tunnel.LOOPBACK}:{here or to}/ leads to port {to} of {hosts[0].name}; Ctrl-C ends it", markup=False
    )
    try:
        with suppress(KeyboardInterrupt):
            tunnel.follow(hosts[0], to, process)
    finally:
        process.terminate()
        process.wait()


@operator(
    source="file or address instead of the exchange's list, or exchange_calendars: its JSON, or a whole calendar file",
    yes="do not ask",
    dry_run="show the difference and stop",
    inventory=WHERE["inventory"],
)
def calendar_update(
    _: Context, source: str | None = None, yes: bool = False, dry_run: bool = False, inventory: str | None = None
) -> None:
    """Take over the exchange's list of holidays, and bring the calendar everywhere; hosts may be asleep."""
    from harvester.base.market import NSE, in_force
    from runbook.aws import calendar_delivery
    from runbook.console.terminal import console
    from runbook.fleet import calendar, us_calendar
    from runbook.fleet.environment import clients_of, variables_set
    from runbook.tasks import presentation

    place = calendar_delivery.look(ROOT, inventory)
    go_by_calendar(inventory, place.variables)
    now = calendar.current(place.path)
    with variables_set(clients_of(place.variables)):
        found = calendar.fetch(source) if source or in_force() is NSE else us_calendar.fetch(ROOT)
    where = source or (calendar.LIST if in_force() is NSE else us_calendar.SOURCE)
    new = calendar.propose(now, found, where, calendar.today())
    changes = list(calendar.compare(now, new))
    presentation.show_calendar(changes, place.target)
    if dry_run:
        return
    if changes or place.path is None:
        agree(f"Write {place.target} and bring it everywhere?", "Nothing was changed.", yes=yes)
        calendar.write(place.target, new)
    asleep = calendar_delivery.deliver(ROOT, inventory, place)
    woken = f", of which {', '.join(asleep)} slept and sleep again" if asleep else ""
    console().print(f"functions, schedules, hosts{woken} and this machine go by {place.target}", markup=False)


@operator(
    index="name of the index, as rules write it, such as 'NIFTY 50'",
    source="file or address instead of NSE's own list",
    yes="do not ask",
    dry_run="show the difference and stop",
    inventory=WHERE["inventory"],
)
def index_update(
    _: Context,
    index: str,
    source: str | None = None,
    yes: bool = False,
    dry_run: bool = False,
    inventory: str | None = None,
) -> None:
    """Take over the exchange's list of an index's members, for rules among the symbols, and bring it to the hosts."""
    from runbook.aws import calendar_delivery as delivery
    from runbook.fleet import calendar, indices
    from runbook.fleet.environment import clients_of, variables_set
    from runbook.tasks import presentation

    variables = delivery.ask(ROOT, inventory, indices.VARIABLE)
    path = indices.path_of(ROOT, inventory, variables[indices.VARIABLE])
    lists = indices.current(path)
    with variables_set(clients_of(variables)):
        new = indices.fetch(index, source, calendar.today())
    changes = indices.compare(lists, new)
    presentation.show_members(changes, new)
    if dry_run:
        return
    agree(f"Write {path} and bring it to the hosts?", "Nothing was changed.", yes=yes)
    indices.write(path, lists, new)
    delivery.configure(ROOT, inventory, {indices.VARIABLE: str(path.resolve())}, variables)


@operator(yes="do not ask", **WHERE)
def rotate_ssh_key(_: Context, yes: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Replace the login key of these hosts; the old one goes when the new one has been seen to work."""
    from runbook.console.terminal import console
    from runbook.fleet import keys
    from runbook.fleet.inventory import refuse_sleepers

    hosts, target = hosts_of(inventory, limit), target_of(inventory, limit)
    refuse_sleepers((host.name for host in hosts if host.asleep), "rotate the key while they run")
    keys.refuse_others(hosts, hosts_of(inventory, None) if limit else hosts)
    question = f"Replace {keys.shared_key(hosts)} on {', '.join(host.name for host in hosts)}?"
    agree(question, "Nothing was changed.", yes=yes)
    console().print(f"{keys.rotate(hosts, target)} is a new key; the hosts refuse the old one now.", markup=False)
