"""Deliveries and backups as commands: which parts they call with what, and what they say; the parts are the test's."""

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from io import StringIO
from types import SimpleNamespace as Thing
from typing import Any

import pytest

from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import INDIA
from harvester.base.redaction import Secret
from harvester.commands import (
    database,
    deliver,
    deliver_raw,
    deliver_rows,
)
from harvester.postgres import days as row_days
from harvester.postgres import feed as row_feed
from harvester.postgres.trouble import DatabaseError

DAY = date(2026, 11, 23)
AT_NS = int(datetime(2026, 11, 23, 9, 0, tzinfo=INDIA).timestamp()) * NS_PER_SECOND


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: AT_NS)


def delivery(name: str = "rows") -> Any:
    return Thing(name=name, kind="postgres", place="file:/dsn", region=None, tell_each=False)


SETTINGS: Any = Thing(
    deliveries=("of the settings",),
    market="us",
    host_id="h1",
    alerts=Thing(inbox="inbox"),
    metrics=Thing(environment=""),
    calendar=Thing(file="cal"),
)


class Rows:
    """A delivery of rows: databases that are opened, feeds that are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chosen: Sequence[Any], answers: dict[str, Any]) -> None:
        self.opened: list[Any] = []
        self.answers = answers

        def choose(given: Any, kind: str, name: Any) -> tuple[Any, ...]:
            assert (given, kind) == (SETTINGS.deliveries, "postgres")
            return tuple(each for each in chosen if name in (None, each.name))

        def open_database(*given: Any, **options: Any) -> Any:
            self.opened.append((given, options))
            return Database()

        class Database:
            def __enter__(self) -> str:
                return "place"

            def __exit__(self, *_: object) -> None:
                pass

        monkeypatch.setattr(deliver_rows, "choose", choose)
        monkeypatch.setattr(deliver_rows, "read_secret", lambda each: Secret(f"dsn of {each.name}"))
        monkeypatch.setattr(deliver_rows, "address_of", lambda each, secret: (each.name, secret.get_secret_value()))
        monkeypatch.setattr(deliver_rows, "owner_of", lambda settings, each: (settings.host_id, each.name))
        monkeypatch.setattr(deliver_rows, "Database", open_database)
        monkeypatch.setattr(row_days, "layouts_of", lambda each, market: (each.name, market.name))
        monkeypatch.setattr(row_feed, "RowFeed", self.feed)

    def feed(self, settings: Any, each: Any, place: str, clock: Any) -> Any:
        assert (settings, place, type(clock)) == (SETTINGS, "place", SystemClock)

        def take(partition: str) -> Any:
            answer = self.answers[f"{each.name} {partition}"]
            if isinstance(answer, Exception):
                raise answer
            return answer

        def partition(day: date | None) -> str:
            return str(day)

        return Thing(
            home=f"db {each.name}", partition=partition, due=lambda: ["one", "two"], deliver_day=take, compare_day=take
        )


def rows_of(said: dict[str, Any], **outcome: Any) -> Any:
    plain = {"left_out": "", "complete": True, "new": True, "problems": []}
    return Thing(outcome=Thing(**plain | outcome), describe=lambda: {"symbols": ["A"], "tables": ["bars"]} | said)


def asked(**options: Any) -> Namespace:
    plain = {"compare": False, "due": False, "live": False, "dsn": False, "date": None, "name": None, "json": False}
    return Namespace(**plain | options)


GOES_ON = "The next run goes on with what is lacking."


def test_days_are_delivered_to_each_database_and_one_that_is_away_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = Rows(
        monkeypatch,
        [delivery("a"), delivery("b")],
        {
            "a one": rows_of({"date": "2026-11-20", "records": 9, "tables": ["bars", "days"]}),
            "a two": DatabaseError("a is away"),
            "b one": rows_of({"date": "2026-11-20"}, left_out="it has no candles"),
            "b two": rows_of({"date": "2026-11-23"}, complete=False, problems=["one row", "another"]),
        },
    )
    with pytest.raises(HarvesterError) as caught:
        deliver_rows.run(asked(due=True), SETTINGS)

    assert str(caught.value) == f"a is away\none row\nanother\n{GOES_ON}"
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-20: complete, 9 rows of 1 symbols verified in db a; bars, days",
        "2026-11-20: it has no candles, so nothing is delivered.",
        "2026-11-23: not complete, 2 problems, 0 rows of 1 symbols verified in db b; bars",
    ]
    assert world.opened == [(((name, f"dsn of {name}"), ("h1", name), (name, "us")), {}) for name in ("a", "b")]


def test_a_day_that_is_named_is_brought_and_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {f"a {day}": rows_of({"date": str(day)}, new=False) for day in (DAY, None)}
    Rows(monkeypatch, [delivery("a"), delivery("b")], answers)

    assert deliver_rows.run(asked(date="2026-11-23", name="a"), SETTINGS) == 0
    assert deliver_rows.run(asked(name="a"), SETTINGS) == 0
    assert capsys.readouterr().out == "2026-11-23: complete in db a\nNone: complete in db a\n"
    assert deliver_rows.run(asked(name="a", json=True), SETTINGS) == 0
    assert capsys.readouterr().out.startswith('[\n {\n  "symbols": [')
    assert deliver_rows.run(asked(name="none"), SETTINGS) == 0
    said = "No delivery to a database is configured (deliveries), so nothing is delivered.\n"
    assert capsys.readouterr().out == said
    for wrong in ("date", "2026-11-31"):
        with pytest.raises(ConfigError, match=f"^--date '{wrong}' is not a date"):
            deliver_rows.run(asked(date=wrong), SETTINGS)
        with pytest.raises(ConfigError, match=f"^--date '{wrong}' is not a date"):
            deliver_rows.run(asked(date=wrong, compare=True), SETTINGS)


def test_a_comparison_reads_and_says_what_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compared(name: str, equal: int, left_out: str = "") -> Any:
        return row_feed.DayComparison(name, str(DAY), f"db {name}", rows=9, equal=equal, left_out=left_out)

    answers = {f"a {DAY}": compared("a", 9), f"b {DAY}": compared("b", 9, "it has no candles")}
    world = Rows(monkeypatch, [delivery("a"), delivery("b")], answers)
    words = {"compare": True, "date": "2026-11-23"}

    assert deliver_rows.run(asked(**words), SETTINGS) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-23: 9 of 9 rows are the same in db a",
        "2026-11-23: it has no candles in db b",
    ]
    assert {str(options) for _, options in world.opened} == {"{'is_read': True}"}
    assert world.opened[0][0] == (("a", "dsn of a"), ("h1", "a"), ("a", "us"))
    answers[f"a {DAY}"] = compared("a", 8)
    said = "not every row is there as it is here. Look at what else writes there; --date brings them."
    with pytest.raises(HarvesterError) as caught:
        deliver_rows.run(asked(**words, json=True), SETTINGS)
    assert str(caught.value) == said
    assert '"equal": 8' in capsys.readouterr().out
    for other in ("due", "live", "dsn"):
        with pytest.raises(ConfigError) as refused:
            deliver_rows.run(asked(compare=True, **{other: True}), SETTINGS)
        assert str(refused.value) == (
            "--compare goes with --date, --name and --json alone: it looks at one day, and brings nothing."
        )


def test_people_are_told_of_rows_that_do_not_arrive_and_of_their_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posted: list[Any] = []
    monkeypatch.setattr(deliver_rows, "post", lambda *given: posted.append(given))
    for problem in ("refused", ""):
        deliver_rows._tell(SETTINGS, "rows", problem)
    words = ("bars do not reach the database of rows: refused", "bars reach the database of rows")
    assert posted == [
        ("inbox", Notice(severity, "rows", "delivery rows", "h1", said))
        for severity, said in zip((Severity.WARNING, Severity.CLEAR), words, strict=True)
    ]

    def fail(*_: object) -> None:
        raise HarvesterError("no inbox")

    monkeypatch.setattr(deliver_rows, "post", fail)
    deliver_rows._tell(SETTINGS, "rows", "refused")
    assert capsys.readouterr().err == "no inbox\n"


def feed_result(**outcome: Any) -> Any:
    plain = {"partition": Thing(date=DAY), "left_out": "", "complete": True, "new": True, "put": 2, "problems": []}
    said = {"date": str(DAY), "symbols_processed": 3, "total_records": 144}
    more = {"missing": 4, "revised": 5} if outcome.pop("counted", False) else {}
    return Thing(outcome=Thing(**plain | outcome), describe=lambda: said | more)


def test_each_day_of_a_price_feed_that_something_happened_to_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    deliver._report(
        [
            feed_result(counted=True),
            feed_result(complete=False, new=False, problems=["a", "b"]),
            feed_result(new=False),
            feed_result(left_out="it is not settled", complete=False),
        ],
        "s3://b/",
    )
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-23: complete, 2 of 3 files verified in s3://b/; 144 bars, 4 missing, 5 revised",
        "2026-11-23: not complete, 2 problems, 2 of 3 files verified in s3://b/; 144 bars, 0 missing, 0 revised",
        "2026-11-23: it is not settled, so nothing is delivered.",
        "2 of 4 days are complete in s3://b/",
    ]


@pytest.mark.usefixtures("at")
def test_raw_answers_of_four_days_go_to_each_place_and_what_fails_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Any] = []
    asked_for: list[Any] = []

    def bring(settings: Any, each: Any, bucket: Any, day: Any, clock: Any) -> Any:
        asked_for.append((settings is SETTINGS, each.name, bucket.home, str(day.date), type(clock)))
        is_today = day.date == DAY
        return Thing(put=int(is_today), bytes=70, problems=[f"{each.name} fails"] if is_today else [])

    places = [delivery("a"), delivery("b")]
    monkeypatch.setattr(deliver_raw, "choose", lambda *given: places if given[2] is None else ())
    monkeypatch.setattr(deliver_raw, "open_place", lambda each: Thing(home=f"s3://{each.name}/"))
    monkeypatch.setattr(deliver_raw, "deliver_raw", bring)
    monkeypatch.setattr(deliver_raw, "tell_success", lambda *given: told.append(given[1:]))

    with pytest.raises(HarvesterError) as caught:
        deliver_raw.run(Namespace(date=None, name=None), SETTINGS)

    assert str(caught.value) == f"a fails\nb fails\n{GOES_ON}"
    days = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23")
    assert asked_for == [(True, name, f"s3://{name}/", day, SystemClock) for name in "ab" for day in days]
    said = [f"1 raw files and 70 bytes verified in s3://{name}/" for name in "ab"]
    assert capsys.readouterr().out.splitlines() == [f"2026-11-23: {each}" for each in said]
    assert told == [
        (place, f"The candles of 2026-11-23 came\n{each}", AT_NS) for place, each in zip(places, said, strict=True)
    ]
    assert deliver_raw.run(Namespace(date="2026-11-20", name="none"), SETTINGS) == 0
    assert capsys.readouterr().out == "No price feed is configured (deliveries), so nothing is delivered.\n"


@pytest.mark.parametrize(
    ("hour", "kind", "day"),
    [
        ((6, 59), "daily", date(2026, 11, 22)),
        ((7, 0), "daily", DAY),
        ((6, 59), "full", DAY),
    ],
)
def test_a_daily_backup_before_its_time_is_that_of_yesterday(
    monkeypatch: pytest.MonkeyPatch, hour: tuple[int, int], kind: Any, day: date
) -> None:
    wall_ns = int(datetime(2026, 11, 23, *hour, tzinfo=INDIA).timestamp()) * NS_PER_SECOND
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: wall_ns)
    assert database._day_of(Thing(export_at="07:00"), kind) == day  # type: ignore[arg-type]


@pytest.fixture
def backups(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the parts of a backup answer, by their names; each notes what it was given."""
    answers: dict[str, Any] = {
        "remove_old": [], "remove_left": [], "load": None, "unproven": [], "server_of": "server", "rows_from": "rows",
        "back_up_day": ["daily"], "back_up_all": "full", "describe": None, "given": {},
    }  # fmt: skip
    for name in [each for each in answers if each not in ("given", "describe")]:

        def answer(*given: Any, name: str = name) -> Any:
            answers["given"][name] = given
            return answers[name]

        monkeypatch.setattr(database, name, answer)
    monkeypatch.setattr(database, "describe", lambda backup: f"{backup} made")
    yield answers


def test_a_backup_is_made_once_and_what_waits_for_a_second_copy_is_told(
    backups: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    settings: Any = Thing(folder="/f", place="s3://b", keep_local_days=8)
    today = date(2026, 11, 24)
    database._back_up(settings, "daily", DAY, today)
    assert backups["given"]["back_up_day"] == ("server", settings, DAY, "rows")
    assert backups["given"]["rows_from"] == (settings, DAY)
    assert backups["given"]["load"] == ("/f", "daily", DAY)
    assert backups["given"]["remove_old"] == backups["given"]["remove_left"] == (settings, today)
    database._back_up(settings, "full", DAY, today)
    assert backups["given"]["back_up_all"] == ("server", settings, "/f", DAY)
    assert capsys.readouterr().out == "daily made\nfull made\n"
    backups |= {"remove_old": ["x"], "remove_left": ["y"], "load": Thing(path="p", made_at="noon"), "unproven": ["w"]}
    with pytest.raises(HarvesterError) as caught:
        database._back_up(settings, "full", DAY, today)
    assert str(caught.value) == (
        "w: the bucket was not seen to hold them for days. They stay here. Look at what `harvester database deliver`"
        " says."
    )
    assert capsys.readouterr().out.splitlines() == [
        "x: the bucket has it, and 8 days are over; the copy here is removed.",
        "y: its backup did not end, so it has no manifest; it is removed, and later backups have its rows.",
        "p is there already, made at noon.",
    ]
    settings.place = None
    with pytest.raises(HarvesterError) as caught:
        database._back_up(settings, "full", DAY, today)
    assert str(caught.value) == (
        "w: no laptop has pulled them for a week, and there is no bucket. They stay here, on the disk of this host"
        " alone. Run ./inv pull-database."
    )
    assert capsys.readouterr().out.startswith("x: a laptop has it, and 8 days are over;")


def test_a_dsn_is_handed_to_a_pipe_of_one_delivery_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Rows(monkeypatch, [delivery("a"), delivery("b")], {})
    refusal = "^--dsn is for the service: it hands a secret to a pipe, of the one delivery of --name.$"
    assert deliver_rows.run(asked(dsn=True, name="a"), SETTINGS) == 0
    assert capsys.readouterr().out == '"dsn of a"\n'
    with pytest.raises(ConfigError, match=refusal):
        deliver_rows.run(asked(dsn=True), SETTINGS)

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ConfigError, match=refusal):
        deliver_rows.run(asked(dsn=True, name="a"), SETTINGS)


@pytest.mark.parametrize("place", ["file:/dsn", "ssm:/a/dsn"])
def test_the_live_service_reads_a_file_itself_and_has_another_process_ask_a_store(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    each = delivery()
    each.place, each.live, each.row_tables = place, True, ("bars",)
    world = Rows(monkeypatch, [each], {})
    told: list[Any] = []

    class Live:
        def __init__(self, settings: Any, given: Any, calendar: Any, open_database: Any, clock: Any) -> None:
            assert (settings, given, calendar(), type(clock)) == (SETTINGS, each, CALENDAR, SystemClock)
            self.open = open_database
            self.state = Thing(problem="", date=DAY, home="db rows")

        def forget(self) -> None:
            told.append("forgotten")

    class Turns:
        def __init__(self, service: Live, folder: Any, clock: Any, tell: Any) -> None:
            told.append(folder)
            self.service, self.count = service, 0

        def turn(self, day: date) -> float:
            assert day == DAY
            self.service.open()
            self.count += 1
            if self.count == 2:
                signal.raise_signal(signal.SIGTERM)
            return 0.0

    class Told:
        def __getattr__(self, name: str) -> Any:
            return lambda words: told.append((name, words))

    CALENDAR = Thing(trading_date=lambda wall_ns: DAY)
    monkeypatch.setattr(deliver_rows.TradingCalendar, "load", {"cal": CALENDAR}.__getitem__)
    monkeypatch.setattr(deliver_rows, "LiveDelivery", Live)
    monkeypatch.setattr(deliver_rows, "Keeper", Turns)
    monkeypatch.setattr(deliver_rows, "Notifier", Told)
    monkeypatch.setattr(deliver_rows, "live_folder", lambda settings, name: f"folder of {name}")
    monkeypatch.setattr(deliver_rows, "layout_of", lambda table: f"layout of {table}")
    monkeypatch.setattr(deliver_rows, "settings_path", lambda config: f"path of {config}")
    monkeypatch.setattr(deliver_rows, "ask", lambda words: " ".join(words))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert deliver_rows.run(asked(live=True, config="c"), SETTINGS) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    dsn = "dsn of rows" if place == "file:/dsn" else "deliver-rows --dsn --name rows --config path of c"
    assert world.opened == [((("rows", dsn), ("h1", "rows"), ("layout of bars",)), {})] * 2
    assert told == [
        "folder of rows",
        ("ready", "delivers rows"),
        ("alive", "bars of 2026-11-23 go to db rows"),
        "forgotten",
        ("stopping", "asked to stop"),
    ]
    each.live = False
    assert deliver_rows.run(asked(live=True), SETTINGS) == 0
