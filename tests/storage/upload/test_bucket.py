"""The bucket as the uploader may use it: what is sent, what is asked, and what becomes of each answer."""

import hashlib
import io
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from tests.storage.upload import stand_in
from tests.storage.upload.stand_in import refusal

from harvester.base.errors import ConfigError
from harvester.base.release import USER_AGENT
from harvester.config.settings import UploadSettings
from harvester.upload.bucket import Bucket, Stored, matches, open_bucket, open_client, uploads_dir
from harvester.upload.fingerprint import Fingerprint, Sizes, take
from harvester.upload.trouble import AbsentError, BucketError, TakenError, TransientError

PATH = "depth/date=2026-11-23/host=lab1/depth.parquet"
KEY = f"lake/{PATH}"
CONTENT = b"twenty-two bytes here."
PARTS = Sizes(single=10, part=8)


def put(bucket: Bucket, content: bytes = CONTENT) -> Fingerprint:
    source = io.BytesIO(content)
    found = take(source, bucket.sizes)
    bucket.put(PATH, source, found)
    return found


def test_an_object_is_named_by_the_files_path_below_the_prefix(bucket: Bucket) -> None:
    assert bucket.home == "s3://market-data/lake/"
    assert bucket.key("depth/x") == "lake/depth/x"
    assert bucket.place("depth/x") == "s3://market-data/lake/depth/x"


def test_a_small_file_is_one_request_with_its_checksum(bucket: Bucket, s3: stand_in.Bucket) -> None:
    put(bucket)
    assert s3.said() == [f"PUT {KEY}"]
    stored = s3.objects[KEY]
    assert (stored.content, stored.checksum) == (CONTENT, b64encode(hashlib.sha256(CONTENT).digest()).decode())


def test_a_large_file_goes_in_parts_each_with_its_own_checksum(bucket: Bucket, s3: stand_in.Bucket) -> None:
    bucket.sizes = PARTS
    found = put(bucket)
    assert [len(request.body) for request in s3.asked if "partNumber" in request.query] == [8, 8, 6]
    assert s3.objects[KEY].content == CONTENT
    assert s3.objects[KEY].checksum == found.checksum
    assert s3.uploads == {}
    assert s3.said("DELETE") == []


@pytest.mark.parametrize("sizes", [Sizes(), PARTS])
def test_what_is_there_is_never_replaced(bucket: Bucket, s3: stand_in.Bucket, sizes: Sizes) -> None:
    s3.objects[KEY] = stand_in.Object(b"someone else's", None)
    bucket.sizes = sizes
    with pytest.raises(TakenError) as caught:
        put(bucket)
    assert str(caught.value) == f"s3://market-data/{KEY}: another object is there already."
    assert s3.objects[KEY].content == b"someone else's"


@pytest.mark.parametrize("sizes", [Sizes(), PARTS])
def test_bytes_that_change_on_their_way_are_refused_and_may_be_sent_again(
    bucket: Bucket, s3: stand_in.Bucket, sizes: Sizes
) -> None:
    bucket.sizes = sizes
    source = io.BytesIO(CONTENT)
    found = take(source, sizes)
    with pytest.raises(TransientError, match="XAmzContentChecksumMismatch"):
        bucket.put(PATH, io.BytesIO(CONTENT[:-1] + b"!"), found)
    assert s3.objects == {} and s3.uploads == {}
    bucket.put(PATH, source, found)
    assert s3.objects[KEY].content == CONTENT


@pytest.mark.parametrize("on", ["PUT", "POST"])
def test_an_upload_in_parts_that_breaks_off_is_aborted(bucket: Bucket, s3: stand_in.Bucket, on: str) -> None:
    bucket.sizes = PARTS
    if on == "POST":
        s3.fail("POST", lambda request: None)
    s3.fail(on, lambda request: refusal(503, "ServiceUnavailable"))
    with pytest.raises(TransientError, match="ServiceUnavailable"):
        put(bucket)
    assert s3.said("DELETE") == [f"DELETE {KEY}"]
    assert s3.uploads == {} and s3.objects == {}


def test_the_first_error_is_told_when_the_abort_fails_as_well(bucket: Bucket, s3: stand_in.Bucket) -> None:
    bucket.sizes = PARTS
    s3.fail("PUT", lambda request: refusal(403, "AccessDenied"))
    s3.fail("DELETE", lambda request: refusal(500, "InternalError"))
    with pytest.raises(BucketError, match="AccessDenied") as caught:
        put(bucket)
    assert not isinstance(caught.value, TransientError)
    assert len(s3.said("DELETE")) == 1


def test_an_interrupt_aborts_and_passes(bucket: Bucket, s3: stand_in.Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    bucket.sizes = PARTS
    monkeypatch.setattr(bucket.client, "upload_part", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        put(bucket)
    assert len(s3.said("DELETE")) == 1 and s3.uploads == {}


@pytest.mark.parametrize("sizes", [Sizes(), PARTS])
def test_an_object_is_seen_as_it_is_stored(bucket: Bucket, s3: stand_in.Bucket, sizes: Sizes) -> None:
    bucket.sizes = sizes
    found = put(bucket)
    s3.objects[KEY].version = "3"
    assert bucket.head(PATH) == Stored(len(CONTENT), found.checksum, s3.objects[KEY].etag, "3")
    s3.objects[KEY] = stand_in.Object(b"other", None)
    assert bucket.head(PATH) == Stored(5, None, s3.objects[KEY].etag, "v1")
    s3.fail("HEAD", lambda request: stand_in.answer(200, {"ETag": '"e"', "Content-Length": "7"}))
    assert bucket.head(PATH) == Stored(7, None, '"e"', None)


def test_an_object_that_is_not_there_is_absent(bucket: Bucket) -> None:
    with pytest.raises(AbsentError) as caught:
        bucket.head(PATH)
    assert str(caught.value) == f"s3://market-data/{KEY}: there is no such object."


@pytest.mark.parametrize(("status", "kind"), [(400, TransientError), (503, TransientError), (403, BucketError)])
def test_an_answer_to_head_has_no_body_and_its_status_counts(
    bucket: Bucket, s3: stand_in.Bucket, status: int, kind: type[BucketError]
) -> None:
    s3.fail("HEAD lake/", lambda request: stand_in.answer(status), times=2)
    with pytest.raises(BucketError) as caught:
        bucket.head(PATH)
    assert type(caught.value) is kind
    own = 2 if status == 400 else 1  # of a 400 the SDK asks for the bucket's region, and then once more
    assert len(s3.said("HEAD lake/")) == own, "the client does not retry by itself: the uploader counts its tries"


def test_a_client_that_cannot_connect_is_tried_again(bucket: Bucket, s3: stand_in.Bucket) -> None:
    def unreachable(request: stand_in.Request) -> Any:
        raise ConnectTimeoutError(endpoint_url="http://s3")

    s3.fail("HEAD", unreachable)
    with pytest.raises(TransientError, match="It is tried again"):
        bucket.head(PATH)
    assert len(s3.asked) == 1


@pytest.mark.parametrize(
    ("stored", "alike"),
    [
        (Stored(9, "whole", "e", None), False),
        (Stored(22, "whole", "e", None), False),
        (Stored(22, None, "e", None), False),
        (Stored(22, "DIGEST", "e", None), True),
        (Stored(22, "DIGEST-3", "e", None), True),
        (Stored(22, "DIGEST-2", "e", None), False),
        (Stored(21, "DIGEST-3", "e", None), False),
    ],
)
def test_an_object_is_a_files_by_size_and_checksum(stored: Stored, alike: bool) -> None:
    content = Fingerprint(22, "", (b"a", b"b", b"c"))
    digest = content.checksum.removesuffix("-3")
    checksum = stored.checksum and stored.checksum.replace("DIGEST", digest)
    assert matches(Stored(stored.bytes, checksum, stored.etag, None), content) is alike


def test_the_client_is_set_up_for_a_host_that_must_not_hang(client: Any) -> None:
    options = client.meta.config
    assert (options.connect_timeout, options.read_timeout) == (10, 60)
    assert options.retries == {"mode": "standard", "total_max_attempts": 1}
    assert options.request_checksum_calculation == options.response_checksum_validation == "when_required"
    assert options.s3["addressing_style"] == "path"
    assert options.user_agent == USER_AGENT
    assert (client.meta.region_name, client.meta.endpoint_url) == ("ap-south-1", "http://127.0.0.1:9")
    plain = open_client("eu-west-1", None)
    assert plain.meta.config.s3["addressing_style"] == "auto"
    assert (plain.meta.region_name, plain.meta.endpoint_url) == ("eu-west-1", "https://s3.eu-west-1.amazonaws.com")


def test_times_stay_as_they_are_for_parsing_them_takes_longer_than_a_listing(
    bucket: Bucket, s3: stand_in.Bucket
) -> None:
    put(bucket)
    own = open_client("ap-south-1", "http://127.0.0.1:9")
    own.meta.events.register("before-send.s3", s3.handle)
    found = own.head_object(Bucket=bucket.name, Key=KEY, ChecksumMode="ENABLED")
    assert found["LastModified"] == "Fri, 20 Nov 2026 11:00:00 GMT"


def test_a_region_that_is_none_is_told_with_the_place_that_was_meant() -> None:
    with pytest.raises(BucketError, match=r"^s3://: .*Correct upload\.region"):
        open_client("no region", None)
    with pytest.raises(BucketError, match=r"^http://127\.0\.0\.1:9: "):
        open_client("no region", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("given", "variable", "endpoint"),
    [
        ("http://a:1", None, "http://a:1"),
        ("http://a:1", "http://b:2", "http://a:1"),
        (None, "http://b:2", "http://b:2"),
        (None, None, "https://s3.eu-west-1.amazonaws.com"),
    ],
)
def test_the_settings_name_the_bucket_and_the_environment_may_name_the_endpoint(
    given: str | None, variable: str | None, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if variable:
        monkeypatch.setenv("AWS_ENDPOINT_URL", variable)
    settings = UploadSettings(bucket="b-1", region="eu-west-1", prefix="deep/er/", endpoint_url=given)
    found = open_bucket(settings)
    assert (found.name, found.prefix, found.sizes) == ("b-1", "deep/er/", Sizes())
    assert (found.client.meta.region_name, found.client.meta.endpoint_url) == ("eu-west-1", endpoint)


def test_settings_without_a_bucket_say_so() -> None:
    with pytest.raises(ConfigError) as caught:
        open_bucket(UploadSettings())
    assert str(caught.value) == (
        "upload.bucket is not set, so there is no copy in S3. Name the bucket in harvester_settings."
    )


def test_receipts_lie_in_the_data_directory() -> None:
    assert uploads_dir(Path("/var/lib/x")) == Path("/var/lib/x/uploads")
