"""The examples of docs/reading.md run as they are printed, in order."""

import re
from pathlib import Path

import pytest

from harvester.reader import Lake, open_lake

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"`([a-z_]+(?:_N)?)`")


def test_each_example_runs(
    folder: Path, lake: Lake, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pulled").mkdir()
    (tmp_path / "pulled" / "lake").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((root / "docs/reading.md").read_text("utf-8"))
    names: dict[str, object] = {}

    for block in blocks:
        exec(compile(block, "docs/reading.md", "exec"), names)  # noqa: S102  # our own text

    assert len(blocks) == 4
    assert names["rows"] == len(lake.depth(["SBIN", "INFY"]).arrow())


def test_the_example_of_what_schema_3_alone_has_runs(newest: Path, root: Path) -> None:
    text = (root / "docs/reading.md").read_text("utf-8")
    names: dict[str, object] = {"lake": open_lake(newest)}

    exec(text.partition("```python schema 3\n")[2].partition("```")[0], names)  # noqa: S102  # our own text

    assert len(names["trades"]) > 0 and len(names["hours"]) > 0  # type: ignore[arg-type]


def test_the_table_of_fields_is_complete(root: Path) -> None:
    from harvester.reader.fields import NAMES

    text = (root / "docs/reading.md").read_text("utf-8")
    table = text.partition("| field | at moment")[2].partition("\n\n")[0]
    first_cells = " ".join(line.split("|")[1] for line in table.splitlines()[2:])
    assert {*FIELD.findall(first_cells)} == {*NAMES}
