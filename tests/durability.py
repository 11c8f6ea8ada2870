"""What a power cut would leave: a recorder of the calls that make files durable, and the rule that they must keep.

A file's content is durable as its last fsync saw it, a name as the last fsync of its directory saw it. From this:

1. a file gets a name (rename, replace, link) only when its content is durable;
2. nothing is removed while something visible is not durable;
3. at the end everything visible is durable: contents, names, new directories.

Names that begin with a dot are temporary files and locks, and owe nobody durability.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Inode = tuple[int, int]


class Durability:
    """The state of a tree on the disk, kept from the calls. What is there at the start counts as durable."""

    def __init__(self, root: Path) -> None:
        self.log: list[str] = []
        """What happened, by paths under the root: "durable NAME", "synced NAME", "unlink NAME", "rename A B"."""
        self.broken: list[str] = []
        """Violations of the first two rules."""
        self._root = root.resolve()
        self._contents: dict[Inode, str] = {}
        self._names: dict[Inode, dict[str, Inode]] = {}
        for path in [self._root, *self._root.rglob("*")]:
            self._remember(path)

    def first(self, event: str) -> int:
        """When that was logged first; fails when it was not."""
        assert event in self.log, f"no {event!r} in {self.log}"
        return self.log.index(event)

    def lost(self) -> list[str]:
        """What a power cut would take now."""
        return [f"{name}: {what}" for name, what in self._not_durable()]

    def returning(self, *, hidden: bool = False) -> list[str]:
        """Names that were removed and would be back after a power cut; `hidden`: temporary ones, too."""
        directories = [self._root, *(path for path in self._root.rglob("*") if path.is_dir())]
        return [
            self._short(directory / name)
            for directory in directories
            for name in self._names.get(_inode(directory), {})
            if (hidden or not name.startswith(".")) and not os.path.lexists(directory / name)
        ]

    def synced(self, descriptor: int) -> None:
        """After an fsync or fdatasync."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if self._root not in (path, *path.parents):
            return
        before = self._names.get(_inode(path), {})
        self._remember(path, through=Path(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            new = self._names[_inode(path)].items() - before.items()
            self.log += [f"durable {self._short(path / name)}" for name, _ in sorted(new)]
        self.log.append(f"synced {self._short(path)}")

    def naming(self, verb: str, source: Path, target: Path) -> None:
        """Before a rename, replace or link."""
        if self._root not in target.absolute().parents:
            return
        if source.is_file() and self._contents.get(_inode(source)) != _digest(source):
            self.broken.append(f"{verb} to {self._short(target)}: its content was not durable")
        self.log.append(f"{verb} {self._short(source)} {self._short(target)}")

    def removing(self, path: Path) -> None:
        """Before an unlink."""
        if self._root not in path.absolute().parents or not os.path.lexists(path):
            return
        name = self._short(path)
        others = [f"{other} ({what})" for other, what in self._not_durable() if other != name]
        if others:
            self.broken.append(f"unlink {name}: not durable then: {', '.join(others)}")
        self.log.append(f"unlink {name}")

    def _not_durable(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self._root.rglob("*")):
            if path.name.startswith("."):
                continue
            if self._names.get(_inode(path.parent), {}).get(path.name) != _inode(path):
                yield self._short(path), "its name"
            elif path.is_file() and not path.is_symlink() and self._contents.get(_inode(path)) != _digest(path):
                yield self._short(path), "its content"

    def _remember(self, path: Path, through: Path | None = None) -> None:
        if stat.S_ISDIR(path.lstat().st_mode):
            self._names[_inode(path)] = {child.name: _inode(child) for child in path.iterdir()}
        elif stat.S_ISREG(path.lstat().st_mode):
            self._contents[_inode(path)] = _digest(through or path)

    def _short(self, path: Path) -> str:
        return (
            path.absolute().relative_to(self._root).as_posix() if self._root in path.absolute().parents else str(path)
        )


def _inode(path: Path) -> Inode:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def watched(root: Path) -> Iterator[Durability]:
    """Record what this block makes durable under `root`; at its end all three rules hold, or it fails."""
    found = Durability(root)
    with recording(found):
        yield found
    assert found.broken == []
    assert found.lost() == [], "a power cut after the return would take what was written"


@contextmanager
def recording(found: Durability) -> Iterator[None]:
    """Have the operating system's calls tell `found`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, _then(getattr(os, name), found.synced))
        for name in ("rename", "replace", "link"):
            patch.setattr(os, name, _after(lambda *paths, verb=name: found.naming(verb, *paths), getattr(os, name)))
        for name in ("unlink", "remove"):
            patch.setattr(os, name, _after(found.removing, getattr(os, name)))
        yield


def _then(call: Callable[[int], None], told: Callable[[int], None]) -> Callable[[int], None]:
    def sync(descriptor: int) -> None:
        call(descriptor)
        told(descriptor)

    return sync


def _after(told: Callable[..., None], call: Callable[..., None]) -> Callable[..., None]:
    def change(*paths: Any, **options: Any) -> None:
        told(*map(Path, paths))
        call(*paths, **options)

    return change
