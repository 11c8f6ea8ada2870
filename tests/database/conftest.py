"""A world for each test: databases and a bucket of its own, on one server and one stand-in of S3 for all."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.database.world import SCHEMA, World
from tests.postgresql_server import PostgresServer, postgres_server  # noqa: F401  # a fixture

NUMBERS = count(1)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of moto's S3. Not to be changed: each test has a bucket of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        yield "http://{}:{}".format(*server.get_host_and_port())
        server.stop()


@pytest.fixture
def make_world(postgres_server: PostgresServer, s3_endpoint: str, tmp_path: Path) -> Iterator[Callable[[], World]]:  # noqa: F811
    """Makes worlds: the schema is on both sides, and no rows."""
    made: list[str] = []

    def make() -> World:
        names = [postgres_server.create_database(f"{side}_{next(NUMBERS)}") for side in ("mydb", "laptop")]
        made.extend(names)
        for name in names:
            with postgres_server.connect(name) as connection:
                connection.execute(SCHEMA)
        bucket = f"backups-{next(NUMBERS)}"
        location = {"LocationConstraint": "ap-south-1"}
        client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="ap-south-1")
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)  # type: ignore[arg-type]
        return World(postgres_server, tmp_path / names[0], s3_endpoint, bucket, *names)

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    return make_world()
