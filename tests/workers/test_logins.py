"""Secrets of rclone's remotes: taken over once, refreshed by rclone, and never set back."""

import json
from pathlib import Path

import pytest
from tests.recorder.tokens.conftest import aws, clients
from tests.recorder.tokens.stand_in import Aws
from tests.workers.conftest import Place

from harvester import cli
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.validation import Refused, validate
from harvester.workers.logins import take_logins
from harvester.workers.settings import OverseerSettings, RcloneSettings

__all__ = ["aws", "clients"]
TOKEN = {
    "access_token": "ya29.one",
    "token_type": "Bearer",
    "refresh_token": "1//refresh",
    "expiry": "2026-11-30T00:00:00Z",
}
CONFIG = "# made by the role\n[drive]\ntype = drive\nScope = 100% drive\n\n[other]\ntype = local\na:b = c\n"


class Logins:
    """A remote `drive` whose token a person stores in a file."""

    def __init__(self, root: Path) -> None:
        self.stored, self.config = root / "drive-token", root / "rclone" / "rclone.conf"
        self.config.parent.mkdir()
        self.config.write_text(CONFIG)
        self.settings = RcloneSettings(config=self.config, secrets={"drive": {"token": f"file:{self.stored}"}})

    def store(self, text: str) -> None:
        self.stored.write_text(text)
        self.stored.chmod(0o600)


@pytest.fixture
def logins(tmp_path: Path) -> Logins:
    return Logins(tmp_path)


def test_a_stored_token_is_taken_over_once_and_what_rclone_refreshes_stays(logins: Logins) -> None:
    logins.store(json.dumps(TOKEN, indent=1))
    assert take_logins(logins.settings) == ["drive"]
    text = logins.config.read_text()
    assert (
        f"token = {json.dumps(TOKEN)}\n" in text
        and "Scope = 100% drive\n" in text
        and "[other]\n" in text
        and "a:b = c\n" in text
    )
    assert logins.config.stat().st_mode & 0o777 == 0o600
    refreshed = text.replace("ya29.one", "ya29.two")
    logins.config.write_text(refreshed)
    assert take_logins(logins.settings) == []
    assert logins.config.read_text() == refreshed
    logins.store(json.dumps(TOKEN | {"refresh_token": "1//new"}))
    assert take_logins(logins.settings) == ["drive"]
    assert "1//new" in logins.config.read_text() and "ya29.two" not in logins.config.read_text()
    assert "1//" not in logins.config.with_name("taken.json").read_text()


def test_a_store_that_is_emptied_later_costs_nothing_and_a_first_token_that_is_lacking_is_said(logins: Logins) -> None:
    with pytest.raises(ConfigError, match=r"rclone authorize.*sudo install -o harvester-overseer .*drive-token"):
        take_logins(logins.settings)
    logins.store(json.dumps(TOKEN))
    take_logins(logins.settings)
    logins.stored.unlink()
    assert take_logins(logins.settings) == []


@pytest.mark.parametrize("text", ["1//refresh", "[]", '{"access_token": "ya29.x"}', '{"refresh_token": ""}'])
def test_a_token_that_could_not_be_refreshed_is_refused_and_named_by_no_part_of_it(logins: Logins, text: str) -> None:
    logins.store(text)
    with pytest.raises(ConfigError, match="The token of rclone's remote drive is no JSON object with a") as refused:
        take_logins(logins.settings)
    assert text not in str(refused.value)
    assert logins.config.read_text() == CONFIG


@pytest.mark.parametrize("config", [None, "[other]\ntype = local\n", "type = drive\n", "[drive\n"])
def test_a_configuration_without_that_remote_stays_and_is_said(logins: Logins, config: str | None) -> None:
    logins.store(json.dumps(TOKEN))
    logins.config.unlink() if config is None else logins.config.write_text(config)
    with pytest.raises(ConfigError, match=r"no readable section \[drive\] \(\w+Error\)\. \./inv deploy"):
        take_logins(logins.settings)
    assert not logins.config.with_name("taken.json").exists()
    assert config is None or logins.config.read_text() == config


def test_a_configuration_that_says_a_thing_twice_is_as_good_as_it_is_for_rclone(logins: Logins) -> None:
    """Edited by hand: rclone takes the last one and complains of nothing."""
    logins.config.write_text(f"{CONFIG}\n[drive]\nscope = drive.file\nscope = drive\n")
    logins.store(json.dumps(TOKEN))
    assert take_logins(logins.settings) == ["drive"]
    assert f"token = {json.dumps(TOKEN)}\n" in logins.config.read_text()
    assert "scope = drive\n" in logins.config.read_text()


def test_a_secret_that_is_no_token_is_taken_as_it_is(logins: Logins) -> None:
    logins.store("s3cret = value\n")
    settings = RcloneSettings(config=logins.config, secrets={"other": {"pass": f"file:{logins.stored}"}})
    assert take_logins(settings) == ["other"]
    assert "pass = s3cret = value\n" in logins.config.read_text()


def test_a_damaged_note_of_what_was_taken_takes_it_once_more(logins: Logins) -> None:
    logins.store(json.dumps(TOKEN))
    for damaged in ("{", "[]"):
        logins.config.with_name("taken.json").write_text(damaged)
        assert take_logins(logins.settings) == ["drive"]


def test_a_folder_that_cannot_be_written_is_said(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    logins.store(json.dumps(TOKEN))
    monkeypatch.setattr("harvester.workers.logins.replace_file", full)
    with pytest.raises(HarvesterError, match=r"rclone\.conf: cannot be written \(No space left on device\)"):
        take_logins(logins.settings)


@pytest.mark.parametrize(
    "secrets", [{"drive": {"token": "1//x"}}, {"dr:ive": {"token": "ssm:/a"}}, {"d": {"To": "ssm:/a"}}]
)
def test_a_secret_in_the_place_of_its_place_is_refused(secrets: object) -> None:
    with pytest.raises(Refused):
        validate(OverseerSettings, {"host_id": "h", "workers": [], "rclone": {"secrets": secrets}})


def test_a_login_that_cannot_be_taken_keeps_no_worker_waiting(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.data["rclone"] = {
        "config": str(tmp_path / "rclone.conf"),
        "secrets": {"drive": {"token": f"file:{tmp_path}/t"}},
    }
    place.reload()
    assert cli.run(["workers", "--settings", str(place.file), "look"]) == 1
    said = capsys.readouterr()
    assert "colab: " in said.out and "is not stored" in said.err


def test_settings_and_tokens_are_judged_before_they_are_deployed(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["workers", "check", str(place.file)]) == 0
    place.file.write_text('{"host_id": "h", "workers": [{"name": "a b", "mailbox": "/m"}]}')
    tokens = tmp_path / "tokens"
    tokens.write_text("colab short\n")
    for action, path, says in (
        ("check", place.file, "workers[0].name"),
        ("check-tokens", tokens, "at least 32 characters"),
    ):
        assert cli.run(["workers", action, str(path)]) == 2
        assert says in capsys.readouterr().err
    tokens.write_text(f"colab {'x' * 32}\n")
    assert cli.run(["workers", "check-tokens", str(tokens)]) == 0


def test_a_token_in_ssm_is_taken_over_in_the_region_of_the_settings(logins: Logins, aws: Aws, tmp_path: Path) -> None:
    place = "/alpha-harvester/production/rclone/token"
    settings = RcloneSettings(config=logins.config, secrets={"drive": {"token": f"ssm:{place}"}})
    with pytest.raises(ConfigError, match=r"not stored.* \./inv secret-put --name rclone-token < FILE"):
        take_logins(settings, "ap-south-1")
    aws.parameters[place] = [json.dumps(TOKEN)]
    assert take_logins(settings, "ap-south-1") == ["drive"]
    assert f"token = {json.dumps(TOKEN)}\n" in logins.config.read_text()
    refreshed = logins.config.read_text().replace("ya29.one", "ya29.two")
    logins.config.write_text(refreshed)
    assert take_logins(settings, "ap-south-1") == [] and logins.config.read_text() == refreshed
    aws.parameters[place].append(json.dumps(TOKEN | {"refresh_token": "1//new"}))
    assert take_logins(settings, "ap-south-1") == ["drive"] and "1//new" in logins.config.read_text()
    assert set(aws.opened) == {("ssm", "ap-south-1")}
    rclone = {"config": str(logins.config), "secrets": settings.secrets}
    data = {"host_id": "h1", "region": "eu-west-1", "data_dir": str(tmp_path), "workers": [], "rclone": rclone}
    (tmp_path / "overseer.json").write_text(json.dumps(data))
    assert cli.run(["workers", "--settings", str(tmp_path / "overseer.json"), "look"]) == 0
    assert aws.opened[-1] == ("ssm", "eu-west-1")
    aws.faults = ["AccessDeniedException"] * 2
    with pytest.raises(HarvesterError, match=r"Check the region, the credentials of this host"):
        take_logins(settings, "ap-south-1")
    assert "1//new" in logins.config.read_text()
