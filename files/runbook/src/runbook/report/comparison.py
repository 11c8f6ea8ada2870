"""The broker's own bars beside ours, of one symbol on one day: where they differ, and by how much."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester.reader.days import Day
from runbook.report.axis import clock

if TYPE_CHECKING:
    import duckdb

QUESTION = """
with theirs as (
    select *, row_number() over (partition by begin_ns order by revision desc) as place
    from candles where date = $date and host = $host and symbol = $symbol
)
select t.begin_ns,
    any_value(t.open_paise) - arg_min(o.open_paise, o.begin_ns) as open,
    any_value(t.high_paise) - max(o.high_paise) as high,
    any_value(t.low_paise) - min(o.low_paise) as low,
    any_value(t.close_paise) - arg_max(o.close_paise, o.begin_ns) as close,
    any_value(t.volume) as theirs, sum(o.volume) as ours, sum(o.gap_ns) as gap_ns
from theirs t join bars o
    on o.date = $date and o.host = $host and o.symbol = $symbol
    and o.begin_ns >= t.begin_ns and o.begin_ns < t.begin_ns + t.resolution_ns
where t.place = 1
group by t.begin_ns order by t.begin_ns
"""
"""Our bars of a minute are put together to each of the broker's; differences are theirs less ours, in paise."""
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Difference:
    """The price that differs most: which one, in paise, and the begin of its bar in wall ns."""

    price: str
    paise: int
    begin_ns: int


@dataclass(frozen=True)
class Comparison:
    """Bars that both have; those with the same four prices; of ours, those with a gap in them.

    `volume_share`: our shares of theirs, over all of them.
    """

    bars: int
    equal: int
    with_gaps: int
    furthest: Difference | None
    volume_share: float | None

    def words(self) -> list[str]:
        """In short sentences, for a person."""
        told = [f"{self.equal:,} of {self.bars:,} bars have our prices"]
        if self.furthest:
            size = f"{self.furthest.paise / 100:+.2f}"
            told.append(f"furthest: {self.furthest.price} of {clock(self.furthest.begin_ns)}, {size}")
        if self.volume_share is not None:
            told.append(f"we saw {100 * self.volume_share:.1f} % of the broker's volume")
        if self.with_gaps:
            told.append(f"ours have gaps in {self.with_gaps:,}")
        return told


def compare_bars(connection: "duckdb.DuckDBPyConnection", day: Day, symbol: str) -> Comparison | None:
    """None where the broker's bars, or ours, are not there."""
    asked = {"date": day.date, "host": day.host, "symbol": symbol}
    rows = connection.execute(QUESTION, asked).fetchall()
    if not rows:
        return None
    differences = [
        Difference(name, int(row[1 + place]), row[0])
        for row in rows
        for place, name in enumerate(PRICES)
        if row[1 + place]
    ]
    theirs, ours = (sum(row[place] or 0 for row in rows) for place in (5, 6))
    return Comparison(
        bars=len(rows),
        equal=sum(not any(row[1:5]) for row in rows),
        with_gaps=sum(bool(row[7]) for row in rows),
        furthest=max(differences, key=lambda each: abs(each.paise), default=None),
        volume_share=ours / theirs if theirs else None,
    )
