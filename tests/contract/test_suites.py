"""`./inv test` runs every test there is."""

import runpy
from pathlib import Path


def test_every_test_file_belongs_to_a_suite(root: Path) -> None:
    suites = runpy.run_path(str(root / "tests/suites.py"))["SUITES"]
    folders = {Path(suite.name) for suite in suites}
    files = [path.relative_to(root / "tests") for path in root.glob("tests/**/test_*.py")]

    assert len(files) > len(folders)
    assert [str(file) for file in files if not folders & set(file.parents)] == []
