"""Checks of each host: key, connection, clock, and what the harvester there says of itself."""

import stat
import time
from collections.abc import Iterator

from harvester.base.errors import HarvesterError
from harvester.base.validation import Refused, validate
from harvester.config.settings import Settings
from harvester.tokens.places import open_place
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import HostStatus, gather
from runbook.tokens.places import token_settings

CLOCK_WARN_SECONDS = 0.5
CLOCK_FAIL_SECONDS = 60.0


def check_host(host: Host) -> Iterator[Finding]:
    """All checks of one host; those that need a connection are left out when there is none."""
    yield check_settings(host)
    yield check_key(host)
    yield check_store(host)
    connection = SshConnection(host)
    reached = check_connection(host, connection)
    yield reached
    if reached.fix:
        return
    yield check_clock(host, connection)
    yield from check_health(gather([host])[0])


def check_settings(host: Host) -> Finding:
    name = f"{host.name}: settings"
    try:
        settings = validate(Settings, dict(host.settings))
    except Refused as refused:
        return fail(
            name,
            f"harvester_settings in the inventory are refused:\n{refused}",
            "Correct them in the inventory's group_vars or host_vars; the app id is on the broker's API dashboard and "
            "looks like ABCDE12345-100.",
        )
    return ok(name, f"{len(settings.symbols)} symbols every {settings.poll.interval_seconds:g} s")


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
            "Give the login user NOPASSWD sudo (cloud images do), or correct ansible_user in the inventory.",
        )
    return ok(name, f"{host.user or 'you'}@{host.address} answers, sudo works")


def check_clock(host: Host, connection: SshConnection) -> Finding:
    """The host's clock against this machine's, to within half the round trip."""
    name = f"{host.name}: clock"
    before = time.time()
    done = connection.run(["date", "+%s.%N"], timeout_seconds=30)
    after = time.time()
    try:
        offset = float(done.stdout) - (before + after) / 2
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
        name = f"{answer.host}: {check['name']}"
        yield ok(name, check["detail"]) if check["ok"] else fail(name, check["detail"], check["fix"] or "See there.")
