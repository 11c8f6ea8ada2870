"""Clean-up on the host: what it keeps is the newest days, whatever their order and whoever proves the rest."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_lake import LakeMaker, trading_days

from harvester.lake.cleanup import KEEP_DAYS, judge_files
from harvester.lake.publish.receipts import load_receipt

DAYS = ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"]


@pytest.mark.parametrize(
    ("keep", "going"), [(KEEP_DAYS, DAYS[:2]), (1, DAYS[:3]), (3, DAYS[:1]), (4, []), (9, []), (0, DAYS)]
)
@pytest.mark.parametrize("hosts", [("lab1",), ("lab1", "lab2")], ids=len)
def test_the_newest_days_stay_and_the_oldest_go(
    keep: int, going: list[str], hosts: tuple[str, ...], make_lake: Callable[..., LakeMaker], tmp_path: Path
) -> None:
    """A day is a date, whoever recorded it: a lake may hold those of several hosts."""
    lake = make_lake(days=0).root
    for host in hosts:
        maker = LakeMaker(lake, host, raw_bytes=1_000)
        for day in trading_days(4):
            maker.add_day(day)
    manifests = [json.loads(path.read_bytes()) for path in lake.glob("manifest/*/*/*.json")]
    files = [{"path": each["path"], "sha256": each["sha256"]} for manifest in manifests for each in manifest["files"]]
    (tmp_path / "receipt.json").write_text(json.dumps({"format": 1, "files": files}), encoding="utf-8")

    findings = judge_files(lake, lake.parent / "journal", load_receipt(tmp_path / "receipt.json"), keep)

    gone = {finding.partition.date.isoformat() for finding in findings if finding.keep_because is None}
    kept = {
        finding.partition.date.isoformat() for finding in findings if finding.keep_because == "it is of the newest days"
    }
    assert sorted(gone) == going
    assert sorted(kept) == [day for day in DAYS if day not in going]
