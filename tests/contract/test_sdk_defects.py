"""docs/sdk-defects.md lists exactly the defects that tests show."""

import re
from pathlib import Path


def test_each_listed_defect_has_its_test_and_each_test_its_row(root: Path) -> None:
    listed = re.findall(r"^\| ([ht]\d+) \|", (root / "docs/sdk-defects.md").read_text("utf-8"), re.MULTILINE)
    shown = [
        name
        for socket in ("hsm", "tbt")
        for name in re.findall(
            r"^def test_([ht]\d+)_",
            (root / f"tests/differential/test_sdk_defects_{socket}.py").read_text("utf-8"),
            re.M,
        )
    ]

    assert listed == shown != []
