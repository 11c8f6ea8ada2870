"""Members of an index: the exchange's list on its good and bad days, and what the recorder makes of it each morning."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from tests.exchanges import serving

from exchange.client import call_control
from exchange.environment import client_environment
from harvester.base.errors import ConfigError, HarvesterError
from harvester.config.file import load_settings
from harvester.config.rules import IndexList
from runbook.fleet import indices
from runbook.fleet.environment import variables_set

TODAY = date(2026, 11, 29)
BANK = "NIFTY BANK"
SBIN, SBI = "NSE:SBIN-EQ", "NSE:SBI-EQ"
Arm = Callable[..., None]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An exchange, by whose proxy this process reaches what stands for NSE."""
    state = tmp_path_factory.mktemp("exchange")
    with serving(state) as said, variables_set(client_environment(said)):
        yield {**said, "state": state}


@pytest.fixture
def arm(ready: dict[str, Any]) -> Iterator[Arm]:
    def arm(*faults: dict[str, Any]) -> None:
        call_control(ready["state"], "POST", "/faults", json.dumps(faults).encode())

    yield arm
    call_control(ready["state"], "DELETE", "/faults")


def fetch(index: str = BANK, source: str | None = None) -> IndexList:
    return indices.fetch(index, source, TODAY)


@pytest.mark.usefixtures("ready")
def test_the_exchanges_list_is_taken_with_its_date_and_source_and_kept_in_one_file(tmp_path: Path) -> None:
    found = fetch()

    assert set(found.members.values()) >= {"SBIN-EQ", "INFY-EQ"}
    assert (found.date, found.source) == (
        TODAY,
        "https://nsearchives.nseindia.com/content/indices/ind_niftybanklist.csv",
    )
    path = tmp_path / indices.FILE
    indices.write(path, [], found)
    other = fetch("NIFTY 2")
    indices.write(path, indices.current(path), other)
    assert indices.current(path) == [other, found], "by name"
    assert len(other.members) == 2
    assert indices.compare(indices.current(path), found) == []
    assert indices.lists_beside([str(tmp_path)]) == str(path)
    assert indices.lists_beside([str(tmp_path / "elsewhere" / "hosts.yml")]) == ""


@pytest.mark.usefixtures("ready")
def test_columns_are_found_by_name_wherever_they_stand(arm: Arm) -> None:
    before = fetch()
    arm({"action": "wide_list"})

    assert fetch().members == before.members


@pytest.mark.usefixtures("ready")
def test_a_missing_row_and_a_new_name_are_shown_before_anything_is_written(arm: Arm) -> None:
    before = fetch()
    isin = {name: isin for isin, name in before.members.items()}
    arm({"action": "unlist", "symbol": "NSE:INFY-EQ"}, {"action": "rename", "symbol": SBIN, "to": SBI})

    changes = indices.compare([before], fetch())

    assert changes == [("-", isin["INFY-EQ"], "INFY-EQ"), ("~", isin["SBIN-EQ"], "SBIN-EQ is SBI-EQ now")]


@pytest.mark.usefixtures("ready")
def test_a_list_with_fewer_members_than_its_name_says_and_one_that_is_cut_are_refused(arm: Arm) -> None:
    with pytest.raises(ConfigError, match=r"fewer than the name NIFTY 500 says.*Nothing|Try again later"):
        fetch("NIFTY 500")
    before = fetch()
    arm({"action": "unlist", "symbol": "NSE:[A-R]*"}, {"action": "unlist", "symbol": "NSE:S[A-M]*"})
    if len(after := fetch().members) * 2 > len(before.members):
        pytest.fail(f"{len(after)} of {len(before.members)} are left: the case is none")
    with pytest.raises(ConfigError, match="so it is cut"):
        indices.compare([before], fetch())


@pytest.mark.usefixtures("ready")
def test_a_firewalls_page_in_place_of_the_list_says_what_to_do(arm: Arm) -> None:
    arm({"action": "html", "path": "*/ind_*", "status": 200})
    with pytest.raises(ConfigError, match=r"not a list of members.*--source FILE"):
        fetch()
    arm({"action": "html", "path": "*/ind_*", "status": 403})
    with pytest.raises(HarvesterError, match=r"not a list of members|refused with HTTP 403"):
        fetch()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a list of members"),
        ("Company Name,Industry,Symbol,Series,ISIN Code\n", "at least|length|members"),
        ("Symbol,Series,ISIN Code\nSBIN,EQ\n", "line 2 is not whole"),
        ("Symbol,Series,ISIN Code\nSBIN,EQ,\n", "line 2 is not whole"),
        ("Symbol,Series,ISIN Code\nSBIN,EQ,12\n", "members"),
        ("Symbol,Series,ISIN Code\nA,EQ,INE062A01020\nB,EQ,INE062A01020\n", "line 3 names an ISIN a second time"),
    ],
)
def test_what_is_no_whole_list_is_refused_by_its_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "saved.csv").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=reason) as refused:
        fetch(source=str(tmp_path / "saved.csv"))

    assert "./inv index-update 'NAME' --source FILE" in str(refused.value)


def look_up(ready: dict[str, Any], config: Path) -> dict[str, Any]:
    """What the recorder's own child finds in the morning."""
    command = [sys.executable, "-m", "harvester", "config", "--config", str(config), "topics"]
    environment = {**os.environ, **client_environment(ready)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_rule_stands_for_the_members_each_morning_and_who_is_missing_is_told(
    ready: dict[str, Any], arm: Arm, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    settings = {
        "symbols": [{"index": BANK}], "index_lists": [to_builtins(fetch())], "data_dir": str(tmp_path),
        "broker": {"app_id": "ABCDE12345-100"},
    }  # fmt: skip
    config.write_text(json.dumps(settings), encoding="utf-8")

    found = look_up(ready, config)

    assert {SBIN, "NSE:INFY-EQ"} <= set(found["symbols"])
    assert found["unknown"] == {}
    assert [(each["rule"]["index"], each["date"], each["absent"]) for each in found["rules"]] == [
        (BANK, TODAY.isoformat(), {})
    ]
    arm({"action": "rename", "symbol": SBIN, "to": SBI}, {"action": "vanish", "symbol": "NSE:INFY-EQ"})
    found = look_up(ready, config)
    assert SBI in found["symbols"]
    assert not {SBIN, "NSE:INFY-EQ"} & set(found["symbols"])
    assert list(found["unknown"]) == ["NSE:INFY-EQ"]
    assert f"NSE:INFY-EQ is a member of {BANK} by the list of {TODAY}" in found["lost"]["NSE:INFY-EQ"]
    assert load_settings(config).symbols == tuple(found["symbols"]), "the result is recorded"
