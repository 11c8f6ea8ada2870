"""A laptop with the PostgreSQL of the lab's image: a newer one than this machine has, in a tree of its own."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.application.project import provide_image

from lab.testing import wait_until

BIN = "/usr/lib/postgresql/17/bin"
INTO = 'mount --bind /tmp "$0/tmp" && cd / && exec chroot --userspec="$1" "$0" "$2" "${@:3}"'
"""The tree with this machine's /tmp, where sockets and folders have the same names inside and outside."""
READY_SECONDS = 60


@dataclass(frozen=True)
class Laptop:
    """Its server listens on a socket in `folder`; `environment` is what a person has set."""

    tree: Path
    folder: Path

    def words(self, user: str, program: str, *words: str) -> list[str]:
        """A program of PostgreSQL in the tree, as this user."""
        return [
            *("unshare", "--mount", "bash", "-ec", INTO),
            *(str(self.tree), user, f"{BIN}/{program}", *words),
        ]

    @property
    def programs(self) -> Path:
        """The folder with its pg_restore."""
        return self.folder / "bin"

    @property
    def environment(self) -> dict[str, str]:
        return {"PGHOST": str(self.folder), "PGUSER": "postgres"}

    def sql(self, query: str, database: str = "postgres") -> str:
        command = self.words("root", "psql", "-h", str(self.folder), "-U", "postgres", "-d", database, "-qAtc", query)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def is_ready(self) -> bool:
        command = self.words("root", "pg_isready", "-q", "-h", str(self.folder))
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def booted(folder: Path) -> Iterator[Laptop]:
    """Needs root. `folder` is below /tmp, and short enough for a socket."""
    laptop = Laptop(folder / "tree", folder)
    folder.chmod(0o755)
    laptop.tree.mkdir()
    subprocess.run(["tar", "--extract", "--file", str(provide_image()), "--directory", str(laptop.tree)], check=True)
    laptop.programs.mkdir()
    wrapper = laptop.programs / "pg_restore"
    quoted = " ".join(f"'{word}'" for word in laptop.words("root", "pg_restore"))
    wrapper.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    for path in (folder, data):
        shutil.chown(path, "nobody")
    made = subprocess.run(
        laptop.words("nobody", "initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "dynamic_shared_memory_type=mmap")
    words = [word for option in options for word in ("-c", option)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            laptop.words("nobody", "postgres", "-D", str(data), *words), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        assert wait_until(laptop.is_ready, READY_SECONDS), (folder / "log").read_text("utf-8", "replace")
        yield laptop
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
