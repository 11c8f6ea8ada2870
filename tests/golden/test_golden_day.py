"""The golden day and host: what is made of committed journals, a scripted broker and the roles is what it was."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.golden.artefacts import PARTS, SHOWN_LINES, committed, differences, make

Runs = dict[str, Future[dict[str, str]]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """All parts, which run side by side."""
    with ThreadPoolExecutor() as pool:
        yield {part: pool.submit(make, part) for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_has_changed(part: str, runs: Runs) -> None:
    changed = differences(committed(part), runs[part].result())

    shown = [line for lines in changed.values() for line in [*lines[:SHOWN_LINES], ""]]
    assert not changed, "\n".join(
        [f"{len(changed)} artefacts differ: {', '.join(changed)}", *shown, "See tests/golden/README.md."]
    )
