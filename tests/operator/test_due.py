"""due: what each host's ledger says, in one table; what is missing with its remedy; hosts that cannot say."""

from datetime import date
from typing import Any

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from runbook.fleet import dues
from runbook.fleet.dues import HostDues, gather
from runbook.fleet.inventory import Host
from runbook.tasks.due_table import show_dues

DAY = date(2026, 11, 23)
NINE_NS = midnight_ns(DAY) + 9 * 3600 * NS_PER_SECOND


def entry(state: str, name: str = "copy", at: int = 0, **words: Any) -> dict[str, Any]:
    due_ns = NINE_NS + at * 60 * NS_PER_SECOND
    plain = {"kind": "job", "name": name, "period": "p", "due_ns": due_ns, "by_ns": due_ns, "state": state}
    return plain | {"met_ns": None, "proof": "", "cause": "", "remedy": ""} | words


def shown(answers: list[HostDues], capsys: pytest.CaptureFixture[str]) -> str:
    show_dues(answers)
    return " ".join(capsys.readouterr().out.split())


def test_times_of_one_state_are_one_row_and_the_worst_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    met = [entry("met", at=at, met_ns=NINE_NS + at * 60 * NS_PER_SECOND, proof="3 rows") for at in (0, 15, 30)]
    missing = entry(
        "missing", "push", cause="[Errno 28] it ended with 1", remedy="./inv logs --unit harvester-job-push"
    )

    said = shown([HostDues("h1", [*met, missing])], capsys)

    assert said.index("push") < said.index("copy")
    assert "3 23 Nov 09:30:00 23 Nov 09:30:00 3 rows" in said
    assert "[Errno 28] it ended with 1" in said
    assert said.endswith("h1: job push, due 23 Nov 09:00:00 -> ./inv logs --unit harvester-job-push")


def test_a_day_of_nothing_and_a_host_that_sleeps_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [HostDues("h1"), HostDues("h2", asleep=True), HostDues("h3", error="no route")]

    said = shown(answers, capsys)

    assert said == "nothing was due h2: asleep, so it is asked when it is awake: ./inv wake h3: no route"
    assert [answer.well for answer in answers] == [True, True, False]


@pytest.mark.parametrize(
    ("state", "well"),
    [("met", True), ("waiting", True), ("partial", True), ("late", True), ("missing", False), ("unknown", False)],
)
def test_what_is_missing_or_unseen_is_not_well(state: str, well: bool) -> None:
    assert HostDues("h1", [entry("met"), entry(state)]).well is well


def test_each_host_is_asked_for_the_day_and_one_that_cannot_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(host: Host, words: list[str]) -> dict[str, Any]:
        asked.append((host.name, *words))
        if host.name == "h2":
            raise HarvesterError("no route")
        return {"entries": [entry("met")], "settled": True} if host.name == "h1" else {}

    monkeypatch.setattr(dues, "ask", ask)
    hosts = [Host(name, "192.0.2.1", variables={"harvester_asleep": name == "h4"}) for name in ("h1", "h2", "h3", "h4")]

    answers = gather(hosts, DAY)

    assert sorted(asked) == [(name, "due", "--json", "--date", "2026-11-23") for name in ("h1", "h2", "h3")]
    assert [answer.error for answer in answers] == ["", "no route", "its answer has no 'entries': ./inv deploy", ""]
    assert [answer.well for answer in answers] == [True, False, False, True]
    assert answers[0].settled
