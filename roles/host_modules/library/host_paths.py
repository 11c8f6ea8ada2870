#!/usr/bin/python
"""Ansible module: clears what keeps the other modules from writing our files, and gives folders' content its owner."""

from __future__ import annotations

import array
import contextlib
import fcntl
import grp
import os
import pwd
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_paths
short_description: Makes way for files, links and folders of ours, whatever stands there
description:
  - What is of another kind than O(files), O(links) and O(folders) say is moved aside, as C(NAME.displaced-TIME).
    Links in the place of a file, and empty folders, are removed; in a folder's place a link to a folder stays.
  - The attributes immutable and append-only are taken from what stands in a place of ours.
  - What lies in O(owned) folders gets their owner, who may read and write it, and their group where they hand it on.
options:
  files: {description: Paths of regular files., type: list, elements: path, default: []}
  links: {description: Paths of symbolic links., type: list, elements: path, default: []}
  folders: {description: Paths of folders., type: list, elements: path, default: []}
  owned:
    description: Folders whose whole content is one user's, with O(owned[].path), O(owned[].owner), O(owned[].group).
    type: list
    elements: dict
    default: []
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Make way for a unit
  host_paths:
    files: [/etc/systemd/system/harvester-recorder.service]
"""

RETURN = r"""
cleared: {description: What was in the way, and what became of it., returned: always, type: list, elements: str}
"""

GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h, on 64 bits."""
LOCKED = 0x10 | 0x20
"""FS_IMMUTABLE_FL and FS_APPEND_FL of linux/fs.h."""
KINDS = {"files": stat.S_ISREG, "links": stat.S_ISLNK, "folders": stat.S_ISDIR}
KEEP = -1
"""Of chown: this stays."""
OWNED = {name: {"type": "path" if name == "path" else "str", "required": True} for name in ("path", "owner", "group")}


def unlock(path: Path, *, check: bool) -> bool:
    """Take immutable and append-only from a file or folder; False where neither is set, or the disk knows neither."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            flags = array.array("l", [0])
            fcntl.ioctl(descriptor, GET_FLAGS, flags)
            if not flags[0] & LOCKED:
                return False
            if not check:
                fcntl.ioctl(descriptor, SET_FLAGS, array.array("l", [flags[0] & ~LOCKED]))
            return True
        finally:
            os.close(descriptor)
    return False


def make_way(path: Path, kind: str, *, check: bool) -> Iterator[str]:
    """Sentences on what was done so that something of this kind can be written there."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and unlock(path, check=check):
        yield f"{path} was immutable or append-only"
    if KINDS[kind](mode) or (kind == "folders" and path.is_dir()):
        return
    if stat.S_ISLNK(mode):
        yield f"{path} was a link to {path.readlink()}, which is removed"
        if not check:
            path.unlink()
    elif stat.S_ISDIR(mode) and not any(path.iterdir()):
        yield f"{path} was an empty folder, which is removed"
        if not check:
            path.rmdir()
    else:
        aside = path.with_name(f"{path.name}.displaced-{time.time_ns()}")
        yield f"{path} was of another kind; it is {aside} now"
        if not check:
            path.rename(aside)


def give_one(path: Path, user: int, team: int, *, check: bool) -> bool:
    """Whether it was another's, or closed to its owner; it is the user's afterwards."""
    found = path.lstat()
    needed = 0 if stat.S_ISLNK(found.st_mode) else 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
    if found.st_uid == user and team in (found.st_gid, KEEP) and found.st_mode & needed == needed:
        return False
    if not check:
        unlock(path, check=False)
        os.chown(path, user, team, follow_symlinks=False)
        if needed:
            path.chmod(stat.S_IMODE(found.st_mode) | needed)
    return True


def give(folder: Path, owner: str, group: str, *, check: bool) -> Iterator[str]:
    """A sentence when something inside belonged to others, or was closed to its owner."""
    try:
        user, team = pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        return  # a check on a host that has not got the users yet
    if folder.is_dir() and not folder.stat().st_mode & stat.S_ISGID:
        team = KEEP  # each file has the group of the process that wrote it
    count = 0
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in folders + files):
            with contextlib.suppress(FileNotFoundError):  # services at work remove files of theirs
                count += give_one(path, user, team, check=check)
    if count:
        yield f"{count} files or folders in {folder} were not {owner}'s to read and write, or not {group}'s"


def main() -> None:
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            **dict.fromkeys(KINDS, paths),
            "owned": {"type": "list", "elements": "dict", "default": [], "options": OWNED},
        },
        supports_check_mode=True,
    )
    wanted, check = module.params, module.check_mode
    cleared: list[str] = []
    try:
        # Folders first: a file may lie in one that something else stands in the place of.
        for kind in ("folders", "links", "files"):
            for path in wanted[kind]:
                cleared += make_way(Path(path), kind, check=check)
        for each in wanted["owned"]:
            cleared += give(Path(each["path"]), each["owner"], each["group"], check=check)
    except OSError as error:
        module.fail_json(msg=f"{error}: this cannot be cleared. See the file system's mount and attributes.")
    module.exit_json(changed=bool(cleared), cleared=cleared)


if __name__ == "__main__":
    main()
