"""The ledger of what is due: the judge by itself, and what jobs, feeds and uploads say of a day."""

import errno
import json
import os
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS
from tests.operator.support.made_lake import LakeMaker
from tests.recorder.fakes import make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from harvester.calendar import TradingCalendar
from harvester.config.segments import hours_of
from harvester.dues import wording
from harvester.dues.due import Due, Entry, Found, State, UnseenError
from harvester.dues.feeds import FeedSource
from harvester.dues.host import Seen, sources_of
from harvester.dues.jobs import JobFacts, JobSource
from harvester.dues.judge import is_settled, judge, judge_again, ledger_of, overdue
from harvester.dues.settled import read_settled, settle
from harvester.dues.uploads import UploadSource
from harvester.health.facts import Unit
from harvester.jobs.ask import EARLY_NS
from harvester.jobs.model import JobsFile
from harvester.jobs.records import RUNNING, Records, Result, Running
from harvester.jobs.schedule import Hours, read_schedule
from harvester.lake.layout import Partition

HOUR_NS, MINUTE_NS = 3600 * NS_PER_SECOND, 60 * NS_PER_SECOND
CALENDAR = TradingCalendar.load()
CLOSE_NS = OPEN_NS + 6 * HOUR_NS + 20 * MINUTE_NS
"""15:35 of DAY."""


def hours(day: date) -> Hours | None:
    return hours_of([CALENDAR], day, ("continuous", "closing_auction"))


def due(at_ns: int = OPEN_NS, within_ns: int = HOUR_NS, name: str = "copy", period: str = str(DAY)) -> Due:
    return Due(kind="thing", name=name, period=period, due_ns=at_ns, by_ns=at_ns + within_ns, proof="p", remedy="do it")


EARLY, LATE = OPEN_NS + MINUTE_NS, OPEN_NS + 2 * HOUR_NS
JUDGED: list[tuple[Found, int, State, str]] = [
    (Found(), EARLY, "waiting", ""),
    (Found(), OPEN_NS + HOUR_NS, "waiting", ""),
    (Found(), OPEN_NS + HOUR_NS + 1, "missing", "nothing was seen of it"),
    (Found(cause="it failed"), EARLY, "waiting", "it failed"),
    (Found(cause="it failed"), LATE, "missing", "it failed"),
    (Found(met_ns=EARLY), EARLY, "met", ""),
    (Found(met_ns=OPEN_NS + HOUR_NS), LATE, "met", ""),
    (Found(met_ns=OPEN_NS + HOUR_NS + 1), LATE, "late", ""),
    (Found(met_ns=EARLY, lack="3 % is lacking"), LATE, "partial", "3 % is lacking"),
    (Found(met_ns=LATE, lack="3 % is lacking"), LATE, "late", "3 % is lacking"),
    (Found(excused="the host was off"), LATE, "excused", "the host was off"),
    (Found(unseen="no rights"), EARLY, "unknown", "no rights"),
    (Found(unseen="no rights"), LATE, "unknown", "no rights"),
]


@pytest.mark.parametrize(("found", "now_ns", "state", "cause"), JUDGED)
def test_the_judge(found: Found, now_ns: int, state: State, cause: str) -> None:
    entry = judge(due(), found, now_ns)

    assert (entry.state, entry.cause) == (state, cause)


class Things:
    """A source of a later issue: it needs nothing but the two questions."""

    kind = "thing"
    tells = True

    def __init__(self, found: dict[tuple[str, str], Found], *, names: Sequence[str] = ("a", "b")) -> None:
        self.found, self.names = found, names

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        names = [name for name in self.names if name not in without]
        return [due(midnight_ns(day) + HOUR_NS, name=name, period=str(day)) for name in names]

    def find(self, wanted: Due) -> Found:
        return self.found.get((wanted.period, wanted.name), Found())


class Blind:
    kind = "worker"
    tells = True

    def __init__(self, *, declares: bool) -> None:
        self.declares = declares

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        if self.declares:
            return [due(name="w")]
        raise UnseenError("the mailbox cannot be reached")

    def find(self, wanted: Due) -> Found:
        raise UnseenError("the mailbox cannot be reached")


@pytest.mark.parametrize(("declares", "name"), [(True, "w"), (False, "*")])
def test_what_cannot_be_seen_is_unknown_and_hides_nothing_else(declares: bool, name: str) -> None:
    entries = ledger_of([Blind(declares=declares), Things({})], DAY, OPEN_NS)

    assert sorted((entry.due.name, entry.state) for entry in entries) == sorted(
        [(name, "unknown"), ("a", "missing"), ("b", "missing")]
    )
    assert not is_settled(entries)
    assert [entry.cause for entry in overdue([Blind(declares=declares)], [DAY], OPEN_NS)] == [
        "the mailbox cannot be reached"
    ]


def test_people_hear_of_the_newest_due_of_each_thing_alone() -> None:
    """What is waiting or excused today leaves what was missing yesterday as it is; what came today ends it."""
    before, today = str(DAY - timedelta(days=1)), str(DAY)
    cases: dict[tuple[Found, Found], list[str]] = {
        (Found(), Found(met_ns=1)): [],
        (Found(), Found()): [today],
        (Found(met_ns=1), Found()): [today],
        (Found(), Found(excused="off")): [before],
        (Found(told=True, cause="x"), Found(excused="off")): [],
        (Found(), Found(told=True, cause="x")): [],
        (Found(unseen="x"), Found(excused="off")): [before],
    }
    for (yesterdays, todays), told in cases.items():
        source = Things({(before, "a"): yesterdays, (today, "a"): todays}, names=["a"])
        entries = overdue([source], [DAY - timedelta(days=1), DAY], OPEN_NS)
        assert [entry.due.period for entry in entries] == told, (yesterdays, todays)


def test_the_watch_looks_at_no_more_than_it_must_of_what_is_due_every_minute(folder: Path) -> None:
    """Each minute: eight days of a job that is due each minute have 11,520 times."""
    record(folder, OPEN_NS, "ok")
    source, asked = JobSource([job("copy", "every 1min")], folder, hours), []
    find = source.find
    source.find = lambda due: asked.append(due) or find(due)  # type: ignore[assignment, func-returns-value, method-assign]

    assert (
        overdue([source], [DAY - timedelta(days=back) for back in range(7, -1, -1)], OPEN_NS + 30 * NS_PER_SECOND) == []
    )
    assert len(asked) == 1


def test_what_was_missing_and_came_after_all_is_put_right_and_nothing_else_changes() -> None:
    source = Things({})
    first = ledger_of([source], DAY, OPEN_NS)
    source.found[str(DAY), "a"] = Found(met_ns=OPEN_NS)
    source.names = ()  # the schedule is another one now

    again = judge_again([source], first, OPEN_NS + HOUR_NS)

    assert [(entry.due.name, entry.state) for entry in again] == [("a", "late"), ("b", "missing")]


def job(name: str, when: str, **changes: object) -> JobFacts:
    plain = {"trading_days": False, "within_ns": 12 * MINUTE_NS, "proof": "", "unit": f"harvester-job-{name}"}
    return JobFacts(**{"name": name, "schedule": read_schedule(when), "remedy": "do it"} | plain | changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records of the job `copy`, which is here since the day before."""
    (tmp_path / "copy").mkdir()
    since = tmp_path / "copy/since"
    since.touch()
    os.utime(since, ns=(midnight_ns(DAY) - 24 * HOUR_NS,) * 2)
    return tmp_path


def record(folder: Path, began_ns: int, result: Result, seconds: int = 60, **words: str) -> None:
    running = Running(job="copy", began_ns=began_ns)
    Records(folder / "copy").append(running.end(began_ns + seconds * NS_PER_SECOND, result, **words))


def states(source: JobSource, now_ns: int, day: date = DAY) -> list[tuple[str, State, str]]:
    return [(entry.due.period[11:16], entry.state, entry.cause) for entry in ledger_of([source], day, now_ns)]


def test_each_time_of_a_job_is_met_by_a_run_of_its_own(folder: Path) -> None:
    noon = midnight_ns(DAY) + 12 * HOUR_NS
    record(folder, midnight_ns(DAY) - NS_PER_SECOND, "ok")
    record(folder, midnight_ns(DAY) + 6 * HOUR_NS, "failed", cause="it ended with 1")
    record(folder, midnight_ns(DAY) + 6 * HOUR_NS + 30 * MINUTE_NS, "ok")

    assert states(JobSource([job("copy", "every 6h")], folder, hours), noon + HOUR_NS) == [
        ("00:00", "met", ""),
        ("06:00", "late", ""),
        ("12:00", "missing", "it did not start"),
        ("18:00", "waiting", ""),
    ]


@pytest.mark.parametrize(
    ("early_ns", "meets"),
    [(0, "12:00"), (EARLY_NS - 1, "12:00"), (EARLY_NS, "12:00"), (EARLY_NS + 1, "06:00"), (HOUR_NS, "06:00")],
)
def test_a_run_that_begins_before_a_time_is_of_that_one_or_of_the_one_before_and_never_of_both(
    folder: Path, early_ns: int, meets: str
) -> None:
    """Timers may be some seconds early: who failed at 06:00 is not well by the run of 12:00."""
    record(folder, midnight_ns(DAY) + 6 * HOUR_NS, "failed", cause="it ended with 1")
    record(folder, midnight_ns(DAY) + 12 * HOUR_NS - early_ns, "ok", seconds=1)

    found = states(JobSource([job("copy", "every 6h")], folder, hours), midnight_ns(DAY) + 13 * HOUR_NS)

    assert [at for at, state, _ in found if state in ("met", "late")] == [meets]
    assert found[1][2] == ("failed: it ended with 1" if meets == "12:00" else "")


def test_of_a_run_that_failed_its_unit_told_and_of_none_the_ledger_does(folder: Path) -> None:
    record(folder, midnight_ns(DAY) + 6 * HOUR_NS, "timeout", cause="it did not end within 600 s")
    source = JobSource([job("copy", "every 6h")], folder, hours)

    failed, none = (ledger_of([source], DAY, midnight_ns(DAY) + at * HOUR_NS)[index] for at, index in ((8, 1), (13, 2)))

    assert (failed.state, failed.cause, failed.told) == ("missing", "timeout: it did not end within 600 s", True)
    assert (none.state, none.told) == ("missing", False)
    built_in = JobSource([job("copy", "every 6h", tells=False)], folder, hours)
    assert overdue([built_in], [DAY], midnight_ns(DAY) + 13 * HOUR_NS) == []
    assert [each.due.period for each in overdue([source], [DAY], midnight_ns(DAY) + 13 * HOUR_NS)] == [
        f"{DAY} 12:00:00"
    ]


TIMER = {"present": True, "active": "active"}
WHY = [
    (TIMER, "it did not start, although harvester-job-copy.timer waits"),
    (TIMER | {"active": "inactive"}, "it did not start: harvester-job-copy.timer does not wait (inactive)"),
    ({"present": False}, "it did not start: harvester-job-copy.timer is not there"),
]


@pytest.mark.parametrize(("timer", "why"), WHY)
def test_why_a_job_did_not_start_systemd_says(folder: Path, timer: dict[str, object], why: str) -> None:
    timers = {"harvester-job-copy.timer": Unit(**timer)}  # type: ignore[arg-type]
    source = JobSource([job("copy", "16:00")], folder, hours, timers=timers)

    assert states(source, midnight_ns(DAY) + 20 * HOUR_NS) == [("16:00", "missing", why)]


@pytest.mark.parametrize(
    ("began", "why"),
    [
        (6 * HOUR_NS, "the run of 06:00:00 was still under way"),
        (12 * HOUR_NS + NS_PER_SECOND, "it runs since 12:00:01"),
    ],
)
def test_a_run_that_is_under_way_is_the_cause(folder: Path, began: int, why: str) -> None:
    Records(folder / "copy").begin(Running(job="copy", began_ns=midnight_ns(DAY) + began))
    source = JobSource([job("copy", "every 6h")], folder, hours)

    assert states(source, midnight_ns(DAY) + 13 * HOUR_NS)[2] == ("12:00", "missing", why)


def test_what_goes_by_an_interval_is_not_due_while_the_host_was_off_and_what_is_made_up_for_is(folder: Path) -> None:
    midnight = midnight_ns(DAY)
    up = [(midnight - 24 * HOUR_NS, midnight + HOUR_NS), (midnight + 8 * HOUR_NS, 2**63)]
    asked = [JobSource([job("copy", when)], folder, hours, up=up) for when in ("every 6h", "06:00")]

    assert states(asked[0], midnight + 9 * HOUR_NS)[1] == ("06:00", "excused", "the host was off")
    assert states(asked[1], midnight + 9 * HOUR_NS) == [("06:00", "missing", "it did not start")]


def test_a_job_is_due_from_the_day_on_at_which_it_was_put_on_the_host(folder: Path) -> None:
    os.utime(folder / "copy/since", ns=(midnight_ns(DAY) + 13 * HOUR_NS,) * 2)

    assert [when for when, _, _ in states(JobSource([job("copy", "every 6h")], folder, hours), OPEN_NS)] == ["18:00"]


def test_a_job_without_its_folder_is_unknown_and_says_what_makes_it(folder: Path) -> None:
    source = JobSource([job("copy", "16:00"), job("gone", "16:00")], folder, hours)

    gone, copy = sorted(states(source, OPEN_NS), key=lambda row: row[1] != "unknown")
    assert gone[1] == "unknown"
    assert "gone/since: since when the job is due cannot be read" in gone[2]
    assert "./inv deploy makes it" in gone[2]
    assert copy == ("16:00", "waiting", "")


def test_records_that_cannot_be_read_are_unknown_and_no_missed_run(folder: Path) -> None:
    source = JobSource([job("copy", "06:00")], folder, hours)
    [asked] = source.declare(DAY)
    with pytest.raises(UnseenError, match=r"^copy is no job of this host any more$"):
        JobSource([], folder, hours).find(asked)

    (folder / "copy" / RUNNING).mkdir()
    assert states(source, CLOSE_NS) == [("06:00", "missing", "it did not start")], "what runs now is not the question"
    (folder / f"copy/{DAY}.jsonl").mkdir()
    blind = JobSource([job("copy", "06:00")], folder, hours)
    why = f"{folder}/copy/{DAY}.jsonl: the records of copy cannot be read (Is a directory):"
    assert states(blind, CLOSE_NS) == [("06:00", "unknown", f"{why} who asks must be in the group harvester.")]


@pytest.mark.parametrize(("days", "state"), [(7, "missing"), (6, "late")])
def test_a_run_is_of_the_last_session_for_a_week_where_no_other_is_known(folder: Path, days: int, state: State) -> None:
    record(folder, midnight_ns(DAY + timedelta(days=days)) + 10 * HOUR_NS, "ok")
    source = JobSource(
        [job("copy", "09:30", trading_days=True)], folder, lambda day: hours(day) if day == DAY else None
    )

    assert [entry.state for entry in ledger_of([source], DAY, 2**62)] == [state]


def test_on_a_day_without_a_session_market_jobs_are_not_due(folder: Path) -> None:
    sunday = date(2026, 11, 29)
    source = JobSource([job("copy", "close+30m", trading_days=True)], folder, hours)

    assert source.declare(sunday) == []
    assert [each.due_ns for each in source.declare(DAY)] == [CLOSE_NS + 30 * MINUTE_NS]


def test_the_run_of_a_market_job_is_of_its_day_until_the_next_session(folder: Path) -> None:
    friday, monday = date(2026, 11, 27), date(2026, 11, 30)
    record(folder, midnight_ns(monday) + HOUR_NS, "ok")
    source = JobSource([job("copy", "close+30m", trading_days=True)], folder, hours)

    assert [entry.state for entry in ledger_of([source], friday, midnight_ns(monday) + 2 * HOUR_NS)] == ["late"]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A data directory with a closed day."""
    maker = LakeMaker(tmp_path / "data/lake", raw_bytes=1_000)
    maker.add_day(str(DAY))
    return tmp_path / "data"


def write_certificate(data: Path, **sections: object) -> None:
    """What the close counted; the manifest's hashes are not looked at here."""
    [path] = (data / "lake").glob(f"certificate/date={DAY}/*/*.json")
    path.write_text(json.dumps({"symbols": {}, "streams": {}} | sections))


def feed_entry(data: Path, feed: str, **sections: object) -> Entry:
    write_certificate(data, **sections)
    [entry] = ledger_of([FeedSource([feed], data / "lake", "lab1", hours)], DAY, 2**62)
    return entry


def test_a_feed_is_met_by_the_certificate_and_what_lacks_has_its_causes(lake: Path) -> None:
    polls = {"expected": 1000, "recorded_slots": 990, "gaps_by_cause": {"timeout": 7, "no_token": 3}}
    whole = {"expected": 75, "recorded": 75, "gaps_by_cause": {}}
    stream = {"window_ns": 10**9, "covered_ns": 0, "gaps_by_cause": {"no_token": {"ns": 10**9, "count": 1}}}

    partly = feed_entry(lake, "fyers-rest", symbols={"A": polls, "B": polls})
    assert partly.cause == "1.00 % is lacking: timeout 0.70 %, no_token 0.30 %"
    assert partly.proof == "generation 1, 99.00 % of it"
    assert feed_entry(lake, "fyers-history", candles={"symbols": {"A": whole}}).proof == "generation 1, 100 % of it"
    nothing = feed_entry(lake, "fyers-hsm", streams={"fyers-hsm": {"symbols": {"A": stream}}})
    assert (nothing.state, nothing.cause) == ("missing", "nothing of it was recorded: no_token 100 %")
    assert feed_entry(lake, "fyers-tbt").cause == "the certificate knows nothing of this feed"


def test_bars_that_only_a_stream_brought_are_still_owed_by_the_history(lake: Path) -> None:
    bars = {
        "expected": 100,
        "recorded": 90,
        "gaps_by_cause": {"no_data": 10},
        "provisional_by_cause": {"no_data": 5, "no_token": 20},
    }

    entry = feed_entry(lake, "fyers-history", candles={"symbols": {"A": bars}})

    assert entry.proof == "generation 1, 65.00 % of it"
    assert entry.cause == "35.00 % is lacking: no_token 20.00 %, no_data 15.00 %"


def test_a_lack_of_next_to_nothing_is_not_rounded_away(lake: Path) -> None:
    polls = {"expected": 10**6, "recorded_slots": 10**6 - 1, "gaps_by_cause": {"timeout": 1}}

    entry = feed_entry(lake, "fyers-rest", symbols={"A": polls})

    assert (entry.proof, entry.cause) == ("generation 1, 99.99 % of it", "0.01 % is lacking: timeout 0.01 %")
    polls["gaps_by_cause"] = {"timeout": 1, "no_token": 0}
    none = feed_entry(lake, "fyers-rest", symbols={"A": polls})
    assert none.cause == "0.01 % is lacking: timeout 0.01 %, no_token 0 %"


def test_a_day_that_was_closed_in_time_stays_so_when_it_is_closed_again_weeks_later(lake: Path) -> None:
    whole = {"expected": 75, "recorded": 75, "gaps_by_cause": {}}
    [manifest] = (lake / "lake").glob(f"manifest/date={DAY}/*/manifest.json")
    former = manifest.with_name("manifest-1.json")
    former.write_bytes(manifest.read_bytes())
    os.utime(former, ns=(CLOSE_NS + HOUR_NS,) * 2)
    os.utime(manifest, ns=(CLOSE_NS + 500 * HOUR_NS,) * 2)

    entry = feed_entry(lake, "fyers-history", candles={"symbols": {"A": whole}})

    assert (entry.state, entry.met_ns) == ("met", CLOSE_NS + HOUR_NS)


def test_a_day_that_is_not_closed_is_waited_for_and_then_missing(lake: Path) -> None:
    later = DAY + timedelta(days=2)  # the day between is a holiday
    source = FeedSource(["fyers-rest"], lake / "lake", "lab1", hours)

    waiting, missing = (ledger_of([source], later, CLOSE_NS + 48 * HOUR_NS + at * HOUR_NS)[0] for at in (1, 4))

    assert (waiting.state, missing.state) == ("waiting", "missing")
    assert missing.cause == "the day is not closed: no certificate"
    assert f"harvester-close@{later}" in missing.due.remedy
    assert source.declare(DAY - timedelta(days=3)) == []  # nothing was recorded yet


def test_a_certificate_that_cannot_be_read_is_unknown(lake: Path) -> None:
    [path] = (lake / "lake").glob(f"certificate/date={DAY}/*/*.json")
    path.write_text("{")

    [entry] = ledger_of([FeedSource(["fyers-rest"], lake / "lake", "lab1", hours)], DAY, 2**62)
    assert (entry.state, entry.told) == ("unknown", False)
    assert f"the certificate of {DAY} cannot be read" in entry.cause
    [manifest] = (lake / "lake").glob(f"manifest/date={DAY}/*/manifest.json")
    manifest.write_text("{")
    [entry] = ledger_of([FeedSource(["fyers-rest"], lake / "lake", "lab1", hours)], DAY, 2**62)
    assert (entry.state, str(manifest) in entry.cause) == ("unknown", True)


def test_an_upload_is_due_on_recorded_days_waits_for_their_close_and_is_unknown_where_none_can_look(lake: Path) -> None:
    source, later = UploadSource(lake, "lab1", hours), DAY + timedelta(days=2)
    assert source.declare(later) == []
    (lake / "journal" / str(later)).mkdir(parents=True)
    [asked] = source.declare(later)
    assert source.find(asked) == Found(cause="the day is not closed, so there is nothing to upload")

    receipt = lake / "uploads" / f"{DAY}_lab1.json"
    receipt.mkdir(parents=True)
    [entry] = ledger_of([source], DAY, 2**62)
    assert (entry.state, entry.cause) == ("unknown", f"{receipt}: cannot be looked at (Is a directory).")


def test_what_a_folder_that_is_closed_to_us_holds_is_unknown_with_its_path(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not in the group harvester asks `due`: one source that sees nothing hides nothing else."""
    feeds, uploads = FeedSource(["fyers-rest"], lake / "lake", "lab1", hours), UploadSource(lake, "lab1", hours)
    [uploaded] = uploads.declare(DAY)
    stat = Path.stat

    def closed(path: Path, **options: bool) -> os.stat_result:
        if lake in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", closed)
        entries = ledger_of([feeds, uploads], DAY, LATE)
        with pytest.raises(UnseenError) as of_upload:
            uploads.find(uploaded)

    manifest = lake / "lake" / Partition(DAY, "lab1").manifest
    said = {lake / "lake/manifest", lake / "journal" / str(DAY), manifest}
    assert [(entry.due.name, entry.state) for entry in entries] == [("*", "unknown")] * 2
    assert {*(entry.cause for entry in entries), str(of_upload.value)} == {
        f"{path}: cannot be looked at (Permission denied)." for path in said
    }


def test_no_upload_is_due_without_a_session_or_of_a_day_that_was_not_recorded(lake: Path) -> None:
    source = UploadSource(lake, "lab1", hours)

    assert [each.period for each in source.declare(DAY)] == [str(DAY)]
    assert source.declare(DAY, without=["lake"]) == []
    assert source.declare(DAY + timedelta(days=1)) == source.declare(DAY + timedelta(days=2)) == []


def test_an_upload_is_met_by_the_receipt_of_the_manifest_in_force(lake: Path) -> None:
    source = UploadSource(lake, "lab1", hours)
    (lake / "uploads").mkdir()
    receipt = lake / "uploads" / f"{DAY}_lab1.json"

    def entry() -> Entry:
        [found] = ledger_of([source], DAY, CLOSE_NS + 6 * HOUR_NS)
        return found

    assert (entry().state, entry().cause) == ("missing", "it is not in the bucket")
    receipt.write_text(json.dumps({"manifest": "of another generation", "files": []}))
    assert entry().state == "missing"
    [manifest] = (lake / "lake").glob(f"manifest/date={DAY}/*/manifest.json")
    receipt.write_text(json.dumps({"manifest": json.loads(manifest.read_text())["self_sha256"], "files": []}))
    os.utime(receipt, ns=(CLOSE_NS + 5 * HOUR_NS,) * 2)
    assert (entry().state, entry().proof) == ("met", "each file and the manifest are verified there")
    os.utime(receipt, ns=(CLOSE_NS + 5 * HOUR_NS + NS_PER_SECOND,) * 2)
    assert entry().state == "late"


def test_a_host_has_what_its_configuration_says_and_one_that_only_watches_has_its_jobs(tmp_path: Path) -> None:
    kinds = {}
    for name, bucket in (("plain", None), ("bucket", {"bucket": "b-bucket"})):
        settings = make_settings(tmp_path, **({"upload": bucket} if bucket else {}))
        sources = sources_of(tmp_path / "data", settings, CALENDAR, JobsFile(), Seen(None, None))
        kinds[name] = [source.kind for source in sources]
    alone = sources_of(tmp_path / "data", None, CALENDAR, JobsFile(), Seen(None, None))

    assert kinds == {"plain": ["job", "feed"], "bucket": ["job", "feed", "delivery"]}
    assert [source.kind for source in alone] == ["job"]


def test_a_settled_day_reads_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "dues").mkdir()
    entries = [judge(due(), found, now_ns) for found, now_ns, _, _ in JUDGED]

    settle(tmp_path, DAY, "h1", entries, OPEN_NS)

    settled = read_settled(tmp_path, DAY)
    assert settled
    assert settled.entries == entries
    assert read_settled(tmp_path, DAY + timedelta(days=1)) is None


def test_a_ledger_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "dues").write_text("a file where the folder should be")

    with pytest.raises(
        HarvesterError, match=r"dues/2026-11-23.json: .* cannot be written .* Free disk space, or correct"
    ):
        settle(tmp_path, DAY, "h1", [], OPEN_NS)


def test_a_ledger_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / f"dues/{DAY}.json"
    path.mkdir(parents=True)
    remedy = "Correct its owner and mode, or move a damaged one away: the next evening writes it anew from the records."

    with pytest.raises(HarvesterError) as closed:
        read_settled(tmp_path, DAY)
    path.rmdir()
    path.write_text("[")
    with pytest.raises(HarvesterError) as damaged:
        read_settled(tmp_path, DAY)

    assert str(closed.value) == f"{path}: the ledger of that day cannot be read (Is a directory). {remedy}"
    assert str(damaged.value).startswith(f"{path}: the ledger of that day cannot be read (")
    assert str(damaged.value).endswith(remedy)


def test_the_ledger_in_words() -> None:
    entries = [
        judge(due(OPEN_NS + number * HOUR_NS, name="copy"), found, OPEN_NS + 9 * HOUR_NS)
        for number, found in enumerate(
            (Found(met_ns=OPEN_NS), Found(met_ns=OPEN_NS + HOUR_NS, proof="3 rows"), Found())
        )
    ]

    assert wording.count(entries) == "3 due: 2 met, 1 missing"
    assert wording.lines(entries) == [
        "missing  thing copy: due 23 Nov 11:15:00: nothing was seen of it",
        "         -> do it",
        "met      thing copy: 2 times, the last due 23 Nov 10:15:00, there 23 Nov 10:15:00 (3 rows)",
    ]
    assert wording.daily_message(DAY, entries[:2]) == (
        "2026-11-23: 2 due: 2 met",
        "All that was due came in time, proven.",
    )
    assert wording.daily_message(DAY, entries)[1].startswith("missing  thing copy: due")
    assert wording.count([]) == "nothing was due"


def test_every_state_is_worded() -> None:
    found = {judge(due(), each, now_ns).state for each, now_ns, _, _ in JUDGED}

    assert found == set(wording.ORDER)
