"""The zone that a host shows, and what goes by it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from harvester_role import render


@pytest.mark.parametrize(
    ("market", "zone_name", "expected"),
    [
        ("us", "America/New_York", "sun,03:10-04:40"), ("us", "Etc/UTC", "sun,08:10-08:40"),
        ("nse", "Asia/Kolkata", "sun,03:10-04:40"), ("nse", "Etc/UTC", "sat,21:40-23:10"),
    ],
)  # fmt: skip
def test_snaps_are_refreshed_by_the_clock_that_the_host_shows(
    root: Path, market: str, zone_name: str, expected: str
) -> None:
    """snapd reads the host's clock: of a host that shows its market's time, the words are the maintenance's own."""
    init_plugin_loader()
    given: dict[str, Any] = {"harvester_market": market, "host_baseline_timezone": zone_name}
    for kind in ("defaults", "vars"):
        path = str(root / f"roles/host_baseline/{kind}/main.yml")
        given = DataLoader().load_from_file(path, trusted_as_template=True) | given
    assert render(given, "{{ __host_baseline_snap_refresh }}").strip() == expected
    spec = yaml.safe_load((root / "roles/host_baseline/meta/argument_specs.yml").read_text("utf-8"))
    assert zone_name in spec["argument_specs"]["main"]["options"]["host_baseline_timezone"]["choices"]
