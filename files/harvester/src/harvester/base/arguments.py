"""What the values of command-line options may be; a wrong one is refused before anything is begun."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from harvester.base.errors import ConfigError


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: a whole number that is not less."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return number

    parse.__name__ = "int"  # what argparse calls a text that is none
    return parse


def require_directory(path: Path, option: str) -> None:
    """ConfigError when something else than a directory lies at `path`, or on the way to it."""
    for place in (path, *path.parents):
        if place.is_dir():
            return
        if place.exists():
            raise ConfigError(f"{option} {path}: {place} is not a directory. Name one, or a path for a new one.")


def require_place(path: Path, option: str) -> None:
    """ConfigError when no file can be written at `path`: no directory around it, no right, a directory itself."""
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a directory. Name a file in it.")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no directory {path.parent}. Make it, or name another file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{option} {path} cannot be written by this user. Name another file.")
