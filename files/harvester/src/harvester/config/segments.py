"""The segment of each symbol: what the symbol master said last, kept as a file; until then what the ticker looks like.

Recorder, close and messages of a host read the same file, so that they mean the same windows.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple, get_args

import msgspec
import structlog

from harvester.base.errors import ConfigError
from harvester.base.files import make_directory, replace_file
from harvester.calendar import PhaseName, SegmentName, TradingCalendar
from harvester.calendar.segments import guess_segment, in_order
from harvester.config.settings import Settings

log = structlog.get_logger()
FILE = "segments.json"
NAMES = frozenset(get_args(SegmentName))


class Recorded(NamedTuple):
    """What of the settings can be recorded by a calendar."""

    settings: Settings
    """Without the symbols that are refused."""
    segments: dict[str, SegmentName]
    """Of every symbol in those settings."""
    refused: dict[str, SegmentName]
    """Symbols of segments whose hours the calendar does not have."""


def find_segments(settings: Settings) -> dict[str, SegmentName]:
    """The segment of each symbol of all feeds. A file that cannot be used is logged, and counts as none."""
    known: object = None
    try:
        known = json.loads((settings.data_dir / FILE).read_bytes())
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RecursionError) as error:
        log.warning("segments_not_read", file=str(settings.data_dir / FILE), detail=type(error).__name__)
    stored = known if isinstance(known, dict) else {}
    return {
        symbol: stored[symbol] if stored.get(symbol) in NAMES else guess_segment(symbol)
        for symbol in settings.all_symbols
    }


def keep_segments(settings: Settings, segments: Mapping[str, str]) -> None:
    """Write the file. Raises OSError."""
    make_directory(settings.data_dir)
    content = json.dumps(dict(sorted(segments.items())), indent=1) + "\n"
    replace_file(settings.data_dir / FILE, content, 0o644)


def calendars_of(settings: Settings, calendar: TradingCalendar) -> list[TradingCalendar]:
    """The calendars of the segments that a host records."""
    names = in_order(find_segments(settings).values())
    return [calendar.of(name) for name in names if name in calendar.segments]


def hours_of(calendars: Iterable[TradingCalendar], day: date, phases: Collection[PhaseName]) -> tuple[int, int] | None:
    """The day's first opening and last close of what is recorded, in wall ns; None when all segments are closed."""
    windows = [window for calendar in calendars for window in calendar.windows(day, phases)]
    return (min(windows)[0], max(closes for _, closes in windows)) if windows else None


def busy_at(settings: Settings, calendar: TradingCalendar, wall_ns: int, ahead_ns: int) -> int | None:
    """The moment itself when a recorded window is open then, or when one opens within `ahead_ns`; None: neither."""
    phases = settings.calendar.phases
    found = []
    for each in calendars_of(settings, calendar):
        change_ns = each.next_change(wall_ns, phases)
        if each.is_open(wall_ns, phases):
            found.append(wall_ns)
        elif change_ns is not None and change_ns - wall_ns <= ahead_ns:
            found.append(change_ns)
    return min(found, default=None)


def refuse_without_hours(settings: Settings, calendar: TradingCalendar) -> Recorded:
    """Leave out symbols whose segment has no hours, and the 50-level socket where none of its own is left.

    Raises ConfigError with a sentence when none is left of `symbols`.
    """
    segments = find_segments(settings)
    refused = {symbol: segment for symbol, segment in segments.items() if segment not in calendar.segments}
    if not refused:
        return Recorded(settings, segments, refused)
    left = {symbol: segment for symbol, segment in segments.items() if symbol not in refused}

    def keep(symbols: Iterable[str]) -> tuple[str, ...]:
        return tuple(symbol for symbol in symbols if symbol not in refused)

    deep = keep(settings.tbt.symbols)
    if not left or not (keep(settings.symbols) or settings.rules):
        raise ConfigError(f"symbols: {describe_refused(refused)}")
    changed = msgspec.structs.replace(
        settings,
        symbols=keep(settings.symbols),
        hsm=msgspec.structs.replace(
            settings.hsm,
            symbols=None if settings.hsm.symbols is None else keep(settings.hsm.symbols),
            index_symbols=keep(settings.hsm.index_symbols),
        ),
        tbt=msgspec.structs.replace(settings.tbt, symbols=deep),
        feeds=tuple(feed for feed in settings.feeds if deep or feed != "fyers-tbt"),
        candles=msgspec.structs.replace(
            settings.candles, symbols=None if settings.candles.symbols is None else keep(settings.candles.symbols)
        ),
    )
    return Recorded(changed, left, refused)


def describe_refused(refused: Mapping[str, str]) -> str:
    """A sentence for each segment whose symbols are not recorded, with what to do."""
    by_segment: dict[str, list[str]] = {}
    for symbol, segment in refused.items():
        by_segment.setdefault(segment, []).append(symbol)
    return " ".join(
        f"{', '.join(symbols[:5])}{' ...' if len(symbols) > 5 else ''} belong to the segment {segment}, of which the"
        " trading calendar has no hours, so they are not recorded: add its hours with their source to the calendar"
        " file, or leave them out."
        for segment, symbols in by_segment.items()
    )
