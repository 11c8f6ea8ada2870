"""One demonstration as ordinary processes, for all cases of this folder."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from runbook.fleet.inventory import program

SESSION_SECONDS = 16


@pytest.fixture(scope="session")
def demonstration(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Any], str]]:
    """The summary document, and what was printed; the pulled data goes with the fixture."""
    root = request.config.rootpath
    target = tmp_path_factory.mktemp("here") / "summary.json"
    words = ["demo", "--here", "--down", "--seconds", str(SESSION_SECONDS), "--summary", str(target)]
    result = subprocess.run([program("runbook"), *words], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    summary = json.loads(target.read_text("utf-8"))
    yield summary, result.stdout
    shutil.rmtree((root / summary["lake"]).parent)
