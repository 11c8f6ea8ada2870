"""harvester backfill and build-history on a host: order, one at a time, status, and what the unit runs."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import make_config
from tests.storage.backfill.conftest import EVENING, FRIDAY, INFY, MONDAY, SBIN, Host, said, week

from harvester import cli
from harvester.backfill.order import load_order
from harvester.backfill.progress import Progress, RefusedPiece, Reporter, load_progress, sent_before
from harvester.base.clock import NS_PER_SECOND, SystemClock


@pytest.fixture
def run(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """A command's exit code, and its answer or its complaint."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path)))
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: EVENING)

    def end(*words: str) -> tuple[int, Any]:
        code = cli.run([words[0], "--config", str(config), *words[1:]])
        out = capsys.readouterr()
        return code, json.loads(out.out) if out.out.startswith("{") else out.out + out.err

    return end


ORDER = ("backfill", "--since", str(MONDAY), "--until", str(FRIDAY))


def test_an_order_says_what_it_takes(run: Any, host: Host) -> None:
    code, plan = run(*ORDER, "--resolution", "1d", "--symbols", "nse:sbin-eq,")

    assert code == 0
    assert plan == {
        "since": "2026-11-16", "until": "2026-11-20", "resolution": "D", "symbols": 1, "requests": 1, "seconds": 0,
        "before_the_broker": None,
    }  # fmt: skip
    order = load_order(host.settings.data_dir)
    assert order and order.symbols == (SBIN,)
    assert run("backfill", "--since", "2016-01-04", "--resolution", "M")[1]["before_the_broker"] == "2017-07-03"


def test_one_order_at_a_time_and_the_same_one_again_looks_on(run: Any, host: Host) -> None:
    assert run(*ORDER)[0] == 0
    with host.write():
        assert run(*ORDER)[0] == 0
        code, complaint = run(*ORDER, "--resolution", "15")
        assert run("backfill", "--status")[1]["at_work"] is True

    assert code == 1
    assert "Another backfill is at work on this host" in complaint
    order = load_order(host.settings.data_dir)
    assert order and order.resolution == "5"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("backfill",), 2, "--since is required for an order"),
        (("backfill", "--since", "soon"), 2, "--since 'soon' is not a date"),
        (("backfill", "--since", "2026-11-16", "--resolution", "7"), 2, "'7' is no resolution"),
        (("backfill", "--ask"), 2, "Nothing was ordered"),
        (("backfill", "--status"), 2, "Nothing was ordered"),
        (("backfill", "--status", "--symbols", "x"), 2, "take no days or symbols"),
    ],
)
def test_a_command_that_cannot_be_followed_is_refused(run: Any, words: Any, code: int, says: str) -> None:
    ended, complaint = run(*words)

    assert (ended, says in complaint) == (code, True), complaint


def test_the_status_has_what_came_and_what_the_broker_does_not_have(run: Any, host: Host) -> None:
    run(*ORDER)
    order = load_order(host.settings.data_dir)
    assert order
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())), (INFY, MONDAY, FRIDAY, said()))
    assert run("backfill", "--status")[1]["waiting_segments"] == 1
    code, answer = run("build-history")
    assert (code, answer) == (0, "1 segments: 2 answers with data, 0 without; 5 days have 10 bars now\n")
    progress = Progress(
        ordered_ns=order.ordered_ns, state="ended", why="why", asked=2, left=1, spacing_ns=NS_PER_SECOND
    )
    reporter = Reporter(host.settings.data_dir, progress)
    reporter.refuse(RefusedPiece("NSE:X-EQ", "a", "b", "not_listed: no"))
    reporter.say(EVENING, at_once=True)
    _, status = run("backfill", "--status")

    assert (status["at_work"], status["waiting_segments"], status["state"], status["why"]) == (False, 0, "ended", "why")
    assert (status["asked"], status["left"], status["spacing_seconds"]) == (2, 1, 1.0)
    assert status["refused"] == [["NSE:X-EQ", "a", "b", "not_listed: no"]]
    lake = status["lake"]
    assert lake["not_recorded"]["days"] == 5
    assert lake["symbols"][SBIN] == {
        "expected": 360, "recorded": 10, "revised": 0, "rejected": {}, "answered": 5, "to_ask": 0,
        "without": {"days": 0, "first": [], "last": []},
    }  # fmt: skip
    assert lake["symbols"][INFY]["without"] == {"days": 5, "first": ["2026-11-16"], "last": ["2026-11-20"]}


def test_progress_of_another_order_is_none_of_this_one(run: Any, host: Host) -> None:
    run(*ORDER)
    Reporter(host.settings.data_dir, Progress(ordered_ns=1, asked=9)).say(EVENING, at_once=True)

    assert run("backfill", "--status")[1]["asked"] == 0


def test_what_earlier_runs_of_the_day_sent_counts(host: Host) -> None:
    progress = Progress(ordered_ns=1, updated_ns=EVENING, sent_today=7)

    assert sent_before(progress, EVENING + 3_600 * NS_PER_SECOND) == 7
    assert sent_before(progress, EVENING + 4 * 3_600 * NS_PER_SECOND) == 0, "after midnight in India"
    assert sent_before(None, EVENING) == 0


def test_progress_is_written_once_a_second_and_read_back(host: Host) -> None:
    reporter = Reporter(host.settings.data_dir, Progress(ordered_ns=1))
    for asked, at in ((1, 0), (2, 500_000_000), (3, 1_000_000_000)):
        reporter.progress.asked = asked
        reporter.say(EVENING + at)
        found = load_progress(host.settings.data_dir)
        assert found and found.asked == (3 if asked == 3 else 1)


def test_before_the_calendar_s_facts_nobody_says_what_was_due(run: Any, host: Host) -> None:
    run("backfill", "--since", "2019-01-07", "--until", "2019-01-07", "--symbols", SBIN)
    host.answer((SBIN, date(2019, 1, 7), date(2019, 1, 7), said()))
    run("build-history")

    assert run("backfill", "--status")[1]["lake"]["symbols"][SBIN]["expected"] is None
