"""The harvester: users, files, units, sandboxes."""

import json

import pytest

RECORDER, AGENT = "harvester-recorder.service", "harvester-token-agent.service"
ONLINE = [RECORDER, AGENT]
OFFLINE = [
    "harvester-close.service",
    "harvester-prune.service",
    "harvester-verify.service",
    "harvester-failure@x.service",
]


@pytest.mark.parametrize("name", ["harvester-recorder", "harvester-token", "harvester-close"])
def test_each_service_has_a_user_that_cannot_log_in(host, name):
    user = host.user(name)

    assert user.shell.endswith("nologin")
    assert user.uid < 1000
    assert user.password == "!*" or user.password.startswith("!")


@pytest.mark.parametrize(
    ("path", "owner", "group", "mode"),
    [
        ("/opt/harvester/releases", "root", "root", 0o755),
        ("/etc/harvester", "root", "harvester", 0o750),
        ("/var/lib/harvester", "root", "harvester", 0o750),
        ("/var/lib/harvester/journal", "harvester-recorder", "harvester", 0o2750),
        ("/var/lib/harvester/lake", "harvester-close", "harvester", 0o2750),
        ("/var/lib/harvester/receipts", "root", "harvester", 0o2750),
        ("/var/lib/harvester-token", "harvester-token", "harvester-token", 0o700),
        ("/run/harvester-recorder", "harvester-recorder", "harvester", 0o750),
        ("/run/harvester-token", "harvester-token", "harvester-recorder", 0o750),
        ("/etc/cron.d/harvester", "root", "root", 0o644),
    ],
)
def test_paths_belong_to_those_who_need_them(host, path, owner, group, mode):
    file = host.file(path)

    assert (file.user, file.group, file.mode) == (owner, group, mode)


def test_no_service_can_write_its_own_code(host):
    assert host.check_output("find /opt/harvester ! -user root -o -perm /022 ! -type l") == ""
    assert host.check_output("find /opt/harvester /var/lib/harvester -perm /6000 -type f") == ""


def test_an_operator_reads_what_was_recorded_without_more_rights(host, login):
    assert login("ls /var/lib/harvester/journal").returncode == 0
    assert login("touch /var/lib/harvester/journal/x").returncode != 0
    assert login("/opt/harvester/current/bin/harvester health").stdout.startswith("ok   running")


def test_the_services_run_the_deployment_that_is_current(host):
    deployment = host.check_output("readlink /opt/harvester/current").rpartition("/")[2]
    health = json.loads(host.run("/opt/harvester/current/bin/harvester health --json").stdout)

    assert f"{health['release']}-{health['config_hash']}" == deployment
    for unit in ONLINE:
        pid = host.check_output(f"systemctl show {unit} --property MainPID --value")
        assert f"/opt/harvester/releases/{health['release']}/" in host.file(f"/proc/{pid}/cmdline").content_string


@pytest.mark.parametrize("unit", [*ONLINE, "harvester-close.timer", "harvester-verify.timer", "cron.service"])
def test_units_run_now_and_after_a_boot(host, unit):
    assert host.check_output(f"systemctl is-active {unit}") == "active"
    assert host.check_output(f"systemctl is-enabled {unit}") == "enabled"


def test_the_day_is_closed_by_indian_time(host):
    timer = host.check_output("systemctl show harvester-close.timer --property TimersCalendar,NextElapseUSecRealtime")

    assert "OnCalendar=*-*-* 16:10:00 Asia/Kolkata" in timer
    assert " 10:40:00 UTC" in timer


@pytest.mark.parametrize("unit", ONLINE)
def test_online_units_are_exposed_little(host, note, unit):
    score = exposure(host, unit)

    note(f"security.{unit}", score, bound="<= 1.5", unit="points")
    assert score <= 1.5


@pytest.mark.parametrize("unit", OFFLINE)
def test_offline_units_are_exposed_less(host, note, unit):
    score = exposure(host, unit)

    note(f"security.{unit}", score, bound="<= 0.5", unit="points")
    assert score <= 0.5


def exposure(host, unit: str) -> float:
    verdict = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -1")
    return float(verdict.rpartition(": ")[2].split()[0])


def test_the_units_hold_for_systemd(host):
    assert host.check_output("systemd-analyze verify --recursive-errors=no /etc/systemd/system/harvester-* 2>&1") == ""


def test_the_recorder_is_small(host, note):
    pid = host.check_output(f"systemctl show {RECORDER} --property MainPID --value")
    resident = int(host.check_output(f"grep VmRSS /proc/{pid}/status").split()[1]) / 1024

    note("recorder_rss_idle", round(resident, 1), bound="<= 64", unit="MiB", gate=False)
    assert host.check_output(f"systemctl show {RECORDER} --property MemoryMax --value") == str(200 << 20)


def test_a_recorder_that_dies_comes_back(host):
    before = host.check_output(f"systemctl show {RECORDER} --property MainPID --value")
    host.check_output(f"systemctl kill --signal=KILL {RECORDER}")
    host.check_output("sleep 3; systemctl is-active --wait harvester-recorder.service || sleep 5")

    assert host.check_output(f"systemctl is-active {RECORDER}") == "active"
    assert host.check_output(f"systemctl show {RECORDER} --property MainPID --value") not in (before, "0")


def test_a_job_that_fails_is_reported(host):
    host.run("systemctl start harvester-close@not-a-date.service")
    log = host.check_output("sleep 1; journalctl --no-pager --output cat --identifier harvester-failure --since -1min")
    host.run("systemctl reset-failed 'harvester-close@*'")

    assert "harvester-close@not-a-date.service failed: exit-code" in log
    assert host.check_output("journalctl --no-pager -p err -o cat -t harvester-failure --since -1min")


def test_cron_knows_only_jobs_that_it_can_run(host):
    line = next(row for row in host.file("/etc/cron.d/harvester").content_string.splitlines() if row.startswith("17 "))
    user, command = line.split(None, 6)[5:7]

    assert user == "root"
    assert host.run(command).rc == 0
