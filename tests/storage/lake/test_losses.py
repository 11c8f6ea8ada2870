"""How far a loss of records reaches: what is not there within its reach is not there because of it."""

import pytest

from harvester.lake.day.damage import Damage
from harvester.lake.day.events import Run
from harvester.lake.gaps.losses import Losses

MOMENTS = range(0, 260, 5)
TWO = [(0, 50), (80, 200)]


def reach(lost: list[tuple[int | None, int | None]], runs: list[tuple[int, int]], grace_ns: int = 0) -> list[int]:
    """The moments, every 5, of which a record would have been lost."""
    lives = [Run(f"run {first}", first, last, set(), "r", "b") for first, last in runs]
    damage = [Damage("missing", "3 to 7", 5, begin, end, loses=True) for begin, end in lost]
    losses = Losses([*damage, Damage("torn_tail", "a", None, 0, 250)], lives)
    found = [each for each in MOMENTS if losses.between(each, grace_ns) or losses.beyond(each, grace_ns)]
    assert all((losses.between(each, grace_ns) or losses.beyond(each, grace_ns)) == "missing: 3 to 7" for each in found)
    return found


def every_5(begin: int, end: int) -> list[int]:
    return list(range(begin, end, 5))


@pytest.mark.parametrize(
    ("lost", "runs", "found"),
    [
        pytest.param((None, 80), TWO, every_5(50, 80), id="before a run: back to the end of the one before"),
        pytest.param((None, 85), [(0, 50), (75, 200)], every_5(50, 85), id="its clock was set back after its begin"),
        pytest.param((None, 80), [(0, 40), (20, 60), (80, 200)], every_5(60, 80), id="to the latest end before"),
        pytest.param((None, 30), [(30, 200)], every_5(0, 30), id="before the first run: back to the begin of the day"),
        pytest.param((50, None), TWO, every_5(50, 80), id="after a run: to the begin of the next"),
        pytest.param((50, None), [(0, 55), (80, 200)], every_5(50, 80), id="its clock was set back before its end"),
        pytest.param((200, None), TWO, every_5(200, 260), id="after the last run: for good"),
        pytest.param((None, None), [], every_5(0, 260), id="nothing is there"),
        pytest.param((100, 120), TWO, every_5(100, 125), id="between two records of a run, both of them included"),
    ],
)
def test_a_loss_reaches_as_far_as_no_other_run_was_there(
    lost: tuple[int | None, int | None], runs: list[tuple[int, int]], found: list[int]
) -> None:
    assert reach([lost], runs) == found
    assert reach([lost], runs[::-1]) == found


def test_a_record_that_was_still_to_come_is_lost_as_well() -> None:
    assert reach([(100, 120)], TWO, grace_ns=9) == every_5(95, 125)
    assert reach([(50, None)], TWO, grace_ns=10) == every_5(40, 80)
    assert reach([(100, 110), (150, 160)], TWO) == [*every_5(100, 115), *every_5(150, 165)]


def test_without_a_loss_nothing_is_lost() -> None:
    assert reach([], TWO) == []
