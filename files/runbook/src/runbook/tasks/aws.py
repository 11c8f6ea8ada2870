"""An environment in AWS: its inventory, cost, access, and end."""

from pathlib import Path

from invoke.context import Context

from harvester.base.errors import ConfigError
from runbook.tasks.here import ROOT, awake_hosts_of, hosts_of, play, store_at
from runbook.tasks.options import OUTPUT, WHERE, agree, operator


@operator(
    answers="JSON file with the answers instead of questions: profile, region, environment, symbols, app_id, email, "
    "cap_dollars, connection, source, hosts, client_id, redirect_uri",
    output="directory to write to (default: inventory/aws)",
    worker="ask about a worker elsewhere instead, and its overseer, a host of the inventory in the output directory",
    host="with --worker: the host that watches it, where the inventory has several",
)
def configure(
    _: Context,
    answers: str | None = None,
    output: str = "inventory/aws",
    worker: bool = False,
    host: str | None = None,
) -> None:
    """Ask what AWS and the login need, check each at once, write inventory/aws; creates nothing in AWS."""
    if worker:
        from runbook.tasks.worker_questions import configure_worker

        configure_worker(answers, output, host)
        return
    if host:
        raise ConfigError("--host belongs to --worker. Leave it out, or give --worker besides.")
    from runbook.aws import configure, optional
    from runbook.aws.session import Account
    from runbook.tasks import presentation

    known = configure.read_known(ROOT / output)
    given = configure.read_answers(Path(answers), known) if answers else presentation.ask_answers(known)
    account = configure.account_of(given)
    missing = optional.left_out(Account(given["region"], given["profile"] or None), account)
    disk_key = configure.disk_key_of(given)
    written = configure.write(given, ROOT / output, account, disk_key=disk_key, left_out=missing)
    presentation.show_configured(written, [*configure.explain_plan(given), *missing.values()], output, given)


@operator(
    json="print the table as JSON",
    preset="what another kind of host would cost: application (t3.medium, some 30 GiB)",
    inventory=WHERE["inventory"],
)
def cost(_: Context, json: bool = False, preset: str | None = None, inventory: str | None = "inventory/aws") -> None:
    """Show what the configured environment costs in a month, with how it is computed and how old the prices are."""
    from runbook.aws import cost, environment
    from runbook.fleet import indices
    from runbook.tasks import account_presentation

    variables = {**environment.load(ROOT, inventory).variables, **(cost.preset(preset) if preset else {})}
    price = cost.prices(str(variables["aws_account_region"]))
    lists = indices.current(indices.path_of(ROOT, inventory, variables.get(indices.VARIABLE)))
    configuration = cost.read_configuration(variables, lists)
    account_presentation.show_costs(cost.estimate(configuration, price), price, variables, json=json)


@operator(json="print one JSON document", inventory=WHERE["inventory"])
def outputs(_: Context, json: bool = False, inventory: str | None = "inventory/aws") -> None:
    """Say what the environment has, for scripts: bucket, functions, token page, topic, hosts, tables, parameters."""
    from runbook.aws import environment
    from runbook.aws.outputs import read_outputs
    from runbook.tasks import account_presentation

    here = environment.load(ROOT, inventory)
    with environment.reaching(here) as account:
        found = read_outputs(here, account)
    account_presentation.show_outputs(found, json=json)


@operator(network="network to let in instead of your present address, such as 203.0.113.7/32", yes="do not ask",
          inventory=WHERE["inventory"])  # fmt: skip
def allow_me(
    _: Context, network: str | None = None, yes: bool = False, inventory: str | None = "inventory/aws"
) -> None:
    """Open port 22 of the hosts to the address that you have today, and close it to the one you had before."""
    from runbook.aws import allow, environment
    from runbook.console.terminal import console

    wanted = allow.check_network(network) if network else allow.my_network()
    agree(f"Open port 22 to {wanted} alone?", "Nothing was changed.", yes=yes)
    here = environment.load(ROOT, inventory)
    with environment.reaching(here):
        former = allow.allow(here, wanted)
    kept = allow.remember(ROOT / str(inventory), wanted)
    console().print(f"port 22 is open to {wanted} alone (before: {', '.join(former) or 'the same'})", markup=False)
    if not kept:
        console().print(f"write it into aws_host_ssh_sources of {inventory}, too", markup=False)


@operator(yes="do not ask", inventory=WHERE["inventory"], limit=WHERE["limit"])
def wake(_: Context, yes: bool = False, inventory: str | None = "inventory/aws", limit: str | None = None) -> None:
    """Start hosts that sleep, and wait until they answer; says first until when they run then, and what that costs."""
    from runbook.aws import environment, sleepers
    from runbook.console.terminal import console

    out = console()
    asleep = [host.name for host in hosts_of(inventory, limit) if host.asleep]
    if not asleep:
        out.print("no host sleeps", markup=False)
        return
    here = environment.load(ROOT, inventory)
    out.print(sleepers.explain_cost(here, asleep), markup=False)
    agree(f"Start {', '.join(asleep)}?", "Nothing was started.", yes=yes)
    sleepers.start(here, asleep, lambda line: out.print(line, markup=False))
    woken = [host for host in hosts_of(inventory, limit) if host.name in asleep]
    sleepers.wait_for_answers(woken, lambda line: out.print(line, markup=False))


@operator(yes="do not ask", dry_run="show what would be made or changed and stop", inventory=WHERE["inventory"])
def athena_tables(
    _: Context, yes: bool = False, dry_run: bool = False, inventory: str | None = "inventory/aws"
) -> None:
    """Make the tables by which Amazon Athena reads the bucket, or repair them; again after a change of the fleet."""
    from runbook.aws import athena, environment
    from runbook.console.terminal import console
    from runbook.tasks import account_presentation

    here = environment.load(ROOT, inventory)
    with environment.reaching(here) as account:
        changes = athena.plan(here, account)
        account_presentation.show_changes(changes, here.names.database)
        if dry_run or not changes:
            return
        agree("Make it so?", "Nothing was changed.", yes=yes)
        athena.make(here, account, changes)
    console().print(f"{here.names.database} is as the lake is", markup=False)


@operator(yes="do not ask", inventory=WHERE["inventory"], host="name of the host in the inventory", **OUTPUT)
def replace_host(
    _: Context, host: str, yes: bool = False, output: str = "pulled", inventory: str | None = "inventory/aws"
) -> None:
    """Move a host to a new instance: download and verify its data, terminate the old one, make the new by site.yml."""
    from runbook.aws import destroy, environment
    from runbook.console.terminal import PullBar

    [found] = awake_hosts_of(inventory, host)
    agree(f"Download everything of {found.name}, terminate it, and build it anew?", "Nothing was changed.", yes=yes)
    here = environment.load(ROOT, inventory)
    play("close", inventory, host)  # a day whose close failed is in the journal alone, and so is what came after one
    with environment.reaching(here), PullBar() as bar:
        destroy.retire(here, found, store_at(output), bar)
    play("site", inventory, None)


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
    from runbook.aws import destroy, environment, teardown
    from runbook.console.terminal import console
    from runbook.tasks import account_presentation

    here = environment.load(ROOT, inventory)
    with environment.reaching(here) as account:
        doomed = teardown.plan(here.account, here.names, account, secrets=here.secrets)
        account_presentation.show_doomed(doomed, here.names.stem)
        if dry_run or not doomed:
            return
        if lose_data != here.names.environment:
            play("close", inventory, None)  # as for replace-host
            destroy.refuse(destroy.risks(here, account, ROOT, inventory, store_at(output)))
        agree(f"Remove these {len(doomed)} things for good?", "Nothing was removed.", yes=yes)
        destroy.remove(doomed, lambda line: console().print(line, markup=False))
        destroy.check_gone(here, account)
    console().print(f"nothing of {here.names.stem} is left in account {account}", markup=False)
