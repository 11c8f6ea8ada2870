"""`harvester metrics`: measure once and publish; a timer does it every minute."""

import argparse
from typing import TYPE_CHECKING

from harvester.base.clock import SystemClock
from harvester.base.errors import UnhealthyError
from harvester.health.facts import reach_file
from harvester.metrics.cloudwatch import open_client, publish
from harvester.metrics.measure import (
    HEARTBEAT,
    UpdateCount,
    count_updates,
    keep_count,
    measure_disk,
    measure_memory,
    measure_recorder,
    read_count,
    read_fresh,
    require_alerts,
)

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
    counted: UpdateCount | None = None
    try:
        status = read_fresh(settings.status_file, wall_ns)
        metrics += measure_recorder(status, read_count(chosen.state_file))
        counted = count_updates(status)
        require_alerts(reach_file(settings.alerts.ports), wall_ns)
        metrics.append(HEARTBEAT)
    except UnhealthyError as error:
        print(f"no heartbeat: {error}")
    publish(open_client(chosen.region, chosen.endpoint_url), chosen.environment, settings.host_id, metrics)
    # Only now: what was not published is counted by the next run.
    if counted is not None:
        keep_count(chosen.state_file, counted)
    print("published " + ", ".join(f"{metric.name} {metric.value:.4g}" for metric in metrics))
    return 0
