"""The broker's own bars through the front door: the revision in force, put together, beside ours."""

from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS
from tests.storage.lake.candles import BARS, INFY, MINUTE, SBIN, WIDTH, CandlePlace, bar, said

from harvester.reader import ReaderError, open_lake
from harvester.reader.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """SBIN's first bar was revised; INFY has no candle of its second and third."""
    place = CandlePlace(tmp_path)
    recorder = place.candles()
    recorder.answer(5.1, SBIN, said(bar(0, 800.1, 7)))
    recorder.answer(35, SBIN, said(*(bar(number, 800 + number, 10) for number in range(BARS))))
    recorder.answer(45, INFY, said(bar(0), *map(bar, range(3, BARS))))
    recorder.stop()
    place.close()
    return open_lake(place.lake)


def told(answer: Any) -> list[dict[str, Any]]:
    table = answer.arrow()
    at = table.schema.get_field_index("ts_begin")
    plain = table.set_column(at, "ts_begin", table.column("ts_begin").cast("int64"))
    return plain.to_pylist()


def test_the_revision_in_force_of_each_bar(lake: Lake) -> None:
    rows = told(lake.bars(SBIN, DAY, source="broker"))

    assert [row["ts_begin"] for row in rows] == [OPEN_NS + number * WIDTH for number in range(BARS)]
    assert rows[0] == {
        "ts_begin": OPEN_NS, "symbol": SBIN, "open": 800.0, "high": 801.25, "low": 799.95, "close": 800.0,
        "volume": 10, "final": True, "revision": 1, "source": "live", "resolution_ns": WIDTH,
    }  # fmt: skip
    assert [row["revision"] for row in rows[1:]] == [0] * (BARS - 1)
    assert [row["final"] for row in rows] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(("prices", "close"), [("paise", 80_000), ("rupees", 800.0)])
def test_prices_are_as_asked_for(lake: Lake, prices: Any, close: float) -> None:
    assert told(lake.bars(SBIN, DAY, source="broker", prices=prices))[0]["close"] == close


def test_longer_bars_are_put_together_from_whole_ones(lake: Lake) -> None:
    first, last = told(lake.bars(SBIN, DAY, source="broker", every="15m"))

    assert (first["ts_begin"], last["ts_begin"]) == (OPEN_NS, OPEN_NS + 3 * WIDTH)
    assert (first["open"], first["high"], first["close"], first["volume"]) == (800.0, 802.0, 802.0, 30)
    assert (first["final"], first["revision"], last["final"]) == (True, 1, False)
    assert first["resolution_ns"] == 15 * MINUTE


def test_a_bar_without_a_candle_is_not_there_and_the_ledger_says_why(lake: Lake) -> None:
    assert len(told(lake.bars(INFY, DAY, source="broker"))) == BARS - 2
    (gap,) = lake.gaps(INFY, DAY).arrow().to_pylist()
    assert (gap["feed"], gap["cause"], gap["slots"]) == ("fyers-history", "no_data", 2)


def test_a_stretch_of_time_has_the_bars_that_begin_in_it(lake: Lake) -> None:
    rows = told(lake.bars(SBIN, since=f"{DAY}T09:20+05:30", until=f"{DAY}T09:30+05:30", source="broker"))
    assert [row["ts_begin"] for row in rows] == [OPEN_NS + WIDTH, OPEN_NS + 2 * WIDTH]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"every": "1m"}, "every=300s or longer"),
        ({"every": "7m"}, "whole ones of 300 s"),
        ({"source": "theirs"}, "neither 'ours' nor 'broker'"),
        ({"origin": True}, "./inv query"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(lake: Lake, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ReaderError, match=words):
        lake.bars(SBIN, DAY, **({"source": "broker"} | asked)).arrow()


def test_ours_are_not_there_where_no_quotes_were_recorded(lake: Lake) -> None:
    with pytest.raises(ReaderError, match="has no bars"):
        lake.bars(SBIN, DAY).arrow()


def test_symbols_of_candles_alone_are_symbols_of_the_day(lake: Lake) -> None:
    assert lake.symbols(DAY) == sorted([SBIN, INFY])
    assert lake.instruments(DAY).arrow().column("feeds").to_pylist()[0] == ["fyers-history"]
