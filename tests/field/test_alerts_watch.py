"""What the recorder's status says of losses, what systemd says of units, and one look at all of it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.field.alerting import CRITICAL, SYMBOL, WARNING, Listener, at, configuration, good, make_settings, notice
from tests.recorder.fakes import make_calendar

from harvester.alerts import teller, units
from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.alerts.teller import Teller
from harvester.alerts.watch import find_losses
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health.live_rows import check_rows, live_folder

NOW = at("10:00")
MINUTE = 60 * NS_PER_SECOND


GAP = {
    "symbol": SYMBOL,
    "from_ns": NOW - 30 * NS_PER_SECOND,
    "cause": "disconnect",
    "detail": "reset",
    "feed": "fyers-hsm",
}
SILENT = {SYMBOL: {"feeds": {"fyers-rest": {"last_recv_ns": NOW - 5 * MINUTE}}}}
GOLD = "MCX:GOLD26DECFUT"


def segments(open_now: str) -> dict[str, Any]:
    """The status file's windows of a stock and of gold, of which one is open."""
    names = {"nse_cash": SYMBOL, "mcx": GOLD}
    return {
        segment: {"open_ns": NOW - 9 * MINUTE if symbol == open_now else None, "close_ns": None, "symbols": [symbol]}
        for segment, symbol in names.items()
    }


LATE_BARS = {"bars": 75, "answered": 3, "overdue": [GAP]}
NO_TOKEN = {"state": "missing", "version": None, "expires_at_ns": None, "problem": ""}
UNREADABLE = {"state": "ok", "version": "file:1", "expires_at_ns": NOW, "problem": "handover: cannot be read"}


@pytest.mark.parametrize(
    ("change", "severity", "cause", "source", "title"),
    [
        ({"disk": {"free_bytes": 1 << 20, "full": True}}, CRITICAL, "disk_full", "recorder", "Nothing is recorded: "),
        ({"disk": {"free_bytes": 1 << 20, "full": False}}, WARNING, "disk_low", "recorder", "The disk is nearly full"),
        ({"candles": LATE_BARS}, WARNING, "candles", "recorder", "The broker's own candles do not come"),
        ({"journal": {"failure": "I/O error"}}, CRITICAL, "journal", "recorder", "The disk does not take"),
        (
            {"journal": {"problems": ["1-1.seg: no record"]}},
            WARNING,
            "recovery",
            "recorder",
            "A file of the journal cannot be read",
        ),
        ({"symbols": SILENT}, CRITICAL, "data", "recorder", "Symbols are not recorded"),
        ({"open_gaps": [GAP]}, CRITICAL, "data", "fyers-hsm", "Symbols are not recorded"),
        (
            {"clock": {"offset_ns": 10**11, "off": True}},
            WARNING,
            "clock",
            "recorder",
            "The clock of this host is wrong",
        ),
        ({"calendar": {"problem": "broken"}}, WARNING, "calendar", "recorder", "The trading calendar cannot"),
        ({"unknown_symbols": {"NSE:SBI-EQ": []}}, WARNING, "symbols", "recorder", "The broker does not list a symbol"),
        ({"refused_symbols": {GOLD: "mcx"}}, WARNING, "symbols_refused", "recorder", "Symbols are not recorded: the"),
        ({"symbols": SILENT, "segments": segments(SYMBOL)}, CRITICAL, "data", "recorder", "Symbols are not recorded"),
        ({"token": UNREADABLE}, WARNING, "token", "recorder", "The token cannot be read"),
    ],
)
def test_each_state_that_loses_data_is_one_notice(
    tmp_path: Path, change: dict[str, Any], severity: Severity, cause: str, source: str, title: str
) -> None:
    [found] = find_losses(make_settings(tmp_path), good(**change), TradingCalendar.load(), NOW) or []

    assert (found.severity, found.cause, found.source, found.host) == (severity, cause, source, "h1")
    assert found.text.startswith(title) and len(found.text.splitlines()) == 2
    assert found.remedy


def test_a_blocked_account_is_one_notice(tmp_path: Path) -> None:
    status = good(blocked_until_ns=NOW + MINUTE)
    [found] = find_losses(make_settings(tmp_path), status, TradingCalendar.load(), NOW) or []
    assert (found.severity, found.cause) == (CRITICAL, "account_blocked")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"symbols": SILENT, "segments": segments(GOLD)},
        {"config_hash": "other"},
        {"token": NO_TOKEN},
        {"token": NO_TOKEN, "symbols": SILENT},
        {"token": NO_TOKEN, "candles": LATE_BARS},
        {"token": NO_TOKEN | {"state": "refused"}, "symbols": SILENT, "open_gaps": [GAP]},
        {"token": NO_TOKEN | {"state": "expired"}, "open_gaps": [GAP]},
    ],
)
def test_what_is_well_or_told_by_the_reminders_is_no_notice(tmp_path: Path, change: dict[str, Any]) -> None:
    assert find_losses(make_settings(tmp_path), good(**change), TradingCalendar.load(), NOW) == []


@pytest.mark.parametrize("state", [None, {"failing_since_ns": 1, "looked_at_ns": NOW, "problem": "refused"}])
def test_of_rows_the_live_delivery_tells_itself_and_other_losses_are_told(tmp_path: Path, state: Any) -> None:
    """The unit of the alerts does not see what the delivery writes, so to it nothing ever was."""
    rows = {"name": "rows", "kind": "postgres", "place": "ssm:/a/b/dsn", "region": "ap-south-1", "live": True}
    data = {"data_dir": str(tmp_path), "feeds": ["fyers-rest", "fyers-history"], "deliveries": [rows]}
    settings = validate(Settings, configuration(tmp_path) | data)
    if state:
        folder = live_folder(settings, "rows")
        folder.mkdir(parents=True)
        (folder / "live.json").write_text(json.dumps(state))
    assert [check.ok for check in check_rows(settings, NOW)] == [False]

    assert find_losses(settings, good(), TradingCalendar.load(), NOW) == []
    [found] = find_losses(settings, good(journal={"failure": "x"}), TradingCalendar.load(), NOW) or []
    assert found.cause == "journal"


def test_without_a_token_a_full_disk_is_told_all_the_same(tmp_path: Path) -> None:
    status = good(token=NO_TOKEN, disk={"free_bytes": 0, "full": True}, symbols=SILENT)

    [found] = find_losses(make_settings(tmp_path), status, TradingCalendar.load(), NOW) or []
    assert found.cause == "disk_full"


@pytest.mark.parametrize(("age", "known"), [(10, True), (11, False), (-10, True), (-11, False), (86_700, False)])
def test_of_a_status_that_is_not_fresh_nothing_is_known(tmp_path: Path, age: int, known: bool) -> None:
    status = good(written_at_ns=NOW - age * NS_PER_SECOND, journal={"failure": "x"})

    found = find_losses(make_settings(tmp_path), status, TradingCalendar.load(), NOW)
    assert (found is not None) is known


def test_a_status_that_says_nothing_is_not_fresh(tmp_path: Path) -> None:
    assert find_losses(make_settings(tmp_path), {}, TradingCalendar.load(), NOW) is None


# --- systemd


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that prints the file `answer` beside it, and writes down what it was asked."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ncd "${0%/*}"\necho "$@" >asked\ncat answer\n[ ! -e fail ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program.parent


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        ("Result=success\nActiveState=active\n", True),
        ("Result=success\nActiveState=inactive\n", True),
        ("Result=exit-code\nActiveState=failed\n", False),
        ("Result=success\nActiveState=activating\n", False),
        ("Result=exit-code\nActiveState=active\n", False),
        ("Result=success\n", None),
        ("ActiveState=active\n", None),
        ("", None),
        ("Failed to connect to bus\n", None),
    ],
)
def test_a_unit_is_well_when_systemd_says_so(systemctl: Path, answer: str, well: bool | None) -> None:
    (systemctl / "answer").write_text(answer)

    assert units.is_well("harvester-close.service") is well
    assert (systemctl / "asked").read_text().split() == [
        "show", "--property=ActiveState", "--property=Result", "--", "harvester-close.service"
    ]  # fmt: skip


def test_without_systemd_nothing_is_known_of_units(systemctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (systemctl / "answer").write_text("Result=success\nActiveState=active\n")
    (systemctl / "fail").touch()
    assert units.is_well("a.service") is None, "its exit code counts, not what it printed"
    monkeypatch.setenv("PATH", "/nowhere")
    assert units.is_well("a.service") is None


def test_a_systemd_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, timeout: float, **__: Any) -> None:
        assert timeout == 10
        raise subprocess.TimeoutExpired("systemctl", timeout)

    monkeypatch.setattr(units.subprocess, "run", hang)

    assert units.is_well("a.service") is None


# --- one look


class World:
    """A host on which time passes by the minute."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = make_settings(folder)
        self.channel, self.now, self.well = Listener(), NOW, {}
        self.asked: list[str] = []
        self.no_channel = False
        monkeypatch.setattr(teller, "open_channels", self._channels)

    def _channels(self, settings: Any) -> list[Listener]:
        assert settings == self.settings.alerts
        if self.no_channel:
            raise ConfigError("no alert channel is configured")
        return [self.channel]

    def teller(self) -> Teller:
        return Teller(self.settings, self.now, self._is_well)

    def _is_well(self, unit: str) -> bool | None:
        self.asked.append(unit)
        return self.well.get(unit)

    def pass_minute(self, status: dict[str, Any] | None) -> list[str]:
        """What people hear of one look."""
        before = len(self.channel.heard)
        self.teller().look(status)
        self.teller().send()
        self.now += MINUTE
        return [message.title for message in self.channel.heard[before:]]

    def post(self, each: Notice) -> None:
        post(self.settings.alerts.inbox, each)
        for path in self.settings.alerts.inbox.iterdir():
            os.utime(path, ns=(self.now, self.now))

    @property
    def log(self) -> list[str]:
        return [
            line.partition("] ")[2]
            for path in sorted(self.settings.alerts.log_dir.iterdir())
            for line in path.read_text().splitlines()
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


FULL = {"free_bytes": 1 << 20, "full": True}


def test_a_full_disk_is_told_while_it_is_full_and_when_it_is_over(world: World) -> None:
    said = [world.pass_minute(good(world.now, disk=FULL)) for _ in range(7)]
    clear = world.pass_minute(good(world.now))

    assert said == [["h1: Nothing is recorded: the disk is full"], [], [], [], [], said[0], []]
    assert clear == ["h1: clear: Nothing is recorded: the disk is full"]
    assert world.pass_minute(good(world.now)) == []
    assert [line.partition(" recording")[0] for line in world.log] == [
        *["[CRITICAL] [recorder] Nothing is recorded: the disk is full 1 MiB free,"] * 2,
        "[CLEAR   ] [recorder] Nothing is recorded: the disk is full",
    ]
    assert "free space with ./inv cleanup;" in world.log[0]


def test_outside_the_session_it_is_told_once(world: World) -> None:
    closed = {"window": {"open": False, "next_change_ns": NOW + 900 * MINUTE}, "disk": FULL}

    assert [len(world.pass_minute(good(world.now, **closed))) for _ in range(8)] == [1] + [0] * 7


def test_a_status_without_a_window_is_one_out_of_session(world: World) -> None:
    told = []
    for _ in range(8):
        status = good(world.now, disk=FULL)
        del status["window"]
        told.append(len(world.pass_minute(status)))

    assert told == [1] + [0] * 7


@pytest.mark.parametrize("status", [None, {}, {"written_at_ns": NOW - 60 * MINUTE}])
def test_what_is_not_known_is_neither_over_nor_told_again(world: World, status: dict[str, Any] | None) -> None:
    world.pass_minute(good(world.now, disk=FULL))

    assert [world.pass_minute(status) for _ in range(8)] == [[]] * 8
    assert world.pass_minute(good(world.now)) == ["h1: clear: Nothing is recorded: the disk is full"]


FAILED = notice(CRITICAL, "unit_failed", "harvester-close.service", text="harvester-close.service failed")


def test_a_unit_that_failed_is_told_and_is_over_when_systemd_says_so(world: World) -> None:
    world.post(FAILED)
    assert world.pass_minute(None) == ["h1: harvester-close.service failed"]
    assert world.asked == [], "it has only just failed"
    for said in (None, False):
        world.well = {"harvester-close.service": said}
        assert world.pass_minute(None) == []
    world.well = {"harvester-close.service": True}

    assert world.pass_minute(None) == ["h1: clear: harvester-close.service failed"]
    assert world.pass_minute(None) == []
    assert world.asked == ["harvester-close.service"] * 3


def test_a_unit_that_fails_again_and_again_is_told_every_five_minutes_with_how_often(world: World) -> None:
    world.well = {"harvester-close.service": True}
    said = []
    for _ in range(6):
        for _ in range(3):
            world.post(FAILED)
        said += world.pass_minute(None)

    assert len(said) == 2
    assert "15 times, since Mon 23 Nov 10:00 IST" in world.channel.heard[-1].body


def test_only_units_are_asked_of_systemd(world: World) -> None:
    world.post(notice(cause="other", source="script"))
    for _ in range(3):
        world.pass_minute(None)

    assert world.asked == []


def test_what_is_handed_in_is_told_once_and_its_end_too(world: World) -> None:
    world.post(notice(source="script", cause="a"))
    assert world.pass_minute(None) == ["h1: a of script"]
    world.post(notice(Severity.CLEAR, "a", "script", text="It is over"))

    assert world.pass_minute(None) == ["h1: It is over"]
    assert list(world.settings.alerts.inbox.iterdir()) == []
    assert world.log == ["[WARNING ] [script] a of script", "[CLEAR   ] [script] a of script It is over"]


def test_a_notice_of_the_future_counts_as_of_now(world: World) -> None:
    post(world.settings.alerts.inbox, notice())
    for path in world.settings.alerts.inbox.iterdir():
        os.utime(path, ns=(NOW + 90 * MINUTE, NOW + 90 * MINUTE))
    world.pass_minute(None)

    assert "since Mon 23 Nov 10:00 IST" in world.channel.heard[0].body


def test_a_process_that_dies_after_it_decided_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.post(notice())
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(teller.inbox, "discard", lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
        world.teller().look(None)
    world.now += MINUTE

    assert world.pass_minute(None) == ["h1: disk_low of recorder"]
    assert list(world.settings.alerts.inbox.iterdir()) == []
    assert world.pass_minute(None) == []


def test_a_book_that_cannot_be_kept_leaves_the_notice_where_it_is(world: World, tmp_path: Path) -> None:
    world.post(notice())
    (tmp_path / "book.json").mkdir()
    (tmp_path / "ports").unlink(missing_ok=True)
    settings = configuration(tmp_path)
    settings["alerts"]["ports"] = str(tmp_path / "none" / "ports")
    world.settings = validate(Settings, settings)
    with pytest.raises(OSError):
        world.teller().look(None)

    assert len(list(world.settings.alerts.inbox.iterdir())) == 1
    world.settings = make_settings(tmp_path)
    assert world.pass_minute(None) == ["h1: disk_low of recorder"]
    assert (tmp_path / "unsaved-book.json").exists(), "the disk still does not take it"


def test_a_channel_that_is_down_for_hours_gets_it_all(world: World) -> None:
    world.channel.problem = "503 Service Unavailable"
    world.post(notice(source="a"))
    for minute in range(60):
        if minute == 30:
            world.post(notice(source="b"))
        assert world.pass_minute(None) == []
    world.channel.problem = ""

    said = [title for _ in range(16) for title in world.pass_minute(None)]
    assert said == ["2 messages of a time in which this channel took none"]
    assert "disk_low of a" in world.channel.heard[0].body and "disk_low of b" in world.channel.heard[0].body


def test_without_a_channel_notices_are_logged_and_wait_for_one(world: World) -> None:
    world.no_channel = True
    world.post(notice())
    world.teller().look(None)
    with pytest.raises(ConfigError):
        world.teller().send()
    assert world.log == ["[WARNING ] [recorder] disk_low of recorder"]
    world.no_channel = False

    assert [result.problem for result in world.teller().send()] == [""]
    assert [message.title for message in world.channel.heard] == ["h1: disk_low of recorder"]


def test_the_channels_are_not_opened_while_there_is_nothing_to_say(world: World, tmp_path: Path) -> None:
    world.no_channel = True

    assert world.pass_minute(good(world.now)) == []
    assert world.teller().send() == []
    assert not (tmp_path / "ports").exists()


def test_the_ports_of_the_channels_are_known_before_the_sending(world: World, tmp_path: Path) -> None:
    world.channel.ports = [587, 443]
    world.post(notice())
    world.teller().look(None)

    assert (tmp_path / "ports").read_text() == "587\n"
    assert oct((tmp_path / "lock").stat().st_mode & 0o777) == "0o600"
    assert world.channel.heard == []


def test_a_log_that_cannot_be_written_stops_nobody(world: World, tmp_path: Path) -> None:
    (tmp_path / "log").rmdir()
    world.post(notice())
    with structlog.testing.capture_logs() as lines:
        assert world.pass_minute(None) == ["h1: disk_low of recorder"]

    assert [(line["event"], line.get("path")) for line in lines if line["log_level"] == "warning"] == [
        ("alerts_log_failed", f"{tmp_path}/log")
    ]
    told = next(line for line in lines if line["event"] == "message")
    assert told == {
        "event": "message",
        "log_level": "info",
        "severity": "warning",
        "cause": "disk_low",
        "title": "h1: disk_low of recorder",
    }


def test_a_calendar_that_cannot_be_read_hides_no_loss(world: World, tmp_path: Path) -> None:
    calendar = make_calendar(
        tmp_path / "calendar.json", to_local(NOW).date(), {"continuous": [["09:15:00", "15:30:00"]]}
    )
    world.settings = validate(Settings, configuration(tmp_path) | {"calendar": {"file": str(calendar)}})
    calendar.write_text("{")
    with structlog.testing.capture_logs() as lines:
        assert world.pass_minute(good(world.now, disk=FULL)) == ["h1: Nothing is recorded: the disk is full"]

    [said] = [line for line in lines if line["event"] == "calendar_unreadable"]
    assert "calendar.json" in said["detail"]


def test_the_hosts_own_calendar_judges(world: World, tmp_path: Path) -> None:
    yesterday = to_local(NOW - 1440 * MINUTE).date()
    calendar = make_calendar(
        tmp_path / "calendar.json", yesterday, {"continuous": [["09:15:00", "15:30:00"]]}, yesterday.isoformat()
    )
    world.settings = validate(Settings, configuration(tmp_path) | {"calendar": {"file": str(calendar)}})

    assert world.pass_minute(good(world.now)) == ["h1: The trading calendar cannot be relied on"]


def test_two_looks_at_once_wait_for_each_other(world: World, tmp_path: Path) -> None:
    import fcntl
    import threading

    world.post(notice())
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (world.teller().look(None), done.set()))
    thread.start()
    assert not done.wait(0.3), "somebody else has the book"
    os.close(descriptor)

    assert done.wait(10)
    thread.join()
    assert json.loads((tmp_path / "book.json").read_bytes())["letters"]
