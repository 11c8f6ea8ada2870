"""What the command line chooses: about the exchange, its sockets, and the replay of a recorded day."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.calendar import SegmentName
from harvester.calendar.segments import Hours

if TYPE_CHECKING:
    from exchange.faults import Fault

FRAME_ENTRIES = 250
"""Most entries of a frame: its length must fit into 16 bits."""


@dataclass(frozen=True)
class SocketRules:
    """Limits and forms that differ from account to account, or are not known."""

    topic_limit: int = 5000
    """Topics of one connection (SDK 3.2.0; the broker's support pages)."""
    frame_entries: int = FRAME_ENTRIES
    """Updates that come together go out in frames of at most so many entries."""
    ack_every: int | None = None
    """Ask clients to acknowledge every so many frames, in the 4-byte form that they read; None: the live 2-byte one."""
    slow_bytes: int = 16 * 1024 * 1024
    """A client that leaves so much unread is cut off. What the broker allows is not known."""


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


@dataclass
class Options:
    """Defaults are those of the command line, except for the port."""

    state: Path
    address: str = "127.0.0.1"
    port: int = 0
    calendar: Path | None = None
    always_open: bool = False
    holiday_list: Path | None = None
    segment_hours: dict[SegmentName, Hours] = field(default_factory=dict)
    """Of each trading day of a segment, whatever the calendar says; the symbol master says the same."""
    seed: int = 1
    busy: float = 1.0
    symbols_file: Path | None = None
    replay: Path | None = None
    day: ReplayOptions | None = None
    """A recorded day to serve instead of the model."""
    stop_at_end: bool = False
    """End `serve` when that day is over."""
    faults: list["Fault"] = field(default_factory=list)
    rate_limits: bool = True
    refresh_allowed: bool = False
    redirect_uris: list[str] = field(default_factory=list)
    """Registered for the app from now on; none: those that are."""
    token_seconds: int | None = None
    keep_frames: bool = False
    load_symbols: int = 0
    load_rate: float = 2.0
    sockets: SocketRules = field(default_factory=SocketRules)
