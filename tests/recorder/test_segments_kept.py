"""Segments of symbols: a refused symbol is left out wherever it is named, and what the master said last is kept."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from tests.field.test_segments import HOURS, write_calendar
from tests.recorder.fakes import make_settings

from harvester.base.errors import ConfigError
from harvester.calendar import TradingCalendar
from harvester.capture.reassignment import Reassignment
from harvester.config.segments import FILE, find_segments, refuse_without_hours

SBIN, FUTURE, INDEX, OTHER = "NSE:SBIN-EQ", "NSE:NIFTY26DECFUT", "NSE:NIFTY50-INDEX", "BSE:SENSEX-INDEX"
FEEDS = ["fyers-rest", "fyers-hsm", "fyers-tbt", "fyers-history"]


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"symbols": [SBIN, FUTURE]}, FUTURE),
        ({"hsm": {"symbols": [SBIN, FUTURE]}}, FUTURE),
        ({"hsm": {"index_symbols": [INDEX, OTHER]}}, OTHER),
        ({"tbt": {"symbols": [SBIN, FUTURE]}}, FUTURE),
        ({"candles": {"symbols": [SBIN, FUTURE]}}, FUTURE),
        ({"tbt": {"symbols": [FUTURE]}}, FUTURE),
        ({"symbols": [SBIN, FUTURE], "tbt": {"symbols": [FUTURE]}, "candles": {"symbols": [FUTURE]}}, FUTURE),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_symbol_without_hours_is_left_out_of_each_place_that_names_it(
    tmp_path: Path, changes: dict[str, Any], refused: str
) -> None:
    """One that stays somewhere has no segment there, and the recorder would not start."""
    file = write_calendar(tmp_path / "calendar.json", nse_cash=HOURS["nse_cash"])
    named = {"symbols": [SBIN], "tbt": {"symbols": [SBIN]}} | changes
    settings = make_settings(tmp_path, feeds=FEEDS, calendar={"file": str(file)}, **named)
    assert refused in settings.all_symbols

    what = refuse_without_hours(settings, TradingCalendar.load(file))

    assert set(what.refused) == {refused}
    assert set(what.settings.all_symbols) == set(settings.all_symbols) - {refused} == set(what.segments)


def test_the_socket_of_fifty_levels_goes_where_none_of_its_symbols_has_hours(tmp_path: Path) -> None:
    """Its settings demand a symbol: the others are recorded all the same."""
    file = write_calendar(tmp_path / "calendar.json", nse_cash=HOURS["nse_cash"])
    calendar = TradingCalendar.load(file)
    feeds = {}
    for symbols in ((SBIN, FUTURE), (FUTURE,)):
        named = {"symbols": [SBIN], "tbt": {"symbols": [*symbols]}}
        settings = make_settings(tmp_path, feeds=FEEDS, calendar={"file": str(file)}, **named)
        feeds[symbols] = list(refuse_without_hours(settings, calendar).settings.feeds)

    assert feeds == {(SBIN, FUTURE): FEEDS, (FUTURE,): [feed for feed in FEEDS if feed != "fyers-tbt"]}


def test_where_symbols_has_none_with_hours_a_sentence_says_so(tmp_path: Path) -> None:
    file = write_calendar(tmp_path / "calendar.json", nse_cash=HOURS["nse_cash"])
    named = {"symbols": [FUTURE], "hsm": {"index_symbols": [INDEX]}, "feeds": ["fyers-rest", "fyers-hsm"]}
    settings = make_settings(tmp_path, calendar={"file": str(file)}, **named)

    with pytest.raises(ConfigError, match=f"{FUTURE} belong to the segment nse_fo"):
        refuse_without_hours(settings, TradingCalendar.load(file))
    named["rules"] = [{"underlying": "NIFTY"}]
    settings = make_settings(tmp_path, calendar={"file": str(file)}, **named)
    what = refuse_without_hours(settings, TradingCalendar.load(file))
    assert what.settings.all_symbols == (INDEX,), "tomorrow rules may stand for others"


def reassign(tmp_path: Path) -> tuple[Any, Reassignment]:
    settings = make_settings(tmp_path, symbols=[SBIN, FUTURE])
    return settings, Reassignment(Mock(settings=settings, segments={SBIN: "nse_cash", FUTURE: "nse_fo"}, refused={}))


def test_each_look_up_of_the_master_is_kept_and_not_the_first_alone(tmp_path: Path) -> None:
    """A segment that is not in the file would be found anew by the next run, which would start again for it."""
    settings, reassignment = reassign(tmp_path)
    same_hours = Mock(window=(0, 1), windows_of=lambda _: [])

    for segment in ("nse_cash_other", "bse_cash", "nse_cash_other"):
        assert not reassignment.needs_new_run(same_hours, {SBIN: segment})
        assert find_segments(settings) == {SBIN: segment, FUTURE: "nse_fo"}


def test_a_look_up_that_could_not_be_kept_holds_up_none_after_it(tmp_path: Path) -> None:
    settings, reassignment = reassign(tmp_path)
    (settings.data_dir / FILE).mkdir()
    closed = Mock(window=None)
    assert not reassignment.needs_new_run(closed, {SBIN: "nse_cash_other"})
    (settings.data_dir / FILE).rmdir()

    assert reassignment.needs_new_run(closed, {SBIN: "nse_cash_other"})
    assert find_segments(settings)[SBIN] == "nse_cash_other"
