"""What commands hand to the parts that do their work, and what they make of the answers; the parts are the test's."""

import asyncio
import json
import signal
from argparse import Namespace
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.recorder.fakes import SYMBOLS, make_config

from harvester import cli
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import ConfigError, UnhealthyError
from harvester.base.market import INDIA
from harvester.base.redaction import Secret
from harvester.commands import (
    config,
    metrics,
    secret_file,
    send_alerts,
    sessions,
    token_agent,
    workers,
)
from harvester.commands import run as recorder
from harvester.metrics.measure import Metric
from harvester.tokens.stores import StoreError
from harvester.workers.memory import Memory

DAY = date(2026, 11, 23)
AT_NS = int(datetime(2026, 11, 23, 9, 0, tzinfo=INDIA).timestamp()) * NS_PER_SECOND


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: AT_NS)


SETTINGS: Any = Thing(
    deliveries=("of the settings",),
    market="us",
    host_id="h1",
    alerts=Thing(inbox="inbox"),
    metrics=Thing(environment=""),
    calendar=Thing(file="cal"),
)


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("busy_ns", "said"),
    [
        (None, ""),
        (AT_NS, "Not now: a session that is recorded is open.\n"),
        (AT_NS + NS_PER_SECOND, "Not now: a session that is recorded opens at 09:00:01 IST.\n"),
    ],
)
def test_sessions_say_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], busy_ns: int | None, said: str
) -> None:
    def busy_at(settings: Any, calendar: Any, wall_ns: int, ahead_ns: int) -> int | None:
        assert (settings, calendar, wall_ns, ahead_ns) == (SETTINGS, "of cal", AT_NS, 7 * 60 * NS_PER_SECOND)
        return busy_ns

    monkeypatch.setattr(sessions, "load_settings", {Path("c"): SETTINGS}.__getitem__)
    monkeypatch.setattr(sessions.TradingCalendar, "load", lambda file: f"of {file}")
    monkeypatch.setattr(sessions, "busy_at", busy_at)
    assert sessions.run(Namespace(free_for=7, config=Path("c")), None) == (1 if said else 0)
    assert capsys.readouterr().out == said


def test_the_log_says_of_each_channel_whether_it_took_the_messages() -> None:
    def said(send: Any) -> list[Any]:
        with capture_logs() as lines:
            send_alerts._send(Thing(send=send))  # type: ignore[arg-type]
        return lines

    def failing(error: Exception) -> Any:
        def send() -> None:
            raise error

        return send

    results = [Thing(channel="telegram", problem=""), Thing(channel="mail", problem="HTTP 500")]
    assert said(lambda: results) == [
        {"event": "sent", "log_level": "info", "channel": "telegram"},
        {"event": "channel_failed", "log_level": "warning", "channel": "mail", "detail": "HTTP 500"},
    ]
    assert said(failing(ConfigError("no channel"))) == [
        {"event": "nobody_told", "log_level": "warning", "detail": "no channel"}
    ]
    assert said(failing(StoreError("no SSM"))) == [
        {"event": "channels_unreadable", "log_level": "warning", "detail": "no SSM"}
    ]


def test_the_token_agent_opens_its_store_and_obeys_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def run() -> None:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
            await asyncio.sleep(0.001)

    agent = Thing(run=run, look_now=lambda: heard.append("look"), stop=lambda: heard.append("stop"))
    settings: Any = Thing(token=Thing(place="ssm:/a", region="ap-south-1"))
    monkeypatch.setattr(token_agent, "open_place", lambda *given: given)
    made: list[Any] = []
    monkeypatch.setattr(token_agent, "_make_agent", lambda *given: (made.append(given), agent)[1])

    asyncio.run(token_agent._serve(settings))

    assert heard == ["look", "stop", "stop"]
    assert made == [(settings, ("ssm:/a", "ap-south-1"))]


def test_workers_are_shown_with_what_is_known_of_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memories = {
        Path("/d/a/memory.json"): Memory(),
        Path("/d/b/memory.json"): Memory(
            state="quiet", cause="no beat", beat_ns=AT_NS - 60 * NS_PER_SECOND, paused=True, restarts=(1, 2)
        ),
    }
    monkeypatch.setattr(workers, "load", memories.__getitem__)
    settings: Any = Thing(data_dir=Path("/d"), workers=[Thing(name=name, restarts_a_day=6) for name in "ab"])
    assert workers._show(settings, AT_NS, as_json=False) == 0
    first, second = capsys.readouterr().out.splitlines()
    step = workers.wording.step(Memory().step)
    assert first == f"a: {Memory().state}, {Memory().cause}, no sign of life yet, step {step}, 0 of 6 restarts in 24 h"
    assert second.startswith("b: quiet, paused, no beat, sign of life ") and second.endswith("2 of 6 restarts in 24 h")


def test_a_stored_default_password_is_refused_with_how_another_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Any] = []
    stored: list[Any] = [Thing(value=Secret("secret")), None]
    store = Thing(place="ssm:/a", read=lambda: stored.pop(0))
    monkeypatch.setattr(secret_file, "open_place", lambda *given: (opened.append(given), store)[1])
    monkeypatch.setattr(secret_file, "storing", lambda name, of, user: f"{name} for {user} in {of.place}")
    file = tmp_path / "password"
    given = Namespace(place="ssm:/a", region="r", name="database-password", unlike=[], file=file, check=False)
    why = "ssm:/a: the password is a default, or a name of the database, which everybody tries first."
    how = "database-password for root in ssm:/a"
    for said in (
        f"{why} Set another in the database (ALTER USER ... PASSWORD), and store it: {how}. {file} is as it was.",
        f"ssm:/a: nothing is stored there. Store it: {how}",
    ):
        with pytest.raises(ConfigError) as caught:
            secret_file.run(given, None)
        assert str(caught.value) == said
    assert opened == [("ssm:/a", "r")] * 2 and not file.exists()


@pytest.mark.usefixtures("at")
def test_what_a_look_up_found_is_handed_over_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Thing(fy_token="1", session="s", root="r")
    found = Thing(
        listings={"A": row},
        underlyings={"u": "A"},
        index_names={"i": "I"},
        lost={"B": Thing(successor="C", sentence="B is C now"), "D": Thing(successor="", sentence="D is gone")},
        remarks=["a remark"],
    )
    settings = Thing(rules=(), all_symbols=("A", "B", "D"), calendar=Thing(file="cal"))
    rows = [config.MasterRow("A", "1", "s", "r")]
    monkeypatch.setattr(config, "load_settings", {Path("c"): settings}.__getitem__)
    monkeypatch.setattr(config, "_download", lambda given: found if given is settings else None)
    monkeypatch.setattr(config.TradingCalendar, "load", lambda file: f"of {file}")
    monkeypatch.setattr(config, "assign_segments", lambda *given: ("segments", *given))
    monkeypatch.setattr(config, "find_contradictions", lambda *given: given)
    monkeypatch.setattr(config, "topics_of", lambda *given: list(given))

    segments = ("segments", rows, {"u": "A"}, "of cal", DAY)
    assert config._find_topics(Path("c")) == {
        "segments": segments,
        "contradictions": (rows, segments, "of cal", DAY),
        "topics": {"A": ["A", "1", {"i": "I"}]},
        "unknown": {"B": ["C"], "D": []},
        "lost": {"B": "B is C now", "D": "D is gone"},
        "remarks": ["a remark"],
        "symbols": ["A", "B", "D"],
        "rules": [],
    }


def test_a_valid_configuration_is_told_with_what_it_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(make_config(tmp_path)))
    assert cli.run(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid; {len(SYMBOLS)} symbols every 1 s, as test1.\n"


@pytest.mark.usefixtures("at")
def test_what_was_published_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise UnhealthyError("the recorder is down")

    published: list[Any] = []
    disk, memory = Metric("Disk", 34.381, "Percent"), Metric("Memory", 6.0, "Percent")
    monkeypatch.setattr(metrics, "measure_disk", {Path("/data"): disk}.__getitem__)
    monkeypatch.setattr(metrics, "measure_memory", lambda: memory)
    monkeypatch.setattr(metrics, "find_installed", lambda: None)
    monkeypatch.setattr(metrics, "read_fresh", refuse)
    monkeypatch.setattr(metrics, "open_client", lambda *given: given)
    monkeypatch.setattr(metrics, "publish", lambda *given: published.append(given))
    chosen = Thing(environment="lab", region="r", endpoint_url="u")
    settings: Any = Thing(metrics=chosen, data_dir=Path("/data"), status_file="s", host_id="h1", deliveries=())

    assert metrics.run(Namespace(), settings) == 0
    assert capsys.readouterr().out == ("no heartbeat: the recorder is down\npublished Disk 34.38, Memory 6\n")
    assert published == [(("r", "u"), "lab", "h1", [disk, memory])]
    chosen.environment = None
    assert metrics.run(Namespace(), settings) == 0
    assert capsys.readouterr().out == "No metrics are configured (metrics.environment), so none are published.\n"


def test_the_sockets_that_are_named_are_built_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Thing(
        symbols_of={"fyers-hsm": ("A",)}.__getitem__, hsm="of hsm", tbt="of tbt", broker=Thing(app_id="id"),
        feeds=("fyers-rest", "fyers-tbt", "fyers-hsm"),
    )  # fmt: skip
    context: Any = Thing(settings=settings, clock="clock", access="access")
    monkeypatch.setattr(recorder, "HsmSource", lambda *given: ("hsm", *given))
    monkeypatch.setattr(recorder, "TbtSource", lambda *given: ("tbt", *given))
    monkeypatch.setattr(recorder, "SocketLookup", lambda *given: Thing(find=given))
    monkeypatch.setattr(recorder, "_share", lambda *given: given)
    monkeypatch.setattr(recorder, "StreamFeed", lambda *given: given)
    given: Any = ("client", "look-up", "trust")

    hsm = ("hsm", ("A",), "of hsm", "look-up")
    tbt = ("tbt", "of tbt", "id", ("client", "access", "clock"))
    feeds: Any = recorder._build_streams(context, *given)
    assert feeds == [((context, source, "trust"), source) for source in (tbt, hsm)]
    settings.feeds = ("fyers-rest",)
    assert recorder._build_streams(context, *given) == []
