"""How each remedy of docs/remedies.md that needs no booted host comes about, by the name in its last column."""

import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.commands.failures import tear
from tests.commands.places import CLOSED, PENDING, no_room
from tests.commands.remedies.world import World

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.manifest import describe_file

Words = Sequence[str]


@dataclass
class Case:
    """A remedy and the state that it ends.

    `before` are commands that prepare, `spoil` makes the state, `ask` is the command that prints the remedy then,
    within `within`. `by_hand` is what a person does besides the commands, before them; `runs` says which of the
    commands named are run; `fill` has what a person puts in place of a word. `looks` are commands that only look, with
    what they must show, and `mend` is what such a look leads to. At the end `again`, `ask` by default, ends well.
    """

    spoil: Callable[[World], object]
    ask: Words
    before: Sequence[Words] = ()
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    by_hand: Callable[[World, str], object] = lambda *_: None
    runs: Callable[[Words], bool] = lambda _: True
    fill: dict[str, str] = field(default_factory=dict)
    looks: dict[str, str] = field(default_factory=dict)
    mend: Callable[[World, str], object] = lambda *_: None
    again: Words = ()
    slow: bool = False
    """Whether it takes several seconds, and another case follows the same way."""


def flip(path: Path) -> None:
    """Another byte, the same size."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def blank(path: Path) -> None:
    """All values between head and footer are gone, the same size."""
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:4] + bytes(len(content) - 4 - footer) + content[-footer:])


def rebuild(world: World, said: str) -> None:
    """What `harvester verify` names."""
    found = re.search(r"(harvester close --date \S+ --rebuild) builds it again", said)
    assert found, said
    world.do(*found[1].split())


def replace_manifest(world: World, said: str) -> None:
    """What is said of a damaged manifest: it is moved away, and the day closed."""
    found = re.search(r"(/\S+): the manifest .* move it away and run (harvester close --date \S+\w)", said)
    assert found, said
    Path(found[1]).rename(world.place.root / "moved")
    world.do(*found[2].split())


def close_with_receipt(world: World) -> None:
    """The day before is closed, and a receipt names its files; its journal is still there."""
    world.do("harvester", "close", "--date", PENDING)
    world.wall_ns += 24 * 3_600 * NS_PER_SECOND
    lake = world.place.lake
    described = [describe_file(lake, path, 1) for path in sorted(lake.glob(f"*/date={PENDING}/*/*.*"))]
    content = [{"path": each.path, "sha256": each.sha256} for each in described if "/manifest" not in each.path]
    world.place.receipt.write_text(json.dumps({"format": 1, "files": content}))


def look_at_a_bucket(world: World) -> None:
    world.upload_to("first", proof="s3")
    world.do("harvester", "upload")
    world.do("harvester", "upload", "--attest")


def look_at_another(world: World) -> None:
    look_at_a_bucket(world)
    world.upload_to("second", proof="s3")
    world.do("harvester", "upload")


def look_of_before(world: World) -> None:
    look_at_a_bucket(world)
    path = next((world.place.root / "data/uploads").glob("*attested*"))
    content = json.loads(path.read_bytes())
    content["verified_at"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    path.write_text(json.dumps(content))


def upload_damaged(world: World) -> None:
    world.upload_to("bucket")
    flip(world.place.table)


def set_fault(text: str) -> None:
    """What the host's ssh does before a command."""
    os.environ["SSH_FAULT"] = text


PULL = ("./inv", "pull-data", "--raw")
QUERY = ("./inv", "query", "select count(*) from depth")
EXPORT = ("harvester", "export", "--csv", "--date", CLOSED, "--output", "{root}/csv")
CLEANUP = ("harvester", "cleanup", "--plan", "--keep-days", "0", "--receipt")
ATTESTED = (*CLEANUP, "{root}/data/uploads/attested.json")
UPLOAD = ("harvester", "upload")
WRONG_THERE = {"harvester verify": "FAILED"}
WRONG_HERE = {"./inv verify-data": "wrong"}
SEEN = {"./inv status": "lab1"}

CASES: dict[str, Case] = {
    "no configuration": Case(
        lambda world: world.place.config.rename(world.place.root / "kept"),
        ("harvester", "sessions"),
        by_hand=lambda world, _: (world.place.root / "kept").rename(world.place.config),
        runs=lambda _: False,
    ),
    "configuration no JSON": Case(
        lambda world: world.place.config.write_text("{"),
        ("harvester", "sessions"),
        by_hand=lambda world, _: world.place.configure(),
    ),
    "no room to repair a segment": Case(lambda world: tear(world.place), ("harvester", "recover"), within=no_room),
    "segment left open": Case(
        lambda world: world.place.segment.rename(world.place.segment.with_suffix(".open")),
        ("harvester", "close", "--date", PENDING),
    ),
    "manifest damaged on the host": Case(
        lambda world: world.place.manifest.write_text("{"),
        EXPORT,
        by_hand=replace_manifest,
    ),
    "table damaged on the host, export": Case(
        lambda world: world.place.table.write_bytes(b"PAR1 what"), EXPORT, looks=WRONG_THERE, mend=rebuild
    ),
    "table damaged on the host": Case(lambda world: flip(world.place.table), ("harvester", "verify")),
    "table missing on the host, export": Case(
        lambda world: world.place.table.unlink(), EXPORT, looks=WRONG_THERE, mend=rebuild
    ),
    "day not closed, export": Case(
        lambda world: None, ("harvester", "export", "--csv", "--date", PENDING, "--output", "{root}/csv")
    ),
    "journal not pruned, clean-up": Case(close_with_receipt, (*CLEANUP, "{root}/receipt.json")),
    "table damaged on the host, clean-up": Case(
        lambda world: flip(world.place.table), (*CLEANUP, "{root}/receipt.json"), looks=WRONG_THERE, mend=rebuild
    ),
    "look at another bucket": Case(look_at_another, ATTESTED, slow=True),
    "look that is old": Case(look_of_before, ATTESTED, slow=True),
    "no look at the bucket": Case(
        lambda world: (world.upload_to("bucket"), world.do(*UPLOAD)),
        (*CLEANUP, "{root}/receipt.json"),
        runs=lambda words: words[0] == "harvester",
        again=(*CLEANUP, "{root}/receipt.json", "--receipt", "{root}/data/uploads/attested.json"),
    ),
    "table damaged on the host, upload": Case(upload_damaged, UPLOAD, looks=WRONG_THERE, mend=rebuild, slow=True),
    "manifest damaged on the host, pull": Case(
        lambda world: world.place.manifest.write_text("{"),
        PULL,
        looks={"harvester verify": "cannot be trusted"},
        mend=replace_manifest,
        slow=True,
    ),
    "table damaged on the host, pull": Case(
        lambda world: flip(world.place.table), PULL, looks=WRONG_THERE, mend=rebuild
    ),
    "table cut short on the host, pull": Case(
        lambda world: world.place.table.write_bytes(b"PAR1"), PULL, looks=WRONG_THERE, mend=rebuild, slow=True
    ),
    "table missing on the host, pull": Case(
        lambda world: world.place.table.unlink(), PULL, looks=WRONG_THERE, mend=rebuild, slow=True
    ),
    "rsync fails, pull": Case(
        lambda _: set_fault('case "$*" in *--server*) exit 12 ;; esac'),
        PULL,
        looks=SEEN,
        mend=lambda *_: set_fault(""),
        slow=True,
    ),
    "no lake on the host, pull": Case(
        lambda world: world.place.lake.rename(world.place.root / "later"),
        PULL,
        looks=SEEN,
        mend=lambda world, _: (world.place.root / "later").rename(world.place.lake),
        slow=True,
    ),
    "nothing pulled, query": Case(lambda world: None, QUERY, slow=True),
    "manifest damaged here": Case(lambda world: world.pulled("manifest").write_text("{"), QUERY, before=[PULL]),
    "table damaged here, query": Case(
        lambda world: blank(world.pulled("depth")),
        ("./inv", "query", "select sum(bid_px_paise_1), max(run_id), max(ts_recv) from depth"),
        before=[PULL],
        looks=WRONG_HERE,
        slow=True,
    ),
    "unknown symbol": Case(
        lambda world: None,
        ("./inv", "verify-data", "--symbols", "NSE:INFI-EQ"),
        before=[PULL],
        looks={"./inv query": "NSE:INFY-EQ"},
        again=("./inv", "verify-data", "--symbols", "NSE:INFY-EQ"),
        slow=True,
    ),
    "trading day missing": Case(
        lambda world: None,
        ("./inv", "verify-data", "--since", "2026-11-19", "--until", CLOSED),
        before=[PULL],
        fill={"DAY": "2026-11-19"},
    ),
}
