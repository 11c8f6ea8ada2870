"""The SSM store against an emulated AWS: versions, absence, outages, and silence about the value."""

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from harvester.base.aws_names import Names
from harvester.base.logs import configure_logs
from harvester.base.redaction import Secret
from harvester.config.token import TokenSettings
from harvester.tokens.aws_stores import SsmStore
from harvester.tokens.places import open_place
from harvester.tokens.stores import FileStore, StoreError

NAME = Names("lab").parameter("access_token")
REGION = "ap-south-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield url
    server.stop()


def test_a_token_is_stored_and_read_with_its_version(aws: str) -> None:
    store = SsmStore(NAME, REGION)
    assert store.read() is None

    assert store.write(Secret("one.two.three")) == "ssm:1"
    assert store.write(Secret("four.five.six")) == "ssm:2"

    stored = store.read()
    assert stored is not None
    assert (stored.value.get_secret_value(), stored.version) == ("four.five.six", "ssm:2")


def test_debug_logs_never_show_the_value(aws: str) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        configure_logs(debug=True)
        store = SsmStore(NAME, REGION)
        store.write(Secret("one.two.three"))
        store.read()

    assert "one.two.three" not in printed.getvalue()
    assert logging.getLogger("botocore").level >= logging.INFO


def test_an_outage_is_a_store_error_that_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    with pytest.raises(StoreError, match=r"SSM parameter /alpha-harvester/lab.*region"):
        SsmStore(NAME, REGION).read()


def test_missing_credentials_and_region_are_store_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StoreError):
        SsmStore(NAME, REGION).read()
    with pytest.raises(StoreError):
        SsmStore(NAME, None).read()


def test_the_settings_choose_the_store() -> None:
    assert isinstance(open_place(TokenSettings().place), FileStore)
    assert isinstance(open_place(TokenSettings(source="ssm", parameter=NAME, region=REGION).place), SsmStore)
