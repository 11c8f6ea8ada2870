"""The uploader as the host runs it: one process, little memory, killed at any time, no more rights than it needs."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_lake import LakeMaker
from s3_world import REGION, World

from harvester.cli import run

PROGRAM = Path(sys.executable).with_name("harvester")
RAW_BYTES = 66 << 20
PEAK = (
    "import sys; from harvester.cli import run; code = run(sys.argv[1:]);"
    "print(open('/proc/self/status').read()); print('loaded', *sys.modules); sys.exit(code)"
)


def configuration(world: World, lake: LakeMaker) -> Path:
    path = world.folder / "config.json"
    upload = {"bucket": world.name, "region": REGION, "endpoint_url": world.proxy.url}
    broker = {"app_id": "ABCDE12345-100"}
    content = {"symbols": ["NSE:SBIN-EQ"], "broker": broker, "data_dir": str(lake.root.parent), "upload": upload}
    path.write_text(json.dumps(content))
    return path


def environment(config: Path) -> dict[str, str]:
    return os.environ | {"HARVESTER_CONFIG": str(config)}


def test_memory_stays_small_whatever_the_files(world: World, figure: Callable[..., None]) -> None:
    lake = world.lake(days=1, raw_bytes=RAW_BYTES)
    argv = [sys.executable, "-c", PEAK, "upload"]

    done = subprocess.run(argv, env=environment(configuration(world, lake)), capture_output=True, text=True, check=True)

    assert "1 of 1 days are complete" in done.stdout
    lines = done.stdout.splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    modules = next(set(line.split()) for line in lines if line.startswith("loaded"))
    assert not {"pyarrow", "numpy", "pandas", "httpx", "duckdb"} & modules
    figure("uploader_peak_rss_mib", round(peak / 1024, 1), bound="<= 96", unit="MiB", gate=True)
    assert sum("partNumber=" in path for _, path in world.proxy.asked) == 3


@pytest.mark.parametrize("kills", [1, pytest.param(25, marks=pytest.mark.long)])
def test_kills_at_any_moment_lose_nothing_and_put_nothing_twice(world: World, kills: int) -> None:
    lake = world.lake(days=2)
    env = environment(configuration(world, lake))
    dice = random.Random(kills)
    for _ in range(kills):
        process = subprocess.Popen([PROGRAM, "upload"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seen = len(world.proxy.asked) + dice.randrange(1, 6)
        deadline = time.monotonic() + 20
        while len(world.proxy.asked) < seen and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
        process.wait()

    done = subprocess.run([PROGRAM, "upload"], env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "2 of 2 days are complete" in done.stdout
    stored = world.stored()
    assert len(stored) == 18
    assert len(world.versions()) == len(stored)
    assert all((lake.root / path).read_bytes() == content for path, content in stored.items() if "manifest" not in path)


def test_without_a_bucket_there_is_nothing_to_do_and_with_trouble_the_code_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(world, world.lake(days=1))
    monkeypatch.setenv("HARVESTER_CONFIG", str(config))
    world.proxy.add("denied", times=10**6)

    refused, said = run(["upload"]), capsys.readouterr().err
    content = json.loads(config.read_bytes())
    del content["upload"]
    config.write_text(json.dumps(content))
    idle = run(["upload"])

    assert (refused, "s3:PutObject" in said) == (1, True)
    assert (idle, "nothing is uploaded" in capsys.readouterr().out) == (0, True)


def test_a_look_at_the_bucket_is_written_by_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = world.lake(days=1)
    monkeypatch.setenv("HARVESTER_CONFIG", str(configuration(world, lake)))

    assert run(["upload", "--date", "2026-11-20"]) == 0
    assert run(["upload", "--attest"]) == 0
    assert run(["upload", "--date", "2026-11-19"]) == 1

    attested = json.loads((lake.root.parent / "uploads" / "attested.json").read_bytes())
    assert {row["path"].split("/")[0] for row in attested["files"]} == {"depth_v3", "quotes_v3", "trades_v3", "raw"}
