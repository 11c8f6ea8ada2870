"""How many symbols a configuration stands for before its rules are resolved, and whether the broker allows as many."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from harvester.base.errors import ConfigError
from harvester.calendar import TradingCalendar
from harvester.calendar.model import packaged
from harvester.calendar.segments import SegmentName, guess_segment
from harvester.config.candles import candle_need
from harvester.config.feeds import refuse_too_many
from harvester.config.limits import Need, need_of, start_offsets
from harvester.config.rules import IndexList, Resolved, SymbolRule
from harvester.config.settings import Settings


class Size(NamedTuple):
    """Symbols of a configuration as it is written, those that its rules stand for among them."""

    symbols: int
    day_ns: int
    """Time recorded of a symbol on the longest day, on average over the symbols."""
    bounds: tuple[str, ...]
    """Of each rule of which nobody looked up what it stands for: what it was counted with, in words."""

    @property
    def remark(self) -> str:
        """A sentence on the rules that were not looked up, after a space; empty without any."""
        if not self.bounds:
            return ""
        counted = ", ".join(self.bounds)
        return f" No symbol master was looked at here, so rules count as what they can stand for: {counted}."


def size_of(settings: Settings, resolved: Resolved | None = None) -> Size:
    """The size of settings as they are written.

    A rule counts as what it stood for when it was `resolved` last, by the same list of an index; else as the most that
    it can stand for.
    """
    names = dict.fromkeys(settings.symbols)
    bounds: list[str] = []
    counts: Counter[SegmentName] = Counter()
    for rule in settings.rules:
        found = _stood_for(rule, resolved, settings.index_lists)
        if found is None:
            most = rule.at_most(settings.index_lists)
            counts[rule.segment] += most
            bounds.append(f"{most} for {rule.words}")
        else:
            names |= dict.fromkeys(found)
    counts.update(map(guess_segment, names))
    day_ns = TradingCalendar.load(packaged()).mean_day_ns(counts, settings.calendar.phases)
    return Size(counts.total(), day_ns, tuple(bounds))


def _stood_for(rule: SymbolRule, resolved: Resolved | None, lists: Iterable[IndexList]) -> list[str] | None:
    entry = resolved.entry_of(rule) if resolved else None
    day = next((each.date.isoformat() for each in lists if each.index == rule.index), None)
    return list(entry["symbols"]) if entry and (not rule.index or entry.get("date") == day) else None


def refuse_size(settings: Settings, size: Size) -> None:
    """Raise ConfigError where so many symbols break a limit, saying which and how they were counted."""
    try:
        refuse_too_many(size.symbols)
        if "fyers-rest" in settings.feeds:
            start_offsets(size.symbols, settings.poll.interval_ns, settings.limits, size.day_ns)
    except ValueError as error:
        raise ConfigError(f"symbols: {error}.{size.remark}") from None


def request_need(settings: Settings, size: Size) -> Need:
    """What polls and candles take of the account's limits at most, in a minute of a session and in a day."""
    polled = size.symbols if "fyers-rest" in settings.feeds else 0
    need = need_of(polled, settings.poll.interval_ns, size.day_ns)
    if settings.history not in settings.feeds:
        return need
    asked = size.symbols if settings.candles.symbols is None else len(settings.candles.symbols)
    added = candle_need(asked, settings.candles, size.day_ns)
    return Need(need.per_minute + added.per_minute, need.per_day + added.per_day)
