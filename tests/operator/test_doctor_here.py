"""doctor, check by check: this machine, the way to the broker, a host; each finding word by word, without a host."""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import httpx
import pytest

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.release import USER_AGENT
from runbook.doctor import database, hosts, machine
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import NO_SUDO
from runbook.fleet.status import HostStatus

SETTINGS = {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "ABCDE12345-100"}}
HOST = Host("h1", "192.0.2.1", variables={"harvester_settings": SETTINGS})


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Programs that end so (code, output, errors), or cannot be run; the list fills with how they were called."""

    def begin(*answers: tuple[int, str, str] | Exception) -> list[list[str]]:
        asked: list[list[str]] = []
        left = list(answers)

        def run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
            assert options["capture_output"] and options["text"] and not options["check"]
            asked.append(words)
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return subprocess.CompletedProcess(words, *answer)

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return begin


def test_the_python_is_that_of_the_checkout_and_new_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "x" / ".." / ".venv"))
    assert machine.check_python(tmp_path) == ok("python", "Python 3.11.7 in .venv")
    monkeypatch.setattr(sys, "prefix", "/usr")
    assert machine.check_python(tmp_path) == warn(
        "python",
        "Python 3.11.7 from /usr, not from this checkout's .venv",
        "Run ./inv instead of an invoke from elsewhere, so that the locked versions are used.",
    )
    monkeypatch.setattr(machine, "OLDEST_PYTHON", (9, 0))
    assert machine.check_python(tmp_path) == fail(
        "python", "this is Python 3.11.7", "Install Python 3.11 or newer and run ./inv again."
    )


def test_ansible_is_there_with_or_without_what_speeds_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", {"ansible-core": "2.19"}.__getitem__)
    monkeypatch.setattr(machine, "mitogen_strategies", lambda: "/there")
    quick = "ansible-core 2.19, mitogen speeds it up (ALPHA_HARVESTER_MITOGEN=0 turns that off)"
    assert machine.check_ansible() == ok("ansible", quick)
    monkeypatch.setattr(machine, "mitogen_strategies", lambda: None)
    assert machine.check_ansible() == ok("ansible", "ansible-core 2.19, without mitogen")

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert machine.check_ansible() == fail(
        "ansible", "ansible-core is not installed here", "Remove .venv and run ./inv: it makes it anew."
    )


def test_a_program_is_there_with_the_first_words_of_its_version(
    ran: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name != "none" else None)
    asked = ran((0, "rsync  version 3.2.7  protocol version 31\nmore\n", ""), (0, "", "OpenSSH_9.6p1\n"))
    assert machine.check_program("rsync", "--version", "x") == ok("rsync", "rsync  version 3.2.7")
    assert machine.check_program("ssh", "-V", "x") == ok("ssh", "OpenSSH_9.6p1")
    assert machine.check_program("none", "-V", "pack") == fail(
        "none", "there is no none program", "Install it: apt-get install pack."
    )
    assert asked == [["rsync", "--version"], ["ssh", "-V"]]


@pytest.mark.parametrize(
    ("user", "answer", "found"),
    [
        (0, (0, "", ""), ok("lab", "root, and namespaces can be made")),
        (
            0,
            (1, "", "Operation not permitted\n"),
            warn(
                "lab",
                "namespaces are refused: Operation not permitted",
                "Run in a virtual machine or a privileged container, or use ./inv demo --here.",
            ),
        ),
        (
            0,
            FileNotFoundError("no unshare"),
            warn("lab", "unshare cannot be run (no unshare)", "Install it: apt-get install util-linux."),
        ),
        (
            0,
            subprocess.TimeoutExpired("unshare", 20),
            warn(
                "lab",
                "unshare cannot be run (Command 'unshare' timed out after 20 seconds)",
                "Install it: apt-get install util-linux.",
            ),
        ),
        (
            1000,
            None,
            warn(
                "lab", "not root, so no lab host can be made",
                "Run ./inv as root, or use ./inv demo --here without a host.",
            ),
        ),
    ],
)  # fmt: skip
def test_a_lab_host_can_be_made_by_root_where_namespaces_can(
    ran: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch, user: int, answer: Any, found: Finding
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    asked = ran(answer)
    assert machine.check_lab_rights() == found
    assert asked == ([["unshare", "--mount", "--net", "--pid", "--fork", "true"]] if answer else [])


def test_packages_count_as_installed_by_their_state(
    ran: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "apt.txt").write_text("# of the lab\none  # why\n\ntwo\nthree\n")
    said = "one install ok installed\ntwo deinstall ok config-files\n"
    asked = ran(
        (0, said, ""), (0, said.replace("deinstall ok config-files", "x installed") + "three x installed\n", "")
    )
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert machine.check_packages(tmp_path) == warn(
        "packages", "the lab misses two, three", "apt-get install two three"
    )
    assert machine.check_packages(tmp_path) == ok("packages", "all that the lab needs is installed")
    assert asked == [["dpkg-query", "-W", "-f", "${Package} ${Status}\\n"]] * 2
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert machine.check_packages(tmp_path) == warn(
        "packages", "not a Debian or Ubuntu machine", "The lab needs one; ./inv demo --here does not."
    )


@pytest.mark.parametrize(("free", "is_low"), [((1 << 30) - 1, True), (1 << 30, False)])
def test_the_disk_of_what_is_pulled_has_a_gib_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, is_low: bool
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("shutil.disk_usage", lambda place: asked.append(place) or Thing(free=free))
    store = tmp_path / "not" / "yet"
    low = warn("disk", f"1023 MiB free for {store}", "Free some space, or pull to another disk with --output.")
    assert machine.check_disk(store) == (low if is_low else ok("disk", f"1 GiB free for {store}"))
    assert asked == [tmp_path]


def test_the_calendar_is_told_by_how_long_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    fix = "./inv calendar-update brings the exchange's list of the coming year, once it is published."
    today = date(2026, 12, 20)

    def calendar(outlook: str) -> Any:
        made = Thing(
            days_left={today: 11}.__getitem__, outlook={today: outlook}.__getitem__, valid_until=date(2026, 12, 31)
        )
        return Thing(load=lambda: made)

    for outlook, found in (
        ("over", fail("calendar", "its data ended on 2026-12-31", fix)),
        ("ending", warn("calendar", "its data ends in 11 days", fix)),
        ("known", ok("calendar", "known for 11 more days")),
    ):
        monkeypatch.setattr(machine, "TradingCalendar", calendar(outlook))
        assert machine.check_calendar(today) == found

    def refuse() -> None:
        raise HarvesterError("it is damaged")

    monkeypatch.setattr(machine, "TradingCalendar", Thing(load=refuse))
    assert machine.check_calendar(today) == fail("calendar", "it is damaged", "Restore the file from the repository.")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, ok("broker", "{url} answers, and its certificate is trusted")),
        (FileNotFoundError(), warn("broker", "the CA file /ca is not there", "In the lab, ./inv lab-up writes it.")),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            warn(
                "broker",
                "{url} shows a certificate that is not trusted here ([SSL: CERTIFICATE_VERIFY_FAILED] self-signed)",
                "A proxy that opens TLS would do this: do not log in through it. In the lab, ./inv lab-up renews the"
                " stand-in's certificate.",
            ),
        ),
        (
            httpx.ConnectTimeout("too long"),
            warn(
                "broker",
                "{url} cannot be reached from here (ConnectTimeout: too long)",
                "Check this machine's network and proxy. A token can still be pushed with --stdin.",
            ),
        ),
    ],
)
@pytest.mark.parametrize("stated", ["", "https://broker.example/api"])
def test_the_way_to_the_broker_is_tried_where_the_inventory_has_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, found: Finding, stated: str
) -> None:
    def get(url: str, **options: Any) -> None:
        asked.append((url, options["timeout"], options["headers"]))
        if error:
            raise error

    asked: list[Any] = []
    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setattr("ssl.create_default_context", lambda: "trust")
    given = SETTINGS | {"broker": {"api_url": stated}} if stated else {}
    host = Host("h1", "192.0.2.1", variables={"harvester_settings": given, "broker_ca_file": "/ca"})
    url = stated or "https://api-t1.fyers.in"

    made = hosts.check_broker(host)

    assert made == Finding("broker", found.level, found.detail.format(url=asked[0][0]), found.fix)
    assert asked[0][0].startswith(url)
    assert asked[0][1:] == (15, {"User-Agent": USER_AGENT})


@pytest.mark.parametrize(("user", "who"), [(None, "you"), ("ubuntu", "ubuntu")])
def test_a_host_is_reached_and_has_sudo(user: str | None, who: str) -> None:
    def line(code: int | HarvesterError) -> Any:
        def run(words: list[str], timeout_seconds: float) -> Any:
            assert (words, timeout_seconds) == (["sudo", "-n", "true"], 30)
            if isinstance(code, HarvesterError):
                raise code
            return Thing(returncode=code)

        return Thing(run=run)

    host = Host("h1", "192.0.2.1", user=user)
    name = "h1: connection"
    assert hosts.check_connection(host, line(0)) == ok(name, f"{who}@192.0.2.1 answers, sudo works")
    assert hosts.check_connection(host, line(1)) == fail(
        name, f"reached as {who}, but sudo asks for a password", NO_SUDO
    )
    assert hosts.check_connection(host, line(HarvesterError("gone"))) == fail(name, "gone", "See there.")


def test_a_clock_that_is_off_or_says_nothing_is_told_with_what_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(said: Any) -> Finding:
        def run(words: list[str], timeout_seconds: float) -> Any:
            assert (words, timeout_seconds) == (["date", "+%s.%N"], 30)
            if isinstance(said, HarvesterError):
                raise said
            return Thing(stdout=said)

        monkeypatch.setattr(hosts, "time", Thing(time=iter((100.0, 102.0)).__next__))
        return hosts.check_clock(HOST, Thing(run=run))  # type: ignore[arg-type]

    name = "h1: clock"
    fix = "Compare both with a clock you trust. On the host: `timedatectl` and `chronyc tracking`; here: `timedatectl`."
    assert look(b"101.5") == ok(name, "+0.50 s against this machine (to within 1.00 s)")
    assert look(b"99.0") == warn(name, "-2.00 s against this machine (to within 1.00 s)", fix)
    assert look(b"200.0") == fail(name, "+99.00 s against this machine (to within 1.00 s)", fix)
    assert look(b"x") == warn(name, "the host's date program gave no time", "Log in and look at `timedatectl`.")
    assert look(HarvesterError("gone")) == fail(name, "gone", "See there.")


def test_settings_that_are_refused_say_where_they_are_corrected() -> None:
    good = hosts.check_settings(HOST, [])
    assert good == ok("h1: settings", "1 symbols every 5 s")
    bad = hosts.check_settings(
        Host("h1", "192.0.2.1", variables={"harvester_settings": {**SETTINGS, "symbols": []}}), []
    )
    assert bad.name == "h1: settings" and bad.detail.startswith("harvester_settings in the inventory are refused:\n")
    assert bad.fix == (
        "Correct them in the inventory's group_vars or host_vars; the app id is on the broker's API dashboard and looks"
        " like ABCDE12345-100."
    )


def test_a_key_is_named_with_its_mode(tmp_path: Path) -> None:
    key, name = tmp_path / "id", "h1: SSH key"
    host = Host("h1", "192.0.2.1", key_file=key)
    assert hosts.check_key(Host("h1", "x")) == ok(
        name, "none named in the inventory; your agent's or default keys are used"
    )
    assert hosts.check_key(host) == fail(
        name, f"{key}: No such file or directory", "Correct ansible_ssh_private_key_file, or put the key there."
    )
    for mode, is_open in ((0o600, False), (0o400, False), (0o610, True), (0o601, True), (0o640, True)):
        key.touch()
        key.chmod(mode)
        said = f"{key} may be read by others (mode {mode:o}), so ssh refuses it"
        closed = ok(name, f"{key}, mode {mode:o}")
        assert hosts.check_key(host) == (fail(name, said, f"chmod 600 {key}") if is_open else closed)


def test_the_store_of_the_token_is_asked_where_it_is_in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    def store(answer: Any) -> Any:
        def read() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return lambda place, region: Thing(place=f"{place} in {region}", read=read)

    given = Thing(source="ssm", place="/a/b", region="ap-south-1", file=Path("/etc/token"))
    monkeypatch.setattr(hosts, "token_settings", lambda host: given if host is HOST else None)
    name = "h1: token store"
    for answer, found in (
        (Thing(version="ssm:3"), ok(name, "/a/b in ap-south-1 holds ssm:3")),
        (
            None,
            warn(name, "/a/b in ap-south-1 does not exist yet", "Push the first token: ./inv token-push."),
        ),
        (
            HarvesterError("denied"),
            fail(
                name,
                "denied",
                "Check with `aws sts get-caller-identity` who you are there, and harvester_settings.token.",
            ),
        ),
    ):
        monkeypatch.setattr(hosts, "open_place", store(answer))
        assert hosts.check_store(HOST) == found
    given.source = "file"
    assert hosts.check_store(HOST) == ok(name, "a file on the host, /etc/token")


def test_what_a_host_says_of_itself_is_told_check_by_check() -> None:
    checks = [
        {"name": "a", "ok": True, "detail": "well", "fix": None},
        {"name": "b", "ok": True, "detail": "soon", "fix": "Do it."},
        {"name": "c", "ok": False, "detail": "bad", "fix": "Mend it."},
        {"name": "d", "ok": False, "detail": "odd", "fix": None},
    ]
    assert list(hosts.check_health(HostStatus("h1", {"checks": checks}))) == [
        ok("h1: a", "well"),
        warn("h1: b", "soon", "Do it."),
        fail("h1: c", "bad", "Mend it."),
        fail("h1: d", "odd", "See there."),
    ]
    assert list(hosts.check_health(HostStatus("h1", None, "no route"))) == [
        fail("h1: harvester", "no route", "Deploy it: ./inv deploy.")
    ]


def test_a_host_that_sleeps_is_asked_nothing() -> None:
    asleep = Host("h1", "x", variables={"harvester_settings": SETTINGS, "harvester_asleep": True})
    found = list(hosts.check_host(asleep, []))
    assert [each.name for each in found] == [
        f"h1: {what}" for what in ("settings", "SSH key", "token store", "connection")
    ]
    assert found[-1].detail == "asleep; schedules start it before its session, and ./inv wake starts it now"


def test_a_database_without_a_bucket_has_its_only_copy_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def found(*backups: Any) -> list[Finding]:
        def find(lake: Path) -> list[Any]:
            assert lake.is_relative_to(tmp_path / "database")
            if backups and isinstance(backups[0], Exception):
                raise backups[0]
            return list(backups)

        monkeypatch.setattr(database, "find", find)
        return list(database.check_unplaced(fleet, tmp_path))

    name, where = "backups elsewhere", "the database of h2, h3 has no bucket (database_backup.place)"
    stated: list[Any] = [None, {"database": "x"}, {"place": ""}, {"place": "s3://b", "database": "x"}]
    stated[2] |= {"database": "x"}
    fleet = [Host(f"h{at}", "x", variables={"database_backup": each}) for at, each in enumerate(stated, start=1)]
    assert found() == [
        warn(name, f"{where}, and none of its backups is here", "Run ./inv pull-database, each week at least.")
    ]
    assert found(Thing(path="old"), Thing(path="new")) == [ok(name, f"{where}; the newest here is new")]
    assert found(HarvesterError("odd")) == [fail(name, "odd", "Move the file away.")]
    fleet = [fleet[0], fleet[3]]
    assert found() == []


def test_a_finding_as_data_is_plain_text() -> None:
    assert json.dumps(warn("a", "b", "c").to_dict()) == '{"name": "a", "level": "warn", "detail": "b", "fix": "c"}'


def test_what_was_fetched_is_read_by_a_pg_restore_that_is_new_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def choose(name: str, major: int, what: str) -> Any:
        assert (name, major, what) == ("pg_restore", 16, "new")
        if isinstance(program, Exception):
            raise program
        return program

    made: list[Any] = []
    program: Any = Thing(version="16.2")
    monkeypatch.setattr(database, "find", lambda lake: made if lake.is_relative_to(tmp_path / "database") else None)
    monkeypatch.setattr(database, "choose", choose)
    assert list(database.check_backups(tmp_path)) == []
    made += [Thing(path="old", major=15), Thing(path="new", major=16)]
    reads = "pg_restore 16.2 reads new (PostgreSQL 16)"
    assert list(database.check_backups(tmp_path)) == [ok("backups", reads)]
    program = HarvesterError("It is older. Install it, say. Or not.")
    assert list(database.check_backups(tmp_path)) == [fail("backups", "It is older", "Install it, say. Or not.")]


def test_every_check_comes_in_turn_with_what_the_inventory_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From this machine outwards; each host with its calendar and its lists of members."""
    hosts_there = [HOST, Host("h2", "192.0.2.2", variables={hosts.indices.VARIABLE: "mine.json"})]

    def load(*given: Any) -> list[Host]:
        assert given == (tmp_path, "inv", "h*")
        if isinstance(error, Exception):
            raise error
        return hosts_there[: error or None]

    def note(name: str) -> Any:
        return lambda *given: [ok(name, str(given))]

    error: Any = None
    monkeypatch.setattr(hosts, "load_hosts", load)
    monkeypatch.setattr(hosts, "time", Thing(time_ns=lambda: 7))
    monkeypatch.setattr(hosts, "path_of", lambda root, inventory, of: (root == tmp_path, inventory, *of))
    monkeypatch.setattr(hosts.indices, "path_of", lambda root, inventory, stated: (root == tmp_path, inventory, stated))
    monkeypatch.setattr(hosts.indices, "current", lambda path: [path])
    for name in ("check_machine", "check_unplaced", "check_sessions", "check_application", "check_host"):
        monkeypatch.setattr(hosts, name, note(name))
    monkeypatch.setattr(hosts, "check_broker", lambda host: ok("check_broker", host.name))

    found = list(hosts.examine(tmp_path, tmp_path / "store", "inv", "h*"))

    store, calendars = tmp_path / "store", [(True, "inv", each.variables) for each in hosts_there]
    lists = [[(True, "inv", None)], [(True, "inv", "mine.json")]]
    of_hosts = [
        [ok(name, str((host, calendar, 7))) for name in ("check_sessions", "check_application")]
        + [ok("check_host", str((host, members)))]
        for host, calendar, members in zip(hosts_there, calendars, lists, strict=True)
    ]
    assert found == [
        ok("check_machine", str((tmp_path, store))),
        ok("inventory", "2 hosts: h1, h2"),
        ok("check_unplaced", str((hosts_there, store))),
        ok("check_broker", "h1"),
        *of_hosts[0],
        *of_hosts[1],
    ]
    error = 1
    assert list(hosts.examine(tmp_path, store, "inv", "h*"))[1] == ok("inventory", "1 host: h1")
    error = HarvesterError("no such inventory")
    [_, refused] = hosts.examine(tmp_path, store, "inv", "h*")
    assert refused == fail("inventory", "no such inventory", "See there.")

    def unreadable(_: Any) -> list[Any]:
        raise ConfigError("damaged")

    monkeypatch.setattr(hosts.indices, "current", unreadable)
    assert hosts._lists_of(tmp_path, None, HOST) == []


def test_a_host_is_looked_at_as_far_as_it_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def note(name: str, fix: str = "") -> Any:
        return lambda *given: Finding(name, "warn" if fix else "ok", str(given), fix)  # type: ignore[arg-type]

    monkeypatch.setattr(hosts, "SshConnection", lambda host: f"to {host.name}")
    monkeypatch.setattr(hosts, "gather", lambda of: [f"status of {each.name}" for each in of])
    monkeypatch.setattr(hosts, "check_health", lambda answer: [ok("health", answer), ok("more", "")])
    for name in ("settings", "key", "store", "connection", "clock"):
        monkeypatch.setattr(hosts, f"check_{name}", note(name))
    lists: Any = ["lists"]
    found = list(hosts.check_host(HOST, lists))
    first = [ok("settings", str((HOST, lists))), ok("key", str((HOST,))), ok("store", str((HOST,)))]
    line = str((HOST, "to h1"))
    reached, rest = ok("connection", line), [ok("clock", line), ok("health", "status of h1"), ok("more", "")]
    assert found == [*first, reached, *rest]
    monkeypatch.setattr(hosts, "check_connection", note("connection", "See there."))
    assert [each.name for each in hosts.check_host(HOST, lists)] == ["settings", "key", "store", "connection"]


def test_the_checks_of_this_machine_come_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls(2026, 11, 17, 23, 30, tzinfo=tz)

    monkeypatch.setattr(machine, "datetime", Then)
    names = ("python", "ansible", "program", "lab_rights", "packages", "disk", "calendar")
    for name in names:
        monkeypatch.setattr(machine, f"check_{name}", lambda *given, name=name: (name, *given))
    monkeypatch.setattr(machine, "check_backups", lambda *given: [("backups", *given)])
    assert list(machine.check_machine(tmp_path, tmp_path / "store")) == [
        ("python", tmp_path),
        ("ansible",),
        ("program", "ssh", "-V", "openssh-client"),
        ("program", "rsync", "--version", "rsync"),
        ("lab_rights",),
        ("packages", tmp_path),
        ("disk", tmp_path / "store"),
        ("backups", tmp_path / "store"),
        ("calendar", date(2026, 11, 17)),
    ]
