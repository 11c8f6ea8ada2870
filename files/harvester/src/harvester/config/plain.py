"""The checked settings with every default filled in, as JSON data: what `harvester config show` prints."""

from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.config.settings import Settings


def to_plain(settings: Settings, config_hash: str) -> dict[str, Any]:
    """All keys, and beside them what follows from them; harvester.config.runtime reads it."""
    data = settings.model_dump(mode="json")
    polls = "fyers-rest" in settings.feeds
    data["poll"] |= {
        "interval_ns": settings.poll.interval_ns,
        "timeout": settings.poll.timeout,
        "fallback_ns": round(settings.poll.fallback_seconds * NS_PER_SECOND),
        "offsets": settings.start_offsets() if polls else (),
    }
    streamed = settings.symbols if settings.hsm.symbols is None else settings.hsm.symbols
    data["hsm"]["symbols"] = list(dict.fromkeys((*streamed, *settings.hsm.index_symbols)))
    return data | {"limits": settings.limits, "config_hash": config_hash}
