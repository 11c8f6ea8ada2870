"""No notice is lost: the inbox, the book, channels that are down, the log."""

import errno
import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec import structs
from tests.descriptors import none_left_open
from tests.field.alerting import CLEAR, CRITICAL, INFO, WARNING, Listener, at, notice

from harvester.alerts import book, inbox, outbox
from harvester.alerts.book import Book, BookFile, Entry, Letter, Trial
from harvester.alerts.channels import SendResult
from harvester.alerts.inbox import InboxChannel, post, take
from harvester.alerts.logfile import append, log_line
from harvester.alerts.message import Message
from harvester.alerts.notice import Notice, parse_notice
from harvester.alerts.renewals import message_of
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file
from harvester.base.redaction import Secret, register_secret
from harvester.tokens.renewal import RenewalOutcome

NOW = at("10:00")
MINUTE, DAY = 60 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
SECRET = "canary-of-a-notice-9913"


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as lines:
        yield lines


def nothing() -> None:
    """Keep nothing."""


# --- the inbox


def test_what_is_handed_in_is_taken_in_order_and_stays_until_it_is_discarded(tmp_path: Path) -> None:
    first, second = notice(), notice(CRITICAL, text="KeyError: <b> & 'x'\nsecond line", remedy="Do it.")
    post(tmp_path, first)
    post(tmp_path, second)

    taken = list(take(tmp_path))

    assert [each.notice for each in taken] == [first, second]
    assert all(abs(each.at_ns - each.path.stat().st_mtime_ns) == 0 for each in taken)
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {"0o640"}
    assert len(list(take(tmp_path))) == 2
    inbox.discard(taken[0].path)
    inbox.discard(taken[0].path)
    assert [each.notice for each in take(tmp_path)] == [second]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"source": "a", "severity": "info"}', b'{"text": "a", "severity": "info"}',
     b'{"source": "a", "text": "b", "severity": "fatal"}', b'{"source": "a", "text": "b"}',
     b'{"source": "a", "text": "b", "severity": "info"}' + b" " * 40_000],
)  # fmt: skip
def test_what_is_no_notice_is_removed_and_said(tmp_path: Path, logged: Any, content: bytes) -> None:
    (tmp_path / "1.json").write_bytes(content)
    post(tmp_path, notice())

    assert [each.notice for each in take(tmp_path)] == [notice()]
    assert not (tmp_path / "1.json").exists()
    assert [line["event"] for line in logged] == ["notice_unreadable"]
    assert logged[0]["path"] == "1.json" and logged[0]["detail"]


def test_links_pipes_and_folders_of_others_are_not_followed(tmp_path: Path, logged: Any) -> None:
    (tmp_path / "elsewhere").write_bytes(notice().encode())
    box = tmp_path / "box"
    box.mkdir()
    (box / "link.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(box / "pipe.json")
    (box / "folder.json").mkdir()
    (box / ".being-written").write_bytes(b"{")

    with none_left_open():
        assert list(take(box)) == []
    assert {line["path"] for line in logged} == {"link.json", "pipe.json", "folder.json"}
    assert {line["detail"] for line in logged if line["path"] != "link.json"} == {
        "not a regular file of at most 32768 bytes"
    }
    assert (tmp_path / "elsewhere").exists() and (box / ".being-written").exists()


def test_a_flood_is_taken_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "AT_ONCE", 2)
    for number in range(3):
        post(tmp_path, notice(text=str(number)))

    assert [each.notice.text for each in take(tmp_path)] == ["0", "1"]


def test_an_inbox_that_is_not_there_is_said_on_both_sides(tmp_path: Path, logged: Any) -> None:
    assert list(take(tmp_path / "none")) == []
    assert logged == [
        {"event": "inbox_unreadable", "log_level": "warning", "path": f"{tmp_path}/none",
         "detail": "No such file or directory"}
    ]  # fmt: skip
    with pytest.raises(HarvesterError, match=r"none: the notice cannot be handed in \(No such file.*group harvester"):
        post(tmp_path / "none", notice())


def test_a_reminder_becomes_a_notice_and_its_all_clear_ends_every_one_of_its_source(tmp_path: Path) -> None:
    channel = InboxChannel(tmp_path, source="reminder", host="h1")

    assert channel.send(Message(WARNING, "no_token", "Log in", "The session opens.\nLog in: here")) == ""
    assert channel.send(Message(CLEAR, "token", "In place", "Valid.")) == ""

    assert [each.notice for each in take(tmp_path)] == [
        Notice(WARNING, "no_token", "reminder", "h1", "Log in\nThe session opens.\nLog in: here"),
        Notice(CLEAR, "", "reminder", "h1", "In place\nValid."),
    ]
    assert "cannot be handed in" in InboxChannel(tmp_path / "none", source="a", host="h").send(
        Message(INFO, "a", "b", "c")
    )


def test_a_notice_is_printable_and_bounded_whatever_somebody_wrote() -> None:
    wild = {
        "severity": "info",
        "source": "a\x1b[31m\nb" + "s" * 300,
        "host": "h" * 300,
        "cause": "c\n" + "c" * 300,
        "text": "\n".join(["\x07bell " + "x" * 900, "", *map(str, range(40))]),
        "remedy": "r\n" * 50,
    }

    found = parse_notice(json.dumps(wild).encode())

    assert found.source.startswith("a [31m b") and len(found.source) == len(found.host) == len(found.cause) == 120
    lines = found.text.splitlines()
    assert lines[0].startswith("bell x") and len(lines[0]) == 400
    assert lines[1:] == [*map(str, range(19)), "..."]
    assert found.remedy.splitlines() == ["r"] * 20 + ["..."]


def test_twenty_lines_are_whole() -> None:
    assert parse_notice(notice(text="\n".join("x" * 20)).encode()).text == "\n".join("x" * 20)


def test_what_a_notice_leaves_out_is_filled_in() -> None:
    found = parse_notice(b'{"severity": "warning", "source": "script", "text": "No space\\nleft"}')

    assert found == Notice(WARNING, "No space", "script", "?", "No space\nleft", "")


def test_a_secret_that_the_process_knows_is_not_handed_in() -> None:
    register_secret(Secret(SECRET))
    data = notice(text=f"HTTP 401 for {SECRET}", remedy=SECRET).encode()
    assert SECRET.encode() not in data and b"[redacted]" in data
    told = parse_notice(json.dumps({"severity": "info", "source": "a", "text": SECRET}).encode())
    assert SECRET not in repr(told)


def test_the_largest_notice_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_bytes(notice().encode().ljust(32_768))

    assert [each.notice for each in take(tmp_path)] == [notice()]


# --- the book


def full_book() -> Book:
    entry = Entry("disk_low", "recorder", NOW, NOW, "h1", 2, "text\nmore", "remedy", 3, NOW, 2, False, NOW, "end", True)
    letters = [Letter(2, "a", "title", "body", NOW, ["x"], True)]
    return Book([entry], NOW, 110, 3, 4, letters, {"x": Trial(2, NOW)})


def test_the_book_comes_back_as_it_was_written_for_its_owner_alone(tmp_path: Path) -> None:
    file, written = BookFile(tmp_path / "book.json", tmp_path / "spare.json"), full_book()
    file.write(written)

    assert file.read() == written
    assert oct((tmp_path / "book.json").stat().st_mode & 0o777) == "0o600"
    assert full_book().find("disk_low", "recorder") is not None
    assert full_book().find("disk_low", "other") is full_book().find("other", "recorder") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"entries": 5}', b'{"letters": [{}]}'])
def test_a_damaged_book_is_an_empty_one_and_said(tmp_path: Path, logged: Any, content: bytes) -> None:
    (tmp_path / "book.json").write_bytes(content)

    assert BookFile(tmp_path / "book.json", tmp_path / "spare.json").read() == Book()
    assert [(line["event"], line["path"]) for line in logged] == [("book_unreadable", f"{tmp_path}/book.json")]


def test_without_a_book_there_is_an_empty_one(tmp_path: Path, logged: Any) -> None:
    assert BookFile(tmp_path / "a", tmp_path / "b").read() == Book()
    assert logged == []


def test_while_the_disk_is_full_the_book_is_kept_in_memory(tmp_path: Path, logged: Any) -> None:
    disk, spare = tmp_path / "disk", tmp_path / "spare.json"
    file, written = BookFile(disk / "book.json", spare), full_book()
    file.write(written)

    assert logged[0]["event"] == "book_not_on_disk" and logged[0]["path"] == f"{disk}/book.json"
    assert "No such file" in logged[0]["detail"]
    assert oct(spare.stat().st_mode & 0o777) == "0o600"
    assert file.read() == written

    disk.mkdir()
    newer = Book(beyond=9)
    file.write(newer)
    assert not spare.exists() and file.read() == newer


def full_for(path: Path) -> Callable[..., None]:
    """Replaces a file, but where the disk is full."""

    def replace(place: Path, *content: Any, **options: Any) -> None:
        if place == path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        replace_file(place, *content, **options)

    return replace


def test_the_book_in_memory_counts_before_the_one_that_a_full_disk_still_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    file, newer, newest = BookFile(tmp_path / "book.json", tmp_path / "spare.json"), Book(beyond=9), Book(beyond=10)
    file.write(full_book())

    with monkeypatch.context() as patched:
        patched.setattr(book, "replace_file", full_for(tmp_path / "book.json"))
        for each in (newer, newest):
            file.write(each)
            assert file.read() == each, "nobody is told twice of what was told while the disk was full"
        assert BookFile(tmp_path / "book.json", tmp_path / "spare.json").read() == newest, "nor by the next look"
    file.write(newest)
    assert file.read() == newest and [path.name for path in tmp_path.iterdir()] == ["book.json"]


def test_a_death_before_the_book_in_memory_is_removed_leaves_the_one_on_disk_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, spare = tmp_path / "book.json", tmp_path / "spare.json"
    file = BookFile(disk, spare)
    with monkeypatch.context() as patched:
        patched.setattr(book, "replace_file", full_for(disk))
        file.write(Book(beyond=9))
    left = spare.read_bytes()
    file.write(structs.replace(file.read(), beyond=10))
    spare.write_bytes(left)

    assert BookFile(disk, spare).read().beyond == 10
    file.write(structs.replace(file.read(), beyond=11))
    assert file.read().beyond == 11 and not spare.exists()


def test_memory_is_not_synced_and_the_disk_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    BookFile(tmp_path / "none" / "book.json", tmp_path / "spare.json").write(Book())
    assert synced == []
    BookFile(tmp_path / "book.json", tmp_path / "spare.json").write(Book())
    assert len(synced) == 2, "the file and its folder"


def test_a_book_that_can_be_kept_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        BookFile(tmp_path / "a" / "b", tmp_path / "c" / "d").write(Book())


# --- channels that are down


def letter(title: str = "t", severity: Any = WARNING) -> Message:
    return Message(severity, "cause", title, f"body of {title}")


def test_a_message_goes_out_by_every_channel_once(tmp_path: Path) -> None:
    book, channels, saved = Book(), [Listener("a"), Listener("b")], []
    outbox.put(book, [letter()], NOW)

    assert outbox.send(book, channels, NOW, lambda: saved.append(len(book.letters))) == [SendResult("test", "")] * 2
    assert [channel.heard for channel in channels] == [[letter()]] * 2
    assert book.letters == [] and saved == [1, 1, 0]
    assert outbox.send(book, channels, NOW, nothing) == []


def test_a_channel_that_was_down_gets_what_it_missed_as_one_and_the_others_get_nothing_twice() -> None:
    book, well, down = Book(), Listener("well"), Listener("down")
    down.problem = "503"
    for number in range(3):
        outbox.put(book, [letter(f"t{number}")], NOW + number * 20 * MINUTE)
        outbox.send(book, [well, down], NOW + number * 20 * MINUTE, nothing)
    down.problem = ""

    results = outbox.send(book, [well, down], NOW + 60 * MINUTE, nothing)

    assert results == [SendResult("test", "")]
    assert [message.title for message in well.heard] == ["t0", "t1", "t2"]
    [joined] = down.heard
    assert joined.title == "3 messages of a time in which this channel took none"
    assert all(f"body of t{number}" in joined.body for number in range(3))
    assert book == Book(taken={"well": NOW + 40 * MINUTE, "down": NOW + 60 * MINUTE})


def test_a_channel_that_fails_is_tried_ever_more_rarely_and_again_at_once_after_a_success() -> None:
    book, channel = Book(), Listener()
    channel.problem = "503"
    outbox.put(book, [letter()], NOW)

    tried = [minute for minute in range(60) if outbox.send(book, [channel], NOW + minute * MINUTE, nothing)]
    assert tried == [0, 1, 3, 7, 15, 30, 45]

    channel.problem = ""
    assert outbox.send(book, [channel], NOW + 61 * MINUTE, nothing) and book.trials == {}
    channel.problem = "503"
    outbox.put(book, [letter()], NOW + 62 * MINUTE)
    assert outbox.send(book, [channel], NOW + 62 * MINUTE, nothing)
    assert book.trials["one"].failures == 1
    assert book.trials["one"].next_ns == NOW + 62 * MINUTE + 55 * NS_PER_SECOND


@pytest.mark.parametrize(("ahead", "waits"), [(0, False), (1, True), (900, True), (901, False), (-1, False)])
def test_a_clock_that_was_set_back_does_not_make_a_pause_longer(ahead: int, waits: bool) -> None:
    book = Book(trials={"one": Trial(5, NOW + ahead * NS_PER_SECOND)})
    outbox.put(book, [letter()], NOW)

    assert (outbox.send(book, [Listener()], NOW, nothing) == []) is waits


def test_a_new_channel_does_not_get_what_the_others_took_before() -> None:
    book, old, new = Book(), Listener("old"), Listener("new")
    deaf = Listener("deaf")
    deaf.problem = "no"
    outbox.put(book, [letter()], NOW)
    outbox.send(book, [old, deaf], NOW, nothing)

    outbox.send(book, [old, deaf, new], NOW + MINUTE, nothing)

    assert new.heard == [] and len(old.heard) == 1 and len(book.letters) == 1


def test_channels_that_replace_deaf_ones_get_what_nobody_took() -> None:
    book, deaf, new = Book(), Listener("deaf"), Listener("new")
    deaf.problem = "wrong password"
    outbox.put(book, [letter()], NOW)
    outbox.send(book, [deaf], NOW, nothing)

    outbox.send(book, [new], NOW + MINUTE, nothing)

    assert new.heard == [letter()]
    assert book == Book(taken={"new": NOW + MINUTE})


def test_when_a_channel_took_its_last_message_is_forgotten_with_the_channel() -> None:
    book, old, new = Book(), Listener("old"), Listener("new")
    outbox.put(book, [letter()], NOW)
    outbox.send(book, [old], NOW, nothing)
    outbox.put(book, [letter()], NOW + MINUTE)

    outbox.send(book, [new], NOW + MINUTE, nothing)

    assert book.taken == {"new": NOW + MINUTE}


def test_what_the_last_channel_took_goes_with_a_channel_that_was_removed() -> None:
    book, well, deaf = Book(), Listener("well"), Listener("deaf")
    deaf.problem = "no"
    outbox.put(book, [letter()], NOW)
    outbox.send(book, [well, deaf], NOW, nothing)

    outbox.send(book, [well], NOW + MINUTE, nothing)

    assert book == Book(taken={"well": NOW}) and len(well.heard) == 1


def test_messages_are_kept_for_a_day_and_up_to_a_hundred_and_what_is_dropped_is_said(logged: Any) -> None:
    book = Book()
    outbox.put(book, [letter(f"t{number}") for number in range(101)], NOW)
    assert [each.title for each in book.letters][:2] == ["t1", "t2"] and len(book.letters) == 100
    assert [(line["event"], line["title"]) for line in logged] == [("message_dropped", "t0")]
    outbox.put(book, [], NOW + DAY - 1)
    assert len(book.letters) == 100

    outbox.put(book, [letter("new")], NOW + DAY)
    assert [each.title for each in book.letters] == ["new"]
    assert len(logged) == 101


def test_what_somebody_took_is_dropped_without_a_word(logged: Any) -> None:
    book = Book(letters=[Letter(2, "a", "b", "c", NOW, ["deaf"], taken=True)])
    outbox.put(book, [], NOW + DAY)

    assert book.letters == [] and logged == []


def test_the_severity_survives_the_way_through_the_book() -> None:
    book, channel = Book(), Listener()
    outbox.put(
        book,
        [
            Message(CLEAR, "c", "title", "body"),
        ],
        NOW,
    )
    outbox.send(book, [channel], NOW, nothing)

    assert channel.heard == [Message(CLEAR, "c", "title", "body")]


# --- the log


def test_the_log_has_a_line_a_notice_in_the_days_file(tmp_path: Path) -> None:
    append(tmp_path, [log_line(WARNING, "recorder", "The disk\n is  nearly full", NOW)], NOW)
    append(tmp_path, [log_line(CRITICAL, "close", "failed <b>", NOW), "and more"], NOW)

    file = tmp_path / "alerts_2026-11-23.log"
    assert file.read_text().splitlines() == [
        "[2026-11-23 10:00:00] [WARNING ] [recorder] The disk is nearly full",
        "[2026-11-23 10:00:00] [CRITICAL] [close] failed <b>",
        "and more",
    ]
    assert not file.stat().st_mode & 0o137


def test_the_day_of_the_log_is_indias(tmp_path: Path) -> None:
    append(tmp_path, ["late"], at("2026-11-23T00:10:00"))

    assert [path.name for path in tmp_path.iterdir()] == ["alerts_2026-11-23.log"]


def test_seven_days_are_kept_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    today = date(2026, 11, 23)
    for age in range(10):
        (tmp_path / f"alerts_{today - timedelta(days=age)}.log").touch()
    for name in ("alerts_2020-01-01.log.gz", "my_alerts_2020-01-01.log", "alerts_2020-13-01.log"):
        (tmp_path / name).touch()

    append(tmp_path, [], NOW)

    kept = {f"alerts_{today - timedelta(days=age)}.log" for age in range(7)}
    assert {path.name for path in tmp_path.iterdir()} == kept | {
        "alerts_2020-01-01.log.gz", "my_alerts_2020-01-01.log", "alerts_2020-13-01.log"
    }  # fmt: skip


def test_a_quiet_day_makes_no_file_and_a_link_is_not_followed(tmp_path: Path) -> None:
    append(tmp_path, [], NOW)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "alerts_2026-11-23.log").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic link"):
        append(tmp_path, ["a"], NOW)
    assert not (tmp_path / "target").exists()


# --- what became of a refresh

DAYS = "A login before then stores a new one.\nLog in"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (RenewalOutcome("renewed", "valid", True), None),
        (RenewalOutcome("later", "503", True), None),
        (RenewalOutcome("gone", "discontinued", False), None),
        (
            RenewalOutcome("gone", "discontinued", True),
            (WARNING, "refresh_gone", "The broker no longer refreshes tokens: log in each day from now on",
             "discontinued\nLog in"),
        ),
        (
            RenewalOutcome("refused", "wrong pin", True),
            (WARNING, "refresh_refused", "The token was not refreshed: log in for today", "wrong pin\nLog in"),
        ),
        (RenewalOutcome("renewed", "", False, 3), (INFO, "refresh_days", "The refresh token ends within 3 days", DAYS)),
        (RenewalOutcome("renewed", "", False, 1), (INFO, "refresh_days", "The refresh token ends within 1 day", DAYS)),
    ],
)  # fmt: skip
def test_what_became_of_a_refresh_is_told_when_a_person_must_act(outcome: RenewalOutcome, told: Any) -> None:
    assert message_of(outcome, "Log in") == (Message(*told) if told else None)
