"""The golden day: committed journals and a scripted recorder give byte for byte what they gave before."""

import pytest
from tests.golden.artefacts import PARTS, SHOWN_LINES, committed, differences, make


@pytest.mark.parametrize("part", PARTS)
def test_nothing_has_changed(part: str) -> None:
    changed = differences(committed(part), make(part))

    shown = [line for lines in changed.values() for line in [*lines[:SHOWN_LINES], ""]]
    assert not changed, "\n".join(
        [f"{len(changed)} artefacts differ: {', '.join(changed)}", *shown, "See tests/golden/README.md."]
    )
