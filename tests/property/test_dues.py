"""The ledger of what is due, for any story of runs: an entry for each due, and none is met without a run of its own."""

import os
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, zone
from harvester.dues.due import Due, Found
from harvester.dues.jobs import JobFacts, JobSource
from harvester.dues.judge import is_settled, judge, judge_again, ledger_of
from harvester.jobs.records import Records, Running
from harvester.jobs.schedule import EVERY, read_schedule, read_span

DAY = date(2026, 11, 25)
MIDNIGHT_NS = midnight_ns(DAY)
TIMES = st.none() | st.integers(-10, 200)
DUE = Due(kind="k", name="n", period="p", due_ns=0, by_ns=100, proof="", remedy="")
FOUND = st.builds(
    Found, met_ns=TIMES, cause=st.sampled_from(["", "c"]), lack=st.sampled_from(["", "l"]),
    excused=st.sampled_from(["", "e"]), unseen=st.sampled_from(["", "u"]), told=st.booleans(),
)  # fmt: skip
DIVISORS = [seconds for seconds in range(60, 86_401, 60) if 86_400 % seconds == 0]


@given(found=FOUND, now_ns=st.integers(0, 300), later_ns=st.integers(0, 300))
@examples(300)
def test_time_alone_turns_waiting_into_missing_and_changes_nothing_else(
    found: Found, now_ns: int, later_ns: int
) -> None:
    first, second = judge(DUE, found, now_ns), judge(DUE, found, max(now_ns, later_ns))

    assert (first.state, second.state) == ("waiting", "missing") or first.state == second.state
    assert (first.state == "waiting") == (found.met_ns is None and not found.excused + found.unseen and now_ns <= 100)
    assert (first.state in ("met", "partial", "late")) == (found.met_ns is not None)
    if second.state in ("missing", "unknown", "excused", "partial"):
        assert second.cause


runs = st.lists(
    st.tuples(st.integers(-600, 86_400 + 7200), st.integers(0, 3000), st.booleans()),
    max_size=30,
    unique_by=lambda run: run[0],
)


@given(story=runs, interval=st.sampled_from([each for each in DIVISORS if each >= 1800]), now=st.integers(0, 200_000))
@examples(60)
def test_each_due_has_one_entry_and_a_run_meets_one_due_at_most(
    story: list[tuple[int, int, bool]], interval: int, now: int
) -> None:
    with TemporaryDirectory() as folder:
        source, records = _job(Path(folder), interval)
        for at, seconds, well in story:
            began_ns = MIDNIGHT_NS + at * NS_PER_SECOND
            running = Running(job="j", began_ns=began_ns)
            records.append(running.end(began_ns + seconds * NS_PER_SECOND, "ok" if well else "failed", cause="x"))
        now_ns = MIDNIGHT_NS + now * NS_PER_SECOND
        entries = ledger_of([source], DAY, now_ns)

        assert len(entries) == 86_400 // interval
        for entry in entries:
            second = (entry.due.due_ns - MIDNIGHT_NS) // NS_PER_SECOND - 5
            mine = [run for run in story if second <= run[0] < second + interval]
            assert (entry.met_ns is not None) == any(well for _, _, well in mine)
        again = ledger_of([_job(Path(folder), interval)[0]], DAY, 2**62)
        assert is_settled(again)
        assert judge_again([source], entries, now_ns) == entries


def _job(folder: Path, interval: int) -> tuple[JobSource, Records]:
    (folder / "j").mkdir(exist_ok=True)
    (folder / "j/since").touch()
    os.utime(folder / "j/since", ns=(0, 0))
    job = JobFacts("j", read_schedule(f"every {interval}s"), False, interval * NS_PER_SECOND // 2, "", "u", "r")
    return JobSource([job], folder, lambda _: None), Records(folder / "j")


@given(seconds=st.sampled_from(DIVISORS), offset=st.integers(0, 400))
@examples(60)
def test_an_interval_is_due_as_often_on_each_day_and_without_a_seam_at_midnight(seconds: int, offset: int) -> None:
    text = f"every {seconds}s"
    days = [DAY + timedelta(days=offset), DAY + timedelta(days=offset + 1)]
    moments = [at for day in days for at in read_schedule(text).moments(day, None)]

    assert {later - earlier for earlier, later in pairwise(moments)} == {seconds * NS_PER_SECOND}
    assert len(moments) == 2 * 86_400 // seconds
    assert datetime.fromtimestamp(moments[0] // NS_PER_SECOND, zone()).date() == days[0]
    found = EVERY.match(text)
    assert found
    assert read_span(found[1]) == seconds
