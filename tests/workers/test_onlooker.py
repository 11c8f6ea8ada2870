"""A host that watches and records nothing: its commands need neither symbols nor a broker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Place

from harvester import cli
from harvester.alerts.inbox import take
from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.config.file import NotRecordingError, find_settings, load_settings
from harvester.health.facts import Disk, Facts, Unit
from harvester.health.installed import Installed, find_installed
from harvester.health.musts import TITLES, check_host
from harvester.health.view import make_view

Run = Callable[..., tuple[int, str, str]]


class Onlooker:
    """What the role writes on such a host."""

    def __init__(self, place: Place, root: Path) -> None:
        self.config = root / "config.json"
        self.config.write_text(json.dumps({"host_id": "watch-1", "records": False}))
        alerts = {
            "inbox": str(place.alerts),
            "memory": str(root / "alert" / "memory"),
            "ports": str(root / "run" / "p"),
        }
        alerts |= {"log_dir": str(root / "log"), "channels": f"file:{root}/channels"}
        for name in ("alert", "run", "log"):
            (root / name).mkdir()
        self.data: dict[str, Any] = {
            "host_id": "watch-1", "root": str(root), "config": str(self.config), "data_dir": str(root / "data"),
            "status_file": str(root / "status.json"), "handover": str(root / "token"),
            "facts": str(root / "facts.json"),
            "services": [], "timers": ["harvester-watch.timer"], "units": [], "records": False, "alerts": alerts,
        }  # fmt: skip
        self.installed = root / "installed.json"
        self.installed.write_text(json.dumps(self.data))


@pytest.fixture
def onlooker(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Onlooker:
    made = Onlooker(place, tmp_path)
    monkeypatch.setenv("HARVESTER_INSTALLED", str(made.installed))
    monkeypatch.setenv("HARVESTER_JOBS", str(tmp_path / "jobs.json"))
    (tmp_path / "jobs.json").write_text('{"jobs": []}')
    return made


@pytest.fixture
def run(onlooker: Onlooker, capsys: pytest.CaptureFixture[str]) -> Run:
    def end(*words: str) -> tuple[int, str, str]:
        code = cli.run([words[0], "--config", str(onlooker.config), *words[1:]])
        said = capsys.readouterr()
        return code, said.out, said.err

    return end


def test_its_configuration_is_no_recorders_and_no_broken_one(onlooker: Onlooker) -> None:
    assert find_settings(onlooker.config) is None
    with pytest.raises(NotRecordingError, match="this host records nothing"):
        load_settings(onlooker.config)


def test_what_its_scripts_hand_in_reaches_people(run: Run, place: Place) -> None:
    assert run("alert", "--source", "me", "Hello")[0] == 0
    [told] = take(place.alerts)
    assert (told.notice.host, told.notice.text) == ("watch-1", "Hello")
    code, _, error = run("notify-test")
    assert code != 0 and "no alert channel is configured" in error


def test_a_look_of_its_alerts_warns_of_no_configuration(run: Run) -> None:
    code, out, error = run("send-alerts", "--look")
    assert code == 0 and "configuration_unreadable" not in out + error


def test_its_health_names_its_release_and_asks_for_nothing_of_a_recorder(run: Run) -> None:
    code, out, _ = run("health", "--json")
    answer = json.loads(out)
    assert code == 3, "nothing has looked at this host yet"
    assert answer["release"] and len(answer["config_hash"]) == 12
    names = {check["name"] for check in answer["checks"]}
    assert names == set(TITLES) - {"services", "hand-over", "closed days", "certificate", "bucket"}
    assert all(check["of_host"] for check in answer["checks"])


def test_nothing_that_is_lost_on_it_is_lost_in_a_session(onlooker: Onlooker) -> None:
    installed = validate(Installed, onlooker.data)
    view = make_view(installed, Facts(at_ns=1, booted_ns=0), settings=None, calendar=None, watched_ns=1, now_ns=2)
    assert not view.in_session
    recorder = validate(Installed, onlooker.data | {"records": True})
    assert view._replace(installed=recorder).in_session
    assert {check.name for check in check_host(view._replace(installed=recorder))} == set(TITLES)


def test_what_another_role_put_there_is_watched_as_well(onlooker: Onlooker) -> None:
    beside = onlooker.installed.with_name("installed.d")
    beside.mkdir()
    units = ["harvester-workers.timer", "harvester-workers.service", "harvester-worker-door.service"]
    timers = ["harvester-workers.timer", "harvester-worker-door.service"]
    (beside / "overseer.json").write_text(json.dumps({"timers": timers, "units": units}))
    installed = find_installed()
    assert installed is not None and installed.timers == ("harvester-watch.timer", *timers)

    seen = {name: Unit(present=True, active="active", sub="waiting", next_ns=9) for name in (*installed.timers, *units)}
    stopped = seen | {
        "harvester-workers.timer": Unit(present=True, active="inactive", sub="dead"),
        "harvester-worker-door.service": Unit(present=True, active="failed", sub="failed"),
    }

    def say(units: dict[str, Unit]) -> str:
        facts = Facts(at_ns=1, booted_ns=0, units=units)
        view = make_view(installed, facts, settings=None, calendar=None, watched_ns=1, now_ns=2)
        [check] = [check for check in check_host(view) if check.name == "timers"]
        return check.detail

    assert "does not wait (inactive)" in say(stopped) and "harvester-worker-door.service does not run" in say(stopped)
    assert "does not" not in say(seen)

    (beside / "overseer.json").write_text("{")
    with pytest.raises(ConfigError, match=r"overseer\.json: what must be on this host cannot be read"):
        find_installed()


def test_its_disk_needs_no_room_for_what_is_recorded(onlooker: Onlooker) -> None:
    facts = Facts(at_ns=1, booted_ns=0, disks=(Disk(str(onlooker.data["data_dir"]), 300 << 20, 0, 0),))
    for records in (False, True):
        installed = validate(Installed, onlooker.data | {"records": records})
        view = make_view(installed, facts, settings=None, calendar=None, watched_ns=1, now_ns=2)
        [space] = [check for check in check_host(view) if check.name == "space"]
        assert space.ok is not records


def test_only_the_word_false_makes_a_host_an_onlooker(onlooker: Onlooker, run: Run) -> None:
    for other in ("true", "0", "null", '"false"'):
        onlooker.config.write_text(f'{{"records": {other}}}')
        assert run("sessions")[0] == 2, other
    onlooker.config.write_text('{"records": false}')
    assert run("sessions", "--date", "2026-11-23")[0] == 0, "by the package's calendar"
    assert run("due", "--date", "2026-11-23")[0] == 0


def test_a_recorder_whose_configuration_says_so_by_mistake_is_not_told_of_as_an_onlooker(
    onlooker: Onlooker, run: Run
) -> None:
    onlooker.installed.write_text(json.dumps(onlooker.data | {"records": True}))
    code, _, error = run("alert", "--source", "me", "Hello")
    assert code == 2 and "this host records nothing" in error
