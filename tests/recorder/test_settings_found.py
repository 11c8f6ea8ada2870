"""What a host goes by: the file in force, sizes and limits of what it names, backups, deliveries, and the reference."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, field
from tests.recorder.fakes import make_config, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.validation import Model, validate
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import NO_BARS, bar_day
from harvester.config import file
from harvester.config.file import NotRecordingError, find_lake, find_settings, load_settings, settings_path
from harvester.config.hours import DayHours
from harvester.config.limits import RequestLimits, fleet_interval, start_offsets
from harvester.config.reference import describe_settings
from harvester.config.rules import IndexList, Resolved, SymbolRule, describe_outdated
from harvester.config.segments import FILE, describe_refused, find_segments, keep_segments
from harvester.config.settings import Settings
from harvester.config.size import Size, refuse_size, request_need, size_of

DAY = date(2026, 11, 23)
DAY_NS = 22_500 * NS_PER_SECOND
OPTIONS = {"underlying": "NIFTY", "expiry": "nearest 2", "strikes": "atm +- 10"}
BANK = {"index": "NIFTY BANK"}
LIST = IndexList(index="NIFTY BANK", date=date(2026, 11, 20), source="s", members={"INE062A01020": "SBIN-EQ"})
TABLES = [{"name": "my.ticks"}]


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration is that nobody names."""
    monkeypatch.delenv("HARVESTER_CONFIG", raising=False)
    monkeypatch.setattr(file, "DEFAULT_PATH", tmp_path / "usual.json")
    return tmp_path / "usual.json"


def test_the_file_in_force_is_the_one_that_is_named_else_the_environments_else_the_usual_one(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_path() == usual
    monkeypatch.setenv("HARVESTER_CONFIG", "/of/environment.json")
    assert settings_path() == Path("/of/environment.json")
    assert settings_path(Path("/of/option.json")) == Path("/of/option.json")
    monkeypatch.setenv("HARVESTER_CONFIG", "")
    assert settings_path() == usual


def test_no_configuration_is_none_only_where_nobody_named_a_file(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_settings() is None
    with pytest.raises(ConfigError, match=r"^There is no host's configuration here\. Name a lake \(export: --lake DIR"):
        find_lake()
    usual.write_text(json.dumps(make_config(tmp_path, data_dir="/srv/data")))
    found = find_settings()
    assert found is not None and found == load_settings(usual)
    assert find_lake() == Path("/srv/data/lake")

    absent = tmp_path / "absent.json"
    said = rf"^{absent}: the configuration cannot be read \(No such file or directory\)\. Give its path with --config"
    with pytest.raises(ConfigError, match=said):
        find_settings(absent)
    monkeypatch.setenv("HARVESTER_CONFIG", str(absent))
    with pytest.raises(ConfigError, match=said + r" or in \$HARVESTER_CONFIG, or deploy it with \./inv deploy\.$"):
        find_settings()


def test_a_host_that_records_nothing_has_no_settings(usual: Path) -> None:
    usual.write_text('{"records": false}')

    assert find_settings() is None
    with pytest.raises(NotRecordingError, match=f"^{usual}: this host records nothing"):
        load_settings()


def rules_of(tmp_path: Path, *rules: dict[str, str], symbols: int = 3, **changes: Any) -> Settings:
    names = [f"NSE:S{number}-EQ" for number in range(symbols)]
    return make_settings(tmp_path, symbols=names, rules=list(rules), **changes)


def test_a_rule_counts_as_the_most_it_can_stand_for_until_somebody_looked(tmp_path: Path) -> None:
    settings = rules_of(tmp_path, OPTIONS, BANK)
    counts: dict[Any, int] = {"nse_fo": 84, "nse_cash": 50 + 3}
    phases = settings.calendar.phases

    size = size_of(settings)

    assert size.symbols == 137
    assert size.day_ns == TradingCalendar.load().mean_day_ns(counts, phases)
    assert size.day_ns != TradingCalendar.load().mean_day_ns({"nse_cash": 137}, phases)
    assert size.remark == (
        " No symbol master was looked at here, so rules count as what they can stand for: 84 for underlying: NIFTY,"
        " expiry: nearest 2, strikes: atm +- 10, 50 for index: NIFTY BANK."
    )
    assert Size(1, 1, ()).remark == ""


def test_what_was_looked_up_counts_by_name_and_of_an_index_by_its_list_alone(tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = [
        {"rule": OPTIONS, "symbols": ["NSE:NIFTY26DEC25000CE", "NSE:S1-EQ"]},
        {"rule": BANK, "date": "2026-11-20", "symbols": ["NSE:S0-EQ", "NSE:S9-EQ"]},
    ]
    settings = rules_of(tmp_path, OPTIONS, BANK)
    listed = rules_of(tmp_path, OPTIONS, BANK, index_lists=[json.loads('{"index": "NIFTY BANK", "date": "2026-11-20",'
                      ' "source": "s", "members": {"INE062A01020": "SBIN-EQ"}}')])  # fmt: skip

    sizes = [size_of(each, Resolved("2026-11-23", kept)) for each in (listed, settings)]

    assert [size.symbols for size in sizes] == [5, 4 + 50], "each name once"
    assert [size.bounds for size in sizes] == [(), ("50 for index: NIFTY BANK",)]
    assert size_of(listed, Resolved("2026-11-23", kept[:1])).bounds == ("1 for index: NIFTY BANK",)
    assert size_of(listed, Resolved("2026-11-23", [kept[0], kept[1] | {"date": "2026-11-19"}])).symbols == 4 + 1


def test_too_many_symbols_are_refused_with_how_they_were_counted(tmp_path: Path) -> None:
    polled, streamed = (rules_of(tmp_path, feeds=[feed]) for feed in ("fyers-rest", "fyers-hsm"))
    rest = Size(16, DAY_NS, ("14 for all",))

    refuse_size(streamed, rest)
    refuse_size(streamed, Size(10_000, DAY_NS, ()))
    with pytest.raises(ConfigError, match=r"^symbols: 10001 symbols are more than the 10000 that a host records\.$"):
        refuse_size(streamed, Size(10_001, DAY_NS, ()))
    poll = polled.poll.interval_seconds
    many = Size(200, DAY_NS, ("14 for all",))
    with pytest.raises(ConfigError, match=rf"^symbols: 200 symbols every {poll:g} s need .* No symbol master .*all\.$"):
        refuse_size(polled, many)


def test_what_a_host_takes_of_the_limits_is_its_polls_and_its_candles(tmp_path: Path) -> None:
    poll, size = {"interval_seconds": 5.0, "timeout_seconds": 4.0}, Size(10, DAY_NS, ())
    feeds = (["fyers-rest"], ["fyers-history"], ["fyers-rest", "fyers-history"], ["fyers-hsm"])
    needs = [request_need(rules_of(tmp_path, feeds=each, poll=poll), size) for each in feeds]

    assert needs == [(130, 45_000), (4, 780), (134, 45_780), (0, 0)]
    own = rules_of(tmp_path, feeds=["fyers-history"], candles={"symbols": ["NSE:S0-EQ", "NSE:S1-EQ"]})
    assert request_need(own, size) == (2, 156)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ((10, 200, 100_000), 4.7),
        ((2, 200, 100_000), 4.7),
        ((1, 200, 100_000), None),
        ((10, 195, 100_000), 4.7),
        ((10, 194, 100_000), 5.1),
        ((10, 200, 50_000), 6.8),
        ((10, 15, 100_000), 60.1),
        ((10, 14, 100_000), None),
        ((10, 30_000, 15 * 22_500), 1.0),
    ],
)
def test_hosts_of_one_account_poll_as_often_as_its_limits_allow_and_a_second_has_room_for_each(
    limits: tuple[int, int, int], seconds: float | None
) -> None:
    assert fleet_interval([(10, DAY_NS), (5, DAY_NS)], RequestLimits(*limits)) == seconds


@pytest.mark.parametrize(
    ("symbols", "seconds", "limits", "says"),
    [
        (10, 1.0, (20, 10_000, 10**7), ""),  # half of the second's requests: two rounds at once break nothing
        (11, 1.0, (20, 10_000, 10**7), "11 symbols every 1 s need more than the 20 requests that the broker allows in"),
        (20, 1.05, (20, 10_000, 10**7), ""),
        (20, 1.04, (20, 10_000, 10**7), "in one second; the shortest possible interval is 1.1 s. Poll less often, rec"),
        (21, 2.1, (20, 10_000, 10**7), ""),
        (2, 1.0, (20, 122, 10**7), ""),
        (2, 1.0, (20, 121, 10**7), "need up to 122 requests in a minute, and the broker's limit is 121; the shortest"),
        (2, 1.0, (20, 200, 45_000), ""),
        (2, 1.0, (20, 200, 44_999), "need 45000 requests on the longest trading day, and the broker's limit is 44999"),
        (3, 1.0, (20, 2, 9), "; no interval makes that possible. Poll less often"),
    ],
)
def test_a_poll_that_breaks_a_limit_is_told_with_the_shortest_interval_that_breaks_none(
    symbols: int, seconds: float, limits: tuple[int, int, int], says: str
) -> None:
    interval_ns = round(seconds * NS_PER_SECOND)
    if not says:
        offsets = start_offsets(symbols, interval_ns, RequestLimits(*limits), DAY_NS)
        assert offsets == tuple(index // limits[0] * 1_050_000_000 for index in range(symbols))
        return
    with pytest.raises(ValueError, match="need") as refused:
        start_offsets(symbols, interval_ns, RequestLimits(*limits), DAY_NS)
    assert says in str(refused.value)


def test_a_symbol_has_the_bars_of_its_segment_and_an_unknown_one_has_none(tmp_path: Path) -> None:
    settings, calendar = rules_of(tmp_path, calendar={}), TradingCalendar.load()
    session, phases = calendar.of("nse_cash").session(DAY), settings.calendar.phases
    for given, width in ((0, 300), (60 * NS_PER_SECOND, 60)):
        hours = DayHours(settings, calendar, DAY, given)
        due = bar_day(session, width * NS_PER_SECOND, phases, settings.candles.final_after_ns)

        assert due.bars and hours.of("NSE:S0-EQ") == due
        assert hours.in_session("NSE:S0-EQ") == {bar.begin_ns for bar in due.bars}
        assert hours.of("NSE:UNKNOWN-EQ") is NO_BARS


def test_segments_are_kept_in_a_file_that_everybody_may_read_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, data_dir=str(tmp_path / "data"), symbols=["NSE:SBIN-EQ", "NSE:NIFTY26DECFUT"])
    keep_segments(settings, {"NSE:SBIN-EQ": "bse_cash", "BSE:X": "nse_cash"})

    path = settings.data_dir / FILE
    assert path.read_text("utf-8") == '{\n "BSE:X": "nse_cash",\n "NSE:SBIN-EQ": "bse_cash"\n}\n'
    assert path.stat().st_mode & 0o777 == 0o644
    assert find_segments(settings) == {"NSE:SBIN-EQ": "bse_cash", "NSE:NIFTY26DECFUT": "nse_fo"}
    for content in ("[]", "{", '{"NSE:SBIN-EQ": "moon"}'):
        path.write_text(content)
        assert find_segments(settings)["NSE:SBIN-EQ"] == "nse_cash", content


def test_refused_symbols_are_told_by_their_segment_and_of_many_five_are_named() -> None:
    refused = {f"A{number}": "nse_fo" for number in range(6)} | {f"B{number}": "mcx" for number in range(5)}

    said = describe_refused(refused)

    first, second = said.split("file, or leave them out. ")
    assert first.startswith("A0, A1, A2, A3, A4 ... belong to the segment nse_fo, of which the trading calendar has no")
    assert second.startswith("B0, B1, B2, B3, B4 belong to the segment mcx, of which")


def test_a_rule_says_itself_in_words_and_a_list_of_before_a_review_too() -> None:
    written = [OPTIONS, {"underlying": "NIFTY"}, {"stocks": "with derivatives"}, BANK]
    assert [validate(SymbolRule, rule).words for rule in written] == [
        "underlying: NIFTY, expiry: nearest 2, strikes: atm +- 10",
        "underlying: NIFTY, expiry: nearest 1",
        "stocks: with derivatives",
        "index: NIFTY BANK",
    ]
    said = "the members of NIFTY BANK are of 2026-11-20, before NSE's last review"
    assert (describe_outdated([LIST, LIST]), describe_outdated([])) == (f"{said}; {said}", "")


class Inner(Model, frozen=True):
    """A part."""

    seconds: float = 1.5
    """How long."""


class Sample(Model, frozen=True, kw_only=True):
    """Each kind of key that the reference tells apart."""

    name: str
    """Its name."""
    made: str = field(default_factory=str)
    """Made on the host."""
    count: Annotated[int, Meta(ge=1)] | None = None
    """How many."""
    form: Literal["zstd", "packed"] = "zstd"
    """Its form."""
    places: tuple[Path, ...] = (Path("/a"), Path("/b"))
    """Where."""
    inner: Inner = Inner()
    """The part."""
    live: bool = False
    """Whether."""


def test_the_reference_has_a_row_for_each_key_with_type_default_and_meaning() -> None:
    assert describe_settings(Sample).splitlines() == [
        "| key | type | default | meaning |",
        "| --- | --- | --- | --- |",
        "| `name` | text | required | Its name. |",
        "| `made` | text | see meaning | Made on the host. |",
        "| `count` | integer | none | How many. |",
        "| `form` | `zstd`, `packed` | `zstd` | Its form. |",
        "| `places` | list of path | `/a, /b` | Where. |",
        "| `inner.seconds` | number | `1.5` | How long. |",
        "| `live` | bool | `False` | Whether. |",
    ]
