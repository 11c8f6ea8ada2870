"""The failures of docs/exit-codes.md: how a place is spoilt for each, and what a person must be told then."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from tests.commands.places import BUCKET, DEAD, UNKNOWN, Place, as_nobody, no_room
from tests.recorder.fakes import make_token

EXPIRED, NONE = make_token(1_000_000_000), "x" * 40
TOKEN = ("token-check", "token-file")
DELIVERING = ("deliver", "deliver-raw", "deliver-rows")
DATED = ("sessions", "due", "close", "export", "upload", *DELIVERING, "athena-ddl", "compare-candles")
WRITING = (
    "token-file",
    "secret-file",
    "build",
    "so-far",
    "close",
    "export",
    "cleanup",
    "workers look",
    "workers report",
    "workers pause",
    "workers resume",
    "verify",
    "prune-journal",
    "sessions",
    "health",
    "metrics",
)
CONNECTED = ("notify-test", "renew", "config topics", "upload", "metrics")


@dataclass
class Failure:
    """One way in which a command fails.

    `spoil` makes it happen; `within` surrounds the command; `only` names the commands that it is of, all by default;
    `given` are arguments in place of the command's own; `says` is what standard error holds, or standard output.
    """

    spoil: Callable[[Place], Any]
    says: str
    only: tuple[str, ...] = ()
    within: Callable[[Place], AbstractContextManager[None]] = lambda _: nullcontext()
    given: Callable[[str, list[str]], list[str]] = lambda _, own: own
    stdin: str = ""
    as_nobody: bool = False


def shut(pick: Callable[[Place], Path], mode: int = 0) -> Callable[[Place], Any]:
    """Take the rights of a file or directory."""
    return lambda place: pick(place).chmod(mode)


def no_rights(pick: Callable[[Place], Path], says: str, *only: str, mode: int = 0) -> Failure:
    return Failure(shut(pick, mode), says, only, lambda _: as_nobody(), as_nobody=True)


def dated(day: str) -> Callable[[str, list[str]], list[str]]:
    """The same command for that day."""

    def give(command: str, own: list[str]) -> list[str]:
        if "--date" in own:
            own[own.index("--date") + 1] = day
            return own
        return [*own, "--since" if command == "athena-ddl" else "--date", day]

    return give


@contextmanager
def locked(place: Place) -> Any:
    """Others hold journal and lake."""
    with ExitStack() as stack:
        for path in (place.journal / ".lock", place.lake / ".lock"):
            file = stack.enter_context(path.open("w"))
            flock(file, LOCK_EX)
        yield


def tear(place: Place) -> None:
    """A recorder died: its segment is open, and ends with half a record."""
    path = place.segment.rename(place.segment.with_suffix(".open"))
    path.write_bytes(path.read_bytes()[:-7])


def cut_off(place: Place) -> None:
    """Nothing that the configuration names on the network is there."""
    token = make_token(4_000_000_000, sub="refresh_token")
    stored = {"channels": "json://127.0.0.1:9/\n", "pin": "1234", "refresh-token": token, "app-secret": "A" * 40}
    for name, value in stored.items():
        (place.root / name).write_text(value)
        (place.root / name).chmod(0o600)
    parts = {name.replace("-", "_"): f"file:{place.root}/{name}" for name in ("refresh-token", "pin", "app-secret")}
    place.configure(
        upload=BUCKET,
        metrics={
            "environment": "x",
            "endpoint_url": DEAD,
            "region": "ap-south-1",
            "state_file": f"{place.root}/counted",
        },
        token={"renew": parts | {"state": f"file:{place.root}/state"}},
    )


@contextmanager
def journalctl(place: Place) -> Iterator[None]:
    """A host's journal with one entry."""
    entry = {"__CURSOR": "s=0", "__REALTIME_TIMESTAMP": "1", "MESSAGE": "one"}
    program = place.root / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{json.dumps(entry)}'\n")
    program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{program.parent}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def cut_off_for_an_hour(place: Place) -> None:
    """CloudWatch is not there, and was not an hour ago."""
    (place.root / "sent").write_text('{"away_since_ns": 1}')
    logs = {"group": "/x/y/hosts", "endpoint_url": DEAD, "region": "ap-south-1", "state_file": f"{place.root}/sent"}
    place.configure(logs=logs)


CONFIGURATION = r"config\.json: "
RIGHTS = [
    no_rights(
        lambda place: place.root / "data",
        r"data/(lake|journal|masters).*Permission denied.*(owner|user)",
        *("run", "recover", "build", "so-far", "close", "export", "verify", "prune-journal", "cleanup", "upload"),
    ),
    no_rights(
        lambda place: place.table, r"depth_v3-g\d-\w+\.parquet.*(Permission denied|cannot be read)", "export", "verify"
    ),
    no_rights(lambda place: place.manifest, r"manifest\.json.*denied", "export", "cleanup", "upload", "verify"),
    no_rights(lambda place: place.segment, r"\.seg: .*Permission denied.*owner and mode", "close", "so-far"),
    no_rights(
        lambda place: place.root / "workers",
        r"workers.*(Permission denied|cannot be read).*(owner|Remove)",
        *(
            "workers look",
            "workers report",
            "workers restart",
            "workers pause",
            "workers resume",
            "workers undo-repair",
            "workers show",
        ),
    ),
    no_rights(lambda place: place.root / "incoming", r"incoming: .*Permission denied.*mode 0600", "token-file"),
    no_rights(lambda place: place.root, r"credential: .*Permission denied.*this user's", "token-file", mode=0o500),
    no_rights(lambda place: place.root / "credential", r"credential: .*Permission denied.*0600", "secret-file"),
    no_rights(
        lambda place: place.root, r"secret: it cannot be written \(Permission denied\)", "secret-file", mode=0o500
    ),
    no_rights(lambda place: place.root, r"market_depth.*Permission denied.*--output", "export", mode=0o500),
]
DAMAGE = [
    Failure(lambda place: place.segment.write_bytes(b"garbage" * 100), r"damage: Segment .* has no record", ("close",)),
    Failure(
        lambda place: place.table.write_bytes(b"PAR1 what"),
        r"depth.*(cannot be read.*harvester verify|the manifest says)",
        ("export", "verify"),
    ),
    Failure(
        lambda place: place.manifest.write_text("{"),
        r"manifest\.json: the manifest cannot be trusted.*Restore it",
        ("export", "verify", "cleanup", "upload"),
    ),
]
BAD_PROOF = [
    Failure(lambda place: (place.root / "incoming").write_text(EXPIRED), r"expired.*token-push", TOKEN, stdin=EXPIRED),
    Failure(lambda place: (place.root / "incoming").write_text(NONE), r"not an access token.*", TOKEN, stdin=NONE),
    Failure(lambda place: place.receipt.write_text("{"), r"receipt\.json: not a receipt.*inv cleanup", ("cleanup",)),
    Failure(lambda place: place.receipt.unlink(), r"receipt\.json: .*No such file.*inv cleanup", ("cleanup",)),
    no_rights(lambda place: place.receipt, r"receipt\.json: .*Permission denied.*inv cleanup", "cleanup"),
]
FAILURES: dict[str, list[Failure]] = {
    "configuration": [
        Failure(lambda place: place.config.unlink(), CONFIGURATION + r".*No such file.*--config"),
        no_rights(lambda place: place.config, CONFIGURATION + r".*Permission denied.*--config"),
        Failure(lambda place: place.config.write_text("{"), CONFIGURATION + r"not valid JSON.*config check"),
        Failure(lambda place: place.configure(pol={}), CONFIGURATION + r".*refused.*pol: .*did you mean 'poll'"),
    ],
    "calendar": [Failure(lambda place: place.calendar.write_text("{}"), r"calendar\.json: .*refused.*market: ")],
    "bad date": [Failure(lambda _: None, r"is not a date\. Write it as YYYY-MM-DD", DATED, given=dated("20-11-2026"))],
    "unknown day": [Failure(lambda _: None, rf"{UNKNOWN}.*(Close it|Name another|Newer)", DATED, given=dated(UNKNOWN))],
    "rights": RIGHTS,
    "damage": DAMAGE,
    "full disk": [
        Failure(lambda _: None, r"(File too large|No space).*(space|disk)", WRITING, within=lambda _: no_room()),
        Failure(tear, r"File too large.*recover again", ("recover",), within=lambda _: no_room()),
    ],
    "locked": [Failure(lambda _: None, r"\.lock: another .*(Run the command again later|stop it)", within=locked)],
    "unreachable": [
        Failure(
            cut_off,
            r"(NSE_CM\.csv|127\.0\.0\.1|could not be reached|channel|access token|Watch|s3://b-bucket).*\.",
            CONNECTED,
        ),
        Failure(cut_off_for_an_hour, r"/x/y/hosts: .*127\.0\.0\.1.*next minute", ("send-logs",), within=journalctl),
    ],
    "bad token or receipt": BAD_PROOF,
}


def documented(root: Path) -> dict[tuple[str, str], str]:
    """The cells of the document's table for `harvester`, by command and failure."""
    text = (root / "docs/exit-codes.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") == len(FAILURES) + 2]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {(row[0], failure): cell for row in rows[1:] for failure, cell in zip(rows[0][1:], row[1:], strict=True)}
