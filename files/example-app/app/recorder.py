"""Records the broker's quotes into PostgreSQL, and says at /health whether it does.

Every three seconds it asks for the symbols of $SYMBOLS: 20 calls a minute of the 200 that the broker allows an account,
which it shares with the harvester. What fails is said and tried again; SIGTERM ends it in order.
"""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from tables import Quote, write

QUOTES = "https://api-t1.fyers.in/data/quotes?symbols="
INDIA = ZoneInfo("Asia/Kolkata")
EVERY_SECONDS, FRESH_SECONDS, ANSWER_SECONDS = 3.0, 60.0, 10.0


class Recorder:
    """Asks and writes in a thread of its own; what it last did is for /health."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self.answers = self.ticks = 0
        self.trouble = "nothing was recorded yet"
        self.recorded_at = float("-inf")
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Returns when what is being written has been written."""
        self.ending.set()
        self._thread.join()

    def health(self) -> dict[str, Any]:
        """Healthy is what has written within a minute."""
        fresh = time.monotonic() - self.recorded_at < FRESH_SECONDS
        return {"ok": fresh, "answers": self.answers, "ticks": self.ticks, "trouble": self.trouble}

    def _run(self) -> None:
        while not self.ending.is_set():
            try:
                with psycopg.connect(autocommit=True, connect_timeout=5) as connection:
                    self._record(connection)
            except (OSError, ValueError, KeyError, psycopg.Error) as error:
                self.trouble = " ".join(str(error).split())
                print(f"trouble: {self.trouble}", file=sys.stderr, flush=True)
                self.ending.wait(EVERY_SECONDS)

    def _record(self, connection: psycopg.Connection) -> None:
        seen: dict[int, Quote] = {}
        while not self.ending.is_set():
            self.ticks += write(connection, datetime.now(INDIA).date(), ask(), seen)
            self.answers += 1
            self.trouble, self.recorded_at = "", time.monotonic()
            self.ending.wait(EVERY_SECONDS)


def ask() -> dict[str, Any]:
    """The broker's answer. Raises OSError (urllib's errors are) and ValueError."""
    token = f"{os.environ['FYERS_APP_ID']}:{os.environ['FYERS_ACCESS_TOKEN']}"
    request = urllib.request.Request(QUOTES + os.environ["SYMBOLS"], headers={"Authorization": token})  # noqa: S310  # https
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  # https
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    """/health answers 200 or 503, with a JSON object."""

    recorder: Recorder

    def do_GET(self) -> None:
        found = self.recorder.health()
        body = json.dumps(found).encode()
        self.send_response(404 if self.path != "/health" else 200 if found["ok"] else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    Handler.recorder = recorder = Recorder()
    server = ThreadingHTTPServer(("0.0.0.0", 8000), Handler)  # noqa: S104  # of the container; the host publishes it on 127.0.0.1
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    recorder.start()
    print(f"recording {os.environ['SYMBOLS']}", flush=True)
    server.serve_forever()
    recorder.end()
    print(f"ended after {recorder.answers} answers and {recorder.ticks} ticks", flush=True)


if __name__ == "__main__":
    main()
