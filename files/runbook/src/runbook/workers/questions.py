"""What is asked for a worker and its overseer, in order; each answer is tried before the next question."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.base.validation import Refused, validate
from harvester.workers.mailbox import Entry
from harvester.workers.settings import WorkerSettings
from runbook.console.asking import Asker, Say
from runbook.fleet.inventory import Host
from runbook.workers.telegram import Bot
from runbook.workers.trying import Remotes, on_host, read_login, try_mailbox

DRIVE = "drive"
REMOTE: Mapping[str, str] = {"type": "drive", "scope": "drive"}
YES, NO, NONE = "yes", "no", "none"
KEEP, NEW, ROTATE, LAST = "keep", "new", "rotate", "drop-old"
USER = re.compile(r"^[a-z_][a-z0-9_-]{0,31}\Z")
PLACE = re.compile(r"^(/|s3://|[A-Za-z0-9_][A-Za-z0-9_ .-]*:)")


@dataclass(frozen=True)
class Known:
    """What the inventory and the private files say already."""

    variables: Mapping[str, Any]
    login: str = ""
    """The token of the Drive, as JSON."""
    tokens: Sequence[tuple[str, str]] = ()
    """Worker and token of the door, the oldest first."""
    channels: bool = False

    @property
    def workers(self) -> list[dict[str, Any]]:
        return list((self.variables.get("overseer_settings") or {}).get("workers") or ())

    @property
    def remotes(self) -> dict[str, Any]:
        return dict(self.variables.get("rclone_remotes") or {})

    def synced(self, name: str) -> str:
        """Where an entry of overseer_sync comes from."""
        found = [entry["from"] for entry in self.variables.get("overseer_sync") or () if entry.get("name") == name]
        return str(found[0]) if found else ""


@dataclass
class Answers:
    """What was answered, each answer tried. Paths are the host's."""

    worker: str = ""
    mailbox: str = ""
    notebook: str = ""
    login: str = ""
    records: str = YES
    door: str = YES
    door_token: str = KEEP
    channel: Secret | None = None
    champion: str = ""
    logs: str = ""
    code: str = ""
    code_user: str = ""
    untried: list[str] = field(default_factory=list)
    """What could not be tried yet, in words."""


class Questions:
    """Asks about one worker of one host."""

    def __init__(self, asker: Asker, say: Say, host: Host, remotes: Remotes, known: Known) -> None:
        self._asker, self._say, self._host, self._remotes, self._known = asker, say, host, remotes, known
        self._answers = Answers()

    def ask_all(self) -> Answers:
        """Raises ConfigError where no more can be asked."""
        known = self._known.workers
        self._answers.records = self._asker.ask(
            "records", f"Does {self._host.name} record market data as well: yes or no",
            NO if self._known.variables.get("harvester_records") is False else YES, _one_of(YES, NO),
        )  # fmt: skip
        self._answers.worker = self._asker.ask("worker", "Name of the worker", _first(known, "name", "colab"), _name)
        self._ask_login()
        self._ask_mailbox()
        self._ask_door()
        self._ask_people()
        self._ask_folders()
        return self._answers

    def _ask_login(self) -> None:
        def check(answer: str) -> None:
            if not answer and not self._known.login:
                return
            try:
                text = Path(answer).expanduser().read_text("utf-8") if answer else self._known.login
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{answer} cannot be read ({type(error).__name__}). Correct the path.") from None
            login = read_login(text)
            self._remotes.log_in(DRIVE, self._known.remotes.get(DRIVE) or REMOTE, login)
            self._answers.login = login

        otherwise = "keep the login that is here" if self._known.login else "the mailbox is not on Drive"
        self._asker.ask("drive_login", f'File with what `rclone authorize "drive"` printed ({otherwise})', "", check)

    def _ask_mailbox(self) -> None:
        entries: list[Entry] | None = None

        def check(answer: str) -> None:
            nonlocal entries
            entries = self._look(answer)

        before = self._before("mailbox")
        self._answers.mailbox = self._asker.ask(
            "mailbox", "Mailbox: drive:FOLDER, s3://BUCKET/PREFIX or a /folder of the host", before, check
        )
        names = [entry.name for entry in entries or ()]
        if entries is not None:
            status = (
                "its status is there" if WorkerSettings(name="x", mailbox="/x").status in names else "no status yet"
            )
            self._say(f"  The mailbox can be read and written: {len(names)} files, {status}.")

        def check_notebook(answer: str) -> str:
            answer = _without(answer)
            if answer and not answer.endswith(".ipynb"):
                raise ConfigError(
                    f"{answer!r} is no notebook: its name ends in .ipynb. Write none where no notebook is repaired."
                )
            if answer and entries is not None and answer not in names:
                there = ", ".join(name for name in names if name.endswith(".ipynb")) or "no notebook"
                raise ConfigError(f"{answer} is not in the mailbox. There is: {there}.")
            self._validate(notebook=answer or None)
            return answer

        self._answers.notebook = self._asker.ask(
            "notebook",
            "Notebook in the mailbox that may be repaired",
            self._before("notebook") or NONE,
            check_notebook,
        )

    def _look(self, place: str) -> list[Entry] | None:
        """What is in a mailbox; None where that is the host's alone to see."""
        if not PLACE.match(place):
            raise ConfigError(f"{place!r} is no mailbox. Write drive:FOLDER, s3://BUCKET/PREFIX or /FOLDER.")
        self._validate(mailbox=place)
        if place.startswith("/"):
            self._on_host("the mailbox", place, "-d", "Make the folder there, or correct it.")
            return None
        if place.startswith("s3://") or self._remotes.knows(place):
            return list(try_mailbox(self._remotes.open(place)))
        remote = place.partition(":")[0]
        if remote == DRIVE:
            raise ConfigError("The login of the Drive is missing here. Begin again, and name its file.")
        if remote not in self._known.remotes:
            raise ConfigError(
                f"{remote} is no remote of rclone_remotes in the inventory. Add it there (roles/rclone/README.md), or"
                " write drive:FOLDER."
            )
        self._answers.untried.append(f"{place}: its login is not here")
        return None

    def _ask_door(self) -> None:
        had = self._known.variables.get("overseer_door")
        self._answers.door = self._asker.ask(
            "door", "Take error reports over HTTP, on loopback behind a tunnel of yours: yes or no",
            NO if had is False else YES, _one_of(YES, NO),
        )  # fmt: skip
        mine = sum(1 for worker, _ in self._known.tokens if worker == self._answers.worker)
        self._answers.door_token = NEW if mine == 0 else KEEP
        if self._answers.door == NO or mine == 0:
            return
        choices = (KEEP, ROTATE) if mine == 1 else (KEEP, LAST)
        meaning = "rotate: a second one besides" if mine == 1 else "drop-old: the newest alone counts"
        self._answers.door_token = self._asker.ask(
            "door_token", f"Its token: keep, or {meaning}", KEEP, _one_of(*choices)
        )

    def _ask_people(self) -> None:
        bots: list[Bot] = []

        def check(answer: str) -> None:
            if answer:
                bots.append(Bot(Secret(answer)))

        otherwise = "as it is" if self._known.channels else "without"
        self._asker.ask("telegram_token", f"Token of your Telegram bot (empty: {otherwise})", "", check, hidden=True)
        if not bots:
            return
        bot = bots[-1]
        chat = self._asker.ask(
            "telegram_chat", f"Chat with @{bot.name} (empty: the one that wrote to it)", "", bot.choose
        )
        self._say(f"  A first message is in chat {chat}.")
        self._answers.channel = bot.address(chat)

    def _ask_folders(self) -> None:
        answers, known = self._answers, self._known
        answers.champion = self._path(
            "champion", "Best model on the host, copied to the mailbox",
            str(known.variables.get("overseer_champion") or ""), "-f",
        )  # fmt: skip
        answers.logs = self._path(
            "logs", "Folder of logs on the host, whose last day is copied", known.synced("logs-up"), "-d"
        )
        code = known.variables.get("overseer_code") or {}
        answers.code = self._path(
            "code", "Working copy on the host whose commits are pushed", str(code.get("folder", "")), "-d"
        )
        if answers.code:
            answers.code_user = self._asker.ask("code_user", "Whose it is", str(code.get("user", "")), _user)

    def _path(self, key: str, text: str, default: str, kind: str) -> str:
        def check(answer: str) -> str:
            answer = _without(answer)
            if answer and not answer.startswith("/"):
                raise ConfigError(f"{answer!r} is no path of the host. Begin it with /, or write none.")
            if answer:
                self._on_host(key, answer, kind, "Correct it, or write none.")
            return answer

        return self._asker.ask(key, text, default or NONE, check)

    def _on_host(self, what: str, path: str, kind: str, otherwise: str) -> None:
        found = on_host(self._host, kind, path)
        if found is None:
            self._answers.untried.append(f"{what} {path}: {self._host.name} cannot be asked yet")
        elif not found:
            noun = "file" if kind == "-f" else "folder"
            raise ConfigError(f"{self._host.name} has no {noun} {path}. {otherwise}")

    def _before(self, key: str) -> str:
        return _first([one for one in self._known.workers if one.get("name") == self._answers.worker], key, "")

    def _validate(self, **more: Any) -> None:
        """ConfigError for what the overseer's settings would refuse."""
        given = {"name": self._answers.worker, "mailbox": self._answers.mailbox or "/x"} | more
        try:
            validate(WorkerSettings, given)
        except Refused as refused:
            raise ConfigError(" ".join(str(refused).split())) from None


def _first(rows: Sequence[Mapping[str, Any]], key: str, otherwise: str) -> str:
    return str((rows[0].get(key) if rows else None) or otherwise)


def _without(answer: str) -> str:
    """Empty where a person wants none."""
    return "" if answer == NONE else answer


def _name(answer: str) -> None:
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z", answer):
        raise ConfigError(f"{answer!r} is no name. Use letters, digits, - and _, such as colab.")


def _user(answer: str) -> None:
    if not USER.match(answer):
        raise ConfigError(f"{answer!r} is no user of a host. It is what `ls -l` shows, such as trader.")


def _one_of(*choices: str) -> Callable[[str], None]:
    def check(answer: str) -> None:
        if answer not in choices:
            raise ConfigError(f"{answer!r} is none of {' and '.join(choices)}.")

    return check
