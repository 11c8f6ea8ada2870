"""A notice: something that people must be told, as whoever found it hands it in."""

import json
from typing import NamedTuple

from harvester.alerts.message import Severity
from harvester.base.redaction import one_line, redact

NAME_LENGTH, LINE_LENGTH, LINES = 120, 400, 20


class Notice(NamedTuple):
    """`text` begins with a line that can stand alone. Of one cause and source there is one notice, however often.

    Severity CLEAR ends the notice of this cause and source; without a cause, every one of the source.
    """

    severity: Severity
    cause: str
    source: str
    host: str
    text: str
    remedy: str = ""

    def encode(self) -> bytes:
        """JSON, without any secret that this process knows."""
        fields = {name: redact(str(value)) for name, value in self._asdict().items() if name != "severity"}
        return json.dumps(fields | {"severity": self.severity.name.lower()}).encode()


def parse_notice(data: bytes) -> Notice:
    """What `encode` made, or somebody's program: cut to size and printable. Raises ValueError."""
    fields = json.loads(data)
    text = plain(str(fields.get("text") or "")) if isinstance(fields, dict) else ""
    if not text or not str(fields.get("source") or "").strip():
        raise ValueError("a notice is a JSON object with severity, source and text")
    name = str(fields.get("severity")).upper()
    if name not in Severity.__members__:
        raise ValueError("severity is info, warning, critical or clear")
    cause = fields.get("cause")
    return Notice(
        Severity[name],
        one_line(text.partition("\n")[0] if cause is None else cause, NAME_LENGTH) if cause != "" else "",
        one_line(fields["source"], NAME_LENGTH),
        one_line(fields.get("host") or "?", NAME_LENGTH),
        text,
        plain(str(fields.get("remedy") or "")),
    )


def plain(text: str) -> str:
    """Printable lines of bounded number and length, whatever somebody wrote; nothing is interpreted."""
    lines = [one_line(line, LINE_LENGTH) for line in redact(text).splitlines() if line.strip()]
    return "\n".join(lines[:LINES] + (["..."] if len(lines) > LINES else []))
