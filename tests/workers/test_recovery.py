"""The recovery matrix, row by row: a worker that is a process fails, is repaired, restarted, and comes to its end."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.readers.venv import making
from tests.workers.conftest import Place
from tests.workers.test_door import OLD, Door
from tests.workers.test_mailboxes import certificates, drive, rclone
from tests.workers.training import FAULTS, stub_pip, training

from harvester.base.clock import NS_PER_SECOND
from harvester.workers.door.local import make_server
from harvester.workers.memory import Memory
from harvester.workers.repair.treat import undo
from harvester.workers.round import look_at
from lab.drive.running import Running

__all__ = ["certificates", "drive", "rclone"]
REPAIRED = {
    "OOM": "batch_size = 32",
    "CUDA_ERROR": "batch_size = 32",
    "NAN_LOSS": "learning_rate = 3.0e-05",
    "EXPLODING": "gradient_clip_val = 0.1",
    "TIMEOUT": "REQUEST_TIMEOUT = 60",
    "IMPORT": "!pip install -q ccxt  # Auto-Repair",
}


class Machine:
    """Where the worker runs: its folder, its kit, and how a process of it ends."""

    def __init__(self, place: Place, root: Path, python: str = sys.executable, **environment: str) -> None:
        self.place, self.python = place, python
        kit = root / "kit"
        kit.mkdir()
        shutil.copy(ROOT / "files/worker/worker_kit.py", kit)
        self.environment = {
            "PATH": f"{stub_pip(root / 'bin')}:{os.environ['PATH']}",
            "MAILBOX": str(place.box),
            "KIT": str(kit),
            "HOME": str(root),
            **environment,
        }
        self.asked = kit / "asked"

    def run(self) -> int:
        """Start it, and wait for its end: 0 when its notebook is done."""
        script = str(Path(__file__).with_name("fake_worker.py"))
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | self.environment
        done = subprocess.run([self.python, script], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1) and "fake_worker.py" not in done.stderr, done.stderr
        return done.returncode

    def look(self) -> Memory:
        """The overseer's look, at the time that the worker has."""
        self.place.clock.now_ns = int(datetime.now(UTC).timestamp() * NS_PER_SECOND)
        return look_at(self.place.parts())


def _row(
    machine: Machine,
    kind: str,
    read: Callable[[], bytes],
    signal: Callable[[], dict[str, Any] | None],
    lose: Callable[[], None] = lambda: None,
) -> None:
    """One row of the matrix: what the overseer does after a failure of this kind, and what becomes of the worker.

    `lose`: what goes wrong between the worker's end and the look.
    """
    place, original = machine.place, read()
    assert machine.run() == 1
    lose()
    machine.look()
    asked = signal()
    told = place.told()
    assert [each[:2] for each in told] == [("CRITICAL" if kind == "UNKNOWN" else "WARNING", f"reported {kind}")]
    if kind == "DATA_ERROR":
        assert asked is None and read() == original
        return
    assert asked is not None and (asked["reason"], asked["repair_applied"]) == (kind, kind in REPAIRED)
    if kind in REPAIRED:
        assert REPAIRED[kind] in read().decode()
        assert "+ " + " ".join(REPAIRED[kind].split()) in told[0][2]
    else:
        assert read() == original
    assert machine.run() == 0, "restarted, it comes to its end"
    memory = machine.look()
    assert (memory.state, len(memory.restarts), signal()) == ("finished", 1, None)
    assert len(place.told()) == 1, "nothing else was said"
    if kind == "IMPORT":
        assert machine.asked.read_text() == "install -q ccxt\n"
    if kind in REPAIRED:
        undo(place.parts().mailbox, place.folder, place.clock.now_ns)
        assert read() == original


@pytest.mark.parametrize("kind", FAULTS)
def test_a_row_of_the_matrix_through_the_mailbox(kind: str, place: Place, tmp_path: Path) -> None:
    place.put("train.ipynb", training(kind))
    _row(Machine(place, tmp_path), kind, (place.box / "train.ipynb").read_bytes, place.signal)


@pytest.fixture
def door(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a door that listens."""
    made = Door(place, tmp_path, monkeypatch)
    server = make_server(made.service, ("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_row_of_the_matrix_through_both_doors_counts_once(kind: str, place: Place, tmp_path: Path, door: str) -> None:
    place.put("train.ipynb", training(kind))
    _row(Machine(place, tmp_path, DOOR=door, TOKEN=OLD), kind, (place.box / "train.ipynb").read_bytes, place.signal)
    assert len(place.lines("errors/errors_*.jsonl")) == 1


@pytest.mark.parametrize("kind", FAULTS)
def test_a_row_of_the_matrix_through_the_door_alone(kind: str, place: Place, tmp_path: Path, door: str) -> None:
    place.put("train.ipynb", training(kind))
    report = place.box / "error_report.json"
    machine = Machine(place, tmp_path, DOOR=door, TOKEN=OLD)
    _row(machine, kind, (place.box / "train.ipynb").read_bytes, place.signal, report.unlink)
    assert len(place.lines("errors/errors_*.jsonl")) == 1


@pytest.fixture(scope="session")
def kernel() -> Iterator[str]:
    """The Python of a venv with nbclient and a kernel."""
    with making("engines") as python:
        yield python


@pytest.mark.long
@pytest.mark.parametrize("kind", FAULTS)
def test_a_row_of_the_matrix_in_a_kernel_and_through_drive(
    kind: str,
    make_place: Callable[..., Place],
    tmp_path: Path,
    rclone: str,
    drive: Running,
    kernel: str,
) -> None:
    import json

    place = make_place(mailbox="drive:box")
    place.data["rclone"] = {"program": rclone, "config": str(tmp_path / "rclone.conf")}
    place.reload()
    box = place.parts().mailbox
    box.put("train.ipynb", training(kind))
    path = f"{Path(kernel).parent}:{os.environ['PATH']}"
    machine = Machine(place, tmp_path, kernel, NBCLIENT="1", REMOTE="drive:box", RCLONE=rclone)
    machine.environment["PATH"] = f"{tmp_path / 'bin'}:{path}"
    machine.environment["RCLONE_CONFIG"] = str(tmp_path / "rclone.conf")

    def read() -> bytes:
        found = box.read("train.ipynb")
        assert found is not None
        return found

    def signal() -> dict[str, Any] | None:
        found = box.read("restart_requested.json")
        return json.loads(found) if found else None

    _row(machine, kind, read, signal)
