"""The settings as the recorder holds them: plain values, checked and filled in by the model in another process."""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from harvester.brokers.fyers.limits import Limits
from harvester.calendar.facts import Facts, PhaseName
from harvester.config.child import ask

Plain = TypeVar("Plain")


@dataclass(frozen=True)
class BrokerSettings:
    app_id: str
    api_url: str
    public_url: str


@dataclass(frozen=True)
class PollSettings:
    interval_ns: int
    timeout: float
    when: str
    fallback_ns: int
    offsets: tuple[int, ...]
    """Nanoseconds after its slot at which each symbol is polled; empty when nothing polls."""


@dataclass(frozen=True)
class HsmSettings:
    symbols: tuple[str, ...]
    """Indices included."""
    redundant: bool
    mute_seconds: float
    symbols_per_connection: int
    url: str | None


@dataclass(frozen=True)
class TbtSettings:
    symbols: tuple[str, ...]
    mute_seconds: float
    url: str | None


@dataclass(frozen=True)
class CalendarSettings:
    file: Path | None
    phases: tuple[PhaseName, ...]


@dataclass(frozen=True)
class JournalSettings:
    sync_interval_ms: int
    segment_bytes: int
    segment_seconds: int


@dataclass(frozen=True)
class TokenSettings:
    handover: Path


@dataclass(frozen=True)
class RunSettings:
    """What a recorder needs to know. Meanings and defaults: harvester.config.settings."""

    host_id: str
    data_dir: Path
    symbols: tuple[str, ...]
    feeds: tuple[str, ...]
    connect_before_seconds: int
    broker: BrokerSettings
    limits: Limits
    poll: PollSettings
    hsm: HsmSettings
    tbt: TbtSettings
    calendar: CalendarSettings
    journal: JournalSettings
    token: TokenSettings
    status_file: Path
    clock_log: Path
    disk_reserve_bytes: int
    config_hash: str
    """Of the file that was checked."""

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def all_symbols(self) -> tuple[str, ...]:
        """Symbols of all feeds that record."""
        streamed = {"fyers-hsm": self.hsm.symbols, "fyers-tbt": self.tbt.symbols, "fyers-rest": self.symbols}
        return tuple(dict.fromkeys(symbol for feed in self.feeds for symbol in streamed[feed]))


def load_run_settings(option: Path | None) -> tuple[RunSettings, Facts]:
    """Have the configuration in force, and the calendar it names, checked by a child. Raises ConfigError."""
    data = ask(config_command(option, "show"))
    return from_plain(RunSettings, data), Facts.from_json(data["calendar_facts"])


def config_command(option: Path | None, action: str) -> list[str]:
    """The arguments of `harvester config ACTION` for a configuration given by --config, or for that in force."""
    return ["config", *(["--config", str(option)] if option else []), action]


def from_plain(kind: type[Plain], data: dict[str, Any]) -> Plain:
    """A dataclass of JSON data that has a key for each of its fields, and perhaps more."""
    hints = get_type_hints(kind)
    return kind(**{name: _convert(hint, data[name]) for name, hint in hints.items()})


def _convert(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    if Path in (hint, *get_args(hint)):
        return Path(value)
    if get_origin(hint) is tuple:
        return tuple(value)
    return Limits(*value) if hint is Limits and isinstance(value, Sequence) else value
