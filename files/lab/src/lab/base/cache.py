"""Base trees in the cache: found by what they are made of, rebuilt after a week, never changed once there."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from lab import paths
from lab.base.build import Progress, Variant, build_tree
from lab.base.packages import cloud_image_packages, role_packages
from lab.base.suites import Suite
from lab.locking import try_lock, wait_for_lock

EXPIRES_AFTER_SECONDS = 7 * 24 * 3600
UNFINISHED = ".building"


def provide_tree(suite: Suite, variant: Variant, find_used: Callable[[], Collection[Path]], progress: Progress) -> Path:
    """The cached tree for `suite`, built first when there is none younger than a week.

    Superseded trees are removed, except those that a host uses by then, as `find_used` says.
    """
    prefix = f"{suite.name}-{variant}"
    key = _key(suite, variant)
    if tree := _newest(prefix, key):
        return tree
    with wait_for_lock(
        _folder() / f"{prefix}.lock", announce=lambda: progress(f"waiting for another build of {prefix}")
    ):
        if tree := _newest(prefix, key):
            return tree
        _remove_unfinished(prefix)
        building = _folder() / f"{UNFINISHED}-{prefix}-{key}"
        build_tree(building, suite, variant, progress)
        tree = building.rename(_folder() / f"{prefix}-{key}-{int(time.time())}")
        used = find_used()  # now, for another lab may have booted from an old tree while this one was built
        for old in _trees(prefix):
            if old != tree and old not in used:
                shutil.rmtree(old)
    return tree


def remove_unfinished_builds() -> None:
    """Remove what killed builds left, unless the build is still going on."""
    for lock in _folder().glob("*.lock"):
        with try_lock(lock) as held:
            if held:
                _remove_unfinished(lock.stem)


def _folder() -> Path:
    folder = paths.cache() / "bases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(suite: Suite, variant: Variant) -> str:
    made_of = [suite.name, variant, cloud_image_packages(suite), role_packages()]
    digest = hashlib.sha256(json.dumps(made_of).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _trees(prefix: str) -> Iterator[Path]:
    return (path for path in _folder().glob(f"{prefix}-*-*") if path.is_dir())


def _newest(prefix: str, key: str) -> Path | None:
    oldest_allowed = time.time() - EXPIRES_AFTER_SECONDS
    fresh = [tree for tree in _folder().glob(f"{prefix}-{key}-*") if _built_at(tree) > oldest_allowed]
    return max(fresh, key=_built_at, default=None)


def _built_at(tree: Path) -> int:
    return int(tree.name.rpartition("-")[2])


def _remove_unfinished(prefix: str) -> None:
    for leftover in _folder().glob(f"{UNFINISHED}-{prefix}-*"):
        shutil.rmtree(leftover)
