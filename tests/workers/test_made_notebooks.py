"""Any notebook and any kind: what was repaired compiles, keeps all else, stops at its floors, and can be undone."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.workers.notebooks import notebook, sources

from harvester.base.errors import HarvesterError
from harvester.workers.mailbox import FolderMailbox
from harvester.workers.repair.kinds import words
from harvester.workers.repair.notebook import repair
from harvester.workers.repair.recipes import RATE_FLOOR
from harvester.workers.repair.source import compiles
from harvester.workers.repair.treat import Bounds, treat, undo
from harvester.workers.reports import parse_report

LINES = st.sampled_from(
    [
        "batch_size = {n}",
        "BATCH_SIZE: int = {n}",
        "train(batch_size={n}, lr={f})",
        'cfg = {{"batch_size": {n}, "learning_rate": {f}}}',
        "learning_rate = {f}  # was 1e-3",
        "gradient_clip_val = {f}",
        "REQUEST_TIMEOUT = {n}",
        "%matplotlib inline",
        "!nvidia-smi",
        "files = !ls",
        "# batch_size = {n}",
        "text = 'lr = {f}'",
        "if True:\n    batch_size = {n}\n    !echo {n}",
        "def f(batch_size={n}):\n    return batch_size",
        "print('é 漢', '''a\nlr = 1\n''')",
        "await x",
        "help?",
        "s = 'open",
        "",
    ]
)
NUMBERS = st.one_of(st.integers(0, 10_000), st.sampled_from([1, 7, 8, 9, 16, 1024]))
FLOATS = st.sampled_from(["1e-3", "3e-4", "0.0003", "1e-7", "2e-7", "0.5", "0.1", "1", "5.", ".25"])


@st.composite
def made_notebooks(draw: st.DrawFn) -> bytes:
    cells = []
    for _ in range(draw(st.integers(1, 5))):
        lines = [line.format(n=draw(NUMBERS), f=draw(FLOATS)) for line in draw(st.lists(LINES, max_size=6))]
        end = draw(st.sampled_from(["\n", "\r\n"]))
        head = draw(st.sampled_from(["", "", "%%time\n", "%%bash\n"]))
        cells.append(head + "\n".join(lines).replace("\n", end) + draw(st.sampled_from(["", end])))
    return notebook(cells, minor=draw(st.sampled_from([0, 2, 4, 5])), extra={"kept": draw(st.text(max_size=5))})


@examples(200)
@given(
    data=made_notebooks(),
    kind=st.sampled_from(sorted(words().kinds)),
    module=st.sampled_from(["ccxt", "evil", "sklearn"]),
)
def test_repaired_notebooks_compile_keep_all_else_and_stop_at_their_floors(data: bytes, kind: str, module: str) -> None:
    """200 made notebooks, each of the nine kinds until nothing changes any more."""
    import nbformat

    message = f"No module named '{module}'"
    now, rounds = data, 0
    while True:
        done = repair(now, kind, message)
        if done.data == now:
            break
        rounds += 1
        assert rounds < 40, "a recipe comes to its floor"
        old, new = sources(now), sources(done.data)
        assert all(compiles(b) for a, b in zip(old, new, strict=True) if a != b)
        assert [cell.count("\n") for cell in old] == [
            cell.count("\n") - ("# Auto-Repair" in cell and "# Auto-Repair" not in before)
            for before, cell in zip(old, new, strict=True)
        ]
        assert re.sub(r"\d[\d_.e+-]*|\.\d+", "N", "".join(old)) == re.sub(
            r"\d[\d_.e+-]*|\.\d+",
            "N",
            "".join(new).replace(f"!pip install -q {words().modules.get(module)}  # Auto-Repair\n", ""),
        )
        nbformat.validate(nbformat.reads(done.data.decode(), as_version=4))
        a, b = json.loads(now), json.loads(done.data)
        assert a["metadata"] == b["metadata"]
        assert [c["metadata"] for c in a["cells"]] == [c["metadata"] for c in b["cells"]]
        now = done.data
    for literal in re.findall(r"(?:batch_size|BATCH_SIZE)(?:: int)? ?= ?(\d+)", "\n".join(sources(now))):
        before = re.findall(r"(?:batch_size|BATCH_SIZE)(?:: int)? ?= ?(\d+)", "\n".join(sources(data)))
        assert int(literal) >= 8 or literal in before
    for literal in re.findall(r"\blr=(\S+?)\)", "\n".join(sources(now))):
        assert float(literal) >= RATE_FLOOR


REPORT = {"error_type": "MemoryError", "error_message": "", "timestamp": "2026-11-24T00:00:00Z"}


@examples(40)
@given(
    data=made_notebooks(),
    kinds=st.lists(st.sampled_from(["OOM", "NAN_LOSS", "EXPLODING", "TIMEOUT", "IMPORT"]), min_size=1, max_size=4),
)
def test_undoing_restores_the_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, kinds: list[str]) -> None:
    root = tmp_path_factory.mktemp("undo")
    (root / "train.ipynb").write_bytes(data)
    box, made = FolderMailbox(root), []
    for number, kind in enumerate(kinds):
        content = {**REPORT, "error_type": kind, "error_message": f"{number} No module named 'ccxt'"}
        report = parse_report(json.dumps(content).encode())
        before = (root / "train.ipynb").read_bytes()
        treated = treat(report, box, root / "book", Bounds("train.ipynb", 9), 10**18)
        if treated.repaired:
            made.append(before)
            assert treated.diff
        else:
            assert (root / "train.ipynb").read_bytes() == before
    for before in reversed(made):
        undo(box, root / "book", 10**18)
        assert (root / "train.ipynb").read_bytes() == before
    with pytest.raises(HarvesterError, match="no repair is left"):
        undo(box, root / "book", 10**18)
