"""One host's pull, step by step: what is fetched, what counts as here, what is told, and in which order it is safe."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.durability import Durability, recording
from tests.operator.pull.conftest import ALL, DAYS, Lake, Steps, contents

from harvester.base.errors import HarvesterError
from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull import download as downloads
from runbook.pull import pull as pulls
from runbook.pull.download import download
from runbook.pull.plan import Selection
from runbook.pull.pull import Problem, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import Fetched, LocalTransport, Progress
from runbook.pull.verified import VerifiedFiles


def test_a_day_comes_whole_with_its_manifest_and_a_receipt(day: Lake, store: LocalStore) -> None:
    result = day.pull(store)
    assert contents(store.lake) == contents(day.root)
    assert (result.host, result.dates, result.problems, result.present) == ("lab1", ["2026-11-17"], [], [])
    assert sorted(file.path for file in result.fetched) == sorted(file.path for file in day.read().files)
    assert result.fetched_bytes == sum(file.bytes for file in day.read().files)
    assert [str(path) for path in store.receipts.iterdir()] == [result.receipt]
    assert list(store.partial.rglob("*")) == []
    assert store.ledger.read_text().count('"host":"lab1"') == 4


def test_a_second_pull_fetches_nothing_and_hashes_nothing(
    day: Lake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    day.pull(store)
    monkeypatch.setattr(pulls.receipt, "holds", lambda *_: pytest.fail("it was hashed"))
    monkeypatch.setattr(LocalTransport, "list_files", lambda _: pytest.fail("nothing is missing"))
    result = day.pull(store)
    assert (result.fetched, len(result.present), result.receipt) == ([], 4, None)
    assert result.dates == ["2026-11-17"]


def test_days_come_oldest_first_and_only_those_that_are_wanted(lake: Lake, store: LocalStore) -> None:
    assert lake.pull(store, Selection(DAYS[1], DAYS[2])).dates == ["2026-11-18", "2026-11-19"]
    assert not (store.lake / "raw").exists()
    assert lake.pull(store, Selection(until=DAYS[3])).dates == [day.isoformat() for day in DAYS]


def test_what_a_pull_makes_is_durable_before_anything_rests_on_it(
    day: Lake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New folders as well: a receipt lets a host remove what a power cut must not take here."""
    store.root.mkdir()
    monkeypatch.setattr("runbook.pull.store.ctypes.CDLL", lambda *_, **__: object())  # the rule sees fsync, not syncfs
    disk = Durability(store.root)
    with recording(disk):
        result = day.pull(store)
    assert disk.broken == []
    assert [line for line in disk.lost() if line.startswith(("lake", "receipts"))] == []
    receipt = disk.first(f"durable receipts/{Path(result.receipt or '').name}")
    manifest = disk.first(f"durable lake/{day.manifest_path()}")
    files = [disk.first(f"durable lake/{file.path}") for file in day.read().files]
    assert max(files) < manifest < receipt


def test_progress_is_told_from_the_first_byte_to_the_last(day: Lake, store: LocalStore, steps: Steps) -> None:
    total = sum(file.bytes for file in day.read().files)
    begun = store.partial / day.path("raw")
    begun.parent.mkdir(parents=True)
    begun.write_bytes((day.root / day.path("raw")).read_bytes()[:5])
    pull([day.connect], store, ALL, steps)
    assert steps.begun == [("lab1", 4, total)]
    assert steps.count == total
    assert sorted(steps.files) == sorted(file.path for file in day.read().files)
    assert contents(store.lake) == contents(day.root)


def test_a_partial_file_that_is_whole_is_not_fetched(day: Lake, store: LocalStore, steps: Steps) -> None:
    whole, longer = store.partial / day.path("raw"), store.partial / day.path("depth")
    for path in (whole, longer):
        path.parent.mkdir(parents=True)
        path.write_bytes((day.root / path.relative_to(store.partial)).read_bytes())
    longer.write_bytes(longer.read_bytes() + b"more")
    pull([day.connect], store, ALL, steps)
    assert sorted(path.split("/")[0] for path in steps.files) == ["certificate", "depth", "gaps"]
    assert contents(store.lake) == contents(day.root)
    assert not store.quarantine.exists()


def test_a_host_is_not_asked_for_nothing(day: Lake, store: LocalStore) -> None:
    for path, content in contents(day.root).items():
        (store.partial / path).parent.mkdir(parents=True)
        (store.partial / path).write_bytes(content)
    host = Scripted(day)
    [result] = pull([lambda: host], store, ALL)
    assert (host.asked, result.problems, len(result.fetched)) == ([], [], 4)


def test_a_file_of_the_same_size_and_other_content_is_not_taken(day: Lake, store: LocalStore) -> None:
    content = b"X" * day.entry("depth").bytes
    expected, digest = day.entry("depth"), "fb9df92dd4ab"
    day.change("depth", content)
    result = day.pull(store)
    [problem] = result.problems
    kept = store.quarantine / f"partial_{day.path('depth').replace('/', '_')}"
    digest = problem.why.partition("SHA-256 ")[2][:12]
    assert (problem.host, problem.path) == ("lab1", day.path("depth"))
    assert problem.why == (
        f"lab1: {day.path('depth')} arrived with {expected.bytes} bytes and SHA-256 {digest}..., its manifest says"
        f" {expected.bytes} and {expected.sha256[:12]}.... What came is kept as {kept}.3. Pull again; if "
        f"it stays so, the"
        " file is damaged on the host: run `harvester verify` there."
    )
    assert digest != expected.sha256[:12]
    assert [path.read_bytes() for path in sorted(store.quarantine.iterdir())] == [content] * 3
    assert (result.dates, len(result.fetched)) == ([], 3), "a manifest here would claim the whole day"
    assert not (store.lake / day.manifest_path()).exists()


def test_what_the_host_has_not_is_a_problem_and_not_tried(lake: Lake, store: LocalStore, steps: Steps) -> None:
    (lake.root / lake.path("gaps")).unlink()
    lake.change("raw", b"longer than the manifest of this day says")
    [result] = pull([lake.connect], store, ALL, steps)
    gone, changed = sorted(result.problems, key=lambda problem: problem.path)
    assert gone.path == lake.path("gaps") and gone.why == (
        "the host's manifest lists it, but it is not there. If a clean-up took it, a verified copy is where it was"
        " pulled to then; otherwise run `harvester verify` on the host."
    )
    assert changed.path == lake.path("raw") and changed.why == (
        f"it has 41 bytes there, its manifest says {lake.entry('raw').bytes}. Pull again; if it stays so, the file is"
        " damaged on the host: run `harvester verify` there."
    )
    assert {gone.host, changed.host} == {"lab1"}
    assert result.dates == [day.isoformat() for day in DAYS[1:]]
    assert not {gone.path, changed.path} & {*steps.files}
    assert steps.begun[0][1] == 14


def test_a_manifest_that_is_none_spoils_its_own_day_alone(lake: Lake, store: LocalStore) -> None:
    (lake.root / lake.manifest_path(DAYS[1])).write_text("{")
    result = lake.pull(store)
    [problem] = result.problems
    assert (problem.host, problem.path) == ("lab1", lake.manifest_path(DAYS[1]))
    assert problem.why.startswith(f"{lake.manifest_path(DAYS[1])} is not a usable manifest")
    assert result.dates == [day.isoformat() for day in (DAYS[0], DAYS[2], DAYS[3])]


def test_a_local_file_that_was_damaged_is_a_suspect_and_one_that_was_replaced_is_not(
    day: Lake, store: LocalStore
) -> None:
    day.pull(store)
    copy = store.lake / day.path("depth")
    copy.write_bytes(b"X" * copy.stat().st_size)
    result = day.pull(store)
    assert [file.path for file in result.fetched] == [day.path("depth")]
    assert [path.read_bytes() for path in store.quarantine.iterdir()] == [b"X" * day.entry("depth").bytes]
    before = (store.lake / day.path("raw")).read_bytes()
    day.change("raw", b"built anew")
    day.reseal()
    result = day.pull(store)
    assert [file.path for file in result.fetched] == [day.path("raw")]
    assert [path.read_bytes() for path in (store.root / "superseded").iterdir()] == [before]
    assert (store.lake / day.path("raw")).read_bytes() == b"built anew"


def test_a_file_that_is_here_and_not_noted_is_hashed_and_noted(day: Lake, store: LocalStore) -> None:
    day.pull(store)
    store.ledger.unlink()
    assert len(day.pull(store).present) == 4
    assert VerifiedFiles(store).sha256(day.path("raw")) == day.entry("raw").sha256
    assert '"host":"lab1"' in store.ledger.read_text()


@pytest.mark.parametrize(("free", "enough"), [(0, True), (-1, False)])
def test_room_is_asked_for_before_anything_comes(
    day: Lake, store: LocalStore, monkeypatch: pytest.MonkeyPatch, free: int, enough: bool
) -> None:
    needed = sum(file.bytes for file in day.read().files) - 5
    begun = store.partial / day.path("raw")
    begun.parent.mkdir(parents=True)
    begun.write_bytes((day.root / day.path("raw")).read_bytes()[:5])
    usage = type("Usage", (), {"free": needed + pulls.RESERVE_BYTES + free})
    monkeypatch.setattr(pulls.shutil, "disk_usage", lambda path: usage if path == store.root else None)
    if enough:
        assert day.pull(store).problems == []
        usage.free = 0
        assert day.pull(store).problems == [], "nothing is needed"
        return
    with pytest.raises(HarvesterError) as caught:
        day.pull(store)
    assert str(caught.value) == (
        f"{store.root} has 64 MiB free and this pull needs 0 MiB and a reserve of 64 MiB. Free some space, narrow it"
        " with --since and --until, or name another disk with --output; nothing was fetched."
    )
    assert not store.lake.exists()


class Scripted(LocalTransport):
    """Does at each call of `fetch` what the test says: errors by kind of file, or an end of the connection."""

    def __init__(self, lake: Lake, *script: dict[str, RemoteError]) -> None:
        super().__init__(lake.host, lake.root)
        self.script = list(script)
        self.asked: list[list[str]] = []
        self.closed = 0

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        trouble = self.script.pop(0) if self.script else {}
        self.asked.append([file.path.split("/")[0] for file in files])
        for file in files:
            error = trouble.get(file.path.split("/")[0])
            if isinstance(error, UnreachableError):
                raise error
            if error:
                yield file, error
            else:
                yield from super().fetch([file], folder, progress)

    def close(self) -> None:
        self.closed += 1


KINDS = ["certificate", "depth", "gaps", "raw"]
BROKEN, GONE = RemoteError("it broke"), UnreachableError("it is gone")


def test_what_broke_off_is_tried_three_times_and_alone(day: Lake, store: LocalStore) -> None:
    host = Scripted(day, {"depth": BROKEN, "raw": BROKEN}, {"depth": BROKEN}, {"depth": RemoteError("it broke again")})
    [result] = pull([lambda: host], store, ALL)
    assert host.asked == [KINDS, ["depth", "raw"], ["depth"]]
    assert result.problems == [Problem("lab1", day.path("depth"), "it broke again")]
    assert sorted(file.path.split("/")[0] for file in result.fetched) == ["certificate", "gaps", "raw"]
    assert host.closed == 1
    receipt = Path(result.receipt or "").read_text()
    assert day.path("raw") in receipt and day.path("depth") not in receipt


def test_a_connection_that_comes_back_is_no_problem(day: Lake, store: LocalStore) -> None:
    host = Scripted(day, {"depth": GONE}, {"gaps": GONE})
    [result] = pull([lambda: host], store, ALL)
    assert host.asked == [KINDS, ["depth", "gaps", "raw"], ["gaps", "raw"]]
    assert (result.problems, result.dates) == ([], ["2026-11-17"])


def test_a_host_that_is_gone_leaves_the_list_of_what_is_missing(day: Lake, store: LocalStore) -> None:
    host = Scripted(day, *[{"depth": GONE}] * 3)
    [result] = pull([lambda: host], store, ALL)
    assert len(host.asked) == 3
    assert result.problems[0] == Problem("lab1", "", "it is gone")
    assert sorted(problem.path for problem in result.problems[1:]) == [day.path(kind) for kind in KINDS[1:]]
    assert {(problem.host, problem.why) for problem in result.problems[1:]} == {
        ("lab1", "not fetched: the host failed before")
    }
    assert [file.path for file in result.fetched] == [day.path("certificate")]
    assert (store.lake / day.path("certificate")).exists(), "what came has its name"
    assert (host.closed, result.dates) == (1, [])


def test_one_host_that_is_gone_keeps_no_other_from_being_pulled(day: Lake, store: LocalStore, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other", "lab2")
    other.add(DAYS[0])

    class Far(Scripted):
        def read_manifests(self) -> dict[str, bytes]:
            raise UnreachableError("it does not answer")

    far = Far(day)
    first, second = pull([lambda: far, other.connect], store, ALL)
    assert first.problems == [Problem("lab1", "", "it does not answer")]
    assert (second.host, second.problems, len(second.fetched)) == ("lab2", [], 4)
    assert far.closed == 1


def test_a_problem_is_one_line() -> None:
    assert str(Problem("lab1", "depth/x", "gone")) == "lab1: depth/x: gone"
    assert str(Problem("lab1", "", "gone")) == "lab1: gone"


def fetch(day: Lake, store: LocalStore, steps: Steps) -> list[list[str]]:
    """The batches in which a day's files come."""
    batches: list[list[str]] = []
    left = download(
        day.connect(),
        day.read().files,
        store,
        steps,
        lambda files: batches.append([file.path.split("/")[0] for file in files]),
    )
    assert left == []
    return batches


def test_files_come_in_batches_by_count(
    day: Lake, store: LocalStore, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BATCH_FILES", 3)
    assert fetch(day, store, steps) == [KINDS[:3], KINDS[3:]]


@pytest.mark.parametrize(("more", "batches"), [(0, [KINDS[:2], KINDS[2:]]), (1, [KINDS[:3], KINDS[3:]])])
def test_files_come_in_batches_by_size(
    day: Lake, store: LocalStore, steps: Steps, monkeypatch: pytest.MonkeyPatch, more: int, batches: list[list[str]]
) -> None:
    limit = day.entry("certificate").bytes + day.entry("depth").bytes
    day.change("raw", b"r")
    day.reseal()
    monkeypatch.setattr(downloads, "BATCH_BYTES", limit + more)
    assert fetch(day, store, steps) == batches


def test_one_batch_is_the_rule(day: Lake, store: LocalStore, steps: Steps) -> None:
    assert fetch(day, store, steps) == [KINDS]


def test_folders_of_partial_files_that_stay_are_kept(day: Lake, store: LocalStore, steps: Steps) -> None:
    other = store.partial / "raw" / "date=2020-01-01" / "x"
    other.parent.mkdir(parents=True)
    other.write_text("begun")
    fetch(day, store, steps)
    assert contents(store.partial) == {"raw/date=2020-01-01/x": b"begun"}
    assert sorted(path.name for path in store.partial.iterdir()) == ["raw"]


def test_a_local_lake_says_what_it_has(lake: Lake, tmp_path: Path, steps: Steps) -> None:
    host = lake.connect()
    (lake.root / "manifest" / "x").mkdir()
    (lake.root / "manifest" / "x" / "manifest.json").write_text("no partition")
    assert [*host.read_manifests()] == [lake.manifest_path(day) for day in DAYS]
    assert host.read_manifests()[lake.manifest_path()] == lake.read().content
    assert host.list_files() == {path: len(content) for path, content in contents(lake.root).items()}
    (lake.root / lake.path("depth")).unlink()
    [(file, error), (second, fine)] = host.fetch([lake.entry("depth"), lake.entry("raw")], tmp_path / "to", steps)
    assert file == lake.entry("depth") and str(error) == (
        f"lab1: {file.path} cannot be read (No such file or directory)."
    )
    assert (second, fine) == (lake.entry("raw"), None)
    assert steps.files == [file.path, second.path]


def test_a_local_file_is_continued_chunk_by_chunk(
    day: Lake, tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.pull.transport.CHUNK_BYTES", 4)
    begun = tmp_path / day.path("raw")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"raw")
    assert [*day.connect().fetch([day.entry("raw")], tmp_path, steps)] == [(day.entry("raw"), None)]
    assert begun.read_bytes() == (day.root / day.path("raw")).read_bytes()
    assert steps.count == day.entry("raw").bytes - 3
