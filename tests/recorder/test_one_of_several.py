"""How a host's command ends where one of several things is not well, whichever it is: every one of them is said."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest.mock import Mock

import pytest

from harvester.base.errors import HarvesterError
from harvester.commands import deliver, deliver_raw, job, notify_test, renew
from harvester.deliver.protocol import DayOutcome
from harvester.jobs.records import Result
from harvester.lake.layout import Partition
from harvester.tokens.renewal import RenewalOutcome

TODAY = date(2026, 11, 27)
PROBLEMS = [("of 1",), (), ("of 3", "more of 3"), ("of 4",)]
REST = "The next run goes on with what is lacking."


def outcomes() -> dict[date, DayOutcome]:
    """Of today and three days before, the oldest first."""
    days = [TODAY - timedelta(days=back) for back in (3, 2, 1, 0)]
    return {day: DayOutcome(Partition(day, "h"), problems=[*found]) for day, found in zip(days, PROBLEMS, strict=True)}


def test_what_lacks_of_any_day_fails_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [SimpleNamespace(outcome=each) for each in outcomes().values()]
    feed = Mock(home="s3://b/", due=lambda: [each.outcome.partition for each in results])
    feed.deliver_day = lambda partition: next(each for each in results if each.outcome.partition == partition)
    monkeypatch.setattr(deliver, "PriceFeed", lambda *_: feed)
    monkeypatch.setattr(deliver, "choose", lambda *_: ["feed"])
    monkeypatch.setattr(deliver, "open_place", lambda _: None)
    monkeypatch.setattr(deliver, "_report", lambda *_: None)

    with pytest.raises(HarvesterError) as failed:
        deliver.run(Namespace(name=None, date=None, due=True, json=False), Mock())

    assert str(failed.value).splitlines() == ["of 1", "of 3", "more of 3", "of 4", REST]


@pytest.mark.parametrize("names", [["one"], ["one", "two"]])
def test_raw_answers_of_today_and_three_days_before_are_brought_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    known, asked = outcomes(), list[tuple[str, date]]()

    def bring(_: Any, each: str, __: Any, day: Partition, ___: Any) -> DayOutcome:
        asked.append((each, day.date))
        return known[day.date]

    monkeypatch.setattr(deliver_raw, "deliver_raw", bring)
    monkeypatch.setattr(deliver_raw, "choose", lambda *_: names)
    monkeypatch.setattr(deliver_raw, "open_place", lambda _: None)
    monkeypatch.setattr(deliver_raw, "partition_of", lambda _, day, __: Partition(day or TODAY, "h"))

    with pytest.raises(HarvesterError) as failed:
        deliver_raw.run(Namespace(name=None, date=None), Mock())

    assert asked == [(name, day) for name in names for day in known]
    assert str(failed.value).splitlines() == [*["of 1", "of 3", "more of 3", "of 4"] * len(names), REST]
    asked.clear()
    assert deliver_raw.run(Namespace(name=None, date="2026-11-25"), Mock()) == 0
    assert asked == [(name, date(2026, 11, 25)) for name in names]


@pytest.mark.parametrize("problems", [("", ""), ("down", ""), ("", "down"), ("down", "down")])
def test_one_channel_that_took_no_test_message_is_the_commands_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problems: Sequence[str]
) -> None:
    channels = [Mock(kind=f"kind{number}", send=lambda _, said=said: said) for number, said in enumerate(problems)]
    telling = Mock(host_id="h1")
    monkeypatch.setattr(notify_test.host, "find_telling", lambda _: telling)
    monkeypatch.setattr(notify_test.host, "open_channels", lambda _: channels)
    monkeypatch.setattr(notify_test, "Teller", Mock())

    if any(problems):
        with pytest.raises(HarvesterError, match="not every channel took the message"):
            notify_test.run(Namespace(config=None, ports=False), None)
    else:
        assert notify_test.run(Namespace(config=None, ports=False), None) == 0

    assert capsys.readouterr().out == "".join(f"kind{n}: {said or 'sent'}\n" for n, said in enumerate(problems))


@pytest.mark.parametrize("result", get_args(Result))
def test_a_run_of_a_job_that_ended_otherwise_than_well_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], result: str
) -> None:
    copy = SimpleNamespace(name="copy", unit="harvester-job-copy")
    record = SimpleNamespace(result=result, cause="why", proof="")
    monkeypatch.setattr(job, "load_jobs", lambda: Mock(find=lambda _: copy))
    monkeypatch.setattr(job, "Records", Mock())
    monkeypatch.setattr(job, "configure_logs", Mock())
    monkeypatch.setattr(job, "run_job", lambda *_: record)
    words = Namespace(action="run", name="copy", if_due=False, debug=False, config=None)
    monkeypatch.setattr(job, "find_installed", lambda: SimpleNamespace(data_dir=tmp_path))

    if result == "ok":
        assert job.run(words, None) == 0
        assert capsys.readouterr().out == "copy: ok\n"
    else:
        with pytest.raises(HarvesterError, match=f"^copy: {result}: why. "):
            job.run(words, None)


@pytest.mark.parametrize(
    ("kinds", "waits", "is_good"),
    [
        (["renewed"], 0, True),
        (["not_set_up"], 0, True),
        (["refused"], 0, False),
        (["gone"], 0, False),
        (["later", "renewed"], 1, True),
        (["later", "later", "refused"], 2, False),
        (["later"] * 5, 4, False),
    ],
)
def test_a_renewal_is_tried_while_it_may_succeed_and_fails_where_a_login_is_needed(
    monkeypatch: pytest.MonkeyPatch, kinds: list[str], waits: int, is_good: bool
) -> None:
    left, waited = list(kinds), list[float]()
    monkeypatch.setattr(renew, "renew", lambda *_, **__: RenewalOutcome(left.pop(0), "words", False))
    monkeypatch.setattr(renew, "open_place", lambda *_: Mock())
    monkeypatch.setattr(renew, "configure_logs", Mock())
    monkeypatch.setattr(renew._try, "__defaults__", (waited.append,))
    words = Namespace(remembered=False, forget=False, debug=False)

    if is_good:
        assert renew.run(words, Mock()) == 0
    else:
        with pytest.raises(HarvesterError, match=r"^The token was not renewed: words$"):
            renew.run(words, Mock())

    assert left == [] and waited == [60, 300, 900, 1800][:waits]
