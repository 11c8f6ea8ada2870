"""Commands as a message prints them, run in this process: `harvester` in a host's directory, `./inv` by Invoke."""

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from invoke.program import Program
from tests.commands.places import NOW_NS, Place
from tests.contract.test_tasks import COLLECTION

from harvester import cli
from harvester.base.clock import SystemClock


class Ending(NamedTuple):
    """How a command ended, and all that it said."""

    code: int
    said: str


def invoke(words: Sequence[str]) -> Ending:
    """`./inv TASK ...`, parsed and run by Invoke in this process."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            Program(namespace=COLLECTION).run(["invoke", *words[1:]])
    except SystemExit as ended:
        return Ending(int(ended.code or 0), out.getvalue())
    return Ending(0, out.getvalue())


def run(place: Place, words: Sequence[str], wall_ns: int = NOW_NS) -> Ending:
    """`harvester COMMAND ...` with the configuration of the place, after its day's session."""
    out = io.StringIO()
    now, handlers = SystemClock.wall_ns, logging.root.handlers[:]
    SystemClock.wall_ns = lambda _: wall_ns  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = cli.run([words[1], "--config", str(place.config), *words[2:]])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else -1
    finally:
        SystemClock.wall_ns = now  # type: ignore[method-assign]
        logging.root.handlers[:] = handlers
        structlog.reset_defaults()
    return Ending(code, out.getvalue())
