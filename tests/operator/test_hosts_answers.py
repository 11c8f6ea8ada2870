"""What operators' commands say to a host over SSH, word by word, and what a person reads of its answer; no SSH here."""

import io
import json
import subprocess
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import deliveries, jobs, logs, tunnel, units
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection, UnreachableError

HOST = Host("h1", "192.0.2.1")
DAY = date(2026, 11, 23)
AS_USER = "/usr/local/bin/harvester"
Asked = list[tuple[list[str], dict[str, Any]]]
Answer = tuple[int, bytes, bytes]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    """A host that gives these answers (code, output, errors) one after the other; the list fills with what is asked."""

    def begin(*answers: Answer) -> Asked:
        asked: Asked = []
        left = list(answers)

        def run(_: SshConnection, words: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
            asked.append((list(words), options))
            return subprocess.CompletedProcess([], *left.pop(0))

        monkeypatch.setattr(SshConnection, "run", run)
        return asked

    return begin


@pytest.mark.parametrize(
    ("day", "name", "words"),
    [
        (None, None, []),
        (DAY, None, ["--date", "2026-11-23"]),
        (None, "feed", ["--name", "feed"]),
        (DAY, "feed", ["--date", "2026-11-23", "--name", "feed"]),
    ],
)
def test_each_of_a_hosts_deliveries_is_run_and_what_is_lacking_is_said(
    answering: Callable[..., Asked], day: date | None, name: str | None, words: list[str]
) -> None:
    asked = answering((1, b'[{"date": "a"}]', b"harvester: two\n files lack"), (0, b'[{"date": "b"}]', b"a warning"))

    assert deliveries.deliver(HOST, day, name) == ([{"date": "a"}, {"date": "b"}], "two\n files lack")
    assert asked == [
        ([AS_USER, command, "--json", *words], {"timeout_seconds": 3600.0}) for command in ("deliver", "deliver-rows")
    ]
    answering((0, b"[]", b""), (1, b"[]", b"harvester: rows lack"))
    assert deliveries.deliver(HOST, day, name) == ([], "rows lack")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (deliveries.compare_rows, ["deliver-rows", "--compare"]),
        (deliveries.compare_candles, ["compare-candles"]),
    ],
)
def test_a_comparison_is_asked_of_one_day(
    answering: Callable[..., Asked], ask: Callable[[Host, date], Any], words: list[str]
) -> None:
    asked = answering((1, b'[{"symbol": "S"}]', b""))

    assert ask(HOST, DAY) == [{"symbol": "S"}]
    assert asked == [([AS_USER, *words, "--json", "--date", "2026-11-23"], {"timeout_seconds": 3600.0})]


@pytest.mark.parametrize(
    ("said", "why"), [(b"harvester: no\xff token\n", "no\N{REPLACEMENT CHARACTER} token"), (b"", "")]
)
def test_a_host_that_gives_no_answer_is_named_with_its_words(
    answering: Callable[..., Asked], said: bytes, why: str
) -> None:
    for ask, command in (
        (lambda: deliveries.deliver(HOST, DAY, None), "deliver"),
        (lambda: deliveries.compare_rows(HOST, DAY), "deliver-rows"),
        (lambda: deliveries.compare_candles(HOST, DAY), "compare-candles"),
    ):
        answering((2, b"", said))
        with pytest.raises(HarvesterError) as caught:
            ask()
        assert str(caught.value) == f"h1: {why or f'harvester {command} gave no answer'}"
    answering((0, json.dumps({"jobs": [{"name": "a", "builtin": False, "unit": "u"}]}).encode(), b""), (1, b"", said))
    with pytest.raises(HarvesterError) as caught:
        jobs.run_now(HOST, "a")
    assert str(caught.value) == f"h1: {why or 'it gave no answer'}"


def test_a_line_says_of_each_delivery_what_came() -> None:
    feed = {"date": "2026-11-20", "total_records": 150, "symbols_processed": 2, "uploaded_files": 4}
    rows: dict[str, Any] = {"date": "2026-11-23", "tables": ["bars", "days"], "symbols": ["A", "B"], "place": "db x"}

    assert list(deliveries.describe("h1", [])) == ["h1: no delivery is configured (harvester_settings.deliveries)"]
    assert list(
        deliveries.describe(
            "h1",
            [
                feed,
                feed | {"revised": 1, "missing": 0, "rejected": 3},
                rows | {"complete": True, "records": 12},
                rows | {"complete": True},
                rows | {"complete": False, "records": 12},
            ],
        )
    ) == [
        "h1: 2026-11-20, 150 bars of 2 symbols, 4 files new",
        "h1: 2026-11-20, 150 bars of 2 symbols (0 missing, 3 rejected, 1 revised), 4 files new",
        "h1: 2026-11-23, 12 rows of 2 symbols in bars, days, db x",
        "h1: 2026-11-23, 0 rows of 2 symbols in bars, days, db x",
        "h1: 2026-11-23, not complete in db x",
    ]


@pytest.mark.parametrize("busy", ["active", "activating", "reloading", "deactivating"])
def test_a_unit_that_is_at_work_has_begun_whatever_its_run_before_said(
    answering: Callable[..., Asked], busy: str
) -> None:
    answering((0, b"of before\n", b""), (0, b"", b""), (0, busy.encode() + b"\n", b""), (0, b"success\n", b""))
    units.start(SshConnection(HOST), "x.service")


def test_a_unit_that_is_over_already_has_begun_when_its_invocation_is_another(
    answering: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    state = (0, b"inactive\n", b""), (0, b"active\n", b"")
    asked = answering(
        (0, b"of before\n", b""), (0, b"", b""), *state, (0, b"of before\n", b""), *state, (0, b"of now\n", b"")
    )

    units.start(SshConnection(HOST), "x.service")

    show = [["systemctl", "show", f"--property={name}", "--value", "--", "x.service"] for name in (
        "InvocationID", "ActiveState", "Result"
    )]  # fmt: skip
    start = ["sudo", "-n", "systemctl", "start", "--no-block", "x.service"]
    look = [show[1], show[2], show[0]]
    assert [words for words, _ in asked] == [show[0], start, *look, *look]
    assert {options["timeout_seconds"] for _, options in asked} == {60}
    assert pauses == [pytest.approx(0.3)]


def test_a_unit_that_systemd_refuses_or_does_not_know_is_named_with_its_host(answering: Callable[..., Asked]) -> None:
    answering((0, b"", b""), (5, b"", b"Unit x.service\n not \xff found.\n"))
    with pytest.raises(HarvesterError) as caught:
        units.start(SshConnection(HOST), "x.service")
    assert str(caught.value) == (
        "h1: x.service cannot be started: Unit x.service not \N{REPLACEMENT CHARACTER} found. Is this release there?"
    )
    answering((1, b"", b""))
    with pytest.raises(HarvesterError) as caught:
        units.state(SshConnection(HOST), "x.service")
    assert str(caught.value) == "h1: systemd there says nothing of x.service."


def test_the_journal_is_asked_for_without_a_pager_and_by_units_or_the_application() -> None:
    begin = ["sudo", "-n", "journalctl", "--no-pager", "--output", "short-iso"]
    application = [
        *("COM_DOCKER_COMPOSE_PROJECT=market-app", "+"),
        *("_SYSTEMD_UNIT=market-app.service", "+", "UNIT=market-app.service"),
    ]
    assert logs.command("x", 7, None, follow=False) == [*begin, "--unit", "x", "--lines", "7"]
    assert logs.command(None, 7, "-1h", follow=True) == [*begin, "--unit", "harvester-*", "--since", "-1h", "--follow"]
    assert logs.command("x", 7, None, follow=False, application=True) == [*begin, *application, "--lines", "7"]


@pytest.mark.parametrize(
    ("code", "said", "why"),
    [
        (
            1, b"Failed to parse timestamp: soon.\n",
            "journalctl on h1 ended with 1: Failed to parse timestamp: soon. Write --since as systemd reads times:"
            " «today», «-1h», «2026-11-20 09:15».",
        ),
        (
            1, b"sudo: a password is required\n",
            "journalctl on h1 ended with 1: sudo: a password is required. Give the login user NOPASSWD sudo (cloud"
            " images do), or correct ansible_user in the inventory.",
        ),
        (
            3, b"first\nlast \xff. .\n",
            "journalctl on h1 ended with 3: last \N{REPLACEMENT CHARACTER}. Correct that and run the command again.",
        ),
        (2, b" \n", "journalctl on h1 ended with 2: without a message. Correct that and run the command again."),
        (255, b"Connection refused", "Cannot reach h1 (you@192.0.2.1:22): nothing listens on its SSH port."),
        (-15, b"", ""),
        (0, b"a warning", ""),
    ],
)  # fmt: skip
def test_a_journal_that_cannot_be_read_says_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: int, said: bytes, why: str
) -> None:
    ran: list[Any] = []

    def run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        ran.append((words[-1], options))
        return subprocess.CompletedProcess(words, code, None, said)

    monkeypatch.setattr(subprocess, "run", run)
    try:
        logs.show([HOST], ["journalctl"], follow=False)
    except HarvesterError as error:
        assert why and str(error).startswith(why)
    else:
        assert not why
    [(words, options)] = ran
    assert (words, options["stdin"], options["stderr"]) == ("journalctl", subprocess.DEVNULL, subprocess.PIPE)
    assert not options["check"]


class Ssh:
    """An ssh whose tunnel is open after some looks, or which ends before that with a code."""

    def __init__(self, looks: int, code: int = 0, said: bytes = b"") -> None:
        self.began: list[tuple[list[str], dict[str, Any]]] = []
        self.looks, self.code, self.stderr = looks, code, io.BytesIO(said)

    def __call__(self, words: list[str], **options: Any) -> "Ssh":
        self.began.append((words, options))
        return self

    def is_open(self, port: int) -> bool:
        assert port == 8081
        self.looks -= 1
        return self.looks < 0 and not self.code

    def wait(self, seconds: float | None = None) -> int:
        assert seconds in (0.1, None), "an ssh that ended is seen at once"
        if self.looks >= 0 and seconds:
            raise subprocess.TimeoutExpired("ssh", seconds)
        return self.code

    def terminate(self) -> None:
        self.code = -15


@pytest.fixture
def tunneling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ssh], Ssh]:
    def begin(ssh: Ssh) -> Ssh:
        monkeypatch.setattr(subprocess, "Popen", ssh)
        monkeypatch.setattr(tunnel, "is_open", ssh.is_open)
        return ssh

    return begin


def test_a_tunnel_is_a_connection_of_its_own_from_port_to_port_of_the_loopback(
    tunneling: Callable[[Ssh], Ssh],
) -> None:
    ssh = tunneling(Ssh(looks=3))

    assert tunnel.open_tunnel(HOST, 80, 8081) is ssh  # type: ignore[comparison-overlap]

    [(words, options)] = ssh.began
    forward = ["-N", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-L", "127.0.0.1:8081:127.0.0.1:80"]
    assert words == [*("ssh", *forward), *SshConnection(HOST).shell()[1:], "192.0.2.1"]
    assert options == {
        "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "said", "kind", "why"),
    [
        (255, b"Connection refused", UnreachableError, r"^Cannot reach h1 .*: nothing listens on its SSH port"),
        (
            1,
            b" bad\xff word\n",
            HarvesterError,
            "^ssh to h1 ended with 1: bad\N{REPLACEMENT CHARACTER} word. Run it again.$",
        ),
    ],
)
def test_an_ssh_that_ends_before_the_port_is_open_says_why(
    tunneling: Callable[[Ssh], Ssh], code: int, said: bytes, kind: type[Exception], why: str
) -> None:
    tunneling(Ssh(looks=2, code=code, said=said))
    with pytest.raises(kind, match=why):
        tunnel.open_tunnel(HOST, 80, 8081)


@pytest.mark.parametrize(("port", "here", "wrong"), [(0, 8081, 0), (65536, 8081, 65536), (80, 0, 0), (80, -1, -1)])
def test_a_port_that_is_none_starts_no_ssh(tunneling: Callable[[Ssh], Ssh], port: int, here: int, wrong: int) -> None:
    ssh = tunneling(Ssh(looks=1))
    with pytest.raises(ConfigError, match=f"There is no port {wrong}: ports are 1 to 65535."):
        tunnel.open_tunnel(HOST, port, here)
    assert not ssh.began


def test_a_port_in_use_here_starts_no_ssh(tunneling: Callable[[Ssh], Ssh]) -> None:
    ssh = tunneling(Ssh(looks=0))
    with pytest.raises(ConfigError, match=r"^Port 8081 is in use on this machine\. Give another one: --here PORT\.$"):
        tunnel.open_tunnel(HOST, 65535, 8081)
    with pytest.raises(ConfigError, match=r"^Port 8081 is in use"):
        tunnel.open_tunnel(HOST, 1, 8081)
    assert not ssh.began


@pytest.mark.parametrize(
    ("said", "why", "code"),
    [
        (
            b"open failed: administratively prohibited: open failed\n",
            "h1 forwards nothing to its port 80. Add 80 to",
            -15,
        ),
        (b"something else\n", r"The tunnel to h1 ended \(ssh said 3\)\. Run it again\.", 3),
    ],
)
def test_a_tunnel_ends_with_its_reason(said: bytes, why: str, code: int) -> None:
    ssh = Ssh(looks=0, code=3, said=said)
    with pytest.raises(HarvesterError, match=why):
        tunnel.follow(HOST, 80, ssh)  # type: ignore[arg-type]
    assert ssh.code == code
