"""A finding on the recorder's health, and what to do about each cause of a gap."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harvester.config.rules import IndexList

LOGIN = "Log in and push a new token: ./inv token-push."
BLOCKED = "Nothing here lifts it: see which program uses the account besides, poll less, or ask the broker's support."
CAUSE_FIXES = {
    "no_token": LOGIN,
    "token_refused": LOGIN,
    "rate_limited": "Another program may use the same account; poll less often, or record fewer symbols.",
    "blocked": BLOCKED,
    "disk_full": "Free disk space: pull the data, then ./inv cleanup. Recording goes on by itself.",
    "disconnect": "Check the host's network and name resolution: ./inv doctor.",
    "timeout": "Check the host's network, and whether the broker is slow for everybody.",
    "server_error": "The broker has trouble; recording goes on by itself.",
    "refused": "See ./inv logs for the broker's words: the app's permissions, the plan's symbol limit, the symbols.",
    "not_listed": "The broker does not list the symbol: see the check symbols for its successor.",
    "mute": "The broker's socket is silent; recording goes on by itself once it sends.",
    "no_snapshot": "The socket does not serve these symbols: correct them in the inventory, or see ./inv logs.",
    "bad_response": "See ./inv logs for what the broker answers; a renamed symbol is a frequent reason.",
}


def free_space(folder: Path | str) -> str:
    """What to do about a disk that fills up; `folder` is where it is mounted."""
    return (
        "Pull the data to the laptop, then free space with ./inv cleanup; what else fills it, on the host: sudo du -x"
        f" {folder} | sort -n | tail; remove what does not belong there"
    )


def update_lists(old: Iterable[IndexList]) -> str:
    """What to do about lists of the members of indices that are old; empty for none."""
    return "; ".join(f"./inv index-update '{each.index}' brings the list of today" for each in old)


class Check(NamedTuple):
    """One finding. `fix` is empty when all is well.

    `of_host`: it is of the list of what must be true on a host, not of the recorder's own status. `gravity`: info,
    warning or critical where such an entry is not true; one that is only info is `ok`, and somebody should look.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    of_host: bool = False
    gravity: str = ""
