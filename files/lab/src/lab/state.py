"""The folder of a lab: keys, inventory and logs. It is marked, so that no other folder is ever removed."""

from contextlib import suppress
from pathlib import Path

from lab.command import run
from lab.errors import LabUsageError

MARKER = "this-is-a-lab"
# May be there before the lab is: whoever wants a session of its own writes it first.
BROUGHT_ALONG = {"calendar.json"}
REMOVE = ("rm", "-rf", "--one-file-system", "--")  # something may vanish while it works: shutil.rmtree fails then


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
    remove_tree(state, last=MARKER)
    return True


def remove_tree(folder: Path, last: str = "") -> None:
    """Remove a folder with all that is in it, the file `last` after the others; nothing happens when there is none.

    An interrupted removal is found by that file and finished later. What is mounted below is never entered.
    """
    with suppress(FileNotFoundError):
        run(*REMOVE, *(entry for entry in folder.iterdir() if entry.name != last))
    run(*REMOVE, folder)
