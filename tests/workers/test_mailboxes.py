"""The five verbs over a folder and a bucket; with --long over rclone itself, on a folder and on a stand-in of Drive."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.readers.venv import making

from harvester.base.clock import SystemClock
from harvester.base.validation import validate
from harvester.workers.bucket import BucketMailbox
from harvester.workers.mailbox import MAX_BYTES, Entry, FolderMailbox, Mailbox, MailboxError, bounded, duplicates, take
from harvester.workers.places import open_mailbox
from harvester.workers.rclone import Rclone, RcloneMailbox, explain
from harvester.workers.round import look_at, parts_of
from harvester.workers.settings import OverseerSettings, RcloneSettings
from lab.drive.running import Running, running


@pytest.fixture(scope="session")
def rclone() -> Iterator[str]:
    """The unmodified rclone, from its lock."""
    with making("drive") as python:
        yield str(Path(python).with_name("rclone"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def drive(certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A Drive with an empty folder `box`; rclone's configuration is in rclone.conf."""
    with running(certificates) as started:
        started.files.create({"name": "box", "mimeType": "application/vnd.google-apps.folder"}, b"")
        started.rclone_config(tmp_path / "rclone.conf")
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


def _verbs(box: Mailbox) -> None:
    """What each mailbox does."""
    assert list(box.look()) == []
    assert box.read("status.json") is None
    box.clear("status.json")
    box.put("status.json", b"one")
    [first] = box.look()
    assert (first.name, first.size) == ("status.json", 3)
    box.put("status.json", b"two \x00\xff\r\n")
    [second] = box.look()
    assert second.id == first.id, "in place"
    assert box.read("status.json") == b"two \x00\xff\r\n"
    box.put("empty.json", b"")
    assert box.read("empty.json") == b""
    seen: list[bytes] = []
    assert take(box, "status.json", seen.append)
    assert not take(box, "status.json", seen.append)
    assert seen == [b"two \x00\xff\r\n"]
    assert [entry.name for entry in box.look()] == ["empty.json"]


def test_a_folder_has_the_five_verbs(tmp_path: Path) -> None:
    _verbs(FolderMailbox(tmp_path))
    (tmp_path / "inside").mkdir()
    assert [entry.name for entry in FolderMailbox(tmp_path).look()] == ["empty.json"]


def test_a_bucket_has_the_five_verbs_and_sees_nothing_beside_its_prefix(bucket: Any) -> None:
    for key in ("other.json", "workers/colab2/x.json", "workers/colab/deeper/x.json"):
        bucket.put_object(Bucket="bucket", Key=key, Body=b"")
    _verbs(BucketMailbox(bucket, "bucket", "workers/colab/"))


def test_a_bucket_that_is_not_there_cannot_be_seen(bucket: Any) -> None:
    box = BucketMailbox(bucket, "nowhere", "")
    for verb in (box.look, lambda: box.read("a"), lambda: box.put("a", b""), lambda: box.clear("a")):
        with pytest.raises(MailboxError, match=r"s3://nowhere/.*\(NoSuchBucket\)"):
            verb()


def test_a_folder_that_is_not_there_cannot_be_seen(tmp_path: Path) -> None:
    box = FolderMailbox(tmp_path / "nowhere")
    for verb, what in (
        (box.look, "cannot be looked at"),
        (lambda: box.read("a"), "cannot be read"),
        (lambda: box.put("a", b""), "a cannot be written"),
    ):
        with pytest.raises(MailboxError, match=rf"nowhere: {what} \(No such file or directory\)"):
            verb()
    (tmp_path / "a").mkdir()
    with pytest.raises(MailboxError, match=rf"^{tmp_path}: a cannot be removed \(.+\)\. Correct the folder"):
        FolderMailbox(tmp_path).clear("a")


def test_of_files_of_one_name_the_name_is_said_once() -> None:
    assert duplicates([Entry(name, 1, str(at)) for at, name in enumerate("cabac")]) == ["a", "c"]


def test_a_place_says_which_mailbox_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    kinds = {"/folder": FolderMailbox, "s3://bucket/a": BucketMailbox, "drive:box": RcloneMailbox}
    assert {place: type(open_mailbox(place, RcloneSettings())) for place in kinds} == kinds


def test_what_is_larger_than_a_notebook_is_not_read() -> None:
    assert bounded(b"x" * 10, "a") == b"x" * 10
    with pytest.raises(MailboxError, match="larger than 64 MiB"):
        bounded(bytes(MAX_BYTES + 1), "a")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "googleapi: Error 403: Service Accounts do not have storage quota. storageQuotaExceeded",
            "Log in as a person instead",
        ),
        (
            "googleapi: Error 403: The user's Drive storage quota has been exceeded., storageQuotaExceeded",
            "the Drive is full",
        ),
        ("Error 403: User Rate Limit Exceeded, userRateLimitExceeded", "asked too often"),
        ("couldn't fetch token: invalid_grant: maybe token expired?", "Log in again"),
        ('didn\'t find section in config file ("x")', "rclone knows no remote of this name"),
        ("2026/11/30 05:28:38 ERROR : error listing: directory not found", "its folder is not there"),
        ("2026/11/30 05:28:38 NOTICE: Failed to cat: something new", "Failed to cat: something new"),
        ("", "it said nothing"),
    ],
)
def test_why_rclone_failed_is_said_with_what_to_do(said: str, why: str) -> None:
    assert why in explain(said)


@pytest.fixture
def stand_in(tmp_path: Path) -> RcloneMailbox:
    """Stands in for the program: `cat` prints four bytes, `copyto` fills the Drive; `asked` has each call."""
    program = tmp_path / "rclone"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        'case $1 in cat) printf abcd;; copyto) echo "storageQuotaExceeded" >&2; exit 1;; esac\n'
    )
    program.chmod(0o755)
    return RcloneMailbox("drive:box", Rclone(str(program), tmp_path / "rclone.conf"))


def test_rclone_is_asked_for_so_much_of_a_file_and_more_is_refused_by_its_name(
    stand_in: RcloneMailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stand_in.read("a.json") == b"abcd"
    asked = (tmp_path / "asked").read_text().split()
    assert asked[0] == "cat" and asked[-3:] == ["--count", str(MAX_BYTES + 1), "drive:box/a.json"]

    monkeypatch.setattr("harvester.workers.mailbox.MAX_BYTES", 3)
    with pytest.raises(MailboxError, match=r"^drive:box/a\.json: larger than"):
        stand_in.read("a.json")
    (tmp_path / "b.json").write_bytes(b"abcd")
    with pytest.raises(MailboxError, match=rf"^{tmp_path}/b\.json: larger than"):
        FolderMailbox(tmp_path).read("b.json")


def test_a_file_that_rclone_cannot_write_is_named_with_the_reason(stand_in: RcloneMailbox, tmp_path: Path) -> None:
    with pytest.raises(MailboxError, match=r"^drive:box: a\.json cannot be written: the Drive is full"):
        stand_in.put("a.json", b"x")

    asked = (tmp_path / "asked").read_text().split()
    assert asked[0] == "copyto" and asked[-3] == "--ignore-times" and asked[-1] == "drive:box/a.json"
    assert asked[-2].endswith("/a.json") and not Path(asked[-2]).exists()


def test_rclone_that_is_not_installed_is_said(tmp_path: Path) -> None:
    box = RcloneMailbox("drive:box", Rclone(str(tmp_path / "rclone"), tmp_path / "rclone.conf"))
    with pytest.raises(MailboxError, match="rclone cannot be run"):
        box.look()


def _on_drive(rclone: str, tmp_path: Path, place: str = "drive:box") -> RcloneMailbox:
    return RcloneMailbox(place, Rclone(rclone, tmp_path / "rclone.conf"))


@pytest.mark.long
def test_rclone_has_the_five_verbs_on_a_folder_and_on_drive(rclone: str, drive: Running, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    box = RcloneMailbox(str(tmp_path / "folder"), Rclone(rclone, tmp_path / "rclone.conf"))
    _verbs(box)
    _verbs(_on_drive(rclone, tmp_path))


@pytest.mark.long
def test_a_token_that_rclone_refreshed_is_written_back_and_in_no_argument(
    rclone: str, drive: Running, tmp_path: Path
) -> None:
    _on_drive(rclone, tmp_path).look()
    config = tmp_path / "rclone.conf"
    assert "ya29." in config.read_text() and config.stat().st_mode & 0o777 == 0o600
    drive.logins.revoke()
    with pytest.raises(MailboxError, match="Log in again"):
        _on_drive(rclone, tmp_path).look()


@pytest.mark.long
def test_two_files_of_one_name_are_seen(rclone: str, drive: Running, tmp_path: Path) -> None:
    [folder] = drive.files.all()
    for data in (b"a", b"bb"):
        drive.files.create({"name": "colab_status.json", "parents": [folder.id]}, data)
    entries = _on_drive(rclone, tmp_path).look()
    assert duplicates(entries) == ["colab_status.json"]
    assert len({entry.id for entry in entries}) == 2


@pytest.mark.long
def test_a_service_account_updates_and_cannot_create_and_the_message_says_why(
    rclone: str, drive: Running, tmp_path: Path, service_account: Callable[[Path], None]
) -> None:
    [folder] = drive.files.all()
    drive.files.create({"name": "colab_status.json", "parents": [folder.id]}, b"old")
    service_account(tmp_path)
    box = _on_drive(rclone, tmp_path)
    box.put("colab_status.json", b"new")
    assert box.read("colab_status.json") == b"new"
    with pytest.raises(MailboxError, match="a service account has no room of its own in a person's Drive"):
        box.put("restart_requested.json", b"{}")


@pytest.fixture
def service_account() -> Callable[[Path], None]:
    """Make rclone's remote log in as one, with a key of its own."""
    import json

    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    def configure(folder: Path) -> None:
        key = generate_private_key(65_537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        account = {
            "type": "service_account",
            "client_email": "x@project.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": key.decode(),
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        (folder / "account.json").write_text(json.dumps(account))
        text = f"[drive]\ntype = drive\nscope = drive\nservice_account_file = {folder}/account.json\n"
        (folder / "rclone.conf").write_text(text)

    return configure


@pytest.mark.long
def test_bad_days_of_drive_end_well_or_are_said(rclone: str, drive: Running, tmp_path: Path) -> None:
    box, large = _on_drive(rclone, tmp_path), bytes(range(256)) * 40_000  # 10 MB: a resumable upload
    drive.mishaps.rate_403 = drive.mishaps.rate_429 = 1
    drive.mishaps.cut_uploads = 1
    box.put("large", large)
    drive.mishaps.cut_downloads = 1
    assert box.read("large") == large
    drive.mishaps.full = True
    with pytest.raises(MailboxError, match="the Drive is full"):
        box.put("new.json", b"{}")
    box.put("large", b"updates need no room")
    drive.mishaps.away = True
    with pytest.raises(MailboxError):
        box.look()
    drive.mishaps.away = False
    with pytest.raises(MailboxError, match="its folder is not there"):
        _on_drive(rclone, tmp_path, "drive:nowhere").look()
    with pytest.raises(MailboxError, match="rclone knows no remote of this name"):
        _on_drive(rclone, tmp_path, "other:box").look()


def test_a_bucket_is_asked_in_the_region_of_the_settings(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def opened(service: str, region: str | None) -> Any:
        asked.append((service, region))
        return bucket

    monkeypatch.setattr("harvester.tokens.aws_stores.open_client", opened)
    worker = {"name": "colab", "mailbox": "s3://bucket/box", "inboxes": ["s3://bucket/inbox"]}
    data = {"host_id": "h1", "region": "ap-south-1", "data_dir": str(tmp_path), "workers": [worker]}
    settings = validate(OverseerSettings, data)
    parts = parts_of(settings, settings.workers[0], SystemClock())
    parts.mailbox.put("a", b"x")
    look_at(parts)
    assert asked == [("s3", "ap-south-1")] * 2, "of the reports, too"
    assert bucket.get_object(Bucket="bucket", Key="box/a")["Body"].read() == b"x"
