"""What holds for the decoders whatever the bytes: nothing raises, all is accounted for, batching changes nothing."""

from collections.abc import Sequence

import numpy as np

from harvester.decode.frames import Leftover, Reason
from harvester.decode.fyers_hsm import HsmBatch, HsmDecoder
from harvester.decode.fyers_tbt import Books, TbtBatch, TbtDecoder
from harvester.decode.hsm_layout import FEED


def check_ranges(frames: Sequence[bytes], leftovers: Sequence[Leftover]) -> None:
    """Leftovers name bytes that are there."""
    for left in leftovers:
        assert 0 <= left.start <= left.end <= len(frames[left.frame]), left
        if left.reason is not Reason.TRUNCATED:
            assert left.start < left.end or not frames[left.frame], left


def cut(frames: Sequence[bytes]) -> list[tuple[int, Sequence[bytes]]]:
    """(number of the first frame, frames) of batches: one a frame, or of many frames a few batches."""
    size = 1 if len(frames) <= 8 else len(frames) // 3
    return [(first, frames[first : first + size]) for first in range(0, len(frames), size)]


def hsm_rows(batch: HsmBatch, first: int) -> list[tuple[object, ...]]:
    """Rows as plain tuples; frames counted from `first`."""
    return [
        (
            rows.kind.prefix,
            int(rows.frame[row]) + first,
            batch.topics[rows.topic[row]],
            int(rows.scale[row]),
            int(rows.form[row]),
            tuple(rows.values[:, row].tolist()),
        )
        for rows in batch.rows
        for row in range(len(rows))
    ]


def check_hsm(frames: Sequence[bytes]) -> HsmBatch:
    """One batch of all frames says the same as several."""
    whole = HsmDecoder().decode(frames)
    check_ranges(frames, whole.leftovers)
    single = HsmDecoder()
    batches = [(first, single.decode(part)) for first, part in cut(frames)]
    alone = [row for first, batch in batches for row in hsm_rows(batch, first)]
    together = hsm_rows(whole, 0)
    for kind in ("sf", "dp", "if"):
        assert [row for row in together if row[0] == kind] == [row for row in alone if row[0] == kind]
    assert whole.leftovers == [
        left._replace(frame=left.frame + first) for first, batch in batches for left in batch.leftovers
    ]
    assert [control.type for control in whole.controls] == [
        control.type for _, batch in batches for control in batch.controls
    ]
    check_accounted(frames, whole)
    return whole


def check_accounted(frames: Sequence[bytes], batch: HsmBatch) -> None:
    """Each entry that a feed frame announces is a row, is left over, or is lost with the rest of its frame."""
    announced = sum(int.from_bytes(frame[7:9], "big") for frame in frames if len(frame) >= 9 and frame[2] == FEED)
    unread = {Reason.NO_SNAPSHOT, Reason.UNKNOWN_TOPIC, Reason.NO_PRICE}
    entries = sum(map(len, batch.rows)) + sum(left.reason in unread for left in batch.leftovers)
    assert entries <= announced
    lost = {left.frame for left in batch.leftovers if left.reason in (Reason.TRUNCATED, Reason.UNKNOWN_ENTRY)}
    if entries < announced:
        assert lost


def tbt_rows(books: Books, tickers: Sequence[str], first: int) -> list[tuple[object, ...]]:
    """Rows as plain tuples; frames counted from `first`."""
    columns = [column for name, column in vars(books).items() if name not in ("frame", "symbol")]
    return [
        (frame + first, tickers[symbol], *(tuple(np.atleast_1d(column[..., row]).tolist()) for column in columns))
        for row, (frame, symbol) in enumerate(zip(books.frame.tolist(), books.symbol.tolist(), strict=True))
    ]


def check_tbt(frames: Sequence[bytes]) -> TbtBatch:
    """One batch of all frames says the same as several."""
    whole = TbtDecoder().decode(frames)
    check_ranges(frames, whole.leftovers)
    single = TbtDecoder()
    batches = [(first, single.decode(part)) for first, part in cut(frames)]
    assert tbt_rows(whole.books, whole.tickers, 0) == [
        row for first, batch in batches for row in tbt_rows(batch.books, batch.tickers, first)
    ]
    assert whole.leftovers == [
        left._replace(frame=left.frame + first) for first, batch in batches for left in batch.leftovers
    ]
    return whole
