"""The harvester: users, files, units, sandboxes."""

import json
import re

RECORDER, AGENT = "harvester-recorder.service", "harvester-token-agent.service"
ONLINE = [RECORDER, AGENT]
OFFLINE = [
    "harvester-close.service",
    "harvester-prune.service",
    "harvester-verify.service",
    "harvester-failure@x.service",
]
SERVICE_USERS = (
    "harvester-recorder harvester-token harvester-alert harvester-close harvester-upload harvester-metrics"
    " harvester-logs harvester-deliver"
)
PATHS = {
    "/opt/harvester/releases": "root root 755",
    "/etc/harvester": "root harvester 750",
    "/var/lib/harvester": "root harvester 750",
    "/var/lib/harvester/journal": "harvester-recorder harvester 2750",
    "/var/lib/harvester/lake": "harvester-close harvester 2750",
    "/var/lib/harvester/receipts": "root harvester 2750",
    "/var/lib/harvester-alert": "harvester-alert harvester-alert 700",
    "/var/spool/harvester-alert": "harvester-alert harvester 3770",
    "/var/log/harvester-alert": "harvester-alert harvester 750",
    "/var/lib/harvester/uploads": "harvester-upload harvester 2750",
    "/var/lib/harvester/deliveries": "harvester-deliver harvester 2750",
    "/var/lib/harvester/backfill": "harvester-recorder harvester 2750",
    "/var/lib/harvester-token": "harvester-token harvester-token 700",
    "/run/harvester-recorder": "harvester-recorder harvester 750",
    "/run/harvester-token": "harvester-token harvester-recorder 750",
    "/etc/cron.d/harvester": "root root 644",
}


def test_each_service_has_a_user_that_cannot_log_in(host):
    rows = host.check_output(f"getent passwd {SERVICE_USERS}").splitlines()

    assert len(rows) == len(SERVICE_USERS.split())
    assert all(row.endswith("/nologin") and int(row.split(":")[2]) < 1000 for row in rows)
    shadow = host.check_output(f"getent shadow {SERVICE_USERS}").splitlines()
    assert all(row.split(":")[1].startswith("!") for row in shadow)


def test_paths_belong_to_those_who_need_them(host):
    found = host.check_output(f"stat --format '%n %U %G %a' {' '.join(PATHS)}").splitlines()

    assert dict(line.split(" ", 1) for line in found) == PATHS


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


def test_units_run_now_and_after_a_boot(host):
    timers = [f"harvester-{name}.timer" for name in ("close", "upload", "verify", "remind")]
    units = [*ONLINE, *timers, "cron.service"]
    answer = host.check_output(f"systemctl is-active {' '.join(units)}; systemctl is-enabled {' '.join(units)}")

    assert answer.split() == ["active"] * len(units) + ["enabled"] * len(units)


def test_the_day_is_closed_by_indian_time(host):
    timer = host.check_output("systemctl show harvester-close.timer --property TimersCalendar,NextElapseUSecRealtime")

    assert "OnCalendar=*-*-* 00,16..23:10:00 Asia/Kolkata" in timer
    assert re.search(r" \d\d:40:00 UTC", timer), "ten minutes past an hour in India"


def test_units_are_exposed_little(host, note):
    verdicts = host.check_output(
        "; ".join(f"systemd-analyze security --no-pager {unit} | tail -1" for unit in (*ONLINE, *OFFLINE))
    )
    scores = [float(line.rpartition(": ")[2].split()[0]) for line in verdicts.splitlines()]

    bounds = [1.5] * len(ONLINE) + [0.5] * len(OFFLINE)
    for unit, score, bound in zip((*ONLINE, *OFFLINE), scores, bounds, strict=True):
        note(f"security.{unit}", score, bound=f"<= {bound}", unit="points")
    assert all(score <= bound for score, bound in zip(scores, bounds, strict=True)), verdicts


def test_the_units_hold_for_systemd(host):
    units = " ".join(f"/etc/systemd/system/harvester-*.{kind}" for kind in ("service", "timer", "path", "slice"))
    assert host.check_output(f"systemd-analyze verify --recursive-errors=no {units} 2>&1") == ""


def test_the_recorder_is_small(host, note):
    pid = host.check_output(f"systemctl show {RECORDER} --property MainPID --value")
    resident = int(host.check_output(f"grep VmRSS /proc/{pid}/status").split()[1]) / 1024

    note("recorder_rss_idle", round(resident, 1), bound="<= 64", unit="MiB", gate=False)
    assert host.check_output(f"systemctl show {RECORDER} --property MemoryMax --value") == str(200 << 20)


def test_a_recorder_that_dies_comes_back(host):
    before = host.check_output(f"systemctl show {RECORDER} --property MainPID --value")
    host.check_output(f"systemctl kill --signal=KILL {RECORDER}")
    after = host.check_output(
        f"for i in $(seq 100); do sleep 0.1; systemctl is-active -q {RECORDER} && break; done;"
        f" systemctl show {RECORDER} --property MainPID --value"
    )

    assert after not in (before, "0")


def test_a_job_that_fails_is_reported(host):
    host.run("systemctl start harvester-close@not-a-date.service")
    log = host.check_output("sleep 1; journalctl --no-pager --output cat --identifier harvester-failure --since -1min")
    host.run("systemctl reset-failed 'harvester-close@*'")

    assert "harvester-close@not-a-date.service failed: exit-code" in log
    assert host.check_output("journalctl --no-pager -p err -o cat -t harvester-failure --since -1min")


def test_people_are_told_of_a_failure_at_once_and_the_ports_of_the_channels_are_open_for_the_alerts(host):
    channels = "/var/lib/harvester-alert/channels"
    host.check_output(f"echo 'mailto://u:password@example.com?mode=ssl' >{channels}; chown harvester-alert {channels}")
    began = host.check_output("date +%s")
    # What the tests before this one broke was told just now; without the book this failure is the first of a storm.
    host.check_output("systemctl start harvester-alert.service; rm -f /var/lib/harvester-alert/book.json")
    host.run("systemctl start harvester-close@no-date.service")
    line = "'close@no-date.service failed' /var/log/harvester-alert/*"
    told = host.check_output(f"for i in $(seq 100); do grep -sh {line} && break; sleep 0.2; done")
    host.check_output("systemctl start harvester-alert.service")  # waits for the one that runs, or looks again
    opened = host.check_output("nft list set inet host_hardening user_ports")
    said = host.check_output(f"journalctl --no-pager -o cat -u harvester-alert --since @{began}")
    host.run(f"rm {channels}; systemctl reset-failed 'harvester-close@*'")

    assert "] [CRITICAL] [harvester-close@no-date.service]" in told
    assert ". 465 }" in opened
    assert "event=channel_failed channel=mailto" in said and "password" not in said
    assert host.check_output("systemctl show harvester-alert.service -p Result --value") == "success"
    assert host.check_output("ls -A /var/spool/harvester-alert") == ""


def test_the_alerts_read_the_segment_of_each_symbol(host):
    """Seen by what they say of a file that is no JSON: of one that they may not open they would say that."""
    file = "/var/lib/harvester/segments.json"
    began = host.check_output("date +%s")
    host.check_output(f"if [ -e {file} ]; then cp -p {file} {file}.kept; fi; echo '{{' >{file}")
    host.check_output("systemctl start harvester-alert.service")
    said = host.check_output(f"journalctl --no-pager -o cat -u harvester-alert --since @{began}")
    host.check_output(f"if [ -e {file}.kept ]; then mv {file}.kept {file}; else rm {file}; fi")

    assert set(re.findall(r"segments_not_read .*", said)) == {f"segments_not_read file={file} detail=JSONDecodeError"}


def test_cron_knows_only_jobs_that_it_can_run(host):
    line = next(row for row in host.file("/etc/cron.d/harvester").content_string.splitlines() if row.startswith("17 "))
    user, command = line.split(None, 6)[5:7]

    assert user == "root"
    assert host.run(command).rc == 0
