"""The ledger of the sockets: each moment of the session is covered or lies in one gap with the right cause."""

import pytest
from tests.storage.lake.sockets import CLOSE_NS, INFY, SBIN, moment

from harvester.base.clock import NS_PER_SECOND
from harvester.journal import recover
from harvester.journal.format import FYERS_HSM, FYERS_TBT

END = 100.0


def start(streamed, *symbols: str, at: float = 0, **options: object):
    """A run that is connected, and has its snapshots, at that second."""
    streamed.clock.now_ns = max(streamed.clock.now_ns, moment(at))
    recorder = streamed.sockets(**options)
    recorder.open()
    recorder.connect(0, symbols or (SBIN, INFY))
    recorder.snapshots(0, *(symbols or (SBIN, INFY)))
    return recorder


def end(recorder) -> None:
    recorder.close()
    recorder.stop()


def test_a_whole_session_has_no_gaps(streamed) -> None:
    recorder = start(streamed)
    recorder.at(40)
    recorder.books(0, SBIN, 1)
    end(recorder)
    streamed.close()
    facts = streamed.facts(SBIN)
    assert streamed.lost(SBIN) == [] and facts["coverage"] == 1.0
    assert (facts["window_ns"], facts["longest_silence_ns"]) == (100 * NS_PER_SECOND, 60 * NS_PER_SECOND)


def test_a_recorded_gap_keeps_its_cause_and_ends_at_the_snapshot(streamed) -> None:
    recorder = start(streamed)
    recorder.at(30)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="disconnect", detail="closed by the server")
    recorder.lose(SBIN, 28, 35.5)
    recorder.lose(INFY, 28, 36)
    recorder.at(35)
    recorder.connect(0, (SBIN, INFY))
    recorder.at(35.5)
    recorder.snapshots(0, SBIN, number=3)
    recorder.at(36)
    recorder.snapshots(0, INFY, number=3)
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(28, 35.5, "disconnect")]
    assert streamed.lost(INFY) == [(28, 36, "disconnect")]
    assert streamed.facts(SBIN)["gaps_by_cause"] == {"disconnect": {"ns": 7_500_000_000, "count": 1}}
    assert {gap.source for gap in streamed.gaps(SBIN)} == {"recorded"}


def test_an_end_of_the_session_that_was_found_missing_after_the_close_counts(streamed) -> None:
    recorder = start(streamed)
    recorder.at(96)
    recorder.books(0, SBIN, 1)
    recorder.close()
    recorder.at(END + 2)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="not_started", detail="between windows")
    recorder.lose(SBIN, 96, END, "mute")
    recorder.lose(INFY, 96, END, "mute")
    recorder.stop()
    streamed.close()
    assert streamed.lost(SBIN) == streamed.lost(INFY) == [(96, END, "stale")]


def test_what_the_recorder_did_not_write_down_is_found_in_the_frames(streamed) -> None:
    recorder = start(streamed)
    recorder.at(30)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="mute", detail="nothing for 10 s")
    recorder.at(35)
    recorder.connect(0, (SBIN, INFY))
    recorder.at(36)
    recorder.snapshots(0, SBIN)
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(30, 36, "stale")]
    assert streamed.lost(INFY) == [(30, END, "stale")], "it never came back"
    assert {gap.source for gap in streamed.gaps(SBIN)} == {"derived"}


def test_a_symbol_that_never_came_is_a_gap_of_the_whole_session(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, (SBIN, INFY))
    recorder.snapshots(0, SBIN)
    recorder.lose(INFY, 0, None, "no_snapshot")
    end(recorder)
    streamed.close(sockets={FYERS_HSM: ("NSE:TCS-EQ",)})
    assert streamed.lost(INFY) == [(0, END, "no_snapshot")]
    assert streamed.lost("NSE:TCS-EQ") == [(0, END, "not_running")]
    assert streamed.facts("NSE:TCS-EQ")["coverage"] == 0


def test_a_day_without_a_recorder_is_all_gap(streamed) -> None:
    streamed.close(sockets={FYERS_HSM: (SBIN,), FYERS_TBT: (INFY,)})
    assert streamed.lost(SBIN) == [(0, END, "not_running")]
    assert streamed.lost(INFY, "fyers-tbt") == [(0, END, "not_running")]


def test_a_late_start_is_not_started_until_the_first_snapshot(streamed) -> None:
    recorder = start(streamed, at=20)
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(0, 20, "not_started")]


@pytest.mark.parametrize("second_comes", [False, True])
def test_of_a_run_that_died_a_connection_counts_to_its_last_frame(streamed, second_comes: bool) -> None:
    recorder = start(streamed)
    recorder.at(30)
    recorder.books(0, SBIN, 1)
    recorder.at(36)
    if second_comes:
        recorder.connect(1, (SBIN, INFY))
        recorder.snapshots(1, SBIN, INFY, number=3)
        recorder.at(37)
        recorder.books(1, SBIN, 4)
    recorder.at(38)
    recorder.control("text", feed=FYERS_HSM, stream=0, text="the last that was written")
    recorder.die()
    streamed.clock.now_ns = moment(60)
    recover(streamed.journal, clock=streamed.clock)
    streamed.close()

    silent = [(30, 36, "stale"), (37, 38, "stale")] if second_comes else [(30, 38, "stale")]
    assert streamed.lost(SBIN) == streamed.lost(INFY) == [*silent, (38, END, "not_running")]


def test_a_killed_run_is_not_running_until_the_next_one_has_its_snapshot(streamed) -> None:
    first = start(streamed)
    first.at(30)
    first.books(0, INFY, 1)
    first.die()
    streamed.clock.now_ns = moment(60)
    recover(streamed.journal, clock=streamed.clock)
    second = streamed.sockets()
    second.open()
    second.connect(0, (SBIN, INFY))
    second.at(62)
    second.snapshots(0, SBIN, INFY)
    end(second)
    streamed.close()
    assert streamed.lost(SBIN) == [(30, 60, "not_running"), (60, 62, "not_running")]
    assert [gap.detail.split()[-1] for gap in streamed.gaps(SBIN)] == ["begun", "connecting"]
    assert streamed.facts(SBIN)["covered_ns"] == 68 * NS_PER_SECOND


def test_a_stopped_run_is_stopped(streamed) -> None:
    recorder = start(streamed)
    recorder.at(70)
    recorder.stop()
    streamed.clock.now_ns = CLOSE_NS
    streamed.close()
    assert streamed.lost(SBIN) == [(70, END, "stopped")]


def test_a_gap_that_nothing_closed_ends_at_the_next_snapshot_or_with_its_run(streamed) -> None:
    recorder = start(streamed)
    recorder.at(30)
    recorder.lose(SBIN, 25, None, "token_refused")
    recorder.lose(INFY, 25, None, "token_refused")
    recorder.at(50)
    recorder.connect(0, (SBIN, INFY))
    recorder.snapshots(0, SBIN)
    recorder.at(80)
    recorder.stop()
    streamed.close()
    assert streamed.lost(SBIN) == [(25, 50, "token_refused"), (80, END, "stopped")]
    assert streamed.lost(INFY)[0][:2] == (25, 80 + 1e-9) and streamed.lost(INFY)[0][2] == "token_refused"


def test_a_gap_of_polls_is_none_of_the_socket_and_the_other_way_round(streamed) -> None:
    recorder = start(streamed, SBIN, polled=(SBIN,))
    recorder.lose(SBIN, 10, 20, "timeout", feed=1)
    recorder.lose(SBIN, 40, 50, "disconnect")
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(40, 50, "disconnect")]
    assert streamed.certificate()["symbols"][SBIN]["expected"] == 0


def test_of_gaps_that_overlap_the_one_opened_last_holds(streamed) -> None:
    recorder = start(streamed)
    recorder.lose(SBIN, 10, 40, "disconnect")
    recorder.lose(SBIN, 20, 30, "refused")
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(10, 20, "disconnect"), (20, 30, "refused"), (30, 40, "disconnect")]


def test_gaps_are_cut_at_the_edges_of_the_windows(streamed) -> None:
    recorder = start(streamed)
    recorder.lose(SBIN, -20, 10, "no_token")
    recorder.lose(SBIN, 90, 130, "no_token")
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(0, 10, "no_token"), (90, END, "no_token")]


@pytest.mark.parametrize(("got", "missing", "repeated"), [(9, 5, 0), (2, 0, 1)])
def test_a_break_of_the_sequence_is_a_gap_until_the_next_snapshot(
    streamed, got: int, missing: int, repeated: int
) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_TBT])
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 0, snapshot=True)
    for second in (10, 20):
        recorder.at(second)
        recorder.book50(0, SBIN, second)
    recorder.at(30)
    recorder.book50(0, SBIN, 30, sequence=got)
    recorder.at(40)
    recorder.book50(0, SBIN, 40)
    recorder.at(50)
    recorder.book50(0, SBIN, 50, snapshot=True)
    recorder.at(60)
    recorder.book50(0, SBIN, 60)
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN, "fyers-tbt") == [(20, 50, "sequence_break")]
    assert [not row["valid"] for row in streamed.table("depth50")] == [False] * 3 + [True] * 2 + [False] * 2
    proof = streamed.facts(SBIN, "fyers-tbt")["sequence"]
    assert (proof["missing"], proof["repeated"]) == (missing if got > 3 else 0, repeated)
    assert streamed.gaps(SBIN)[0].detail == f"{got} came after 3"


def test_a_break_that_no_snapshot_mends_lasts_to_the_end_of_its_connection(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_TBT])
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 0, snapshot=True)
    recorder.at(30)
    recorder.book50(0, SBIN, 1, sequence=7)
    recorder.at(60)
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.at(61)
    recorder.book50(0, SBIN, 2, sequence=900, snapshot=True)
    end(recorder)
    streamed.close()
    lost = streamed.lost(SBIN, "fyers-tbt")
    assert lost[0] == (0, 60, "sequence_break") and lost[1][:2] == (60, 61) and len(lost) == 2
    chains = streamed.facts(SBIN, "fyers-tbt")["sequence"]["connections"]
    assert [(chain["first"], chain["last"], chain["missing"]) for chain in chains] == [(1, 7, 5), (900, 900, 0)]


def both(streamed):
    """A run with two connections that carry the same symbol."""
    recorder = streamed.sockets()
    recorder.open()
    for stream in (0, 1):
        recorder.connect(stream, [SBIN])
        recorder.snapshots(stream, SBIN)
    return recorder


def test_of_two_copies_the_first_is_a_row_and_both_sides_are_counted(streamed) -> None:
    recorder = both(streamed)
    for number in range(1, 31):
        first = number % 3 == 0
        recorder.at(number)
        recorder.books(first, SBIN, number)
        recorder.at(number + 0.1)
        if number != 17:
            recorder.books(not first, SBIN, number)
    end(recorder)
    streamed.close()
    rows = streamed.table("depth")
    assert [row["bid_qty"][0] for row in rows] == [100 + number for number in range(31)]
    assert [row["connection"] for row in rows][1:7] == [0, 0, 1, 0, 0, 1]
    assert all(row["ts_recv"] == moment(number) for number, row in enumerate(rows))
    copies = streamed.facts(SBIN)["copies"]
    assert copies == {"0": {"first": 21, "alone": 1}, "1": {"first": 10, "alone": 0}}
    assert streamed.facts(SBIN)["updates"] == {"depth": 31, "quotes": 1}


def test_one_connection_of_two_may_end_without_a_gap(streamed) -> None:
    recorder = both(streamed)
    recorder.at(20)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="disconnect", detail="")
    for second in range(21, 50):
        recorder.at(second)
        recorder.books(1, SBIN, second)
    recorder.at(50)
    recorder.connect(0, [SBIN])
    recorder.at(51)
    recorder.snapshots(0, SBIN, number=49)
    recorder.at(60)
    for stream in (0, 1):
        recorder.control("disconnect", feed=FYERS_HSM, stream=stream, cause="disconnect", detail="both")
    end(recorder)
    streamed.close()
    assert streamed.lost(SBIN) == [(60, END, "disconnect")]
    assert len(streamed.table("depth")) == 1 + 29, "the snapshot of the one that came back is a copy"
