"""The data: download, verification, queries, clean-up."""

from typing import TYPE_CHECKING

from invoke.context import Context

from harvester.base.errors import ConfigError, HarvesterError
from runbook.tasks.here import awake_hosts_of, directory_at, hosts_of, store_at, target_of
from runbook.tasks.options import OUTPUT, RANGE, WHERE, operator

if TYPE_CHECKING:
    from runbook.fleet.inventory import Host

SO_FAR_ALONE = (
    "--so-far brings all that the hosts have of today: give no dates, symbols, format or source with it, and no --raw."
)


@operator(
    format="parquet, or csv to write the old CSV format besides",
    every="with --format csv: a line of each symbol every so many seconds (default: each scheduled time)",
    raw="also download the raw journal segments, which a clean-up of raw data needs",
    so_far="instead, today's tables so far, into a folder of each host below pulled/so-far",
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
    every: str | None = None,
    raw: bool = False,
    so_far: bool = False,
    output: str = "pulled",
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Download closed days, verified and resumable, with a report; exit code 1 and a list when something is missing.

    Whole days are pulled; --symbols chooses what the CSV and the report show.
    """
    from runbook.console.terminal import PullBar
    from runbook.pull import plan, sources
    from runbook.report import delivery
    from runbook.tasks import presentation

    if so_far:
        if raw or from_ != "host" or any((bucket, since, until, symbols, every)) or format != "parquet":
            raise ConfigError(SO_FAR_ALONE)
        _pull_so_far(output, inventory, limit)
        return
    selection = plan.parse_selection(since, until, raw=raw)
    csv, every_ns = delivery.parse_format(format, every)
    connections = sources.choose(from_, bucket, limit, lambda: _sources(inventory, limit, from_))
    with PullBar() as bar:
        chosen = plan.parse_symbols(symbols)
        result = delivery.deliver(
            connections, store_at(output), selection, symbols=chosen, csv=csv, every_ns=every_ns, progress=bar
        )
    presentation.show_delivery(result)
    if result.problems:
        raise HarvesterError("not everything came, see above; what came is verified. Run it again for the rest.")


def _pull_so_far(output: str, inventory: str | None, limit: str | None) -> None:
    from runbook.console.terminal import PullBar
    from runbook.pull.so_far import pull_so_far
    from runbook.tasks import presentation

    with PullBar() as bar:
        found = pull_so_far(_sources(inventory, limit, "host"), store_at(output), bar)
    presentation.show_so_far(found)
    if any(each.problems for each in found):
        raise HarvesterError("today so far did not come of every host, see above. Run it again.")


def _sources(inventory: str | None, limit: str | None, from_: str) -> list["Host"]:
    """The hosts to pull from; with a bucket what the inventory says of them is enough."""
    from runbook.fleet.inventory import refuse_sleepers

    if from_ == "s3":
        return hosts_of(inventory, None, named=True)
    hosts = hosts_of(inventory, limit)
    refuse_sleepers((host.name for host in hosts if host.asleep), "take their days from the bucket with --from s3")
    return hosts


@operator(
    date="trading day (default: today in the market)",
    name="the delivery of this name alone (default: all)",
    json="print what each host did as JSON",
    **WHERE,
)
def deliver(
    _: Context,
    date: str | None = None,
    name: str | None = None,
    json: bool = False,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Have the hosts bring a day of the broker's candles to other places now, as far as it is recorded."""
    from harvester.base.clock import parse_date
    from runbook.console.terminal import console, waiting
    from runbook.fleet import deliveries
    from runbook.fleet.turns import in_turn, raise_all
    from runbook.tasks import presentation

    day, found = parse_date(date, "--date") if date else None, {}

    def bring(host: "Host") -> None:
        with waiting(f"{host.name} delivers"):
            found[host.name], problem = deliveries.deliver(host, day, name)
        if problem:
            raise HarvesterError(f"{host.name}: {' '.join(problem.split())}")

    failed = in_turn(awake_hosts_of(inventory, limit), bring)
    if json:
        presentation.show_json(found)
    for line in () if json else (line for each in found.items() for line in deliveries.describe(*each)):
        console().print(line, markup=False)
    raise_all(failed)


@operator(json="print the findings as JSON", **RANGE, **OUTPUT)
def verify_data(
    _: Context,
    since: str | None = None,
    until: str | None = None,
    symbols: str | None = None,
    output: str = "pulled",
    json: bool = False,
) -> None:
    """Check what is here: hashes, row counts, gaps, unlisted files, and trading days that are missing."""
    from runbook.console.terminal import waiting
    from runbook.pull import plan
    from runbook.report.verification import verify_store
    from runbook.tasks import presentation

    selection = plan.parse_selection(since, until, raw=False)
    store, wanted = store_at(output), plan.parse_symbols(symbols)
    with waiting(f"verifying {store.root}"):
        result = verify_store(store, selection, wanted)
    presentation.show_json(result.to_dict()) if json else presentation.show_verification(result)
    if not result.ok:
        raise HarvesterError("not everything is as it should be; see above.")


@operator(
    sql="the question, such as: select symbol, count(*) from depth group by symbol",
    csv="print CSV",
    json="print JSON",
    lake="lake to ask (default: pulled/lake)",
)
def query(_: Context, sql: str, csv: bool = False, json: bool = False, lake: str = "pulled/lake") -> None:
    """Ask the pulled lake in SQL (DuckDB).

    Views: depth, quotes, trades, indices, depth50, bars, candles, history, gaps, instruments, sessions, certificate;
    with prices in rupees depth_rupees and so on; ohlcv_data has the price feed's columns.
    """
    from runbook.console.terminal import waiting
    from runbook.report.query import ask
    from runbook.tasks import presentation

    place = directory_at(lake, "--lake")
    with waiting("asking the lake"):
        answer = ask(sql, place)
    if csv or json:
        print(answer.to_csv() if csv else answer.to_json(), end="" if csv else "\n")
    else:
        presentation.show_answer(answer)


@operator(
    to="csv (a line of each symbol at each scheduled time), hftbacktest (.npz) or nautilus (a catalog)",
    every="with --to csv: a line of each symbol every so many seconds (default: each scheduled time)",
    lake="lake to read (default: pulled/lake)",
    output="directory for the files (default: exported)",
    **RANGE,
)
def export(
    _: Context,
    to: str,
    since: str | None = None,
    until: str | None = None,
    symbols: str | None = None,
    every: str | None = None,
    lake: str = "pulled/lake",
    output: str = "exported",
) -> None:
    """Write pulled days as files of other programs: CSV, hftbacktest, nautilus_trader.

    Files of hftbacktest and nautilus_trader have the books and trades of continuous trading; docs/reading.md says what
    is in them.
    """
    from harvester.reader.export import parse_every
    from harvester.reader.exporters import CSV, export_day, parse_target
    from runbook.pull import plan
    from runbook.report.catalogue import find_symbols, known_symbols, load_days, require_days

    target, every_ns = parse_target(to), parse_every(every)
    if every_ns and target != CSV:
        raise ConfigError("--every is about the CSV: give --to csv with it.")
    selection, wanted = plan.parse_selection(since, until, raw=False), plan.parse_symbols(symbols)
    place, target_at = directory_at(lake, "--lake"), directory_at(output, "--output")
    days = require_days(place, load_days(place, since=selection.since, until=selection.until))
    tickers = find_symbols(wanted, days, load_days(place))
    for day in sorted({each.date for each in days}):
        chosen = [name for name in tickers if name in known_symbols(each for each in days if each.date == day)]
        for path, count in export_day(target, place, day, target_at, chosen, every_ns) if chosen or not wanted else ():
            print(f"{path}: {count}")


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
    """Free the hosts' disks of days whose verified copies are here; shows the plan and asks first."""
    from runbook.console.terminal import confirm, waiting
    from runbook.fleet.turns import in_turn, raise_all
    from runbook.pull import cleanup, sources
    from runbook.tasks import presentation

    cleanup.check_keep_days(keep_days)
    store, target = store_at(output), target_of(inventory, limit)
    copies = directory_at(archive, "--archive") if archive else None

    def agreed(host: "Host", question: str) -> None:
        if not yes and not confirm(question):
            raise HarvesterError(
                f"Nothing was removed from {host.name}. Answer y, or give --yes where there is no terminal."
            )

    def free(host: "Host") -> None:
        demands = cleanup.demands_of(host)
        if demands == {"s3"}:
            cleanup.by_bucket(host.name, target, check=True)
            if not dry_run:
                agreed(host, f"Remove from {host.name} what would go?")
                cleanup.by_bucket(host.name, target, check=False)
            return
        with waiting(f"asking {host.name} what it has"):
            plan = cleanup.make_plan(sources.connect_to(host), store, keep_days=keep_days)
        presentation.show_plan(plan)
        if dry_run or not plan.removals:
            return
        agreed(host, f"Remove {len(plan.removals)} files from {plan.host}?")
        if copies:
            cleanup.archive(plan, store, copies)
        cleanup.apply(plan, store, target, check_bucket="s3" in demands)

    raise_all(in_turn(awake_hosts_of(inventory, limit), free))
