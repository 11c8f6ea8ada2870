"""cleanup: the plan, the second home, and the last look before a host is told to delete."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from made_lake import LakeMaker, trading_days, tree

from harvester.base.errors import HarvesterError
from harvester.lake.cleanup import judge_files
from harvester.lake.manifest import FileEntry
from harvester.lake.publish.receipts import load_receipt
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.pull import cleanup
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport
from runbook.tasks import data

MakeLake = Callable[..., LakeMaker]
TARGET = Target(Path("/nowhere"))


@pytest.fixture
def lake(make_lake: MakeLake) -> LakeMaker:
    return make_lake(days=4)


def pull_all(lake: LakeMaker, store: LocalStore, *, raw: bool = True) -> None:
    [result] = pull([partial(LocalTransport, lake.host, lake.root)], store, Selection(raw=raw))
    assert result.problems == []


def look(lake: LakeMaker, store: LocalStore, keep_days: int = 2) -> cleanup.Plan:
    return cleanup.make_plan(partial(LocalTransport, lake.host, lake.root), store, keep_days=keep_days)


def removed(plan: cleanup.Plan) -> set[tuple[str, str]]:
    return {(removal.date.isoformat(), removal.file.path.split("/")[0]) for removal in plan.removals}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Any]]]:
    """What the hosts were told to do."""
    calls: list[tuple[str, Mapping[str, Any]]] = []

    def run(name: str, target: Target, variables: Mapping[str, Any]) -> None:
        assert target.limit == "lab1", "the receipt of one host is no other host's business"
        calls.append((name, variables))

    monkeypatch.setattr(cleanup, "run", run)
    return calls


def test_old_days_with_verified_copies_may_go_and_receipts_stay(lake: LakeMaker, store: LocalStore) -> None:
    pull_all(lake, store)

    plan = look(lake, store)

    old = trading_days(4)[:2]
    assert removed(plan) == {(day, kind) for day in old for kind in ("depth_v3", "quotes_v3", "trades_v3", "raw")}
    assert plan.bytes == sum((lake.root / removal.file.path).stat().st_size for removal in plan.removals)
    assert {kept.why for kept in plan.kept} == {
        "manifest, certificate, gap ledger, instruments or sessions",
        "one of the newest days",
    }


def test_nothing_that_was_not_pulled_is_in_the_plan(lake: LakeMaker, store: LocalStore) -> None:
    assert look(lake, store).removals == []

    pull_all(lake, store, raw=False)
    plan = look(lake, store)

    assert {kind for _, kind in removed(plan)} == {"depth_v3", "quotes_v3", "trades_v3"}
    assert "raw data not pulled (--raw)" in {kept.why for kept in plan.kept}


def test_a_copy_that_was_damaged_here_protects_its_original(lake: LakeMaker, store: LocalStore) -> None:
    pull_all(lake, store)
    first = trading_days(4)[0]
    victim = next(store.lake.glob(f"depth_v3/date={first}/*/*"))
    content = bytearray(victim.read_bytes())
    content[50] ^= 1
    victim.write_bytes(content)

    plan = look(lake, store)

    assert (first, "depth_v3") not in removed(plan)
    assert (first, "raw") in removed(plan)


def test_a_file_already_gone_from_the_host_is_not_in_the_plan(lake: LakeMaker, store: LocalStore) -> None:
    pull_all(lake, store)
    first = trading_days(4)[0]
    next(lake.root.glob(f"depth_v3/date={first}/*/*")).unlink()

    assert (first, "depth_v3") not in removed(look(lake, store))


def test_a_host_file_of_another_size_than_its_manifest_stays(lake: LakeMaker, store: LocalStore) -> None:
    pull_all(lake, store)
    first = trading_days(4)[0]
    victim = next(lake.root.glob(f"raw/date={first}/*/*"))
    victim.write_bytes(victim.read_bytes() + b"more")

    assert (first, "raw") not in removed(look(lake, store))


def test_applying_a_plan_gives_the_host_a_receipt_that_proves_exactly_the_plan(
    lake: LakeMaker, store: LocalStore, told: list[tuple[str, Mapping[str, Any]]]
) -> None:
    pull_all(lake, store)
    plan = look(lake, store)

    receipt = cleanup.apply(plan, store, TARGET)

    assert told == [("cleanup", {"harvester_cleanup_receipt": str(receipt)})]
    assert receipt is not None
    listed = {row["path"] for row in json.loads(receipt.read_bytes())["files"]}
    assert listed == {removal.file.path for removal in plan.removals}
    verdicts = judge_files(lake.root, lake.root.parent / "journal", load_receipt(receipt))
    assert {v.entry.path for v in verdicts if v.keep_because is None} == listed, "the host comes to the same plan"


def test_a_copy_that_is_lost_between_plan_and_answer_stops_everything(
    lake: LakeMaker, store: LocalStore, told: list[tuple[str, Mapping[str, Any]]]
) -> None:
    pull_all(lake, store)
    plan = look(lake, store)
    (store.lake / plan.removals[0].file.path).unlink()

    with pytest.raises(HarvesterError, match="changed since the plan"):
        cleanup.apply(plan, store, TARGET)

    assert told == []


def test_an_empty_plan_tells_the_host_nothing(
    lake: LakeMaker, store: LocalStore, told: list[tuple[str, Mapping[str, Any]]]
) -> None:
    assert cleanup.apply(look(lake, store), store, TARGET) is None
    assert told == []


def test_the_archive_gets_verified_copies_once(lake: LakeMaker, store: LocalStore, tmp_path: Path) -> None:
    pull_all(lake, store)
    plan = look(lake, store)

    first = cleanup.archive(plan, store, tmp_path / "archive")
    second = cleanup.archive(plan, store, tmp_path / "archive")

    assert (first, second) == (8, 0)
    assert tree(tmp_path / "archive") == {removal.file.path: removal.file.sha256 for removal in plan.removals}


def test_an_archive_with_other_content_is_never_overwritten(lake: LakeMaker, store: LocalStore, tmp_path: Path) -> None:
    pull_all(lake, store)
    plan = look(lake, store)
    victim = tmp_path / "archive" / plan.removals[0].file.path
    victim.parent.mkdir(parents=True)
    victim.write_bytes(b"something else")

    with pytest.raises(HarvesterError, match="in the archive already"):
        cleanup.archive(plan, store, tmp_path / "archive")

    assert victim.read_bytes() == b"something else"


def test_the_summary_counts_files_and_bytes_by_day_and_reason(lake: LakeMaker, store: LocalStore) -> None:
    pull_all(lake, store)

    rows = cleanup.summary(look(lake, store))

    assert sum(row["files"] for row in rows) == 32
    assert {row["what"] for row in rows if row["date"] == trading_days(4)[0]} == {
        "remove: verified copy here",
        "keep: manifest, certificate, gap ledger, instruments or sessions",
    }


@pytest.mark.parametrize("order", permutations(("empty", "full", "bucket")))
@pytest.mark.parametrize("dry_run", [False, True])
def test_each_host_of_a_fleet_has_its_turn_whatever_the_one_before_had(
    order: tuple[str, ...], dry_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal = cleanup.PlannedRemoval(FileEntry("depth_v3/a.parquet", 1, "0" * 64, 1), date(2026, 11, 20))
    hosts = [Host(name, name) for name in order]
    asked: list[str] = []
    removed: list[str] = []

    def make_plan(connect: Any, *_: Any, **__: Any) -> cleanup.Plan:
        name = connect.args[0].name
        asked.append(name)
        return cleanup.Plan(name, (removal,) if name == "full" else ())

    def by_bucket(name: str, _: Target, *, check: bool) -> None:
        (asked if check else removed).append(name)

    monkeypatch.setattr(data, "awake_hosts_of", lambda *_: hosts)
    monkeypatch.setattr(cleanup, "demands_of", lambda host: {"s3"} if host.name == "bucket" else {"pull"})
    monkeypatch.setattr("runbook.pull.sources.connect_to", lambda host: partial(LocalTransport, host))
    monkeypatch.setattr(cleanup, "make_plan", make_plan)
    monkeypatch.setattr(cleanup, "by_bucket", by_bucket)
    monkeypatch.setattr(cleanup, "apply", lambda plan, *_, **__: removed.append(plan.host))

    data.cleanup(MockContext(), yes=True, dry_run=dry_run, output=str(tmp_path / "pulled"))

    assert asked == [*order]
    assert removed == ([] if dry_run else [name for name in order if name != "empty"])


@pytest.mark.parametrize("kind", ["pull", "s3"])
def test_a_host_that_fails_or_may_keep_its_files_ends_no_other(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal = cleanup.PlannedRemoval(FileEntry("depth_v3/a.parquet", 1, "0" * 64, 1), date(2026, 11, 20))
    removed: list[str] = []

    def look_at(name: str) -> None:
        if name == "broken":
            raise HarvesterError("broken gives no answer.")

    def make_plan(connect: Any, *_: Any, **__: Any) -> cleanup.Plan:
        look_at(connect.args[0].name)
        return cleanup.Plan(connect.args[0].name, (removal,))

    def by_bucket(name: str, _: Target, *, check: bool) -> None:
        look_at(name) if check else removed.append(name)

    hosts = [Host(name, name) for name in ("broken", "h1", "kept", "h2")]
    monkeypatch.setattr(data, "awake_hosts_of", lambda *_: hosts)
    monkeypatch.setattr(cleanup, "demands_of", lambda _: {kind})
    monkeypatch.setattr("runbook.pull.sources.connect_to", lambda host: partial(LocalTransport, host))
    monkeypatch.setattr("runbook.console.terminal.confirm", lambda question: " kept" not in question)
    monkeypatch.setattr(cleanup, "make_plan", make_plan)
    monkeypatch.setattr(cleanup, "by_bucket", by_bucket)
    monkeypatch.setattr(cleanup, "apply", lambda plan, *_, **__: removed.append(plan.host))

    with pytest.raises(Exit) as end:
        data.cleanup(MockContext(), output=str(tmp_path / "pulled"))

    assert removed == ["h1", "h2"]
    assert end.value.code == 1
    assert "broken gives no answer. Nothing was removed from kept. Answer y" in str(end.value.message)


def test_the_second_home_has_its_copies_before_the_host_removes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal = cleanup.PlannedRemoval(FileEntry("depth_v3/a.parquet", 1, "0" * 64, 1), date(2026, 11, 20))
    done: list[str] = []

    def archive(*_: object) -> None:
        done.append("archive")
        raise HarvesterError("the archive's disk is full")

    monkeypatch.setattr(data, "awake_hosts_of", lambda *_: [Host("h1", "h1")])
    monkeypatch.setattr(cleanup, "demands_of", lambda _: {"pull"})
    monkeypatch.setattr(cleanup, "make_plan", lambda *_, **__: cleanup.Plan("h1", (removal,)))
    monkeypatch.setattr(cleanup, "archive", archive)
    monkeypatch.setattr(cleanup, "apply", lambda *_, **__: done.append("remove"))

    with pytest.raises(Exit, match="the archive's disk is full"):
        data.cleanup(MockContext(), yes=True, output=str(tmp_path / "pulled"), archive=str(tmp_path / "second"))

    assert done == ["archive"]
