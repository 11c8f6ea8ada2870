"""The option chain of an index or a share: expiries by the exchange's rule, prices by Black and Scholes.

Nothing of it is traded anywhere else in the exchange: its symbols have no depth, no candles and no topics.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from math import ceil, exp, log, log10, pi, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple
from zlib import crc32

from exchange.market.instruments import Instrument
from exchange.market.path import CARRY_A_YEAR
from exchange.market.randomness import uniform
from harvester.base.market import zone

NORMAL = NormalDist()
TUESDAY = 1
"""NSE derivatives expire on Tuesdays since 2025-09-01, the monthly ones on the month's last."""
EXPIRES = time(15, 30)
WEEKS, MONTHS = 4, 3
DAYS_A_YEAR, SESSIONS_A_YEAR = 365, 252
CONTRACT_RUPEES = 1_500_000
"""Least value of a contract (SEBI, since 2024-11-20)."""
STEPS = {"NIFTY": 50, "BANKNIFTY": 100}
TICK = 0.05
SPREAD = 0.004
SMILE = 1.5
MONTH_LETTERS = "123456789OND"
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Expiry(NamedTuple):
    """`monthly`: the month's last."""

    day: date
    monthly: bool

    @property
    def epoch(self) -> int:
        return int(datetime.combine(self.day, EXPIRES, zone()).timestamp())

    def name(self, root: str) -> str:
        """Beginning of the ticker of an option, without strike and type."""
        year, month = self.day.year % 100, self.day.month
        if self.monthly:
            return f"NSE:{root}{year}{MONTH_NAMES[month - 1]}"
        return f"NSE:{root}{year}{MONTH_LETTERS[month - 1]}{self.day.day:02}"

    def describe(self) -> dict[str, str]:
        flag = "M" if self.monthly else "W"
        return {"date": f"{self.day:%d-%m-%Y}", "expiry": str(self.epoch), "expiry_flag": flag}


def expiries(root: str, now: datetime) -> list[Expiry]:
    """The coming ones in order: four weeks of the index that has weekly options, then the months' ends."""
    first = now.date() if now.time() < EXPIRES else now.date() + timedelta(days=1)
    tuesdays = [first + timedelta(days=(TUESDAY - first.weekday()) % 7 + 7 * week) for week in range(7 * MONTHS)]
    found = [Expiry(day, (day + timedelta(days=7)).month != day.month) for day in tuesdays]
    months = [expiry for expiry in found if expiry.monthly][:MONTHS]
    weeks = found[:WEEKS] if root == "NIFTY" else []
    return sorted({*weeks, *months})


class Value(NamedTuple):
    """Price in rupees, and the greeks by name: theta a day, vega and iv in percent."""

    price: float
    greeks: dict[str, float]


def evaluate(spot: float, strike: float, years: float, deviation: float, *, call: bool) -> Value:
    """Black and Scholes, at the interest of the carry. `deviation` is of a year's log return."""
    iv = deviation * (1 + SMILE * log(strike / spot) ** 2)
    spread = iv * sqrt(years)
    upper = (log(spot / strike) + CARRY_A_YEAR * years) / spread + spread / 2
    paid = strike * exp(-CARRY_A_YEAR * years)
    sign = 1 if call else -1
    density = exp(-upper * upper / 2) / sqrt(2 * pi)
    held, exercised = NORMAL.cdf(sign * upper), NORMAL.cdf(sign * (upper - spread))
    decay = -spot * density * iv / (2 * sqrt(years)) - sign * CARRY_A_YEAR * paid * exercised
    greeks = {
        "delta": sign * held,
        "gamma": density / (spot * spread),
        "theta": min(0.0, decay / DAYS_A_YEAR),
        "vega": spot * density * sqrt(years) / 100,
        "iv": 100 * iv,
    }
    return Value(sign * (spot * held - paid * exercised), greeks)


class Chain(NamedTuple):
    """One underlying at one moment. Prices in rupees; `share` of the session is over; `deviation` of a year."""

    seed: int
    instrument: Instrument
    row: dict[str, Any]
    """Its /depth row."""
    now: datetime
    share: float
    deviation: float
    lot: int | None

    @property
    def root(self) -> str:
        return self.instrument.row[13]

    def answer(self, expiry: Expiry, count: int, *, greeks: bool) -> dict[str, Any]:
        """The field `data` of the broker's answer (Fyers API docs, option chain)."""
        rows = [row for strike in self._strikes(count) for row in self._pair(expiry, strike, greeks=greeks)]
        return {
            "callOi": sum(row["oi"] for row in rows if row["option_type"] == "CE"),
            "putOi": sum(row["oi"] for row in rows if row["option_type"] == "PE"),
            "expiryData": [each.describe() for each in expiries(self.root, self.now)],
            "indiavixData": self._vix(),
            "optionsChain": [self._head(expiry), *rows],
        }

    def _strikes(self, count: int) -> list[float]:
        spot = self.row["ltp"]
        step = STEPS.get(self.root) or _round_step(spot / 100)
        middle = round(spot / step)
        return [(middle + place) * step for place in range(-count, count + 1) if middle + place > 0]

    def _years(self, expiry: Expiry) -> float:
        return max(60.0, expiry.epoch - self.now.timestamp()) / (DAYS_A_YEAR * 86_400)

    def _head(self, expiry: Expiry) -> dict[str, Any]:
        row = self.row
        future = row["ltp"] * exp(CARRY_A_YEAR * self._years(expiry))
        return {
            **_named(self.instrument.ticker, self.instrument.row[1], self.root, self.instrument.token),
            "ask": row["ask"][0]["price"], "bid": row["bids"][0]["price"],
            "fp": round(future, 2), "fpch": round(row["ch"], 2), "fpchp": row["chp"],
            "ltp": row["ltp"], "ltpch": row["ch"], "ltpchp": row["chp"],
        }  # fmt: skip

    def _vix(self) -> dict[str, Any]:
        """The volatility index in step with the chain's own volatility."""
        named = _named("NSE:INDIAVIX-INDEX", "INDIAVIX-INDEX", "INDIAVIX", "101000000026017")
        return {**named, "ask": 0, "bid": 0, "ltp": round(100 * self.deviation, 2), "ltpch": 0, "ltpchp": 0}

    def _pair(self, expiry: Expiry, strike: float, *, greeks: bool) -> Iterator[dict[str, Any]]:
        for kind in ("CE", "PE"):
            yield self._option(expiry, strike, kind, greeks=greeks)

    def _option(self, expiry: Expiry, strike: float, kind: str, *, greeks: bool) -> dict[str, Any]:
        spot, years, call = self.row["ltp"], self._years(expiry), kind == "CE"
        value = evaluate(spot, strike, years, self.deviation, call=call)
        before = evaluate(self.row["c"], strike, years + 1 / DAYS_A_YEAR, self.deviation, call=call)
        price, close = _on_tick(value.price), _on_tick(before.price)
        half = max(TICK, _on_tick(price * SPREAD / 2))
        ticker = f"{expiry.name(self.root)}{strike:g}{kind}"
        lot = self.lot or 5 * ceil(CONTRACT_RUPEES / spot / 5)
        weight = exp(-((log(strike / spot) / (2 * self.deviation * sqrt(years))) ** 2))
        yesterday = int(20_000 * weight * (0.5 + uniform(self.seed, ticker, "oi"))) * lot
        change = int(yesterday // lot * 0.1 * self.share * (uniform(self.seed, ticker, self.now.date()) - 0.4)) * lot
        return {
            "ask": round(price + half, 2), "bid": max(0.0, round(price - half, 2)),
            "fyToken": f"1011{expiry.day:%y%m%d}{crc32(ticker.encode()) % 90_000 + 10_000}",
            "ltp": price, "ltpch": round(price - close, 2), "ltpchp": round(100 * (price - close) / close, 2),
            "oi": yesterday + change, "oich": change,
            "oichp": round(100 * change / yesterday, 2) if yesterday else 0, "prev_oi": yesterday,
            "option_type": kind, "strike_price": strike, "symbol": ticker,
            "volume": int(60_000 * weight * self.share * (0.5 + uniform(self.seed, ticker, self.now.date()))) * lot,
            **({"greeks": {name: round(part, 6) for name, part in value.greeks.items()}} if greeks else {}),
        }  # fmt: skip


def _named(ticker: str, description: str, root: str, token: str) -> dict[str, Any]:
    return {
        "description": description, "ex_symbol": root, "exchange": ticker.partition(":")[0], "fyToken": token,
        "option_type": "", "strike_price": -1, "symbol": ticker,
    }  # fmt: skip


def _round_step(about: float) -> float:
    """1, 2.5, 5 or 10 times a power of ten, at or above `about`."""
    power = 10.0 ** int(log10(about) // 1)
    return next(power * part for part in (1, 2.5, 5, 10) if power * part >= about)


def _on_tick(price: float) -> float:
    return max(TICK, round(round(price / TICK) * TICK, 2))


def yearly_deviation(daily_variance: float) -> float:
    """Of the log return, from the variance of a day's."""
    return sqrt(daily_variance * SESSIONS_A_YEAR)
