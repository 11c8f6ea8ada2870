"""Any bytes on a socket: nothing raises, the readable part is read, the rest is listed, batching changes nothing."""

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from tests.bench import days
from tests.differential.sessions import HsmSession, hsm_sessions, tbt_sessions
from tests.examples import examples
from tests.property.decode_checks import check_hsm, check_tbt

from exchange.wire import hsm, tbt
from harvester.decode.frames import Reason

FOUND_IS_ENOUGH = (Phase.explicit, Phase.reuse, Phase.generate)


def damaged(draw: st.DrawFn, frames: list[bytes]) -> list[bytes]:
    """The frames with some bytes changed, cut or put in."""
    out = [bytearray(frame) for frame in frames]
    for _ in range(draw(st.integers(1, 6))):
        frame = out[draw(st.integers(0, len(out) - 1))]
        at, gone = draw(st.integers(0, len(frame))), draw(st.integers(0, 5))
        frame[at : at + gone] = draw(st.binary(max_size=5))
    return [bytes(frame) for frame in out]


@st.composite
def damaged_hsm(draw: st.DrawFn) -> list[bytes]:
    session: HsmSession = draw(hsm_sessions())
    return damaged(draw, session.frames) * draw(st.sampled_from([1, 1, 30]))


@st.composite
def damaged_tbt(draw: st.DrawFn) -> list[bytes]:
    return damaged(draw, draw(tbt_sessions())[:3]) * draw(st.sampled_from([1, 1, 20]))


@examples(200)
@given(st.lists(st.binary(max_size=40) | st.binary(max_size=30).map(lambda rest: b"\0\0\x06" + rest), max_size=40))
def test_any_bytes_on_the_data_socket(frames: list[bytes]) -> None:
    check_hsm(frames)


@examples(120, phases=FOUND_IS_ENOUGH)
@given(damaged_hsm())
def test_damaged_frames_of_the_data_socket(frames: list[bytes]) -> None:
    check_hsm(frames)


@examples(120)
@given(st.lists(st.binary(max_size=40), max_size=40))
def test_any_bytes_on_the_depth_socket(frames: list[bytes]) -> None:
    check_tbt(frames)


def breaks_of_two_symbols() -> list[bytes]:
    """Both break in the last message, the only one of the usual form. Read with others it is read first: B before A."""
    first = [tbt.Feed("NSE:A-EQ", sequence=1), tbt.Feed("NSE:B-EQ", sequence=2**40)]
    return [tbt.socket_message(first), tbt.socket_message([tbt.Feed(f"NSE:{name}-EQ", sequence=3) for name in "BA"])]


@examples(25, phases=FOUND_IS_ENOUGH)
@given(damaged_tbt())
@example(breaks_of_two_symbols())
def test_damaged_messages_of_the_depth_socket(frames: list[bytes]) -> None:
    check_tbt(frames)


@pytest.mark.parametrize("count", [1, 100])
def test_a_frame_cut_anywhere_loses_only_its_rest(count: int) -> None:
    """With one frame the walk goes one by one, with many by arrays."""
    frame = hsm.feed(1, [hsm.snapshot(1, hsm.Topic("sf|nse_cm|1"), range(21)), hsm.update(1, range(1, 22))])
    for end in range(len(frame)):
        batch = check_hsm([frame[:end]] * count)

        assert len(batch.leftovers) == count, end
        assert batch.leftovers[0].reason in (Reason.SHORT, Reason.TRUNCATED)


def test_long_busy_days_read_the_same_in_any_batches() -> None:
    check_hsm(days.depth_snapshots() + days.depth_updates(400, changed=6, entries=3))
    check_tbt(list(days.tbt_messages(60, levels=5)))
