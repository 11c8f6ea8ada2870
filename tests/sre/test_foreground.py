"""The runbook's command for what the old script's `--debug` showed, typed on the host in a session."""

import re
import subprocess
import textwrap
from pathlib import Path

from tests.sre.world import HOST, World, repeat_until

PASSAGE = re.compile(r"old script's `--debug`.*?```sh\n(?P<command>.*?)```", re.DOTALL)
POLL = re.compile(r"^\d\d:\d\d:\d\d\.\d{3}  (NSE:\S+) +LTP +[\d.]+  bid ", re.MULTILINE)
SYMBOLS = 5
PATIENCE = 60


def test_foreground_debug_shows_each_poll_in_the_services_place(world: World, root: Path) -> None:
    said = PASSAGE.search((root / "docs/runbook.md").read_text("utf-8"))
    assert said, "the runbook says how"
    command = textwrap.dedent(said["command"])
    world.be_ready("open", with_a_day=False)

    ssh = ["ssh", "-tt", "-F", str(world.state / "ssh_config"), "-o", "BatchMode=yes", HOST, command]
    shown = world.state / "foreground.txt"
    with (
        shown.open("wb") as output,
        subprocess.Popen(ssh, stdin=subprocess.PIPE, stdout=output, stderr=output) as typed,
    ):
        try:
            seen, _ = repeat_until(lambda: len(set(POLL.findall(read(shown)))) == SYMBOLS, PATIENCE)
            beside = world.host("systemctl is-active harvester-recorder || true").stdout.strip()
            assert typed.stdin
            typed.stdin.write(b"\x03")
            typed.stdin.flush()
            code = typed.wait(PATIENCE)
        finally:
            typed.kill()
    assert seen, read(shown)
    assert beside == "inactive"
    assert code == 0, read(shown)[-3000:]
    assert "Traceback" not in read(shown)

    assert world.here("./inv start").code == 0
    assert world.host("systemctl is-active harvester-recorder").stdout.strip() == "active"


def read(path: Path) -> str:
    return path.read_text("utf-8", errors="replace").replace("\r", "")
