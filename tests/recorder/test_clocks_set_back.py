"""A clock that is set back: what was said before is no younger for that, and nothing waits until it is caught up."""

import json
import os
from pathlib import Path

import pytest
from tests.journals import DAY, OPEN_NS
from tests.recorder.fakes import make_settings
from tests.recorder.test_rows_keeper import Kept

from harvester.base.clock import NS_PER_SECOND
from harvester.health.live_rows import PATIENCE_NS, STATE, LiveState, check_rows, live_folder
from harvester.live.recorder import LATE_NS, RATE_NS, RecorderNews, SymbolNews
from harvester.metrics.rows import FRESH_NS, measure_rows

HOUR_NS = 3600 * NS_PER_SECOND
SBIN = "NSE:SBIN-EQ"
ROWS = {
    "name": "rows",
    "kind": "postgres",
    "place": "file:/etc/x",
    "live": True,
    "tables": [{"name": "a.b", "rows": "equity_data"}],
}


class Status:
    """The recorder's status file."""

    def __init__(self, path: Path) -> None:
        self.path, self.news, self.number = path, RecorderNews(path), 0

    def says(self, written_ns: int, updates: int) -> None:
        symbols = {SBIN: {"updates": updates, "last_recv_ns": written_ns}}
        self.path.write_text(json.dumps({"written_at_ns": written_ns, "symbols": symbols}))
        self.number += 1
        os.utime(self.path, ns=(self.number, self.number))
        self.news.look(written_ns)


@pytest.fixture
def status(tmp_path: Path) -> Status:
    return Status(tmp_path / "status.json")


@pytest.mark.parametrize(
    ("age_ns", "problem"),
    [
        (0, ""), (LATE_NS, ""), (-LATE_NS, ""),
        (LATE_NS + 1, "the recorder has said nothing for 10 s"),
        (HOUR_NS, "the recorder has said nothing for 3600 s"),
        (-HOUR_NS, "what the recorder said last is 3600 s ahead of this host's clock"),
    ],
)  # fmt: skip
def test_a_status_of_another_time_than_now_is_named_whichever_way_it_is_off(
    status: Status, age_ns: int, problem: str
) -> None:
    status.says(OPEN_NS, 1)
    status.news.look(OPEN_NS + age_ns)
    assert status.news.problem == problem


def test_a_rate_begins_anew_with_the_new_second_and_is_of_the_last_ten(status: Status) -> None:
    for number in range(20):
        status.says(OPEN_NS + number * NS_PER_SECOND, 3 * number)
    assert status.news.of(SBIN) == SymbolNews(OPEN_NS + 19 * NS_PER_SECOND, 3.0)

    back_ns = OPEN_NS - HOUR_NS
    for number in range(30):
        status.says(back_ns + number * NS_PER_SECOND, 60 + 5 * number)
        assert status.news.of(SBIN).rate == (5.0 if number else None)
    for number in range(30, 30 + RATE_NS // NS_PER_SECOND + 1):
        status.says(back_ns + number * NS_PER_SECOND, 1_000 + 7 * number)
    assert status.news.of(SBIN).rate == 7.0, "of the last ten seconds; an hour of thousands of symbols has no room"


@pytest.mark.parametrize(
    ("age_ns", "works"),
    [(0, 1), (FRESH_NS - 1, 1), (FRESH_NS, 0), (1 - FRESH_NS, 1), (-FRESH_NS, 0), (-HOUR_NS, 0)],
)
def test_a_delivery_that_looked_at_another_time_than_now_does_not_work(age_ns: int, works: int) -> None:
    state = LiveState(looked_at_ns=OPEN_NS)
    found = {
        each.metric.name: each.metric.value for each in measure_rows(state, {"SBIN": True}, None, "", OPEN_NS + age_ns)
    }
    assert found["SupabaseUploadSuccess"] == works


@pytest.mark.parametrize(
    ("age_ns", "said"),
    [
        (0, None), (PATIENCE_NS, None), (-PATIENCE_NS, None),
        (HOUR_NS, "the live delivery looked 3600 s ago"),
        (-HOUR_NS, "the live delivery's last look is 3600 s ahead of this host's clock"),
    ],
)  # fmt: skip
def test_the_finding_of_a_live_delivery_knows_ages_of_either_sign(
    tmp_path: Path, age_ns: int, said: str | None
) -> None:
    settings = make_settings(tmp_path, feeds=["fyers-history"], deliveries=[ROWS])
    folder = live_folder(settings, "rows")
    folder.mkdir(parents=True)
    (folder / STATE).write_text(json.dumps({"date": str(DAY), "looked_at_ns": OPEN_NS}))

    [check] = check_rows(settings, OPEN_NS + age_ns)
    assert check.ok == (said is None)
    assert said is None or check.detail == said


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "the live delivery has written nothing"),
        ({"failing_since_ns": OPEN_NS - PATIENCE_NS, "problem": "no such table"}, None),
        ({"failing_since_ns": OPEN_NS - PATIENCE_NS - 1, "problem": "no such table"}, "no such table"),
        ({"failing_since_ns": 0, "problem": "of before"}, None),
    ],
)
def test_a_live_delivery_that_never_wrote_or_fails_for_long_is_a_finding(
    tmp_path: Path, state: dict[str, object] | None, said: str | None
) -> None:
    settings = make_settings(tmp_path, feeds=["fyers-history"], deliveries=[ROWS])
    folder = live_folder(settings, "rows")
    folder.mkdir(parents=True)
    if state is not None:
        (folder / STATE).write_text(json.dumps({"date": str(DAY), "looked_at_ns": OPEN_NS} | state))

    [check] = check_rows(settings, OPEN_NS)
    assert (check.name, check.ok, bool(check.fix)) == ("rows rows", said is None, said is not None)
    assert check.detail == (said or f"newest bar of {DAY}: none yet, in no database yet")


def test_a_keeper_writes_its_state_and_tells_of_what_lasts_by_the_clock_as_it_is(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.after(0, "down")

    assert kept.after(-HOUR_NS, "down")[0] == []
    assert json.loads((tmp_path / STATE).read_bytes())["looked_at_ns"] == OPEN_NS - HOUR_NS
    assert kept.after(PATIENCE_NS - 1, "down")[0] == []
    assert kept.after(1, "down")[0] == ["down"]
