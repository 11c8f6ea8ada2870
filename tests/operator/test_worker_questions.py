"""configure --worker: at a terminal against stand-ins of Telegram and Drive; what answers become and keep."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from tests.operator.support.telegram import HOST, Telegram
from tests.operator.support.terminal import Shown, run_at_terminal

from harvester.base.errors import ConfigError
from harvester.workers.door.tokens import Tokens
from harvester.workers.mailbox import FolderMailbox
from lab.drive.running import Running, running
from runbook.console.asking import FileAsker
from runbook.fleet.inventory import Host, program
from runbook.tasks import worker_questions
from runbook.workers import questions
from runbook.workers.questions import Questions
from runbook.workers.trying import Remotes, on_host, read_login, try_mailbox
from runbook.workers.writing import next_steps, places_for, read_known, write

ROOT = Path(__file__).resolve().parents[2]
ASHA = {"id": 4711, "type": "private", "first_name": "Asha", "last_name": "R"}
GROUP = {"id": -10042, "type": "supergroup", "title": "Trainers"}
FAKE_SSH = '#!/bin/sh\nfor last; do :; done\nset -- $last\nwhile [ "$1" != test ]; do shift; done\nexec "$@"\n'
"""An ssh whose hosts are this machine: it runs the test that it is given."""


class Place:
    """An inventory of one host that is this machine, and Telegram and Drive as stand-ins."""

    def __init__(self, root: Path, drive: Running, telegram: Telegram) -> None:
        self.root, self.drive, self.telegram = root, drive, telegram
        self.inventory, self.box = root / "inventory", root / "box"
        self.inventory.mkdir()
        self.box.mkdir()
        (self.inventory / "hosts.yml").write_text(
            yaml.safe_dump({"harvesters": {"hosts": {"h1": {"ansible_host": "192.0.2.1"}}}}), encoding="utf-8"
        )
        ssh = root / "bin/ssh"
        ssh.parent.mkdir()
        ssh.write_text(FAKE_SSH)
        ssh.chmod(0o755)
        self.environment = os.environ | drive.environment | {"TERM": "xterm", "COLUMNS": "300"}
        self.environment["PATH"] = f"{ssh.parent}:{self.environment['PATH']}"
        self.places = places_for(self.inventory, "h1")

    def answer(self, keys: dict[str, list[str]]) -> Shown:
        """Type each question's answers, in turn; Enter where there are none left."""
        left = {question: list(answers) for question, answers in keys.items()}
        asked = 0

        def press(shown: str) -> bytes:
            nonlocal asked
            found = re.split(r"[\r\n]+", shown)
            prompt = found[-1]
            if not prompt.rstrip().endswith(":") or len(found) == asked:
                return b""
            asked = len(found)
            for question, answers in left.items():
                if prompt.startswith(question):
                    return (answers.pop(0) if answers else "").encode() + b"\n"
            return b"\n"

        command = [program("runbook"), "configure", "--worker", "--output", str(self.inventory)]
        return run_at_terminal(command, self.environment, cwd=ROOT, press=press)

    @property
    def variables(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.places.variables.read_text("utf-8")))

    def ask(self, **given: str) -> tuple[questions.Answers, list[str]]:
        """The same without a terminal: what was answered and what was said."""
        said: list[str] = []
        variables = self.variables if self.places.variables.exists() else {}
        host = Host("h1", "192.0.2.1", variables=variables)
        known = read_known(host, self.places)
        asker = FileAsker({"worker": "colab", **given}, Path("answers"))
        remotes = Remotes(ROOT, self.root)
        answers = Questions(asker, said.append, host, remotes, known).ask_all()
        self.written = write(answers, host, known, self.places)
        return answers, said


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    telegram = Telegram()
    with running(tmp_path / "drive", {HOST: telegram}) as drive:
        yield Place(tmp_path, drive, telegram)


@pytest.fixture
def here(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same for what runs in this process."""
    for name in ("PATH", *place.drive.environment):
        monkeypatch.setenv(name, place.environment[name])
    return place


def test_at_a_terminal_bad_answers_are_asked_again_and_good_ones_are_written(place: Place) -> None:
    place.telegram.chats = [ASHA, GROUP]
    (place.root / "champion.pth").write_bytes(b"x")

    shown = place.answer(
        {
            "Does h1 record": ["perhaps", "no"],
            "Name of the worker": ["a b", "colab"],
            "File with what": [str(place.root / "none"), ""],
            "Mailbox": ["box", "drive:BTC", "other:BTC", "/nowhere", str(place.box)],
            "Notebook": ["train.py", "train.ipynb"],
            "Token of your Telegram": ["12:x", "123456789:" + "A" * 35, place.telegram.token],
            "Chat with @worker_alerts_bot": ["", "Asha", "99", "4711"],
            "Best model": ["champion.pth", "/none.pth", str(place.root / "champion.pth")],
        }
    )

    said = " ".join(shown.text.split())
    assert shown.code == 0, said
    for sentence in (
        "'perhaps' is none of yes and no.", "'a b' is no name. Use letters", "none cannot be read (FileNotFoundError).",
        "'box' is no mailbox. Write drive:FOLDER", "The login of the Drive is missing here.",
        "other is no remote of rclone_remotes", "h1 has no folder /nowhere.", "'train.py' is no notebook",
        "That is no token of a bot.", "Telegram knows no bot of this token.",
        "2 chats wrote to @worker_alerts_bot: 4711 (Asha R), -10042 (Trainers). Type the number of one.",
        "'Asha' is no chat.", "Telegram refused sendMessage (400): Bad Request: chat not found.",
        "A first message is in chat 4711.", "'champion.pth' is no path of the host.", "h1 has no file /none.pth.",
    ):  # fmt: skip
        assert sentence in said, sentence
    assert "Traceback" not in said and place.telegram.token not in said
    assert [chat for chat, _ in place.telegram.sent] == ["4711"]
    assert place.variables["overseer_settings"] == {
        "workers": [{"name": "colab", "mailbox": str(place.box), "notebook": "train.ipynb"}]
    }
    assert (place.variables["harvester_records"], place.variables["overseer_door"]) == (False, True)
    assert place.variables["overseer_champion"] == str(place.root / "champion.pth")
    channels = place.places.private / "channels"
    assert channels.read_text() == f"tgram://{place.telegram.token}/4711\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.places.private.iterdir()} == {0o600}
    assert stat.S_IMODE(place.places.private.stat().st_mode) == 0o700
    [install] = [line for line in shown.lines if line.startswith("next: after the first deploy: ssh 192.0.2.1 '")]
    assert install.endswith(f"-g harvester-alert -m 600 /dev/stdin /var/lib/harvester-alert/channels' < {channels}")


@pytest.mark.long
def test_at_a_terminal_a_folder_of_drive_is_tried_by_rclone_itself(place: Place) -> None:
    login = place.root / "printed"
    login.write_text(f"Paste the following into your remote machine --->\n{place.drive.login()}\n<---End paste\n")
    folder = {"name": "BTC", "mimeType": "application/vnd.google-apps.folder"}
    number = place.drive.files.create(folder, b"").id
    place.drive.files.create({"name": "train.ipynb", "parents": [number]}, b"{}")
    place.drive.files.create({"name": "colab_status.json", "parents": [number]}, b"{}")

    shown = place.answer(
        {
            "File with what": [str(login)],
            "Mailbox": ["drive:Nowhere", "drive:BTC"],
            "Notebook": ["other.ipynb", "train.ipynb"],
            "Folder of logs": [str(place.box)],
        }
    )

    said = " ".join(shown.text.split())
    assert shown.code == 0, said
    assert "drive:Nowhere: cannot be looked at: its folder is not there." in said
    assert "The mailbox can be read and written: 2 files, its status is there." in said
    assert "other.ipynb is not in the mailbox. There is: train.ipynb." in said
    kept = [file.fields for file in place.drive.files.all() if not file.fields["trashed"]]
    assert [fields["name"] for fields in kept] == ["BTC", "train.ipynb", "colab_status.json"]
    assert json.loads((place.places.private / "drive-token").read_text())["refresh_token"] in place.drive.login()
    assert place.variables["rclone_remotes"] == {"drive": {"type": "drive", "scope": "drive"}}
    assert place.variables["rclone_secrets"] == {"drive": {"token": "file:/var/lib/harvester-overseer/drive-token"}}
    assert place.variables["overseer_sync"] == [
        {"name": "logs-up", "from": str(place.box), "to": "drive:BTC/logs", "max_age": "24h"}
    ]
    assert place.drive.logins.refresh_token not in said
    assert "Nothing changed." in place.answer({}).text  # the login that is here is tried again, and kept


@pytest.mark.parametrize(
    ("chats", "given", "says"),
    [
        ([], "", r"telegram_chat: Nobody wrote to @worker_alerts_bot in the last 24 hours\. Open t\.me/worker"),
        ([ASHA, GROUP], "", "2 chats wrote"),
        ([ASHA], "-10042", "chat not found"),
    ],
)
def test_a_chat_that_cannot_be_found_is_said(here: Place, chats: list[Any], given: str, says: str) -> None:
    here.telegram.chats = chats
    with pytest.raises(ConfigError, match=says):
        here.ask(mailbox=str(here.box), telegram_token=here.telegram.token, telegram_chat=given)
    assert not here.places.private.exists() and here.telegram.sent == []


def test_the_only_chat_that_wrote_is_taken_and_beside_a_webhook_its_number_must_be_typed(here: Place) -> None:
    here.telegram.chats = [ASHA]
    assert here.ask(mailbox=str(here.box), telegram_token=here.telegram.token)[0].channel is not None
    assert (here.places.private / "channels").read_text().endswith("/4711\n")
    (here.places.private / "channels").write_text(f"mailto://me\n{here.telegram.token}\ntgram://1/2\n")
    here.telegram.webhook = True
    with pytest.raises(ConfigError, match=r"Another program takes this bot's messages .* Type the chat's number"):
        here.ask(mailbox=str(here.box), telegram_token=here.telegram.token)
    here.ask(mailbox=str(here.box), telegram_token=here.telegram.token, telegram_chat="4711")
    lines = (here.places.private / "channels").read_text().splitlines()
    assert lines == ["mailto://me", here.telegram.token, f"tgram://{here.telegram.token}/4711"]
    here.telegram.garbled = True
    with pytest.raises(ConfigError, match=r"Telegram refused getMe \(502\): its answer is not Telegram's"):
        here.ask(mailbox=str(here.box), telegram_token=here.telegram.token)


def test_telegram_that_cannot_be_reached_is_said_without_the_token(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.drive.mishaps.away = True
    with pytest.raises(ConfigError, match=r"Telegram does not answer \(\w+\)") as caught:
        here.ask(mailbox=str(here.box), telegram_token=here.telegram.token)
    assert here.telegram.token not in str(caught.value)


def test_a_token_is_made_kept_rotated_with_overlap_and_the_old_one_dropped(here: Place) -> None:
    tokens = here.places.private / "door-tokens"

    def read() -> list[str]:
        return [line.split()[1] for line in tokens.read_text().splitlines() if line.split()[0] == "colab"]

    here.ask(mailbox=str(here.box))
    [first] = read()
    assert len(here.written) == 2
    here.ask(mailbox=str(here.box))
    assert read() == [first] and here.written == []
    here.ask(mailbox=str(here.box), door_token="rotate")
    assert read()[0] == first and len(read()) == 2
    assert {Tokens(tokens).worker_of(token) for token in read()} == {"colab"}
    with pytest.raises(ConfigError, match=r"door_token: 'rotate' is none of keep and drop-old"):
        here.ask(mailbox=str(here.box), door_token="rotate")
    newest = read()[1]
    tokens.write_text(f"kaggle {'k' * 32}\n" + tokens.read_text())
    here.ask(mailbox=str(here.box), door_token="drop-old")
    assert read() == [newest] and f"kaggle {'k' * 32}\n" in tokens.read_text()
    here.ask(mailbox=str(here.box), door="no")
    assert read() == [newest] and here.variables["overseer_door_tokens_file"] == ""


def test_what_was_edited_and_other_workers_stay(here: Place) -> None:
    here.ask(mailbox=str(here.box), notebook="a.ipynb")
    file = here.places.variables
    edited = yaml.safe_load(file.read_text())
    edited["overseer_settings"]["workers"][0] |= {"restarts_a_day": 1}
    edited["overseer_settings"]["workers"].append({"name": "kaggle", "mailbox": "/k"})
    edited |= {"overseer_training": "auto_12h_train.py", "overseer_sync": [{"name": "mine", "from": "/a", "to": "/b"}]}
    file.write_text("# mine\n" + yaml.safe_dump(edited, sort_keys=False))

    here.ask(mailbox=str(here.box), notebook="b.ipynb")
    found = here.variables
    assert found["overseer_settings"]["workers"] == [
        {"name": "colab", "mailbox": str(here.box), "notebook": "b.ipynb", "restarts_a_day": 1},
        {"name": "kaggle", "mailbox": "/k"},
    ]
    assert (found["overseer_training"], found["overseer_sync"][0]["name"]) == ("auto_12h_train.py", "mine")
    assert file.read_text().startswith("# mine\n")

    here.ask(worker="kaggle", mailbox=str(here.box))
    assert [each["name"] for each in here.variables["overseer_settings"]["workers"]] == ["colab", "kaggle"]


def test_copies_follow_the_answers_on_a_remote(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Remotes, "log_in", lambda *_: None)
    monkeypatch.setattr(Remotes, "knows", lambda *_: True)
    monkeypatch.setattr(Remotes, "open", lambda *_: FolderMailbox(here.box))
    login = here.root / "login"
    login.write_text(here.drive.login())
    (here.root / "m.pth").touch()
    (here.box / "colab_status.json").touch()

    given = {"mailbox": "drive:", "drive_login": str(login)}
    answers, said = here.ask(**given, champion=str(here.root / "m.pth"), logs=str(here.box))
    assert said == ["  The mailbox can be read and written: 1 files, its status is there."]
    assert here.variables["overseer_sync"] == [
        {
            "name": "champion-up",
            "from": str(here.root / "m.pth"),
            "to": "drive:multiverse_champion.pkl",
            "verb": "copyto",
        },
        {"name": "logs-up", "from": str(here.box), "to": "drive:logs", "max_age": "24h"},
    ]
    steps = next_steps(answers, Host("h1", "192.0.2.1"), here.places, "inventory", here.written)
    assert [step.partition(":")[0] for step in steps][:2] == [
        "after the first deploy",
        "./inv site --inventory inventory",
    ]
    token = {"harvester_settings": {"token": {"source": "ssm", "parameter": "/p/e/fyers/access-token"}}}
    [step] = [
        s
        for s in next_steps(answers, Host("h1", "", variables=token), here.places, "i", here.written)
        if "secret-put" in s
    ]
    assert step == f"./inv secret-put --name rclone-token --inventory i < {here.places.private / 'drive-token'}"

    here.ask(**given)
    assert [entry["name"] for entry in here.variables["overseer_sync"]] == ["champion-up", "logs-up"]
    here.ask(**given, champion="none")
    assert [entry["name"] for entry in here.variables["overseer_sync"]] == ["logs-up"]


def test_a_mailbox_with_two_files_of_one_name_or_that_loses_what_is_written_is_refused(tmp_path: Path) -> None:
    class Odd(FolderMailbox):
        twice, lost = False, False

        def look(self) -> list[Any]:
            return super().look() * (2 if self.twice else 1)

        def read(self, name: str) -> bytes | None:
            return None if self.lost else super().read(name)

    box = Odd(tmp_path)
    (tmp_path / "a").touch()
    assert [entry.name for entry in try_mailbox(box)] == ["a"] and [path.name for path in tmp_path.iterdir()] == ["a"]
    box.twice = True
    with pytest.raises(ConfigError, match="a is there twice"):
        try_mailbox(box)
    box.twice, box.lost = False, True
    with pytest.raises(ConfigError, match="was written there and not read back"):
        try_mailbox(box)
    with pytest.raises(ConfigError, match="cannot be looked at"):
        try_mailbox(FolderMailbox(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access_token": "a"}', '{"access_token": "a", "refresh_token": ""}'])
def test_a_login_that_cannot_be_refreshed_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="It holds no token with a refresh_token"):
        read_login(text)


def test_a_host_that_cannot_be_asked_yet_is_said_and_accepted(here: Place) -> None:
    shutil.copy("/bin/false", here.root / "bin/ssh")
    (here.root / "bin/ssh").write_text("#!/bin/sh\nexit 255\n")
    answers, _ = here.ask(mailbox="/data/box", code="/home/t/bot", code_user="t")
    assert answers.untried == [
        "the mailbox /data/box: h1 cannot be asked yet",
        "code /home/t/bot: h1 cannot be asked yet",
    ]
    assert here.variables["overseer_code"] == {"folder": "/home/t/bot", "user": "t"}
    asleep = Host("h1", "192.0.2.1", variables={"harvester_asleep": True})
    (here.root / "bin/ssh").write_text(f"#!/bin/sh\ntouch {here.root}/asked\n")
    assert on_host(asleep, "-d", "/x") is None and not (here.root / "asked").exists()
    (here.root / "bin/ssh").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    with pytest.raises(ConfigError, match=r"mailbox: h1: sudo: a password is required\."):
        here.ask(mailbox="/data/box")


def test_git_ignores_what_is_written() -> None:
    for file in ("workers.yml", ".worker/door-tokens", ".worker/channels", ".worker/drive-token"):
        path = f"inventory/aws/host_vars/h1/{file}"
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0, path


def test_unknown_answers_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text('{"mailbx": "/x"}')
    asker = FileAsker.read(file)
    with pytest.raises(ConfigError, match="mailbx is not asked for"):
        asker.refuse_unused()
    check: Callable[[str], str | None] = lambda _: None  # noqa: E731
    assert asker.ask("mailbx", "", "", check) == "/x"
    asker.refuse_unused()
    for text in ("[]", '{"a": 1}', "{"):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"JSON"):
            FileAsker.read(file)


def test_without_a_terminal_a_file_is_advised_and_it_does(
    here: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = [Host("h1", "192.0.2.1"), Host("h2", "192.0.2.2")]
    monkeypatch.setattr(worker_questions, "hosts_of", lambda *_, **__: hosts)
    with pytest.raises(ConfigError, match=r"Several hosts could watch the worker\. Give --host with one .*: h1, h2\."):
        worker_questions.configure_worker(None, str(here.inventory), None)
    hosts.pop()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match=r"No terminal is here .* \./inv configure --worker --answers FILE\."):
        worker_questions.configure_worker(None, str(here.inventory), None)
    file = here.root / "answers.json"
    file.write_text(json.dumps({"mailbox": str(here.box), "nonsense": "x"}))
    with pytest.raises(ConfigError, match="nonsense is not asked for"):
        worker_questions.configure_worker(str(file), str(here.inventory), None)
    assert not here.places.variables.exists()
    file.write_text(json.dumps({"mailbox": str(here.box)}))
    worker_questions.configure_worker(str(file), str(here.inventory), None)
    assert (
        "workers.yml" in capsys.readouterr().out
        and here.variables["overseer_settings"]["workers"][0]["name"] == "colab"
    )
