"""System calls of a process as strace saw them: when each began, when it ended, and what it changed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat,creat,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,fsync,fdatasync,syncfs,sync,rename,"
    "renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,lseek,sendfile,copy_file_range"
)
SYNC_DELAY_US = 2_000
"""Syncs last so long, so that another thread writes meanwhile, as on a real disk."""
LINE = re.compile(r"(\d+) +(?:<\.\.\. \w+ resumed>(?P<rest>.*)|(?P<name>\w+)\((?P<entry>.*))$")
UNFINISHED = " <unfinished ...>"
RESULT = re.compile(r"\) += (-?\d+)(?:<|$| )")
DESCRIPTOR = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})+)>")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Call:
    """One call; `descriptors` are (number, path) in its arguments, `texts` its strings, `words` all arguments."""

    name: str
    entry: str
    result: int = 0
    descriptors: list[tuple[int, Path]] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def paths(self) -> list[Path]:
        """The paths that it names, relative ones by their directory."""
        folders = [path for _, path in self.descriptors]
        return [
            (folders[number] if number < len(folders) else Path.cwd()) / os.fsdecode(text)
            for number, text in enumerate(self.texts)
        ]


def run(module: str, arguments: list[str], trace: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a module under strace in `folder`."""
    options = ["-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(1 << 24), "-e", "signal=none"]
    delay = f"inject=fsync,fdatasync:delay_exit={SYNC_DELAY_US}"
    command = ["strace", *options, "-e", f"trace={CALLS}", "-e", delay, "-o", str(trace)]
    return subprocess.run(
        [*command, sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def read(trace: Path) -> Iterator[tuple[Call, bool]]:
    """Each call twice, in the order of what happened: (call, False) as it begins, (call, True) as it has ended."""
    under_way: dict[str, Call] = {}
    with trace.open() as file:
        for line in file:
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue  # an exit or a signal
            thread = found[1]
            if found["name"]:
                call = Call(found["name"], found["entry"].removesuffix(UNFINISHED))
                _take_arguments(call)
                yield call, False
                under_way[thread] = call
                text = found["entry"]
                if text.endswith(UNFINISHED):
                    continue
            else:
                text = found["rest"]
            call = under_way.pop(thread)
            result = RESULT.search(text)
            if result:  # none when the process ended in it
                call.result = int(result[1])
                yield call, True


def _take_arguments(call: Call) -> None:
    arguments = call.entry.split(") = ", 1)[0].split(")  ", 1)[0]
    call.descriptors = [
        (-1 if number == "AT_FDCWD" else int(number), Path(os.fsdecode(_bytes(path))))
        for number, path in DESCRIPTOR.findall(arguments)
    ]
    call.texts = [_bytes(text) for text in TEXT.findall(arguments)]
    call.words = [word.strip(" )") for word in arguments.split(",")]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
