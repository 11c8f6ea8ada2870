"""From credentials to the first tick, with AWS's latencies: everything happens, and each second has its owner."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.rollout.first_day import first_day, read_lines
from tests.rollout.whose_wait import AWS, OURS, WHOSE, as_text, longest, tell

from lab.aws.latency import STATES


@pytest.mark.long
def test_from_credentials_to_the_first_tick(root: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    with first_day(root, tmp_path) as day:
        day.put_secret()
        said = day.site()
        day.push_token()
        ticks = day.wait_for_tick()
        waits = read_lines(tmp_path / "waits.jsonl")

    rows = tell(day.steps, waits)
    print(f"\n{as_text(rows)}")
    for whose in WHOSE:
        print(
            f"\n{whose}: "
            + "; ".join(f"{name} {seconds:.0f} s" for name, seconds in longest(day.steps, waits, whose, 8))
        )
    sums = {whose: sum(row.seconds[whose] for row in rows) for whose in WHOSE}
    figure("to_first_tick_seconds", round(sum(sums.values())), bound="<= 720", unit="s")
    figure("of_it_ours_seconds", round(sums[OURS]), bound="<= 240", unit="s")
    figure("of_it_aws_seconds", round(sums[AWS]), bound="<= 480", unit="s")
    figure("longest_silence_seconds", round(day.longest_silence["site.yml"], 1), bound="<= 8", unit="s")
    assert ticks > 0
    # Others are over before anybody asks, where this machine is slow.
    assert {STATES["running"].what, STATES["answering"].what} <= {wait["what"] for wait in waits}
    assert "changed=0" not in said.partition("PLAY RECAP")[2]
