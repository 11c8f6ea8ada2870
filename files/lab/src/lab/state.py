"""The folder of a lab: keys, inventory and logs. It is marked, so that no other folder is ever removed."""

import shutil
from pathlib import Path

from lab.errors import LabUsageError

MARKER = "this-is-a-lab"
# May be there before the lab is: whoever wants a session of its own writes it first.
BROUGHT_ALONG = {"calendar.json"}


def refuse_foreign_folder(state: Path) -> None:
    """LabUsageError when `state` is a folder with somebody else's files."""
    if not state.exists() or (state / MARKER).exists():
        return
    if not state.is_dir() or {entry.name for entry in state.iterdir()} - BROUGHT_ALONG:
        raise LabUsageError(f"{state} is not a lab's folder and is not empty. Name another one with --state.")


def make_folder(state: Path) -> None:
    """Make the folder of a lab."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / MARKER).write_text("`lab down` removes this folder.\n", encoding="ascii")


def remove_folder(state: Path) -> bool:
    """Remove the folder, the marker last; False when there is none or it is not a lab's."""
    if not (state / MARKER).exists():
        return False
    for entry in state.iterdir():
        if entry.name != MARKER:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(state)
    return True
