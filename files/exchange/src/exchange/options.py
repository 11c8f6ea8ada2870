"""What the command line chooses about an exchange."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.sockets.rules import SocketRules

if TYPE_CHECKING:
    from exchange.faults import Fault
    from exchange.replay.options import ReplayOptions


@dataclass
class Options:
    """Defaults are those of the command line, except for the port."""

    state: Path
    address: str = "127.0.0.1"
    port: int = 0
    calendar: Path | None = None
    always_open: bool = False
    seed: int = 1
    busy: float = 1.0
    symbols_file: Path | None = None
    replay: Path | None = None
    day: "ReplayOptions | None" = None
    """A recorded day to serve instead of the model."""
    stop_at_end: bool = False
    """End `serve` when that day is over."""
    faults: list["Fault"] = field(default_factory=list)
    rate_limits: bool = True
    refresh_allowed: bool = False
    token_seconds: int | None = None
    keep_frames: bool = False
    load_symbols: int = 0
    load_rate: float = 2.0
    sockets: SocketRules = field(default_factory=SocketRules)
