"""Why something is not seen: one cause of a fixed list, which the lake stores, and a line for a person."""

from typing import Literal, NamedTuple

Cause = Literal[
    "not_started",
    "not_running",
    "no_token",
    "token_refused",
    "disconnect",
    "timeout",
    "rate_limited",
    "blocked",
    "server_error",
    "bad_response",
    "stall",
    "clock_step",
    "disk_full",
    "exchange_halt",
    "stopped",
    "mute",
    "no_snapshot",
    "sequence_break",
    "refused",
    "not_listed",
    "no_data",
    "slow_consumer",
    "damaged",
    "unknown",
]


class Outage(NamedTuple):
    """Why a symbol, a request or a connection fails. `detail` is one line of printable text without secrets."""

    cause: Cause
    detail: str


STALL = Outage("stall", "the recorder did not run on time")
ENDED = Outage("not_running", "an earlier run of the recorder had ended")
LATE = Outage("not_started", "the recorder was started after the window had opened")
