"""The README's table names cases that exist, and every file of this suite."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_case_that_the_index_names_exists_and_every_file_here_is_in_it(root: Path) -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (HERE / "README.md").read_text("utf-8")))
    here = {f"tests/field/{path.name}" for path in HERE.glob("test_*.py")} - {"tests/field/test_index.py"}

    assert {name for name in named if not (root / name).exists()} == set()
    assert here - named == set()
