"""Where secrets are kept: a version names each value, the one before is kept, and what cannot be done is said."""

import os
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from tests.durability import watched
from tests.recorder.tokens.stand_in import WRITTEN, Aws

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.tokens import aws_stores
from harvester.tokens.aws_stores import SecretsManagerStore, SsmStore
from harvester.tokens.places import open_place, place, prefix_of
from harvester.tokens.stores import DeniedError, FileStore, StoredToken, StoredVersion, StoreError, file_version

NAME = "/alpha-harvester/lab/fyers/access-token"
REGION = "ap-south-1"
AwsStore = type[SsmStore] | type[SecretsManagerStore]
FIRST_NS, SECOND_NS = WRITTEN * NS_PER_SECOND, (WRITTEN + 60) * NS_PER_SECOND
NOTHING = f"{NAME}: no earlier version is kept, so there is nothing to go back to."


def test_a_file_holds_the_bare_value_and_beside_it_the_one_before(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "token")
    assert (store.read(), store.look(), store.previous()) == (None, None, None)
    assert store.write(Secret("one")) == "file:7692c3ad"
    os.utime(tmp_path / "token", ns=(0, 5))
    assert store.read() == StoredToken(Secret("one"), "file:7692c3ad", 5)
    assert store.look() == StoredVersion("file:7692c3ad", 5)
    assert store.previous() is None
    store.write(Secret("two"))
    store.write(Secret("two"))
    before = store.previous()
    assert before is not None and before.value == Secret("one")
    assert (tmp_path / "token").read_text() == "two\n"
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "token": 0o600,
        "token.previous": 0o600,
    }
    assert store.place == str(tmp_path / "token")


def test_a_file_goes_back_and_comes_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "token")
    with pytest.raises(StoreError) as caught:
        store.undo()
    assert str(caught.value) == f"{tmp_path / 'token'}: no earlier version is kept, so there is nothing to go back to."
    for text in ("one", "two"):
        store.write(Secret(text))
    assert store.undo() == file_version(Secret("one"))
    assert (tmp_path / "token").read_text() == "one\n"
    assert store.undo() == file_version(Secret("two"))


def test_a_file_is_whole_and_the_value_before_is_safe_first(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "token")
    for text in ("one", "two"):
        with watched(tmp_path) as disk:
            store.write(Secret(text))
    assert disk.first("durable token.previous") < disk.first("durable token")


def test_what_is_no_text_is_read_as_far_as_it_goes_and_nothing_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b" tok\xffen\n")
    stored = FileStore(tmp_path / "token").read()
    assert stored is not None and stored.value == Secret("tok\ufffden")
    (tmp_path / "token").write_bytes(b" \n")
    assert FileStore(tmp_path / "token").read() is None


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        FileStore(tmp_path).read()
    assert str(caught.value) == (
        f"{tmp_path}: the file cannot be read (Is a directory). It must belong to the user that reads it, for a token"
        " the token agent's, mode 0600."
    )
    with pytest.raises(StoreError) as caught:
        FileStore(tmp_path / "missing" / "token").write(Secret("one"))
    assert str(caught.value) == (
        f"{tmp_path / 'missing' / 'token'}: cannot be written (No such file or directory). Its directory must exist and"
        " be this user's, with space left."
    )


def test_a_parameter_has_numbered_versions_and_their_moments(aws: Aws) -> None:
    store = SsmStore(NAME, REGION)
    assert (store.read(), store.look(), store.previous()) == (None, None, None)
    assert store.write(Secret("one")) == "ssm:1"
    assert store.read() == StoredToken(Secret("one"), "ssm:1", FIRST_NS)
    assert store.previous() is None
    assert store.write(Secret("two")) == "ssm:2"
    assert store.look() == StoredVersion("ssm:2", SECOND_NS)
    assert store.previous() == StoredToken(Secret("one"), "ssm:1", FIRST_NS)
    assert store.undo() == "ssm:3"
    assert aws.parameters == {NAME: ["one", "two", "one"]}
    assert store.place == f"SSM parameter {NAME}"
    assert aws.opened == [("ssm", REGION)], "one client for all calls"


def test_a_parameter_with_blanks_around_it_is_read_without(aws: Aws) -> None:
    aws.parameters[NAME] = [" one\n"]
    stored = SsmStore(NAME, REGION).read()
    assert stored is not None and stored.value == Secret("one")


def test_an_undo_of_a_parameter_needs_another_value(aws: Aws) -> None:
    aws.parameters[NAME] = ["one", "one"]
    with pytest.raises(StoreError) as caught:
        SsmStore(NAME, REGION).undo()
    assert str(caught.value) == f"SSM parameter {NOTHING}"


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        (["one", "two"], 1),
        (["one", "two", "two"], 1),
        (["one", None, "two"], 1),
        (["one", "three", "two", "two"], 2),
        (["one", *["two"] * 10], 1),
        (["one", *["two"] * 11], None),
    ],
)
def test_the_value_before_is_looked_for_ten_versions_back(
    aws: Aws, versions: list[str | None], found: int | None
) -> None:
    aws.parameters[NAME] = versions
    before = SsmStore(NAME, REGION).previous()
    assert (before and before.version) == (found and f"ssm:{found}")
    assert "GetParameter" in aws.names()
    assert not any(given["Name"].endswith(":0") for _, given in aws.asked)


def test_a_parameter_is_encrypted_and_of_the_tier_that_holds_it(aws: Aws) -> None:
    SsmStore(NAME, REGION).write(Secret("x" * 8192))
    [(_, given)] = aws.asked
    value = given.pop("Value")
    assert len(value) == 8192
    assert given == {"Name": NAME, "Type": "SecureString", "Overwrite": True, "Tier": "Intelligent-Tiering"}


@pytest.mark.parametrize("made", [SsmStore, SecretsManagerStore])
def test_a_value_of_one_sign_fits(aws: Aws, made: AwsStore) -> None:
    made(NAME, REGION).write(Secret("x"))
    stored = made(NAME, REGION).read()
    assert stored is not None and stored.value == Secret("x")


@pytest.mark.parametrize("made", [SsmStore, SecretsManagerStore])
@pytest.mark.parametrize("length", [0, 8193])
def test_a_value_that_does_not_fit_is_never_sent(aws: Aws, made: AwsStore, length: int) -> None:
    store = made(NAME, REGION)
    with pytest.raises(StoreError) as caught:
        store.write(Secret("x" * length))
    assert str(caught.value) == f"{store.place}: a value has 1 to 8192 characters, this one {length}."
    assert aws.asked == []


def test_a_look_goes_on_after_pages_without_rows(aws: Aws) -> None:
    aws.parameters[NAME], aws.pages = ["one"], 2
    assert SsmStore(NAME, REGION).look() == StoredVersion("ssm:1", FIRST_NS)
    assert [given.get("NextToken") for _, given in aws.asked] == [None, "1", "2"]
    assert SsmStore("/another", REGION).look() is None


def test_a_secret_has_a_version_now_and_one_before(aws: Aws) -> None:
    store = SecretsManagerStore(NAME, REGION)
    assert (store.read(), store.look(), store.previous()) == (None, None, None)
    first = store.write(Secret("one"))
    assert aws.names()[-2:] == ["PutSecretValue", "CreateSecret"]
    [identifier] = aws.secrets[NAME]
    assert first == f"secret:{identifier[:8]}"
    assert store.read() == StoredToken(Secret("one"), first, FIRST_NS)
    second = store.write(Secret(" two "))
    assert list(aws.secrets[NAME].values()) == ["one", " two "]
    assert aws.names()[-1] == "PutSecretValue"
    assert store.read() == StoredToken(Secret("two"), second, SECOND_NS)
    assert store.previous() == StoredToken(Secret("one"), first, FIRST_NS)
    assert store.look() == StoredVersion(second, SECOND_NS)
    assert store.place == f"secret {NAME}"
    assert aws.opened == [("secretsmanager", REGION)]


def test_a_secret_goes_back_and_comes_back(aws: Aws) -> None:
    store = SecretsManagerStore(NAME, REGION)
    with pytest.raises(StoreError) as caught:
        store.undo()
    assert str(caught.value) == f"secret {NOTHING}"
    first = store.write(Secret("one"))
    with pytest.raises(StoreError, match="nothing to go back to"):
        store.undo()
    second = store.write(Secret("two"))
    assert store.undo() == first
    now = store.read()
    assert now is not None and now.value == Secret("one")
    assert store.look() == StoredVersion(first, SECOND_NS)
    assert store.undo() == second


def test_a_secret_without_a_version_in_force_is_none(aws: Aws) -> None:
    aws.secrets[NAME], aws.stages[NAME] = {"a" * 32: "one"}, {"AWSPENDING": "a" * 32}
    assert SecretsManagerStore(NAME, REGION).look() is None


@pytest.mark.parametrize("made", [SsmStore, SecretsManagerStore])
@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (
            "ThrottlingException",
            StoreError,
            "AWS is being asked too often (ThrottlingException). The last good token keeps working; try "
            "again in a minute.",
        ),
        (
            "AccessDeniedException",
            DeniedError,
            "Check the region, the credentials of this host or user, and that its role may read and decrypt it.",
        ),
        (
            "InvalidKeyId",
            StoreError,
            "Check the region, the credentials of this host or user, and that its role may read and decrypt it.",
        ),
    ],
)
def test_what_aws_refuses_is_said_with_its_place(
    aws: Aws, made: AwsStore, code: str, kind: type[StoreError], said: str
) -> None:
    store = made(NAME, REGION)
    for act in (store.read, store.look, lambda: store.write(Secret("one"))):
        aws.faults = [code] * 2
        with pytest.raises(StoreError) as caught:
            act()
        assert type(caught.value) is kind
        assert str(caught.value).startswith(f"{store.place}: ") and str(caught.value).endswith(said)
        assert code in str(caught.value)
        aws.faults = []


def test_an_aws_out_of_reach_is_said(aws: Aws) -> None:
    aws.faults = [EndpointConnectionError(endpoint_url="https://ssm.example")] * 2
    with pytest.raises(StoreError, match=rf"^SSM parameter {NAME}: .*https://ssm\.example"):
        SsmStore(NAME, REGION).read()


def test_a_client_gives_up_soon() -> None:
    client = aws_stores.open_client("ssm", "eu-west-1")
    options = client.meta.config
    assert (options.connect_timeout, options.read_timeout) == (5, 10)
    assert options.retries == {"mode": "standard", "total_max_attempts": 2}
    assert (client.meta.region_name, client.meta.service_model.service_name) == ("eu-west-1", "ssm")


def test_a_place_opens_its_store(aws: Aws, tmp_path: Path) -> None:
    file, parameter, secret = (
        open_place(name, REGION) for name in (f"file:{tmp_path / 'x'}", "ssm:/a/b", "secret:/a/c:d")
    )
    assert (type(file), file.place) == (FileStore, str(tmp_path / "x"))
    assert (type(parameter), parameter.place) == (SsmStore, "SSM parameter /a/b")
    assert (type(secret), secret.place) == (SecretsManagerStore, "secret /a/c:d")
    assert (parameter.read(), secret.read()) == (None, None)
    assert aws.opened == [("ssm", REGION), ("secretsmanager", REGION)]


@pytest.mark.parametrize("name", ["", "ssm", "ssm:a/b", "s3:/a/b", "/a/b", "file:a"])
def test_a_place_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_place(name)
    assert str(caught.value) == f"{name!r} names no store; write ssm:/name, secret:name or file:/path."


def test_names_follow_the_environments_rule() -> None:
    prefix = prefix_of("/alpha-harvester/lab/fyers/access-token")
    assert prefix == "/alpha-harvester/lab"
    assert place("ssm", prefix, "access_token") == "ssm:/alpha-harvester/lab/fyers/access-token"
    assert place("ssm", prefix, "pin").startswith("secret:/alpha-harvester/lab/")
    with pytest.raises(ConfigError) as caught:
        prefix_of("/elsewhere/token")
    assert str(caught.value) == (
        "token.parameter is /elsewhere/token, which does not end in /fyers/access-token; so where the other secrets lie"
        " cannot be told. Name it by the rule, such as /alpha-harvester/production/fyers/access-token."
    )
