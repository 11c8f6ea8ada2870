"""What the role has a release check of a calendar before a host gets it: it is one of the host's market."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from harvester_role import render, variables

from harvester.base.market import MARKETS
from harvester.calendar.model import packaged


def check(market: str, calendar: Path) -> "subprocess.CompletedProcess[str]":
    """As Ansible runs `validate`: words, and no shell."""
    given = variables() | {"__harvester_release_dir": "/release", "harvester_market": market}
    program, *words = shlex.split(str(render(given, "{{ __harvester_calendar_check }}")) % calendar)
    assert program == "/release/bin/python3"
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("market", MARKETS)
def test_a_calendar_of_the_market_is_taken_and_another_is_refused(market: str) -> None:
    [other] = [name for name in MARKETS if name != market]

    taken, refused = (check(market, packaged(MARKETS[name])) for name in (market, other))

    assert (taken.returncode, taken.stderr) == (0, "")
    assert refused.returncode == 1
    assert f"and the market {market} is in {MARKETS[market].zone_name}" in refused.stderr


def test_what_is_no_calendar_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")

    refused = check("us", tmp_path / "c.json")

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr and "refused" in refused.stderr
