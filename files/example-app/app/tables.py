"""What one answer of the broker's quotes puts into the tables of my_schema."""

import json
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg

TICK = """
INSERT INTO my_schema.ticks (run_date, instrument_token, symbol, last_price, volume, bid, ask, tick_time)
VALUES (%(day)s, %(token)s, %(symbol)s, %(price)s, %(volume)s, %(bid)s, %(ask)s, %(at)s)
"""
LATEST = (
    """
INSERT INTO my_schema.rt_intraday_price (scrip_id, price_date, last_price, volume)
VALUES (%(token)s, %(day)s::text, %(price)s, %(volume)s)
ON CONFLICT (scrip_id, price_date) DO UPDATE
SET last_price = EXCLUDED.last_price, volume = EXCLUDED.volume, insert_date = now()
""",
    """
INSERT INTO my_schema.market_structure
VALUES (%(day)s, %(token)s, %(symbol)s, %(open)s, %(high)s, %(low)s, %(close)s)
ON CONFLICT (session_date, instrument_token) DO UPDATE
SET open_price = EXCLUDED.open_price, high_price = EXCLUDED.high_price, low_price = EXCLUDED.low_price
""",
    """
INSERT INTO my_schema.holdings (run_date, instrument_token, symbol, quantity, average_price, last_price)
SELECT %(day)s, %(token)s, %(symbol)s, 1, COALESCE(
    (SELECT average_price FROM my_schema.holdings WHERE instrument_token = %(token)s ORDER BY run_date LIMIT 1),
    %(price)s), %(price)s
ON CONFLICT (instrument_token, run_date) DO UPDATE SET last_price = EXCLUDED.last_price
""",
    """
INSERT INTO my_schema.positions (run_date, position_type, instrument_token, symbol, quantity, last_price, profit)
SELECT run_date, 'paper', instrument_token, symbol, quantity, last_price, last_price - average_price
FROM my_schema.holdings WHERE instrument_token = %(token)s AND run_date = %(day)s
ON CONFLICT (position_type, instrument_token) DO UPDATE
SET run_date = EXCLUDED.run_date, last_price = EXCLUDED.last_price, profit = EXCLUDED.profit
""",
)


class Quote(NamedTuple):
    """One symbol of an answer; prices in rupees."""

    token: int
    symbol: str
    price: float
    volume: int
    bid: float
    ask: float
    open: float
    high: float
    low: float
    close: float
    at: datetime


def read_quotes(answer: dict[str, Any]) -> list[Quote]:
    """The symbols that the broker knows. Raises ValueError with the broker's words where it refuses."""
    if answer.get("s") != "ok":
        raise ValueError(f"the broker says: {answer.get('message') or answer}")
    return [_quote(entry["n"], entry["v"]) for entry in answer["d"] if entry["s"] == "ok"]


def _quote(symbol: str, values: dict[str, Any]) -> Quote:
    prices = [values[f"{name}_price"] for name in ("open", "high", "low", "prev_close")]
    at = datetime.fromtimestamp(int(values["tt"]), UTC)
    latest = (values["lp"], values["volume"], values["bid"], values["ask"])
    return Quote(int(values["fyToken"]), symbol, *latest, *prices, at)


def write(connection: psycopg.Connection, day: date, answer: dict[str, Any], seen: dict[int, Quote]) -> int:
    """Write one answer in one transaction; returns the new ticks. `seen` is the last quote of each instrument."""
    quotes = read_quotes(answer)
    new = [quote for quote in quotes if seen.get(quote.token) != quote]
    with connection.transaction(), connection.cursor() as cursor:
        raw = "INSERT INTO my_schema.raw_ticks (run_date, answer) VALUES (%s, %s)"
        cursor.execute(raw, (day, json.dumps(answer)))
        for quote in new:
            values = {**quote._asdict(), "day": day}
            for statement in (TICK, *LATEST):
                cursor.execute(statement, values)
    seen.update({quote.token: quote for quote in new})
    return len(new)
