"""The recorder as `harvester run` puts it together: what polls stand in for, and when it starts again by itself."""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.recorder.fakes import make_config, make_settings

from harvester.calendar import TradingCalendar
from harvester.capture.streams.feed import StreamFeed
from harvester.commands import run
from harvester.config.segments import refuse_without_hours
from harvester.journal.format import FYERS_HSM, FYERS_TBT, RunInfo

FEEDS = ["fyers-tbt", "fyers-hsm", "fyers-rest"]


class Lookup:
    """A look-up of symbols that found what the test says."""

    def __init__(self, ask: Any, clock: Any) -> None:
        self.symbols: tuple[str, ...] = ()
        self.rules = ""
        self.segments: dict[str, str] = {}
        self.known = self.remember = self.describe = lambda *_: {}
        Lookup.last = self

    last: "Lookup"

    def is_due(self, next_change_ns: int | None) -> bool:
        return False


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the recorder's parts were made with."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(run, "SymbolLookup", Lookup)
    monkeypatch.setattr(run, "StatusPublisher", lambda *_, **__: lambda recorder: None)
    poll, record = run.PollFeed, run.Recorder

    def keep(name: str, real: Any) -> Any:
        def make(*arguments: Any, **options: Any) -> Any:
            made[name] = SimpleNamespace(arguments=arguments, **options)
            return real(*arguments, **options)

        return make

    monkeypatch.setattr(run, "PollFeed", keep("polls", poll))
    monkeypatch.setattr(run, "Recorder", keep("recorder", record))
    yield made


def build(tmp_path: Path, feeds: list[str], when: str = "fallback") -> Any:
    tbt = {"symbols": ["NSE:SBIN-EQ"]}
    settings = make_settings(tmp_path, feeds=feeds, poll={"when": when}, tbt=tbt)
    calendar = TradingCalendar.load()
    what = refuse_without_hours(settings, calendar)
    info = RunInfo(host_id="h", release="r", config_hash="0", streams=dict(enumerate(settings.symbols)))
    return run.build_recorder(what, info, calendar, None, None)[0]


def test_polls_stand_in_for_the_data_socket_and_for_no_other(tmp_path: Path, parts: dict[str, Any]) -> None:
    build(tmp_path, FEEDS)

    assert parts["polls"].down_for.__self__.number == FYERS_HSM
    assert [feed.number for feed in parts["recorder"].feeds[1:]] == [FYERS_TBT, FYERS_HSM]
    assert all(isinstance(feed, StreamFeed) for feed in parts["recorder"].feeds[1:])


def test_without_a_data_socket_polls_stand_in_for_nothing(tmp_path: Path, parts: dict[str, Any]) -> None:
    build(tmp_path, ["fyers-rest"], "always")

    assert parts["polls"].down_for is None


SYMBOLS = ("NSE:SBIN-EQ", "NSE:INFY-EQ")


@pytest.mark.parametrize(
    ("rules", "found", "window", "stops"),
    [
        pytest.param("2 by NIFTY", SYMBOLS, None, 0, id="the same"),
        pytest.param("2 by NIFTY", SYMBOLS[::-1], None, 0, id="the same in another order"),
        pytest.param("2 by NIFTY", (*SYMBOLS, "NSE:TCS-EQ"), None, 1, id="one more"),
        pytest.param("2 by NIFTY", SYMBOLS[:1], None, 1, id="one less"),
        pytest.param("2 by NIFTY", SYMBOLS[:1], (1, 2), 0, id="not in an open window"),
        pytest.param("", SYMBOLS[:1], None, 0, id="without rules"),
    ],
)
def test_rules_that_stand_for_other_symbols_start_the_recorder_anew_outside_of_a_window(
    tmp_path: Path, parts: dict[str, Any], rules: str, found: tuple[str, ...], window: Any, stops: int
) -> None:
    build(tmp_path, FEEDS)
    after_tick, lookup = parts["recorder"].after_tick, Lookup.last
    lookup.rules, lookup.symbols = rules, found
    asked: list[bool] = []
    recorder: Any = SimpleNamespace(
        window=window, next_change_ns=None, run_background=lambda work: None, stop=lambda: asked.append(True)
    )
    after_tick(recorder)

    assert len(asked) == stops


@pytest.mark.parametrize(
    ("changes", "streams", "candles"),
    [
        ({}, ["A", "B"], []),
        ({"feeds": ["fyers-rest", "fyers-history"]}, ["A", "B"], ["A", "B"]),
        ({"feeds": ["fyers-rest", "fyers-history"], "candles": {"symbols": ["NSE:C-EQ", "NSE:B-EQ"]}}, "AB", "CB"),
        ({"candles": {"symbols": ["NSE:C-EQ"]}}, "AB", ""),
    ],
)
def test_a_run_names_the_symbols_of_polls_and_of_candles_by_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], streams: Sequence[str], candles: str
) -> None:
    """Each segment of the journal says so, and nothing else tells whose an answer is."""
    config = make_config(tmp_path, symbols=["NSE:A-EQ", "NSE:B-EQ"]) | changes
    (tmp_path / "config.json").write_text(json.dumps(config))
    made: list[RunInfo] = []

    async def record(what: Any, info: RunInfo, *_: Any) -> None:
        made.append(info)

    monkeypatch.setattr(run, "_record", record)
    monkeypatch.setattr(run, "configure_logs", lambda **_: None)

    assert run.run(Namespace(config=tmp_path / "config.json", debug=False, foreground=False), None) == 0

    [info] = made
    assert info.streams == dict(enumerate(f"NSE:{name}-EQ" for name in streams))
    assert info.candles == dict(enumerate(f"NSE:{name}-EQ" for name in candles))
    assert info.host_id == config["host_id"]
