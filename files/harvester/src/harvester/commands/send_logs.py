"""`harvester send-logs`: bring what journald has to CloudWatch, and end; a timer does it every minute."""

import argparse
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.hostlog.cloudwatch import AwayError, batches, open_client, put
from harvester.hostlog.entries import read_entries
from harvester.hostlog.place import Place, keep_place, read_place

if TYPE_CHECKING:
    from harvester.config.settings import Settings

MOST_BATCHES = 40
"""Of one run, so that it ends before the next minute's; what is left goes then."""
PATIENCE_NS = 3600 * NS_PER_SECOND
"""The log waits on the host's disk, so nobody is woken for an hour without CloudWatch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Send what is new; nothing to do where no log group is configured."""
    chosen = settings.logs
    if chosen.group is None:
        print("No log group is configured (logs.group), so the log stays on this host.")
        return 0
    place = read_place(chosen.state_file)
    client = open_client(chosen.region, chosen.endpoint_url)
    try:
        for batch in islice(batches(read_entries(place.cursor)), MOST_BATCHES):
            refused = put(client, chosen.group, settings.host_id, batch)
            # Only now: what was not acknowledged is sent by the next run.
            place = Place(batch[-1].cursor)
            keep_place(chosen.state_file, place)
            if refused:
                print(f"{refused} entries are too old, or of the future, for {chosen.group}; the host alone has them")
    except AwayError as error:
        now_ns = SystemClock().wall_ns()
        since_ns = min(place.away_since_ns or now_ns, now_ns)
        keep_place(chosen.state_file, replace(place, away_since_ns=since_ns))
        if now_ns - since_ns >= PATIENCE_NS:
            raise
        print(f"not sent, tried again in a minute: {error}")
    return 0
