"""Do the work in a process of its own, with a mistake in its code: `python -m tests.crash.disk_faults FAULT PLACES...`.

PLACES are pairs of a folder and a scenario. FAULT is a key of FAULTS, "" for none.
"""

import importlib
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import NamedTuple


class Fault(NamedTuple):
    """A slip: in this module the text is replaced. It must be seen in that scenario."""

    scenario: str
    module: str
    text: str
    instead: str


FILES, SEGMENT = "harvester.base.files", "harvester.journal.segment"
NOTE = """\
            if any(entry.path not in noted for entry in going):
                write_removals(lake, partition, [entry for entry in going if entry.path not in noted], receipt.sha256)
"""
REMOVAL = """\
            for entry in going:
                (lake / entry.path).unlink()
                sync_directory((lake / entry.path).parent)
                freed += entry.bytes
"""
FAULTS = {
    "files: publish without the folder's sync": Fault(
        "clean up", FILES, "temporary.rename(path)\n    sync_directory(path.parent)", "temporary.rename(path)"
    ),
    "files: write_new without the file's sync": Fault(
        "clean up", FILES, "write_all(descriptor, data)\n        os.fsync(descriptor)", "write_all(descriptor, data)"
    ),
    "files: make_directory without the parent's sync": Fault(
        "close", FILES, "exist_ok=True)\n    sync_directory(directory.parent)", "exist_ok=True)"
    ),
    "files: a new folder's own sync, not its parent's": Fault(
        "record", FILES,
        "exist_ok=True)\n    sync_directory(directory.parent)", "exist_ok=True)\n    sync_directory(directory)",
    ),
    "files: replacing without the file's sync": Fault(
        "token", FILES, "file.flush()\n            if synced:\n                os.fsync(descriptor)", "file.flush()"
    ),
    "files: replacing without the folder's sync": Fault(
        "token", FILES, "temporary.replace(path)\n        if synced:\n            sync_directory(path.parent)",
        "temporary.replace(path)",
    ),
    "repair: the marker goes before the copy is durable": Fault(
        "recover", "harvester.journal.repair",
        "copy.replace(path)\n    sync_directory(path.parent)\n    path.with_suffix(SUSPECT).unlink()",
        "copy.replace(path)\n    path.with_suffix(SUSPECT).unlink()\n    sync_directory(path.parent)",
    ),
    "repair: a suspect file's copy is not synced": Fault(
        "recover", "harvester.journal.repair", "target.flush()\n        os.fsync(target.fileno())", "target.flush()"
    ),
    "quarantine: a range is cut before its copy is synced": Fault(
        "recover", "harvester.journal.quarantine", "copy.flush()\n        os.fsync(copy.fileno())", "copy.flush()"
    ),
    "writer: durable_seq taken after the sync": Fault(
        "record", "harvester.journal.writer", "self.durable_seq = seq\n", "self.durable_seq = self._seq\n"
    ),
    "segment: a spare's name is not synced": Fault(
        "record", SEGMENT, "self._unsynced = [directory, journal]", "self._unsynced = []"
    ),
    "segment: sealed without a sync": Fault(
        "record", SEGMENT, "os.fsync(self._descriptor)\n        self.abandon()", "self.abandon()"
    ),
    "pull: files named before they are synced": Fault(
        "pull", "runbook.pull.download",
        "sync_files(store.partial, [store.partial / file.path for file in batch])\n", "pass\n",
    ),
    "pull: the folders of files not synced": Fault(
        "pull", "runbook.pull.download", "sync_directory(store.lake / folder)", "pass"
    ),
    "pull: a new folder's name is not synced": Fault(
        "pull", "runbook.pull.download", "make_directory(store.lake / folder, FOLDER_MODE)",
        "(store.lake / folder).mkdir(parents=True, exist_ok=True)",
    ),
    "archive: a copy is not synced": Fault(
        "pull", "runbook.pull.cleanup", "copy.flush()\n        os.fsync(copy.fileno())", "copy.flush()"
    ),
    "archive: a copy's name is not synced": Fault(
        "pull", "runbook.pull.cleanup", "sync_directory(target.parent)", "pass"
    ),
    "clean-up: files go before the note": Fault("clean up", "harvester.lake.cleanup", NOTE + REMOVAL, REMOVAL + NOTE),
    "clean-up: what went may return": Fault(
        "clean up", "harvester.lake.cleanup", "sync_directory((lake / entry.path).parent)", "pass"
    ),
    "prune: what went may return": Fault(
        "clean up", "harvester.lake.prune", "sync_directory(finding.path.parent)", "pass"
    ),
    "lake: a table placed without its sync": Fault(
        "close", "harvester.lake.publish.files", "    try:\n        os.fsync(descriptor)\n", "    try:\n        pass\n"
    ),
    "lake: the manifest before is not kept": Fault(
        "close again", "harvester.lake.manifest", "os.link(path, kept)", "path.rename(kept)"
    ),
    "lake: an archived segment is not synced": Fault(
        "close", "harvester.lake.publish.archive",
        "small.flush()\n            os.fsync(small.fileno())", "small.flush()",
    ),
}  # fmt: skip


def plant(fault: Fault) -> None:
    """Have the module compiled with the mistake, in this process, once it is imported."""
    get_code = SourceFileLoader.get_code

    def changed(self: SourceFileLoader, name: str) -> CodeType | None:
        if name != fault.module:
            return get_code(self, name)
        source = Path(self.path).read_text()
        assert source.count(fault.text) == 1, f"{name} has that text {source.count(fault.text)} times: {fault.text}"
        return compile(source.replace(fault.text, fault.instead), self.path, "exec")

    SourceFileLoader.get_code = changed  # type: ignore[method-assign]


def main(fault: str, *places: str) -> None:
    if fault:
        plant(FAULTS[fault])
    disk_work = importlib.import_module("tests.crash.disk_work")  # imports what the mistake is in
    for place, scenario in zip(places[::2], places[1::2], strict=True):
        disk_work.work(Path(place), scenario)


if __name__ == "__main__":
    main(*sys.argv[1:])
