"""Work that is done by a child process: its answer, and its own words where there is none."""

from pathlib import Path

import pytest

from harvester.base import child
from harvester.base.errors import ConfigError, HarvesterError

ENDINGS = [
    ('print("not JSON")', HarvesterError, "the answer is not JSON"),
    ('sys.exit("harvester: the broker is away")', HarvesterError, "the broker is away"),
    ('print("harvester: symbols: refused", file=sys.stderr); sys.exit(2)', ConfigError, "symbols: refused"),
    ('print("harvester: unhealthy", file=sys.stderr); sys.exit(3)', HarvesterError, "unhealthy"),
    ("sys.exit(7)", HarvesterError, "ended with exit code 7"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", HarvesterError, "ended with exit code -9"),
]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What runs in place of `python -m harvester`."""
    (tmp_path / "harvester").mkdir()
    (tmp_path / "harvester" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "harvester" / "__main__.py"


def test_the_answer_is_what_the_child_prints(program: Path) -> None:
    program.write_text("import json, sys; print(json.dumps(sys.argv[1:]))")

    assert child.ask(["config", "topics"]) == ["config", "topics"]


@pytest.mark.parametrize(("text", "kind", "words"), ENDINGS)
def test_a_mistake_of_people_stays_one_and_all_else_is_trouble(
    program: Path, text: str, kind: type[HarvesterError], words: str
) -> None:
    program.write_text(f"import sys\n{text}\n")

    with pytest.raises(HarvesterError, match=words) as told:
        child.ask(["config"])

    assert type(told.value) is kind
    assert not str(told.value).startswith(child.PREFIX)


def test_a_child_that_does_not_answer_is_given_up(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PATIENCE_SECONDS", 0.2)
    program.write_text("import time; time.sleep(60)")

    with pytest.raises(HarvesterError, match="no answer"):
        child.ask(["config"])
