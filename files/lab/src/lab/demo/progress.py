"""Progress of a demonstration on the terminal: named steps with their time, and what runs in the background."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harvester.base.errors import HarvesterError
from lab.labs import BOOTS_AT
from runbook.fleet.inventory import program

TAIL_LINES = 40


class Progress:
    """Prints a line when a step starts and one when it ends; keeps the seconds of each step.

    Between them a terminal shows the step and a mark that moves, so that it is never silent.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; a failure is named before it goes on up."""
        self.console.print(f"[bold]▸ {name}[/bold]")
        began = time.monotonic()
        try:
            with self.console.status(name) if self.console.is_terminal else nullcontext():
                yield
        except BaseException:
            self.console.print(f"[red]✗ {name}[/red] after {time.monotonic() - began:.1f} s")
            raise
        self.seconds[name] = round(time.monotonic() - began, 1)
        self.console.print(f"[green]✓ {name}[/green] {self.seconds[name]:.1f} s")

    def note(self, text: str) -> None:
        """One line about what the current step is doing."""
        self.console.print(Padding(Text(text, style="dim"), (0, 0, 0, 2)), highlight=False)

    def run(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: dict[str, str] | None = None,
        hear: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Run a program, showing what it says; of Ansible's lines only the tasks and the recap. `hear` gets each line.

        Raises HarvesterError with the last lines when it fails.
        """
        tail: list[str] = []
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            for line in process.stdout or ():
                tail = [*tail[-TAIL_LINES:], line.rstrip()]
                self._show(line.rstrip(), ansible="ansible" in command[0])
                hear(line.rstrip())
        if process.returncode != 0:
            raise HarvesterError(
                f"{' '.join(command)} ended with exit code {process.returncode}. Its last lines:\n" + "\n".join(tail)
            )

    def _show(self, line: str, *, ansible: bool) -> None:
        if not ansible:
            self.note(line)
        elif line.startswith("TASK ["):
            self.note(line[6 : line.rindex("]")])
        elif "changed=" in line:
            self.note(line)


class Plays:
    """Seconds of each play of a run of Ansible, from its lines as they come."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._current = ""
        self._since = time.monotonic()

    def hear(self, line: str) -> None:
        """Count the time since the last line to the play that is on."""
        now = time.monotonic()
        if self._current:
            self.seconds[self._current] = self.seconds.get(self._current, 0.0) + now - self._since
        self._since = now
        if line.startswith("PLAY ["):
            self._current = line[6 : line.rindex("]")]
        elif line.startswith("PLAY RECAP"):
            self._current = ""


class Boot:
    """`lab up` with an AWS account. It is made when the stand-ins serve, a host boots, and the inventory names it.

    Raises HarvesterError when it ended badly before that.
    """

    def __init__(self, root: Path, progress: Progress) -> None:
        self._named = threading.Event()
        pool = ThreadPoolExecutor(max_workers=1)
        command = [program("lab"), "up", "--aws"]
        self._done: Future[None] = pool.submit(progress.run, command, cwd=root, hear=self._hear)
        pool.shutdown(wait=False)
        self._done.add_done_callback(lambda _: self._named.set())
        self._named.wait()
        if self._done.done():
            self._done.result()

    def _hear(self, line: str) -> None:
        if f" {BOOTS_AT} " in line:
            self._named.set()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Wait at the end of the block until the host has booted. The error of a failed boot replaces the block's."""
        try:
            yield
        finally:
            self._done.result()
