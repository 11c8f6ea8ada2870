"""The log of a worker's reports: each once, whichever midnight it comes at, in the file of its day in India."""

import json
from pathlib import Path

from tests.workers.conftest import report
from tests.workers.weeks import START

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local
from harvester.workers.reports import KEPT_DAYS, ErrorLog, parse_report

DAY_NS = 86_400 * NS_PER_SECOND
MIDNIGHT = midnight_ns(to_local(START).date())


def logged(folder: Path) -> dict[str, list[str]]:
    """By the date in its name, when the reports of a file came."""
    files = sorted(folder.glob("errors_*.jsonl"))
    return {
        path.stem.removeprefix("errors_"): [json.loads(line)["received_at"] for line in path.read_text().splitlines()]
        for path in files
    }


def test_a_report_that_is_taken_again_within_a_day_is_noted_once_also_over_midnight(tmp_path: Path) -> None:
    """A crash between the note and the removal leaves the report to the next round, be it of the next day."""
    log, said = ErrorLog(tmp_path), parse_report(json.dumps(report()).encode())
    for later in (-1, 0, DAY_NS - NS_PER_SECOND):
        log.add(said, "error_report.json", MIDNIGHT + later)
    day, noted = next(iter(logged(tmp_path).items()))
    assert len(logged(tmp_path)) == 1 and len(noted) == 1
    assert noted[0].endswith("T18:29:59+00:00") and noted[0].startswith(day), "half past six in UTC is midnight there"

    log.add(said, "error_report.json", MIDNIGHT + DAY_NS)
    assert [len(noted) for noted in logged(tmp_path).values()] == [1, 1], "the day before did not hear of it"


def test_files_of_the_last_days_are_kept_and_older_ones_go(tmp_path: Path) -> None:
    log, said = ErrorLog(tmp_path), parse_report(json.dumps(report()).encode())
    for day in range(0, KEPT_DAYS + 3, 2):
        log.add(said, "error_report.json", MIDNIGHT + day * DAY_NS)
    last = MIDNIGHT + (KEPT_DAYS + 2) * DAY_NS
    dates = [str(to_local(last - back * DAY_NS).date()) for back in range(KEPT_DAYS, -1, -2)]
    assert [*logged(tmp_path)] == dates
