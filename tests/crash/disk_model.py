"""A disk that keeps what was synced, and of the rest whatever it likes: made of the calls that a process really made.

What POSIX promises and no more: an fsync makes the bytes and the size of a file durable, or the names in a directory,
as they were when it began. Everything else since, each page of a write, each size, each new, changed or removed name,
may be on the disk or not, in any order. Two things are not split, as on every file system with a journal: a rename
within a directory, and, between directories, a name is gone from the old one only when it is in the new one.
A page that is not there reads as zeros.
"""

from pathlib import Path

from tests.crash.disk_cuts import ROOT, Change, Cut, History, Name
from tests.crash.disk_trace import Call, read

PAGE = 4096
IGNORED = {"sync", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate", "creat", "symlink", "symlinkat"}
"""Calls that the work does not make under the root; one that it does make stops the test."""


class Disk:
    """The tree under `root` from its start, all of it durable, through the calls of a trace."""

    def __init__(self, root: Path, says: Path, sick: dict[str, bytes]) -> None:
        """What the process writes to `says`, outside the root, it tells the world.

        `sick` are files of the start whose sync failed once: the process reads their bytes, the disk has these instead.
        """
        self.root = root
        self.history = History()
        self._says = says
        self._sizes: dict[int, int] = {ROOT: 0}
        self._now: dict[Name, int] = {}
        self._begun: dict[int, tuple[int, int]] = {}
        self._loose: list[int] = []
        self._said: list[str] = []
        self._position: dict[int, int] = {}
        seen: dict[tuple[int, int], int] = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            inode = seen.setdefault((status.st_dev, status.st_ino), len(self._sizes))
            if inode == len(self._sizes):
                self._new(is_folder=path.is_dir())
                if not path.is_dir():
                    self._sizes[inode] = status.st_size
                    known = sick.get(path.relative_to(root).as_posix(), path.read_bytes())
                    self.history.first_contents[inode] = known
            self._now[self._place(path)] = inode
        self.history.first_names = dict(self._now)

    def replay(self, trace: Path) -> None:
        """Take in the calls; a moment for a cut is after each of them that changed, synced or said something."""
        self._cut()
        for call, has_ended in read(trace):
            if not has_ended:
                self._begin(call)
            elif call.result >= 0 and getattr(self, f"_do_{call.name}", self._do_other)(call):
                self._cut()
        files = ((path, self._inode(path)) for path in self.root.rglob("*") if path.is_file())
        self.history.times = {inode: path.stat().st_mtime_ns for path, inode in files if inode is not None}

    # The calls.

    def _begin(self, call: Call) -> None:
        inode = self._inode(call.descriptors[0][1]) if call.descriptors else None
        self._begun[id(call)] = (-1 if inode is None else inode, len(self.history.changes))

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
        if "O_TRUNC" in flags and self._sizes[inode]:
            self._resize(inode, 0)
            return True
        return False

    def _do_write(self, call: Call) -> bool:
        descriptor, path = call.descriptors[0]
        if path == self._says:
            self._said += call.texts[0].decode().split("\n")[:-1]
            return True
        inode = self._begun[id(call)][0]
        if inode < 0:
            return False
        at = self._position[descriptor]
        self._write(inode, self._sizes[inode] if at < 0 else at, call.texts[0][: call.result])
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
        self._settle({one for one in self._loose if one < before and inode in self.history.changes[one].syncs})
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
        self._change(Change(frozenset({old[0]}), names=((old, None),), needs=len(self.history.changes) - 1))
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
        if at + len(data) > self._sizes[inode]:
            self._resize(inode, at + len(data))

    def _resize(self, inode: int, size: int) -> None:
        self._sizes[inode] = size
        self._change(Change(frozenset({inode}), inode, size=size))

    def _new(self, *, is_folder: bool) -> int:
        inode = len(self._sizes)
        self._sizes[inode] = 0
        if is_folder:
            self.history.folders.add(inode)
        return inode

    def _give_name(self, path: Path, inode: int) -> None:
        place = self._place(path)
        self._now[place] = inode
        self._change(Change(frozenset({place[0]}), names=((place, inode),)))

    def _change(self, change: Change) -> None:
        self._loose.append(len(self.history.changes))
        self.history.changes.append(change)

    def _settle(self, durable: set[int]) -> None:
        durable |= {self.history.changes[one].needs for one in durable}
        self._loose = [one for one in self._loose if one not in durable]

    def _cut(self) -> None:
        self.history.cuts.append(Cut(len(self.history.changes), tuple(self._loose), tuple(self._said)))

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
