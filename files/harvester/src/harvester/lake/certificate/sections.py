"""Where a certificate has entries by symbol; imports nothing, because the reader needs it with pyarrow alone."""

from typing import Any


def symbol_sections(certificate: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries by symbol: of polls, of each socket, of candles, of what a backfill brought."""
    others = [*certificate.get("streams", {}).values()]
    others += [certificate[name] for name in ("candles", "history") if name in certificate]
    return [certificate["symbols"], *(each["symbols"] for each in others)]
