"""doctor --production: each check passes, is red for its own fault with a remedy, or says why it is not for here."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from runbook.doctor import production
from runbook.doctor.finding import Finding, Severity, fail, nothing, ok
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection

FRIDAY = date(2026, 11, 27)
DAY_NS = 24 * 3600 * NS_PER_SECOND
NOW_NS = int(datetime(2026, 11, 30, 5, 0, tzinfo=UTC).timestamp()) * NS_PER_SECOND
"""Monday, 10:30 in India: a session."""
NOW_MS = NOW_NS // 10**6
PLAIN: dict[str, Any] = {
    "feeds": ["fyers-rest", "fyers-history"],
    "symbols": ["NSE:SBIN-EQ"],
    "broker": {"app_id": "ABCDE12345-100"},
}
ROWS = {"kind": "postgres", "name": "rows", "place": "file:/etc/harvester/dsn"}


def entry(kind: str, **changes: Any) -> dict[str, Any]:
    plain = {"kind": kind, "name": f"the {kind}", "state": "met", "met_ns": 1, "by_ns": NOW_NS, "proof": "seen"}
    return plain | {"cause": "", "remedy": ""} | changes


class Answers:
    """A host behind SSH whose program answers in JSON; what is not told is not answered."""

    def __init__(self) -> None:
        self.entries = [entry("feed"), entry("upload"), entry("postgres")]
        self.report: dict[str, Any] = {
            "session": {"open": True},
            "checks": [{"name": "channels", "ok": True, "detail": "", "fix": ""}],
            "channels": {"count": 2, "taken_ns": NOW_NS - DAY_NS},
            "status": {"window": {"open": True, "open_ns": NOW_NS - DAY_NS // 24}},
        }
        self.page: dict[str, Any] | None = {
            "now": NOW_MS,
            "symbols": [
                {"name": "NSE:SBIN-EQ", "last": NOW_MS - 3_000, "patience": 15_000},
                {"name": "NSE:INFY-EQ", "last": None, "patience": 15_000},
            ],
        }
        record = {"ended_ns": NOW_NS - DAY_NS, "result": "ok", "proof": "it ended with 0", "cause": ""}
        self.jobs: list[dict[str, Any]] = [
            {"name": "close", "last": None},
            {"name": "database-restore-test", "last": record, "why": ""},
        ]
        self.compared = [
            {"name": "rows", "date": str(FRIDAY), "place": "db:5432", "rows": 9, "equal": 9, "left_out": ""}
        ]
        self.bars = [{"symbol": "NSE:SBIN-EQ", "bars": 20, "differing": [], "problem": ""}]
        self.asked: list[str] = []

    def run(self, line: SshConnection, command: Sequence[str], **__: Any) -> "subprocess.CompletedProcess[bytes]":
        assert line.host.address == "192.0.2.1"
        said = " ".join(command)
        self.asked.append(said)
        if said.endswith("live --attach"):
            body = json.dumps(self.page).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            out, error = (head + body, b"") if self.page is not None else (b"", b"there is no socket")
            return subprocess.CompletedProcess(list(command), int(not out), out, error)
        answer: Any = {}
        if " due --json" in said:
            answer = {"entries": self.entries, "settled": True}
        elif " health --json" in said:
            answer = self.report
        elif " deliver-rows " in said:
            answer = self.compared
        elif " compare-candles " in said:
            answer = self.bars
        elif " job list" in said:
            answer = {"jobs": self.jobs}
        return subprocess.CompletedProcess(list(command), 0, json.dumps(answer).encode(), b"")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers()
    monkeypatch.setattr(SshConnection, "run", lambda self, *args, **more: made.run(self, *args, **more))
    return made


def settings(**more: Any) -> Settings:
    return validate(Settings, PLAIN | more)


HOST = Host("h1", "192.0.2.1", variables={"harvester_settings": PLAIN, "database_backup": {"database": "mydb"}})
FULL = {"upload": {"bucket": "a-bucket"}, "deliveries": [ROWS]}


def findings(now_ns: int = NOW_NS, host: Host = HOST, **more: Any) -> dict[str, Finding]:
    found = production.examine_host(host, settings(**(more or FULL)), TradingCalendar.load(), now_ns)
    return {each.name.removeprefix("h1: "): each for each in found}


def test_a_host_of_which_all_was_seen_passes_and_is_asked_for_the_newest_closed_day(answers: Answers) -> None:
    found = findings()

    assert {name: each.level for name, each in found.items()} == dict.fromkeys(
        ("recorded day", "last bars", "bucket", "rows", "live page", "channels", "restored backup"), Severity.OK
    )
    assert not any(each.fix for each in found.values())
    assert found["recorded day"].detail == "2026-11-27: the feed, seen"
    assert found["live page"].detail == "the newest point, of NSE:SBIN-EQ, is 3.0 s old"
    [asked] = [said for said in answers.asked if " due " in said]
    assert asked.endswith("due --json --date 2026-11-27")


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-11-30T13:05", "2026-11-27"),
        ("2026-11-30T13:11", "2026-11-30"),
        ("2026-11-29T12:00", "2026-11-27"),
    ],
    ids=["before the close is over", "after it", "on a Sunday"],
)
def test_the_day_is_the_newest_whose_close_is_over(utc: str, day: str) -> None:
    wall_ns = int(datetime.fromisoformat(f"{utc}+00:00").timestamp()) * NS_PER_SECOND

    assert str(production.newest_closed(settings(), TradingCalendar.load(), wall_ns)) == day


@pytest.mark.parametrize(("kind", "check"), [("feed", "recorded day"), ("upload", "bucket"), ("postgres", "rows")])
@pytest.mark.parametrize(
    ("changes", "level", "says", "fix"),
    [
        ({"state": "missing", "met_ns": None, "cause": "not there", "remedy": "do it"}, "fail", "not there", "do it"),
        ({"state": "unknown", "met_ns": None, "cause": "", "remedy": "do it"}, "fail", "unknown", "do it"),
        ({"state": "partial", "cause": "0.40 % is lacking: timeout"}, "fail", "0.40 % is lacking", "./inv due"),
        ({"state": "late", "cause": ""}, "ok", "2026-11-27", ""),
        ({"state": "waiting", "met_ns": None}, "none", "time left for it until 30 Nov 10:30 IST", ""),
    ],
    ids=["missing", "unknown", "partial", "late", "waiting"],
)
def test_what_is_lacking_of_the_day_is_red_for_its_own_check_alone(
    answers: Answers, kind: str, check: str, changes: dict[str, Any], level: str, says: str, fix: str
) -> None:
    answers.entries = [entry(each, **(changes if each == kind else {})) for each in ("feed", "upload", "postgres")]

    found = findings()

    assert (found[check].level, fix in found[check].fix, bool(found[check].fix)) == (level, True, bool(fix))
    assert says in found[check].detail
    assert {name for name, each in found.items() if each.level != "ok"} == {check} - (
        {check} if level == "ok" else set()
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"equal": 8}, "8 of 9 rows are as in the lake in db:5432"),
        ({"rows": 0, "equal": 0}, "0 of 0 rows"),
        ({"rows": 0, "equal": 0, "left_out": "it has no candles"}, "it has no candles"),
    ],
    ids=["one differs", "none", "left out"],
)
def test_rows_that_are_not_those_of_the_lake_are_told_whatever_the_receipt_says(
    answers: Answers, changes: dict[str, Any], says: str
) -> None:
    assert findings()["rows"].detail == "2026-11-27: 9 of 9 rows are as in the lake in db:5432"
    answers.compared.insert(0, answers.compared[0] | changes)

    found = findings()["rows"]

    assert (found.level, says in found.detail, found.fix[-27:]) == (
        "fail",
        True,
        "./inv deliver --date 2026-11-27"[-27:],
    )
    assert "9 of 9" not in found.detail


@pytest.mark.parametrize(
    ("changes", "says", "fix"),
    [
        ({"differing": ["it was 600", "it was 601"]}, "2026-11-27: 2 bars differ: it was 600", "./inv query"),
        ({"bars": 0, "problem": "timeout, no answer"}, "2026-11-27: timeout, no answer", "./inv token-push"),
    ],
    ids=["two differ", "not asked"],
)
def test_last_bars_that_the_broker_says_otherwise_are_told(
    answers: Answers, changes: dict[str, Any], says: str, fix: str
) -> None:
    assert findings()["last bars"].detail == "2026-11-27: 20 of 20 bars of 1 symbols are what the broker says now"
    answers.bars.append(answers.bars[0] | changes)

    found = findings()["last bars"]

    assert (found.level, found.detail, fix in found.fix) == ("fail", says, True)
    assert any(said.endswith("compare-candles --json --date 2026-11-27") for said in answers.asked)


def test_a_host_that_records_no_candles_has_no_bars_to_compare(answers: Answers) -> None:
    assert findings(feeds=["fyers-rest"])["last bars"].level == "none"
    assert not any("compare-candles" in said for said in answers.asked)


def test_one_of_several_that_waits_hides_none_that_is_missing(answers: Answers) -> None:
    answers.entries.append(entry("feed", state="waiting", met_ns=None))
    answers.entries.append(entry("feed", name="the other", state="missing", met_ns=None, cause="lost", remedy="fix"))

    found = findings()["recorded day"]

    assert (found.level, "the other: lost" in found.detail, found.fix) == ("fail", True, "fix")


def test_a_day_of_which_nothing_is_known_is_none_that_was_recorded(answers: Answers) -> None:
    answers.entries = []

    found = findings()

    assert [found[name].level for name in ("recorded day", "bucket", "rows")] == ["fail"] * 3
    assert "nothing was recorded" in found["recorded day"].detail


def test_what_a_host_does_not_have_is_not_applicable_with_its_reason(answers: Answers) -> None:
    found = findings(host=Host("h1", "192.0.2.1"), upload={})

    reasons = {name: each.detail for name, each in found.items() if each.level == Severity.NONE}
    assert set(reasons) == {"bucket", "rows", "restored backup"}
    assert all(reasons.values()) and "database_backup" in reasons["restored backup"]


def page(answers: Answers) -> Finding:
    return findings()["live page"]


def test_a_page_whose_newest_point_is_older_than_its_patience_is_not_fresh(answers: Answers) -> None:
    assert answers.page
    answers.page["symbols"][0]["last"] = NOW_MS - 15_000
    assert page(answers).level == "ok"
    answers.page["symbols"][0]["last"] -= 1

    said = "the newest point, of NSE:SBIN-EQ, is 15.0 s old; its patience is 15.0 s"
    assert page(answers) == fail("h1: live page", said, production.PAGE)


def test_a_session_that_has_just_opened_has_its_patience(answers: Answers) -> None:
    assert answers.page
    answers.page["symbols"][0]["last"] = None
    answers.report["status"]["window"]["open_ns"] = NOW_NS - 10 * NS_PER_SECOND
    assert page(answers).level == "ok"
    answers.report["status"]["window"]["open_ns"] = NOW_NS - 20 * NS_PER_SECOND

    assert page(answers).level == "fail"


def test_a_page_without_a_symbol_is_not_fresh(answers: Answers) -> None:
    assert answers.page
    answers.page["symbols"] = []
    assert (page(answers).level, page(answers).detail) == ("fail", "it answers, and shows no symbol")


def test_outside_a_session_the_page_must_answer_and_its_age_says_nothing(answers: Answers) -> None:
    assert answers.page
    answers.page["symbols"][0]["last"] = NOW_MS - 10**8
    answers.report["session"] = {"open": False}
    assert (page(answers).level, "no session is open" in page(answers).detail) == ("none", True)
    answers.page = None

    assert (page(answers).level, "there is no socket" in page(answers).detail) == ("fail", True)


@pytest.mark.parametrize(
    ("channels", "level", "says", "fix"),
    [
        ({"taken_ns": NOW_NS - 31 * DAY_NS}, "ok", "each of 2 has taken a message since 2026-10-30 10:30 IST", ""),
        ({"taken_ns": NOW_NS - 31 * DAY_NS - 1}, "fail", "2026-10-30 10:29 IST", "./inv notify-test"),
        ({"taken_ns": 0}, "fail", "has taken no message yet", "./inv notify-test"),
        ({"count": 0, "taken_ns": 0}, "fail", "no alert channel", "./inv secret-put --name channels"),
        (None, "fail", "have not looked", "./inv logs --unit harvester-alert"),
    ],
    ids=["a month ago", "before", "never", "none", "unseen"],
)
def test_each_channel_must_have_taken_a_message_within_a_month(
    answers: Answers, channels: dict[str, int] | None, level: str, says: str, fix: str
) -> None:
    answers.report["channels"] = channels and answers.report["channels"] | channels

    found = findings()["channels"]

    assert (found.level, says in found.detail, fix in found.fix) == (level, True, True)


def test_a_channel_that_refuses_now_is_told_as_the_host_tells_it(answers: Answers) -> None:
    refusal = {"name": "channels", "ok": False, "detail": "1 of 2 do not take messages", "fix": "./inv notify-test"}
    answers.report["checks"] = [{"name": "disk", "ok": False, "detail": "full", "fix": "x"}, refusal]

    found = findings()["channels"]

    assert (found.level, found.detail, found.fix) == ("fail", refusal["detail"], refusal["fix"])


@pytest.mark.parametrize(
    ("last", "level", "says"),
    [
        ({"ended_ns": NOW_NS - 8 * DAY_NS}, "ok", "2026-11-22 10:30 IST"),
        ({"ended_ns": NOW_NS - 8 * DAY_NS - 1}, "fail", "more than 8 days ago"),
        ({"result": "failed", "cause": "pg_restore: no"}, "fail", "pg_restore: no"),
        (None, "fail", "no backup was restored yet"),
    ],
    ids=["eight days", "older", "failed", "never"],
)
def test_a_backup_counts_as_restored_for_eight_days(
    answers: Answers, last: dict[str, Any] | None, level: str, says: str
) -> None:
    answers.jobs[1]["last"] = None if last is None else answers.jobs[1]["last"] | last

    found = findings()["restored backup"]

    assert (found.level, says in found.detail) == (level, True)
    assert found.fix == ("" if level == "ok" else "./inv run-job --name database-restore-test")


def test_a_host_that_backs_up_and_has_no_test_is_told_to_deploy(answers: Answers) -> None:
    answers.jobs.pop()

    said = "the host has no job database-restore-test"
    assert findings()["restored backup"] == fail("h1: restored backup", said, "./inv deploy brings it.")


@pytest.mark.parametrize(("why", "more"), [("", ""), ("it is off", ": it is off")])
def test_a_backup_that_was_never_restored_says_why_where_the_host_knows(answers: Answers, why: str, more: str) -> None:
    answers.jobs[1] |= {"last": None, "why": why}

    said = f"no backup was restored yet{more}"
    fix = "./inv run-job --name database-restore-test"
    assert findings()["restored backup"] == fail("h1: restored backup", said, fix)


def test_a_host_that_does_not_say_what_was_due_or_what_jobs_it_has_is_told_under_each_name(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production.dues, "gather", lambda *_: [production.dues.HostDues("h1", error="no route")])
    monkeypatch.setattr(production.jobs, "gather", lambda *_: [production.jobs.HostJobs("h1", error="no route")])

    found = list(production.examine_host(HOST, settings(**FULL), TradingCalendar.load(), NOW_NS))

    names = ("recorded day", "last bars", "bucket", "rows", "restored backup")
    wrong = [each for each in found if each.level != Severity.OK]
    assert wrong == [fail(f"h1: {name}", "no route", "See there.") for name in names]


def test_without_a_trading_day_in_a_fortnight_the_calendar_is_to_blame() -> None:
    said = "the calendar has no trading day of the last 15 days"
    fix = "./inv calendar-update brings the coming year's list."
    assert list(production.check_day(HOST, settings(), None)) == [
        fail(f"h1: {name}", said, fix) for name in ("recorded day", "last bars", "bucket", "rows")
    ]


def test_an_answer_of_an_older_release_is_a_finding_and_no_traceback(answers: Answers) -> None:
    answers.report = {"status": {}}

    assert page(answers).fix == "The host may have an older release: ./inv deploy."


def test_hosts_that_sleep_or_whose_settings_are_refused_fail_and_the_others_are_looked_at(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def account(*_: object) -> Iterator[Finding]:
        yield ok("trail", "on")

    monkeypatch.setattr(production, "examine_account", account)
    monkeypatch.setattr(production, "path_of", lambda *_: None)
    hosts = [
        Host("h1", "192.0.2.1", variables={"harvester_asleep": True}),
        Host("h2", "192.0.2.1", variables={"harvester_settings": {}}),
        Host("h3", "192.0.2.1", variables={"harvester_settings": PLAIN}),
    ]

    found = list(production.examine_production(tmp_path, hosts, None))

    assert [(each.name, each.level) for each in found[:2]] == [("h1: host", "fail"), ("h2: settings", "fail")]
    assert "./inv wake" in found[0].fix
    assert [each.name for each in found[2:]] == [
        "h3: recorded day", "h3: last bars", "h3: bucket", "h3: rows",
        "h3: live page", "h3: channels", "h3: restored backup", "trail",
    ]  # fmt: skip


def test_each_reason_and_each_remedy_is_a_whole_sentence_of_its_own(answers: Answers) -> None:
    """What is red for one thing alone, word by word."""
    plain = findings(host=Host("h1", "192.0.2.1"), upload={}, feeds=["fyers-rest"])
    assert {name: each.detail for name, each in plain.items() if each.level == Severity.NONE} == {
        "last bars": "this host records no candles",
        "bucket": "this host has no bucket",
        "rows": "no delivery to a database is configured",
        "restored backup": "no database is backed up here (database_backup)",
    }
    assert {each.name for each in production.examine_host(HOST, settings(**FULL), TradingCalendar.load(), NOW_NS)} == {
        f"h1: {name}"
        for name in ("recorded day", "last bars", "bucket", "rows", "live page", "channels", "restored backup")
    }
    answers.report["session"] = {"open": False}
    closed = "it answers; no session is open, so how fresh it is cannot be seen"
    assert page(answers) == nothing("h1: live page", closed)
    answers.report["session"], answers.page = {"open": True}, {"now": NOW_MS, "symbols": []}
    assert page(answers) == fail("h1: live page", "it answers, and shows no symbol", production.PAGE)
    del answers.report["channels"]
    answers.jobs[1]["last"] = {"ended_ns": NOW_NS - 9 * DAY_NS, "result": "ok", "proof": "", "cause": ""}
    found = findings()
    old = "the last test that ended well is of 2026-11-21 10:30 IST, more than 8 days ago"
    test = "./inv run-job --name database-restore-test"
    assert found["restored backup"] == fail("h1: restored backup", old, test)
    older = "The host may have an older release: ./inv deploy."
    assert found["channels"] == fail("h1: channels", "the host's answer has no 'channels'", older)


@pytest.mark.parametrize(
    ("channels", "detail", "fix"),
    [
        (None, "the alerts have not looked at their channels yet", production.NO_CHANNELS),
        (
            {"count": 0, "taken_ns": 0},
            "no alert channel is configured, so the host itself tells nobody anything",
            production.STORE_CHANNELS,
        ),
        ({"taken_ns": 0}, "one of the channels has taken no message yet", "./inv notify-test sends one."),
        (
            {"taken_ns": NOW_NS - 40 * DAY_NS},
            "one of the channels took its last message 2026-10-21 10:30 IST",
            "./inv notify-test sends one.",
        ),
    ],
)
def test_what_is_wrong_with_the_channels_is_told_word_by_word(
    answers: Answers, channels: dict[str, int] | None, detail: str, fix: str
) -> None:
    answers.report["channels"] = channels and answers.report["channels"] | channels
    assert findings()["channels"] == fail("h1: channels", detail, fix)


def test_a_failed_restore_and_rows_bars_and_days_that_are_wrong_are_told_word_by_word(answers: Answers) -> None:
    answers.jobs[1]["last"] |= {"result": "failed", "cause": "pg_restore: no"}
    answers.compared = [
        answers.compared[0] | {"equal": 8},
        answers.compared[0] | {"left_out": "it has no candles"},
    ]
    answers.bars = [answers.bars[0] | {"problem": "timeout"}, answers.bars[0] | {"problem": "refused"}]
    answers.entries = [
        entry("feed", cause="0.40 % is lacking"),
        entry("feed", name="another", met_ns=None, state="missing"),
        entry("upload"),
        entry("upload", name="the receipt", proof="read"),
        entry("postgres"),
    ]
    found = findings()
    test = "./inv run-job --name database-restore-test"
    said = "the test of 2026-11-29 10:30 IST did not end well (failed): pg_restore: no"
    assert found["restored backup"] == fail("h1: restored backup", said, test)
    rows = "2026-11-27: 8 of 9 rows are as in the lake in db:5432; 2026-11-27: it has no candles"
    writes = "Look at what else writes there; then ./inv deliver --date 2026-11-27"
    assert found["rows"] == fail("h1: rows", rows, writes)
    assert found["last bars"] == fail("h1: last bars", "2026-11-27: timeout; refused", production.LOGIN)
    day = "2026-11-27: the feed: 0.40 % is lacking; another: missing"
    assert found["recorded day"] == fail("h1: recorded day", day, production.NEXT_DAY)
    assert found["bucket"] == ok("h1: bucket", "2026-11-27: the upload, seen; 2026-11-27: the receipt, read")
    answers.bars = [answers.bars[0] | {"problem": "", "bars": 3}, answers.bars[0] | {"problem": "", "differing": []}]
    bars = "2026-11-27: 23 of 23 bars of 2 symbols are what the broker says now"
    assert findings()["last bars"] == ok("h1: last bars", bars)
    answers.entries = []
    none = "2026-11-27: nothing was recorded by then, so nothing was due"
    assert findings()["bucket"] == fail("h1: bucket", none, production.NEXT_DAY)


def test_the_newest_day_may_be_a_fortnight_ago_and_its_close_must_be_over(monkeypatch: pytest.MonkeyPatch) -> None:
    only, closes_ns = date(2026, 11, 16), NOW_NS
    monkeypatch.setattr(
        production, "hours_by", lambda *_: lambda day: (closes_ns - DAY_NS, closes_ns) if day == only else None
    )

    def newest(wall_ns: int) -> date | None:
        return production.newest_closed(settings(), TradingCalendar.load(), wall_ns)

    assert newest(NOW_NS + production.CLOSE_NS) is None and newest(NOW_NS + production.CLOSE_NS + 1) == only
    closes_ns = NOW_NS - 20 * DAY_NS
    assert newest(NOW_NS) == only, "14 days before 30 November"
    assert newest(NOW_NS + DAY_NS) is None


def test_hosts_that_cannot_be_asked_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(production, "examine_account", lambda *given: asked.append(given) or [])
    monkeypatch.setattr(production, "path_of", lambda *given: asked.append(given))
    asleep = Host("h1", "192.0.2.1", variables={"harvester_asleep": True})
    refused = Host("h2", "192.0.2.1", variables={"harvester_settings": {}})
    first, second = production.examine_production(tmp_path, [asleep, refused], "mine")
    wake = "./inv wake starts it; then run this again."
    assert first == fail("h1: host", "asleep, so nothing can be asked of it", wake)
    assert (second.name, second.level, second.fix) == ("h2: settings", "fail", "./inv doctor says what to correct.")
    assert "broker" in second.detail and asked == [(tmp_path, "mine")]

    def load(file: Any, market: Any) -> Any:
        asked.append((file, market.name))
        raise ConfigError("no calendar")

    asked.clear()
    monkeypatch.setattr(production, "TradingCalendar", SimpleNamespace(load=load))
    monkeypatch.setattr(production, "path_of", lambda root, inventory, of: (root, inventory, *of))
    [found] = production.examine_production(tmp_path, [HOST], "mine")
    assert found == fail("h1: settings", "no calendar", "./inv doctor says what to correct.")
    assert asked == [((tmp_path, "mine", HOST.variables), "nse"), (tmp_path, "mine")]
