"""Time in which nothing came and nothing was missed: covered, and counted of each symbol."""

from tests.storage.lake.sockets import INFY, SBIN, moment
from tests.storage.lake.test_stream_gaps import end, start

from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT

SECOND = NS_PER_SECOND


def prove(recorder, begin: float, until: float, *symbols: str, feed: int = FYERS_HSM) -> None:
    recorder.control("quiet", feed=feed, symbols=list(symbols), from_ns=moment(begin), to_ns=moment(until))


def replace(recorder, at: float) -> None:
    """The connection is replaced by one on the second stream, whose snapshots come at once."""
    recorder.at(at)
    recorder.connect(1, (SBIN, INFY))
    recorder.snapshots(1, SBIN, INFY)


def test_quiet_time_is_covered_and_counted(streamed) -> None:
    recorder = start(streamed)
    replace(recorder, 40)
    prove(recorder, 0, 40, SBIN)
    prove(recorder, 30, 45, SBIN)
    prove(recorder, 50, 60, SBIN, feed=FYERS_TBT)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="stopped", detail="replaced")
    end(recorder)
    streamed.close()

    facts = streamed.facts(SBIN)
    assert (facts["coverage"], facts["covered_ns"], facts["quiet_ns"]) == (1.0, 100 * SECOND, 45 * SECOND)
    assert streamed.facts(INFY)["quiet_ns"] == 0


def test_a_gap_in_time_that_was_proven_afterwards_is_none(streamed) -> None:
    recorder = start(streamed)
    recorder.at(30)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="mute", detail="no data for 10 s")
    for symbol in (SBIN, INFY):
        recorder.lose(symbol, 20, 32, "mute")
    replace(recorder, 32)
    prove(recorder, 18, 31, SBIN)
    end(recorder)
    streamed.close()

    assert streamed.lost(SBIN) == [(31, 32, "stale")]
    assert streamed.lost(INFY) == [(20, 32, "stale")]
    assert (streamed.facts(SBIN)["covered_ns"], streamed.facts(SBIN)["quiet_ns"]) == (99 * SECOND, 13 * SECOND)


def test_records_that_make_no_sense_are_counted_and_prove_nothing(streamed) -> None:
    recorder = start(streamed)
    recorder.at(50)
    recorder.control("quiet", feed=FYERS_HSM, symbols=[SBIN], from_ns=moment(10), to_ns="soon")
    recorder.control("quiet", feed=FYERS_HSM, from_ns=moment(10), to_ns=moment(20))
    prove(recorder, 20, 10, SBIN)
    end(recorder)
    streamed.close()

    assert streamed.facts(SBIN)["quiet_ns"] == 0
    assert streamed.certificate()["journal"]["malformed_control_records"] == 2
