"""What the command line chooses about a replay."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class ReplayOptions:
    """Which day, how fast, and from when on."""

    folder: Path
    day: date
    speed: float | None = 1.0
    """Times the recorded pace; None: as fast as the clients take it."""
    wait: bool = True
    """Begin only when somebody has subscribed."""
    settle_seconds: float = SETTLE_SECONDS
    """And when no subscription has come for so long, unless all that was recorded is subscribed."""
