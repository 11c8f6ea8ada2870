"""Operators' tasks: parse, call one function, print. `./inv --list` names them, `./inv --help TASK` explains one."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from harvester.errors import HarvesterError, UnhealthyError

ROOT = Path(__file__).resolve().parent
WHERE = {
    "inventory": "inventory to use instead of the one ansible.cfg names, such as inventory/aws",
    "limit": "hosts to act on, as Ansible writes patterns (default: all of group harvesters)",
}
RANGE = {
    "since": "first day, YYYY-MM-DD (default: the oldest there is)",
    "until": "last day, YYYY-MM-DD (default: the newest there is)",
    "symbols": "symbols by commas, such as NSE:SBIN-EQ,NSE:INFY-EQ (default: all)",
}
OUTPUT = {"output": "directory of pulled data (default: pulled)"}
FORCE = {"force": "also while a session is open, when this would interrupt recording"}


def operator(*, iterable: Sequence[str] = (), **helps: str) -> Callable[[Callable[..., None]], Any]:
    """A task whose HarvesterError ends it with one paragraph and its documented exit code."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(context: Context, *args: Any, **options: Any) -> None:
            try:
                function(context, *args, **options)
            except HarvesterError as error:
                raise Exit(f"{function.__name__.replace('_', '-')}: {error}", code=error.exit_code) from None

        return task(help=helps, iterable=iterable)(run)

    return decorate


@operator(
    login="log in to the broker; this is the default",
    stdin="read the token from standard input instead of logging in",
    secret_stdin="read the app's secret from standard input, not from where the inventory says",  # noqa: S106  # a help
    paste="paste the address after the login, where the browser runs on another machine",
    broker="fyers or schwab",
    **WHERE,
)
def token_push(
    _: Context,
    login: bool = True,
    stdin: bool = False,
    secret_stdin: bool = False,
    paste: bool = False,
    broker: str = "fyers",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Log in to the broker (or read a token from stdin), store the token, and see the service use it."""
    from harvester.ops import presentation, schwab_push, token_push

    hosts, target = _hosts(inventory, limit), _target(inventory, limit)
    if schwab_push.is_meant(broker):
        print(schwab_push.push(hosts[0], secret_stdin=secret_stdin))
        return
    obtained = token_push.obtain(hosts[0], stdin=stdin or not login, secret_stdin=secret_stdin, paste=paste)
    presentation.show_pushed(token_push.push(obtained, hosts, target))


@operator(json="print it as JSON", **WHERE)
def token_status(_: Context, json: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Show every credential: present, age, expiry, next action; exit code 3 when one that is needed is not good."""
    from harvester.ops import credentials, presentation

    standings = credentials.look(_hosts(inventory, limit))
    presentation.show_json([one.to_dict() for one in standings]) if json else presentation.show_credentials(standings)
    if not all(standing.good for standing in standings):
        raise UnhealthyError("not every credential is good; see above.")


@operator(**WHERE)
def token_undo(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Go back to the access token that was in force before, where it still works; again to come back."""
    from harvester.ops import credentials

    versions = credentials.undo(_hosts(inventory, limit), _target(inventory, limit))
    print("The token before is in use" + "".join(f"; {host}: {version}" for host, version in versions.items()) + ".")


@operator(listen="address:port to listen on, where a proxy of yours brings the app's redirect address", **WHERE)
def token_page(_: Context, listen: str | None = None, inventory: str | None = None, limit: str | None = None) -> None:
    """Serve the token page here for one login, by the handler that runs in AWS; prints its link."""
    from harvester.ops import presentation, token_page

    hosts, target = _hosts(inventory, limit), _target(inventory, limit)
    presentation.show_pushed(token_page.serve(hosts, target, lambda line: print(line, flush=True), listen=listen))


@operator(**WHERE)
def notify_test(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Send a test message from each host through every alert channel, and say how each took it."""
    _playbook("notify_test", inventory, limit)


@operator(name="app-secret, pin, page-key, channels or schwab-app-secret", **WHERE)
def secret_put(_: Context, name: str, inventory: str | None = None, limit: str | None = None) -> None:
    """Store a secret that you type, or pipe in, encrypted in AWS; the value before is kept."""
    from harvester.ops import credentials

    print(credentials.put(_hosts(inventory, limit), name))


@operator(json="print the hosts' own reports as JSON", **WHERE)
def status(_: Context, json: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Show each host's health, session, updates, token and disk; exit code 3 when one is unhealthy."""
    from harvester.ops import presentation
    from harvester.ops.status import gather

    answers = gather(_hosts(inventory, limit))
    presentation.show_json([answer.to_dict() for answer in answers]) if json else presentation.show_status(answers)
    if not all(answer.healthy for answer in answers):
        raise UnhealthyError("not every host is healthy; see above.")


@operator(
    follow="go on as lines are written, until Ctrl-C",
    unit="one unit or pattern, such as harvester-recorder (default: all of the harvester's)",
    lines="how many of the newest lines",
    since="lines since then, as systemd writes times, such as today or -1h",
    **WHERE,
)
def logs(
    _: Context,
    follow: bool = False,
    unit: str | None = None,
    lines: int = 50,
    since: str | None = None,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Show the journal of the harvester's units, or follow it."""
    from harvester.ops import logs

    logs.show(_hosts(inventory, limit), logs.command(unit, lines, since, follow=follow), follow=follow)


@operator(**WHERE)
def start(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Start the harvester's services and wait until they are healthy."""
    _playbook("start", inventory, limit)


@operator(**FORCE, **WHERE)
def stop(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Stop recording until `start`; the gap is in the ledger."""
    _playbook("stop", inventory, limit, harvester_override_blackout=force)


@operator(**FORCE, **WHERE)
def restart(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Restart the harvester's services and wait until they are healthy."""
    _playbook("restart", inventory, limit, harvester_override_blackout=force)


@operator(check="only say what would change", **FORCE, **WHERE)
def deploy(
    _: Context, check: bool = False, force: bool = False, inventory: str | None = None, limit: str | None = None
) -> None:
    """Bring release, configuration and units of this checkout to the hosts; verified, or rolled back."""
    _playbook("deploy", inventory, limit, check=check, harvester_override_blackout=force)


@operator(**FORCE, **WHERE)
def rollback(_: Context, force: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Go back to the previous release and its configuration, without the network."""
    _playbook("rollback", inventory, limit, harvester_override_blackout=force)


@operator(
    format="parquet, or csv to write the old CSV format besides",
    raw="also bring the raw journal segments, which a clean-up of raw data needs",
    from_="host (over SSH, the default) or s3 (the bucket that the hosts upload to)",
    bucket="with --from s3: name or s3://name/prefix/ of the bucket (default: what the inventory says)",
    **RANGE,
    **OUTPUT,
    **WHERE,
)
def pull_data(
    _: Context,
    from_: str = "host",
    bucket: str | None = None,
    since: str | None = None,
    until: str | None = None,
    symbols: str | None = None,
    format: str = "parquet",
    raw: bool = False,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Bring closed days here, verified and resumable, with a report; exit code 1 and a list when something is missing.

    Whole days are pulled; --symbols chooses what the CSV and the report show.
    """
    from harvester.ops import delivery, plan, presentation
    from harvester.ops.console import PullBar

    selection = plan.parse_selection(since, until, raw=raw)
    csv = delivery.parse_format(format)
    connections = delivery.choose(from_, bucket, limit, lambda: _hosts(inventory, None if from_ == "s3" else limit))
    with PullBar() as bar:
        result = delivery.deliver(
            connections, _store(output), selection, symbols=plan.parse_symbols(symbols), csv=csv, progress=bar
        )
    presentation.show_delivery(result)
    if result.problems:
        raise HarvesterError("not everything came, see above; what came is verified. Run it again to bring the rest.")


@operator(json="print the findings as JSON", **RANGE, **OUTPUT)
def verify_data(
    _: Context,
    since: str | None = None,
    until: str | None = None,
    symbols: str | None = None,
    output: str = "pulled",
    json: bool = False,
) -> None:
    """Check what is here: hashes, row counts, gaps, strangers, and trading days that are missing."""
    from harvester.ops import plan, presentation
    from harvester.ops.verification import verify_store

    selection = plan.parse_selection(since, until, raw=False)
    result = verify_store(_store(output), selection, plan.parse_symbols(symbols))
    presentation.show_json(result.to_dict()) if json else presentation.show_verification(result)
    if not result.ok:
        raise HarvesterError("not everything is as it should be; see above.")


@operator(
    yes="do not ask",
    dry_run="show the plan and stop",
    keep_days="how many of the newest days keep everything on the host (at least 2)",
    archive="directory for a second copy, verified before anything goes",
    **OUTPUT,
    **WHERE,
)
def cleanup(
    _: Context,
    yes: bool = False,
    dry_run: bool = False,
    keep_days: int = 2,
    archive: str | None = None,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Free the hosts' disks of days that are proven to be here; shows the plan and asks first."""
    from harvester.ops import cleanup, delivery, presentation
    from harvester.ops.console import confirm

    store, target = _store(output), _target(inventory, limit)
    for host in _hosts(inventory, limit):
        demands = cleanup.demands_of(host)
        if demands == {"s3"}:
            cleanup.by_bucket(host.name, target, check=True)
            if not dry_run and (yes or confirm(f"Remove from {host.name} what would go?")):
                cleanup.by_bucket(host.name, target, check=False)
            continue
        plan = cleanup.look(delivery.connect_to(host), store, keep_days=keep_days)
        presentation.show_plan(plan)
        if dry_run or not plan.removals:
            continue
        if not yes and not confirm(f"Remove {len(plan.removals)} files from {plan.host}?"):
            raise Exit("Nothing was removed. Answer y, or give --yes where nobody can be asked.", code=1)
        if archive:
            cleanup.archive(plan, store, Path(archive))
        cleanup.apply(plan, store, target, look_at_bucket="s3" in demands)


@operator(
    sql="the question, such as: select symbol, count(*) from depth group by symbol",
    csv="print CSV",
    json="print JSON",
    lake="lake to ask (default: pulled/lake)",
)
def query(_: Context, sql: str, csv: bool = False, json: bool = False, lake: str = "pulled/lake") -> None:
    """Ask the pulled lake in SQL (DuckDB). Views: depth, depth_rupees, gaps, certificate."""
    from harvester.ops import presentation
    from harvester.ops.query import ask

    answer = ask(sql, (ROOT / lake).resolve())
    if csv or json:
        print(answer.to_csv() if csv else answer.to_json(), end="" if csv else "\n")
    else:
        presentation.show_answer(answer)


@operator(
    json="print the findings as JSON",
    aws="look at the account in AWS, and at what no emulator can show",
    **OUTPUT,
    **WHERE,
)
def doctor(
    _: Context,
    json: bool = False,
    aws: bool = False,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Look at everything that can be wrong, here and on the hosts, and say how to put it right."""
    from harvester.ops import presentation
    from harvester.ops.doctor import Level, examine, examine_aws

    findings = []
    rounds = examine_aws(ROOT, inventory) if aws else examine(ROOT, ROOT / output, inventory, limit)
    for finding in rounds:
        findings.append(finding)
        if not json:
            presentation.show_finding(finding)
    presentation.show_json([finding.to_dict() for finding in findings]) if json else presentation.show_sum(findings)
    if any(finding.level == Level.FAIL for finding in findings):
        raise HarvesterError("something is wrong; each finding above says what to do.")


@operator(**WHERE)
def audit(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Show who logged in, what failed, and what listens on each host."""
    _playbook("audit", inventory, limit)


@operator(yes="do not ask", **WHERE)
def rotate_ssh_key(_: Context, yes: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Replace the login key of these hosts; the old one goes when the new one has been seen to work."""
    from harvester.ops import keys
    from harvester.ops.console import confirm, console

    hosts, target = _hosts(inventory, limit), _target(inventory, limit)
    question = f"Replace {keys.shared_key(hosts)} on {', '.join(host.name for host in hosts)}?"
    if not yes and not confirm(question):
        raise Exit("Nothing was changed. Answer y, or give --yes where nobody can be asked.", code=1)
    console().print(f"{keys.rotate(hosts, target)} is a new key; the hosts refuse the old one now.", markup=False)


@operator(
    answers="JSON file with the answers instead of questions: profile, region, environment, symbols, app_id, email, "
    "cap_dollars, connection, source, hosts",
    output="directory to write to (default: inventory/aws)",
)
def configure(_: Context, answers: str | None = None, output: str = "inventory/aws") -> None:
    """Ask the ten things that AWS needs, check each at once, write inventory/aws; creates nothing in AWS."""
    from harvester.ops.aws import configure, presentation

    given = configure.read_answers(Path(answers)) if answers else presentation.ask_answers()
    written = configure.write(given, ROOT / output, configure.account_of(given))
    presentation.show_configured(written, configure.explain_plan(given), output)


@operator(json="print the table as JSON", inventory=WHERE["inventory"])
def cost(_: Context, json: bool = False, inventory: str | None = "inventory/aws") -> None:
    """Show what the configured environment costs in a month, with how it is computed and how old the prices are."""
    from harvester.ops.aws import cost, environment, presentation

    variables = environment.load(ROOT, inventory).variables
    price = cost.prices(str(variables["aws_account_region"]))
    presentation.show_costs(cost.estimate(cost.read_configuration(variables), price), price, variables, json=json)


@operator(network="network to let in instead of your present address, such as 203.0.113.7/32", yes="do not ask",
          inventory=WHERE["inventory"])  # fmt: skip
def allow_me(
    _: Context, network: str | None = None, yes: bool = False, inventory: str | None = "inventory/aws"
) -> None:
    """Open port 22 of the hosts to the address that you have today, and close it to the one you had before."""
    from harvester.ops.aws import allow, environment
    from harvester.ops.console import confirm, console

    wanted = allow.check_network(network) if network else allow.my_network()
    if not yes and not confirm(f"Let {wanted} in, and nobody else?"):
        raise Exit("Nothing was changed. Answer y, or give --yes where nobody can be asked.", code=1)
    here = environment.load(ROOT, inventory)
    with environment.reaching(here):
        former = allow.allow(here, wanted)
    kept = allow.remember(ROOT / str(inventory), wanted)
    console().print(f"port 22 is open to {wanted} alone (before: {', '.join(former) or 'the same'})", markup=False)
    if not kept:
        console().print(f"write it into aws_host_ssh_sources of {inventory}, too", markup=False)


@operator(yes="do not ask", inventory=WHERE["inventory"], host="name of the host in the inventory", **OUTPUT)
def replace_host(
    _: Context, host: str, yes: bool = False, output: str = "pulled", inventory: str | None = "inventory/aws"
) -> None:
    """Move a host to a new instance: its data comes home verified, the old one goes, site.yml makes the new one."""
    from harvester.ops.aws import destroy, environment
    from harvester.ops.console import PullBar, confirm

    [found] = _hosts(inventory, host)
    if not yes and not confirm(f"Bring everything of {found.name} home, terminate it, and build it anew?"):
        raise Exit("Nothing was changed. Answer y, or give --yes where nobody can be asked.", code=1)
    here = environment.load(ROOT, inventory)
    with environment.reaching(here), PullBar() as bar:
        destroy.retire(here, found, _store(output), bar)
    _playbook("site", inventory, None)


@operator(
    yes="do not ask; refused while data would be lost",
    lose_data="name of the environment: says again that data which is nowhere else may go, too",
    dry_run="list what would go and stop",
    inventory=WHERE["inventory"],
    **OUTPUT,
)
def destroy(
    _: Context,
    yes: bool = False,
    lose_data: str = "",
    dry_run: bool = False,
    output: str = "pulled",
    inventory: str | None = "inventory/aws",
) -> None:
    """List and remove everything of an environment in AWS; refuses while data would be lost."""
    from harvester.ops.aws import destroy, environment, presentation
    from harvester.ops.console import confirm, console

    here = environment.load(ROOT, inventory)
    with environment.reaching(here) as account:
        doomed = destroy.look(here, account)
        presentation.show_doomed(doomed, here.names.stem)
        if dry_run or not doomed:
            return
        if lose_data != here.names.environment:
            destroy.refuse(destroy.risks(here, account, ROOT, inventory, _store(output)))
        if not yes and not confirm(f"Remove these {len(doomed)} things for good?"):
            raise Exit("Nothing was removed. Answer y, or give --yes where nobody can be asked.", code=1)
        destroy.remove(doomed, lambda line: console().print(line, markup=False))
        destroy.prove(here, account)
    console().print(f"nothing of {here.names.stem} is left in account {account}", markup=False)


@operator(hosts="how many hosts", suite="their userland: trixie or bookworm (default: the lab's)")
def lab_up(_: Context, hosts: int = 1, suite: str | None = None) -> None:
    """Boot the lab on this machine: hosts, local exchange and AWS stand-in (needs root)."""
    from lab.cli import main

    names = [argument for number in range(hosts) for argument in ("--name", f"h{number + 1}")]
    code = main(["up", *names, *(["--suite", suite] if suite else [])])
    if code:
        raise Exit(code=code)


@operator(
    here="as ordinary processes, without a host and without Ansible: where root or namespaces are not to be had",
    down="take the lab down at the end",
    seconds="length of the trading session",
    summary="file to write the summary to, as JSON",
)
def demo(_: Context, here: bool = False, down: bool = False, seconds: int = 40, summary: str | None = None) -> None:
    """Boot a host, build it with site.yml, harvest a session, pull and verify it; needs no account anywhere."""
    from lab.demo import demonstrate

    target = Path(summary).resolve() if summary else None
    demonstrate(ROOT, on_host=not here, session_seconds=seconds, summary_file=target, down=down)


@operator(
    iterable=["suite"],
    fast="the quick part, side by side: unit and property tests; no hosts, no real sessions, no Ansible",
    suite="one suite; repeatable",
    long="also the cases that take minutes",
    json="file to write cases, passed and figures to",
)
def test(
    _: Context, fast: bool = False, suite: list[str] | None = None, long: bool = False, json: str | None = None
) -> None:
    """Run the tests, suite by suite, with their figures: everything that must pass."""
    import runpy

    suites = runpy.run_path(str(ROOT / "tests" / "suites.py"))
    code = suites["run"](fast=fast, names=suite, long=long, report=Path(json).resolve() if json else None)
    if code:
        raise Exit(code=code)


@operator(
    name="one benchmark: capture, decode, lake, storage, recovery, load, s3 or pull (default: all)",
    long="the long forms, such as ten minutes of 5,000 symbols",
    json="file to write cases, passed and figures to",
)
def bench(_: Context, name: str | None = None, long: bool = False, json: str | None = None) -> None:
    """Measure against the usual ways in one run: capture, decoding, bytes at rest, query, recovery, load."""
    import runpy

    benchmarks = runpy.run_module("tests.bench.run")
    code = benchmarks["run"](name=name, long=long, report=Path(json).resolve() if json else None)
    if code:
        raise Exit(code=code)


@operator()
def lab_down(_: Context) -> None:
    """Remove the lab and everything that it left."""
    from lab.cli import main

    code = main(["down"])
    if code:
        raise Exit(code=code)


def _target(inventory: str | None, limit: str | None) -> Any:
    from harvester.ops.playbook import Target

    return Target(ROOT, inventory, limit)


def _hosts(inventory: str | None, limit: str | None) -> Any:
    from harvester.ops.inventory import load_hosts

    return load_hosts(ROOT, inventory, limit)


def _playbook(name: str, inventory: str | None, limit: str | None, *, check: bool = False, **variables: Any) -> None:
    from harvester.ops.playbook import run

    run(name, _target(inventory, limit), variables or None, check=check)


def _store(output: str) -> Any:
    from harvester.ops.store import Store

    return Store((ROOT / output).resolve())
