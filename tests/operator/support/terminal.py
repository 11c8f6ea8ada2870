"""A command at a terminal of 80 columns: what it shows, when, and how it ends."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

COLUMNS = 80
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
INTERRUPT = b"\x03"
"""What Ctrl-C sends; the terminal makes SIGINT of it, for everything that runs in it."""


@dataclass
class Shown:
    """What a terminal showed. `moments`: start, each time at which something came, end; monotonic seconds."""

    code: int = -1
    text: str = ""
    moments: list[float] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """As a person sees them; a line that is written again and again is each of them."""
        return [line.rstrip() for line in re.split(r"[\r\n]+", self.text)]

    @property
    def longest_silence(self) -> float:
        """Seconds."""
        return round(max(later - earlier for earlier, later in pairwise(self.moments)), 2)


def run_at_terminal(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    cwd: Path,
    timeout_seconds: float = 240,
    press: Callable[[str], bytes] = lambda _: b"",
) -> Shown:
    """Run it to its end. `press` is asked after each piece, with all that was shown, for keys to press."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    shown = Shown(moments=[time.monotonic()])
    with subprocess.Popen(
        command, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        while piece := _read(ours):
            said += piece
            shown.moments.append(time.monotonic())
            shown.text = CONTROL.sub("", said.decode(errors="replace"))
            if keys := press(shown.text):
                os.write(ours, keys)
        shown.code = process.wait(timeout_seconds)
    os.close(ours)
    shown.moments.append(time.monotonic())
    return shown


def _read(terminal: int) -> bytes:
    """What it shows next; nothing when everybody has closed it, which Linux tells as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
