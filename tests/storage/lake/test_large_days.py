"""What lets a day of any size be closed: rows and records that are kept in parts give what they give as a whole."""

from pathlib import Path

import numpy as np
import pytest
from tests.storage.lake.sockets import SBIN

from harvester.base.errors import HarvesterError
from harvester.decode.frames import ABSENT, Ints
from harvester.journal.format import FYERS_HSM, FYERS_REST
from harvester.lake.day.controls import PACKED, ControlLog, ControlRecord
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.gaps import ledger
from harvester.lake.gaps.ledger import LedgerWriter
from harvester.lake.gaps.polls import GapRow, stream_gaps
from harvester.lake.gaps.streams import _take
from harvester.lake.schema import BARS_TABLE, QUOTES_TABLE, order_of
from harvester.lake.tables import bars, spool
from harvester.lake.tables.origin import Snapshots

HEIGHT = QUOTES_TABLE.height
SEQ, RUN = QUOTES_TABLE.at("seq"), QUOTES_TABLE.at("run_id")


def scattered(count: int, symbols: int) -> tuple[Ints, Ints]:
    """Rows of so many symbols in two runs, some of them late by a round; each has a number of its own."""
    chance = np.random.default_rng(count)
    numbers = chance.integers(0, symbols, count)
    rows = np.zeros((HEIGHT, count), np.int64)
    rows[0] = np.arange(count)
    rows[SEQ] = np.arange(count) // 3 + chance.integers(0, 40, count)
    rows[RUN] = np.arange(count) > count // 2
    return numbers, rows


@pytest.mark.parametrize("group_rows", [1, 30, 200, 10_000])
def test_a_spool_gives_each_symbol_its_rows_in_order_however_little_it_holds_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    monkeypatch.setattr(spool, "FLUSH_BYTES", 8 * HEIGHT * 300)
    monkeypatch.setattr(spool, "CHUNK_BYTES", 8 * HEIGHT * 16)
    monkeypatch.setattr(spool, "GROUP_BYTES", 8 * HEIGHT * group_rows)
    symbols, rows = scattered(2_000, 23)
    kept = spool.RowSpool(tmp_path, HEIGHT)
    for start in range(0, 2_000, 70):
        kept.add(symbols[start : start + 70], rows[:, start : start + 70])

    for symbol in [*range(23), 5, 3]:
        mine = rows[:, symbols == symbol]
        expected = mine[:, np.argsort(order_of(mine), kind="stable")]
        found = np.concatenate([part.copy() for part in kept.read(symbol)], axis=1)
        assert (found == expected).all()
        assert group_rows > 1 or found.shape[1] == expected.shape[1]
    assert list(kept.read(23)) == []
    kept.close()


@pytest.mark.parametrize("size", [1, 7, 100])
def test_bars_are_the_same_however_the_quotes_come(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Also where volumes are not known and the clock is set back."""
    chance = np.random.default_rng(3)
    quotes = np.full((HEIGHT, 100), ABSENT)
    quotes[0] = np.sort(chance.integers(0, 5 * bars.MINUTE_NS, 100))
    quotes[0, 60:] -= bars.MINUTE_NS
    quotes[QUOTES_TABLE.at("in_session")] = chance.random(100) < 0.9
    for name in ("ltp_paise", "volume", "bid_px_paise", "ask_px_paise"):
        quotes[QUOTES_TABLE.at(name)] = np.where(chance.random(100) < 0.5, chance.integers(1, 99, 100), ABSENT)
    whole = bars.Bars()
    whole.see(quotes)
    parts = bars.Bars()
    monkeypatch.setattr(bars, "_MANY", 10)
    for start in range(0, 100, size):
        parts.see(quotes[:, start : start + size])

    gaps = [(0, bars.MINUTE_NS // 2)]
    assert (parts.matrix(gaps) == whole.matrix(gaps)).all()
    assert whole.matrix(gaps).shape == (BARS_TABLE.height, len({*(quotes[0] // bars.MINUTE_NS).tolist()}))


def test_control_records_come_back_as_they_were() -> None:
    odd = {"type": "text", "text": "half \ud83d of a pair"}, {"type": "clock", "offset_ns": 2**70}
    told = [
        ControlRecord(at % 3, at, 10 * at, -at, odd[at % 2] if at in (5, 6) else {"type": "gap_close", "to_ns": [at]})
        for at in range(2 * PACKED + 9)
    ]
    log = ControlLog()
    for record in told:
        log.append(record)
    assert [*log] == told == [*log]


def gap(gap_id: str, from_ns: int, opened_at: int, *symbols: str, feed: int = FYERS_HSM) -> KnownGap:
    return KnownGap(gap_id, "a", frozenset(symbols), from_ns, "stale", "x", opened_at, None, feed)


def test_recorded_gaps_are_found_by_symbol_and_end_by_their_ids() -> None:
    gaps = KnownGaps([gap("1", 5, 0, "S", "T"), gap("2", 9, 1, "S"), gap("3", 7, 2, "S", feed=FYERS_REST)])
    gaps.close("1", 8)
    gaps.open(gap("2", 20, 3, "S"))
    gaps.close("2", 30)
    gaps.close("2", 31)

    found = {symbol: [(each.from_ns, each.to_ns) for each in gaps.of(FYERS_HSM, symbol)] for symbol in ("S", "T", "U")}
    assert found == {"S": [(5, 8), (20, 31)], "T": [(5, 8)], "U": []}
    assert gaps.symbols_of(FYERS_HSM) == {"S", "T"} and gaps.symbols_of(FYERS_REST) == {"S"}
    with pytest.raises(KeyError):
        gaps.close("4", 1)


def test_the_first_snapshot_on_each_connection_is_kept() -> None:
    snapshots = Snapshots()
    snapshots.add(4, np.array([1, 2, 1]), np.array([50, 60, 40]))
    assert snapshots.of(1) == {4: 40}
    snapshots.add(4, np.array([1]), np.array([30]))
    snapshots.add(7, np.array([1]), np.array([10]))
    assert (snapshots.of(1), snapshots.of(2), snapshots.of(3), snapshots.of(None)) == ({4: 30, 7: 10}, {4: 60}, {}, {})


def test_of_claims_that_overlap_the_first_has_the_time() -> None:
    chance = np.random.default_rng(9)
    free = [(0, 40), (40, 70), (80, 100)]
    for _ in range(200):
        begins = chance.integers(0, 100, 6)
        claims = [
            ((int(b), int(b + n)), str(at)) for at, (b, n) in enumerate(zip(begins, range(0, 60, 10), strict=True))
        ]
        left, pieces = _take(free, claims)  # type: ignore[arg-type]
        owner = {moment: reason for (begin, end), reason in pieces for moment in range(begin, end)}
        for moment in range(100):
            mine = next((reason for (begin, end), reason in claims if begin <= moment < end), None)
            is_free = any(begin <= moment < end for begin, end in free)
            assert owner.get(moment) == (mine if is_free else None)
            assert any(begin <= moment < end for begin, end in left) == (is_free and mine is None)
        assert all(any(begin <= one and other <= end for begin, end in free) for one, other in left)


def test_a_ledger_of_many_gaps_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "GROUP_ROWS", 4)
    rows = [
        GapRow(symbol, feed, at, at + 1, "stale", "", None, "recorded")
        for symbol in ("A", "B")
        for feed in ("fyers-hsm", "fyers-tbt")
        for at in range(3)
    ]
    with LedgerWriter(tmp_path / "gaps.parquet") as writer:
        writer.add(reversed(rows[:6]))
        writer.add(rows[6:])
    assert ([*stream_gaps(writer.path)], writer.rows, writer.damaged) == (rows, 12, [])
    writer.check()
    with LedgerWriter(tmp_path / "other.parquet") as other:
        other.add(rows[1:6])
    other.path.replace(writer.path)
    with pytest.raises(HarvesterError, match="reading the file back gives other gaps"):
        writer.check()


def test_a_storm_of_reconnects_has_a_gap_each_and_balances(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_HSM])
    for _ in range(300):
        recorder.connect(0, [SBIN])
        recorder.snapshots(0, SBIN)
    recorder.close()
    recorder.stop()
    closing = streamed.close()
    entry = closing.certificate["streams"]["fyers-hsm"]["symbols"][SBIN]
    assert closing.outcome == "closed" and entry["updates"]["depth"] == 300


def test_gaps_that_were_open_the_day_before_end_each_by_its_own_id() -> None:
    def gap(gap_id: str, opened_at: int, symbols: str, to_ns: int | None = None) -> KnownGap:
        return KnownGap(gap_id, "r", frozenset(symbols), opened_at, "mute", gap_id, opened_at, to_ns)

    gaps = KnownGaps()
    gaps.take_open(KnownGaps([gap("1", 1, "ST"), gap("2", 2, "S"), gap("3", 3, "S", 9), gap("4", 4, "T")]))

    gaps.close("2", 20)
    gaps.close("1", 30)

    found = {name: [(each.detail, each.to_ns) for each in gaps.of(FYERS_REST, name)] for name in "ST"}
    assert found == {"S": [("1", 30), ("2", 20)], "T": [("1", 30), ("4", None)]}
    with pytest.raises(KeyError):
        gaps.close("3", 40)
