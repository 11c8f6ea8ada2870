"""An answer of /data/history with many days as columns of exact integers.

Where all candles are ordinary, their prices go through floats: a price below a billion rupees is a whole number of
paise to a millionth of one there, so rounding gives the integer that the text says. Anything else is read by the reader
of the recorder, candle by candle, whose answer is the same (tests/property).
"""

from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from harvester.brokers.bars import Rejected
from harvester.brokers.fyers.history import ANSWER_LIMIT, FIELDS, FIELDS_WITH_INTEREST, read_history
from harvester.decode.frames import Ints
from harvester.ledger.outage import Outage

MOST_RUPEES, MOST_COUNT = 1e9, 2.0**53
NEAR = 0.05
"""Paise by which a price may miss a whole number here; the other way takes up to a tenth."""
HEIGHT = 6
"""Begin in seconds since 1970, open, high, low, close in paise, volume."""


class Columns(NamedTuple):
    """`rows` is int64[6, candles], in the order of the answer."""

    rows: Ints
    rejected: tuple[Rejected, ...]


class _Answer(msgspec.Struct):
    s: str
    candles: list[tuple[float, float, float, float, float, float]]
    code: int | None = None


class _AnswerWithInterest(msgspec.Struct):
    s: str
    candles: list[tuple[float, float, float, float, float, float, float]]
    code: int | None = None


_FORMS: tuple[tuple[type[_Answer | _AnswerWithInterest], int], ...] = (
    (_Answer, FIELDS),
    (_AnswerWithInterest, FIELDS_WITH_INTEREST),
)


def read_columns(status: int, body: bytes) -> Columns | Outage:
    """The candles in an answer, or why it is none. Never raises, whatever the bytes are."""
    rows = _read_quickly(status, body)
    if rows is not None:
        return Columns(rows, ())
    read = read_history(status, body)
    if isinstance(read, Outage):
        return read
    return Columns(np.array(read.candles, np.int64).reshape(-1, HEIGHT).T, read.rejected)


def _read_quickly(status: int, body: bytes) -> Ints | None:
    if status != 200 or len(body) > ANSWER_LIMIT:
        return None
    for form, width in _FORMS:
        try:
            answer = msgspec.json.decode(body, type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if answer.s != "ok" or answer.code or not answer.candles:
            return None
        count = len(answer.candles) * width
        values = np.fromiter(chain.from_iterable(answer.candles), np.float64, count).reshape(-1, width)[:, :HEIGHT].T
        return _to_paise(values)
    return None


def _to_paise(values: NDArray[np.float64]) -> Ints | None:
    """Exact integers of float64[6, candles]; None where not all are ordinary."""
    paise = values[1:5] * 100
    whole = np.rint(paise)
    counts = values[[0, 5]]
    _, high, low, _ = whole
    ordinary = (
        (np.abs(paise - whole) <= NEAR).all()
        and (whole > 0).all()
        and (whole < MOST_RUPEES * 100).all()
        and (high >= low).all()
        and (counts >= 0).all()
        and (counts == np.rint(counts)).all()
        and (counts < MOST_COUNT).all()
    )
    return np.concatenate([values[:1], whole, values[5:6]]).astype(np.int64) if ordinary else None
