"""A small lake of made-up days: recorded by the journal's writer, closed by the host's own close."""

import base64
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.journals import HandClock, HandRecorder, answer

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.close import close_day
from harvester.lake.day.model import Expectation
from harvester.lake.layout import MANIFEST, Partition
from harvester.lake.manifest import FileEntry, Manifest, describe_file, load_manifest, write_manifest

IST = ZoneInfo("Asia/Kolkata")
SYMBOLS = ("NSE:INFY-EQ", "NSE:SBIN-EQ")
INTERVAL_NS = 5 * NS_PER_SECOND
SLOTS = 60
CLOSED_SLOTS = range(20, 26)
NOTE_CHARACTERS = 1_000_000
"""A record of the journal holds little more."""


def open_ns(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T09:15:00").replace(tzinfo=IST).timestamp()) * NS_PER_SECOND


class DayClock(HandClock):
    """A hand's clock on any day."""

    def mono_ns(self) -> int:
        return self.now_ns % (86_400 * NS_PER_SECOND)


@dataclass
class LakeMaker:
    """A host with a journal beside its lake; `raw_bytes` is about what a day's archived segment takes."""

    root: Path
    host: str = "lab1"
    raw_bytes: int = 300_000

    def add_day(self, day: str) -> None:
        """Record a session of SLOTS polls, those in CLOSED_SLOTS missed without a token, and close it.

        A process does so once; later lakes get a copy of the day, which is theirs to change.
        """
        key = (day, self.host, self.raw_bytes)
        if key not in _made:
            maker = replace(self, root=Path(tempfile.mkdtemp(dir=_folder().name)) / "lake")
            maker._record(day)
            _made[key] = maker.root
        shutil.copytree(_made[key], self.root, dirs_exist_ok=True)

    def _record(self, day: str) -> None:
        recorder = self._start(day, open_ns(day))
        end_ns = open_ns(day) + SLOTS * INTERVAL_NS
        recorder.control("window_open", open_ns=open_ns(day), close_ns=end_ns, phases=["continuous"])
        for symbol in SYMBOLS:
            gap_id = f"{day}-{symbol}"
            begin_ns, over_ns = (open_ns(day) + slot * INTERVAL_NS for slot in (CLOSED_SLOTS.start, CLOSED_SLOTS.stop))
            recorder.control(
                "gap_open", gap_id=gap_id, symbols=[symbol], from_ns=begin_ns, cause="no_token", detail="as told"
            )
            recorder.control("gap_close", gap_id=gap_id, to_ns=over_ns)
        for slot in (slot for slot in range(SLOTS) if slot not in CLOSED_SLOTS):
            for index, symbol in enumerate(SYMBOLS):
                body = answer(symbol, ltp=1500 + 10 * index + slot / 20)
                recorder.poll(slot, symbol, body=body, sched_ns=open_ns(day) + slot * INTERVAL_NS)
        self._note(recorder, day)
        recorder.control("window_close")
        recorder.writer.close()  # without a record of the stop, which would be a segment of its own
        self._close(day)

    def add_runs(self, day: str, runs: int = 1) -> list[Path]:
        """Let the recorder run again after the session, and close the day once more; its new segments are returned."""
        before = set(self.root.glob(f"raw/date={day}/*/*"))
        for number in range(runs):
            recorder = self._start(day, open_ns(day) + (3_600 + 60 * number) * NS_PER_SECOND)
            self._note(recorder, f"{day} {number} {len(before)}")
            recorder.stop()
        self._close(day, rebuild=True)
        return sorted(set(self.root.glob(f"raw/date={day}/*/*")) - before)

    def reseal(self, day: str, *named: FileEntry) -> None:
        """A new manifest over the files as they are now, or over `named` ones that need not be there."""
        partition = Partition(date.fromisoformat(day), self.host)
        before = load_manifest(self.root, partition)
        if before is None:
            (self.root / partition.path(MANIFEST)).mkdir(parents=True)
            before = Manifest(day, self.host, 0, "dev", (), ())
        files = named or tuple(describe_file(self.root, self.root / file.path, file.rows) for file in before.files)
        write_manifest(self.root, partition, replace(before, generation=before.generation + 1, files=files))

    def overstate(self, day: str) -> None:
        """Have the day's certificate count an update too many, and the manifest list that certificate."""
        [path] = self.root.glob(f"certificate/date={day}/*/*")
        content = json.loads(path.read_bytes())
        content["symbols"][SYMBOLS[0]]["updates"] += 1
        path.write_text(json.dumps(content))
        self.reseal(day)

    def _start(self, day: str, wall_ns: int) -> HandRecorder:
        journal, clock = self.root.parent / "journal", DayClock(wall_ns)
        return HandRecorder(journal, clock, symbols=SYMBOLS, interval_ns=INTERVAL_NS, segment_bytes=1 << 30)

    def _note(self, recorder: HandRecorder, seed: str) -> None:
        """Fill the segment with what does not compress."""
        noise = hashlib.shake_256(f"{seed}{self.host}".encode()).digest(self.raw_bytes)
        text = base64.b64encode(noise).decode()
        for begin in range(0, len(text), NOTE_CHARACTERS):
            recorder.control("note", content=text[begin : begin + NOTE_CHARACTERS])

    def _close(self, day: str, *, rebuild: bool = False) -> None:
        window = (open_ns(day), open_ns(day) + SLOTS * INTERVAL_NS)
        closing = close_day(
            journal=self.root.parent / "journal",
            lake=self.root,
            partition=Partition(date.fromisoformat(day), self.host),
            expectation=Expectation(SYMBOLS, (window,), INTERVAL_NS, 9 * NS_PER_SECOND),
            now_ns=window[1] + 10_000 * NS_PER_SECOND,
            rebuild=rebuild,
        )
        assert closing.outcome == "closed"
        shutil.rmtree(self.root.parent / "journal")  # the journal's segments are archived, and pruned on a host
        (self.root / ".lock").unlink()


_made: dict[tuple[str, str, int], Path] = {}
"""A lake of one day each, by day, host and `raw_bytes`: files of a day are below directories of that day and host."""


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="made-days-")


def trading_days(wanted: int, last: str = "2026-11-20") -> list[str]:
    """So many weekdays, oldest first, up to `last`."""
    days = (date.fromisoformat(last) - timedelta(back) for back in count())
    weekdays = (day.isoformat() for day in days if day.weekday() < 5)
    return [next(weekdays) for _ in range(wanted)][::-1]


def tree(root: Path) -> dict[str, str]:
    """Every file below `root` with its hash, but those whose names begin with a dot."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
