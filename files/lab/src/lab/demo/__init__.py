"""`./inv demo`: the main job from nothing to verified data, on embedded stand-ins."""

import json
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from harvester.base.endings import INTERRUPTED
from harvester.base.errors import HarvesterError
from lab.demo import here, host, summary
from lab.demo.progress import Progress
from lab.state import REPOSITORY
from runbook.fleet.inventory import program

WIDTH_OF_FILES = 160
ENDINGS = signal.SIGINT, signal.SIGHUP
LAB_LEFT = "The lab at {state} is still there: ./inv demo goes on with it, ./inv lab-down removes it."
PROCESSES_LEFT = "Its processes have ended; {state} holds what they wrote. ./inv demo --here begins anew, elsewhere."


class DemoInterrupted(HarvesterError):
    """Somebody pressed Ctrl-C."""

    exit_code = INTERRUPTED

    def __init__(self, left: str) -> None:
        super().__init__(f"interrupted. {left or 'Nothing is left of it; ./inv demo begins anew.'}")


def interrupt_once(*_: object) -> None:
    """A handler of ENDINGS: the first ends the demonstration, which then tidies up undisturbed by impatient ones."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def demonstrate(*, on_host: bool, session_seconds: int, summary_file: Path | None, down: bool) -> None:
    """Run the demonstration in this checkout, print its summary and write it as JSON.

    `session_seconds` is the length of the trading session. Raises HarvesterError when anything was not as promised.
    """
    root, console = REPOSITORY, Console()
    if not console.is_terminal:
        console = Console(soft_wrap=True, width=WIDTH_OF_FILES)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    state = root / ".lab" if on_host else root / ".here" / stamp
    demo = host.Demo(root, state, root / "pulled" / f"demo-{stamp}", session_seconds, Progress(console))
    if not on_host:
        console.print("Without a host and without Ansible: the data path as ordinary processes on this machine.")
    for number in ENDINGS:
        signal.signal(number, interrupt_once)
    try:
        found = (host if on_host else here).run(demo)
    except KeyboardInterrupt:
        raise DemoInterrupted("" if down else (LAB_LEFT if on_host else PROCESSES_LEFT).format(**vars(demo))) from None
    finally:
        if down:
            take_down(demo, on_host=on_host)
    if summary_file:
        summary_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    summary.show(found, console)
    if not down and on_host:
        console.print(LOOK_AROUND.format(lake=found["lake"]), highlight=False)
    if not summary.is_complete(found):
        raise HarvesterError("The demonstration did not record what it should have; see the summary above.")


LOOK_AROUND = """
The lab is still running. Look around:
  ./inv status                      what the host says of itself
  ./inv logs --follow               the journal of its services
  ssh -F .lab/ssh_config h1         log in
  ./inv query "select symbol, count(*) from depth group by symbol" \\
      --lake {lake}
  ./inv lab-down                    remove everything"""


def take_down(demo: host.Demo, *, on_host: bool) -> None:
    """Remove the lab, or what the processes left."""
    with demo.progress.step("take the lab down"):
        if on_host:
            demo.progress.run([program("lab"), "down"], cwd=demo.root)
        else:
            shutil.rmtree(demo.state)
