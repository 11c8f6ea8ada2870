"""pull-data --from s3: what the host proved is what arrives, whatever the network and the bucket do."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from made_lake import LakeMaker, trading_days, tree
from s3_world import REGION, STALL_SECONDS, World

from harvester.base.errors import ConfigError
from runbook.fleet.inventory import Host
from runbook.pull.bucket import LEAST_BYTES, connections
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.sources import choose, find_bucket
from runbook.pull.store import LocalStore

FAULTS_DOWN = (
    *("503", "half_sent", "flip_down", "lost_answer"),
    *(pytest.param(kind, marks=pytest.mark.long) for kind in ("slow_down", "500", "timeout", "stall")),
)


def data_of(root: Path) -> dict[str, str]:
    """What counts in a lake: everything but what a newer state replaced, which a pull does not bring."""
    found = tree(root).items()
    return {path: digest for path, digest in found if "/manifest-" not in path and not path.startswith("superseded/")}


def pull_all(world: World, store: LocalStore, selection: Selection | None = None) -> list[HostResult]:
    return pull(connections(world.reader()), store, selection or Selection(raw=True))


def uploaded(world: World, days: int = 2, **options: object) -> LakeMaker:
    lake = world.lake(days, **options)  # type: ignore[arg-type]
    assert all(outcome.complete for outcome in world.upload(lake))
    world.proxy.reset()
    return lake


def only_verified(world: World, store: LocalStore, lake: LakeMaker) -> None:
    """Under final names there is nothing but what the host has."""
    ours, theirs = data_of(store.lake) if store.lake.exists() else {}, data_of(lake.root)
    assert ours.items() <= theirs.items()


def test_everything_comes_verified_with_a_receipt(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=3)

    [result] = pull_all(world, store)

    assert (result.host, result.problems, result.dates) == ("lab1", [], trading_days(3))
    assert data_of(store.lake) == data_of(lake.root)
    receipt = json.loads(Path(result.receipt or "").read_bytes())
    assert {row["path"] for row in receipt["files"]} == {file.path for file in result.fetched}


def test_a_second_pull_brings_nothing_and_a_new_day_alone_comes(world: World, store: LocalStore) -> None:
    lake = uploaded(world)
    pull_all(world, store)
    [again] = pull_all(world, store)
    assert (again.fetched, len(again.present)) == ([], 16)

    lake.add_day("2026-11-23")
    world.upload(lake)
    [result] = pull_all(world, store)

    assert {file.path.split("/")[1] for file in result.fetched} == {"date=2026-11-23"}


def test_only_listing_and_reading_is_asked_of_s3(world: World, store: LocalStore) -> None:
    uploaded(world)
    pull_all(world, store)

    assert {method for method, _ in world.proxy.asked} == {"GET"}


def test_a_day_whose_manifest_is_not_up_is_not_there(world: World, store: LocalStore) -> None:
    lake = world.lake(days=2)
    newest = trading_days(2)[-1]
    world.proxy.add("503", lambda method, path: f"manifest/date={newest}" in path, times=10**6)
    world.upload(lake)
    world.proxy.reset()

    [result] = pull_all(world, store)

    assert result.dates == trading_days(2)[:1]
    assert not any(newest in path for path in tree(store.lake))


def test_the_newest_generation_is_what_comes(world: World, store: LocalStore) -> None:
    lake = uploaded(world)
    lake.add_runs(trading_days(1)[0])
    world.upload(lake)

    [result] = pull_all(world, store)

    assert result.problems == []
    assert data_of(store.lake) == data_of(lake.root)


def test_hosts_of_one_bucket_are_told_apart(world: World, store: LocalStore) -> None:
    first, second = world.lake(days=1), world.lake(days=1, host="lab2")
    for lake in (first, second):
        world.upload(lake)

    results = pull_all(world, store)

    assert [result.host for result in results] == ["lab1", "lab2"]
    assert data_of(store.lake) == data_of(first.root) | data_of(second.root)
    assert [connect().host for connect in connections(world.reader(), "*2")] == ["lab2"]


@pytest.mark.parametrize("kind", FAULTS_DOWN)
def test_faults_on_the_way_lose_nothing(world: World, store: LocalStore, kind: str) -> None:
    lake = uploaded(world)
    for number in range(1 if kind == "stall" else 5):
        world.proxy.add(
            kind, lambda method, path, at=number: len(world.proxy.asked) == 2 * at + 2, seconds=STALL_SECONDS
        )

    [result] = pull_all(world, store)

    only_verified(world, store, lake)
    if result.problems:  # a flipped byte in a manifest or a listing is no lasting one
        assert kind == "flip_down"
        [result] = pull_all(world, store)
    assert result.problems == []
    assert data_of(store.lake) == data_of(lake.root)
    assert world.proxy.struck


def test_a_broken_off_object_is_continued_where_it_ended(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=1, raw_bytes=400_000)
    raw = next(lake.root.glob("raw/*/*/*"))
    partial_file = store.partial / raw.relative_to(lake.root)
    sizes: list[int] = []
    world.proxy.add("half_sent", lambda method, path: "/raw/" in path)
    world.proxy.add("", lambda method, path: "/raw/" in path, before=lambda: sizes.append(partial_file.stat().st_size))

    [result] = pull_all(world, store)

    assert result.problems == []
    assert len(sizes) == 1
    assert raw.stat().st_size // 2 - LEAST_BYTES < sizes[0] <= raw.stat().st_size // 2


def test_two_files_of_one_content_both_come(world: World, store: LocalStore) -> None:
    lake = world.lake(days=4, raw_bytes=1000)
    same = next(lake.root.glob("raw/*/*/*")).read_bytes()
    for path in lake.root.glob("raw/*/*/*"):
        path.write_bytes(same)
    for day in trading_days(4):
        lake.reseal(day)
    world.upload(lake)

    [result] = pull_all(world, store)

    assert result.problems == []
    assert data_of(store.lake) == data_of(lake.root)


def test_a_missing_object_is_a_named_problem_and_the_rest_comes(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=1)
    gone = next(lake.root.glob("depth_v3/*/*/*")).relative_to(lake.root).as_posix()
    world.direct.delete_object(Bucket=world.name, Key=world.bucket.key(gone))

    [result] = pull_all(world, store)

    assert [problem.path for problem in result.problems] == [gone]
    assert len(result.fetched) == 7
    assert result.dates == [], "a manifest here would promise what is not here"
    only_verified(world, store, lake)


def test_an_object_that_vanishes_after_the_listing_is_a_problem_too(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=1)
    world.proxy.add("missing", lambda method, path: "/raw/" in path, times=10)

    [result] = pull_all(world, store)

    [problem] = result.problems
    assert "/raw/" in f"/{problem.path}"
    assert "object's versions" in problem.why
    only_verified(world, store, lake)


def test_an_object_replaced_between_listing_and_reading_is_never_taken(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=1)
    path = next(lake.root.glob("raw/*/*/*")).relative_to(lake.root).as_posix()
    other = bytes(len((lake.root / path).read_bytes()))
    world.proxy.add("", lambda method, asked: "/raw/" in asked, before=lambda: world.put(path, other))

    [result] = pull_all(world, store)

    [problem] = result.problems
    assert problem.path == path
    assert "was replaced" in problem.why
    only_verified(world, store, lake)


@pytest.mark.parametrize("kind", ["short_listing", "lost_row"])
def test_a_listing_that_is_cut_short_is_asked_again(world: World, store: LocalStore, kind: str) -> None:
    lake = uploaded(world)
    world.proxy.add(kind, lambda method, path: "list-type" in path, times=2)

    [result] = pull_all(world, store)

    assert result.problems == []
    assert data_of(store.lake) == data_of(lake.root)
    assert len(world.waited) >= 2


def test_a_refusal_ends_the_host_and_lists_what_is_missing(world: World, store: LocalStore) -> None:
    lake = uploaded(world, days=1)
    world.proxy.add("denied", lambda method, path: "list-type" not in path and "/manifest/" not in path, times=10**6)

    [result] = pull_all(world, store)

    assert any("s3:GetObject" in problem.why for problem in result.problems)
    assert {problem.path for problem in result.problems if problem.path} == {
        path for path in tree(lake.root) if "manifest" not in path
    }
    only_verified(world, store, lake)


def damage(content: bytes, dice: random.Random) -> bytes:
    """One random corruption: a flipped bit, a zeroed stretch, a cut, an addition, or two bytes exchanged."""
    changed = bytearray(content)
    at = dice.randrange(len(changed))
    kind = dice.choice(("flip", "zero", "cut", "add", "swap"))
    if kind == "flip":
        changed[at] ^= 1 << dice.randrange(8)
    elif kind == "zero":
        changed[at : at + 512] = bytes(len(changed[at : at + 512]))
    elif kind == "cut":
        del changed[at:]
    elif kind == "add":
        changed[at:at] = dice.randbytes(dice.randrange(1, 20))
    else:
        other = dice.randrange(len(changed))
        changed[at], changed[other] = changed[other], changed[at]
    return bytes(changed) if bytes(changed) != content else damage(content, dice)


SEGMENTS = 25


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.long)])
def test_every_corruption_is_found(world: World, tmp_path: Path, rounds: int, figure: Callable[..., None]) -> None:
    """25 objects a round: half damaged in the bucket, with ETag, checksum and time as they were, half on their way."""
    lake = world.lake(days=1, raw_bytes=3000)
    segments = [path.relative_to(lake.root).as_posix() for path in lake.add_runs(trading_days(1)[0], SEGMENTS)]
    world.upload(lake)
    found = 0
    for number in range(rounds):
        dice = random.Random(number)
        stored = dice.sample(segments, SEGMENTS // 2)
        kept = {path: world.spoil(path, damage(world.original(path), dice)) for path in stored}
        world.proxy.reset()
        world.proxy.damage = partial(damage_some, set(segments) - set(stored), number)
        store = LocalStore(tmp_path / f"pulled-{number}")

        [result] = pull_all(world, store)

        found += len({problem.path for problem in result.problems} & set(segments))
        only_verified(world, store, lake)
        for path, content in kept.items():
            world.spoil(path, content)
    planted = SEGMENTS * rounds
    figure("corruptions_missed", planted - found, bound="== 0", unit=f"of {planted}", gate=True)
    world.proxy.reset()
    [result] = pull_all(world, LocalStore(tmp_path / "clean"))
    assert result.problems == [], "what was damaged is whole again, so the rounds did what they say"


def damage_some(victims: set[str], seed: int, path: str, body: bytes) -> bytes:
    """Damage the body of an answer whose path is one of these objects'."""
    hit = any(path.endswith(victim) for victim in victims)
    return damage(body, random.Random(f"{seed}{path}")) if hit and body else body


def test_the_bucket_comes_from_the_option_or_from_the_inventory() -> None:
    def host(upload: dict[str, str] | None) -> Host:
        return Host("h", "h", variables={"harvester_settings": {"upload": upload} if upload else {}})

    assert find_bucket([], "s3://named/other/").prefix == "other/"
    assert find_bucket([], "named").prefix == "lake/"
    assert find_bucket([host({"bucket": "one"}), host({"bucket": "one"})], None).bucket == "one"
    for hosts in ([], [host(None)], [host({"bucket": "one"}), host({"bucket": "two"})]):
        with pytest.raises(ConfigError, match="--bucket"):
            find_bucket(hosts, None)
    with pytest.raises(ConfigError, match="prefix"):
        find_bucket([], "s3://named/no-slash")


def test_the_bucket_is_read_with_the_profile_that_the_inventory_names(
    world: World, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = uploaded(world)
    profile = "[profile {}]\naws_access_key_id = {}\naws_secret_access_key = some\nendpoint_url = {}\n"
    config = tmp_path / "aws-config"
    config.write_text(
        profile.format("trading", "AKIATRADING", world.proxy.url)
        + profile.format("own", "AKIAOWN", "http://127.0.0.1:9"),
        encoding="utf-8",
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "own")
    upload = {"bucket": world.name, "region": REGION}
    host = Host("lab1", "h", variables={"aws_account_profile": "trading", "harvester_settings": {"upload": upload}})

    [result] = pull(choose("s3", None, None, lambda: [host]), store, Selection(raw=True))

    assert result.problems == []
    assert data_of(store.lake) == data_of(lake.root)


def test_an_empty_bucket_says_how_to_go_on(world: World) -> None:
    with pytest.raises(ConfigError, match="harvester upload"):
        connections(world.reader())
