"""Pulls that are killed at random moments, and what they leave."""

import json
import random
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from made_lake import tree

from runbook.fleet.inventory import Host
from runbook.pull.store import LocalStore

SCRIPT = Path(__file__).with_name("interruptible_pull.py")


@dataclass(frozen=True)
class Outcome:
    """Kills that hit a running pull, files seen under a final name with wrong content, and the final differences."""

    kills: int
    half_files: int
    different: int
    partial_left: int


def kill_pulls(host: Host, lake: str, wanted: dict[str, str], store: LocalStore, kills: int, seed: int) -> Outcome:
    """Kill a pull of `lake` so many times, each at a random step, then let one go through and compare with `wanted`."""
    described = json.dumps({"host": asdict(host), "store": str(store.root), "lake": lake}, default=str)
    generator = random.Random(seed)
    killed = half_files = 0
    while killed < kills:
        process = subprocess.Popen([sys.executable, str(SCRIPT), described], stdout=subprocess.PIPE, text=True)
        for _ in range(generator.randrange(2, 9)):
            assert process.stdout is not None
            process.stdout.readline()
        process.kill()
        process.communicate()
        killed += process.returncode == -9
        half_files += sum(wanted.get(path) != digest for path, digest in tree(store.lake).items())
    final = subprocess.run([sys.executable, str(SCRIPT), described], capture_output=True, text=True, check=False)
    assert final.stdout.splitlines()[-1:] == ["end 0"], final.stdout + final.stderr
    got = tree(store.lake)
    different = sum(got.get(path) != wanted.get(path) for path in got.keys() | wanted.keys())
    return Outcome(killed, half_files, different, sum(path.is_file() for path in store.partial.rglob("*")))
