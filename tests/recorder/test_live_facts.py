"""What the live page says beside the data: the recorder's own facts, and what is due; and minutes of last prices."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.journals import OPEN_NS

from harvester.base.clock import NS_PER_SECOND
from harvester.live import due_table
from harvester.live.bars import Minute
from harvester.live.due_table import DueTable
from harvester.live.quotes import MINUTE_NS, QuoteMinutes
from harvester.live.recorder import RecorderNews
from lab.testing import wait_until

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
DUE = {"kind": "job", "name": "copy", "state": "missing"}
SAID = json.dumps({"entries": [DUE]})


def asked(monkeypatch: pytest.MonkeyPatch, answer: Any) -> tuple[dict[str, Any], list[list[str]]]:
    """What a table shows after its first question, and the questions."""
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        assert options["timeout"] < due_table.EVERY_SECONDS, "one answer before the next question"
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(command, *answer)

    monkeypatch.setattr(subprocess, "run", run)
    table = DueTable(Path("/etc/h.json"))
    assert table.state == {"entries": [], "problem": "not asked yet"}
    table.start()
    assert wait_until(lambda: table.state["problem"] != "not asked yet", 60)
    table.stop()
    return table.state, commands


@pytest.mark.parametrize(
    ("answer", "entries", "problem"),
    [
        ((0, SAID, ""), [DUE], ""),
        ((3, SAID, ""), [DUE], ""),
        ((0, f"a timer could not be asked\n{SAID}\n", "a warning\n"), [DUE], ""),
        ((1, SAID, "first\nthe disk fails\n"), [], "the disk fails"),
        ((1, "", ""), [], "harvester's list of dues ended with 1"),
        ((0, "", "said nothing\n"), [], "said nothing"),
        ((0, "no JSON", ""), [], "what is due has no answer (JSONDecodeError)"),
        ((0, "{}", ""), [], "what is due has no answer (KeyError)"),
        (OSError(2, "gone"), [], "what is due has no answer (FileNotFoundError)"),
        (subprocess.TimeoutExpired("due", 50), [], "what is due has no answer (TimeoutExpired)"),
    ],
)
def test_what_is_due_is_what_the_command_says_or_why_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, answer: Any, entries: list[dict[str, str]], problem: str
) -> None:
    state, commands = asked(monkeypatch, answer)

    assert state == {"entries": entries, "problem": problem}
    [command] = commands
    assert command[1:] == ["-m", "harvester", "due", "--json", "--config", "/etc/h.json"]


def test_the_recorders_own_facts_are_those_of_its_status(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    news = RecorderNews(path)
    unknown = {"release": None, "open": None, "phases": None, "token": None, "open_gaps": 0}
    assert news.describe() == {"problem": "the recorder's state was not looked at yet", **unknown}
    news.look(OPEN_NS)
    assert news.describe() == {"problem": "the recorder does not run", **unknown}

    status = {"release": "r7", "window": {"open": True, "phases": ["continuous"]}, "token": {"state": "refused"}}
    path.write_text(json.dumps({"written_at_ns": OPEN_NS, "symbols": {}, "open_gaps": [{}, {}], **status}))
    news.look(OPEN_NS)
    facts = {"release": "r7", "open": True, "phases": ["continuous"], "token": "refused", "open_gaps": 2}
    assert news.describe() == {"problem": "", **facts}


@pytest.mark.parametrize("seconds", [11, -11])
def test_a_problem_is_over_when_the_same_file_is_fresh_again(tmp_path: Path, seconds: int) -> None:
    """Of a clock that was wrong for a while, and where the file could not be reached."""
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"written_at_ns": OPEN_NS, "symbols": {}, "open_gaps": []}))
    news = RecorderNews(path)
    news.look(OPEN_NS)

    news.look(OPEN_NS + seconds * 1_000_000_000)
    assert str(abs(seconds)) in news.problem
    news.look(OPEN_NS)
    assert news.problem == ""
    path.rename(tmp_path / "away")
    news.look(OPEN_NS)
    assert news.problem == "the recorder does not run"
    (tmp_path / "away").rename(path)
    news.look(OPEN_NS)
    assert news.problem == ""


def test_minutes_of_last_prices_have_the_shares_since_the_minute_before() -> None:
    quotes = QuoteMinutes()
    for seconds, price, traded in ((1, 80_000, 1_000), (59, 80_010, 1_200), (60, 80_020, 1_200), (119, 80_005, 1_500)):
        quotes.see(SBIN, OPEN_NS + seconds * NS_PER_SECOND, price, traded)
    quotes.see(SBIN, OPEN_NS + 121 * NS_PER_SECOND, 80_030, None)
    quotes.see(SBIN, OPEN_NS + 181 * NS_PER_SECOND, 80_040, 1_600)

    assert quotes.bars(SBIN) == [
        Minute(OPEN_NS, 80_010, 0),
        Minute(OPEN_NS + MINUTE_NS, 80_005, 300),
        Minute(OPEN_NS + 2 * MINUTE_NS, 80_030, 0),
        Minute(OPEN_NS + 3 * MINUTE_NS, 80_040, 100),
    ]
    assert quotes.bars(INFY) == []


def test_a_clock_that_was_set_back_comes_to_a_minute_again_and_the_order_stays() -> None:
    quotes = QuoteMinutes()
    for minute, price, traded in ((0, 100, 10), (2, 120, None), (1, 110, 25), (2, 121, 40), (0, 101, None)):
        quotes.see(SBIN, OPEN_NS + minute * MINUTE_NS, price, traded)

    assert quotes.bars(SBIN) == [
        Minute(OPEN_NS, 101, 0),
        Minute(OPEN_NS + MINUTE_NS, 110, 15),
        Minute(OPEN_NS + 2 * MINUTE_NS, 121, 15),
    ]


def test_no_shares_at_all_are_a_number_and_not_a_number_that_nobody_said() -> None:
    quotes = QuoteMinutes()
    for minute, traded in enumerate((0, 5, None, 3)):
        quotes.see(SBIN, OPEN_NS + minute * MINUTE_NS, 100, traded)

    assert [bar.volume for bar in quotes.bars(SBIN)] == [0, 5, 0, 0], "of 3 after 5, a count that begins anew, nothing"
