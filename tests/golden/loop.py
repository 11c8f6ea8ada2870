"""An event loop whose time stands still while anything happens, and moves to the next timer when nothing does.

Real sockets and files, no waiting: a minute of the recorder takes as long as its work. Threads have no time of their
own: what is given to one is done before the loop goes on, and a wait with a timeout ends only with its event.
"""

import asyncio
import selectors
import threading
from asyncio import Future
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.golden.still import NS_PER_SECOND, StillTime

QUIET_SECONDS = 0.001
"""Real time in which nothing more arrives on loopback, so that all is at rest."""
HUNG_SECONDS = 30.0


class StillSelector(selectors.DefaultSelector):
    """Events in the order of their descriptors; an empty wait moves the clock instead."""

    def __init__(self, now: StillTime, look: Callable[[], None]) -> None:
        super().__init__()
        self._now = now
        self._look = look

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._look()
        ready = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            ready = super().select(QUIET_SECONDS)
        if not ready and timeout is None:
            ready = super().select(HUNG_SECONDS)
            assert ready, "nothing will ever happen in this loop again"
        if not ready and timeout is not None and timeout > 0:
            self._now.pass_ns(max(1, round(timeout * NS_PER_SECOND)))
        return sorted(ready, key=lambda event: event[0].fd)


class StillLoop(asyncio.SelectorEventLoop):
    """The loop of the golden recorder."""

    def __init__(self, now: StillTime, look: Callable[[], None]) -> None:
        super().__init__(StillSelector(now, look))
        self._now = now
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now.mono_ns / NS_PER_SECOND

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "Future[Any]":  # type: ignore[override]
        future = self.create_future()

        def work() -> None:
            try:
                future.set_result(func(*args))
            except BaseException as error:  # handed to who waits
                future.set_exception(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return future


class Policy(asyncio.DefaultEventLoopPolicy):
    """Gives the main thread its one still loop, and other threads ordinary ones."""

    def __init__(self, new_loop: Callable[[], StillLoop]) -> None:
        super().__init__()
        self._new_loop = new_loop

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        if threading.current_thread() is threading.main_thread():
            return self._new_loop()
        return super().new_event_loop()


def stop_timeouts_of_threads() -> None:
    """A thread that waits for an event with a timeout waits for the event."""
    wait = threading.Event.wait
    setattr(threading.Event, "wait", lambda self, timeout=None: wait(self, None))  # noqa: B010


def sync_in_turn() -> None:
    """The journal's thread does nothing of itself, and what it is asked for is done at once."""
    from harvester.journal.writer import JournalError, JournalWriter  # imported once the clocks stand still

    def wait_for_the_end(self: Any, _: float) -> None:
        while not self._is_stopping:
            self._has_work.wait()
            self._has_work.clear()

    def sync_now(self: Any) -> None:
        with suppress(JournalError):
            self.sync()

    setattr(JournalWriter, "_sync_periodically", wait_for_the_end)  # noqa: B010
    setattr(JournalWriter, "sync_soon", sync_now)  # noqa: B010
