"""Which files a host may give up, and what is written down, checked again and told before it does."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.durability import watched
from tests.operator.pull.conftest import DAYS, Lake, contents

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.ssh import RemoteError
from runbook.pull import cleanup, receipt
from runbook.pull.cleanup import PlannedRemoval, check_keep_days, decide
from runbook.pull.plan import Selection
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

TARGET = Target(Path("/nowhere"))
STAYS = "manifest, certificate, gap ledger, instruments or sessions"
NEWEST = "one of the newest days"
ABSENT = "no verified copy here"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Target, Mapping[str, Any], bool]]:
    """What the hosts were told: playbook, target, variables, check mode."""
    calls: list[tuple[str, Target, Mapping[str, Any], bool]] = []

    def run(name: str, target: Target, variables: Mapping[str, Any], check: bool = False) -> None:
        calls.append((name, target, variables, check))

    monkeypatch.setattr(cleanup, "run", run)
    return calls


def why(lake: Lake, plan: cleanup.Plan) -> dict[str, str]:
    """Of each file in the plan why it stays, by kind and day of the month."""
    return {f"{finding.file.path.split('/')[0]} {finding.date.day}": finding.why for finding in plan.findings}


def expected(**changes: str) -> dict[str, str]:
    """Of four days, the two newest kept."""
    found = {f"{kind} {day}": "" if day < 19 else NEWEST for kind in ("depth", "raw") for day in (17, 18, 19, 20)}
    found |= {f"{kind} {day}": STAYS for kind in ("gaps", "certificate") for day in (17, 18, 19, 20)}
    return found | {name.replace("_", " "): text for name, text in changes.items()}


def test_the_oldest_days_go_and_the_newest_and_the_proofs_stay(lake: Lake, store: LocalStore) -> None:
    lake.pull(store)
    plan = lake.plan(store)
    assert plan.host == "lab1"
    assert why(lake, plan) == expected()
    assert [removal.file for removal in plan.removals] == [
        lake.entry(kind, day) for day in DAYS[:2] for kind in ("depth", "raw")
    ]
    assert len(plan.kept) == 12 and all(kept.why for kept in plan.kept)
    assert plan.bytes == sum(lake.entry(kind, day).bytes for day in DAYS[:2] for kind in ("depth", "raw"))


@pytest.mark.parametrize(("keep", "gone"), [(2, [17, 18]), (3, [17]), (4, []), (9, [])])
def test_so_many_of_the_newest_days_stay(lake: Lake, store: LocalStore, keep: int, gone: list[int]) -> None:
    lake.pull(store)
    assert sorted({removal.date.day for removal in lake.plan(store, keep).removals}) == gone


def test_days_are_counted_by_date_however_the_host_lists_them(lake: Lake) -> None:
    manifests = [lake.read(day) for day in (DAYS[2], DAYS[0], DAYS[3], DAYS[1])]
    sizes = lake.connect().list_files()
    files = [file for manifest in manifests for file in manifest.files]
    for keep, gone in ((1, [17, 18, 19]), (0, [17, 18, 19, 20]), (-1, [17, 18, 19, 20])):
        plan = decide("lab1", iter(manifests), sizes, iter(files), keep_days=keep)
        assert sorted({removal.date.day for removal in plan.removals}) == gone
    assert why(lake, decide("lab1", manifests, sizes, files)) == expected()
    assert [finding.date for finding in decide("lab1", manifests, sizes, []).findings] == sorted([*DAYS] * 4)


def test_two_parts_of_a_day_are_one_day(lake: Lake, tmp_path: Path) -> None:
    other = Lake(lake.root, "lab2")
    other.add(DAYS[3])
    manifests = [*map(lake.read, DAYS), other.read(DAYS[3])]
    files = [file for manifest in manifests for file in manifest.files]
    plan = decide("lab1", manifests, lake.connect().list_files(), files)
    assert {removal.date for removal in plan.removals} == set(DAYS[:2])


def test_fewer_days_than_a_host_insists_on_are_refused() -> None:
    check_keep_days(2)
    with pytest.raises(ConfigError) as caught:
        check_keep_days(1)
    assert str(caught.value) == (
        "--keep-days 1 is less than 2, and a host gives up nothing of its newest 2 days. Give 2 or more."
    )


def test_what_was_not_pulled_stays(lake: Lake, store: LocalStore) -> None:
    raw = dict.fromkeys(("raw_17", "raw_18"), "raw data not pulled (--raw)")
    assert why(lake, lake.plan(store)) == expected(depth_17=ABSENT, depth_18=ABSENT, **raw)
    lake.pull(store, Selection())
    assert why(lake, lake.plan(store)) == expected(**raw)


def test_a_copy_of_the_same_size_and_other_content_protects_its_original(lake: Lake, store: LocalStore) -> None:
    lake.pull(store)
    copy = store.lake / lake.path("depth")
    copy.write_bytes(b"X" * copy.stat().st_size)
    assert why(lake, lake.plan(store)) == expected(depth_17=ABSENT)


def test_a_copy_of_another_hosts_file_proves_nothing(lake: Lake) -> None:
    elsewhere = [replace(lake.entry("depth"), path=lake.path("depth").replace("lab1", "lab2"))]
    longer = [replace(lake.entry("depth"), bytes=lake.entry("depth").bytes + 1)]
    other = [replace(lake.entry("depth"), sha256="0" * 64)]
    sizes = lake.connect().list_files()
    for copies in (elsewhere, longer, other):
        plan = decide("lab1", map(lake.read, DAYS), sizes, copies)
        assert plan.removals == []


def test_a_file_that_differs_from_its_manifest_on_the_host_stays(lake: Lake, store: LocalStore) -> None:
    lake.pull(store)
    lake.change("raw", b"more than there was before")
    (lake.root / lake.path("depth", DAYS[1])).unlink()
    found = expected(raw_17="differs from its manifest on the host")
    del found["depth 18"]
    assert why(lake, lake.plan(store)) == found


def test_a_plan_needs_the_store_for_itself_and_ends_the_connection(
    lake: Lake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(LocalTransport, "close", lambda self: closed.append(self.host))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with store.locked(), pytest.raises(HarvesterError, match="Another pull or clean-up"):
        lake.plan(store)
    (lake.root / lake.manifest_path()).write_text("{")
    with pytest.raises(HarvesterError, match="is not a usable manifest"):
        lake.plan(store)
    assert closed == ["lab1"] * 2

    def gone(_: object) -> None:
        raise RemoteError("gone")

    monkeypatch.setattr(LocalTransport, "read_manifests", gone)
    with pytest.raises(RemoteError):
        lake.plan(store)
    assert closed == ["lab1"] * 3


def test_the_host_is_told_with_a_receipt_of_the_plan(lake: Lake, store: LocalStore, told: list[Any]) -> None:
    lake.pull(store)
    plan = lake.plan(store)
    written = cleanup.apply(plan, store, TARGET)
    assert written is not None and written.parent == store.receipts
    [(name, target, variables, check)] = told
    assert (name, target, check) == ("cleanup", TARGET.of(["lab1"]), False)
    assert variables == {"harvester_cleanup_receipt": str(written.resolve())}
    content = json.loads(written.read_text())
    files = [removal.file for removal in plan.removals]
    assert content["host"] == "lab1"
    assert content["files"] == [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in files]
    cleanup.apply(plan, store, TARGET, check_bucket=True)
    assert told[1][2].keys() == {"harvester_cleanup_receipt", "harvester_cleanup_s3"}
    assert told[1][2]["harvester_cleanup_s3"] is True


def test_the_receipts_path_holds_from_any_folder(
    lake: Lake, tmp_path: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path("relative"))
    lake.pull(store)
    cleanup.apply(lake.plan(store), store, TARGET)
    assert Path(told[0][2]["harvester_cleanup_receipt"]).parent == tmp_path / "relative" / "receipts"


def test_a_copy_that_changed_since_the_plan_stops_everything(lake: Lake, store: LocalStore, told: list[Any]) -> None:
    lake.pull(store)
    plan = lake.plan(store)
    for kind in ("depth", "raw"):
        (store.lake / lake.path(kind)).unlink()
    receipts = contents(store.receipts)
    with pytest.raises(HarvesterError) as caught:
        cleanup.apply(plan, store, TARGET)
    assert str(caught.value) == (
        f"2 of the copies in {store.lake} changed since the plan was made, such as {lake.path('depth')}. Nothing was"
        " removed from lab1; run `./inv verify-data`."
    )
    assert (told, contents(store.receipts)) == ([], receipts)


def test_an_empty_plan_tells_nobody(lake: Lake, store: LocalStore, told: list[Any]) -> None:
    assert cleanup.apply(lake.plan(store), store, TARGET) is None
    assert (told, store.receipts.exists()) == ([], False)


@pytest.mark.parametrize("check", [False, True])
def test_a_host_may_be_told_to_go_by_its_bucket(told: list[Any], check: bool) -> None:
    cleanup.by_bucket("lab1", TARGET, check=check)
    assert told == [("cleanup", TARGET.of(["lab1"]), {"harvester_cleanup_s3": True}, check)]


@pytest.mark.parametrize(
    ("upload", "kinds"),
    [
        (None, {"pull"}),
        ({}, {"pull"}),
        ({"bucket": "market-data", "proof": "s3"}, {"s3"}),
        ({"bucket": "market-data", "proof": "pull"}, {"pull"}),
        ({"bucket": "market-data", "proof": "both"}, {"pull", "s3"}),
    ],
)
def test_a_hosts_settings_say_which_copies_count(upload: dict[str, str] | None, kinds: set[str]) -> None:
    host = Host("lab1", "h", variables={"harvester_settings": {"upload": upload}})
    assert cleanup.demands_of(host) == kinds


def test_settings_that_are_none_are_refused_by_name() -> None:
    host = Host("lab1", "h", variables={"harvester_settings": {"upload": {"proof": "hope"}}})
    with pytest.raises(ConfigError, match=r"^harvester_settings\.upload: .*proof"):
        cleanup.demands_of(host)


def test_the_archive_gets_each_copy_once_and_durably(lake: Lake, store: LocalStore, tmp_path: Path) -> None:
    lake.pull(store)
    plan, archive = lake.plan(store), tmp_path / "archive"
    archive.mkdir()
    with watched(archive):
        assert cleanup.archive(plan, store, archive) == 4
    wanted = {removal.file.path: (store.lake / removal.file.path).read_bytes() for removal in plan.removals}
    assert contents(archive) == wanted
    (archive / plan.removals[1].file.path).unlink()
    assert cleanup.archive(plan, store, archive) == 1
    assert cleanup.archive(plan, store, archive) == 0
    assert contents(archive) == wanted


def test_the_archive_makes_its_folders(lake: Lake, store: LocalStore, tmp_path: Path) -> None:
    lake.pull(store)
    assert cleanup.archive(lake.plan(store), store, tmp_path / "a" / "b") == 4


def test_an_archived_file_of_the_same_size_and_other_content_stops_everything(
    lake: Lake, store: LocalStore, tmp_path: Path
) -> None:
    lake.pull(store)
    plan = lake.plan(store)
    target = tmp_path / plan.removals[0].file.path
    target.parent.mkdir(parents=True)
    target.write_bytes(b"X" * plan.removals[0].file.bytes)
    with pytest.raises(HarvesterError) as caught:
        cleanup.archive(plan, store, tmp_path)
    assert str(caught.value) == (
        f"{target} is in the archive already and differs from {store.lake / plan.removals[0].file.path}. "
        f"Move it away or"
        " name another directory; nothing was removed from the host."
    )
    assert target.read_bytes() == b"X" * plan.removals[0].file.bytes


def test_a_copy_that_arrives_otherwise_is_no_copy(
    lake: Lake, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.pull(store)
    plan = lake.plan(store)
    monkeypatch.setattr(receipt, "holds", lambda path, file: False)
    with pytest.raises(HarvesterError) as caught:
        cleanup.archive(plan, store, tmp_path / "archive")
    assert str(caught.value) == (
        f"The copy at {tmp_path / 'archive' / plan.removals[0].file.path} does not have the hash of its "
        f"source. The disk"
        " of the archive may be failing; nothing was removed from the host."
    )
    assert [path for path in (tmp_path / "archive").rglob("*") if path.is_file()] == []


def test_a_large_file_is_copied_whole(
    lake: Lake, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "CHUNK_BYTES", 7)
    lake.pull(store)
    plan = lake.plan(store)
    assert cleanup.archive(plan, store, tmp_path / "archive") == 4


def test_the_summary_adds_up_by_day_and_reason(lake: Lake, store: LocalStore) -> None:
    lake.pull(store)
    lake.add(DAYS[3], ("depth",))
    rows = cleanup.summary(lake.plan(store))
    gone = "remove: verified copy here"
    assert [(row["date"], row["what"], row["files"]) for row in rows] == [
        ("2026-11-17", f"keep: {STAYS}", 2),
        ("2026-11-17", gone, 2),
        ("2026-11-18", f"keep: {STAYS}", 2),
        ("2026-11-18", gone, 2),
        ("2026-11-19", f"keep: {STAYS}", 2),
        ("2026-11-19", f"keep: {NEWEST}", 2),
        ("2026-11-20", f"keep: {STAYS}", 2),
        ("2026-11-20", f"keep: {NEWEST}", 2),
    ]
    assert rows[1]["bytes"] == lake.entry("depth").bytes + lake.entry("raw").bytes
    assert rows[0].keys() == {"date", "what", "files", "bytes"}


def test_a_finding_may_go_unless_something_keeps_it(lake: Lake) -> None:
    assert PlannedRemoval(lake.entry("raw"), DAYS[0]).why == ""
