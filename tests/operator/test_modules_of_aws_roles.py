"""The Ansible modules of the account: what they are told goes on, each part of a check is one, each change counts."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from runbook.aws.outcome import Outcome

LIBRARY = Path(__file__).resolve().parents[2] / "roles/aws_modules/library"
BUCKET = {"name": "b", "policy": {}, "lifecycle": [], "lock_days": 0, "tags": {"Project": "p"}}
WIDE = {"account": "123456789012", "analyzer": "a"}
BUDGET = {"account": "123456789012", "name": "n", "dollars": 20.0, "percents": [50.0], "email": "e", "filters": {}}
WATCH: dict[str, Any] = {
    "prefix": "p-", "alarms": {"p-a": {}}, "dashboard": "d", "dashboard_body": {"widgets": []},
    "log_groups": {"/l": 30}, "budget": BUDGET,
    "group": "g", "schedules": [{"name": "s"}], "timezone": "Asia/Kolkata", "tags": {"Project": "p"},
}  # fmt: skip
LOOK: dict[str, Any] = {
    "project": "p", "environment": "e", "bucket": "", "expected_account": "", "instance_type": "t3.micro", "subnet": "",
    "functions": [], "broker_account": "", "broker_refresh": False, "market": "nse", "hosts": False,
    "feed_symbols": [], "feed_prefix": "", "host_feeds": [], "worker_door": False,
}  # fmt: skip
FEED = {"feed_symbols": ["NSE:SBIN-EQ"], "feed_prefix": "feed/"}
PARTS = {
    "aws_bucket": ("bucket.ensure_bucket", "baseline.ensure_account"),
    "aws_watch": (
        "alarms.ensure_alarms",
        "alarms.ensure_dashboard",
        "log_groups.ensure_log_groups",
        "budget.ensure_budget",
        "schedules.ensure_schedules",
    ),
    "aws_functions": ("functions.ensure_settings",),
}
TOLD: dict[str, dict[str, Any]] = {
    "aws_bucket": BUCKET | {"account_wide": WIDE},
    "aws_watch": WATCH,
    "aws_functions": {"functions": [{"name": "f"}], "absent": ["g"], "log_days": 30, "tags": {}},
}
Calls = dict[str, tuple[tuple[Any, ...], dict[str, Any]]]


def ensure(module: str, told: dict[str, Any], *, dry: bool = True) -> Outcome:
    spec = importlib.util.spec_from_file_location(module, LIBRARY / f"{module}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    outcome: Outcome = loaded.ensure(SimpleNamespace(dry=dry, region="ap-south-1"), dict(told))
    return outcome


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What each part was called with; none of them changes anything."""
    return called(monkeypatch)


def called(monkeypatch: pytest.MonkeyPatch, changing: str = "") -> Calls:
    found: Calls = {}

    def settle(name: str) -> Any:
        def part(_: Any, *arguments: Any, **named: Any) -> Outcome:
            found[name] = (arguments, named)
            return Outcome({"is": 1}, {"is": 2 if name == changing else 1}, {"left_out": [f"{name} says"]})

        return part

    for name in (name for names in PARTS.values() for name in names):
        monkeypatch.setattr(f"runbook.aws.{name}", settle(name))
    return found


@pytest.mark.parametrize("module", PARTS)
@pytest.mark.parametrize("dry", [True, False])
def test_a_check_is_one_in_every_part_and_a_run_in_none(module: str, dry: bool, calls: Calls) -> None:
    outcome = ensure(module, TOLD[module], dry=dry)

    assert {name: named["dry"] for name, (_, named) in calls.items()} == dict.fromkeys(PARTS[module], dry)
    assert not outcome.changed


@pytest.mark.parametrize(("module", "part"), [(module, part) for module, parts in PARTS.items() for part in parts])
def test_a_change_of_any_part_is_the_modules(module: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called(monkeypatch, changing=part)

    assert ensure(module, TOLD[module]).changed


def test_account_is_left_alone_where_only_a_bucket_is_asked(calls: Calls) -> None:
    ensure("aws_bucket", BUCKET | {"account_wide": None})

    assert calls == {"bucket.ensure_bucket": ((), BUCKET | {"region": "ap-south-1", "dry": True})}


def test_all_that_is_told_of_a_bucket_and_its_account_goes_on(calls: Calls) -> None:
    ensure("aws_bucket", BUCKET | {"account_wide": WIDE})

    assert calls["baseline.ensure_account"] == ((), WIDE | {"tags": BUCKET["tags"], "dry": True})
    assert calls["bucket.ensure_bucket"] == ((), BUCKET | {"region": "ap-south-1", "dry": True})


def test_all_that_is_told_of_what_watches_goes_on(calls: Calls) -> None:
    outcome = ensure("aws_watch", WATCH)

    dry, tags = {"dry": True}, {"tags": WATCH["tags"]}
    schedules = {key: WATCH[key] for key in ("group", "schedules", "timezone")}
    assert calls == {
        "alarms.ensure_alarms": ((), {"prefix": "p-", "alarms": WATCH["alarms"]} | tags | dry),
        "alarms.ensure_dashboard": (("d", WATCH["dashboard_body"]), dry),
        "log_groups.ensure_log_groups": ((WATCH["log_groups"], WATCH["tags"]), dry),
        "budget.ensure_budget": ((), BUDGET | dry),
        "schedules.ensure_schedules": ((), schedules | tags | dry),
    }
    assert outcome.values == {"left_out": ["budget.ensure_budget says"]}


@pytest.mark.parametrize(
    ("told", "functions"),
    [
        ({}, {"reminder"}),
        ({"hosts": True}, {"reminder", "dead-man", "morning", "evening"}),
        ({"broker_account": "XX00000"}, {"reminder", "token-page"}),
        ({"broker_account": "XX00000", "broker_refresh": True}, {"reminder", "token-page", "token-refresh"}),
        ({"broker_account": "XX00000", "broker_refresh": True, "market": "us"}, {"reminder"}),
        (FEED, {"reminder", "ingestion", "etl"}),
        (FEED | {"host_feeds": ["one/"]}, {"reminder", "ingestion", "etl"}),
        ({"worker_door": True}, {"reminder", "worker-door"}),
        ({"hosts": True, "functions": ["morning"]}, {"morning"}),
    ],
)
def test_an_account_has_the_functions_that_it_has_the_means_for(
    told: dict[str, Any], functions: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_account(_: Any, names: Any, **said: Any) -> dict[str, Any]:
        return {"stem": names.stem, "region": names.region, **said}

    monkeypatch.setattr("runbook.aws.account.read_account", read_account)

    outcome = ensure("aws_look", LOOK | {"subnet": "subnet-1", "expected_account": "123456789012"} | told)

    look = outcome.values["look"]
    assert {*look.pop("functions")} == functions
    assert look == {
        "stem": "p-e",
        "region": "ap-south-1",
        "expected_account": "123456789012",
        "instance_type": "t3.micro",
        "subnet": "subnet-1",
    }
    assert not outcome.changed


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (FEED | {"host_feeds": ["one/", "feed/"]}, "a host delivers its price feed there, too"),
        (FEED | {"feed_prefix": "feed"}, "each part ending in a slash"),
        (FEED | {"market": "us"}, "of the market nse alone"),
        ({"functions": ["morning"]}, "harvester_count is 0"),
        ({"functions": ["worker-door"]}, "open to the whole world"),
        ({"functions": ["token-page"]}, "broker_account"),
    ],
)
def test_what_cannot_work_is_refused_before_the_account_is_asked(told: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ensure("aws_look", LOOK | told)
