"""Where the lab keeps what: the checkout, a lab's state, the machine-wide scratch, the cache of base trees."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[4]
SCRATCH = Path("/var/tmp/alpha-harvester-lab")  # noqa: S108  # a root-only folder, checked by lab.claims


def default_state() -> Path:
    """The folder of the lab that commands mean when they name none: LAB_STATE, or `.lab` in the checkout."""
    return Path(os.environ.get("LAB_STATE") or REPOSITORY / ".lab").resolve()


def cache() -> Path:
    """The folder for what can be rebuilt at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alpha-harvester"
