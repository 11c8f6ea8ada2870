"""The stores: one interface, three places, each with versions, an undo, and words for every trouble."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from harvester.base.errors import ConfigError
from harvester.base.files import replace_file
from harvester.base.redaction import Secret
from harvester.tokens.aws_stores import SecretsManagerStore, SsmStore
from harvester.tokens.places import open_place
from harvester.tokens.stores import FileStore, Store, StoredVersion, StoreError

REGION = "ap-south-1"
NAME = "/alpha-harvester/lab/fyers/access-token"
MAKERS: dict[str, Callable[[Path], Store]] = {
    "file": lambda folder: FileStore(folder / "credential"),
    "ssm": lambda _: SsmStore(NAME, REGION),
    "secret": lambda _: SecretsManagerStore(NAME, REGION),
}


@pytest.fixture(params=list(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path, aws: str) -> Store:
    return MAKERS[request.param](tmp_path)


def value(store: Store) -> str | None:
    stored = store.read()
    return stored.value.get_secret_value() if stored else None


def test_nothing_is_there_before_the_first_write(store: Store) -> None:
    assert store.read() is None
    assert store.previous() is None
    with pytest.raises(StoreError, match="nothing to go back to"):
        store.undo()


def test_a_write_is_a_new_version_and_the_one_before_is_kept(store: Store) -> None:
    first = store.write(Secret("one.two.three"))
    second = store.write(Secret("four.five.six"))

    stored, before = store.read(), store.previous()

    assert first != second
    assert stored is not None and (stored.value.get_secret_value(), stored.version) == ("four.five.six", second)
    assert stored.written_ns is not None
    assert before is not None and before.value.get_secret_value() == "one.two.three"
    assert "one" not in first + second


def test_a_look_tells_version_and_moment_and_gives_no_value_away(store: Store) -> None:
    assert store.look() is None
    store.write(Secret("one.two.three"))
    store.write(Secret("four.five.six"))

    stored, facts = store.read(), store.look()

    assert stored is not None and facts is not None
    assert facts.version == stored.version
    assert facts.written_ns is not None and abs(facts.written_ns - time.time_ns()) < 60 * 10**9
    assert "four" not in repr(facts)


def test_a_look_goes_on_after_a_page_without_rows() -> None:
    store = SsmStore(NAME, REGION)
    store._client = boto3.client("ssm", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(store._client) as stub:
        stub.add_response("describe_parameters", {"Parameters": [], "NextToken": "more"})
        stub.add_response("describe_parameters", {"Parameters": [{"Name": NAME, "Version": 7}]})

        assert store.look() == StoredVersion("ssm:7", None)


def test_undo_goes_back_and_undo_again_comes_back(store: Store) -> None:
    store.write(Secret("one.two.three"))
    store.write(Secret("four.five.six"))

    store.undo()
    assert value(store) == "one.two.three"
    store.undo()
    assert value(store) == "four.five.six"


def test_the_same_value_twice_does_not_push_the_one_before_out(store: Store) -> None:
    if isinstance(store, SecretsManagerStore):
        pytest.skip("Secrets Manager keeps exactly one version before, whatever it holds")
    for text in ("one.two.three", "four.five.six", "four.five.six"):
        store.write(Secret(text))

    before = store.previous()

    assert before is not None and before.value.get_secret_value() == "one.two.three"


def test_a_parameter_is_encrypted_and_the_file_is_private(tmp_path: Path, ssm) -> None:
    SsmStore(NAME, REGION).write(Secret("one.two.three"))
    FileStore(tmp_path / "credential").write(Secret("a"))
    FileStore(tmp_path / "credential").write(Secret("b"))

    assert ssm.get_parameter(Name=NAME)["Parameter"]["Type"] == "SecureString"
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "credential": 0o600,
        "credential.previous": 0o600,
    }


@pytest.mark.parametrize("length", [0, 8193])
def test_a_value_that_does_not_fit_is_refused_before_aws_is_asked(store: Store, length: int) -> None:
    if isinstance(store, FileStore):
        pytest.skip("a file holds any length")
    with pytest.raises(StoreError, match="1 to 8192 characters") as caught:
        store.write(Secret("x" * length))

    assert "xxx" not in str(caught.value)
    assert store.read() is None


def test_a_long_token_goes_into_the_tier_that_holds_it(ssm) -> None:
    store = SsmStore(NAME, REGION)
    store.write(Secret("x" * 8192))

    assert len(store.read().value.get_secret_value()) == 8192  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ThrottlingException", "last good token keeps working"),
        ("InternalServerError", "SSM parameter"),
        ("AccessDeniedException", "its role may"),
    ],
)
@pytest.mark.parametrize("operation", ["read", "write"])
def test_an_outage_is_told_without_the_value(operation: str, code: str, said: str) -> None:
    client = boto3.client("ssm", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    store = SsmStore(NAME, REGION)
    store._client = client
    with Stubber(client) as stub:
        stub.add_client_error("get_parameter" if operation == "read" else "put_parameter", code, "no")
        with pytest.raises(StoreError, match=said) as caught:
            store.read() if operation == "read" else store.write(Secret("one.two.three"))

    assert "one.two" not in str(caught.value)


def test_a_file_that_cannot_be_written_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(StoreError, match="cannot be written"):
        FileStore(folder / "credential").write(Secret("a"))

    blocked = tmp_path / "credential"
    FileStore(blocked).write(Secret("old"))
    (tmp_path / f".credential.{os.getpid()}").mkdir()
    with pytest.raises(StoreError):
        FileStore(blocked).write(Secret("new"))
    assert blocked.read_text() == "old\n"


def test_a_place_names_its_store() -> None:
    assert isinstance(open_place("file:/x"), FileStore)
    assert isinstance(open_place("ssm:/x"), SsmStore)
    assert isinstance(open_place("secret:/x"), SecretsManagerStore)
    with pytest.raises(ConfigError, match="ssm:/name"):
        open_place("vault:/x")


def test_what_a_dead_process_of_the_same_number_left_does_not_block_a_write(tmp_path: Path) -> None:
    (tmp_path / f".credential.{os.getpid()}").write_text("half a tok")

    FileStore(tmp_path / "credential").write(Secret("one.two.three"))

    assert [path.name for path in tmp_path.iterdir()] == ["credential"]


def test_a_write_that_fails_leaves_no_secret_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "credential").mkdir()  # nothing can be renamed over a directory

    with pytest.raises(StoreError, match=r"cannot be (read|written)"):
        FileStore(tmp_path / "credential").write(Secret("one.two.three"))
    with pytest.raises(OSError):
        replace_file(tmp_path / "credential", "one.two.three", 0o600)

    assert [path.name for path in tmp_path.iterdir()] == ["credential"]
