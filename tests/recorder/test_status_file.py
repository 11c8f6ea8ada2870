"""The status file's keys and values, each from its own source: `health`, `metrics`, `alerts` and `live` read them."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from msgspec import Raw
from tests.recorder.fakes import FakeClock

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.access import Access
from harvester.capture import publisher
from harvester.config.limits import RequestLimits
from harvester.ledger.lost import LostToday
from harvester.ledger.outage import Outage

DAY = date(2026, 8, 5)
NOW = 1_785_904_200 * NS_PER_SECOND
WINDOW = (NOW - 5, NOW + 7)
SHARES = {"nse_cash": ["NSE:A-EQ"], "nse_derivatives": ["NSE:B26AUGFUT"]}
DEVIATIONS = {"p50": 0.1, "p99": 0.2, "max": 0.3}


def written(**parts: Any) -> Thing:
    """A journal that is written, after a recovery."""
    segment = Path("/srv/harvester/journal/2026-08-05/000001.seg")
    writer = Thing(seq=41, durable_seq=40, segment=segment, segment_size=4096)
    given: dict[str, Any] = {
        "writer": writer,
        "failure": None,
        "problems": [],
        "quarantined": None,
        "lost": LostToday(),
    }
    return Thing(**given | parts)


def describe(sink: Thing, recorder: Thing, access: Any, **parts: Any) -> dict[str, Any]:
    """The status at NOW of these parts; the rest are those of a recorder that has just started."""
    clock = FakeClock(NOW)
    context = Thing(
        settings=Thing(status_file=Path("status.json"), all_symbols=("all",)),
        run=Thing(release="1.2.3", config_hash="hash of it", run_id="run-7"),
        clock=clock,
        sink=sink,
        access=access,
        watch=Thing(offset_ns=11, is_off=True, steps=2),
        split=lambda symbols: parts.get("shares", {"nse_cash": ["NSE:A-EQ"]}) if symbols == ("all",) else None,
        refused=parts.get("refused", {}),
    )
    made = publisher.StatusPublisher(
        context,  # type: ignore[arg-type]
        polls=Thing(next_due_ns=parts.get("next_due_ns"), deviations=Thing(describe=lambda: DEVIATIONS)),  # type: ignore[arg-type]
        streams=parts.get("streams", []),
        candles=parts.get("candles"),
        keeper=Thing(problem=parts.get("problem", "")),  # type: ignore[arg-type]
        symbol_master=lambda: {"renames": ["of the master"]},
    )
    clock.step(3)
    return made.describe(recorder, symbols=Raw(b"{}"), open_gaps=Raw(b"[]"))  # type: ignore[arg-type]


def running(**parts: Any) -> Thing:
    """A recorder on DAY; no window is open unless `parts` have one."""
    at_ns = NOW + 3 * NS_PER_SECOND
    calendar = Thing(
        trading_date={at_ns: DAY}.__getitem__, days_left={DAY: 12}.__getitem__, valid_until=date(2026, 12, 31)
    )
    given: dict[str, Any] = {
        "calendar": calendar,
        "calendars": Thing(problem="of the calendar"),
        "window": None,
        "windows": {"nse_cash": None},
        "phases": [],
        "next_change_ns": None,
        "disk": Thing(free_bytes=999, is_full=False),
    }
    return Thing(**given | parts)


def test_a_recorder_that_has_nothing_yet_says_so_of_each_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 4711)
    sink = written(writer=None)
    status = describe(sink, running(), Access(RequestLimits(10, 200, 100_000)))
    assert status == {
        "release": "1.2.3",
        "config_hash": "hash of it",
        "run_id": "run-7",
        "pid": 4711,
        "started_at_ns": NOW,
        "written_at_ns": NOW + 3 * NS_PER_SECOND,
        "window": {"open": False, "open_ns": None, "phases": [], "next_change_ns": None},
        "symbols": Raw(b"{}"),
        "feeds": {},
        "polling": False,
        "open_gaps": Raw(b"[]"),
        "token": {"state": "missing", "version": None, "expires_at_ns": None, "problem": ""},
        "journal": {
            "seq": 0,
            "durable_seq": 0,
            "segment": None,
            "bytes": 0,
            "failure": None,
            "problems": [],
            "quarantine": None,
        },
        "lost_today": {},
        "deviation_ms": DEVIATIONS,
        "disk": {"free_bytes": 999, "full": False},
        "calendar": {"valid_until": "2026-12-31", "days_left": 12, "problem": "of the calendar"},
        "clock": {"offset_ns": 11, "off": True, "steps": 2},
        "renames": ["of the master"],
    }


def test_a_recorder_that_has_everything_says_each_thing_under_its_name() -> None:
    lost = LostToday()
    lost.take({"type": "gap_open", "gap_id": "1", "from_ns": NOW, "cause": "mute"})
    lost.take({"type": "gap_close", "gap_id": "1", "to_ns": NOW + 21})
    problems = [f"problem {number}" for number in range(25)]
    sink = written(failure="no space left", problems=problems, quarantined=(3, 512), lost=lost)
    token = Thing(version="ssm:9", expires_at_ns=NOW + 90, login_ends_ns=NOW + 99)
    access = Thing(
        token=token,
        token_state={NOW + 3 * NS_PER_SECOND: "expired"}.__getitem__,
        blocked_until={NOW + 3 * NS_PER_SECOND: NOW + 77}.__getitem__,
        unproven="timeout: of the broker",
    )
    recorder = running(
        window=WINDOW,
        windows={"nse_cash": WINDOW, "nse_derivatives": None},
        phases=["continuous"],
        next_change_ns=NOW + 7,
        disk=Thing(free_bytes=1, is_full=True),
    )
    status = describe(
        sink,
        recorder,
        access,
        shares=SHARES,
        refused={"NSE:X-EQ": "not listed"},
        next_due_ns=NOW + 1,
        problem="of the keeper",
        candles=Thing(describe=lambda: {"bars": 4}),
    )
    assert status["window"] == {"open": True, "open_ns": NOW - 5, "phases": ["continuous"], "next_change_ns": NOW + 7}
    assert status["refused_symbols"] == {"NSE:X-EQ": "not listed"}
    assert status["segments"] == {
        "nse_cash": {"open_ns": NOW - 5, "close_ns": NOW + 7, "symbols": ["NSE:A-EQ"]},
        "nse_derivatives": {"open_ns": None, "close_ns": None, "symbols": ["NSE:B26AUGFUT"]},
    }
    assert status["candles"] == {"bars": 4}
    assert status["polling"] is True
    assert status["token"] == {
        "state": "expired",
        "version": "ssm:9",
        "expires_at_ns": NOW + 90,
        "login_ends_ns": NOW + 99,
        "problem": "of the keeper",
        "unproven": "timeout: of the broker",
    }
    assert status["journal"] == {
        "seq": 41,
        "durable_seq": 40,
        "segment": "000001.seg",
        "bytes": 4096,
        "failure": "no space left",
        "problems": problems[:20],
        "quarantine": {"files": 3, "bytes": 512},
    }
    assert status["lost_today"] == {"mute": 21}
    assert status["disk"] == {"free_bytes": 1, "full": True}
    assert status["blocked_until_ns"] == NOW + 77


def connection(**parts: Any) -> Thing:
    """A connection that was told to start and has not been up yet."""
    given: dict[str, Any] = {
        "stream": 2,
        "state": "waiting",
        "attempt": 5,
        "symbols": ("A", "B", "C"),
        "missing": lambda: {"B", "C"},
        "is_running": True,
        "counts": lambda: (7, 800, 1),
        "socket": None,
        "outage": None,
    }
    return Thing(**given | parts)


def test_a_feed_says_of_each_connection_what_it_has_and_why_it_has_no_more() -> None:
    connections = [
        connection(),
        connection(stream=3, state="idle", is_running=False, outage=Outage("refused", "by the broker")),
        connection(stream=4, state="subscribed", socket=Thing(last_wall_ns=NOW)),
        connection(stream=5, socket=Thing(last_wall_ns=0)),
    ]
    feed = Thing(name="fyers-hsm", is_running=True, down_for=lambda: 33, connections=connections)
    status = describe(written(), running(), Access(RequestLimits(10, 200, 100_000)), streams=[feed])
    counted = {"attempt": 5, "symbols": 3, "missing": 2, "frames": 7, "bytes": 800, "unknown": 1}
    silent = {"last_recv_ns": None, "cause": None, "detail": ""}
    assert status["feeds"] == {
        "fyers-hsm": {
            "running": True,
            "down_ns": 33,
            "connections": [
                {"stream": 2, "state": "waiting", **counted, **silent},
                {"stream": 3, "state": "idle", **counted, "missing": 0, "last_recv_ns": None}
                | {"cause": "refused", "detail": "by the broker"},
                {"stream": 4, "state": "subscribed", **counted, **silent, "last_recv_ns": NOW},
                {"stream": 5, "state": "waiting", **counted, **silent},
            ],
        }
    }
