"""A lake in a bucket: which days are there, what of an object is fetched, and what each answer leads to."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import GenericError
from tests.operator.pull.conftest import ALL, DAYS, Lake, Steps, contents
from tests.operator.pull.objects import NAME, PREFIX, Objects, etag

from harvester.base.errors import ConfigError
from harvester.config.settings import UploadSettings
from harvester.lake.manifest import FileEntry
from harvester.upload.bucket import open_client
from harvester.upload.retries import Retries
from harvester.upload.trouble import BucketError
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull import bucket as buckets
from runbook.pull.bucket import BucketLake, BucketTransport, Found, connections
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore

PLACE = f"s3://{NAME}/{PREFIX}"
PATH = "raw/date=2026-11-17/host=lab1/1-1.seg.zst"
CONTENT = b"some twenty-two bytes."


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """One client for all tests: making it takes longer than they do."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield open_client("ap-south-1", "http://127.0.0.1:9")


@pytest.fixture
def s3(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Objects]:
    found = Objects()
    monkeypatch.setattr(buckets, "get", found.get)
    monkeypatch.setattr(buckets, "_open_store", lambda client, bucket: bucket)
    client.meta.events.register("before-send.s3", found.handle)
    yield found
    client.meta.events.unregister("before-send.s3", found.handle)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def far(client: Any, s3: Objects, pauses: list[float]) -> BucketLake:
    """The lake as a pull sees it; its pauses are only noted."""
    return BucketLake(client, NAME, PREFIX, Retries(900, pauses.append))


def upload(s3: Objects, lake: Lake) -> None:
    """What an uploader puts there: manifests by their numbers, everything else by its path."""
    for path, content in contents(lake.root).items():
        if path.endswith("/manifest.json"):
            number = 1 + len(
                [key for key in contents(lake.root) if key.startswith(path.replace("manifest.json", "manifest-"))]
            )
            path = path.replace("manifest.json", f"manifest-{number}.json")
        s3.contents[f"{PREFIX}{path}"] = content


def put(s3: Objects, path: str = PATH, content: bytes = CONTENT) -> FileEntry:
    s3.contents[f"{PREFIX}{path}"] = content
    return FileEntry(path, len(content), "", 1)


def test_a_whole_pull_from_a_bucket(lake: Lake, s3: Objects, far: BucketLake, store: LocalStore, steps: Steps) -> None:
    upload(s3, lake)
    [result] = pull(connections(far), store, ALL, steps)
    assert (result.host, result.problems) == ("lab1", [])
    assert result.dates == [day.isoformat() for day in DAYS]
    assert contents(store.lake) == contents(lake.root)
    assert s3.listed == [f"{PREFIX}manifest/", PREFIX], "each listing once"
    assert steps.count == sum(file.bytes for file in result.fetched)


def test_the_newest_number_of_each_day_counts(day: Lake, s3: Objects, far: BucketLake) -> None:
    folder = day.partition(DAYS[0]).path("manifest").as_posix()
    for number in (9, 10, 2):
        put(s3, f"{folder}/manifest-{number}.json", str(number).encode())
    for name in (
        "manifest.json",
        "manifest-0.json",
        "manifest-01.json",
        "manifest-1234567890.json",
        "manifest-11.json.tmp",
    ):
        put(s3, f"{folder}/{name}")
    put(s3, "manifest/date=2026-11-17/host=LAB/manifest-1.json")
    put(s3, "manifest/x/manifest-1.json")
    other = put(s3, "manifest/date=2026-11-17/host=lab2/manifest-1.json", b"one")
    found = far.manifests()
    assert found == {
        "lab1": {f"{folder}/manifest.json": Found(f"{folder}/manifest-10.json", 2, etag(b"10"))},
        "lab2": {"manifest/date=2026-11-17/host=lab2/manifest.json": Found(other.path, 3, etag(b"one"))},
    }
    assert far.address == PLACE


def test_a_listing_of_many_pages_is_one(s3: Objects, far: BucketLake) -> None:
    s3.page = 2
    paths = [put(s3, f"raw/{number}").path for number in range(5)]
    s3.contents["elsewhere/raw/6"] = b""
    assert far.files() == {path: Found(path, len(CONTENT), etag(CONTENT)) for path in paths}
    assert s3.listed == [PREFIX] * 3
    far.files()
    assert len(s3.listed) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said.replace("<KeyCount>2", "<KeyCount>3"),
        lambda said: said.replace("<KeyCount>2", "<KeyCount>1"),
        lambda said: said.replace("<NextContinuationToken>2</NextContinuationToken>", ""),
        lambda said: said[:-30],
    ],
)
def test_a_listing_that_is_cut_short_is_asked_again(
    s3: Objects, far: BucketLake, pauses: list[float], spoil: Any
) -> None:
    s3.page = 2
    for number in range(3):
        put(s3, f"raw/{number}")
    s3.spoil = [spoil]
    assert len(far.files()) == 3
    assert len(pauses) == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda said: said.replace("<KeyCount>2", "<KeyCount>3"), "a listing lacks rows. It is tried again."),
        (
            lambda said: said.replace("<NextContinuationToken>2</NextContinuationToken>", ""),
            "a listing does not say where it goes on. It is tried again.",
        ),
    ],
)
def test_a_listing_that_stays_short_ends_the_pull(client: Any, s3: Objects, spoil: Any, said: str) -> None:
    s3.page = 2
    for number in range(3):
        put(s3, f"raw/{number}")
    s3.spoil = [spoil] * 9
    with pytest.raises(UnreachableError) as caught:
        BucketLake(client, NAME, PREFIX, Retries(0)).files()
    assert str(caught.value) == f"{PLACE}: {said}"


def test_a_listing_that_is_refused_ends_the_pull(s3: Objects, far: BucketLake, pauses: list[float]) -> None:
    s3.spoil = [lambda _: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"]
    with pytest.raises(UnreachableError, match=rf"^{PLACE}: .*AccessDenied"):
        far.files()
    assert pauses == []


def test_a_listing_without_a_count_is_believed(s3: Objects, far: BucketLake, pauses: list[float]) -> None:
    put(s3)
    s3.spoil = [lambda said: said.replace("<KeyCount>1</KeyCount>", "")]
    assert [*far.files()] == [PATH]
    assert pauses == []


def test_an_object_is_read_whole_and_as_it_was_listed(s3: Objects, far: BucketLake) -> None:
    put(s3)
    found = far.files()[PATH]
    assert far.read(found) == CONTENT
    assert s3.asked == [(f"{PREFIX}{PATH}", {"if_match": etag(CONTENT)})]


def test_a_file_is_continued_where_it_ended(s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps) -> None:
    target = tmp_path / "deep" / "x"
    target.parent.mkdir()
    target.write_bytes(CONTENT[:7])
    far.copy(put(s3), target, steps)
    assert target.read_bytes() == CONTENT
    assert (steps.files, steps.count) == ([PATH], len(CONTENT) - 7)
    assert s3.asked[0][1] == {"if_match": etag(CONTENT), "range": {"offset": 7}}


def test_a_file_that_breaks_off_is_continued_at_once(
    s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps, pauses: list[float]
) -> None:
    entry = put(s3)
    s3.faults[f"{PREFIX}{PATH}"] = [(8, GenericError("broken pipe")), (4, GenericError("again"))]
    far.copy(entry, tmp_path / "new" / "x", steps)
    assert (tmp_path / "new" / "x").read_bytes() == CONTENT
    assert [options.get("range") for _, options in s3.asked] == [None, {"offset": 8}, {"offset": 12}]
    assert (steps.count, len(pauses)) == (len(CONTENT), 2)


def test_a_file_that_was_not_listed_is_asked_for_all_the_same(
    s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps
) -> None:
    far.files()
    far.copy(put(s3), tmp_path / "x", steps)
    assert s3.asked[0][1] == {"if_match": None}
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_an_object_that_was_replaced_is_not_taken(s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps) -> None:
    entry = put(s3)
    far.files()
    put(s3, content=b"another of same size!!")
    with pytest.raises(RemoteError) as caught:
        far.copy(entry, tmp_path / "x", steps)
    assert not isinstance(caught.value, UnreachableError)
    assert str(caught.value) == (
        f"{PLACE}{PATH}: another object is there already. It was replaced while it was being read, and nothing of ours"
        " replaces an object: look at its versions and at who may write to the bucket, then pull again."
    )
    assert (tmp_path / "x").read_bytes() == b""


def test_an_object_that_is_gone_is_named(s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps) -> None:
    with pytest.raises(RemoteError) as caught:
        far.copy(FileEntry(PATH, 1, "", 1), tmp_path / "x", steps)
    assert not isinstance(caught.value, UnreachableError)
    assert str(caught.value) == (
        f"{PLACE}{PATH}: there is no such object. Its manifest lists it: look at the object's versions."
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("a <Code>AccessDenied</Code> b", "AccessDenied"),
        (
            f"first\nsecond Debug source: <Code>AccessDenied</Code> {'y' * 700}",
            f"{PLACE}{PATH}: first second. Is the network up? Pull again to continue.",
        ),
        ("z" * 700, f"{PLACE}{PATH}: {'z' * 600}. Is the network up? Pull again to continue."),
    ],
)
def test_other_trouble_is_told_in_obstores_words(
    client: Any, s3: Objects, tmp_path: Path, steps: Steps, error: str, said: str
) -> None:
    entry = put(s3)
    s3.faults[f"{PREFIX}{PATH}"] = [(0, GenericError(error))] * 20
    lake = BucketLake(client, NAME, PREFIX, Retries(0))
    with pytest.raises(UnreachableError) as caught:
        lake.copy(entry, tmp_path / "x", steps)
    if said == "AccessDenied":
        assert said in str(caught.value) and str(caught.value).startswith(f"{PLACE}{PATH}: ")
    else:
        assert str(caught.value) == said


def test_a_refusal_is_not_tried_again(
    s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps, pauses: list[float]
) -> None:
    entry = put(s3)
    s3.faults[f"{PREFIX}{PATH}"] = [(0, GenericError("<Code>AccessDenied</Code>"))] * 2
    with pytest.raises(UnreachableError):
        far.copy(entry, tmp_path / "x", steps)
    assert (pauses, len(s3.asked)) == ([], 1)


def test_each_host_has_its_part(day: Lake, s3: Objects, far: BucketLake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other", "lab2")
    other.add(DAYS[0])
    for each in (day, other):
        upload(s3, each)
    first, second = (connect() for connect in connections(far))
    assert (first.host, second.host) == ("lab1", "lab2")
    assert second.read_manifests() == {other.manifest_path(): other.read().content}
    numbered = other.manifest_path().replace(".json", "-1.json")
    sizes = {file.path: file.bytes for file in other.read().files} | {numbered: len(other.read().content)}
    assert second.list_files() == sizes
    assert [connect().host for connect in connections(far, "*2")] == ["lab2"]
    assert [connect().host for connect in connections(far, "lab?")] == ["lab1", "lab2"]
    first.close()


@pytest.mark.parametrize("name", ["lab10", "lab1-a", "a-lab1"])
def test_a_host_has_nothing_of_one_whose_name_begins_or_ends_alike(
    day: Lake, s3: Objects, far: BucketLake, tmp_path: Path, name: str
) -> None:
    other = Lake(tmp_path / "other", name)
    other.add(DAYS[0])
    for each in (day, other):
        upload(s3, each)

    found = {connect().host: connect().list_files() for connect in connections(far)}

    assert found.keys() == {"lab1", name}
    for host, files in found.items():
        assert files and all(f"/host={host}/" in path for path in files)
    assert sum(map(len, found.values())) == len(s3.contents)


@pytest.mark.parametrize(("hosts", "which"), [(None, "no closed day"), ("x*", "no host like 'x*'")])
def test_a_bucket_without_such_a_host_says_how_to_go_on(far: BucketLake, hosts: str | None, which: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connections(far, hosts)
    assert str(caught.value) == (
        f"{PLACE} holds {which}. `harvester upload` on a host says what it uploaded and why not; --from host pulls over"
        " SSH."
    )


def test_one_files_trouble_is_its_own_and_a_refusal_ends_all(
    day: Lake, s3: Objects, far: BucketLake, tmp_path: Path, steps: Steps
) -> None:
    upload(s3, day)
    files = [day.entry(kind) for kind in ("depth", "gaps", "raw")]
    del s3.contents[f"{PREFIX}{files[1].path}"]
    transport = BucketTransport("lab1", far, {})
    found = {file.path: error for file, error in transport.fetch(files, tmp_path / "to", steps)}
    assert {path for path, error in found.items() if error} == {files[1].path}
    assert isinstance(found[files[1].path], RemoteError)
    there, came = contents(day.root), contents(tmp_path / "to")
    assert came == {file.path: there[file.path] for file in files} | {files[1].path: b""}
    s3.faults[f"{PREFIX}{files[0].path}"] = [(0, GenericError("<Code>AccessDenied</Code>"))]
    with pytest.raises(UnreachableError):
        [*transport.fetch(files[:1], tmp_path / "again", steps)]


def test_the_settings_name_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(buckets, "open_client", lambda region, endpoint: asked.append((region, endpoint)))
    monkeypatch.setattr(buckets, "_open_store", lambda client, bucket: asked.append(bucket))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://from.environment")
    settings = UploadSettings(bucket="b-1", region="eu-west-1", prefix="x/")
    assert buckets.open_lake(settings).address == "s3://b-1/x/"
    buckets.open_lake(UploadSettings(bucket="b-1", region="eu-west-1", endpoint_url="http://own"))
    assert asked == [("eu-west-1", "http://from.environment"), "b-1", ("eu-west-1", "http://own"), "b-1"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """How obstore's client would be made."""
    found: list[Any] = []
    monkeypatch.setattr(buckets, "S3Store", lambda name, **options: found.append((name, options)))
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return found


def test_obstore_reads_where_the_sdk_would(client: Any, opened: list[Any]) -> None:
    buckets._open_store(client, "b-1")
    buckets._open_store(open_client("eu-west-1", None), "b-1")
    (name, near), (_, real) = opened
    assert name == "b-1"
    assert (near["endpoint"], near["virtual_hosted_style_request"], near["region"]) == (
        "http://127.0.0.1:9",
        False,
        "ap-south-1",
    )
    assert near["client_options"] == {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=60),
        "timeout": timedelta(days=1),
    }
    assert near["retry_config"] == {"max_retries": 0}, "tries are counted here"
    assert near["credential_provider"]()["access_key_id"] == "testing"
    assert (real["endpoint"], real["virtual_hosted_style_request"]) == ("https://b-1.s3.amazonaws.com", True)
    assert (real["region"], real["client_options"]["allow_http"]) == ("eu-west-1", False)


def test_obstore_trusts_the_authorities_of_the_sdk(
    client: Any, opened: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_bytes(b"a certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    buckets._open_store(client, "b-1")
    assert opened[0][1]["client_options"]["root_certificate"] == b"a certificate"


def test_without_credentials_nothing_is_opened(
    client: Any, opened: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    with pytest.raises(BucketError) as caught:
        buckets._open_store(client, "b-1")
    assert str(caught.value) == "s3://b-1: there are no AWS credentials. Set AWS_PROFILE or log in to AWS."
