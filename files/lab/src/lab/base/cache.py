"""Base trees in the cache: found by what they are made of, rebuilt after a week, never changed once there."""

import hashlib
import json
import time
from pathlib import Path

from lab.base.build import Progress, build_tree
from lab.base.suites import Suite, tree_packages
from lab.claims import find_hosts, locked
from lab.locking import try_lock, wait_for_lock
from lab.state import cache_folder, remove_tree
from lab.variants import Variant

EXPIRES_AFTER_SECONDS = 7 * 24 * 3600
UNFINISHED = ".building"


def provide_tree(suite: Suite, variant: Variant, progress: Progress) -> Path:
    """The cached tree for `suite`, built first when there is none younger than a week.

    Superseded trees are removed, except those that a claimed host uses. So another checkout, whose tree is made of
    other packages, may remove this one until a host is claimed with it.
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
        _remove_superseded(prefix, tree)
    return tree


def remove_unfinished_builds() -> None:
    """Remove what killed builds left, unless the build is still going on."""
    for lock in _folder().glob("*.lock"):
        with try_lock(lock) as held:
            if held:
                _remove_unfinished(lock.stem)


def _folder() -> Path:
    folder = cache_folder() / "bases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(suite: Suite, variant: Variant) -> str:
    made_of = [suite.name, variant, *tree_packages(suite, variant)]
    digest = hashlib.sha256(json.dumps(made_of).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _remove_superseded(prefix: str, newest: Path) -> None:
    with locked():  # no host is claimed meanwhile
        used = {newest, *(host.base for host in find_hosts())}
        old = [path for path in _folder().glob(f"{prefix}-*-*") if path.is_dir() and path not in used]
        for path in old:
            path.rename(path.with_name(f"{UNFINISHED}-{path.name}"))
    _remove_unfinished(prefix)


def _newest(prefix: str, key: str) -> Path | None:
    oldest_allowed = time.time() - EXPIRES_AFTER_SECONDS
    fresh = [tree for tree in _folder().glob(f"{prefix}-{key}-*") if _built_at(tree) > oldest_allowed]
    return max(fresh, key=_built_at, default=None)


def _built_at(tree: Path) -> int:
    return int(tree.name.rpartition("-")[2])


def _remove_unfinished(prefix: str) -> None:
    for leftover in _folder().glob(f"{UNFINISHED}-{prefix}-*"):
        remove_tree(leftover)
