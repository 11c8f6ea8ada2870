"""Tables of a database, and what of ours their rows are."""

from typing import Annotated, Literal

from msgspec import Meta, field

from harvester.base.validation import Model

NAME = r"[a-z_][a-z0-9_]{0,62}"
EQUITY_DATA: Literal["equity_data"] = "equity_data"
INDICATORS: Literal["indicators"] = "indicators"
SCHEMA = "public"
CANDLES = "candles"
ColumnName = Annotated[str, Meta(pattern=rf"^{NAME}\Z")]


class RowTable(Model, frozen=True):
    """A table, such as {name: nse_candles, rows: candles, columns: {symbol: symbol, begun: ts_begin}, key: [begun]}."""

    name: Annotated[str, Meta(pattern=rf"^({NAME}\.)?{NAME}\Z")]
    """Its name, with its schema where that is not public."""
    rows: Literal["equity_data", "indicators", "candles", "depth"]
    """What its rows are: equity_data and indicators have columns of their own, the others those of the lake's table."""
    columns: dict[Annotated[str, Meta(pattern=rf"^{NAME}\Z")], Annotated[str, Meta(pattern=rf"^{NAME}\Z")]] = field(
        default_factory=dict
    )
    """Of candles and depth: the table's columns, and the lake's columns that they have."""
    key: tuple[ColumnName, ...] = ()
    """Of candles and depth: the columns that name a row, on which the table has a unique key."""

    def __post_init__(self) -> None:
        if self.is_live:
            if self.columns or self.key:
                raise ValueError(f"tables: {self.rows} has columns and a key of its own")
            return
        if not self.key or not set(self.key) <= self.columns.keys():
            raise ValueError("tables: key must name some of the columns")
        if len(set(self.key)) < len(self.key):
            raise ValueError("tables: key names a column twice")

    @property
    def is_live(self) -> bool:
        """Whether a bar has its row as soon as it is over."""
        return self.rows in (EQUITY_DATA, INDICATORS)

    @property
    def lake_table(self) -> str:
        """The lake's table that they come from."""
        return CANDLES if self.is_live else self.rows

    @property
    def full_name(self) -> str:
        """With its schema."""
        return self.name if "." in self.name else f"{SCHEMA}.{self.name}"


PLAIN_TABLES = (RowTable(EQUITY_DATA, EQUITY_DATA), RowTable(INDICATORS, INDICATORS))


def ticker_of(symbol: str) -> str:
    """A symbol as the tables of equity_data and indicators have it: NSE:SBIN-EQ is SBIN."""
    return symbol.rpartition(":")[2].removesuffix("-EQ")
