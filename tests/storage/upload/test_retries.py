"""Trying again: what is tried again, how long the pauses are, and when it ends."""

from collections.abc import Callable

import pytest

from harvester.upload import retries
from harvester.upload.retries import Retries
from harvester.upload.trouble import AbsentError, BucketError, TransientError


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses, which have their full length here."""

    def longest(low: float, high: float) -> float:
        assert (low, high) == (0.5, 1)
        return high

    monkeypatch.setattr(retries.random, "uniform", longest)
    return []


def failing(times: int, error: type[BucketError] = TransientError) -> Callable[[], str]:
    left = [times]

    def action() -> str:
        if left[0]:
            left[0] -= 1
            raise error(f"{left[0]} left")
        return "done"

    return action


def test_what_succeeds_is_asked_once(waited: list[float]) -> None:
    assert Retries(10, waited.append).retry(failing(0)) == "done"
    assert waited == []


def test_pauses_double_up_to_half_a_minute(waited: list[float]) -> None:
    tries = Retries(900, waited.append)
    assert tries.retry(failing(7)) == "done"
    assert waited == [0.5, 1, 2, 4, 8, 16, 30]
    assert tries.left == 900 - sum(waited)
    assert not tries.used_up


def test_the_eighth_failure_is_the_last(waited: list[float]) -> None:
    tries = Retries(900, waited.append)
    with pytest.raises(TransientError, match="0 left"):
        tries.retry(failing(8))
    assert len(waited) == 7 and not tries.used_up, "the next file may have its turn"


def test_the_time_of_a_run_is_shared_by_all_that_it_tries(waited: list[float]) -> None:
    tries = Retries(3.5, waited.append)
    assert tries.retry(failing(3)) == "done"
    assert (waited, tries.left, tries.used_up) == ([0.5, 1, 2], 0, False), "a pause that just fits is made"
    with pytest.raises(TransientError, match="5 left"):
        tries.retry(failing(6))
    assert tries.used_up and len(waited) == 3


@pytest.mark.parametrize("error", [BucketError, AbsentError])
def test_a_refusal_for_good_is_not_asked_again(waited: list[float], error: type[BucketError]) -> None:
    with pytest.raises(error):
        Retries(900, waited.append).retry(failing(1, error))
    assert waited == []


def test_pauses_have_jitter_and_are_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    tries = Retries(sleep=slept.append)
    assert tries.left == 900
    for _ in range(20):
        tries.retry(failing(1))
    assert len(set(slept)) > 10 and all(0.25 <= each <= 0.5 for each in slept)
