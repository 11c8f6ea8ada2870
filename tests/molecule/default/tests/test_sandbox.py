"""What a service cannot do even when it is taken over: tried from inside its own sandbox."""

import base64
import re
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("probe.py")
# A route that leaves the host, so that only the sandbox and the firewall can stop a packet to the metadata service.
RUN = """
device=$(ip -o route get 198.51.100.1 | sed 's/.* dev \\([^ ]*\\).*/\\1/')
ip route replace 169.254.169.254/32 dev $device
mkdir -p /run/systemd/system
echo {probe} | base64 -d >/usr/local/lib/probe.py
echo {unit} | base64 -d >/run/systemd/system/probe.service
chmod 644 /usr/local/lib/probe.py /run/systemd/system/probe.service
systemctl daemon-reload
systemctl start probe.service
invocation=$(systemctl show probe.service -p InvocationID --value)
journalctl --no-pager -o cat _COMM=python3 _SYSTEMD_INVOCATION_ID=$invocation
echo ended with $(systemctl show probe.service -p Result --value)
rm -f /run/systemd/system/probe.service /usr/local/lib/probe.py
systemctl daemon-reload
ip route del 169.254.169.254/32
"""
COUNT = len(re.findall(r'^    "[^"]+": ', PROBE.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    ("unit", "may"),
    [
        ("harvester-recorder", []),
        ("harvester-token-agent", ["see the token's store", "reach the metadata service"]),
        ("harvester-close", []),
        ("harvester-upload", ["reach the metadata service"]),
    ],
)
def test_a_service_can_do_nothing_that_it_does_not_need(host, note, unit, may):
    """The unit's own file with another program: every line of its sandbox counts."""
    text = host.file(f"/etc/systemd/system/{unit}.service").content_string
    text = re.sub(
        r"(?m)^(Runtime|ExecStartPre|ExecReload|Watchdog|Restart|OnFailure|OnSuccess|Type|NotifyAccess)[A-Za-z]*=.*\n",
        "",
        text,
    )
    text = re.sub(
        r"(?m)^ExecStart=.*$",
        "Type=oneshot\nExecStart=/usr/bin/python3 -I -c \"exec(open('/usr/local/lib/probe.py').read())\"",
        text,
    )
    log = host.check_output(RUN.format(probe=encode(PROBE.read_text("utf-8")), unit=encode(text)))
    assert "ended with success" in log

    possible = [line for line in log.splitlines() if line and line not in (*may, "ended with success")]
    note(f"sandbox_denied.{unit}", COUNT - len(may) - len(possible), bound=f">= {COUNT - len(may)}", unit="attempts")
    assert possible == []


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
