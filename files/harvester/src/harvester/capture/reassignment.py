"""A symbol that the master puts into another segment than this run: the next run records it there."""

from collections.abc import Mapping

import structlog

from harvester.capture.context import RecorderContext
from harvester.capture.recorder import Recorder
from harvester.config.segments import keep_segments

log = structlog.get_logger()


class Reassignment:
    """Compares each look-up of the master with the segments of the run."""

    def __init__(self, context: RecorderContext) -> None:
        self._settings = context.settings
        self._known: Mapping[str, str] = {**context.segments, **context.refused}
        self._found: Mapping[str, str] = {}
        self._is_kept: bool | None = None
        """Whether what was found last is in the file; None: nobody had to write it."""

    def needs_new_run(self, recorder: Recorder, found: Mapping[str, str]) -> bool:
        """Whether the recorder should start again, so that symbols are recorded in the segments that were found.

        What was found is kept in a file before that. While windows are open only symbols whose hours of today
        change are worth it.
        """
        if found is not self._found:
            self._found, self._is_kept = found, None
        moved = {symbol: name for symbol, name in found.items() if self._known.get(symbol, name) != name}
        if moved and self._is_kept is None:
            self._is_kept = self._keep()
        if not moved or not self._is_kept:
            return False
        is_needed = recorder.window is None or any(
            recorder.windows_of(self._known[symbol]) != recorder.windows_of(name) for symbol, name in moved.items()
        )
        if is_needed:
            log.warning("segments_changed", symbols=", ".join(f"{symbol}: {name}" for symbol, name in moved.items()))
        return is_needed

    def _keep(self) -> bool:
        try:
            keep_segments(self._settings, {**self._known, **self._found})
        except OSError as error:
            log.error("segments_not_kept", detail=str(error))
            return False
        return True
