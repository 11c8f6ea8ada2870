"""However often and wherever a pull breaks off, it ends as one that was never interrupted."""

import contextlib
import shutil
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_lake import LakeMaker, trading_days, tree
from tests.examples import examples

from runbook.pull import transport
from runbook.pull.plan import Selection
from runbook.pull.pull import Silent, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport


class Breaking(Silent):
    """Progress that ends the process's work at a certain step, as a signal would."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, count: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LakeMaker:
    maker = LakeMaker(tmp_path_factory.mktemp("host") / "lake", raw_bytes=90_000)
    for day in trading_days(2):
        maker.add_day(day)
    return maker


@examples(25)
@given(breaks=st.lists(st.integers(0, 60), max_size=6))
def test_interrupted_pulls_end_identical(
    lake: LakeMaker, tmp_path_factory: pytest.TempPathFactory, breaks: list[int]
) -> None:
    root = tmp_path_factory.mktemp("laptop")
    store = LocalStore(root / "pulled")
    connect = partial(LocalTransport, "lab1", lake.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "CHUNK_BYTES", 4096)
        for steps in breaks:
            with contextlib.suppress(KeyboardInterrupt):
                pull([connect], store, Selection(raw=True), Breaking(steps))
            assert tree(store.lake).items() <= tree(lake.root).items(), "no half-file has a final name"

        [result] = pull([connect], store, Selection(raw=True))

    assert result.problems == []
    assert tree(store.lake) == tree(lake.root)
    assert not [path for path in store.partial.rglob("*") if path.is_file()]
    shutil.rmtree(root)
