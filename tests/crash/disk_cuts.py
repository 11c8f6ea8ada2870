"""Which of the changes that are not durable a power cut may have kept, and the folder that is left then."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

ROOT = 0

Name = tuple[int, str]


class Change(NamedTuple):
    """One thing that is on the disk or not."""

    syncs: frozenset[int]
    """The sync of any of these inodes makes it durable."""
    inode: int = -1
    at: int = 0
    data: bytes | None = None
    size: int | None = None
    names: tuple[tuple[Name, int | None], ...] = ()
    needs: int = -1
    """The change without which this one is never on the disk."""


@dataclass
class Cut:
    """A moment at which the power may go: so many changes were made, these are not durable, that was said."""

    made: int
    loose: tuple[int, ...]
    said: tuple[str, ...]


class State(NamedTuple):
    """What is on the disk after a cut: each path's inode (of a folder: None) and each inode's content."""

    tree: dict[str, int | None]
    contents: dict[int, bytes]
    times: dict[int, int]
    """When each inode was changed last, in ns, where that is known."""
    said: tuple[str, ...]

    def key(self) -> int:
        """Equal states have equal keys."""
        files = tuple((path, inode, self.contents.get(inode or 0)) for path, inode in sorted(self.tree.items()))
        return hash((files, self.said))

    def make(self, folder: Path) -> None:
        """Put it under a new folder."""
        folder.mkdir()
        first: dict[int, Path] = {}
        for path, inode in sorted(self.tree.items()):
            if inode is None:
                (folder / path).mkdir(mode=0o750)
            elif inode in first:
                os.link(first[inode], folder / path)
            else:
                first[inode] = folder / path
                (folder / path).write_bytes(self.contents[inode])
                if inode in self.times:
                    os.utime(folder / path, ns=(self.times[inode], self.times[inode]))


@dataclass
class History:
    """What was there at the start, what was changed since, and the moments for a cut."""

    changes: list[Change] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    folders: set[int] = field(default_factory=lambda: {ROOT})
    first_names: dict[Name, int] = field(default_factory=dict)
    first_contents: dict[int, bytes] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)

    def states(self, seed: int, wanted: int) -> Iterator[State]:
        """So many states, no two equal, that a cut may leave: the sharpest first, the others by chance.

        The sharpest is what is durable and nothing else, each time that the process has told the world something.
        Then come by turns: nothing else at another cut; one changed name alone; everything but one change; any of them;
        and, at the end of this, one change alone or missing at every cut.
        """
        chance = random.Random(seed)
        nothing: frozenset[int] = frozenset()
        told = [cut for before, cut in zip(self.cuts, self.cuts[1:], strict=False) if before.said != cut.said]
        choices = [(told[-1], nothing)] if told else []
        choices += [(cut, nothing) for cut in chance.sample(told, len(told))]
        when: dict[int, list[Cut]] = {}
        for cut in self.cuts:
            for one in cut.loose:
                when.setdefault(one, []).append(cut)
        some = {one: chance.choice(cuts) for one, cuts in when.items()}
        kinds = [
            [(cut, nothing) for cut in self.cuts],
            [(cut, frozenset({one})) for one, cut in some.items() if self.changes[one].names],
            [(cut, frozenset(cut.loose) - {one}) for one, cut in some.items()],
            [(cut, frozenset(one for one in cut.loose if chance.random() < 0.5)) for cut in self.cuts if cut.loose],
        ]
        every = [(cut, frozenset({one})) for one, cuts in when.items() for cut in cuts]
        every += [(cut, frozenset(cut.loose) - {one}) for one, cuts in when.items() for cut in cuts]
        chance.shuffle(every)
        for kind in kinds:
            chance.shuffle(kind)
        choices += [choice for turn in zip_longest(*kinds) for choice in turn if choice]
        choices += [*every, *((cut, frozenset(cut.loose)) for cut in self.cuts)]
        seen: set[int] = set()
        for cut, kept in choices:
            state = self._state(cut, set(kept))
            if (key := state.key()) not in seen:
                seen.add(key)
                yield state
            if len(seen) == wanted:
                return

    def last(self) -> State:
        """What the process saw at its end: must be what is under the root, or the recorder missed a call."""
        return self._state(self.cuts[-1], set(self.cuts[-1].loose))

    def _state(self, cut: Cut, kept: set[int]) -> State:
        for one in sorted(kept, reverse=True):
            needs = self.changes[one].needs
            if needs in cut.loose:
                kept = kept | {needs}
        dropped = set(cut.loose) - kept
        names = dict(self.first_names)
        contents: dict[int, bytearray] = {}
        sizes = {inode: len(data) for inode, data in self.first_contents.items()}
        for number, change in enumerate(self.changes[: cut.made]):
            if number in dropped:
                continue
            for name, inode in change.names:
                if inode is None:
                    names.pop(name, None)
                else:
                    names[name] = inode
            if change.inode >= 0:
                content = contents.setdefault(change.inode, bytearray(self.first_contents.get(change.inode, b"")))
                if change.data is not None:
                    content.extend(bytes(max(0, change.at - len(content))))
                    content[change.at : change.at + len(change.data)] = change.data
                elif change.size is not None:
                    del content[change.size :]
                    sizes[change.inode] = change.size
        tree = dict(self._walk(names, ROOT, ""))
        final = {}
        for inode in {inode for inode in tree.values() if inode is not None}:
            content, size = contents.get(inode, self.first_contents.get(inode, b"")), sizes.get(inode, 0)
            final[inode] = bytes(content[:size]).ljust(size, b"\0")
        return State(tree, final, self.times, cut.said)

    def _walk(self, names: dict[Name, int], folder: int, prefix: str) -> Iterator[tuple[str, int | None]]:
        for (inside, name), inode in names.items():
            if inside == folder:
                is_folder = inode in self.folders
                yield prefix + name, None if is_folder else inode
                if is_folder:
                    yield from self._walk(names, inode, f"{prefix}{name}/")
