"""Candles of a booted host from its recorder to the bucket, a backfill, and its jobs, each by what a person types."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sre.world import BUCKET, DATA, HOST, REGION, World, build, repeat_until

from lab import calendar

pytestmark = pytest.mark.long
SYMBOLS = ["NSE:SBIN-EQ", "NSE:RELIANCE-EQ"]
SHORT = ["RELIANCE", "SBIN"]
SETTINGS = f"""\
  feeds: [fyers-rest, fyers-history]
  candles: {{symbols: {json.dumps(SYMBOLS)}, resolution: 10S, every_seconds: 30, final_after_seconds: 2}}
  deliveries: [{{name: price-feed, kind: price-feed, place: "s3://{BUCKET}/", region: {REGION}}}]
  journal: {{segment_seconds: 10}}
"""
JOBS = """\
jobs:
  - name: counts
    when: "{far}"
    command: [sh, -c, "ls /var/lib/harvester/lake/candles_v3 >$HOME/days"]
    proof: {{command: [sh, -c, "cat $HOME/days"]}}
""".format(far=f"{datetime.now(calendar.zone()) + timedelta(hours=12):%H:%M}")
"""Its time is half a day away: the test starts it."""
SESSION_SECONDS, PAST_DAYS = 40, 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = Path(__file__).resolve().parents[2]
    with build(root, tmp_path_factory.mktemp("candles"), JOBS, SETTINGS) as world:
        yield world


@pytest.fixture(scope="module")
def day(world: World) -> str:
    """A short session, closed: not before what came after its end is sealed, or the close refuses the day."""
    opens, closes = calendar.announce(world.state / "calendar.json", lead_seconds=15, seconds=SESSION_SECONDS)
    world.deliver_calendar()
    wait = (closes - datetime.now(closes.tzinfo)).total_seconds()
    over = f"{int(closes.timestamp())}"
    settled, _ = repeat_until(lambda: is_sealed(world, over), wait + 240)
    assert settled, world.host(f"ls -l {DATA}/journal/*").stdout
    world.host(f"systemctl start harvester-close@{opens.date()}")
    return f"{opens.date()}"


def is_sealed(world: World, over: str) -> bool:
    """Whether the session is over, its last bars had their time, and no segment is being written."""
    script = f"[ $(date +%s) -gt $(({over} + 14)) ] && [ -z \"$(find {DATA}/journal -name '*.open' | head -1)\" ]"
    return world.host(script, check=False).returncode == 0


def keys_of(world: World, prefix: str) -> list[str]:
    answer = world.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for each in answer.get("Contents", ())]


def deliver(world: World, day: str) -> dict[str, Any]:
    said = world.here(f"./inv deliver --date {day} --json")
    assert said.code == 0, said.output + said.errors
    [result] = json.loads(said.output)[HOST]
    return dict(result)


def test_a_day_goes_to_its_place_and_a_second_run_changes_nothing(world: World, day: str) -> None:
    delivered = deliver(world, day)
    listing = keys_of(world, "analytics/")
    again = deliver(world, day)

    assert (delivered["date"], delivered["symbols"]) == (day, SHORT)
    assert delivered["missing"] == delivered["rejected"] == 0
    # Bars are counted from the whole minute in which the session opens.
    each = delivered["expected"] // len(SYMBOLS)
    assert delivered["expected"] == delivered["total_records"] == len(SYMBOLS) * each
    assert each >= SESSION_SECONDS // 10
    year, month, of_month = day.split("-")
    folders = [f"analytics/csv/symbol={symbol}/year={year}/month={month}/day={of_month}" for symbol in SHORT]
    assert [key.rpartition("/")[0] for key in listing] == folders
    for key in listing:
        body = world.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(body).decode())))
        assert len(rows) == each
        assert len(rows[0]) == 16
    assert keys_of(world, "analytics/") == listing
    assert again["uploaded_files"] == 0


def test_raw_answers_came_without_being_asked_for(world: World, day: str) -> None:
    found, _ = repeat_until(lambda: keys_of(world, "Raw data/Prices/"), 90)

    assert found
    assert world.host("systemctl is-failed 'harvester-deliver*'", check=False).returncode != 0


def test_the_days_ledger_has_its_candles_and_their_delivery(world: World, day: str) -> None:
    deliver(world, day)

    [answer] = json.loads(world.here(f"./inv due --date {day} --json").output)

    states = {(entry["kind"], entry["name"]): entry["state"] for entry in answer["entries"]}
    assert states["feed", "fyers-history"] == "met"
    # The session was not at 16:00 India, so the day may have been brought before it is due, or long after it.
    assert states["price-feed", "price-feed"] in ("met", "late")


def test_its_last_bars_are_what_the_broker_says_when_the_host_asks_once_more(world: World, day: str) -> None:
    compared = json.loads(world.host(f"/usr/local/bin/harvester compare-candles --date {day} --json").stdout)

    assert [each["symbol"] for each in compared] == SYMBOLS
    assert all(each["bars"] >= SESSION_SECONDS // 10 for each in compared)
    assert not any(each["differing"] or each["problem"] for each in compared), compared


def test_days_past_are_asked_for_built_and_asked_for_no_more(world: World, day: str) -> None:
    today = date.fromisoformat(day)
    since, until = today - timedelta(days=PAST_DAYS), today - timedelta(days=1)
    trade_since(world, since)

    first = world.here(f"./inv backfill --since {since} --until {until} --resolution 5 --symbols {SYMBOLS[0]}")
    again = world.here(f"./inv backfill --since {since} --until {until} --resolution 5 --symbols {SYMBOLS[0]}")

    assert first.code == 0, first.output + first.errors
    assert again.code == 0, again.output + again.errors
    weekdays = [since + timedelta(days=n) for n in range(PAST_DAYS)]
    weekdays = [each for each in weekdays if each.weekday() < 5]
    built = world.host(f"ls {DATA}/lake/history_v3").stdout.split()
    assert built == [f"date={each}" for each in weekdays]
    verified = world.host("/opt/harvester/current/bin/harvester verify /var/lib/harvester/lake", check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_jobs_are_run_at_a_word_and_listed_with_their_records(world: World, day: str) -> None:
    ran = world.here("./inv run-job --name counts")
    built_in = world.here("./inv run-job --name close")
    unknown = world.here("./inv run-job --name nothing")
    [answer] = json.loads(world.here("./inv jobs --json").output)

    assert (ran.code, built_in.code) == (0, 0), ran.output + built_in.output
    assert unknown.code != 0
    assert "Traceback" not in unknown.output + unknown.errors
    assert answer["error"] is None
    last = {row["name"]: row["last"] for row in answer["jobs"]}
    assert last["counts"]["result"] == "ok"
    assert last["counts"]["proof"] == f"date={day}"
    assert last["backfill"]["result"] == last["close"]["result"] == "ok"


def trade_since(world: World, first: date) -> None:
    """Exchange and host know of trading on the weekdays since then; today's session stays what it was."""
    path = world.state / "calendar.json"
    content = json.loads(path.read_bytes())
    for rules in (content, *content["segments"].values()):
        rules["phase_rules"][0]["from"] = first.isoformat()
    calendar.write_calendar(path, content)
    world.deliver_calendar()
