"""Companies renamed and gone, broken masters, a blocked account, as clients and the harvester itself see them."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.client import call_control
from exchange.environment import client_environment
from exchange.faults import parse_faults
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.config.file import load_settings

SBIN, SBI = "NSE:SBIN-EQ", "NSE:SBI-EQ"
MASTER = "https://public.fyers.in/sym_details/NSE_CM.csv"


def arm(server, *faults):
    call_control(server.state, "POST", "/faults", json.dumps(faults).encode())


def master(server) -> dict[str, list[str]]:
    with server.client() as client:
        rows = [line.split(",") for line in client.get(MASTER).text.splitlines()]
    return {row[9] if len(row) == 21 else "": row for row in rows}


def test_a_renamed_symbol_keeps_its_numbers(server):
    before = master(server)[SBIN]
    arm(server, {"action": "rename", "symbol": SBIN, "to": SBI})

    after = master(server)

    assert SBIN not in after
    assert [after[SBI][at] for at in (0, 5)] == [before[at] for at in (0, 5)]
    with server.client() as client:
        assert server.depth(client, SBI).json()["d"][SBI]["ltp"] > 0
        refused = server.depth(client, SBIN).json()
    assert refused["code"] == -300
    quotes = server.sdk().quotes({"symbols": f"{SBIN},{SBI}"})["d"]
    assert [each["s"] for each in quotes] == ["error", "ok"]


def test_a_vanished_symbol_is_nowhere_until_the_fault_ends(server):
    arm(server, {"action": "vanish", "symbol": "NSE:SBIN-*"})

    assert SBIN not in master(server)
    with server.client() as client:
        assert server.depth(client, SBIN).json()["code"] == -300
        call_control(server.state, "DELETE", "/faults")
        assert server.depth(client, SBIN).json()["s"] == "ok"
    assert SBIN in master(server)


def test_a_row_that_is_broken_and_a_master_that_is_cut(server):
    whole = master(server)
    arm(server, {"action": "bad_row", "symbol": SBIN})
    assert SBIN not in master(server)
    call_control(server.state, "DELETE", "/faults")
    arm(server, {"action": "short_master"})
    assert 0 < len(master(server)) <= len(whole) // 2
    arm(server, {"action": "short_master", "size_bytes": 0})
    assert master(server) == {}


def test_a_blocked_account_is_refused_everything(server):
    arm(server, {"action": "block"})
    with server.client() as client:
        data = server.depth(client)
        account = client.get("https://api-t1.fyers.in/api/v3/profile", headers=server.headers())

    assert [each.status_code for each in (data, account)] == [429, 429]
    assert data.headers.get("Retry-After") is None
    assert 0 < int(account.headers["Retry-After"]) <= 86_401


@pytest.mark.parametrize("fault", [{"action": "rename", "symbol": SBIN}, {"action": "vanish", "to": SBI}])
def test_a_rename_says_to_what_and_nothing_else_does(fault):
    with pytest.raises(ConfigError, match="rename needs to"):
        parse_faults(json.dumps(fault), "test")


def look_up(server, config: Path) -> dict[str, Any]:
    """What the recorder's own child finds, against this exchange."""
    environment = {**os.environ, **client_environment(server.exchange.describe())}
    command = [sys.executable, "-m", "harvester", "config", "--config", str(config), "topics"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_harvester_names_the_successor_the_next_morning(server, tmp_path):
    config = tmp_path / "config.json"
    settings = {"symbols": [SBIN, "NSE:INFY-EQ"], "broker": {"app_id": server.app.app_id}, "data_dir": str(tmp_path)}
    config.write_text(json.dumps(settings))
    assert look_up(server, config)["unknown"] == {}
    today = to_local(SystemClock().wall_ns()).date()
    (tmp_path / "masters" / f"{today}").rename(tmp_path / "masters" / f"{today - timedelta(days=1)}")

    arm(server, {"action": "rename", "symbol": SBIN, "to": SBI}, {"action": "bad_row", "symbol": "NSE:ADANIENT-EQ"})
    found = look_up(server, config)

    assert found["unknown"] == {SBIN: [SBI]}
    assert "renamed (the same fyToken" in found["lost"][SBIN]
    assert list(found["topics"]) == ["NSE:INFY-EQ"]
    assert "NSE_CM.csv: 1 of its rows" in found["remarks"][0]


def test_rules_are_resolved_each_morning(server, tmp_path):
    config = tmp_path / "config.json"
    rule = {"underlying": "NIFTY", "expiry": "nearest 2"}
    settings = {"symbols": ["NSE:INFY-EQ", rule], "broker": {"app_id": server.app.app_id}, "data_dir": str(tmp_path)}
    config.write_text(json.dumps(settings))

    found = look_up(server, config)

    assert found["remarks"] == []
    assert found["symbols"][0] == "NSE:INFY-EQ" and "NSE:NIFTY26DECFUT" in found["symbols"]
    assert [each["rule"]["expiry"] for each in found["rules"]] == ["nearest 2"]
    assert load_settings(config).symbols == tuple(found["symbols"])

    arm(server, {"action": "rename", "symbol": "NSE:NIFTY26DECFUT", "to": "NSE:NIFTY26DEC29FUT"})
    assert "NSE:NIFTY26DEC29FUT" in look_up(server, config)["symbols"]
