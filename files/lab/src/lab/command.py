"""Other programs, run with argument lists; a failure says which program and what it said."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError

Argument = str | Path


def run(*arguments: Argument, stdin: str | None = None, timeout_seconds: float = 120, gone: Sequence[str] = ()) -> str:
    """Run a program to its end and return its standard output; LabError with its own words when it fails.

    `gone`: texts by which a program that removes something says that the thing is not there, which is no failure.
    """
    try:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        raise LabError(
            f"The program `{arguments[0]}` is missing. `./inv` installs what the lab needs when run as root; "
            "requirements/apt.txt lists the packages."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(map(str, arguments))}` did not end within {timeout_seconds:g} s.") from error
    if done.returncode and not any(text in done.stderr for text in gone):
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing")[-2000:]
        raise LabError(f"`{' '.join(map(str, arguments))}` failed with exit code {done.returncode}: {said}")
    return done.stdout
