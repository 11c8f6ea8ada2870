"""Which of two books counts: the one written last, wherever it lies, and whatever the other one is."""

from itertools import product
from pathlib import Path

import msgspec
import pytest

from harvester.alerts import outbox, rules
from harvester.alerts.book import WINDOW_SECONDS, Book, BookFile, Entry, Trial
from harvester.alerts.message import REPEAT_SECONDS, Message, Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import NS_PER_SECOND

TOLD = Entry("disk_full", "recorder", 1, told_ns=5, believed=True)


@pytest.mark.parametrize(("on_disk", "in_memory", "counts"), [(7, 6, "disk"), (6, 7, "memory"), (7, None, "disk")])
def test_the_book_of_the_highest_edition_counts(
    tmp_path: Path, on_disk: int, in_memory: int | None, counts: str
) -> None:
    """A spare that was left behind would end what is so, and tell again what was told."""
    disk, spare = tmp_path / "book.json", tmp_path / "spare.json"
    disk.write_bytes(msgspec.json.encode(Book([TOLD], beyond=1, edition=on_disk)))
    if in_memory is not None:
        spare.write_bytes(msgspec.json.encode(Book(beyond=2, edition=in_memory)))

    found = BookFile(disk, spare).read()

    assert found.beyond == {"disk": 1, "memory": 2}[counts]


@pytest.mark.parametrize("damaged", ["book.json", "spare.json"])
def test_a_damaged_one_leaves_the_other(tmp_path: Path, damaged: str) -> None:
    for name in ("book.json", "spare.json"):
        content = b"{" if name == damaged else msgspec.json.encode(Book(beyond=3, edition=1))
        (tmp_path / name).write_bytes(content)

    assert BookFile(tmp_path / "book.json", tmp_path / "spare.json").read().beyond == 3


class Listener:
    kind, name, ports = "test", "one", ()

    def send(self, message: Message) -> str:
        return ""


@pytest.mark.parametrize(
    ("ahead_s", "waits"),
    [(-1, False), (0, False), (1, True), (900, True), (901, False), (86_400, False)],
)
def test_a_pause_after_a_failure_is_of_minutes_also_where_the_clock_was_set_back(ahead_s: int, waits: bool) -> None:
    now_ns = 1_795_000_000 * NS_PER_SECOND
    book = Book(trials={"one": Trial(5, now_ns + ahead_s * NS_PER_SECOND)})
    outbox.put(book, [Message(Severity.CRITICAL, "disk_full", "Nothing is recorded", "")], now_ns)

    assert (outbox.send(book, [Listener()], now_ns, lambda: None) == []) is waits
    assert ("one" in book.trials) is waits, "a success ends the pause"


def test_a_storm_that_is_over_is_forgotten_with_all_that_it_held_back() -> None:
    """The window grows while it lasts; afterwards a single notice is told at once, and alone, as before it."""
    book, second = Book(), NS_PER_SECOND
    told: dict[int, list[str]] = {}

    def look(at_s: int, *causes: str) -> None:
        for cause in causes:
            rules.raise_notice(book, Notice(Severity.WARNING, cause, "unit", "h1", cause), at_s * second)
        messages, entries = rules.decide(book, at_s * second, repeating=False)
        if messages:
            told[at_s] = [entry.cause for entry in entries]

    look(1_000, "a", "b", "c")
    look(1_030, "d")
    look(1_060)
    assert told == {1_000: ["a"], 1_060: ["b", "c", "d"]}
    assert book.window_seconds > WINDOW_SECONDS
    look(1_060 + book.window_seconds, "e")
    assert book.window_seconds == WINDOW_SECONDS
    look(1_300, "f")
    again = 1_060 + REPEAT_SECONDS[Severity.WARNING]
    look(again, "b", "g")

    assert {at_s: causes for at_s, causes in told.items() if at_s > 1_060} == {1_170: ["e"], 1_300: ["f"], again: ["b"]}


@pytest.mark.parametrize(("before", "opens"), product([*Severity][1:], (*[*Severity][1:], None)))
def test_a_window_holds_back_what_is_no_graver_than_what_opened_it_whatever_was_told_before(
    before: Severity, opens: Severity | None
) -> None:
    """None: the end of what was told before opens it, than which all is graver."""
    second, minute = NS_PER_SECOND, 2_000
    for later in [*Severity][1:]:
        book = Book()
        rules.raise_notice(book, Notice(before, "before", "unit", "h1", "a"), 1_000 * second)
        assert len(rules.decide(book, 1_000 * second, repeating=False)[0]) == 1
        if opens is None:
            rules.end_notices(book, "unit", "before", minute * second)
        else:
            rules.raise_notice(book, Notice(opens, "opens", "unit", "h1", "b"), minute * second)
        assert len(rules.decide(book, minute * second, repeating=False)[0]) == 1

        rules.raise_notice(book, Notice(later, "later", "unit", "h1", "c"), (minute + 1) * second)
        told = [entry.cause for entry in rules.decide(book, (minute + 1) * second, repeating=False)[1]]
        assert told == (["later"] if later > (opens or 0) else [])


def test_an_all_clear_opens_a_window_so_that_the_next_one_waits_for_its_end() -> None:
    book, second = Book(), NS_PER_SECOND
    for number, cause in enumerate(("a", "b"), 1):
        rules.raise_notice(book, Notice(Severity.WARNING, cause, "unit", "h1", cause), number * 1_000 * second)
        assert len(rules.decide(book, number * 1_000 * second, repeating=False)[0]) == 1

    told = {}
    for at_s in (3_000, 3_010, 3_000 + WINDOW_SECONDS - 1, 3_000 + WINDOW_SECONDS):
        rules.end_notices(book, "unit", "a" if at_s == 3_000 else "b", at_s * second)
        told[at_s - 3_000] = [entry.cause for entry in rules.decide(book, at_s * second, repeating=False)[1]]

    assert told == {0: ["a"], 10: [], WINDOW_SECONDS - 1: [], WINDOW_SECONDS: ["b"]}


class Dying(Listener):
    name = "two"

    def send(self, message: Message) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("problem", ["", "it is down"])
def test_what_a_channel_said_is_kept_before_the_next_is_asked(problem: str) -> None:
    """The process may die in any of them: nobody is told twice, and a pause is not forgotten."""
    now_ns = 1_795_000_000 * NS_PER_SECOND
    book, kept, first = Book(), list[Book](), Listener()
    first.send = lambda message: problem  # type: ignore[method-assign]
    outbox.put(book, [Message(Severity.CRITICAL, "disk_full", "Nothing is recorded", "")], now_ns)

    def save() -> None:
        kept.append(msgspec.json.decode(msgspec.json.encode(book), type=Book))

    with pytest.raises(KeyboardInterrupt):
        outbox.send(book, [first, Dying()], now_ns, save)

    [letter] = kept[-1].letters
    assert letter.left == (["one", "two"] if problem else ["two"])
    assert ("one" in kept[-1].trials) is bool(problem)
    assert ("one" in kept[-1].taken) is (problem == "")
