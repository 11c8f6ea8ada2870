"""Where the lab keeps what. A lab's folder (keys, inventory, logs) is marked, so that no other is ever removed."""

import os
from contextlib import suppress
from pathlib import Path

from lab.command import run
from lab.errors import LabUsageError

REPOSITORY = Path(__file__).resolve().parents[4]
SCRATCH = Path("/var/tmp/alpha-harvester-lab")  # noqa: S108  # a root-only folder, checked by lab.claims


def default_state() -> Path:
    """The folder of the lab that commands mean when they name none: LAB_STATE, or `.lab` in the checkout."""
    return Path(os.environ.get("LAB_STATE") or REPOSITORY / ".lab").resolve()


def cache_folder() -> Path:
    """The folder for what can be rebuilt at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alpha-harvester"


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


def remove_folder(state: Path, *, claimed: bool = False) -> bool:
    """Remove the folder, the marker last; False when there is none or it is not a lab's.

    With `claimed` an empty folder is the lab's, too: its maker was killed before it had marked it.
    """
    is_unmarked = claimed and state.is_dir() and not any(state.iterdir())
    if not (state / MARKER).exists() and not is_unmarked:
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
