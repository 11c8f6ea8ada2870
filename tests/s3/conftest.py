"""moto as S3, a strict and faulty proxy before it, and made-up lakes to upload and pull."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "operator" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

import fault_proxy
from s3_world import REGION, S3, STALL_SECONDS, World

from harvester.upload.fingerprint import Sizes
from runbook.pull.store import LocalStore


@pytest.fixture(scope="session")
def moto_address() -> Iterator[tuple[str, int]]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield host, port
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3(moto_address: tuple[str, int]) -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch, fault_proxy.running(moto_address) as proxy:
        for name, value in (("ACCESS_KEY_ID", "testing"), ("SECRET_ACCESS_KEY", "testing"), ("REGION", REGION)):
            patch.setenv(f"AWS_{name}", value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setattr("runbook.pull.bucket.READ_SECONDS", STALL_SECONDS - 0.5)
        yield S3(proxy)


@pytest.fixture
def world(s3: S3, tmp_path: Path) -> World:
    return World(tmp_path, s3)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "pulled")


@pytest.fixture
def small_parts(world: World) -> Callable[[], None]:
    """From now on files beyond 6 MiB go in parts of 5 MiB, the least that S3 takes."""

    def shrink() -> None:
        world.bucket.sizes = Sizes(6 << 20, 5 << 20)

    return shrink
