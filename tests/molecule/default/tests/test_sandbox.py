"""What a service cannot do even when it is taken over: tried from inside its own sandbox."""

import base64
import re
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("probe.py")
COUNT = len(re.findall(r'^    "[^"]+": ', PROBE.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    ("unit", "may"),
    [
        ("harvester-recorder", []),
        ("harvester-token-agent", ["see the token's store", "reach the metadata service"]),
        ("harvester-close", []),
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
    install(host, "/usr/local/lib/probe.py", PROBE.read_text("utf-8"))
    install(host, "/run/systemd/system/probe.service", text)
    host.check_output(
        "ip route replace 169.254.169.254/32 dev $(ip -o route get 198.51.100.1 | grep -o 'dev [^ ]*' | cut -d' ' -f2)"
    )
    try:
        host.check_output("systemctl daemon-reload; systemctl start probe.service")
        invocation = host.check_output("systemctl show probe.service --property InvocationID --value")
        log = host.check_output(f"journalctl --no-pager --output cat _SYSTEMD_INVOCATION_ID={invocation} _COMM=python3")
    finally:
        host.run("rm -f /run/systemd/system/probe.service /usr/local/lib/probe.py; systemctl daemon-reload")
        host.run("ip route del 169.254.169.254/32")

    possible = [line for line in log.splitlines() if line and line not in may]
    note(f"sandbox_denied.{unit}", COUNT - len(may) - len(possible), bound=f">= {COUNT - len(may)}", unit="attempts")
    assert possible == []


def install(host, path: str, text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    host.check_output(f"mkdir -p {path.rpartition('/')[0]}; echo {encoded} | base64 -d > {path}; chmod 644 {path}")
