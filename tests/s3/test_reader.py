"""The reader gives of a bucket what it gives of the host's lake: each day once, in its newest generation."""

from urllib.parse import urlsplit

import pytest
from pyarrow.fs import S3FileSystem
from s3_world import REGION, World

from harvester.reader import open_lake
from harvester.reader.errors import NotALakeError, UnreachableLakeError

DAY = "2026-11-20"


def client(world: World) -> S3FileSystem:
    """Arrow's own S3 client on moto."""
    where = urlsplit(world.proxy.url)
    return S3FileSystem(
        access_key="testing", secret_key="testing", region=REGION, endpoint_override=where.netloc, scheme=where.scheme
    )


def test_a_bucket_reads_as_the_lake_does_also_after_a_rebuild(world: World) -> None:
    maker = world.lake(2)
    rows = []
    for generation in (1, 2):
        if generation == 2:
            maker.add_runs(DAY)
        assert all(outcome.complete for outcome in world.upload(maker))
        there, here = open_lake(f"s3://{world.name}/lake/", filesystem=client(world)), open_lake(maker.root)
        assert there.days() == here.days()
        assert there.symbols(DAY) == here.symbols(DAY)
        for symbol in here.symbols(DAY):
            assert there.depth(symbol, session="all").arrow().equals(here.depth(symbol, session="all").arrow())
        assert there.gaps().arrow().equals(here.gaps().arrow())
        rows.append(len(there.depth(here.symbols(DAY), DAY, session="all").arrow()))
    assert rows[1] == rows[0] > 0  # each day once, whatever was built since


def test_a_bucket_without_a_lake(world: World) -> None:
    world.upload(world.lake(1))
    with pytest.raises(NotALakeError, match="no closed day"):
        open_lake(f"s3://{world.name}/other", filesystem=client(world))
    with pytest.raises(UnreachableLakeError, match="no-such-bucket"):
        open_lake("s3://no-such-bucket/lake", filesystem=client(world))
