"""The alerts of a host as it runs them: commands, a mail server, the programs of the role, the firewall."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
from tests.field.alerting import configuration, mail_server, service

from harvester.cli import run

PASSWORD = "canary-of-a-mailbox"  # planted
HARVESTER = Path(sys.executable).with_name("harvester")


def harvester(folder: Path, *words: str) -> str:
    """Run the command line as a process, as units and scripts do; what it printed."""
    environment = {**os.environ, "HARVESTER_CONFIG": str(folder / "config.json")}
    done = subprocess.run([HARVESTER, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def configure(folder: Path, *channels: str) -> Path:
    (folder / "config.json").write_text(json.dumps(configuration(folder, *channels)))
    return folder


def test_a_scripts_notice_reaches_a_mailbox_and_the_log_after_the_channel_was_down(tmp_path: Path) -> None:
    """Handed in while the service refuses; told by another process, once it takes messages again."""
    with service() as api, mail_server(password=PASSWORD) as box:
        mail = f"mailto://me:{PASSWORD}@127.0.0.1:{box.port}?from=me@example.com&to=you@example.com&mode=insecure"
        configure(tmp_path, f"json://{api.address}/{PASSWORD}", mail)
        api.status, api.body = 503, b'{"message": "Down for maintenance <b>"}'
        words = ["--severity", "critical", "--source", "backup.sh", "--cause", "backup", "--remedy", "Free the disk."]
        harvester(tmp_path, "alert", *words, "KeyError: <module> in depth\nsecond line")

        said = harvester(tmp_path, "send-alerts")
        assert "Down for maintenance" in said and "event=sent channel=mailto" in said
        assert PASSWORD not in said

        api.status, book = 200, json.loads((tmp_path / "book.json").read_bytes())
        book["trials"] = {}  # the pause after a failure is over
        (tmp_path / "book.json").write_text(json.dumps(book))
        harvester(tmp_path, "send-alerts")
        harvester(tmp_path, "send-alerts")

    assert [mail.rcpt_tos for mail in box.mails] == [["you@example.com"]]
    [heard] = api.heard
    assert (heard["title"], heard["type"]) == ("h1: KeyError: <module> in depth", "failure")
    assert heard["message"].startswith(
        "second line\nWhat to do: Free the disk.\nCRITICAL from backup.sh (backup) on h1"
    )
    [log] = (tmp_path / "log").iterdir()
    assert "[CRITICAL] [backup.sh] KeyError: <module> in depth second line Free the disk." in log.read_text()
    assert (tmp_path / "ports").read_text() == "".join(
        f"{port}\n" for port in sorted([box.port, int(api.address.rpartition(":")[2])])
    )


def alert(folder: Path, *words: str) -> int:
    return run(["alert", "--config", str(folder / "config.json"), *words])


def test_a_script_ends_what_it_began(tmp_path: Path) -> None:
    with service() as api:
        configure(tmp_path, f"json://{api.address}")
        config = ["--config", str(tmp_path / "config.json")]
        assert alert(tmp_path, "--source", "script", "No space left") == 0
        assert run(["send-alerts", *config]) == 0
        assert alert(tmp_path, "--source", "script", "--clear", "There is space again") == 0
        assert run(["send-alerts", "--look", *config]) == 0
        book = json.loads((tmp_path / "book.json").read_bytes())
        book["window_ns"] = 0  # the minute is over
        (tmp_path / "book.json").write_text(json.dumps(book))
        assert run(["send-alerts", "--look", *config]) == 0
        assert len(api.heard) == 1, "only decided"
        assert run(["send-alerts", "--send", *config]) == 0

    assert [heard["title"] for heard in api.heard] == ["h1: No space left", "h1: There is space again"]


@pytest.mark.parametrize("words", [["--source", "script", ""], ["--source", "", "text"], ["--source", "s", " \n "]])
def test_a_notice_that_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    configure(tmp_path)

    assert alert(tmp_path, *words) == 2
    assert "must not be empty" in capsys.readouterr().err
    assert list((tmp_path / "inbox").iterdir()) == []


def test_a_notice_that_cannot_be_handed_in_is_an_error_that_repeats_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path)
    (tmp_path / "inbox").rmdir()

    assert alert(tmp_path, "--source", "script", "No space left") == 1
    assert "nobody is told: No space left" in capsys.readouterr().err


def test_without_channels_it_says_so_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path)
    (tmp_path / "channels").unlink()
    alert(tmp_path, "--source", "script", "No space left")

    assert run(["send-alerts", "--config", str(tmp_path / "config.json")]) == 0
    assert "nobody_told" in capsys.readouterr().out


# --- the programs of the role


def render(root: Path, folder: Path, name: str, **variables: Any) -> Path:
    """A program of the role, as its template makes it."""
    program = folder / name
    program.write_text(fill(root / "roles/harvester/templates" / f"{name}.sh.j2", **variables))
    program.chmod(0o755)
    return program


def fill(template: Path, **variables: Any) -> str:
    """A template with what Ansible adds to Jinja and our templates use."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)  # noqa: S701  # no HTML
    environment.filters["comment"] = lambda text: f"# {text}"
    environment.tests["search"] = lambda text, pattern: pattern in text
    return environment.from_string(template.read_text("utf-8")).render(ansible_managed="managed", **variables) + "\n"


@pytest.mark.parametrize(
    ("unit", "severity"),
    [
        ("harvester-recorder.service", "critical"),
        ("harvester-close.service", "critical"),
        ("harvester-close@2026-11-20.service", "critical"),
        ("harvester-token-agent.service", "critical"),
        ("harvester-verify.service", "critical"),
        ("harvester-upload.service", "warning"),
        (r"harvester-close@a\x2db.service", "critical"),
    ],
)
def test_a_unit_that_fails_is_told(root: Path, tmp_path: Path, unit: str, severity: str) -> None:
    with service() as api:
        configure(tmp_path, f"json://{api.address}")
        settings = {"harvester_settings": {"host_id": "mumbai-1"}, "inventory_hostname": "other"}
        program = render(root, tmp_path, "report-failure", __harvester_alert_inbox=tmp_path / "inbox", **settings)
        systemd = {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_CODE": "exited", "MONITOR_EXIT_STATUS": "1"}
        done = subprocess.run([program, unit], env=os.environ | systemd, capture_output=True, text=True, check=True)
        [handed] = (tmp_path / "inbox").iterdir()
        assert oct(handed.stat().st_mode & 0o777) == "0o640" and not handed.name.startswith(".")
        run(["send-alerts", "--config", str(tmp_path / "config.json")])

    assert done.stdout == f"{unit} failed: exit-code exited 1. See: journalctl -u {unit}\n"
    [heard] = api.heard
    assert heard["title"] == f"mumbai-1: {unit} failed"
    assert heard["type"] == {"critical": "failure"}.get(severity, severity)
    name = unit.removesuffix(".service")
    assert f"exit-code exited 1\nWhat to do: See why: ./inv logs --unit {name}\n" in heard["message"]


def test_the_failure_of_many_units_at_once_is_two_messages(root: Path, tmp_path: Path) -> None:
    with service() as api:
        configure(tmp_path, f"json://{api.address}")
        variables = {"harvester_settings": {}, "inventory_hostname": "h1"}
        program = render(root, tmp_path, "report-failure", __harvester_alert_inbox=tmp_path / "inbox", **variables)
        for number in range(12):
            subprocess.run([program, f"harvester-{number}.service"], check=True, stdout=subprocess.DEVNULL)
        run(["send-alerts", "--config", str(tmp_path / "config.json")])
        book = json.loads((tmp_path / "book.json").read_bytes())
        book["window_ns"] = 0  # the minute is over
        (tmp_path / "book.json").write_text(json.dumps(book))
        run(["send-alerts", "--config", str(tmp_path / "config.json")])

    assert [heard["title"] for heard in api.heard] == ["h1: harvester-0.service failed", "h1: 11 more notices"]


SHELL = """
set -eu
ip link set lo up
ip link add out0 type veth peer name out1
ip addr add 198.51.100.2/24 dev out0 && ip link set out0 up && ip link set out1 up
nft --file {rules}
{program}
exec {python} -I -c '{probe}'
"""
PROBE = """
import encodings.idna, os, socket, sys
for user, port in ((65534, 587), (1, 587), (65534, 465), (65534, 25), (1, 443)):
    if not os.fork():
        os.setgroups([])
        os.setuid(user)
        try:
            socket.create_connection(("198.51.100.1", port), timeout=0.2)
        except ConnectionRefusedError:
            print("refused", flush=True)
        except TimeoutError:
            print("let-out", flush=True)
        sys.exit()
    os.wait()
"""
"""Nobody answers at that address: a packet that the firewall lets out stays without an answer."""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft for a network of its own")
def test_the_ports_of_the_channels_are_open_for_the_alerts_user_alone(root: Path, tmp_path: Path) -> None:
    """The real firewall and the real program, in a network namespace of this test."""
    rules = tmp_path / "rules.nft"
    variables = {
        "host_hardening_ssh_sources": ["0.0.0.0/0"],
        "__host_hardening_ssh_ports": [22],
        "host_hardening_ssh_new_per_minute": 60,
        "host_hardening_egress_tcp_ports": [53, 80, 443],
        "host_hardening_egress_udp_ports": [53],
    }
    rules.write_text(fill(root / "roles/host_hardening/templates/nftables.conf.j2", **variables))
    ports = tmp_path / "ports"
    user = pwd.getpwuid(65534).pw_name
    program = render(
        root, tmp_path, "open-alert-ports", __harvester_alert_user=user, __harvester_alert_ports=str(ports)
    )

    def probe(content: str) -> list[str]:
        ports.write_text(content)
        script = SHELL.format(rules=rules, program=program, python=sys.executable, probe=PROBE)
        done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert probe("") == ["refused"] * 4 + ["let-out"]
    assert probe("587\n465; flush ruleset\nx\n") == ["let-out", "refused", "refused", "refused", "let-out"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft for a network of its own")
def test_a_port_that_no_channel_needs_any_more_is_closed(root: Path, tmp_path: Path) -> None:
    ports = tmp_path / "ports"
    program = render(
        root, tmp_path, "open-alert-ports", __harvester_alert_user="nobody", __harvester_alert_ports=str(ports)
    )
    table = "table inet host_hardening { set user_ports { type uid . inet_service; }; }"
    script = (
        f"set -e; nft '{table}'; printf '587\\n25\\n' >{ports}; {program}; nft list ruleset; echo ==;"
        f" echo 25 >{ports}; {program}; nft list ruleset; echo ==; rm {ports}; {program}; nft list ruleset"
    )
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=True)

    seen = [{port for port in ("25", "587") if f". {port}" in part} for part in done.stdout.split("==")]
    assert seen == [{"25", "587"}, {"25"}, set()]
