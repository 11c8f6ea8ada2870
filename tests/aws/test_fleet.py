"""Shares, sizes, costs, host keys and risks: what the AWS tasks compute."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import zone
from runbook.aws.cost import LOG_MIB_AN_HOUR, Configuration, estimate, prices, read_configuration, volume_gib
from runbook.aws.destroy import refuse
from runbook.aws.host_keys import ensure_known, find_keys, forget
from runbook.aws.risk import Risk, find_risks
from runbook.fleet.shares import largest_share
from runbook.fleet.ssh import RemoteError
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

SYMBOLS = [f"NSE:S{number:04d}-EQ" for number in range(2000)]
CONSOLE = """boot
-----BEGIN SSH HOST KEY KEYS-----
ecdsa-sha2-nistp256 AAAAE2VjZHNh= root@ip-172-31-0-1
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@ip-172-31-0-1
-----END SSH HOST KEY KEYS-----
login:"""


def test_the_disk_is_sized_by_symbols_and_days_in_steps() -> None:
    assert volume_gib(5, 12, 30, 20) == 16
    assert volume_gib(5, 12, 30, 20) <= volume_gib(6, 12, 30, 20) <= volume_gib(500, 12, 30, 20)
    assert largest_share(SYMBOLS[:500], ["a", "b", "c", "d", "e"], []) == 100


def test_costs_follow_the_configuration() -> None:
    price = prices("ap-south-1")
    small = Configuration("t3.micro", 1, 16, True, True, 100, 30, 5, 5)

    def total(**different: Any) -> float:
        return sum(line.dollars for line in estimate(Configuration(**{**vars(small), **different}), price))

    assert {line.what for line in estimate(small, price)} == {
        "host",
        "CPU credits",
        "disk",
        "address",
        "snapshots",
        "bucket",
        "watching",
        "price feed",
    }
    assert total() < total(save_hours=False) < total(save_hours=False, hosts=2)
    assert total(function_alarms=0) < total() < total(baseline=True)
    assert total() < total(volume_gib=100) and total() < total(megabytes_a_day=10_000)
    [host] = [
        line
        for line in estimate(Configuration("t3.micro", 1, 16, False, True, 0, 30, 5, 5), price)
        if line.what == "host"
    ]
    assert host.dollars == pytest.approx(730 * price["instance_hour"]["t3.micro"], abs=0.01)
    assert price["as_of"] and price["source"]
    [credits] = [line for line in estimate(small, price) if line.what == "CPU credits"]
    assert (credits.dollars, "15.51" in credits.how) == (0, True), credits.how
    with pytest.raises(ConfigError, match="No price is known"):
        total(instance_type="x9.mega")
    with pytest.raises(ConfigError, match="not for us-east-1"):
        prices("us-east-1")


def test_logs_cost_what_is_beyond_the_free_gigabytes() -> None:
    price = prices("ap-south-1")

    def logs(hosts: int, days: int) -> list[float]:
        wanted = Configuration("t3.micro", hosts, 16, False, True, 0, 30, 5, 5, log_days=days)
        return [line.dollars for line in estimate(wanted, price) if line.what == "logs"]

    assert logs(1, 0) == []
    assert logs(1, 30) == [0]
    [month], [year] = logs(20, 30), logs(20, 365)
    arriving = 20 * 730 * LOG_MIB_AN_HOUR / 1024
    kept = arriving * 30 / (730 / 24)
    assert month == pytest.approx((arriving - 5) * price["log_gib"] + kept * price["log_gib_month"], abs=0.01)
    assert year == pytest.approx(month + arriving * 335 / (730 / 24) * price["log_gib_month"], abs=0.02)


def test_the_configuration_is_read_from_the_inventory() -> None:
    variables = {
        "aws_host_symbols": SYMBOLS[:10],
        "aws_host_names": ["a", "b"],
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

    assert read_configuration(variables) == Configuration("t3.micro", 2, 16, True, True, 200.0, 30, 5, 6, log_days=30)


def test_host_keys_are_read_from_the_console_and_forgotten_again(tmp_path: Path) -> None:
    assert find_keys(CONSOLE) == ["ecdsa-sha2-nistp256 AAAAE2VjZHNh=", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"]
    assert find_keys("no keys yet") == []
    file = tmp_path / "known_hosts"
    file.write_text("192.0.2.1 ssh-ed25519 A\n192.0.2.10 ssh-ed25519 B\n", encoding="utf-8")

    forget(file, "192.0.2.1")

    assert file.read_text("utf-8") == "192.0.2.10 ssh-ed25519 B\n"


class Consoles:
    """EC2 as far as consoles go: `late` asks show nothing, and only the latest output ever shows keys."""

    def __init__(self, late: int = 0, *, old: bool = False) -> None:
        self.late, self.old, self.asked = late, old, 0

    def client(self, _: str, __: str | None = None) -> Any:
        return self

    def get_console_output(self, InstanceId: str, Latest: bool = False) -> dict[str, str]:  # boto3's spelling
        if self.old and Latest:
            raise ClientError({"Error": {"Code": "UnsupportedOperation", "Message": "x"}}, "GetConsoleOutput")
        self.asked += 1
        return {"Output": CONSOLE} if (Latest or self.old) and self.asked > self.late else {}


def test_a_console_that_is_late_is_said_and_asked_again(tmp_path: Path) -> None:
    consoles, file = Consoles(late=1), tmp_path / "known_hosts"
    asked: dict[str, Any] = {"hosts": {"h1": "i-1"}, "addresses": {"h1": "i-1"}, "file": file}

    early = ensure_known(consoles, **asked)
    assert (early.values["waiting"], early.changed, file.exists()) == (["h1"], False, False)
    assert "does not show SSH host keys yet" in early.values["msg"]
    late = ensure_known(consoles, **asked)
    again = ensure_known(consoles, **asked)

    assert (late.values["waiting"], late.changed, again.changed) == ([], True, False)
    assert file.read_text("utf-8").splitlines()[1] == "i-1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"
    assert consoles.asked == 2


def test_types_without_a_latest_output_show_what_was_kept(tmp_path: Path) -> None:
    found = ensure_known(Consoles(old=True), {"h1": "i-1"}, {"h1": "192.0.2.1"}, tmp_path / "known_hosts")

    assert found.values == {"waiting": []}


class Unreachable(LocalTransport):
    def read_manifests(self) -> dict[str, bytes]:
        raise RemoteError("no route")


def test_a_host_that_cannot_be_asked_is_a_risk_and_so_is_a_session_of_today(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    gone, empty = Unreachable("h1", tmp_path / "host"), LocalTransport("h1", tmp_path / "host")
    in_session = datetime(2026, 11, 20, 11, tzinfo=zone())
    sunday = datetime(2026, 11, 22, 11, tzinfo=zone())

    [unknown] = find_risks([lambda: gone], store, recording=True, now=sunday)
    assert "cannot be asked" in unknown.what
    [today] = find_risks([lambda: empty], store, recording=True, now=in_session)
    assert "today's session" in today.what
    assert find_risks([lambda: empty], store, recording=True, now=sunday) == []
    assert find_risks([lambda: empty], store, recording=False, now=in_session) == []


def test_destroy_refuses_in_one_paragraph_naming_what_would_be_lost() -> None:
    refuse([])
    with pytest.raises(HarvesterError, match=r"h1: 2026-11-20 .* and 2 more.*--lose-data") as caught:
        refuse([Risk("h1", "2026-11-20 of h1: 1 of 4 files")] * 7)
    assert "\n" not in str(caught.value)
