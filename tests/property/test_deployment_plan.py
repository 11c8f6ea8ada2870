"""The plan of what a deploy removes."""

import importlib.util
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

PATH = Path(__file__).resolve().parents[2] / "roles/harvester/library/harvester_deployment.py"
SPEC = importlib.util.spec_from_file_location("harvester_deployment", PATH)
deployment = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(deployment)

NAMES = st.lists(st.from_regex(r"[0-9a-f]{4}-[0-9a-f]{4}", fullmatch=True), unique=True, max_size=12)


@given(names=NAMES, data=st.data(), keep=st.integers(0, 5))
def test_what_is_linked_never_goes_and_enough_others_stay(names, data, keep):
    stays = set(data.draw(st.lists(st.sampled_from(names), max_size=2))) if names else set()

    gone = deployment.plan_removal(names, stays=stays, keep=keep)

    assert not stays & set(gone)
    others = [name for name in names if name not in stays]
    assert len(others) - len(gone) == min(keep, len(others))
    assert gone == others[: len(gone)], "the oldest go first"
    assert deployment.plan_removal([name for name in names if name not in gone], stays=stays, keep=keep) == []
