"""Two connections with the same symbols: what comes later than 10 s after its twin is an update of its own."""

import pytest
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import SBIN


@pytest.mark.parametrize(("seconds", "rows"), [(10, 1), (10.5, 2), (60, 2)])
def test_a_state_is_a_copy_for_ten_seconds(streamed_place: StreamedPlace, seconds: float, rows: int) -> None:
    """The last state of a connection stayed known for ever: a book that came back a minute later was dropped."""
    recorder = streamed_place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(seconds)
    recorder.connect(1, [SBIN])
    recorder.snapshots(1, SBIN)
    recorder.close()
    recorder.stop()
    streamed_place.close()
    assert len(streamed_place.table("depth")) == len(streamed_place.table("quotes")) == rows
    copies = streamed_place.facts(SBIN)["copies"]
    assert copies == ({"0": {"first": 2, "alone": 0}} if rows == 1 else {
        "0": {"first": 0, "alone": 2}, "1": {"first": 0, "alone": 2}
    })  # fmt: skip


@pytest.fixture
def streamed_place(tmp_path) -> StreamedPlace:
    return StreamedPlace(tmp_path)
