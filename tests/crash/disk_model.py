"""A disk that keeps what was synced, and of the rest whatever it likes: made of the calls that a process really made.

What POSIX promises and no more: an fsync makes the bytes and the size of a file durable, or the names in a directory,
as they were when it began. Everything else since, each page of a write, each size, each new, changed or removed name,
may be on the disk or not, in any order. Two things are not split, as on every file system with a journal: a rename
within a directory, and, between directories, a name is gone from the old one only when it is in the new one.
A page that is not there reads as zeros.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from tests.crash.disk_trace import Call, read

PAGE = 4096
ROOT = 0
IGNORED = {"sync", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate", "creat", "symlink", "symlinkat"}
"""Calls that the work does not make under the root; one that it does make stops the test."""

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
class Node:
    """A file or directory as the process sees it."""

    is_folder: bool
    size: int = 0


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
class Disk:
    """The tree under `root` from its start, all of it durable, through the calls of a trace."""

    root: Path
    says: Path
    """What the process writes to this file, outside the root, it tells the world."""
    sick: dict[str, bytes] = field(default_factory=dict)
    """Files of the start whose sync failed once: the process reads their bytes, the disk has these instead."""
    changes: list[Change] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._nodes: list[Node] = [Node(True)]
        self._now: dict[Name, int] = {}
        self._start: dict[int, bytes] = {}
        self._begun: dict[int, tuple[int, int]] = {}
        self._loose: list[int] = []
        self._said: list[str] = []
        self._position: dict[int, int] = {}
        self._times: dict[int, int] = {}
        seen: dict[tuple[int, int], int] = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            inode = seen.setdefault((status.st_dev, status.st_ino), len(self._nodes))
            if inode == len(self._nodes):
                self._nodes.append(Node(path.is_dir(), 0 if path.is_dir() else status.st_size))
                if not path.is_dir():
                    self._start[inode] = self.sick.get(path.relative_to(self.root).as_posix(), path.read_bytes())
            self._now[self._place(path)] = inode
        self._first_names = dict(self._now)
        self._first_sizes = {inode: len(data) for inode, data in self._start.items()}

    def replay(self, trace: Path) -> None:
        """Take in the calls; a moment for a cut is after each of them that changed, synced or said something."""
        self._cut()
        for call, has_ended in read(trace):
            if not has_ended:
                self._begin(call)
            elif call.result >= 0 and getattr(self, f"_do_{call.name}", self._do_other)(call):
                self._cut()
        files = ((path, self._inode(path)) for path in self.root.rglob("*") if path.is_file())
        self._times = {inode: path.stat().st_mtime_ns for path, inode in files if inode is not None}

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
        names = dict(self._first_names)
        contents: dict[int, bytearray] = {}
        sizes = dict(self._first_sizes)
        for number, change in enumerate(self.changes[: cut.made]):
            if number in dropped:
                continue
            for name, inode in change.names:
                if inode is None:
                    names.pop(name, None)
                else:
                    names[name] = inode
            if change.inode >= 0:
                content = contents.setdefault(change.inode, bytearray(self._start.get(change.inode, b"")))
                if change.data is not None:
                    content.extend(bytes(max(0, change.at - len(content))))
                    content[change.at : change.at + len(change.data)] = change.data
                elif change.size is not None:
                    del content[change.size :]
                    sizes[change.inode] = change.size
        tree = dict(self._walk(names, ROOT, ""))
        final = {}
        for inode in {inode for inode in tree.values() if inode is not None}:
            content, size = contents.get(inode, self._start.get(inode, b"")), sizes.get(inode, 0)
            final[inode] = bytes(content[:size]).ljust(size, b"\0")
        return State(tree, final, self._times, cut.said)

    def _walk(self, names: dict[Name, int], folder: int, prefix: str) -> Iterator[tuple[str, int | None]]:
        for (inside, name), inode in names.items():
            if inside == folder:
                is_folder = self._nodes[inode].is_folder
                yield prefix + name, None if is_folder else inode
                if is_folder:
                    yield from self._walk(names, inode, f"{prefix}{name}/")

    # The calls.

    def _begin(self, call: Call) -> None:
        inode = self._inode(call.descriptors[0][1]) if call.descriptors else None
        self._begun[id(call)] = (-1 if inode is None else inode, len(self.changes))

    def _do_openat(self, call: Call) -> bool:
        path, flags = call.paths()[0], call.words[2].split("|")
        self._position[call.result] = -1 if "O_APPEND" in flags else 0
        if not self._is_ours(path):
            return False
        inode = self._inode(path)
        if inode is None:
            assert "O_CREAT" in flags, f"{path} was never seen to come"
            self._give_name(path, self._new(is_folder=False))
            return True
        if "O_TRUNC" in flags and self._nodes[inode].size:
            self._resize(inode, 0)
            return True
        return False

    def _do_write(self, call: Call) -> bool:
        descriptor, path = call.descriptors[0]
        if path == self.says:
            self._said += call.texts[0].decode().split("\n")[:-1]
            return True
        inode = self._begun[id(call)][0]
        if inode < 0:
            return False
        at = self._position[descriptor]
        self._write(inode, self._nodes[inode].size if at < 0 else at, call.texts[0][: call.result])
        if at >= 0:
            self._position[descriptor] = at + call.result
        return True

    def _do_pwrite64(self, call: Call) -> bool:
        inode = self._begun[id(call)][0]
        if inode >= 0:
            self._write(inode, int(call.words[3]), call.texts[0][: call.result])
        return inode >= 0

    def _do_lseek(self, call: Call) -> bool:
        descriptor = call.descriptors[0][0] if call.descriptors else -1
        if self._position.get(descriptor, -1) >= 0:
            self._position[descriptor] = call.result
        return False

    def _do_ftruncate(self, call: Call) -> bool:
        inode = self._begun[id(call)][0]
        if inode >= 0:
            self._resize(inode, int(call.words[1]))
        return inode >= 0

    def _do_truncate(self, call: Call) -> bool:
        inode = self._inode(call.paths()[0])
        if inode is not None:
            self._resize(inode, int(call.words[1]))
        return inode is not None

    def _do_fsync(self, call: Call) -> bool:
        inode, before = self._begun[id(call)]
        self._settle({one for one in self._loose if one < before and inode in self.changes[one].syncs})
        return inode >= 0

    _do_fdatasync = _do_fsync

    def _do_syncfs(self, call: Call) -> bool:
        inode, before = self._begun[id(call)]
        self._settle({one for one in self._loose if one < before} if inode >= 0 else set())
        return inode >= 0

    def _do_mkdir(self, call: Call) -> bool:
        path = call.paths()[0]
        if self._is_ours(path):
            self._give_name(path, self._new(is_folder=True))
        return self._is_ours(path)

    _do_mkdirat = _do_mkdir

    def _do_link(self, call: Call) -> bool:
        source, target = call.paths()
        if not self._is_ours(target):
            return False
        self._give_name(target, self._there(source))
        return True

    _do_linkat = _do_link

    def _do_unlink(self, call: Call) -> bool:
        path = call.paths()[0]
        if self._is_ours(path):
            place = self._place(path)
            del self._now[place]
            self._change(Change(frozenset({place[0]}), names=((place, None),)))
        return self._is_ours(path)

    _do_unlinkat = _do_rmdir = _do_unlink

    def _do_rename(self, call: Call) -> bool:
        source, target = call.paths()
        if not self._is_ours(target):
            return False
        inode, old, new = self._there(source), self._place(source), self._place(target)
        del self._now[old]
        self._now[new] = inode
        if old[0] == new[0]:
            self._change(Change(frozenset({old[0]}), names=((old, None), (new, inode))))
            return True
        self._change(Change(frozenset({new[0]}), names=((new, inode),)))
        self._change(Change(frozenset({old[0]}), names=((old, None),), needs=len(self.changes) - 1))
        return True

    _do_renameat = _do_renameat2 = _do_rename

    def _do_other(self, call: Call) -> bool:
        assert call.name in IGNORED, f"the recorder knows no {call.name}"
        about = [path for _, path in call.descriptors] + (call.paths() if "write" not in call.name else [])
        assert not any(map(self._is_ours, about)), f"the work makes a call that is not modelled: {call}"
        return False

    # What they do.

    def _write(self, inode: int, at: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            length = min(PAGE - (at + done) % PAGE, len(data) - done)
            self._change(Change(frozenset({inode}), inode, at + done, data[done : done + length]))
            done += length
        if at + len(data) > self._nodes[inode].size:
            self._resize(inode, at + len(data))

    def _resize(self, inode: int, size: int) -> None:
        self._nodes[inode].size = size
        self._change(Change(frozenset({inode}), inode, size=size))

    def _new(self, *, is_folder: bool) -> int:
        self._nodes.append(Node(is_folder))
        return len(self._nodes) - 1

    def _give_name(self, path: Path, inode: int) -> None:
        place = self._place(path)
        self._now[place] = inode
        self._change(Change(frozenset({place[0]}), names=((place, inode),)))

    def _change(self, change: Change) -> None:
        self._loose.append(len(self.changes))
        self.changes.append(change)

    def _settle(self, durable: set[int]) -> None:
        durable |= {self.changes[one].needs for one in durable}
        self._loose = [one for one in self._loose if one not in durable]

    def _cut(self) -> None:
        self.cuts.append(Cut(len(self.changes), tuple(self._loose), tuple(self._said)))

    def _is_ours(self, path: Path) -> bool:
        return self.root == path or self.root in path.parents

    def _inode(self, path: Path) -> int | None:
        if not self._is_ours(path):
            return None
        inode = ROOT
        for part in path.relative_to(self.root).parts:
            found = self._now.get((inode, part))
            if found is None:
                return None
            inode = found
        return inode

    def _there(self, path: Path) -> int:
        inode = self._inode(path)
        assert inode is not None, f"{path} was never seen to come"
        return inode

    def _place(self, path: Path) -> Name:
        return self._there(path.parent), path.name
