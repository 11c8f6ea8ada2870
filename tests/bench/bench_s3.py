"""A week from S3 beside s5cmd, the fastest plain tool we know.

500 files of 200 KB. Ours hashes every byte on arrival, once more for the receipt, and keeps its books; s5cmd only
copies. Both end with their files on the disk. Two servers: moto, the S3 of the tests, whose own CPU hides much of the
clients'; and a server that does as little as one can, so that nothing is hidden. There s5cmd is far ahead of any
Python, and what counts is that a line of 400 Mbit/s does not wait for a pull.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from tests.bench.report import Report

from harvester.lake.layout import Partition
from harvester.lake.manifest import Manifest, describe_file, encode_manifest
from harvester.upload.bucket import open_client
from harvester.upload.uploader import manifest_path
from runbook.fleet.environment import variables_set
from runbook.pull.bucket import BucketLake, connections
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore

BIN = Path(sys.executable).parent
REGION, BUCKET = "ap-south-1", "bench"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}
"""Any will do: neither server looks at them."""
DAYS, FILES_A_DAY, FILE_BYTES = 5, 100, 200_000
MEGABYTES = DAYS * FILES_A_DAY * FILE_BYTES / 1e6


def make_week(root: Path) -> Path:
    """A folder as the bucket would be: five days of one host, incompressible."""
    lake = root / "lake"
    for number in range(DAYS):
        partition = Partition(date(2026, 11, 16 + number), "h1")
        (lake / partition.path("raw")).mkdir(parents=True)
        (lake / partition.path("manifest")).mkdir(parents=True)
        files = []
        for segment in range(FILES_A_DAY):
            path = lake / partition.path("raw") / f"{segment}-1.seg.zst"
            path.write_bytes(os.urandom(FILE_BYTES))
            files.append(describe_file(lake, path, 1))
        manifest = Manifest(partition.date.isoformat(), "h1", 1, "dev", tuple(files), ())
        (lake / manifest_path(partition, 1)).write_bytes(encode_manifest(manifest))
    return root


@contextmanager
def static_server(root: Path) -> Iterator[str]:
    argv = [sys.executable, str(Path(__file__).with_name("static_s3.py")), str(root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@contextmanager
def moto(root: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(port)
            open_client(REGION, url).create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            _s5cmd(url, f"{root}/", f"s3://{BUCKET}/")
            yield url
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("moto did not start")


def _s5cmd(url: str, source: str, target: str) -> None:
    subprocess.run([BIN / "s5cmd", "--endpoint-url", url, "--log", "error", "cp", source, target], check=True)


def _plain(url: str, target: Path) -> None:
    _s5cmd(url, f"s3://{BUCKET}/lake/*", f"{target}/")
    subprocess.run(["sync", "-f", str(target)], check=True)


def _ours(url: str, target: Path) -> None:
    lake = BucketLake(open_client(REGION, url), BUCKET, "lake/")
    [result] = pull(connections(lake), LocalStore(target), Selection(raw=True))
    assert (result.problems, len(result.fetched)) == ([], DAYS * FILES_A_DAY)


def _timed(work: Callable[[str, Path], None], url: str, target: Path) -> tuple[float, float]:
    """Seconds on the wall and of CPU, those of programs it started included."""
    before, began = os.times(), time.monotonic()
    work(url, target)
    after = os.times()
    return time.monotonic() - began, sum(after[:4]) - sum(before[:4])


def _check(plain: Path, ours: Path) -> None:
    copied = {path.relative_to(plain): path for path in plain.rglob("*.zst")}
    if len(copied) != DAYS * FILES_A_DAY:
        raise RuntimeError(f"s5cmd brought {len(copied)} files")
    for name, path in copied.items():
        if (ours / "lake" / name).read_bytes() != path.read_bytes():
            raise RuntimeError(f"{name} differs between s5cmd's copy and ours")


def run(report: Report, *, long: bool) -> None:
    """Rounds in turn, so that both meet the same load; the best round of each counts."""
    rounds = 8 if long else 4
    with tempfile.TemporaryDirectory(prefix="bench-s3-") as folder, variables_set(CREDENTIALS):
        week = make_week(Path(folder) / "week")
        for name, server in (("moto", moto), ("static", static_server)):
            times: dict[str, list[tuple[float, float]]] = {"s5cmd": [], "pull": []}
            with server(week) as url:
                for number in range(rounds):
                    plain, ours = (Path(folder) / f"{name}-{tool}-{number}" for tool in ("plain", "ours"))
                    times["s5cmd"].append(_timed(_plain, url, plain))
                    times["pull"].append(_timed(_ours, url, ours))
                    _check(plain, ours)
                    shutil.rmtree(plain)
                    shutil.rmtree(ours)
            best = {tool: (min(wall for wall, _ in all_), min(cpu for _, cpu in all_)) for tool, all_ in times.items()}
            rows = [(tool, wall, cpu, MEGABYTES / wall) for tool, (wall, cpu) in best.items()]
            report.table(f"500 files of 200 KB from {name}", ("tool", "wall s", "CPU s", "MB/s"), rows)
            if name == "moto":
                ratio = best["s5cmd"][0] / best["pull"][0]
                report.figure("s3_pull_speed_beside_s5cmd", round(ratio, 2), bound=">= 0.9", unit="x")
            else:
                speed = MEGABYTES / best["pull"][0]
                report.figure("s3_pull_mb_per_second", round(speed, 1), bound=">= 50", unit="MB/s")
