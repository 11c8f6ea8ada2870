"""A journal and a lake in a temporary directory, and the closing of their one day."""

import hashlib
import json
import shutil
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, INTERVAL_NS, OPEN_NS, SYMBOLS, HandClock, HandRecorder
from tests.lake_rows import rows
from tests.storage.lake.sockets import CLOSE_NS, SocketRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.close import Closing, close_day
from harvester.lake.day.model import Expectation
from harvester.lake.gaps.polls import GapRow, read_gaps
from harvester.lake.layout import Partition, table_of

SLOTS = 20
PARTITION = Partition(DAY, "lab1")
AFTER_NS = OPEN_NS + 3_600 * NS_PER_SECOND


@dataclass
class Place:
    """One host's data directory, whose session on DAY has SLOTS slots."""

    root: Path
    clock: HandClock = field(default_factory=HandClock)
    partition: Partition = PARTITION

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    def start(self, **options: Any) -> HandRecorder:
        return HandRecorder(self.journal, self.clock, **options)

    def record_all(self) -> None:
        """A perfect session."""
        recorder = self.start()
        recorder.open_window(SLOTS)
        recorder.poll_all(*range(SLOTS))
        recorder.close_window(SLOTS)
        recorder.stop()

    def expectation(self, **changes: Any) -> Expectation:
        window = (OPEN_NS, OPEN_NS + SLOTS * INTERVAL_NS)
        plain = {"symbols": SYMBOLS, "windows": (window,), "interval_ns": INTERVAL_NS, "grace_ns": 9 * NS_PER_SECOND}
        return Expectation(**{**plain, **changes})

    def close(self, *, now_ns: int = AFTER_NS, rebuild: bool = False, explain: str = "", **changes: Any) -> Closing:
        return close_day(
            journal=self.journal,
            lake=self.lake,
            partition=self.partition,
            expectation=self.expectation(**changes),
            now_ns=now_ns,
            rebuild=rebuild,
            explain=explain,
        )

    def current(self, kind: str) -> Path:
        """The file of a kind that the manifest lists; the first archived segment of several."""
        manifest = json.loads((self.lake / self.partition.path("manifest") / "manifest.json").read_bytes())
        return self.lake / next(e["path"] for e in manifest["files"] if table_of(e["path"].split("/", 1)[0]) == kind)

    def certificate(self) -> dict[str, Any]:
        return json.loads(self.current("certificate").read_bytes())

    def rows(self) -> list[dict[str, Any]]:
        return rows(self.current("depth"))

    def gaps(self, symbol: str = SYMBOLS[0]) -> list[GapRow]:
        return [gap for gap in read_gaps(self.current("gaps")) if gap.symbol == symbol]

    def causes(self, symbol: str = SYMBOLS[0]) -> dict[str, int]:
        return self.certificate()["symbols"][symbol]["gaps_by_cause"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="session")
def once_closed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A perfect session that was closed. Not to be changed."""
    place = Place(tmp_path_factory.mktemp("closed"))
    place.record_all()
    place.close()
    return place


@pytest.fixture
def closed(place: Place, once_closed: Place) -> Place:
    """The same as a copy."""
    shutil.copytree(once_closed.root, place.root, dirs_exist_ok=True)
    place.clock = copy(once_closed.clock)
    return place


@pytest.fixture
def streamed(tmp_path: Path) -> "StreamedPlace":
    return StreamedPlace(tmp_path)


@dataclass
class StreamedPlace(Place):
    """One host's data directory, whose session has no polls unless a test makes some."""

    def sockets(self, **options: Any) -> SocketRecorder:
        return SocketRecorder(self.journal, self.clock, **options)

    def expectation(self, **changes: Any) -> Expectation:
        plain = {"symbols": (), "windows": ((OPEN_NS, CLOSE_NS),), "interval_ns": None, "grace_ns": NS_PER_SECOND}
        return Expectation(**{**plain, **changes})

    def table(self, kind: str, symbol: str | None = None) -> list[dict[str, Any]]:
        return [row for row in rows(self.current(kind)) if symbol in (None, row["symbol"])]

    def facts(self, symbol: str, feed: str = "fyers-hsm") -> dict[str, Any]:
        return self.certificate()["streams"][feed]["symbols"][symbol]

    def lost(self, symbol: str, feed: str = "fyers-hsm") -> list[tuple[float, float, str]]:
        """Gaps of a symbol in seconds after the opening, with their causes."""
        rows = [gap for gap in self.gaps(symbol) if gap.feed == feed]
        return [((g.from_ns - OPEN_NS) / NS_PER_SECOND, (g.to_ns - OPEN_NS) / NS_PER_SECOND, g.cause) for g in rows]


@pytest.fixture
def receipt(closed: Place, tmp_path: Path) -> Path:
    """What a pull writes after hashing every file."""
    files = [
        {
            "path": p.relative_to(closed.lake).as_posix(),
            "bytes": p.stat().st_size,
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
        }
        for p in sorted(closed.lake.glob(f"*/date={closed.partition.date}/host=*/*"))
        if "manifest" not in p.parts
    ]
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps({"format": 1, "host": "lab1", "verified_at": "2026-11-28T10:00:00Z", "files": files}))
    return path
