"""What an environment costs in a month, computed from its configuration and from dated prices."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from harvester.base.errors import ConfigError
from harvester.config.rules import IndexList
from runbook.aws.functions import ETL, PAGE, deployed
from runbook.fleet import shares

HOURS = 730.0
"""Hours of an average month, as AWS bills."""
TRADING_DAYS = 21
HOURS_A_TRADING_DAY = 7.75
SUNDAYS, HOURS_A_SUNDAY = HOURS / 24 / 7, 2.2
"""Hosts that sleep run for their upgrades in the night before each (`market.MAINTENANCE` of the functions)."""
METRICS_A_HOST = 9
ALARMS_A_HOST = 9
LAKE_SHARE = 0.3
"""Of what a day takes on the disk, this much is in the bucket: the built files and the compressed raw segments."""
CHANGED_A_DAY = 0.05
"""Share of the disk that a daily snapshot adds to the first one."""
SNAPSHOTS = 7
ROUNDS_A_DAY = 80
"""Rounds of requests of functions that bring a price feed, one each five minutes until the bars have settled."""
FEED_EXAMPLE = 10
"""Symbols of which the cost is shown where no function brings a feed."""
FEED_GIB, FEED_SECONDS_A_REQUEST = 0.25, 0.6
"""Of ingestion: its memory, and a request with the pause before it."""
FEED_ETL_GIB_SECONDS = 2.0
"""Of a day's ETL, called twice, a symbol: 80 raw answers are read each time."""
FEED_MIB_A_SYMBOL_DAY = 0.26
"""Raw answers of a day: 38 bars of some 45 bytes on average, twice in each file, and the table."""
LOG_MIB_AN_HOUR = 2.0
"""What a host's units, kernel and SSH say in an hour, as it is sent."""
TRAIL_GIB = 1.0
"""Logs of a year of a small account, at most."""


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "application": {"aws_host_instance_type": "t3.medium", "aws_host_system_gib": 28}
}
"""Variables of a kind of host: one with an application and its database has 4 GiB and some 30 GiB of disk."""


@dataclass(frozen=True)
class CostLine:
    """One row of the table: what, how it is computed, US dollars a month."""

    what: str
    how: str
    dollars: float


@dataclass(frozen=True)
class Configuration:
    """What of the inventory costs money."""

    instance_type: str
    hosts: int
    volume_gib: int
    save_hours: bool
    elastic_ip: bool
    megabytes_a_day: float
    cold_after_days: int
    functions: int
    function_alarms: int
    feed_symbols: int = 0
    """Whose candles functions bring without a host."""
    baseline: bool = False
    log_days: int = 0


def volume_gib(most_symbols: int, system_gib: int, kept_days: int, megabytes: float) -> int:
    """The size of a host's disk: the system, and `megabytes` for each symbol and day kept, in whole steps of 4 GiB.

    One size for all hosts: `most_symbols` are those of the host that records most (`shares.largest_share`).
    """
    return math.ceil((system_gib + most_symbols * kept_days * megabytes / 1024) / 4) * 4


def read_configuration(variables: Mapping[str, Any], lists: Sequence[IndexList] = ()) -> Configuration:
    """From the inventory's variables over the roles' defaults; `lists` are those of the members of indices."""
    wanted, names = variables["aws_host_symbols"], variables["aws_host_names"]
    symbols, most = sum(shares.size_of(each, lists) for each in wanted), shares.largest_share(wanted, names, lists)
    megabytes = float(variables["aws_host_megabytes_per_symbol_day"])
    system, days = int(variables["aws_host_system_gib"]), int(variables["aws_host_kept_days"])
    return Configuration(
        instance_type=variables["aws_host_instance_type"],
        hosts=len(names),
        volume_gib=volume_gib(most, system, days, megabytes),
        save_hours=bool(variables["aws_watch_save_hours"]),
        elastic_ip=bool(variables["aws_host_elastic_ip"]),
        megabytes_a_day=symbols * megabytes if names else 0.0,
        cold_after_days=int(variables["aws_storage_cold_after_days"]),
        functions=len(deployed(variables)),
        function_alarms=len(deployed(variables)) + (PAGE in deployed(variables)),
        feed_symbols=len(variables["aws_functions_feed_symbols"]) if ETL in deployed(variables) else 0,
        baseline=bool(variables["aws_baseline_enabled"]),
        log_days=int(variables["aws_watch_host_log_days"]),
    )


def preset(name: str) -> Mapping[str, Any]:
    """The variables of a preset. ConfigError when there is none of that name."""
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def prices(region: str) -> dict[str, Any]:
    """The prices of that region. ConfigError when none are known."""
    found: dict[str, Any] = json.loads(files("runbook.aws").joinpath("prices.json").read_bytes())
    if region != found["region"]:
        raise ConfigError(f"Prices are known for {found['region']} alone, not for {region}: look them up by hand.")
    return found


def hourly(variables: Mapping[str, Any], region: str) -> float:
    """US dollars for an hour of a host that runs. ConfigError where no price is known."""
    price = prices(region)
    address = 0.0 if variables["aws_host_elastic_ip"] else price["public_ipv4_hour"]  # an Elastic IP costs at all hours
    return _instance_hour(str(variables["aws_host_instance_type"]), price) + float(address)


def _instance_hour(kind: str, price: Mapping[str, Any]) -> float:
    if kind not in price["instance_hour"]:
        raise ConfigError(f"No price is known for {kind!r}; there are {', '.join(price['instance_hour'])}.")
    return float(price["instance_hour"][kind])


def estimate(wanted: Configuration, price: Mapping[str, Any]) -> list[CostLine]:
    """The table, dearest kinds first. ConfigError for an instance type without a price."""
    awake = TRADING_DAYS * HOURS_A_TRADING_DAY + SUNDAYS * HOURS_A_SUNDAY
    hours = awake if wanted.save_hours else HOURS
    host_hour = _instance_hour(wanted.instance_type, price)
    # an Elastic IP costs while the host sleeps, too; another address only while it runs
    address_hours = HOURS if wanted.elastic_ip else hours
    by_hour = price["public_ipv4_hour"]
    disk = wanted.hosts * wanted.volume_gib
    kept = disk * (1 + CHANGED_A_DAY * (SNAPSHOTS - 1))
    return [
        _line("host", f"{wanted.hosts} x {wanted.instance_type}, {hours:.0f} h", wanted.hosts * hours * host_hour),
        *_credits(wanted, hours, price),
        _line("disk", f"{disk} GiB of gp3", disk * price["gp3_gib_month"]),
        _line("address", f"{wanted.hosts} x {address_hours:.0f} h", wanted.hosts * address_hours * by_hour),
        _line("snapshots", f"{SNAPSHOTS} of them, {kept:.0f} GiB at most", kept * price["snapshot_gib_month"]),
        _stored(wanted, price),
        _watched(wanted, price),
        *_feed(wanted, price),
        *_logs(wanted, hours, price),
        *_baseline(wanted, price),
    ]


def _credits(wanted: Configuration, hours: float, price: Mapping[str, Any]) -> list[CostLine]:
    """What a burstable type may cost above its hours: nothing within its baseline, and so it is not in the sum."""
    baseline = price["baseline_vcpus"].get(wanted.instance_type)
    if baseline is None:
        return []
    by_hour = price["surplus_vcpu_hour"][wanted.instance_type.partition(".")[0]]
    most = wanted.hosts * hours * (price["burstable_vcpus"] - baseline) * by_hour
    how = f"within {baseline:g} of {price['burstable_vcpus']} vCPUs none; at full load all the time {most:.2f}"
    return [_line("CPU credits", how, 0)]


def _stored(wanted: Configuration, price: Mapping[str, Any]) -> CostLine:
    """The bucket after a year: a year of trading days, the older ones cold."""
    daily = wanted.megabytes_a_day * LAKE_SHARE / 1024
    days = TRADING_DAYS * 12
    warm = min(days, wanted.cold_after_days * 5 / 7) if wanted.cold_after_days else days
    dollars = daily * (warm * price["s3_standard_gib_month"] + (days - warm) * price["s3_glacier_ir_gib_month"])
    return _line("bucket", f"{daily * days:.1f} GiB after a year", dollars)


def _watched(wanted: Configuration, price: Mapping[str, Any]) -> CostLine:
    """Metrics and alarms; the functions' 104,000 short calls a month are far within what AWS gives for nothing."""
    metrics, alarms = METRICS_A_HOST * wanted.hosts, ALARMS_A_HOST * wanted.hosts + wanted.function_alarms
    paid_metrics, paid_alarms = max(0, metrics - price["metrics_free"]), max(0, alarms - price["alarms_free"])
    how = f"{metrics} metrics, {alarms} alarms; {wanted.functions} functions are free"
    return _line("watching", how, paid_metrics * price["metric_month"] + paid_alarms * price["alarm_month"])


def _feed(wanted: Configuration, price: Mapping[str, Any]) -> list[CostLine]:
    """The price feed by functions after a year: what is computed, put and kept. Without one, what it would be."""
    symbols = wanted.feed_symbols or FEED_EXAMPLE
    rounds = TRADING_DAYS * ROUNDS_A_DAY
    computed = rounds * symbols * FEED_SECONDS_A_REQUEST * FEED_GIB + TRADING_DAYS * FEED_ETL_GIB_SECONDS * symbols
    paid = max(0.0, computed - price["lambda_free_gib_seconds"]) * price["lambda_gib_second"]
    puts = (rounds + TRADING_DAYS * symbols) * price["s3_put"]
    kept = 12 * TRADING_DAYS * symbols * FEED_MIB_A_SYMBOL_DAY / 1024
    dollars = paid + puts + kept * price["s3_standard_gib_month"]
    how = f"{symbols} symbols by functions: {computed:,.0f} GiB-s, {kept:.1f} GiB after a year"
    if wanted.feed_symbols:
        return [_line("price feed", how, dollars)]
    return [_line("price feed", f"off; {how}, would cost {dollars:.2f}, without a host", 0)]


def _logs(wanted: Configuration, hours: float, price: Mapping[str, Any]) -> list[CostLine]:
    """The hosts' logs: what arrives in a month and what is kept of it."""
    if not wanted.log_days:
        return []
    arriving = wanted.hosts * hours * LOG_MIB_AN_HOUR / 1024
    kept = arriving * wanted.log_days / (HOURS / 24)
    free = price["log_free_gib"]
    paid, paid_kept = max(0.0, arriving - free), max(0.0, kept - max(0.0, free - arriving))
    how = f"{arriving:.2f} GiB a month, kept for {wanted.log_days} days; {free} GiB are free"
    return [_line("logs", how, paid * price["log_gib"] + paid_kept * price["log_gib_month"])]


def _baseline(wanted: Configuration, price: Mapping[str, Any]) -> list[CostLine]:
    """The account's trail: AWS makes one copy of management events, and the analyzer of outside access, for nothing."""
    how = f"one trail and Access Analyzer are free; {TRAIL_GIB:g} GiB of logs"
    return [_line("baseline", how, TRAIL_GIB * price["s3_standard_gib_month"])] if wanted.baseline else []


def _line(what: str, how: str, dollars: float) -> CostLine:
    return CostLine(what, how, round(dollars, 2))
