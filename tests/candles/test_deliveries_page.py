"""docs/deliveries.md: the delivery to a folder does what the page says, as it is printed there."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.storage.upload.conftest import DAYS, Host

from harvester.deliver.receipts import receipt_path
from harvester.deliver.run import deliver

PAGE = Path(__file__).parents[2] / "docs" / "deliveries.md"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The page's program. Not to be changed."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "to_folder.py"
    path.write_text(code, "utf-8")
    spec = spec_from_file_location("to_folder", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"data_dir": str(tmp_path), "symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "ABCDE12345-100"}})
    )
    monkeypatch.setenv("HARVESTER_CONFIG", str(config))
    return Host(tmp_path, None)  # type: ignore[arg-type]


def files_under(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(page: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = page.main(str(tmp_path / "disk"), str(tmp_path / "receipts"))
    return int(code), *capsys.readouterr()


def test_every_closed_day_is_there_and_a_rerun_changes_nothing(
    page: ModuleType, host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f"2 of 2 days are complete in {tmp_path / 'disk'}\n"
    assert run(page, tmp_path, capsys) == (0, said, "")
    wanted = {host.path(kind, day) for day in DAYS for kind in ("depth", "gaps", "certificate", "raw")}
    there = files_under(tmp_path / "disk")
    assert there.keys() == wanted
    assert all(content == (host.lake / path).read_bytes() for path, content in there.items())
    receipt = json.loads(receipt_path(tmp_path / "receipts", host.partition()).read_text())
    assert {row["path"] for row in receipt["files"]} == {path for path in wanted if str(DAYS[0]) in path}
    seen = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert run(page, tmp_path, capsys) == (0, said, "")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == seen


def test_a_file_of_another_is_named_and_the_others_get_there(
    page: ModuleType, host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "disk" / host.path("gaps")
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"not ours")
    code, said, errors = run(page, tmp_path, capsys)
    assert (code, said) == (1, f"1 of 2 days are complete in {tmp_path / 'disk'}\n")
    assert errors == f"{foreign}: another file than {host.path('gaps')} of the lake. Move it away, and run it again.\n"
    assert foreign.read_bytes() == b"not ours" and len(files_under(tmp_path / "disk")) == 8
    foreign.unlink()
    assert run(page, tmp_path, capsys)[0] == 0


def test_a_full_disk_leaves_nothing_half_written_and_the_next_run_goes_on(
    page: ModuleType, host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file: Any = page.replace_file

    def full(path: Path, content: bytes) -> None:
        if "raw" in str(path):
            raise OSError(28, "No space left on device")
        replace_file(path, content)

    monkeypatch.setattr(page, "replace_file", full)
    code, _, errors = run(page, tmp_path, capsys)
    assert code == 1 and errors.count("not written (No space left on device). Make room, and run it again.") == 2
    assert len(files_under(tmp_path / "disk")) == 6
    monkeypatch.undo()
    monkeypatch.setenv("HARVESTER_CONFIG", str(tmp_path / "config.json"))
    assert run(page, tmp_path, capsys)[0] == 0 and len(files_under(tmp_path / "disk")) == 8


def test_a_file_that_changed_since_its_receipt_is_brought_with_the_next_generation(
    page: ModuleType, host: Host, tmp_path: Path
) -> None:
    delivery = page.FolderDelivery(host.lake, tmp_path / "disk", tmp_path / "receipts")
    assert deliver(delivery, host.partition()).put == 4
    (host.lake / host.path("raw")).with_name("2-2.seg.zst").write_bytes(b"another run")
    host.reseal()
    outcome = deliver(delivery, host.partition())
    assert (outcome.put, outcome.bytes, outcome.new) == (1, 11, True)
