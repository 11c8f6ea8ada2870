"""What the demonstration reads off Ansible's lines, and which labs have an account around their hosts."""

import time
from pathlib import Path

import pytest

from lab.claims import LabClaim
from lab.demo.progress import Plays
from lab.inventory import render_inventory


def test_each_play_has_the_time_until_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 100, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    plays = Plays()

    for line in (
        "PLAY [Provision AWS] ***",
        "TASK [Look] ***",
        "PLAY [Set up [the] hosts] ***",
        "PLAY RECAP ***",
        "h1",
    ):
        plays.hear(line)

    assert plays.seconds == {"Provision AWS": 20.0, "Set up [the] hosts": 10.0}


@pytest.mark.parametrize("wanted", [False, True])
def test_only_a_lab_that_asked_for_it_has_an_account(tmp_path: Path, wanted: bool) -> None:
    lab = LabClaim(number=1, state=tmp_path, aws_account=wanted)

    assert render_inventory(lab, [])["all"]["vars"]["lab_aws_account"] is wanted
