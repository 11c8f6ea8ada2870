"""A copy of a folder's code in a git remote, which refuses to take secrets along.

What would be pushed is read line by line, names and contents of every commit that the remote lacks; a finding names
commit, file and kind, and never the value.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.redaction import one_line

SECONDS = 120
NAMES = re.compile(
    r"(^|/)(\.env(\..+)?|id_(rsa|dsa|ecdsa|ed25519)|.+\.(pem|key|p12|pfx)|rclone\.conf|\.netrc|\.pgpass|credentials"
    r"|(gdrive_)?credentials\.json|client_secret.*\.json|token\.(json|pickle)|listener_config\.json)\Z"
)
VALUES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a Google token": re.compile(r"\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}|\b1//0[A-Za-z0-9_-]{20,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    "a Telegram bot's token": re.compile(r"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a password or token": re.compile(
        r"(?i)\b[\w.-]*(password|passwd|secret|api_?key|api_?token|access_?token|refresh_?token|private_?key)[\"']?\s*[:=]\s*"
        r"[\"'](?!\s*[\"'])[^\s\"'{}<>$]{12,}[\"']"
    ),
}


class Secret(NamedTuple):
    """Where a secret lies that would be pushed."""

    commit: str
    file: str
    kind: str


def push_code(folder: Path, remote: str) -> str:
    """Push the branch that is checked out, when no secret is in what the remote lacks. Raises HarvesterError."""
    branch = _git(folder, "symbolic-ref", "--short", "HEAD").strip()
    _git(folder, "remote", "get-url", remote)
    _git(folder, "fetch", "--quiet", remote)
    found = list(find_secrets(_lacking(folder, remote)))
    if found:
        places = "; ".join(f"{each.file} of commit {each.commit[:10]} has {each.kind}" for each in found[:5])
        raise HarvesterError(
            f"{folder}: nothing was pushed to {remote}, because {places}. Take it out of every commit that the remote"
            " lacks, and give the secret a new value where it was elsewhere already."
        )
    _git(folder, "push", "--quiet", remote, f"HEAD:refs/heads/{branch}")
    return f"{branch} at {_git(folder, 'rev-parse', '--short', 'HEAD').strip()} is in {remote}"


def find_secrets(log: Iterator[str]) -> Iterator[Secret]:
    """What is secret in the lines of `git log -p --unified=0` with a line `commit HASH` for each commit."""
    commit = file = ""
    is_content = False  # of a file: it may begin with anything, such as the "++ " of a patch that is checked in
    for line in log:
        if line.startswith("commit "):
            commit = line.split()[1]
        elif line.startswith("diff "):
            is_content = False
        elif line.startswith("@@ "):
            is_content = True
        elif line.startswith("+++ ") and not is_content:
            file = line.removeprefix("+++ ").strip().strip('"').removeprefix("b/")
            if NAMES.search(file):
                yield Secret(commit, file, "a name that secrets have")
        elif line.startswith("+"):
            for kind, pattern in VALUES.items():
                if pattern.search(line):
                    yield Secret(commit, file, kind)


def _lacking(folder: Path, remote: str) -> Iterator[str]:
    """The patches of what the remote lacks, line by line: a merge against each of its parents, binary files as text."""
    command = ["git", "-C", str(folder), "log", "-p", "-m", "--text", "--unified=0", "--no-color", "--no-ext-diff"]
    command += ["--no-textconv", "--no-renames", "--format=commit %H", "HEAD", "--not", f"--remotes={remote}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as process:
        # Only git's own line ends: a line that is cut at a carriage return would go on without its "+".
        yield from (line.decode(errors="replace") for line in process.stdout or ())
    if process.returncode:
        raise HarvesterError(f"{folder}: git cannot say what {remote} lacks; nothing was pushed.")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
            env=_environment(),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise HarvesterError(
            f"{folder}: git {arguments[0]} was ended after {SECONDS} s. Is the remote reachable?"
        ) from error
    except OSError as error:
        raise ConfigError(f"git cannot be run ({error.strerror}). Install it.") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        said = one_line(lines[-1] if lines else "it said nothing", 240)
        raise HarvesterError(f"{folder}: git {arguments[0]} failed: {said}. Correct the folder, its remote or its key.")
    return done.stdout


def _environment() -> dict[str, str]:
    """Nobody is asked for a password: whoever runs this is not there."""
    return os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes", "LC_ALL": "C"}
