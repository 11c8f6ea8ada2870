"""Builds one base tree with mmdebstrap, sealed off so that a killed build leaves no mounts behind."""

import re
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lab.base.lookalike import dress
from lab.base.mirrors import find_archive, source_lines
from lab.base.suites import Suite, tree_packages
from lab.command import run
from lab.errors import LabError
from lab.variants import Variant

Progress = Callable[[str], None]

APT_OPTIONS = (
    'Acquire::Languages "none"',
    'Acquire::GzipIndexes "true"',
    'APT::Install-Recommends "false"',
    # Without it `apt-get update` exits 0 although every fetch failed.
    'APT::Update::Error-Mode "any"',
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Mounts of the build live and die with these namespaces, and the namespaces with this process.
SEALED_OFF = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def build_tree(target: Path, suite: Suite, variant: Variant, progress: Progress) -> None:
    """Unpack and dress a tree at `target`: `full` has the roles' packages installed, `bare` only downloaded.

    `containers` has those of `full` and a container engine.
    """
    archive = find_archive(suite)
    progress(f"building the {suite.name} base tree ({variant}) from {archive.main}, once: about a minute")
    _bootstrap([*_arguments(suite, variant), suite.name, str(target), *source_lines(archive, suite)], progress)
    dress(target, suite, archive, variant)
    run("sync", "--file-system", target)


def _arguments(suite: Suite, variant: Variant) -> list[str]:
    packages, downloaded = tree_packages(suite, variant)
    arguments = ["--variant=minbase", "--format=directory"]
    if downloaded:
        # apt in a bare host finds index and archives in its cache and needs no network.
        names = " ".join(downloaded)
        arguments += [f"--customize-hook=APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -y install --download-only {names}"]
        arguments += ["--skip=cleanup/apt"]
    arguments += [f"--include={','.join(packages)}"]
    arguments += [f"--aptopt={option}" for option in APT_OPTIONS]
    arguments += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    return arguments + ([f"--keyring={suite.keyring}"] if suite.keyring else [])


def _bootstrap(arguments: list[str], progress: Progress) -> None:
    started = time.monotonic()
    tail: deque[str] = deque(maxlen=25)
    command = [*SEALED_OFF, "mmdebstrap", *arguments]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
    except FileNotFoundError as error:
        raise LabError(f"{error}: `./inv`, run as root, installs what the lab needs.") from error
    with process:
        assert process.stderr is not None  # noqa: S101  # a pipe was asked for
        for line in process.stderr:
            tail.append(line.rstrip())
            if stage := re.match(r"I: (.+?)\.*$", line.strip()):
                progress(f"  {time.monotonic() - started:5.1f} s  {stage[1]}")
    if process.returncode:
        raise LabError("mmdebstrap could not build the base tree; it said:\n" + "\n".join(tail))
