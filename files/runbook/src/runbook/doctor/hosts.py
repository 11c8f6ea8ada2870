"""The checks in their order: this machine, the way to the broker, each host."""

import ssl
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import to_local
from harvester.base.release import USER_AGENT
from harvester.base.validation import Refused
from harvester.config.broker import API_URL
from harvester.config.rules import IndexList, describe_outdated, find_outdated, read_resolved
from harvester.config.size import refuse_size, size_of
from harvester.health.remedies import update_lists
from harvester.tokens.places import open_place
from runbook.doctor.application import check_application
from runbook.doctor.database import check_unplaced
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.doctor.machine import check_machine
from runbook.doctor.sessions import check_sessions, read_settings
from runbook.fleet import indices
from runbook.fleet.calendar import path_of
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host, load_hosts
from runbook.fleet.ssh import NO_SUDO, SshConnection
from runbook.fleet.status import HostStatus, gather
from runbook.tokens.places import token_settings

BROKER_SECONDS = 15.0
CLOCK_WARN_SECONDS = 0.5
CLOCK_FAIL_SECONDS = 60.0


def examine(root: Path, store_root: Path, inventory: str | None = None, limit: str | None = None) -> Iterator[Finding]:
    """Every check in turn, from this machine outwards; a finding comes as soon as it is made."""
    yield from check_machine(root, store_root)
    try:
        hosts = load_hosts(root, inventory, limit)
    except HarvesterError as error:
        yield fail("inventory", str(error), "See there.")
        return
    yield ok("inventory", f"{len(hosts)} host{'s' if len(hosts) != 1 else ''}: {', '.join(h.name for h in hosts)}")
    yield from check_unplaced(hosts, store_root)
    yield check_broker(hosts[0])
    for host in hosts:
        calendar, now_ns = path_of(root, inventory, [host.variables]), time.time_ns()
        yield from check_sessions(host, calendar, now_ns)
        yield from check_application(host, calendar, now_ns)
        yield from check_host(host, _lists_of(root, inventory, host))


def _lists_of(root: Path, inventory: str | None, host: Host) -> list[IndexList]:
    """The members of indices that a deployment would give the host; none where the file cannot be read."""
    try:
        return indices.current(indices.path_of(root, inventory, host.variables.get(indices.VARIABLE)))
    except ConfigError:
        return []  # index-update and a deployment say so


def check_broker(host: Host) -> Finding:
    """Whether the broker's API answers over TLS that this machine trusts; what it answers does not matter."""
    stated = (host.settings.get("broker") or {}).get("api_url")
    url = str(stated or API_URL)
    try:
        with environment_of(host):
            tls, headers = ssl.create_default_context(), {"User-Agent": USER_AGENT}
            httpx.get(url, timeout=BROKER_SECONDS, verify=tls, headers=headers)
    except FileNotFoundError:
        trust = host.variables.get("broker_ca_file")
        return warn("broker", f"the CA file {trust} is not there", "In the lab, ./inv lab-up writes it.")
    except httpx.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return warn(
                "broker",
                f"{url} shows a certificate that is not trusted here ({error})",
                "A proxy that opens TLS would do this: do not log in through it. In the lab, ./inv lab-up renews the "
                "stand-in's certificate.",
            )
        return warn(
            "broker",
            f"{url} cannot be reached from here ({type(error).__name__}: {error})",
            "Check this machine's network and proxy. A token can still be pushed with --stdin.",
        )
    return ok("broker", f"{url} answers, and its certificate is trusted")


def check_host(host: Host, lists: Sequence[IndexList]) -> Iterator[Finding]:
    """All checks of one host; those that need a connection are left out when there is none."""
    yield check_settings(host, lists)
    yield check_key(host)
    yield check_store(host)
    if host.asleep:
        yield ok(
            f"{host.name}: connection", "asleep; schedules start it before its session, and ./inv wake starts it now"
        )
        return
    connection = SshConnection(host)
    reached = check_connection(host, connection)
    yield reached
    if reached.fix:
        return
    yield check_clock(host, connection)
    yield from check_health(gather([host])[0])


def check_settings(host: Host, lists: Sequence[IndexList]) -> Finding:
    """What the inventory states for the host; `lists` are those of the members of indices."""
    name = f"{host.name}: settings"
    try:
        settings = indices.with_lists(read_settings(host), lists)
        settings.refuse_unlisted()
        size = size_of(settings, read_resolved(settings.master_dir))
        refuse_size(settings, size)
    except (Refused, ConfigError) as refused:
        return fail(
            name,
            f"harvester_settings in the inventory are refused:\n{refused}",
            "Correct them in the inventory's group_vars or host_vars; the app id is on the broker's API dashboard and "
            "looks like ABCDE12345-100.",
        )
    most = "at most " if size.bounds else ""
    rules = f" by {len(settings.rules)} rules among them" if settings.rules else ""
    said = f"{most}{size.symbols} symbols{rules} every {settings.poll.interval_seconds:g} s"
    old = find_outdated(settings.rules, settings.index_lists, to_local(time.time_ns()).date())
    return warn(name, f"{said}; {describe_outdated(old)}", update_lists(old)) if old else ok(name, said)


def check_key(host: Host) -> Finding:
    name = f"{host.name}: SSH key"
    key = host.key_file
    if key is None:
        return ok(name, "none named in the inventory; your agent's or default keys are used")
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as error:
        return fail(name, f"{key}: {error.strerror}", "Correct ansible_ssh_private_key_file, or put the key there.")
    if mode & 0o077:
        return fail(name, f"{key} may be read by others (mode {mode:o}), so ssh refuses it", f"chmod 600 {key}")
    return ok(name, f"{key}, mode {mode:o}")


def check_store(host: Host) -> Finding:
    """Whether the token's store can be asked from here, where it is in AWS; its content is not shown."""
    name = f"{host.name}: token store"
    try:
        settings = token_settings(host)
        if settings.source == "file":
            return ok(name, f"a file on the host, {settings.file}")
        store = open_place(settings.place, settings.region)
        with environment_of(host):
            stored = store.read()
    except HarvesterError as error:
        return fail(
            name,
            str(error),
            "Check with `aws sts get-caller-identity` who you are there, and harvester_settings.token.",
        )
    if stored is None:
        return warn(name, f"{store.place} does not exist yet", "Push the first token: ./inv token-push.")
    return ok(name, f"{store.place} holds {stored.version}")


def check_connection(host: Host, connection: SshConnection) -> Finding:
    name = f"{host.name}: connection"
    try:
        done = connection.run(["sudo", "-n", "true"], timeout_seconds=30)
    except HarvesterError as error:
        return fail(name, str(error), "See there.")
    if done.returncode:
        return fail(
            name,
            f"reached as {host.user or 'you'}, but sudo asks for a password",
            NO_SUDO,
        )
    return ok(name, f"{host.user or 'you'}@{host.address} answers, sudo works")


def check_clock(host: Host, connection: SshConnection) -> Finding:
    """The host's clock against this machine's, to within half the round trip."""
    name = f"{host.name}: clock"
    before = time.time()
    try:
        done = connection.run(["date", "+%s.%N"], timeout_seconds=30)
        after = time.time()
        offset = float(done.stdout) - (before + after) / 2
    except HarvesterError as error:
        return fail(name, str(error), "See there.")
    except ValueError:
        return warn(name, "the host's date program gave no time", "Log in and look at `timedatectl`.")
    unsure = (after - before) / 2
    seen = f"{offset:+.2f} s against this machine (to within {unsure:.2f} s)"
    fix = "Compare both with a clock you trust. On the host: `timedatectl` and `chronyc tracking`; here: `timedatectl`."
    if abs(offset) - unsure > CLOCK_FAIL_SECONDS:
        return fail(name, seen, fix)
    if abs(offset) - unsure > CLOCK_WARN_SECONDS:
        return warn(name, seen, fix)
    return ok(name, seen)


def check_health(answer: HostStatus) -> Iterator[Finding]:
    """What the harvester on the host says of itself, check by check."""
    if answer.report is None:
        yield fail(f"{answer.host}: harvester", answer.error, "Deploy it: ./inv deploy.")
        return
    for check in answer.report["checks"]:
        name, detail, fix = f"{answer.host}: {check['name']}", check["detail"], check["fix"]
        if not check["ok"]:
            yield fail(name, detail, fix or "See there.")
        else:
            yield warn(name, detail, fix) if fix else ok(name, detail)
