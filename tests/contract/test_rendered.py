"""What the role renders: accepted by those who will read it. Rendered by Ansible itself, as in a deploy."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.commands.renew import PAUSES_SECONDS
from harvester.config.file import load_settings
from harvester.config.settings import Settings
from harvester.health.installed import Installed
from harvester.live.bridge import SOCKET

BIN = Path(sys.executable).parent
ONLINE = (
    "harvester-recorder.service",
    "harvester-token-agent.service",
    "harvester-alert.service",
    "harvester-remind.service",
    "harvester-renew.service",
)
UPLOAD, METRICS, LOGS = "harvester-upload.service", "harvester-metrics.service", "harvester-logs.service"
DELIVER, DELIVER_RAW = "harvester-deliver.service", "harvester-deliver-raw.service"
ROWS, ROWS_LIVE = "harvester-rows.service", "harvester-rows-live.service"
SENDING = (UPLOAD, METRICS, LOGS, DELIVER, DELIVER_RAW, ROWS, ROWS_LIVE)
OFFLINE = (
    "harvester-close.service",
    "harvester-prune.service",
    "harvester-verify.service",
    "harvester-failure@.service",
)
WATCH, LIVE = "harvester-watch.service", "harvester-live.service"
TELLING = ("harvester-alert.service", "harvester-failure@.service", "harvester-remind.service", WATCH)
ACCOUNT = "123456789012"
HOST = "harvesters: {hosts: {rendered: {}}}\n"


def ansible(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    argv = ["ansible-playbook", *arguments]
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module", params=["lab", "aws"])
def rendered(request, tmp_path_factory) -> Path:
    """A folder with what an inventory gives the host `rendered`."""
    root = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "hosts.yml").write_text(HOST, encoding="utf-8")
    inventories = ["--inventory", f"inventory/{request.param}", "--inventory", str(folder / "hosts.yml")]
    extra = ["--limit", "rendered", "--tags", "render", "--extra-vars", f"render_folder={folder}"]
    if request.param == "aws":
        extra += ["--extra-vars", f'{{"aws_account_id": "{ACCOUNT}"}}']
    ansible(root, "tests/contract/playbooks/render.yml", *inventories, *extra)
    return folder


def test_the_application_accepts_the_lab_and_asks_for_the_app_id_of_a_real_user(rendered):
    file = rendered / "rendered.config.json"

    if rendered.name.startswith("lab"):
        assert load_settings(file).symbols
    else:
        with pytest.raises(ConfigError, match="app_id"):
            load_settings(file)
        file.write_text(file.read_text("utf-8").replace("PUT-YOURS-HERE", "ABCDE12345-100"), encoding="utf-8")
        assert load_settings(file).token.source == "ssm"


def test_metrics_are_published_where_the_alarms_of_an_account_read_them(rendered):
    metrics = json.loads((rendered / "rendered.config.json").read_text("utf-8")).get("metrics", {})
    [timer] = [
        unit for unit in json.loads((rendered / "rendered.timers.json").read_bytes()) if "metrics" in unit["name"]
    ]
    aws = not rendered.name.startswith("lab")

    assert metrics.get("environment") == (Names("production").stem if aws else None)
    assert timer["disabled"] is not aws


def test_the_log_goes_to_the_group_that_the_account_has(rendered):
    logs = json.loads((rendered / "rendered.config.json").read_text("utf-8")).get("logs", {})
    [timer] = [unit for unit in json.loads((rendered / "rendered.timers.json").read_bytes()) if "logs" in unit["name"]]
    aws = not rendered.name.startswith("lab")

    assert logs.get("group") == (Names("production").host_log_group if aws else None)
    assert timer["disabled"] is not aws


def test_nothing_is_delivered_that_nobody_asked_for(rendered):
    timers = json.loads((rendered / "rendered.timers.json").read_bytes())

    assert {unit["name"] for unit in timers if "deliver" in unit["name"] and unit["disabled"]} == {
        "harvester-deliver.timer",
        "harvester-deliver-raw.timer",
    }
    for unit in (DELIVER, DELIVER_RAW):
        text = (rendered / unit).read_text("utf-8")
        assert "\nUser=harvester-deliver\n" in text
        assert "\nReadWritePaths=/var/lib/harvester/deliveries -/var/spool/harvester-alert\n" in text


def test_no_database_is_reached_that_nobody_asked_for(rendered):
    timers = json.loads((rendered / "rendered.timers.json").read_bytes())

    assert {unit["name"] for unit in timers if "rows" in unit["name"] and unit["disabled"]} == {
        "harvester-rows.timer",
        ROWS_LIVE,
    }
    for unit in (ROWS, ROWS_LIVE):
        text = (rendered / unit).read_text("utf-8")
        assert "\nUser=harvester-rows\n" in text and "\nReadWritePaths=/var/lib/harvester/rows" in text


def test_the_live_page_is_reached_by_its_socket_alone_and_writes_nothing(rendered):
    unit, listens = (rendered / LIVE).read_text("utf-8"), (rendered / "harvester-live.socket").read_text("utf-8")

    assert f"\nListenStream={SOCKET}\n" in listens and "\nSocketMode=0660\n" in listens
    assert "\nUser=harvester-live\n" in unit and "\nPrivateNetwork=yes\n" in unit
    assert "ReadWritePaths" not in unit and "StateDirectory" not in unit and "RuntimeDirectory" not in unit
    assert "/var/lib/harvester-token" in next(line for line in unit.splitlines() if line.startswith("Inaccessible"))


def test_a_renewal_that_is_not_wanted_is_switched_off_and_one_that_is_can_tell_what_became_of_it(rendered):
    [timer] = [unit for unit in json.loads((rendered / "rendered.timers.json").read_bytes()) if "renew" in unit["name"]]
    unit = (rendered / "harvester-renew.service").read_text("utf-8")

    assert timer["disabled"] is True, "a timer that was once switched on must not stay on"
    assert "\nSupplementaryGroups=harvester\n" in unit
    assert "\nReadWritePaths=/var/lib/harvester-token -/var/spool/harvester-alert\n" in unit
    [limit] = [line for line in unit.splitlines() if line.startswith("TimeoutStartSec=")]
    assert limit == "TimeoutStartSec=1h" and sum(PAUSES_SECONDS) < 3600


def test_what_must_be_on_a_host_is_what_the_role_puts_there(rendered):
    installed = validate(Installed, json.loads((rendered / "rendered.installed.json").read_bytes()))
    timers = json.loads((rendered / "rendered.timers.json").read_bytes())

    assert set(installed.timers) == {unit["name"] for unit in timers if not unit.get("disabled")}
    assert ("harvester-metrics.timer" in installed.timers) is not rendered.name.startswith("lab")
    assert set(installed.units) == {path.name for path in rendered.iterdir() if path.name.startswith("harvester-")}
    assert (
        {"harvester-recorder.service", "harvester-token-agent.service"}
        == set(installed.services)
        <= set(installed.units)
    )
    watch = (rendered / WATCH).read_text("utf-8")
    assert f"\nRuntimeDirectory={installed.facts.parent.name}\n" in watch
    settings = json.loads((rendered / "rendered.config.json").read_bytes())
    assert installed.host_id == settings.get("host_id", "rendered")
    assert installed.uploads == bool(settings.get("upload", {}).get("bucket"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here; the lab has one")
@pytest.mark.parametrize(("units", "bound"), [((*ONLINE, *SENDING), 1.5), ((*OFFLINE, LIVE), 0.5), ((WATCH,), 2.1)])
def test_the_units_are_exposed_little(rendered, units, bound):
    for unit in units:
        limit = f"--threshold={bound * 10:.0f}"
        argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", limit, str(rendered / unit)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_every_unit_reports_its_failure_and_has_a_memory_ceiling(rendered):
    for unit in (*ONLINE, *SENDING, *OFFLINE, WATCH):
        text = (rendered / unit).read_text("utf-8")
        assert "\nMemoryMax=" in text
        tells_itself = unit in ("harvester-failure@.service", "harvester-alert.service")
        assert ("\nOnFailure=harvester-failure@%n.service" in text) is not tells_itself


def test_the_memory_ceilings_fit_a_host_with_one_gibibyte_together(rendered):
    def ceiling(unit):
        [line] = [line for line in (rendered / unit).read_text("utf-8").splitlines() if line.startswith("MemoryMax=")]
        return int(line.removeprefix("MemoryMax=").rstrip("M"))

    for unit in (UPLOAD, METRICS, LOGS):
        assert "harvester-close.service" in (rendered / unit).read_text("utf-8"), "it waits for the close job"
    for unit in TELLING:  # however many fail at once
        assert "\nSlice=harvester-alerts.slice\n" in (rendered / unit).read_text("utf-8")
    # The renewal runs at 07:00, when no other job does.
    together = ("harvester-recorder.service", "harvester-token-agent.service", "harvester-alerts.slice")
    always = sum(map(ceiling, together))
    assert (
        always + max(ceiling("harvester-close.service"), ceiling(UPLOAD) + ceiling(METRICS) + ceiling(LOGS)) + 256
        < 1024
    )


def test_the_units_name_the_paths_that_are_the_applications_own_defaults(rendered):
    settings = validate(Settings, {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "ABCDE12345-100"}})
    recorder = (rendered / "harvester-recorder.service").read_text("utf-8")
    agent = (rendered / "harvester-token-agent.service").read_text("utf-8")
    metrics = (rendered / METRICS).read_text("utf-8")
    alert = (rendered / "harvester-alert.service").read_text("utf-8")

    assert f"ReadWritePaths={settings.alerts.memory.parent} -{settings.alerts.inbox}\n" in alert
    assert f"LogsDirectory={settings.alerts.log_dir.name}\n" in alert
    assert f"RuntimeDirectory={settings.alerts.ports.parent.name}\n" in alert
    assert f"PathChanged={settings.alerts.inbox}\n" in (rendered / "harvester-alert.path").read_text("utf-8")
    assert f"ReadWritePaths={settings.journal_dir} -{settings.master_dir}\n" in recorder
    assert f"RuntimeDirectory={settings.status_file.parent.name}\n" in recorder
    assert f"RuntimeDirectory={settings.token.handover.parent.name}\n" in agent
    assert f"ReadOnlyPaths={settings.token.file.parent}\n" in agent
    assert f"RuntimeDirectory={settings.metrics.state_file.parent.name}\n" in metrics
    assert f"StateDirectory={settings.logs.state_file.parent.name}\n" in (rendered / LOGS).read_text("utf-8")


def test_every_schedule_says_its_time_zone(root, rendered):
    timers = list(rendered.glob("*.timer"))
    assert {f"{timer.name}.j2" for timer in timers} == {
        template.name for template in (root / "roles/harvester/templates").glob("*.timer.j2")
    }
    for timer in timers:
        lines = [line for line in timer.read_text("utf-8").splitlines() if line.startswith("OnCalendar=")]
        assert lines
        assert all(line.endswith(" Asia/Kolkata") for line in lines)


def test_the_tags_of_the_site_are_those_that_the_roles_document(root):
    listed = ansible(root, "site.yml", "--list-tags")
    tags = {
        tag.strip()
        for line in listed.splitlines()
        if "TASK TAGS:" in line
        for tag in line[line.index("[") + 1 : -1].split(",")
    }
    account = {"aws_account", "aws_baseline", "aws_identity", "aws_storage", "aws_functions", "aws_host", "aws_watch"}
    roles = {"host_baseline", "host_hardening", "harvester", "jobs", *account}
    roles |= {"container_engine", "application", "database_backup", "rclone", "overseer"}
    readmes = "\n".join((root / "roles" / name / "README.md").read_text("utf-8") for name in roles)

    assert tags - {"", "always"} == roles | {"aws", "harvester_config", "harvester_schedule", "verify"}
    assert all(f"`{tag}`" in readmes for tag in tags - {"", "always"})


def test_every_playbook_says_what_it_is_for(root):
    for playbook in sorted({*(root / "playbooks").glob("*.yml")} - {*(root / "playbooks").glob("lab_*.yml")}):
        first = playbook.read_text("utf-8").splitlines()[1]
        assert first.startswith("# "), f"{playbook.name} has no comment that says what it is for"
