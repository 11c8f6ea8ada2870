"""Time in which nothing came and nothing was missed, as ledgers write it down and a later start reads it."""

from pathlib import Path

import pytest
from tests.recorder.stream_ledgers import MUTE, WINDOW, live, of, opened, whole

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.capture.history import DayHistory
from harvester.journal.format import FYERS_HSM, RunInfo
from harvester.journal.writer import JournalWriter


def quiet(from_ns: int, to_ns: int, symbols: str = "A") -> dict[str, object]:
    return {"type": "quiet", "feed": 2, "symbols": list(symbols), "from_ns": from_ns, "to_ns": to_ns}


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ((1200, 1300), (1200, 1300)),
        ((1999, 2000), (1999, 2000)),
        ((900, 1300), (1000, 1300)),
        ((1200, 2100), (1200, 2000)),
        ((900, 2100), WINDOW),
    ],
)
def test_what_was_quiet_in_the_window_is_written(said: tuple[int, int], written: tuple[int, int]) -> None:
    ledger = live((0, 1000))

    assert ledger.mark_quiet("AB", *said) == [quiet(*written, "AB")]


@pytest.mark.parametrize("said", [(1200, 1200), (1300, 1200), (900, 1000), (2000, 2100)])
def test_nothing_is_written_of_no_time(said: tuple[int, int]) -> None:
    assert live((0, 1000)).mark_quiet("A", *said) == []


def test_nothing_is_written_outside_windows() -> None:
    assert of().mark_quiet("A", 1200, 1300) == []
    ledger = live((0, 1000))
    ledger.close_window(2000)
    assert ledger.mark_quiet("A", 1200, 1300) == []


def test_a_symbol_stays_as_live_as_it_was() -> None:
    ledger = live((0, 1100))
    ledger.mark_quiet("A", 1200, 1300)
    assert ledger.is_live("A")
    assert ledger.mark_lost(0, 1400, MUTE) == [opened("run-2-2", "A", 1400, MUTE)]


def test_a_replacement_that_overlaps_leaves_no_gap_and_one_in_its_place_has_one() -> None:
    ledger = live((0, 1100), (1, 1500))
    assert ledger.mark_lost(0, 1510, MUTE) == []
    ledger = live((0, 1100), (1, 1500))
    assert ledger.mark_lost(0, 1200, MUTE) == whole(2, 1200, 1500, MUTE)


def test_a_later_start_knows_that_nothing_was_missed_until_then(tmp_path: Path) -> None:
    clock = SystemClock()
    run = RunInfo(host_id="h", release="r", config_hash="0", streams={})
    writer = JournalWriter(tmp_path, clock=clock, run=run)
    writer.append_control({"type": "connect", "feed": FYERS_HSM, "stream": 0, "symbols": ["A", "B"], "attempt": 1})
    now = clock.wall_ns()
    writer.append(FYERS_HSM, 0, b"frame", wall_ns=now, mono_ns=0)
    writer.append_control(quiet(now, now + NS_PER_SECOND))
    writer.close()
    (day,) = (path for path in tmp_path.iterdir() if path.name[:2] == "20")
    history = DayHistory(NS_PER_SECOND)

    history.read(day)

    assert history.feed(FYERS_HSM).accounted == {"A": now + NS_PER_SECOND, "B": now}
