"""Control frames of the data socket (HSM): answers, notices and pings."""

from typing import NamedTuple

from harvester.decode import hsm_layout as wire
from harvester.decode.frames import Leftover, Reason

WITH_FIELDS = {wire.AUTH, wire.SUBSCRIBE, wire.UNSUBSCRIBE, wire.PAUSE, wire.RESUME, wire.MODE, wire.NOTICE}
WITHOUT_FIELDS = {wire.PING, wire.BUFFER}
HEADER_SIZE = 4


class ControlFrame(NamedTuple):
    """A control frame: its type and the values of its fields by id, as received."""

    frame: int
    type: int
    fields: dict[int, bytes]

    @property
    def accepted(self) -> bool:
        """Whether the server's answer is yes."""
        return self.fields.get(1) == b"K"

    @property
    def notice(self) -> tuple[int, str] | None:
        """Code and text of a notice, such as 51001 for the plan's symbol limit; None for other frames."""
        if self.type != wire.NOTICE:
            return None
        return int.from_bytes(self.fields.get(1, b""), "big", signed=True), self.fields.get(2, b"").decode(
            "utf-8", "backslashreplace"
        )


def read_control(number: int, frame: bytes) -> tuple[ControlFrame | None, Leftover | None]:
    """A frame that is not a feed frame, and the part of it that cannot be read.

    The length at the start is ignored: the broker's own clients do not rely on it.
    """
    if len(frame) < 3:
        return None, Leftover(number, 0, len(frame), Reason.SHORT)
    kind = frame[2]
    if kind == wire.FEED:
        return None, Leftover(number, 0, len(frame), Reason.SHORT)
    if kind in WITHOUT_FIELDS:
        return ControlFrame(number, kind, {}), None
    if kind not in WITH_FIELDS:
        return None, Leftover(number, 0, len(frame), Reason.UNKNOWN_TYPE)
    fields, end = _read_fields(frame)
    left = None if end == len(frame) else Leftover(number, end, len(frame), Reason.MALFORMED)
    return ControlFrame(number, kind, fields), left


def _read_fields(frame: bytes) -> tuple[dict[int, bytes], int]:
    """The whole fields, and where what is wrong begins: the frame's end when nothing is."""
    fields: dict[int, bytes] = {}
    if len(frame) < HEADER_SIZE:
        return fields, 0
    at = HEADER_SIZE
    for _ in range(frame[3]):
        end = at + 3 + int.from_bytes(frame[at + 1 : at + 3], "big")
        if end > len(frame):
            return fields, min(at, len(frame) - 1)
        fields[frame[at]] = frame[at + 3 : end]
        at = end
    return fields, at
