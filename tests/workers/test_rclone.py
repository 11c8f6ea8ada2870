"""A mailbox behind rclone: what the program is asked, byte for byte, and what is made of its answers."""

import json
from pathlib import Path

import pytest

from harvester.workers import rclone as module
from harvester.workers.mailbox import Entry, Mailbox, MailboxError
from harvester.workers.places import open_mailbox
from harvester.workers.rclone import OPTIONS
from harvester.workers.settings import RcloneSettings

PROGRAM = """#!/bin/sh
echo "$@" >> {root}/asked
for last; do before=$source source=$last; done
case $1 in
  lsjson) cat {root}/listing ;;
  copyto) cp "$before" {root}/copied ;;
esac
[ ! -e {root}/says ] || cat {root}/says >&2
exit $(cat {root}/code)
"""


class Program:
    """Stands in for rclone: lists `listing`, copies to `copied`, says what `fail` told it, and notes what it was asked.

    Exit codes are those of https://rclone.org/docs/#exit-code.
    """

    def __init__(self, root: Path) -> None:
        self._root, self.path = root, root / "rclone"
        self.path.write_text(PROGRAM.format(root=root))
        self.path.chmod(0o755)
        self.fail(0)

    def fail(self, code: int, said: str = "") -> None:
        (self._root / "code").write_text(str(code))
        (self._root / "says").write_text(said)

    def lists(self, text: str) -> None:
        (self._root / "listing").write_text(text)

    def asked(self) -> list[str]:
        """The words of the last call."""
        return (self._root / "asked").read_text().splitlines()[-1].split()

    @property
    def copied(self) -> bytes:
        return (self._root / "copied").read_bytes()

    def mailbox(self, place: str = "drive:box") -> Mailbox:
        return open_mailbox(place, RcloneSettings(program=str(self.path), config=self._root / "rclone.conf"))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_look_has_name_size_and_id_of_each_file_and_says_two_of_one_name(program: Program, tmp_path: Path) -> None:
    rows = [{"Name": "b", "Size": 3, "ID": "id-b"}, {"Name": "a", "Size": 1, "ID": "2"}, {"Name": "a", "Size": 1}]
    program.lists(json.dumps(rows))

    assert program.mailbox().look() == [Entry("a", 1, "2"), Entry("a", 1, "a"), Entry("b", 3, "id-b")]
    config = str(tmp_path / "rclone.conf")
    assert program.asked() == ["lsjson", "--config", config, *OPTIONS, "--files-only", "drive:box"]


@pytest.mark.parametrize("listing", ["", "{", '[{"Name": "a"}]', "[3]"])
def test_a_list_that_is_none_is_no_empty_mailbox(program: Program, listing: str) -> None:
    program.lists(listing)

    with pytest.raises(MailboxError, match=r"^drive:box: cannot be looked at: rclone printed no list\.$"):
        program.mailbox().look()


def test_what_is_put_comes_as_it_is_and_no_copy_of_it_stays(program: Program) -> None:
    program.mailbox().put("signal.json", b"\x00two\r\n")

    assert program.copied == b"\x00two\r\n"
    assert not Path(program.asked()[-2]).exists()


@pytest.mark.parametrize(
    ("place", "target"), [("drive:", "drive:a"), ("drive:box", "drive:box/a"), ("drive:box/", "drive:box/a")]
)
def test_a_file_is_right_below_its_place(program: Program, place: str, target: str) -> None:
    program.mailbox(place).clear("a")

    assert program.asked()[-3:] == ["--retries", "1", target]


def test_a_file_that_is_not_there_is_none_and_is_removed_already(program: Program) -> None:
    for code in (3, 4):
        program.fail(code, "object not found")
        assert program.mailbox().read("a") is None
        program.mailbox().clear("a")


def test_why_a_verb_failed_is_said_of_each(program: Program) -> None:
    program.fail(1, "2026/11/30 05:28:38 ERROR : Post: invalid_grant: expired\n")
    box = program.mailbox()

    for verb, what in (
        (box.look, "cannot be looked at"),
        (lambda: box.read("a"), "a cannot be read"),
        (lambda: box.put("a", b""), "a cannot be written"),
        (lambda: box.clear("a"), "a cannot be removed"),
    ):
        with pytest.raises(MailboxError, match=rf"^drive:box: {what}: its login is not good any more\. Log in again"):
            verb()


def test_what_rclone_says_in_other_bytes_is_said_as_far_as_it_is_text(program: Program, tmp_path: Path) -> None:
    program.fail(1)
    (tmp_path / "says").write_bytes(b"2026/11/30 ERROR : caf\xe9 is closed\n")
    with pytest.raises(MailboxError, match=r"^drive:box: cannot be looked at: caf. is closed\.$"):
        program.mailbox().look()


def test_a_program_that_never_answers_keeps_no_worker_waiting(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.path.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(module, "SECONDS", 0.05)

    with pytest.raises(MailboxError, match=r"^drive:box: cat was given up: no answer within ten minutes\.$"):
        program.mailbox().read("a")
