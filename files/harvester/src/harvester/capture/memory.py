"""Keeps the collector of reference cycles short while a window is recorded: nothing is received while it runs.

A full collection looks at every object that may be part of a cycle: 20 ms with 5,000 symbols. What lives at the
recorder's start, and after each window, is taken out of its sight, so that later ones look at what came since.
"""

import gc


class MemoryKeeper:
    """Called after every turn of the recorder's loop."""

    def __init__(self) -> None:
        self._was_recording = False
        _settle()

    def follow(self, *, is_recording: bool) -> None:
        """Collect once a window is over and its connections are closed."""
        if self._was_recording and not is_recording:
            gc.unfreeze()
            _settle()
        self._was_recording = is_recording


def _settle() -> None:
    gc.collect()
    gc.freeze()
