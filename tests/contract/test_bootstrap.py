"""`./inv` makes the environment that everything else runs in."""

import os
import subprocess
import sys
from pathlib import Path


def test_an_activated_environment_is_not_built_on_itself(root: Path) -> None:
    script = (root / "inv").read_text("utf-8")
    begin = script.index("find_python() {")
    function = script[begin : script.index("\n}\n", begin) + 3]
    activated = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    found = subprocess.run(["sh", "-c", f"{function}find_python"], env=activated, capture_output=True, text=True)

    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).is_file()
    assert not Path(found.stdout.strip()).is_relative_to(sys.prefix)
