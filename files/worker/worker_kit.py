"""What a notebook elsewhere needs to be watched: one file of the standard library, to be copied beside the notebook.

    import worker_kit

    worker = worker_kit.Worker("/content/drive/MyDrive/BTC4T_Champions", name="colab",
                               url="https://...", token=userdata.get("OVERSEER_TOKEN"))
    with worker.reporting("BITCOIN4Traders_Colab.ipynb"):
        for step in range(start, steps):
            train(step)
            worker.write_status(step, loss=loss, gpu="T4")
            if asked := worker.restart_requested():
                save_checkpoint()
                raise worker_kit.RestartRequested(asked["reason"])
        worker.write_status(steps, finished=True)

`folder` is the mailbox, as this machine sees it: a mounted Drive, or a folder that something keeps in step. Nothing
here raises for a mailbox or network that is away: a watched program must not die of being watched. Contract:
docs/workers.md."""

import contextlib
import json
import os
import pathlib
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

STATUS, SIGNAL, REPORT = "colab_status.json", "restart_requested.json", "error_report.json"
SCHEMES = ("https://", "http://127.0.0.1:", "http://localhost:")
"""Where the token may go: over TLS, or through a tunnel that ends on this machine."""
SECONDS = 10
STACK_CHARACTERS, MESSAGE_CHARACTERS = 12_000, 3_500


class RestartRequested(Exception):
    """The overseer asked for a restart; the message is its reason. It is not reported as an error."""


class Worker:
    """This program, its mailbox and, where there is one, the overseer's door."""

    def __init__(self, folder: str, name: str = "colab", url: str = "", token: str = "") -> None:
        self.folder, self.name, self._url, self._token = folder, name, url.rstrip("/"), token
        self._step: float | None = None

    def __repr__(self) -> str:
        return f"Worker({self.folder!r}, name={self.name!r})"

    def write_status(self, step: float, finished: bool = False, **more: Any) -> bool:
        """Show a sign of life: the step must rise from one to the next. True: it is written.

        The file is written in place, so that its id on Drive stays. A value that JSON lacks, such as a tensor, becomes
        text."""
        self._step = step
        fields = {"worker": self.name, "timestamp": _now(), "iteration": step, "finished": finished, **more}
        return self._write(STATUS, fields)

    def report(self, error: BaseException, notebook: str = "") -> list[str]:
        """Report an error through both doors; the doors that took it. The overseer counts it once."""
        stack = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        fields = {
            "notebook_id": notebook,
            "error_type": type(error).__name__,
            "error_message": str(error)[:MESSAGE_CHARACTERS],
            "stacktrace": stack[-STACK_CHARACTERS:],
            "iteration": self._step,
            "timestamp": _now(),
        }
        doors = ["mailbox"] if self._write(REPORT, fields) else []
        return [*doors, "url"] if self._post(fields) else doors

    def restart_requested(self) -> "dict[str, Any] | None":
        """The overseer's signal, once: it is cleared by being read. None: nobody asked."""
        path = pathlib.Path(self.folder, SIGNAL)
        try:
            asked = json.loads(path.read_bytes())
            path.unlink()
        except (OSError, ValueError):  # not there, or half of it: the next look has it whole
            return None
        return asked if isinstance(asked, dict) else None

    @contextlib.contextmanager
    def reporting(self, notebook: str = "") -> Iterator[None]:
        """Report what ends the block, and let it end."""
        try:
            yield
        except (RestartRequested, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            self.report(error, notebook)
            raise

    def _write(self, name: str, fields: "dict[str, Any]") -> bool:
        try:
            text = json.dumps(fields, default=str)
            with pathlib.Path(self.folder, name).open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, ValueError, TypeError):
            return False
        return True

    def _post(self, fields: "dict[str, Any]") -> bool:
        if not self._url.startswith(SCHEMES):
            return False
        headers = {"Content-Type": "application/json", "X-API-Token": self._token}
        try:
            request = urllib.request.Request(  # noqa: S310  # SCHEMES
                self._url + "/report_error", json.dumps(fields).encode(), headers, method="POST"
            )
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, ValueError):  # URLError is an OSError; ValueError: no URL
            return False


def _now() -> str:
    return datetime.now(UTC).isoformat()
