"""A program under a limit of time: what it says is passed on line by line, and its whole group ends with it."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple

from harvester.base.redaction import one_line

GRACE_SECONDS = 10.0
"""From SIGTERM to SIGKILL."""
DRAIN_SECONDS = 2.0
KEPT_LINES, LINE_BYTES, LINE_LENGTH = 3, 4096, 400


class StoppedError(Exception):
    """This process was told to stop."""


class Ended(NamedTuple):
    """How it ended. `code`: as subprocess has it, -9 for SIGKILL; None: it was never there, and `said` says why.

    `timed_out`: it was ended at its limit; `forced`: by SIGKILL, because it ignored SIGTERM. `said`: its last lines.
    """

    code: int | None
    said: tuple[str, ...]
    timed_out: bool = False
    forced: bool = False


def run(command: Sequence[str], limit_seconds: float, environment: Mapping[str, str], directory: str) -> Ended:
    """Run it to its end, or to the limit. Raises StoppedError when this process is told to stop, having ended it."""
    with _told_to_stop() as stop:
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return Ended(None, (f"{command[0]} cannot be started: {why}",))
        return _wait(child, limit_seconds, stop)


class _Stop:
    """A word to stop is kept until it is heeded, for a program that is just being started could not be ended."""

    def __init__(self) -> None:
        self._told, self._is_heeded = "", False

    def tell(self, number: int, _: object) -> None:
        """The handler of the signals. Raises StoppedError once: while the program is ended, others change nothing."""
        is_first, self._told = not self._told, self._told or signal.Signals(number).name
        if self._is_heeded and is_first:
            raise StoppedError(self._told)

    def heed(self) -> None:
        """From here on a word raises StoppedError; one that came before does now."""
        self._is_heeded = True
        if self._told:
            raise StoppedError(self._told)


def _wait(child: "subprocess.Popen[bytes]", limit_seconds: float, stop: _Stop) -> Ended:
    said: deque[str] = deque(maxlen=KEPT_LINES)
    reader = threading.Thread(target=_pass_on, args=(child.stdout, said), daemon=True)
    reader.start()
    timed_out = forced = False
    try:
        stop.heed()
        child.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        timed_out, forced = True, _end(child)
    except StoppedError:
        _end(child)
        raise
    finally:
        _kill_group(child.pid)
        reader.join(DRAIN_SECONDS)
    return Ended(child.returncode, tuple(said), timed_out, forced)


def _end(child: "subprocess.Popen[bytes]") -> bool:
    """Ask it to end, then make it; whether it had to be made."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _kill_group(child.pid)
        child.wait()
        return True
    return False


def _kill_group(group: int) -> None:
    """What it left behind; what left the group as well is ended by systemd with the unit."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _pass_on(output: IO[bytes], said: deque[str]) -> None:
    for data in iter(lambda: output.readline(LINE_BYTES), b""):
        if data.strip():
            line = one_line(data.decode(errors="replace"), LINE_LENGTH)
            said.append(line)
            print(line, flush=True)


@contextlib.contextmanager
def _told_to_stop() -> Iterator[_Stop]:
    """SIGTERM and SIGINT are words to stop inside, where this is the main thread."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
