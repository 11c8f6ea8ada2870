"""`harvester metrics`: measure once and publish; a timer does it every minute."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError, UnhealthyError
from harvester.capture.status import write_status
from harvester.metrics.cloudwatch import open_client, publish
from harvester.metrics.measure import (
    UpdateCount,
    count_updates,
    measure_disk,
    measure_memory,
    measure_recorder,
    read_fresh,
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
    metrics = [measure_disk(settings.data_dir), measure_memory()]
    counted: UpdateCount | None = None
    try:
        status = read_fresh(settings.status_file, SystemClock().wall_ns())
        metrics += measure_recorder(status, read_tally(chosen.state_file))
        counted = count_updates(status)
    except UnhealthyError as error:
        print(f"no heartbeat: {error}")
    publish(open_client(chosen.region, chosen.endpoint_url), chosen.environment, settings.host_id, metrics)
    # Only now: what was not published is counted by the next run.
    if counted is not None:
        keep_tally(chosen.state_file, counted)
    print("published " + ", ".join(f"{metric.name} {metric.value:.4g}" for metric in metrics))
    return 0


def read_tally(path: Path) -> UpdateCount | None:
    """What was counted when metrics were last published; None before the first time, or when the file is damaged."""
    try:
        return UpdateCount(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        print(f"{path}: not what this program wrote, so updates are counted anew.")
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def keep_tally(path: Path, tally: UpdateCount) -> None:
    """Remember what was counted. Raises HarvesterError."""
    try:
        write_status(path, tally._asdict())
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> HarvesterError:
    return HarvesterError(
        f"{path}: cannot be used ({error.strerror}), so updates cannot be counted. The unit harvester-metrics makes the"
        " folder: systemctl start harvester-metrics; or correct metrics.state_file in harvester_settings."
    )
