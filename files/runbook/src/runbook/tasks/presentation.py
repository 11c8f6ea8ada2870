"""What operators' tasks print and ask: results as tables and sentences."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.lake.certificate.shares import in_percent
from harvester.lake.layout import SO_FAR_NAME
from runbook.console.terminal import console, human_age, human_bytes, table

if TYPE_CHECKING:
    from harvester.config.rules import IndexList
    from runbook.doctor import Finding
    from runbook.fleet.calendar import Difference
    from runbook.fleet.indices import MemberChange
    from runbook.pull.cleanup import Plan
    from runbook.pull.so_far import SoFar
    from runbook.report.delivery import Delivery
    from runbook.report.query import Answer
    from runbook.report.verification import CheckedDay, Verification
    from runbook.tokens.credentials import CredentialStatus
    from runbook.tokens.token_push import Pushed

MOST_ROWS = 500


def show_json(content: Any) -> None:
    """Machine-readable output, alone on standard output."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def show_delivery(delivery: "Delivery") -> None:
    """What came, what was here, what is missing, and where the report is."""
    out = console()
    rows = [
        (
            host.host,
            len(host.dates),
            len(host.fetched),
            human_bytes(host.fetched_bytes),
            len(host.present),
            len(host.problems) or "none",
        )
        for host in delivery.hosts
    ]
    columns = ("host", "days#", "files fetched#", "size#", "here before#", "problems#")
    out.print(table("Every file fetched was checked against its SHA-256", columns, rows))
    for path in delivery.csv_files:
        out.print(f"CSV: {path}", markup=False)
    if delivery.report:
        out.print(f"Report: {delivery.report}", markup=False)
    for problem in delivery.problems:
        out.print(f"missing: {problem}", markup=False)
    for sentence in delivery.damage:
        out.print(f"damage: {sentence}", markup=False)


def show_so_far(found: "Sequence[SoFar]") -> None:
    """Of each host until when its tables go, and how they are read; or why there are none."""
    out = console()
    for each in found:
        for problem in each.problems:
            out.print(f"missing: {problem}", markup=False)
        if each.folder:
            until_ns = json.loads((each.folder / SO_FAR_NAME).read_bytes())["until_ns"]
            out.print(f"{each.host}: today so far, until {to_local(until_ns):%H:%M:%S %Z}.", markup=False)
            out.print(f'Read it with open_lake("{each.folder}", so_far=True). It is not closed.', markup=False)
        elif not each.problems:
            out.print(f"{each.host}: {each.said}", markup=False)


def show_verification(result: "Verification") -> None:
    """One row per day, then every problem, missing day and unlisted file."""
    out = console()
    figures = ("files#", "size#", "updates#", "polls answered#", "sockets covered#")
    columns = ("day", "host", *figures, "missed, by cause", "finding")
    rows = [
        (
            day.date,
            day.host,
            day.files,
            human_bytes(day.bytes),
            f"{day.rows:,}",
            _share(day.coverage),
            _share(day.socket_coverage),
            _missed(day),
            "[red]wrong[/]" if day.problems else "[yellow]damaged journal[/]" if day.damage else "[green]ok[/]",
        )
        for day in result.days
    ]
    out.print(table("", columns, rows))
    for day in result.days:
        for problem in day.problems:
            out.print(f"wrong: {day.date} {day.host}: {problem}", markup=False)
        for sentence in day.damage:
            out.print(f"damage: {day.date} {day.host}: {sentence}", markup=False)
    if result.missing_days:
        out.print(
            f"missing trading days: {', '.join(result.missing_days)}. Where the host has none either, "
            "`harvester close --date DAY` there writes down why; `./inv pull-data` brings them.",
            markup=False,
        )
    for path in result.unlisted:
        out.print(f"in no manifest, so not used: {path}", markup=False)
    for path in result.superseded:
        out.print(f"of a former build, and counted by whoever reads the folder: {path}", markup=False)
    if result.superseded:
        out.print("`./inv pull-data` moves files of former builds away.", markup=False)
    if result.kept_aside:
        out.print(f"{result.kept_aside} files of former builds are kept in superseded/, and may be deleted.")


def _share(share: float | None) -> str:
    return f"{in_percent(share)} %" if share is not None else "none due"


def _missed(day: "CheckedDay") -> str:
    """Polls by cause, and seconds of the sockets."""
    polls = [f"{cause} {slots}" for cause, slots in day.gaps_by_cause.items()]
    seconds = [f"{cause} {lost / NS_PER_SECOND:.1f} s" for cause, lost in day.lost_ns_by_cause.items()]
    return ", ".join([*polls, *seconds]) or "none"


def show_plan(plan: "Plan") -> None:
    """The clean-up plan of one host by day."""
    from runbook.pull.cleanup import summary

    rows = [(row["date"], row["what"], row["files"], human_bytes(row["bytes"])) for row in summary(plan)]
    title = f"{plan.host}: {len(plan.removals)} files may go, {human_bytes(plan.bytes)}"
    console().print(table(title, ("day", "what, and why", "files#", "size#"), rows))


def show_answer(answer: "Answer") -> None:
    """Rows as a table; beyond the most a screen is good for, the number of those left out."""
    out = console()
    if not answer.columns:
        out.print("Done; the statement has no rows.")
        return
    rows = [["" if value is None else value for value in row] for row in answer.rows[:MOST_ROWS]]
    out.print(table("", answer.columns, rows), markup=False)
    left = len(answer.rows) - MOST_ROWS
    out.print(f"{len(answer.rows):,} rows" + (f"; {left:,} not shown, use --csv or --json for all" if left > 0 else ""))


def show_pushed(pushed: "Pushed") -> None:
    """Whose token is in use now, until when, and when to come again."""
    out = console()
    hosts = ", ".join(f"{host} ({version})" for host, version in pushed.versions.items())
    out.print(f"In use on {hosts}.", markup=False)
    account = pushed.account or "an account that the token does not name"
    out.print(f"Account {account}, valid until {pushed.expires_at:%a %d %b %Y %H:%M %Z}.", markup=False)
    for note in pushed.notes:
        out.print(note, markup=False)
    if pushed.next_session:
        out.print(f"Next login: before the session of {pushed.next_session:%a %d %b, %H:%M %Z}.", markup=False)


def show_credentials(found: Sequence["CredentialStatus"]) -> None:
    """Every credential: whether it is there, how old, until when, and what is to be done about it."""
    rows = [
        (
            credential.name,
            credential.version or credential.state or "not stored",
            human_age(credential.age) if credential.age is not None else "",
            f"{to_local(credential.expires_at_ns):%a %d %b %H:%M %Z}" if credential.expires_at_ns else "",
            "[green]ok[/]" if credential.good and credential.version else "" if credential.good else "[red]missing[/]",
            credential.action,
            credential.place,
        )
        for credential in found
    ]
    columns = ("credential", "version", "age#", "expires", "", "next action", "kept in")
    console().print(table("", columns, rows))


def show_finding(finding: "Finding") -> None:
    """One finding as it comes, its fix below it."""
    out = console()
    colour = {"ok": "green", "none": "dim", "warn": "yellow", "fail": "red"}[finding.level]
    out.print(Text.assemble((f"{finding.level:4}", colour), f" {finding.name}: {finding.detail}"))
    if finding.fix:
        out.print(f"     -> {finding.fix}", markup=False)


def show_sum(findings: Sequence["Finding"]) -> None:
    """How many findings there were of each level."""
    counts = Counter(str(finding.level) for finding in findings)
    none = f"{counts['none']} not applicable here, " if counts["none"] else ""
    console().print(f"{counts['ok']} ok, {none}{counts['warn']} to look at, {counts['fail']} wrong.", markup=False)


def ask_answers(known: Mapping[str, str]) -> dict[str, str]:
    """The answers of the person at the terminal; `known` ones are offered. ConfigError without a terminal."""
    from runbook.aws.allow import my_network
    from runbook.aws.configure import ask_all
    from runbook.console.asking import type_answer

    if not sys.stdin.isatty():
        raise ConfigError("No terminal is here to ask at. Give the answers in a file: ./inv configure --answers FILE.")
    try:
        network = my_network()
    except ConfigError:
        network = ""
    return ask_all(type_answer, lambda line: console().print(line, markup=False), known=known, my_network=network)


def show_configured(written: Sequence[Path], plan: Sequence[str], inventory: str, answers: Mapping[str, str]) -> None:
    """What was written, what provisioning would create, and the next steps."""
    out = console()
    for path in written:
        out.print(f"written: {path}", markup=False)
    out.print("site.yml would create in AWS, and nothing is created yet:", markup=False)
    for line in plan:
        out.print(f"  - {line}", markup=False)
    out.print(f"Next: ./inv cost --inventory {inventory}", markup=False)
    out.print(
        f"      ansible-playbook -i {inventory} playbooks/provision.yml --check --diff   # the plan", markup=False
    )
    out.print(f"      ./inv secret-put --name app-secret --inventory {inventory}", markup=False)
    if answers["client_id"]:
        out.print(
            f"      openssl rand -hex 32 | ./inv secret-put --name page-key --inventory {inventory}", markup=False
        )
    out.print(f"      ./inv site --inventory {inventory}", markup=False)


def show_calendar(changes: Sequence["Difference"], target: Path) -> None:
    """What the new calendar has that the old one has not, and the other way round, each with its source."""
    out = console()
    if not changes:
        out.print(f"{target}: nothing new", markup=False)
        return
    rows = [(each.sign, each.day, each.segment, each.what, each.source) for each in changes]
    out.print(table(str(target), ("", "day", "segment", "what", "source"), rows))


def show_members(changes: Sequence["MemberChange"], new: "IndexList") -> None:
    """What a new list of an index has that the old one has not, and the other way round."""
    out = console()
    title = f"{new.index}: {len(new.members)} members by {new.source}"
    if not changes:
        out.print(f"{title}; nothing new", markup=False)
        return
    out.print(table(title, ("", "ISIN", "member"), list(changes)))
