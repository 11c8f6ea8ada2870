"""Repeated indices in an assignment: numpy does not promise which value stays, so none of ours has any."""

from typing import Any

import numpy as np
import pytest
from tests.storage.lake.sockets import SBIN

from exchange.wire import tbt
from harvester.decode import fyers_tbt


class Strict(np.ndarray):
    """An array that refuses an assignment to the same place twice."""

    def __setitem__(self, key: Any, value: Any) -> None:
        for index in key if isinstance(key, tuple) else (key,):
            if isinstance(index, np.ndarray) and index.dtype != bool:
                assert len(np.unique(index)) == index.size, "which value stays is not promised"
        super().__setitem__(key, value)


class StrictNumpy:
    """numpy, whose arrays are strict."""

    def __getattr__(self, name: str) -> Any:
        plain = getattr(np, name)
        if name not in ("append", "full", "empty"):
            return plain
        return lambda *args, **options: plain(*args, **options).view(Strict)


def levels(*pairs: tuple[int, int]) -> list[tbt.Level]:
    return [tbt.Level(0, price, quantity, 1) for price, quantity in pairs]


def test_of_a_level_that_a_message_gives_twice_the_last_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fyers_tbt, "np", StrictNumpy())
    feed = tbt.Feed(
        SBIN, levels((100, 1), (200, 2), (300, 3)), levels((400, 4), (500, 5)), tbq=1, tsq=1, feed_time=1, send_time=1,
        sequence=1, snapshot=True,
    )  # fmt: skip
    books = fyers_tbt.TbtDecoder().decode([tbt.socket_message([feed], snapshot=True)]).books
    assert (books.bid_px[0, 0], books.bid_qty[0, 0]) == (300, 3)
    assert (books.ask_px[0, 0], books.ask_qty[0, 0]) == (500, 5)
