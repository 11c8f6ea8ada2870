"""Numbers of the broker's JSON as exact integers. Fractions must have been parsed as Decimals, never as floats."""

import json
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

PAISE_PER_RUPEE = 100
FLOAT_NOISE = Decimal("0.1")
"""Paise by which a price may miss a whole number: a 32-bit float in the broker's chain misses by less."""
NO_NOISE = Decimal(0)
PARSE_LIMIT = 65_536
"""A depth answer has about 1,500 bytes; what is far larger is not parsed, so that it cannot fill our memory."""
INT32 = 2**31 - 1
INT64 = 2**63 - 1
MAX_EXPONENT = 18
"""Decimal exponent beyond which a number is out of range; it is not even multiplied."""
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


def to_count(value: object, limit: int = INT64) -> int | None:
    """A count: not negative, without a fraction."""
    if type(value) is int:
        return value if 0 <= value <= limit else None
    number = _scale(value, 1, noise=NO_NOISE)
    return number if number is not None and 0 <= number <= limit else None


def to_paise(value: object, noise: Decimal | None = FLOAT_NOISE) -> int | None:
    """A price in rupees as paise. With `noise` None it is an average: rounded to the nearest paisa, half to even."""
    return to_units(value, PAISE_PER_RUPEE, noise)


def to_units(value: object, units: int, noise: Decimal | None = FLOAT_NOISE) -> int | None:
    """The same of any price, as so many units of its currency."""
    number = _scale(value, units, noise)
    return number if number is not None and 0 <= number <= INT64 else None


def parse_object(body: bytes, most_bytes: int = PARSE_LIMIT) -> dict[str, Any] | None:
    """The JSON object, its fractions as Decimals; NaN, which JSON does not know and a broker sends, as null."""
    if len(body) > most_bytes:
        return None
    try:
        answer = json.loads(body, parse_float=Decimal, parse_constant=lambda _: None)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _scale(value: object, factor: int, noise: Decimal | None) -> int | None:
    if type(value) is int:
        return value * factor
    if type(value) is not Decimal or value.adjusted() > MAX_EXPONENT:
        return None
    scaled = EXACT.multiply(value, factor)
    number = int(scaled)
    if number == scaled:
        return number
    nearest = EXACT.to_integral_value(scaled)
    if noise is not None and abs(EXACT.subtract(scaled, nearest)) > noise:
        return None
    return int(nearest)
