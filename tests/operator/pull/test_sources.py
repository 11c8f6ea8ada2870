"""Where a pull reads from, as the operator and the inventory say."""

import os
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from harvester.config.settings import DATA_DIR, UploadSettings
from runbook.fleet.inventory import Host
from runbook.pull import bucket as buckets
from runbook.pull import sources
from runbook.pull.rsync import SshTransport
from runbook.pull.transport import LocalTransport

NONE = "The inventory names no bucket (harvester_settings.upload.bucket), or several. Name one with --bucket."


def host(name: str = "lab1", upload: dict[str, str] | None = None, **variables: object) -> Host:
    return Host(name, "192.0.2.1", variables={"harvester_settings": {"upload": upload} if upload else {}, **variables})


def test_a_lake_lies_in_the_data_directory() -> None:
    assert sources.lake_of(host()) == f"{DATA_DIR}/lake"
    assert sources.lake_of(Host("a", "b", variables={"harvester_settings": {"data_dir": "/srv/x"}})) == "/srv/x/lake"


def test_a_host_is_reached_by_ssh_or_is_this_machine() -> None:
    near = sources.connect_to(host("near", ansible_connection="local"))()
    assert isinstance(near, LocalTransport)
    assert (near.host, near.lake) == ("near", Path(DATA_DIR) / "lake")
    for variables in ({}, {"ansible_connection": "ssh"}):
        far = sources.connect_to(host("far", **variables))()
        assert isinstance(far, SshTransport)
        assert (far.host, far.lake, far.connection.host.address) == ("far", f"{DATA_DIR}/lake", "192.0.2.1")


def test_the_inventorys_hosts_are_the_default() -> None:
    found = sources.choose("host", None, None, lambda: [host("a"), host("b")])
    assert [connect().host for connect in found] == ["a", "b"]


@pytest.mark.parametrize(("source", "bucket"), [("host", "market-data"), ("S3", None), ("", None), ("ftp", "x")])
def test_a_source_that_there_is_not_is_refused(source: str, bucket: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        sources.choose(source, bucket, None, lambda: pytest.fail("the inventory was asked"))
    assert str(caught.value) == f"--from {source!r} is none of host and s3. A --bucket needs --from s3."


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Which bucket was opened, with which profile, for which hosts."""
    found: list[Any] = []

    def connections(lake: str, hosts: str | None) -> list[str]:
        found.append(hosts)
        return [f"{lake} of {hosts}"]

    def open_lake(upload: UploadSettings) -> str:
        found.append((upload.bucket, upload.prefix, os.environ.get("AWS_PROFILE")))
        return "lake"

    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(buckets, "open_lake", open_lake)
    monkeypatch.setattr(buckets, "connections", connections)
    return found


def test_a_bucket_by_name_needs_no_inventory(opened: list[Any]) -> None:
    assert sources.choose("s3", "s3://market-data/deep/", "lab*", lambda: pytest.fail("it was asked")) == [
        "lake of lab*"
    ]
    assert opened == [("market-data", "deep/", None), "lab*"]


def test_the_inventorys_bucket_is_read_with_the_inventorys_profile(opened: list[Any]) -> None:
    hosts = [host("a", {"bucket": "one"}, aws_account_profile="trading"), host("b", {"bucket": "one"})]
    assert sources.choose("s3", None, None, lambda: hosts) == ["lake of None"]
    assert opened == [("one", "lake/", "trading"), None]
    assert "AWS_PROFILE" not in os.environ


def test_a_bucket_is_what_was_typed_or_the_one_of_all_hosts() -> None:
    hosts = [host("a", {"bucket": "one", "prefix": "x/"}), host("b", {"bucket": "one", "prefix": "x/"})]
    found = sources.find_bucket(iter(hosts), None)
    assert (found.bucket, found.prefix) == ("one", "x/")
    assert [
        (found.bucket, found.prefix)
        for found in (sources.find_bucket(hosts, name) for name in ("two", "two/", "s3://two/a/b/"))
    ] == [("two", "lake/"), ("two", "lake/"), ("two", "a/b/")]


@pytest.mark.parametrize(
    "uploads",
    [
        [],
        [None],
        [{"prefix": "x/"}],
        [{"bucket": "one"}, {"bucket": "two"}],
        [{"bucket": "one"}, None],
        [None, {"bucket": "one"}],
    ],
)
def test_no_bucket_or_several_is_a_question_to_the_operator(uploads: list[dict[str, str] | None]) -> None:
    with pytest.raises(ConfigError) as caught:
        sources.find_bucket([host(str(number), upload) for number, upload in enumerate(uploads)], "")
    assert str(caught.value) == NONE


def test_what_is_wrong_with_a_bucket_is_told_with_where_it_is_stated() -> None:
    with pytest.raises(ConfigError, match=r"^--bucket: .*prefix"):
        sources.find_bucket([], "one/no-slash")
    with pytest.raises(ConfigError, match=r"^harvester_settings\.upload: .*prefix"):
        sources.find_bucket([host("a", {"bucket": "one", "prefix": "no-slash"})], None)
