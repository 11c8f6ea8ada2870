"""What is due on a host by its configuration and jobs, and what systemd and journald are asked for."""

import json
import os
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS
from tests.recorder.fakes import make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.deliver.receipts import DayReceipt, save
from harvester.dues import host, wording
from harvester.dues.due import Due, Entry
from harvester.dues.host import ENDLESS_NS, Seen, ask_systemd, sources_of
from harvester.health.units import how_to_run
from harvester.jobs.model import JobsFile
from harvester.jobs.records import SINCE
from harvester.lake.layout import Partition

CALENDAR = TradingCalendar.load()
TRUE = ["/bin/true"]
JOBS = validate(
    JobsFile,
    {
        "jobs": [
            {"name": "sync", "when": "06:00", "command": TRUE, "limit": "10min"},
            {"name": "dump", "when": "06:00", "command": TRUE, "proof": {"file": "/srv/dump"}},
            {"name": "look", "when": "06:00", "command": TRUE, "days": "trading", "proof": {"command": TRUE}},
        ]
    },
)
BOOTS = [
    {"index": 0, "first_entry": 7_000_000, "last_entry": 9_000_000},
    {"index": -1, "first_entry": 4_000_000, "last_entry": 5_000_000},
    {"index": -2, "first_entry": 1_000_000, "last_entry": 3_000_000},
]
"""journalctl(1), --list-boots: times of the first and the last message of each boot, in us of the wall clock."""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come before the machine's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def put(folder: Path, name: str, said: str, code: int = 0) -> Path:
    """A program that notes how it was called, says this, and ends with this code."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho \"$@\" >{folder}/{name}.asked\ncat <<'END'\n{said}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return path


def declared(settings: Settings | None, data_dir: Path) -> dict[str, Due]:
    sources = sources_of(data_dir, settings, CALENDAR, JOBS, Seen(None, None))
    return {due.name: due for source in sources for due in source.declare(DAY)}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Of a host on which all jobs have records, and the day a journal."""
    data = tmp_path / "data"
    for name in ("sync", "dump", "look", "close", "prune", "verify", "upload"):
        folder = data / "jobs" / name
        folder.mkdir(parents=True)
        (folder / SINCE).touch()
        os.utime(folder / SINCE, (1, 1))
    (data / "journal" / str(DAY)).mkdir(parents=True)
    return data


def test_a_job_is_proven_by_what_it_says_and_a_built_in_one_by_its_record(tmp_path: Path, data_dir: Path) -> None:
    found = declared(make_settings(tmp_path, upload={"bucket": "b-bucket"}), data_dir)

    proofs = {name: found[name].proof for name in ("sync", "dump", "look", "close")}
    assert proofs == {"sync": "it ended with 0", "dump": "/srv/dump", "look": "its proof", "close": "its record"}
    assert found["upload"].remedy == how_to_run("harvester-upload")
    assert found["lake"].proof == "the receipt of its manifest"
    assert found["lake"].remedy == how_to_run("harvester-upload")


def test_without_a_bucket_no_upload_is_due(tmp_path: Path, data_dir: Path) -> None:
    assert {"close", "prune", "fyers-rest"} <= declared(make_settings(tmp_path), data_dir).keys()
    assert not {"upload", "lake"} & declared(make_settings(tmp_path), data_dir).keys()


def test_people_hear_of_a_built_in_job_from_the_list_of_what_must_be_true_alone(tmp_path: Path, data_dir: Path) -> None:
    source = sources_of(data_dir, make_settings(tmp_path), CALENDAR, JOBS, Seen(None, None))[0]
    told = {due.name: source.find(due).told for due in source.declare(DAY)}
    assert told["close"]
    assert not told["sync"]


FEED = {"name": "price-feed", "kind": "price-feed", "place": "s3://b-bucket/", "at": "16:00"}


def test_a_days_delivery_is_undelivered_until_its_receipt_is_there_and_on_the_next_day_still(
    tmp_path: Path, data_dir: Path
) -> None:
    settings = make_settings(tmp_path, feeds=["fyers-history"], deliveries=[FEED])
    (settings.data_dir / "journal" / str(DAY)).mkdir(parents=True, exist_ok=True)
    hour_ns = 3600 * NS_PER_SECOND

    def undelivered(now_ns: int) -> list[str]:
        return host.find_undelivered(settings, CALENDAR, now_ns)

    waiting, missing, next_day = OPEN_NS, OPEN_NS + 9 * hour_ns, OPEN_NS + 24 * hour_ns
    assert [undelivered(now) for now in (waiting, missing, next_day)] == [[f"price-feed {DAY}"]] * 3
    assert undelivered(OPEN_NS + 48 * hour_ns) == []
    assert host.find_undelivered(None, CALENDAR, missing) == []

    receipt = DayReceipt(str(DAY), settings.host_id, FEED["place"], manifest="seal")
    save(settings.data_dir / "deliveries/price-feed/tables", Partition(DAY, settings.host_id), receipt)
    assert undelivered(missing) == []


def test_the_host_ran_from_the_first_to_the_last_entry_of_each_boot_and_runs_still(program: Path) -> None:
    put(program, "journalctl", json.dumps(BOOTS[::-1]))

    seen = ask_systemd(JOBS)

    assert seen.up == [
        (1_000_000_000, 3_000_000_000),
        (4_000_000_000, 5_000_000_000),
        (7_000_000_000, ENDLESS_NS),
    ]
    assert (program / "journalctl.asked").read_text().split() == ["--list-boots", "--output=json", "--no-pager"]


@pytest.mark.parametrize(
    ("said", "code"), [("[]", 0), (json.dumps(BOOTS), 1), ("no JSON", 0), ('[{"index": 0}]', 0), ('{"a": 1}', 0)]
)
def test_what_journald_does_not_say_is_not_known(program: Path, said: str, code: int) -> None:
    put(program, "journalctl", said, code)
    assert ask_systemd(JOBS) == Seen(timers=None, up=None)


def test_the_timers_of_all_jobs_are_asked_for(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(program, "journalctl", "[]")
    asked: list[str] = []
    monkeypatch.setattr(host, "look_at_units", lambda names: asked.extend(names) or {})

    assert ask_systemd(JOBS).timers == {}

    names = ["job-sync", "job-dump", "job-look", "close", "prune", "upload", "verify"]
    assert asked == [f"harvester-{name}.timer" for name in names]


def test_a_line_of_the_ledger_for_scripts() -> None:
    due = Due(kind="job", name="sync", period=str(DAY), due_ns=1, by_ns=2, proof="p", remedy="do it")
    assert wording.describe(Entry(due=due, state="missing", met_ns=None, proof="x", cause="c", told=False)) == {
        "kind": "job",
        "name": "sync",
        "period": "2026-11-23",
        "due_ns": 1,
        "by_ns": 2,
        "state": "missing",
        "met_ns": None,
        "proof": "x",
        "cause": "c",
        "remedy": "do it",
    }


def test_the_words_of_what_waits_and_of_what_came_late_with_a_cause() -> None:
    due = Due(
        kind="job",
        name="sync",
        period=str(DAY),
        due_ns=OPEN_NS,
        by_ns=OPEN_NS + 3600 * NS_PER_SECOND,
        proof="p",
        remedy="do it",
    )
    late = Entry(due=due, state="late", met_ns=OPEN_NS + 7200 * NS_PER_SECOND, proof="", cause="slow", told=False)
    waiting = Entry(due=due, state="waiting", met_ns=None, proof="", cause="", told=False)

    assert wording.lines([late]) == ["late     job sync: due 23 Nov 09:15:00, there 23 Nov 11:15:00; slow"]
    assert wording.lines([waiting]) == ["waiting  job sync: due 23 Nov 09:15:00, until 23 Nov 10:15:00"]
    assert wording.daily_message(DAY, [late])[1] == wording.lines([late])[0]
