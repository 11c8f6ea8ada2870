"""Application settings: the model, its defaults and its rules."""

import re
import socket
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from harvester.base.aws_names import LAKE_PREFIX
from harvester.base.errors import ConfigError
from harvester.base.market import MarketName, entered
from harvester.base.validation import Model
from harvester.calendar import PhaseName, TradingCalendar
from harvester.calendar.model import packaged
from harvester.calendar.segments import guess_segment
from harvester.config.alerting import AlertSettings, AwsRegion
from harvester.config.broker import BrokerSettings
from harvester.config.candles import CandleSettings, request_spacing
from harvester.config.cloudwatch import EndpointUrl, LogSettings, MetricsSettings
from harvester.config.deliveries import DeliverySettings, refuse_shared_places
from harvester.config.feeds import (
    BROKER_OF,
    HISTORIES,
    STREAM,
    ChartSettings,
    FeedName,
    HsmSettings,
    PollSettings,
    Symbol,
    TbtSettings,
    refuse_currency,
    refuse_other_market,
    refuse_too_many,
    repeated,
)
from harvester.config.limits import Need, RequestLimits, need_of, start_offsets
from harvester.config.row_tables import CANDLES
from harvester.config.rules import IndexList, SymbolRule
from harvester.config.token import TokenSettings

DATA_DIR = Path("/var/lib/harvester")
SCHWAB_MINUTES = (1, 5, 10, 15, 30)
"""What Schwab has of minutes (developer portal, pricehistory)."""


def _this_host() -> str:
    return re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()).strip("-") or "host"


class CalendarSettings(Model, frozen=True):
    """When to record."""

    file: Path | None = None
    """Calendar file that replaces the one in the package; read again when it changes."""
    phases: Annotated[tuple[PhaseName, ...], Meta(min_length=1)] = ("pre_open", "continuous", "closing_auction")
    """Phases of the trading day to record."""


class JournalSettings(Model, frozen=True):
    """How the journal is written."""

    sync_interval_ms: Annotated[int, Meta(ge=10, le=10_000)] = 100
    """Milliseconds between two fdatasync calls: at most this much is lost to a power cut."""
    segment_bytes: Annotated[int, Meta(ge=65_536, le=1_073_741_824)] = 67_108_864
    """Bytes after which a segment is sealed."""
    segment_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    """Seconds after which a segment is sealed."""


class UploadSettings(Model, frozen=True):
    """The bucket that gets a verified copy of every closed day; without a bucket nothing is uploaded."""

    bucket: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")] | None = None
    """Name of the S3 bucket; default: no upload."""
    prefix: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]+/)*\Z", max_length=200)] = LAKE_PREFIX
    """What the keys begin with, ending in a slash; empty for the bucket's top. Below it, keys are paths of the lake."""
    region: AwsRegion | None = None
    """AWS region of the bucket; default: the region of the environment."""
    endpoint_url: EndpointUrl | None = None
    """Another S3 service than Amazon's; default: $AWS_ENDPOINT_URL, else Amazon."""
    proof: Literal["s3", "pull", "both"] = "both"
    """Which verified copies clean-up demands before a file may go from the host; without a bucket, the pulled one."""


class Settings(Model, frozen=True, kw_only=True):
    """Everything a host can be told. Times are in the unit that the key names, paths are absolute."""

    market: MarketName = "nse"
    """The market: nse, or us. Dates and times of day are its; a configuration is of one market."""
    host_id: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")] = field(default_factory=_this_host)
    """Name of this host in the lake's layout; default: the host name."""
    data_dir: Path = DATA_DIR
    """Directory of the journal and the lake."""
    symbols: tuple[Symbol, ...]
    """Tickers to record, as the broker's symbol master spells them, such as NSE:SBIN-EQ; rules among them."""
    rules: Annotated[tuple[SymbolRule, ...], Meta(max_length=100)] = ()
    """The rules among `symbols`, such as {underlying: NIFTY, expiry: nearest 2, strikes: atm +- 10}."""
    index_lists: Annotated[tuple[IndexList, ...], Meta(max_length=50)] = ()
    """Members of indices, for rules such as {index: NIFTY 50}; ./inv index-update brings them."""
    broker: BrokerSettings
    """The broker."""
    feeds: Annotated[tuple[FeedName, ...], Meta(min_length=1)] = ("fyers-rest",)
    """What records: polls (-rest), sockets (-hsm, -tbt, -stream), brokers' candles (-history); see docs/glossary.md."""
    connect_before_seconds: Annotated[int, Meta(ge=0, le=3600)] = 60
    """Seconds before a window opens at which the sockets connect; between windows they are closed."""
    poll: PollSettings = PollSettings()
    """The polling schedule."""
    hsm: HsmSettings = HsmSettings()
    """The data socket."""
    tbt: TbtSettings = TbtSettings()
    """The 50-level socket."""
    chart: ChartSettings = ChartSettings()
    """Schwab's streamer."""
    candles: CandleSettings = CandleSettings()
    """The broker's own candles."""
    calendar: CalendarSettings = CalendarSettings()
    """The trading calendar."""
    journal: JournalSettings = JournalSettings()
    """The journal."""
    archive: Literal["zstd", "packed"] = "zstd"
    """Form of archived segments: zstd, which any tool unpacks, or packed: a third of it at four times the work."""
    token: TokenSettings = TokenSettings()
    """The access token."""
    alerts: AlertSettings = AlertSettings()
    """Messages to people."""
    upload: UploadSettings = UploadSettings()
    """The copy in S3."""
    deliveries: Annotated[tuple[DeliverySettings, ...], Meta(max_length=20)] = ()
    """Tables taken to places of others, such as {name: price-feed, kind: price-feed, place: "s3://BUCKET/"}."""
    metrics: MetricsSettings = MetricsSettings()
    """The host's metrics in CloudWatch."""
    logs: LogSettings = LogSettings()
    """The host's own log in CloudWatch."""
    status_file: Path = Path("/run/harvester-recorder/status.json")
    """Where the recorder publishes its state for `harvester health`."""
    clock_log: Path = Path("/var/log/chrony/tracking.log")
    """Where chrony logs what it measures; each new line goes into the journal, and so into the certificate."""
    disk_reserve_bytes: Annotated[int, Meta(ge=1_048_576)] = 268_435_456
    """Recording stops, with a gap of cause disk_full, when the disk has less than this free."""

    def __post_init__(self) -> None:
        if self.host_id.endswith("-history"):
            raise ValueError("host_id ends with -history, as what a backfill brings is named: choose another")
        if not self.symbols and not self.rules:
            raise ValueError("symbols must name a ticker or a rule")
        for key, names in {"symbols": self.symbols, "feeds": self.feeds}.items():
            if twice := repeated(names):
                raise ValueError(f"{key} names twice: " + ", ".join(twice))
        if self.poll.when == "fallback" and not {"fyers-rest", "fyers-hsm"} <= set(self.feeds):
            raise ValueError("poll.when is fallback, so feeds must hold fyers-rest and fyers-hsm")
        if "fyers-tbt" in self.feeds and not self.tbt.symbols:
            raise ValueError("feeds holds fyers-tbt, so tbt.symbols must name its symbols")
        refuse_shared_places(self.deliveries)
        if any(CANDLES in each.lake_tables for each in self.deliveries) and self.history not in self.feeds:
            raise ValueError(f"deliveries bring the broker's candles, so feeds must hold {self.history}")
        self._refuse_other_market()
        refuse_too_many(len(self.symbols))
        refuse_currency(self.all_symbols)
        self.poll_offsets()
        self.candle_spacing_ns()

    def _refuse_other_market(self) -> None:
        named = {"symbols": self.symbols, "candles.symbols": self.candles.symbols or ()}
        named |= {"hsm.symbols": self.hsm.symbols or (), "tbt.symbols": self.tbt.symbols}
        refuse_other_market(self.market, named, self.feeds)
        if self.broker.kind != BROKER_OF[self.market]:
            raise ValueError(f"market is {self.market}, so broker.kind must be {BROKER_OF[self.market]}")
        if self.market == "us":
            if self.rules:
                raise ValueError("market is us, so symbols must name tickers: rules are for NSE")
            self._refuse_stream_alone()
            if self.candles.resolution not in SCHWAB_MINUTES:
                raise ValueError("market is us, so candles.resolution must be 1, 5, 10, 15 or 30")
            if any(table.rows == "depth" for each in self.deliveries for table in each.tables):
                raise ValueError("market is us, so no table of deliveries may have rows of depth: no feed has books")

    def _refuse_stream_alone(self) -> None:
        """What it brings is provisional, and of a minute: history must settle the same bars."""
        if STREAM not in self.feeds:
            return
        if self.history not in self.feeds:
            raise ValueError(
                f"feeds holds {STREAM}, whose minutes are provisional, so it must hold {self.history}, too"
            )
        if self.candles.resolution != 1:
            raise ValueError(f"feeds holds {STREAM}, which has minutes alone, so candles.resolution must be 1")

    @property
    def history(self) -> FeedName:
        """The feed of the broker's own candles in this market."""
        return "schwab-history" if self.market == "us" else "fyers-history"

    @property
    def limits(self) -> RequestLimits:
        broker = self.broker
        return RequestLimits(broker.requests_per_second, broker.per_minute, broker.requests_per_day)

    def poll_offsets(self) -> tuple[int, ...]:
        """Nanoseconds after its slot at which each symbol is polled, if any is. Raises ValueError at a limit."""
        if "fyers-rest" not in self.feeds:
            return ()
        return start_offsets(len(self.symbols), self.poll.interval_ns, self.limits, self._day_ns(self.symbols))

    def candle_spacing_ns(self) -> int:
        """Nanoseconds from one request for candles to the next, if any is sent. Raises ValueError at a limit."""
        if self.history not in self.feeds:
            return 0
        symbols, polls = self.symbols_of(self.history), Need(0, 0)
        if "fyers-rest" in self.feeds:
            polls = need_of(len(self.symbols), self.poll.interval_ns, self._day_ns(self.symbols))
        return request_spacing(len(symbols), self.candles, polls, self.limits, self._day_ns(symbols))

    def _day_ns(self, symbols: Iterable[str]) -> int:
        """The time recorded of a symbol on the longest day, on average."""
        counts = Counter(map(guess_segment, symbols))
        with entered(self.market):
            return TradingCalendar.load(packaged()).mean_day_ns(counts, self.calendar.phases)

    def symbols_of(self, feed: FeedName) -> tuple[str, ...]:
        """What a feed records or would record, indices included."""
        if feed == "fyers-tbt":
            return self.tbt.symbols
        if feed == "fyers-rest":
            return self.symbols
        if feed in HISTORIES or feed == STREAM:
            return self.symbols if self.candles.symbols is None else self.candles.symbols
        streamed = self.symbols if self.hsm.symbols is None else self.hsm.symbols
        return tuple(dict.fromkeys((*streamed, *self.hsm.index_symbols)))

    @property
    def all_symbols(self) -> tuple[str, ...]:
        """Symbols of all feeds that record."""
        return tuple(dict.fromkeys(symbol for feed in self.feeds for symbol in self.symbols_of(feed)))

    def refuse_unlisted(self) -> None:
        """Raise ConfigError where a rule names an index of which there is no list."""
        listed = {each.index for each in self.index_lists}
        for index in (rule.index for rule in self.rules if rule.index and rule.index not in listed):
            raise ConfigError(
                f"symbols: there is no list of the members of {index} in index_lists. ./inv index-update '{index}'"
                " fetches it from the exchange and brings it to the hosts."
            )

    @property
    def master_dir(self) -> Path:
        return self.data_dir / "masters"

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def lake_dir(self) -> Path:
        return self.data_dir / "lake"


def resolve_symbols(settings: Settings, resolved: Iterable[str]) -> Settings:
    """The settings with the symbols that their rules stand for. Raises ConfigError."""
    try:
        return replace(settings, symbols=tuple(dict.fromkeys((*settings.symbols, *resolved))))
    except ValueError as error:
        raise ConfigError(f"symbols: what the rules stand for is refused: {error}.") from None
