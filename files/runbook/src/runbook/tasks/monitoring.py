"""How the hosts are, and what may be wrong here and there."""

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from invoke.context import Context

from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from runbook.tasks.here import ROOT, awake_hosts_of, hosts_of, play
from runbook.tasks.options import APPLICATION, OUTPUT, WHERE, operator

if TYPE_CHECKING:
    from runbook.doctor import Finding
    from runbook.fleet.inventory import Host


@operator(json="print the hosts' own reports as JSON", **APPLICATION, **WHERE)
def status(
    _: Context,
    json: bool = False,
    application: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Show each host's health, session, updates, token and disk; exit code 3 when one is unhealthy."""
    if application:
        play("application", inventory, limit, application_do="status")
        return
    from runbook.aws import sleepers
    from runbook.console.terminal import waiting
    from runbook.fleet.status import gather
    from runbook.tasks import presentation
    from runbook.tasks.status_table import show_status

    hosts = hosts_of(inventory, limit)
    with waiting(f"asking {', '.join(host.name for host in hosts)}"):
        answers = [sleepers.judge(answer, host) for answer, host in zip(gather(hosts), hosts, strict=True)]
    presentation.show_json([answer.to_dict() for answer in answers]) if json else show_status(answers)
    if not all(answer.healthy for answer in answers):
        raise UnhealthyError("not every host is healthy; see above.")


@operator(here="port on this machine (default: 8321)", **WHERE)
def live(_: Context, here: int = 8321, inventory: str | None = None, limit: str | None = None) -> None:
    """Show a host's page of today in a browser here, price, book and gaps as they arrive, until Ctrl-C."""
    from runbook.console.terminal import console, waiting
    from runbook.fleet import live_page
    from runbook.fleet.tunnel import LOOPBACK

    hosts = awake_hosts_of(inventory, limit)
    if len(hosts) != 1:
        raise ConfigError(f"The live page is one host's, and these are {len(hosts)}: name it with --limit HOST.")
    with live_page.listen(here) as listening:
        with waiting(f"asking {hosts[0].name} for its page"):
            live_page.prove(hosts[0])
        console().print(f"http://{LOOPBACK}:{here}/ is the page of {hosts[0].name}; Ctrl-C ends it", markup=False)
        with suppress(KeyboardInterrupt):
            live_page.relay(hosts[0], listening)


@operator(date="market date, YYYY-MM-DD (default: today)", json="print the hosts' own ledgers as JSON", **WHERE)
def due(
    _: Context, date: str | None = None, json: bool = False, inventory: str | None = None, limit: str | None = None
) -> None:
    """Show what was due on a day: met, late or missing, and why; exit code 3 when something is missing."""
    from harvester.base.clock import parse_date
    from runbook.console.terminal import waiting
    from runbook.fleet.dues import gather
    from runbook.tasks import presentation
    from runbook.tasks.due_table import show_dues

    day = parse_date(date, "--date") if date else None
    hosts = hosts_of(inventory, limit)
    with waiting(f"asking {', '.join(host.name for host in hosts)}"):
        answers = gather(hosts, day)
    presentation.show_json([answer.to_dict() for answer in answers]) if json else show_dues(answers)
    if not all(answer.well for answer in answers):
        raise UnhealthyError("something that was due is missing; see above.")


@operator(json="print the hosts' own lists as JSON", **WHERE)
def jobs(_: Context, json: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Show each host's jobs: when they are due, their last run and their next start."""
    from runbook.console.terminal import waiting
    from runbook.fleet.jobs import gather
    from runbook.tasks import presentation
    from runbook.tasks.jobs_table import show_jobs

    hosts = hosts_of(inventory, limit)
    with waiting(f"asking {', '.join(host.name for host in hosts)}"):
        answers = gather(hosts)
    presentation.show_json([answer.to_dict() for answer in answers]) if json else show_jobs(answers)
    if any(answer.error for answer in answers):
        raise HarvesterError("not every host could be asked; see above.")


@operator(name="the job, as the command jobs names it", **WHERE)
def run_job(_: Context, name: str, inventory: str | None = None, limit: str | None = None) -> None:
    """Start a job now on the hosts that have it, wait for its end, and show its record."""
    from runbook.console.terminal import console, waiting
    from runbook.fleet.jobs import run_now
    from runbook.fleet.turns import in_turn, raise_all
    from runbook.tasks.jobs_table import show_record

    hosts, without = awake_hosts_of(inventory, limit), list[str]()

    def start(host: "Host") -> None:
        try:
            with waiting(f"{host.name} runs {name}"):
                record = run_now(host, name)
        except ConfigError as unknown:
            without.append(str(unknown))
            return
        show_record(host.name, record)
        if record["result"] != "ok":
            raise HarvesterError(f"{host.name}: {name} did not end well; see above.")

    failed = in_turn(hosts, start)
    if len(without) == len(hosts):
        raise ConfigError(" ".join(without))
    for sentence in without:
        console().print(sentence, markup=False)
    raise_all(failed)


@operator(
    follow="go on as lines are written, until Ctrl-C",
    unit="one unit or pattern, such as harvester-recorder (default: all of the harvester's)",
    lines="how many of the newest lines",
    since="lines since then, as systemd writes times, such as today or -1h",
    **APPLICATION,
    **WHERE,
)
def logs(
    _: Context,
    follow: bool = False,
    unit: str | None = None,
    lines: int = 50,
    since: str | None = None,
    application: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Show the journal of the harvester's units, or follow it; in AWS it is in CloudWatch Logs as well."""
    from runbook.fleet import logs

    hosts = awake_hosts_of(inventory, limit)
    with suppress(KeyboardInterrupt) if follow else nullcontext():  # that is how one stops following
        logs.show(hosts, logs.command(unit, lines, since, follow=follow, application=application), follow=follow)


@operator(
    json="print the findings as JSON",
    aws="check the account in AWS, with what no emulator can show",
    before="with --aws: check an account before anything is made in it, quotas, plan and rights to bill among it",
    production="check what must have been seen once before the system is trusted: a recorded day, alarms, backups",
    **OUTPUT,
    **WHERE,
)
def doctor(
    _: Context,
    json: bool = False,
    aws: bool = False,
    before: bool = False,
    production: bool = False,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Check everything that can be wrong, here and on the hosts, and say how to correct it."""
    if production and (aws or before):
        raise ConfigError("--production goes without --aws and --before: they look at other things. Give one of them.")
    from runbook.console.terminal import waiting
    from runbook.doctor import Severity, examine, examine_aws, examine_production
    from runbook.tasks import presentation

    findings = []
    if production:
        rounds = examine_production(ROOT, hosts_of(inventory, limit), inventory)
    elif aws or before:
        rounds = examine_aws(ROOT, inventory, before=before)
    else:
        rounds = examine(ROOT, ROOT / output, inventory, limit)

    def look() -> "Finding | None":
        with waiting("looking"):
            return next(rounds, None)

    for finding in iter(look, None):
        findings.append(finding)
        if not json:
            presentation.show_finding(finding)
    presentation.show_json([finding.to_dict() for finding in findings]) if json else presentation.show_sum(findings)
    if any(finding.level == Severity.FAIL for finding in findings):
        raise HarvesterError("something is wrong; each finding above says what to do.")


@operator(**WHERE)
def audit(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Show who logged in, what failed, and what listens on each host."""
    play("audit", inventory, limit)
