"""What the parts of a fleet hand on, and what they make of nothing, of one, and of the last; no host is reached."""

import json
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.validation import validate
from harvester.config.rules import IndexList
from runbook.fleet import backfill, bundle, calendar, dues, inventory, live_page, logs, shares, workers
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection

HOST = Host("h1", "192.0.2.1")
NAMED = {name: None for name in inventory.CONNECTION_VARIABLES}


def test_hosts_that_aws_has_not_are_asked_of_the_inventory_beside_a_file_that_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []
    here: dict[str, Any] = {"aws_account_managed": True, "aws_host_names": ["h1", "h2"]}

    def ask(root: Path, stated: str | None, limit: str | None, pattern: str, names: Sequence[str], **more: Any) -> Any:
        asked.append((root, stated, limit, pattern, tuple(names)))
        if pattern == "localhost":
            return {"localhost": here}
        if not more:
            return {}
        listed = json.loads(more["beside"].read_text("utf-8"))["harvesters"]["hosts"]
        return {name: NAMED | variables for name, variables in listed.items()}

    monkeypatch.setattr(inventory, "ask_ansible", ask)
    monkeypatch.setattr(inventory, "_names", lambda root, stated: f"those of {stated} in {root.name}")
    names = inventory.CONNECTION_VARIABLES + inventory.OPERATOR_VARIABLES
    found = inventory.load_hosts(tmp_path, "a,b", "h*", named=True)
    assert [(host.name, host.address, host.asleep) for host in found] == [("h1", "h1", True), ("h2", "h2", True)]
    about = ("aws_account_managed", "aws_host_names")
    assert asked == [
        (tmp_path, "a,b", "h*", "harvesters", names),
        (tmp_path, "a,b", None, "localhost", about),
        (tmp_path, "a,b", "h*", "harvesters", names),
    ]
    monkeypatch.delenv("ANSIBLE_INVENTORY", raising=False)
    default = "the default inventory of ansible.cfg"
    for stated, limit, why in (
        (None, None, f"{default} has no host in its group 'harvesters'. {inventory.HOSTS}"),
        (None, "x*", f"{default} has no host matching 'x*' in its group 'harvesters'. It has those of None in"),
    ):
        with pytest.raises(ConfigError) as refused:
            inventory.load_hosts(tmp_path, stated, limit, named=True)
        assert str(refused.value).startswith(why)
    monkeypatch.setenv("ANSIBLE_INVENTORY", "c,d")
    assert len(inventory.load_hosts(tmp_path, None, None, named=True)) == 2 and asked[-1][1] == "c,d"
    for lacking in about:
        here = {name: value for name, value in here.items() if name != lacking} | {lacking: None}
        with pytest.raises(ConfigError):
            inventory.load_hosts(tmp_path, "a,b", None, named=True)


def test_the_names_of_a_group_and_who_sleeps_are_asked_of_the_inventory_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(words: list[str], **options: Any) -> Any:
        ran.append((words[1:], options["cwd"], options["check"]))
        return Thing(stdout=said)

    ran: list[Any] = []
    said = "  hosts (2):\n    h1\n    h2\n"
    monkeypatch.setattr(subprocess, "run", run)
    assert inventory._names(tmp_path, "mine") == "h1, h2"
    said = "  hosts (0):\n"
    assert inventory._names(tmp_path, None) == "none"
    listing = ["harvesters", "--list-hosts"]
    assert ran == [([*listing, "--inventory", "mine"], tmp_path, False), (listing, tmp_path, False)]

    asked: list[Any] = []
    answer = {"h1": {"harvester_asleep": True}, "h2": {"harvester_asleep": None}}
    monkeypatch.setattr(inventory, "ask_ansible", lambda *given: (asked.append(given), answer)[1])
    assert inventory.sleepers_of(tmp_path, "mine", "h*") == ["h1"]
    assert asked == [(tmp_path, "mine", "h*", "harvesters", ("harvester_asleep",))]


def test_an_archive_has_what_its_source_leads_to_also_late_and_nothing_for_type_checkers(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    source.write_text(
        "import json.decoder\nfrom os import harvester\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import harvester.lake\n"
        "if json:\n    from harvester.base import errors\n"
        "def late() -> None:\n    import harvester.journal.format\n"
    )
    found = bundle.modules_of(source)
    assert {"harvester/__init__.py", "harvester/base/errors.py", "harvester/journal/format.py"} <= set(found)
    assert not [name for name in found if not name.startswith("harvester/") or "lake" in name]
    assert all(content == (bundle.PACKAGE.parent / name).read_bytes() for name, content in found.items())


@pytest.mark.parametrize(
    ("out", "errors", "why"),
    [
        (b"HTTP/1.1 404 No\r\n\r\n{}", b"", r"^h1 serves no live page \(HTTP/1.1 404 No {}\)\. `./inv logs --unit "),
        (b"HTTP/1.1 200 OK\r\n\r\n{", b"harvester:  no\n socket", r"^h1 serves no live page \(harvester: no socket\)"),
        (b"", b"", r"^h1 serves no live page \(no message\)"),
    ],
)
def test_the_live_page_is_proved_by_its_state(
    monkeypatch: pytest.MonkeyPatch, out: bytes, errors: bytes, why: str
) -> None:
    def run(line: SshConnection, words: list[str], **options: Any) -> Any:
        assert (line.host, words, options) == (HOST, live_page.ATTACH, {"given": live_page.LOOK, "timeout_seconds": 60})
        return Thing(stdout=said, stderr=errors)

    monkeypatch.setattr(SshConnection, "run", run)
    said = b'HTTP/1.1 200 OK\r\nA: b\r\n\r\n{"now":\r\n\r\n1}'
    assert live_page.prove(HOST) == {"now": 1}
    said = out
    with pytest.raises(HarvesterError, match=why):
        live_page.prove(HOST)


def test_each_connection_of_the_browser_is_an_ssh_of_its_own_that_ends_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ssh:
        def __init__(self, words: list[str], **options: Any) -> None:
            began.append((words, options))
            self.ended = len(began) == 1

        def poll(self) -> int | None:
            return 0 if self.ended else None

        def terminate(self) -> None:
            ended.append("terminate")
            raise ProcessLookupError

        def wait(self) -> None:
            ended.append("wait")

    class Connection:
        def __init__(self, number: int) -> None:
            self.number = number

        def fileno(self) -> int:
            return self.number

        def close(self) -> None:
            ended.append(f"close {self.number}")

    began: list[Any] = []
    ended: list[str] = []
    left: list[Any] = [Connection(7), Connection(8)]

    def accept() -> Any:
        if not left:
            raise KeyboardInterrupt
        return left.pop(0), "from"

    monkeypatch.setattr(subprocess, "Popen", Ssh)
    monkeypatch.setattr(SshConnection, "argv", lambda line, words: [line.host.name, *words])
    with pytest.raises(KeyboardInterrupt):
        live_page.relay(HOST, Thing(accept=accept))  # type: ignore[arg-type]
    quiet = {"stderr": subprocess.DEVNULL}
    assert began == [(["h1", *live_page.ATTACH], quiet | {"stdin": at, "stdout": at}) for at in (7, 8)]
    assert ended == ["close 7", "close 8", "terminate", "wait"], "the one that is over is not ended again"


def test_ports_of_this_machine_are_1_to_65535(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("socket.create_server", lambda place: (asked.append(place), "socket")[1])
    for port in (1, 65535):
        assert live_page.listen(port) == "socket"  # type: ignore[comparison-overlap]
    assert asked == [("127.0.0.1", 1), ("127.0.0.1", 65535)]
    for port in (0, 65536):
        with pytest.raises(ConfigError, match=f"^There is no port {port}: ports are 1 to 65535.$"):
            live_page.listen(port)


def test_the_largest_share_counts_rules_as_the_most_that_they_stand_for() -> None:
    members = {f"INE062A0102{at}": f"SBIN{at}-EQ" for at in range(3)}
    given = {"index": "NIFTY BANK", "source": "https://a.b/c.csv", "members": members, "date": "2026-03-31"}
    lists = [validate(IndexList, given)]
    symbols: list[Any] = ["NSE:A-EQ", "NSE:B-EQ", "NSE:C-EQ", "NSE:D-EQ"]
    for fleet, most in (([], 4), (["x"], 4), (["x", "y"], 2), (["v", "w", "x", "y"], 1), ([*"vwxyz"], 4)):
        assert shares.largest_share(symbols, fleet, lists) == most
    assert shares.largest_share([*symbols, {"index": "NIFTY BANK"}], [], lists) == 7
    assert shares.size_of({"no": "rule"}) == 1


def test_an_ssh_has_a_terminal_where_one_is_wanted_and_its_lines_come_as_they_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = SshConnection(Host("h1", "192.0.2.1", control_directory=tmp_path / "c"))
    assert line.shell(terminal=True)[:2] == ["ssh", "-t"] and line.shell()[:2] == ["ssh", "-T"]
    monkeypatch.setattr(subprocess, "Popen", lambda words, **options: (words[-3:], options))
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    assert line.start(["a", "b c"]) == (["192.0.2.1", "--", "a 'b c'"], pipes)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("room", [dues, workers])
@pytest.mark.parametrize(("count", "threads"), [(0, 1), (1, 1), (16, 16), (17, 16)])
def test_hosts_are_asked_at_once_and_no_more_than_sixteen(
    monkeypatch: pytest.MonkeyPatch, room: Any, count: int, threads: int
) -> None:
    class Pool:
        def __init__(self, max_workers: int) -> None:
            assert max_workers == threads

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        map = map

    hosts = [Host(f"h{at}", "x", variables={"harvester_asleep": True}) for at in range(count)]
    monkeypatch.setattr(room, "ThreadPoolExecutor", Pool)
    found = room.gather(hosts, None) if room is dues else room.gather(hosts)
    assert [each.host for each in found] == [host.name for host in hosts] and all(each.asleep for each in found)


def test_dues_are_asked_of_a_day_or_of_today_and_are_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    answer: Any = {"entries": [{"state": "met"}], "settled": 1}
    monkeypatch.setattr(dues, "ask", lambda *given: (asked.append(given), answer)[1])
    found = dues.HostDues("h1", [{"state": "met"}], settled=True)
    assert dues._ask(HOST, None) == dues._ask(HOST, date(2026, 11, 23)) == found
    assert asked == [(HOST, ["due", "--json"]), (HOST, ["due", "--json", "--date", "2026-11-23"])]
    plain = {"host": "h1", "asleep": False, "error": None, "settled": True, "entries": [{"state": "met"}]}
    assert found.to_dict() == plain
    answer = {}
    assert dues._ask(HOST, None) == dues.HostDues("h1", error="its answer has no 'entries': ./inv deploy")


def test_a_verb_of_a_worker_may_take_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(line: SshConnection, words: list[str], **options: Any) -> Any:
        asked.append((line.host.name, words[1:], options))
        return Thing(returncode=code, stdout=b" done\n", stderr=b"")

    asked: list[Any] = []
    code = 0
    host = Host("h1", "192.0.2.1", variables={"overseer_settings": {"workers": [{"name": "a"}]}})
    monkeypatch.setattr(SshConnection, "run", run)
    assert workers.act([host], "a", "pause") == "done"
    assert asked == [("h1", ["workers", "pause", "a"], {"timeout_seconds": 900.0})]
    code = 1
    with pytest.raises(HarvesterError, match=r"^h1: it gave no answer$"):
        workers.act([host], "a", "pause")


def test_the_calendar_beside_the_inventory_of_ansible_cfg_is_that_of_the_lab_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANSIBLE_INVENTORY", raising=False)
    assert calendar.path_beside(tmp_path, None) == tmp_path / "inventory" / calendar.FILE
    (tmp_path / "inventory" / "lab").mkdir(parents=True)
    assert calendar.path_beside(tmp_path, None) == tmp_path / "inventory" / "lab" / calendar.FILE
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = mine/a.yml,other\n")
    assert calendar.path_beside(tmp_path, None) == tmp_path / "mine" / calendar.FILE
    monkeypatch.setenv("ANSIBLE_INVENTORY", "set/b.yml")
    assert calendar.path_beside(tmp_path, None) == tmp_path / "set" / calendar.FILE
    assert calendar.path_beside(tmp_path, "given/c.yml") == tmp_path / "given" / calendar.FILE


def test_calendars_are_compared_by_segment_also_where_one_has_no_segments() -> None:
    def holiday(day: str, name: str, reference: str = "a list") -> dict[str, str]:
        return {"date": day, "name": name, "reference": reference}

    now = {"valid_until": "2026-12-31", "holidays": [holiday("2026-01-26", "Republic Day")]}
    new = now | {"segments": {"mcx": {"holidays": [holiday("2026-05-01", "a day")]}}}
    added = ("mcx", "2026-05-01", "a day", "a list")
    assert list(calendar.compare(now, new)) == [calendar.Difference("+", *added)]
    assert list(calendar.compare(new, now)) == [calendar.Difference("-", *added)]
    renamed = now | {"holidays": [holiday("2026-01-26", "Republic  day", "another")]}
    assert list(calendar.compare(now, renamed)) == [], "a holiday is its date, however it is written"
    longer = list(calendar.compare(now, now | {"valid_until": "2027-12-31"}))
    said = "the facts end here (before: 2026-12-31)"
    assert longer == [calendar.Difference("+", "", "2027-12-31", said, "")]


def test_a_backfill_is_followed_on_its_host_until_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(line: SshConnection, words: list[str]) -> dict[str, Any]:
        assert line.host is HOST and words == ["backfill", "--status"]
        return left.pop(0)

    def state(line: SshConnection, unit: str) -> tuple[str, str]:
        assert line.host is HOST
        return ("inactive", "success")

    left = [{"at_work": True, "waiting_segments": 0}, {"at_work": False, "waiting_segments": 0, "rows": 3}]
    shown: list[Any] = []
    monkeypatch.setattr(backfill, "_ask", ask)
    monkeypatch.setattr(backfill.units, "state", state)
    monkeypatch.setattr(backfill.units, "POLL_SECONDS", 0)
    assert backfill.follow(HOST, lambda seen: shown.append(dict(seen))) == {
        "at_work": False, "waiting_segments": 0, "rows": 3,
    }  # fmt: skip
    assert [each["at_work"] for each in shown] == [True, False]


@pytest.mark.parametrize("side_by_side", [True, False])
def test_who_reads_a_journal_holds_up_no_end_of_the_command(
    monkeypatch: pytest.MonkeyPatch, side_by_side: bool
) -> None:
    class Thread:
        def __init__(self, target: Any, args: Any, daemon: bool = False) -> None:
            assert daemon, "a reader that waits for ever would keep the command"
            self.target, self.args = target, args

        def start(self) -> None:
            steps.append(f"start {self.args[0]}")
            self.args[2].put(self.args[1])

        def join(self) -> None:
            steps.append(f"join {self.args[0]}")

    steps: list[str] = []
    wrong = HarvesterError("gone")
    monkeypatch.setattr("threading.Thread", Thread)
    started: Any = [("a", None), ("b", wrong)]
    assert list(logs._print(started, side_by_side=side_by_side)) == [wrong]
    one_by_one = ["start a", "join a", "start b", "join b"]
    assert steps == (["start a", "start b"] if side_by_side else one_by_one)
