"""`harvester metrics`: measure once and publish; a timer does it every minute."""

import argparse
from typing import TYPE_CHECKING, Any

from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, UnhealthyError
from harvester.capture.status import read_status
from harvester.health.facts import reach_file, read_facts
from harvester.health.installed import find_installed
from harvester.health.live_rows import live_folder, read_live
from harvester.metrics.cloudwatch import open_client, publish, publish_rows
from harvester.metrics.measure import (
    HEARTBEAT,
    Metric,
    UpdateCount,
    count_updates,
    keep_count,
    measure_disk,
    measure_dues,
    measure_memory,
    measure_recorder,
    read_count,
    read_fresh,
    require_alerts,
)
from harvester.metrics.rows import count_rows, keep_row_count, measure_rows, open_tickers, read_row_count

if TYPE_CHECKING:
    from harvester.config.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Publish; nothing to do where no environment is configured. A recorder that is down is no failure of this."""
    chosen = settings.metrics
    if chosen.environment is None:
        print("No metrics are configured (metrics.environment), so none are published.")
        return 0
    metrics, wall_ns = [measure_disk(settings.data_dir), measure_memory()], SystemClock().wall_ns()
    metrics += _measure_dues(wall_ns)
    counted: UpdateCount | None = None
    try:
        status = read_fresh(settings.status_file, wall_ns)
        metrics += measure_recorder(status, read_count(chosen.state_file))
        counted = count_updates(status)
        require_alerts(reach_file(settings.alerts.ports), wall_ns)
        metrics.append(HEARTBEAT)
    except UnhealthyError as error:
        print(f"no heartbeat: {error}")
    client = open_client(chosen.region, chosen.endpoint_url)
    publish(client, chosen.environment, settings.host_id, metrics)
    # Only now: what was not published is counted by the next run; and before what may fail besides.
    if counted is not None:
        keep_count(chosen.state_file, counted)
    for delivery in (each for each in settings.deliveries if each.live):
        metrics += _publish_rows(client, settings, delivery.name, wall_ns)
    print("published " + ", ".join(f"{metric.name} {metric.value:.4g}" for metric in metrics))
    return 0


def _measure_dues(wall_ns: int) -> list[Metric]:
    """None where this is no host of ours, or cannot be known as one."""
    try:
        installed = find_installed()
    except ConfigError as error:
        print(f"no metrics of dues: {error}")
        return []
    return [*measure_dues(read_facts(installed.facts), wall_ns)] if installed else []


def _publish_rows(client: Any, settings: "Settings", name: str, wall_ns: int) -> list[Metric]:
    """Of a live delivery, whose state the host's own metrics do not wait for."""
    state = read_live(live_folder(settings, name))
    if state is None:
        print(f"no metrics of rows: the live delivery {name} has written nothing")
        return []
    chosen, folder = settings.metrics, settings.metrics.state_file.parent
    try:
        token = str(read_status(settings.status_file).get("token", {}).get("version") or "")
    except UnhealthyError:
        token = ""
    last = read_row_count(folder)
    found = [*measure_rows(state, open_tickers(settings, wall_ns), last, token, wall_ns)]
    publish_rows(client, str(chosen.environment), chosen.also_as, found)
    keep_row_count(folder, count_rows(state, token, last))
    return [each.metric for each in found]
