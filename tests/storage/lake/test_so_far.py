"""A day that is not over: its tables, ledger and balance until then, and nobody takes it for a closed day."""

from pathlib import Path

import pytest
from tests.journals import DAY, INTERVAL_NS, OPEN_NS, SYMBOLS
from tests.storage.lake.conftest import SLOTS, Place, StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN, moment

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.lake.gaps.polls import read_gaps
from harvester.lake.so_far import build_so_far
from harvester.reader import open_lake
from harvester.reader.errors import NotALakeError


def so_far(place: Place, name: str = "so-far") -> int | None:
    return build_so_far(
        journal=place.journal,
        lake=place.lake,
        target=place.root / name,
        partition=place.partition,
        expectation=place.expectation(),
    )


def test_a_day_of_sockets_so_far_has_what_is_sealed_and_no_gap_that_the_day_has_not(streamed: StreamedPlace) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    recorder.at(40)
    recorder.books(0, SBIN, 1)
    recorder.writer.seal()
    recorder.at(41)
    recorder.books(0, SBIN, 2)  # not sealed

    assert so_far(streamed) == moment(40) - NS_PER_SECOND
    lake = open_lake(streamed.root / "so-far", so_far=True)
    assert repr(lake).startswith("<so far ")
    assert "until 09:15:39" in repr(lake)
    assert lake.depth(SBIN, DAY, session="all", prices="paise").arrow().num_rows == 2
    (day,) = lake.on(DAY)
    assert day.certificate["so_far_until_ns"] == moment(39)
    facts = day.certificate["streams"]["fyers-hsm"]["symbols"]
    assert [facts[symbol]["coverage"] for symbol in (SBIN, INFY)] == [1.0, 1.0]
    assert lake.gaps(days=DAY).arrow().num_rows == 0
    with pytest.raises(NotALakeError, match=r"so_far=True"):
        open_lake(streamed.root / "so-far")

    recorder.close()
    recorder.stop()
    streamed.close()
    assert "so_far_until_ns" not in streamed.certificate()
    with pytest.raises(NotALakeError, match=r"closed days"):
        open_lake(streamed.lake, so_far=True)


def test_polls_so_far_are_judged_until_the_last_whose_answer_must_be_there(place: Place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(*range(5), *range(7, 12))
    recorder.writer.seal()
    recorder.poll_all(12)

    until_ns = so_far(place)
    assert until_ns is not None
    assert OPEN_NS + 9 * INTERVAL_NS < until_ns < OPEN_NS + 11 * INTERVAL_NS
    (path,) = (place.root / "so-far").glob("gaps_v3/*/*/*.parquet")
    gaps = [gap for gap in read_gaps(path) if gap.symbol == SYMBOLS[0]]
    assert [(gap.from_ns, gap.to_ns) for gap in gaps] == [(OPEN_NS + 5 * INTERVAL_NS, OPEN_NS + 7 * INTERVAL_NS)]
    recorder.stop()


def test_nothing_is_written_before_anything_is_sealed_nor_over_another_day(place: Place) -> None:
    recorder = place.start()
    recorder.open_window(SLOTS)
    recorder.poll_all(0)
    assert so_far(place) is None
    assert not (place.root / "so-far").exists()
    recorder.stop()
    (place.root / "full").mkdir()
    (place.root / "full/mine").write_bytes(b"")
    with pytest.raises(HarvesterError, match="is not empty"):
        so_far(place, "full")
    assert [path.name for path in Path(place.root / "full").iterdir()] == ["mine"]
