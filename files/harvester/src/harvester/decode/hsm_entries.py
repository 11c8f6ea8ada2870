"""Where the entries of data-socket feed frames lie: all frames are walked side by side, one entry each a round."""

from dataclasses import dataclass

import numpy as np

from harvester.decode.frames import Columns, Flags, FrameBatch, Ints, Leftover, Octets, Reason
from harvester.decode.hsm_layout import LITE, SNAPSHOT, UPDATE, Topic

HEADER_SIZE = 9
FEW = 24
"""Below so many frames, walking them one by one is cheaper than a round of array operations."""
FRAME, ENTRY, ROUND = 2, 1, 150
"""What a frame costs when it is walked, an entry of it, and a round of any number of frames, beside each other."""


@dataclass(frozen=True)
class Entries(Columns):
    """Entries in order of arrival: frame number, offset in the batch's buffer, form and size in bytes."""

    frame: Ints
    start: Ints
    form: Octets
    size: Ints

    def __len__(self) -> int:
        return len(self.frame)


def _snapshot_sizes(octets: Octets, at: Ints) -> Ints:
    size = 4 + octets[at + 3].astype(np.int64)
    size += 1 + 4 * octets[at + size].astype(np.int64) + 5
    for _text in range(3):
        size += 1 + octets[at + size].astype(np.int64)
    return size


def _sizes(octets: Octets, at: Ints, form: Octets) -> Ints:
    """Size of the entry at each place as its own counts give it; 0 for an unknown form."""
    size = octets[at + 3].astype(np.int64)
    size *= 4
    size += 4
    other = np.flatnonzero(form != UPDATE)
    if other.size:
        size[other] = np.where(form[other] == LITE, 7, 0)
        snapshots = np.flatnonzero(form == SNAPSHOT)
        size[snapshots] = _snapshot_sizes(octets, at[snapshots])
    return size


class _Walk:
    """One pass over the feed frames of a batch."""

    def __init__(self, batch: FrameBatch) -> None:
        self.batch = batch
        self.found: list[Entries] = []
        self.leftovers: list[Leftover] = []

    def leave(self, frames: Ints, starts: Ints, reason: Reason) -> None:
        begins, ends = self.batch.starts, self.batch.ends
        for frame, start in zip(frames.tolist(), starts.tolist(), strict=True):
            begin = int(begins[frame])
            self.leftovers.append(Leftover(frame, start - begin, int(ends[frame]) - begin, reason))

    def round(self, frame: Ints, at: Ints, end: Ints) -> tuple[Flags, Ints]:
        """Take the entry at each place: which are whole, and where the next would begin."""
        octets = self.batch.octets
        form = octets[at]
        size = _sizes(octets, at, form)
        following = at + size
        whole = (following <= end) & (size != 0) & (at < end)
        if whole.all():
            self.found.append(Entries(frame, at, form, size))
            return whole, following
        bad = ~whole
        alien = bad & (size == 0) & (at < end)
        cut = bad & ~alien
        self.leave(frame[alien], at[alien], Reason.UNKNOWN_ENTRY)
        self.leave(frame[cut], at[cut], Reason.TRUNCATED)
        self.found.append(Entries(frame[whole], at[whole], form[whole], size[whole]))
        return whole, following

    def one_by_one(self, frames: Ints, places: Ints, left: Ints) -> None:
        """The rest of some frames."""
        raw, ends = self.batch.raw, self.batch.ends
        starts: list[int] = []
        counts = []
        for frame, place, count in zip(frames.tolist(), places.tolist(), left.tolist(), strict=True):
            at, end, before = place, int(ends[frame]), len(starts)
            reason = None
            for _ in range(count):
                form = raw[at]
                size = 4 + 4 * raw[at + 3] if form == UPDATE else self._size(at, form)
                if at + size > end or not size:
                    reason = Reason.UNKNOWN_ENTRY if at < end and not size else Reason.TRUNCATED
                    break
                starts.append(at)
                at += size
            if reason or at < end:
                self.leave(np.array([frame]), np.array([at]), reason or Reason.TRAILING)
            counts.append(len(starts) - before)
        at = np.array(starts, np.int64)
        form = self.batch.octets[at]
        self.found.append(Entries(np.repeat(frames, counts), at, form, _sizes(self.batch.octets, at, form)))

    def _size(self, at: int, form: int) -> int:
        """Size of an entry that is no update; 0 for an unknown form."""
        if form == SNAPSHOT:
            return int(_snapshot_sizes(self.batch.octets, np.array([at]))[0])
        return 7 if form == LITE else 0

    def run(self, frame: Ints) -> None:
        at = self.batch.starts[frame] + HEADER_SIZE
        end = self.batch.ends[frame]
        left = self.batch.octets[at - 2].astype(np.int64) << 8 | self.batch.octets[at - 1]
        while frame.size:
            done = left == 0
            if done.any():
                trailing = done & (at < end)
                self.leave(frame[trailing], at[trailing], Reason.TRAILING)
                frame, at, end, left = (column[~done] for column in (frame, at, end, left))
            if frame.size < FEW or frame.size * FRAME + int(left.sum()) * ENTRY < int(left.max()) * ROUND:
                self.one_by_one(frame, at, left)
                return
            whole, at = self.round(frame, at, end)
            left = left - 1
            if not whole.all():
                frame, at, end, left = (column[whole] for column in (frame, at, end, left))

    def entries(self) -> Entries:
        if len(self.found) == 1:
            return self.found[0]
        none = np.empty(0, np.int64)
        together = Entries.join([Entries(none, none, np.empty(0, np.uint8), none), *self.found])
        return together.pick(np.argsort(together.start, kind="stable"))


def locate(batch: FrameBatch, frames: Ints) -> tuple[Entries, list[Leftover]]:
    """The entries of the feed frames numbered `frames`, and what of them is no entry."""
    walk = _Walk(batch)
    walk.run(frames)
    return walk.entries(), walk.leftovers


def read_topic(raw: bytes, at: int) -> tuple[Topic, int, int]:
    """The topic that the whole snapshot entry at `at` describes, its number of values and where they begin."""
    name_end = at + 4 + raw[at + 3]
    count = raw[name_end]
    scale = name_end + 1 + 4 * count + 2
    multiplier = raw[scale] << 8 | raw[scale + 1]
    texts, place = [], scale + 3
    for _ in range(3):
        end = place + 1 + raw[place]
        texts.append(_text(raw[place + 1 : end]))
        place = end
    return Topic(_text(raw[at + 4 : name_end]), multiplier, raw[scale + 2], *texts), count, name_end + 1


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
