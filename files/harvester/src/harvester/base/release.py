"""Which release is running: the id that the deployment wrote into the virtual environment."""

import sys
from pathlib import Path

FILE_NAME = "RELEASE"
UNRELEASED = "dev"


def release_id() -> str:
    """The content of RELEASE beside this virtual environment's pyvenv.cfg; "dev" in a working tree."""
    try:
        return (Path(sys.prefix) / FILE_NAME).read_text(encoding="ascii").strip() or UNRELEASED
    except FileNotFoundError:
        return UNRELEASED


USER_AGENT = f"harvester/{release_id()}"
"""Names us to every server that we call: firewalls refuse clients without a name, and stock ones."""
