"""The worker's side: status, report through both doors, and the signal, read once."""

import importlib.util
import json
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.workers.conftest import Place
from tests.workers.test_door import OLD, Door

from harvester.workers.door.local import make_server
from harvester.workers.round import look_at

KIT = ROOT / "files/worker/worker_kit.py"


@pytest.fixture(scope="module")
def kit() -> ModuleType:
    """As a notebook imports it: a file beside it."""
    spec = importlib.util.spec_from_file_location("worker_kit", KIT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_one_small_file_of_the_standard_library() -> None:
    source = KIT.read_text("utf-8")
    assert len(source) < 8_000
    imports = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imports == {
        "contextlib",
        "json",
        "os",
        "pathlib",
        "traceback",
        "urllib",
        "collections",
        "datetime",
        "typing",
    }


def test_a_status_is_a_sign_of_life_in_place(kit: ModuleType, place: Place) -> None:
    worker = kit.Worker(str(place.box))
    assert worker.write_status(7, loss=float("nan"), tensor=object())
    first = (place.box / "colab_status.json").stat().st_ino
    assert worker.write_status(8, loss=0.5)
    assert (place.box / "colab_status.json").stat().st_ino == first
    place.clock.now_ns = 2**62  # whatever the time is here
    memory = look_at(place.parts())
    assert (memory.step, memory.cause) == (
        8.0,
        "no sign of life for " + memory.cause.removeprefix("no sign of life for "),
    )
    assert worker.write_status(9, finished=True)
    assert look_at(place.parts()).state == "finished"


def test_the_signal_is_read_once(kit: ModuleType, place: Place) -> None:
    worker = kit.Worker(str(place.box))
    assert worker.restart_requested() is None
    place.put("restart_requested.json", b'{"action": "rest')
    assert worker.restart_requested() is None
    place.put("restart_requested.json", {"action": "restart_training", "reason": "OOM"})
    assert worker.restart_requested()["reason"] == "OOM"
    assert worker.restart_requested() is None


def test_an_error_goes_through_both_doors_and_counts_once(
    kit: ModuleType, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(place, tmp_path, monkeypatch)
    server = make_server(door.service, ("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        worker = kit.Worker(str(place.box), url=f"http://127.0.0.1:{server.server_address[1]}/", token=OLD)
        with pytest.raises(ConnectionError), worker.reporting("train.ipynb"):
            raise ConnectionError("reset")
    finally:
        server.shutdown()
        server.server_close()
    assert door.said == ["answered 200"]
    place.clock.now_ns = _at(place.box)
    look_at(place.parts())
    assert [each[1] for each in place.told()] == ["reported CONNECTION"]
    [logged] = place.lines("errors/errors_*.jsonl")
    assert "raise ConnectionError" in logged["stacktrace"]


def _at(box: Path) -> int:
    """The moment of the report there, so that it is no old one."""
    from harvester.workers.status import read_time

    at_ns, _ = read_time(json.loads((box / "error_report.json").read_bytes())["timestamp"], "UTC")
    assert at_ns is not None
    return at_ns


def test_a_mailbox_and_a_door_that_are_away_end_no_training(kit: ModuleType, tmp_path: Path) -> None:
    worker = kit.Worker(str(tmp_path / "none"), url="http://127.0.0.1:9", token="t" * 40)
    assert worker.write_status(1) is False
    assert worker.report(ValueError("x")) == []
    assert worker.restart_requested() is None
    assert "t" * 40 not in repr(worker)


@pytest.mark.parametrize("url", ["http://overseer.example", "file:///etc/passwd", "ftp://x", ""])
def test_the_token_goes_nowhere_without_tls(
    kit: ModuleType, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("it was sent")

    monkeypatch.setattr("urllib.request.urlopen", opened)
    assert kit.Worker(str(tmp_path), url=url, token="t" * 40).report(ValueError("x")) == ["mailbox"]


def test_a_restart_that_was_asked_for_is_no_error(kit: ModuleType, tmp_path: Path) -> None:
    worker = kit.Worker(str(tmp_path))
    with pytest.raises(kit.RestartRequested), worker.reporting():
        raise kit.RestartRequested("OOM")
    assert list(tmp_path.iterdir()) == []
