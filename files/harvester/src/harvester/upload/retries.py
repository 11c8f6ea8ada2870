"""Trying again: longer and longer pauses with jitter, capped each and in all."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from harvester.upload.trouble import TransientError

Result = TypeVar("Result")
FIRST_SECONDS, LONGEST_SECONDS = 0.5, 30.0
TRIES = 8
TOTAL_SECONDS = 900.0


class Retries:
    """Waits of one run: pauses double from half a second to half a minute, and end when `total` seconds are used up."""

    def __init__(self, total: float = TOTAL_SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
        self.left = total
        self.used_up = False
        """Whether something was given up because no time was left."""
        self._sleep = sleep

    def retry(self, action: Callable[[], Result]) -> Result:
        """The action's result; TransientError when it failed too often, every other error at once."""
        pause = FIRST_SECONDS
        for _ in range(TRIES - 1):
            try:
                return action()
            except TransientError:
                wait = pause * random.uniform(0.5, 1)
                if wait > self.left:
                    self.used_up = True
                    raise
                self.left -= wait
                self._sleep(wait)
                pause = min(2 * pause, LONGEST_SECONDS)
        return action()
