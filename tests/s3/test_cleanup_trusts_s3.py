"""Clean-up and the bucket: a file goes only when its object was seen there just now, by a checksum of its own."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_lake import LakeMaker, trading_days
from msgspec.structs import replace
from s3_world import World

from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.settings import UploadSettings
from harvester.deliver.receipts import now
from harvester.lake.cleanup import delete_files, judge_files
from harvester.lake.publish.receipts import Receipt, accept, load_receipt
from harvester.upload.attestation import attest, write_attested
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.pull import cleanup
from runbook.pull.bucket import connections
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore

DAYS = 3  # the newest two keep everything
KINDS = {"depth_v3", "quotes_v3", "trades_v3", "raw"}
"""Folders of what clean-up may take."""


def settings(world: World, proof: str) -> UploadSettings:
    return replace(world.settings, proof=proof)


def look(world: World, lake: LakeMaker) -> Receipt:
    """The receipt of a look at the bucket, as harvester upload --attest writes it."""
    began = now()
    files = attest(lake.root, world.bucket, world.patience())
    return load_receipt(write_attested(world.uploads, lake.host, world.bucket, files, began))


def going(lake: LakeMaker, receipt: Receipt) -> set[str]:
    verdicts = judge_files(lake.root, lake.root.parent / "journal", receipt)
    return {verdict.entry.path for verdict in verdicts if verdict.keep_because is None}


def removable(lake: LakeMaker) -> set[str]:
    old = trading_days(DAYS)[:1]
    found = [path for kind in KINDS for path in lake.root.glob(f"{kind}/*/*/*")]
    return {path.relative_to(lake.root).as_posix() for path in found if path.parts[-3].removeprefix("date=") in old}


def test_what_is_seen_in_the_bucket_may_go_and_nothing_else(world: World) -> None:
    lake = world.lake(DAYS)
    assert going(lake, accept([look(world, lake)], settings(world, "s3"))) == set()
    world.upload(lake)

    receipt = accept([look(world, lake)], settings(world, "s3"))
    verdicts = judge_files(lake.root, lake.root.parent / "journal", receipt)
    delete_files(lake.root, verdicts, receipt)

    path = world.uploads / "attested.json"
    assert path.stat().st_mode & 0o777 == 0o640, "clean-up is another user of the group"
    assert json.loads(path.read_bytes())["home"] == world.bucket.home
    gone = {verdict.entry.path for verdict in verdicts if verdict.keep_because is None}
    assert gone == removable_before(lake, gone)
    assert gone <= world.stored().keys()


def removable_before(lake: LakeMaker, gone: set[str]) -> set[str]:
    """Tables and segments of the old days; they are no longer here."""
    assert not any((lake.root / path).exists() for path in gone)
    assert {path.split("/")[0] for path in gone} == KINDS
    assert {path.split("/")[1].removeprefix("date=") for path in gone} == set(trading_days(DAYS)[:1])
    return gone


@pytest.mark.parametrize("kind", ["missing", "wrong_checksum", "other"])
def test_a_receipt_of_the_upload_is_not_enough(world: World, kind: str) -> None:
    """The object was verified once, and is gone, or another one, when clean-up comes."""
    lake = world.lake(DAYS)
    world.upload(lake)
    victim = sorted(removable(lake))[0]
    if kind == "missing":
        world.direct.delete_object(Bucket=world.name, Key=world.bucket.key(victim))
    elif kind == "other":
        world.put(victim, (lake.root / victim).read_bytes())  # the same bytes, and no checksum to say so
    else:
        world.proxy.add(kind, lambda method, path: path.endswith(victim), times=10**6)

    assert going(lake, accept([look(world, lake)], settings(world, "s3"))) == removable(lake) - {victim}


def test_a_file_that_changed_here_stays_though_the_bucket_has_the_right_one(world: World) -> None:
    lake = world.lake(DAYS)
    world.upload(lake)
    victim = sorted(removable(lake))[0]
    (lake.root / victim).write_bytes(b"x" + (lake.root / victim).read_bytes()[1:])

    assert going(lake, accept([look(world, lake)], settings(world, "s3"))) == removable(lake) - {victim}


def test_with_both_homes_only_what_both_have_goes(world: World, tmp_path: Path) -> None:
    lake = world.lake(DAYS)
    world.upload(lake)
    store = LocalStore(tmp_path / "pulled")
    first = trading_days(DAYS)[0]
    [result] = pull(connections(world.reader()), store, Selection(raw=False))
    pulled = load_receipt(Path(result.receipt or ""))
    seen = look(world, lake)

    both = accept([pulled, seen], settings(world, "both"))

    assert going(lake, both) == {path for path in removable(lake) if not path.startswith("raw/")}
    missing = next(path for path in sorted(removable(lake)) if path.startswith(f"depth_v3/date={first}/"))
    world.direct.delete_object(Bucket=world.name, Key=world.bucket.key(missing))
    assert missing not in going(lake, accept([pulled, look(world, lake)], settings(world, "both")))


def test_an_old_look_a_foreign_one_and_a_missing_one_are_refused(world: World) -> None:
    lake = world.lake(DAYS)
    world.upload(lake)
    seen = look(world, lake)
    wanted = settings(world, "s3")

    with pytest.raises(HarvesterError, match="counts for 10 minutes"):
        accept([seen], wanted, datetime.now(UTC) + timedelta(minutes=11))
    with pytest.raises(HarvesterError, match="is configured"):
        accept([seen], replace(wanted, bucket="another"))
    with pytest.raises(ConfigError, match="of a pull"):
        accept([seen], settings(world, "both"))
    with pytest.raises(ConfigError, match="--attest"):
        accept([Receipt("x", {"depth/a": "b"})], settings(world, "both"))
    assert accept([Receipt("x", {"depth/a": "b"})], UploadSettings()).files == {"depth/a": "b"}


def test_a_large_file_is_known_by_its_parts(world: World, small_parts: Callable[[], None]) -> None:
    small_parts()
    lake = world.lake(3, raw_bytes=7 << 20)
    world.upload(lake)
    first = trading_days(3)[0]

    seen = look(world, lake)

    assert sum(path.startswith("raw/") for path in going(lake, accept([seen], settings(world, "s3")))) == 1
    raw = next(lake.root.glob(f"raw/date={first}/*/*")).relative_to(lake.root).as_posix()
    world.put(raw, (lake.root / raw).read_bytes())
    assert raw not in look(world, lake).files


@pytest.mark.parametrize("worlds", [3, pytest.param(100, marks=pytest.mark.long)])
def test_no_order_of_faults_deletes_what_is_not_there(world: World, figure: Callable[..., None], worlds: int) -> None:
    """Random worlds: faults in upload and look, objects that vanish or change; then what went is counted."""
    lost = removed = 0
    for seed in range(worlds):
        dice = random.Random(seed)
        lake = world.lake(3, host=f"w{seed}", raw_bytes=2000)
        for _ in range(dice.randrange(6)):
            kind = dice.choice(("503", "lost_answer", "half_received", "flip_up", "wrong_checksum", "missing"))
            turn = dice.randrange(30)
            world.proxy.add(kind, lambda *_, turn=turn: len(world.proxy.asked) % 30 == turn)
        world.upload(lake)
        for path in dice.sample(sorted(world.stored(lake.host)), 3):
            if dice.random() < 0.5:
                world.direct.delete_object(Bucket=world.name, Key=world.bucket.key(path))
            else:
                world.put(path, dice.randbytes(50))
        originals = {path: (lake.root / path).read_bytes() for path in removable_of(lake)}
        receipt = accept([look(world, lake)], settings(world, "s3"))
        verdicts = judge_files(lake.root, lake.root.parent / "journal", receipt)
        delete_files(lake.root, verdicts, receipt)
        stored = world.stored(lake.host)
        gone = {path for path in originals if not (lake.root / path).exists()}
        removed += len(gone)
        lost += sum(stored.get(path) != originals[path] for path in gone)
        world.proxy.reset()
    figure("cleanup_removed_files", removed, bound=f">= {worlds // 3}", unit="files", gate=True)
    figure("cleanup_lost_files", lost, bound="== 0", unit="files", gate=True)


def removable_of(lake: LakeMaker) -> list[str]:
    return [p.relative_to(lake.root).as_posix() for kind in KINDS for p in lake.root.glob(f"{kind}/*/*/*")]


@pytest.mark.parametrize(
    ("upload", "demands"),
    [
        ({}, {"pull"}),
        ({"bucket": "b-1"}, {"pull", "s3"}),
        ({"bucket": "b-1", "proof": "s3"}, {"s3"}),
        ({"bucket": "b-1", "proof": "pull"}, {"pull"}),
    ],
)
def test_the_inventory_says_what_clean_up_rests_on(upload: dict[str, str], demands: set[str]) -> None:
    host = Host("h1", "h1", variables={"harvester_settings": {"upload": upload}})

    assert cleanup.demands_of(host) == demands


def test_a_host_is_told_to_look_at_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(cleanup, "run", lambda name, target, given, check: told.append((name, target, given, check)))
    target = Target(Path("/nowhere"), "inventory/aws", "all")

    cleanup.by_bucket("h1", target, check=True)

    assert told == [("cleanup", Target(target.root, "inventory/aws", "h1"), {"harvester_cleanup_s3": True}, True)]
