"""What is not true of a host reaches people in time, also when configuration or release is the broken part."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import pytest
from tests.field.alerting import Listener, configuration, good
from tests.recorder.host_facts import (
    HOUR,
    MINUTE,
    NOW,
    SERVICES,
    make_facts,
    make_installed,
    with_unit,
    write_installed,
)

from harvester.alerts import teller
from harvester.alerts.message import Severity
from harvester.alerts.teller import Teller
from harvester.alerts.watch import find_faults
from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.cli import run
from harvester.commands import notify_test, send_alerts
from harvester.config.settings import Settings
from harvester.health.facts import Facts, Reach, Unit, read_reach, write_facts
from harvester.tokens.stores import StoredToken

AGENT, RECORDER = SERVICES
DOWN = "h1: A service of the harvester does not run"


class Host:
    """A host on which time passes by the minute: the watch looks, then the alerts."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings: Settings | None = validate(Settings, configuration(folder, "json://127.0.0.1:9"))
        self.installed = make_installed(folder)
        self.channel, self.now = Listener(), NOW
        monkeypatch.setattr(teller, "open_channels", lambda _: [self.channel])

    def pass_minute(self, facts: Facts | None, status: dict[str, Any] | None = None) -> list[str]:
        """What people hear; None: the watch does not look."""
        if facts:
            at_now = msgspec.structs.replace(facts, at_ns=self.now - 15 * NS_PER_SECOND, booted_ns=self.now - HOUR)
            if at_now.reach:
                at_now.reach = msgspec.structs.replace(at_now.reach, at_ns=self.now - MINUTE)
            at_now.units = {name: self._follow(unit) for name, unit in (at_now.units or {}).items()}
            write_facts(self.installed.facts, at_now)
        before = len(self.channel.heard)
        tell = Teller(self.settings, self.now, lambda _: None, self.installed.alerts)
        calendar = TradingCalendar.load() if self.settings else None
        tell.look(status, find_faults(self.installed, self.settings, calendar, self.now))
        tell.send()
        self.now += MINUTE
        return [message.title for message in self.channel.heard[before:]]

    def _follow(self, unit: Unit) -> Unit:
        """Timers go on as time passes."""
        return msgspec.structs.replace(unit, next_ns=self.now + MINUTE if unit.next_ns else None, last_ns=None)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def well() -> Facts:
    return make_facts(days=[], recorded=[], time_sync=msgspec.structs.replace(make_facts().time_sync, heard_ns=None))


def stopped() -> Facts:
    return msgspec.structs.replace(well(), units=with_unit(AGENT, active="inactive").units)


def test_a_break_is_told_at_the_second_look_and_its_end_names_it(host: Host) -> None:
    said = [host.pass_minute(facts) for facts in (well(), stopped(), stopped(), stopped(), well(), well())]

    assert said == [[], [], [DOWN], [], ["h1: clear: A service of the harvester does not run"], []]
    body = host.channel.heard[0].body
    assert f"{AGENT} does not run since" in body and "What to do: ./inv start" in body
    assert "from host (services) on h1" in body


def test_a_restart_or_a_deploy_under_way_is_no_break(host: Host) -> None:
    assert [host.pass_minute(facts) for facts in (stopped(), well(), stopped(), well())] == [[]] * 4


def test_a_recorder_that_is_down_is_told_again_in_the_session_without_any_status(host: Host) -> None:
    host.now = NOW + 18 * HOUR  # 10:20 in India, on Monday
    down = msgspec.structs.replace(well(), units=with_unit(RECORDER, active="failed").units)

    told = [minute for minute in range(12) if host.pass_minute(down)]

    assert told == [1, 6, 11]
    assert host.channel.heard[0].severity == Severity.CRITICAL


def test_outside_the_session_it_is_told_once(host: Host) -> None:
    assert [len(host.pass_minute(stopped())) for _ in range(40)] == [0, 1] + [0] * 38


def test_a_key_that_is_due_is_said_once_also_in_a_session(host: Host) -> None:
    host.now = NOW + 18 * HOUR
    old = msgspec.structs.replace(well(), keys={"ubuntu": NOW - 100 * 24 * HOUR})

    said = [title for _ in range(200) for title in host.pass_minute(old)]

    assert said == ["h1: The login key is due to be changed"]
    assert "./inv rotate-ssh-key" in host.channel.heard[0].body


def test_where_nothing_looks_any_more_that_is_told_and_nothing_is_called_clear(host: Host) -> None:
    for _ in range(3):
        host.pass_minute(stopped())
    said = [title for _ in range(8) for title in host.pass_minute(None)]

    assert said == ["h1: Nothing looks at this host"]
    clear = [title for _ in range(3) for title in host.pass_minute(well())]
    assert clear == ["h1: all clear"]
    assert "A service of the harvester does not run" in host.channel.heard[-1].body


def test_the_recorders_own_losses_and_those_of_the_host_end_apart(host: Host) -> None:
    full = {"disk": {"free_bytes": 1 << 20, "full": True}, "window": {"open": False, "next_change_ns": NOW + 9 * HOUR}}
    for _ in range(3):
        host.pass_minute(stopped(), good(host.now, **full))

    assert host.pass_minute(stopped(), good(host.now)) == ["h1: clear: Nothing is recorded: the disk is full"]
    assert "Still open: host: A service" in host.channel.heard[-1].body
    assert host.pass_minute(well(), good(host.now)) == ["h1: clear: A service of the harvester does not run"]


def test_that_there_is_no_channel_is_kept_for_nobody(host: Host) -> None:
    silent = msgspec.structs.replace(well(), reach=Reach(NOW))

    assert [host.pass_minute(silent) for _ in range(4)] == [[]] * 4


# --- as commands


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def put(now_ns: int) -> None:
        for module in (send_alerts, notify_test):
            monkeypatch.setattr(module, "SystemClock", lambda: type("At", (), {"wall_ns": lambda _: now_ns})())

    return put


@pytest.mark.parametrize("content", [None, "{", "{}", '{"symbols": ["NSE:SBIN-EQ"], "pol": 1}'])
def test_a_configuration_that_is_broken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[int], None], content: str | None
) -> None:
    """The channels are those that the role wrote down."""
    configuration(tmp_path, "json://127.0.0.1:9")
    config, heard = tmp_path / "config.json", Listener()
    if content is not None:
        config.write_text(content)
    monkeypatch.setenv("HARVESTER_INSTALLED", str(write_installed(tmp_path, alerts=configuration(tmp_path)["alerts"])))
    monkeypatch.setattr(teller, "open_channels", lambda settings: [heard])
    for minute in range(3):
        clock(NOW + minute * MINUTE)
        broken = msgspec.structs.replace(well(), at_ns=NOW + minute * MINUTE, configuration=f"{config}: refused")
        write_facts(tmp_path / "facts.json", broken)
        assert run(["send-alerts", "--config", str(config)]) == 0

    [message] = heard.heard
    assert message.title == "h1: The configuration cannot be used"
    assert message.severity == Severity.CRITICAL and "config.json: refused" in message.body


def test_without_what_the_role_wrote_down_a_broken_configuration_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["send-alerts", "--config", str(tmp_path / "none.json")]) == 2
    monkeypatch.setenv("HARVESTER_INSTALLED", str(tmp_path / "installed.json"))
    assert run(["watch"]) == 2
    assert "./inv deploy writes it" in capsys.readouterr().err


def test_the_reminders_say_what_they_cannot_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["remind", "--config", str(tmp_path / "none.json")]) == 2
    assert "Whether today's login is there cannot be looked at" in capsys.readouterr().err


def test_a_broken_calendar_does_not_silence_the_reminders(tmp_path: Path) -> None:
    (tmp_path / "calendar.json").write_text("{")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configuration(tmp_path) | {"calendar": {"file": str(tmp_path / "calendar.json")}}))
    assert run(["remind", "--config", str(config)]) == 0


def test_a_channel_that_refuses_is_known_until_it_takes_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[int], None]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configuration(tmp_path, "json://127.0.0.1:9")))
    run(["alert", "--config", str(config), "--source", "me", "Hello"])
    clock(NOW)
    run(["send-alerts", "--config", str(config)])
    refused = read_reach(tmp_path / "reach.json")
    assert refused and (refused.channels, refused.taken_ns) == (1, 0)
    [refusal] = refused.refusals
    assert refusal.channel == "json" and refusal.problem

    monkeypatch.setattr("harvester.alerts.channels.AppriseChannel.send", lambda *_: "")
    assert run(["notify-test", "--config", str(config)]) == 0
    assert read_reach(tmp_path / "reach.json") == Reach(NOW, 1, asked_ns=NOW, taken_ns=NOW)


def test_people_count_as_told_since_the_channel_that_took_its_last_message_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    two = configuration(tmp_path, "json://127.0.0.1:9/a\njson://127.0.0.1:9/b")
    config.write_text(json.dumps(two))
    monkeypatch.setattr("harvester.alerts.channels.AppriseChannel.send", lambda *_: "")
    clock(NOW)
    assert run(["notify-test", "--config", str(config)]) == 0
    clock(NOW + MINUTE)
    refused = iter(["", "503"])
    monkeypatch.setattr("harvester.alerts.channels.AppriseChannel.send", lambda *_: next(refused))
    run(["notify-test", "--config", str(config)])

    reach = read_reach(tmp_path / "reach.json")
    assert reach and (reach.channels, reach.taken_ns, len(reach.refusals)) == (2, NOW, 1)


def test_channels_that_are_gone_are_known_at_the_next_look(tmp_path: Path, clock: Callable[[int], None]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(configuration(tmp_path, "# none", "")))
    clock(NOW)
    run(["send-alerts", "--config", str(config)])
    assert read_reach(tmp_path / "reach.json") == Reach(NOW, asked_ns=NOW)
    (tmp_path / "channels").unlink()
    run(["send-alerts", "--config", str(config)])
    assert read_reach(tmp_path / "reach.json") == Reach(NOW, asked_ns=NOW)


class Store:
    """Counts how often it is asked where the channels are."""

    place, asked = "ssm:/x/channels", 0

    def __init__(self, missing: int) -> None:
        self.missing = missing

    def read(self) -> StoredToken | None:
        """The first few times there is none."""
        self.asked += 1
        return StoredToken(Secret("json://127.0.0.1:9"), "ssm:1") if self.asked > self.missing else None


@pytest.mark.parametrize(("missing", "asked"), [(0, 15), (8, 19)])
def test_a_store_that_is_not_of_this_host_is_asked_every_other_minute_and_until_it_names_a_channel_at_each_look(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: int, asked: int
) -> None:
    store = Store(missing)
    monkeypatch.setattr("harvester.alerts.host.open_place", lambda *_: store)
    assert host.settings
    alerts = msgspec.structs.replace(host.settings.alerts, channels="ssm:/x/channels")
    host.settings = msgspec.structs.replace(host.settings, alerts=alerts)
    host.installed = msgspec.structs.replace(host.installed, alerts=alerts)
    for _ in range(30):
        host.pass_minute(well())

    assert store.asked == asked
    reach = read_reach(tmp_path / "reach.json")
    assert reach and reach.at_ns == host.now - MINUTE, "the alerts look all the same"


# --- the program that runs whichever release works


@pytest.fixture
def any_release(root: Path, tmp_path: Path) -> Path:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)  # noqa: S701  # no HTML
    environment.filters["comment"] = lambda text: f"# {text}"
    template = environment.from_string((root / "roles/harvester/templates/any-release.sh.j2").read_text())
    program = tmp_path / "any-release"
    text = template.render(
        ansible_managed="managed",
        harvester_root_dir=tmp_path,
        __harvester_current=f"{tmp_path}/current",
        __harvester_releases_dir=f"{tmp_path}/releases",
    )
    program.write_text(text + "\n")
    program.chmod(0o755)
    return program


def make_release(folder: Path, name: str, script: str, age: int) -> Path:
    program = folder / "releases" / name / "bin/harvester"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    subprocess.run(["touch", "-d", f"@{1_700_000_000 - age}", program.parent.parent], check=True)
    return program


@pytest.mark.parametrize(
    ("current", "code", "said"),
    [
        ("echo current $1", 0, ["current look"]),
        ("echo current $1; exit 3", 3, ["current look"]),
        ("exit 1", 0, ["younger look"]),
        ("exit 2", 0, ["younger look"]),
        ("kill -9 $$", 0, ["younger look"]),
        ("exec /nonexistent/python", 0, ["younger look"]),
        (None, 0, ["younger look"]),
    ],
)
def test_the_current_release_is_run_and_another_one_where_it_does_not_work(
    any_release: Path, tmp_path: Path, current: str | None, code: int, said: list[str]
) -> None:
    make_release(tmp_path, "older", "echo older $1", 200)
    make_release(tmp_path, "younger", "echo younger $1", 100)
    if current is None:
        (tmp_path / "current").symlink_to("deployments/gone")
    else:
        (tmp_path / "current").symlink_to(make_release(tmp_path, "c", current, 300).parent.parent)

    done = subprocess.run([any_release, "look"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.splitlines()) == (code, said)


def test_where_no_release_works_it_says_so(any_release: Path, tmp_path: Path) -> None:
    done = subprocess.run([any_release, "look"], capture_output=True, text=True, check=False)

    assert done.returncode == 127
    assert "./inv deploy" in done.stderr
