"""What a host with an application costs in a month: 16 to 20 US dollars, awake on trading days."""

import pytest

from harvester.base.errors import ConfigError
from runbook.aws.cost import estimate, preset, prices, read_configuration

INVENTORY = {
    "aws_host_symbols": ["NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:TCS-EQ", "NSE:ITC-EQ", "NSE:RELIANCE-EQ"],
    "aws_host_names": ["a"],
    "aws_host_instance_type": "t3.micro",
    "aws_host_system_gib": 12,
    "aws_host_kept_days": 30,
    "aws_host_megabytes_per_symbol_day": 20,
    "aws_host_elastic_ip": True,
    "aws_watch_save_hours": True,
    "aws_storage_cold_after_days": 30,
    "aws_functions_deployed": [],
    "aws_functions_feed_symbols": [],
    "aws_functions_feed_prefix": "",
    "aws_storage_price_feed": [],
    "aws_baseline_enabled": False,
    "aws_watch_host_log_days": 30,
    "broker_account": "XX00000",
}


def test_the_preset_is_a_t3_medium_with_some_30_gib_and_seven_snapshots() -> None:
    wanted = read_configuration(INVENTORY | dict(preset("application")))
    lines = {line.what: line for line in estimate(wanted, prices("ap-south-1"))}

    assert (wanted.instance_type, wanted.volume_gib) == ("t3.medium", 32)
    assert lines["snapshots"].how.startswith("7 of them")
    assert 16 <= sum(line.dollars for line in lines.values()) <= 20
    with pytest.raises(ConfigError, match="There is no preset 'x'; there are application"):
        preset("x")
