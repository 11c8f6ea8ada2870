"""Each fuzz program for a bounded time, in a process of its own; and the driver notices what it must notice."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import Figure
from tests.fuzz.driver import EXECUTED

TARGETS = ("decode", "store")
SEED = 20261122
STARTING_SECONDS = 120
"""For imports, for seeds, and for the last input, on a busy machine."""


def run(arguments: list[str], root: Path, folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    """A Python process that finds this repository and leaves its inputs behind in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, *arguments, f"--seconds={seconds}", f"--seed={SEED}"]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds + STARTING_SECONDS,
        check=False,
    )


def executed(output: str) -> int:
    """How many inputs a program says it has run, 0 if it does not say."""
    found = re.search(rf"^{re.escape(EXECUTED)}\s+(\d+)$", output, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize(
    ("seconds", "fewest"), [(8, 100), pytest.param(300, 2000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_nothing_fails_on_any_input(root: Path, tmp_path: Path, figure: Figure, seconds: int, fewest: int) -> None:
    def fuzz(name: str) -> subprocess.CompletedProcess[str]:
        return run(["-m", f"tests.fuzz.fuzz_{name}"], root, tmp_path, seconds)

    with ThreadPoolExecutor() as pool:
        done = dict(zip(TARGETS, pool.map(fuzz, TARGETS), strict=True))
    for name, process in done.items():
        if process.returncode:
            print(f"{name}: exit {process.returncode}\n{process.stdout[-5000:]}")
    failures = sum(process.returncode != 0 for process in done.values())
    figure("fuzz_failures", failures, bound="== 0", unit="failures", gate=True)
    for name, process in done.items():
        figure(f"fuzz_inputs_{name}", executed(process.stdout), bound=f">= {fewest}", unit="inputs", gate=True)


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("assert bytes(2) not in data, 'planted'", "planted"),
        ("bytes(4 << 30)", "MemoryError"),
    ],
    ids=["wrong answer", "memory"],
)
def test_a_flaw_is_found_and_its_input_told(root: Path, tmp_path: Path, flaw: str, said: str) -> None:
    program = f"""
from tests.fuzz import driver
driver.atheris = None
def target(data):
    if data[:1] == b"x":
        {flaw}
driver.fuzz(target, [b"x" + bytes([1]) * 50 + bytes(1)], "A target with a flaw.")
"""
    done = run(["-c", program], root, tmp_path, 10)
    assert done.returncode == 1 and said in done.stdout, done.stdout
    told = re.search(r"^failing input: ([0-9a-f]+)$", done.stdout, re.MULTILINE)
    assert told and told[1].startswith("78")
