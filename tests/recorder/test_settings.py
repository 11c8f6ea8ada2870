"""Bad configurations are refused before anything starts: with the file, the key and the rule."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import APP_ID

from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.cli import run
from harvester.config.file import config_hash, load_settings
from harvester.config.reference import describe_settings
from harvester.config.settings import Settings

GOOD: dict[str, Any] = {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": APP_ID}}
MANY = [f"NSE:SYM{number}-EQ" for number in range(10_000)]

BAD: list[tuple[str, Any, str]] = [
    # the file as a whole
    ("", None, "JSON"),
    ("", b"", "JSON"),
    ("", b"{", "JSON"),
    ("", b"\xff\xfe\x00", "JSON"),
    ("", b"[]", "one JSON object"),
    ("", b'"text"', "one JSON object"),
    ("", b"[" * 100_000, "JSON"),
    ("", b'{"symbols": ["NSE:SBIN-EQ"], "symbols": ["NSE:INFY-EQ"]}', "set twice"),
    ("", b"{}", "symbols"),
    ("", b'{"symbols": ["NSE:SBIN-EQ"]}', "broker"),
    # unknown keys, with what was probably meant
    ("symbol", [], "did you mean 'symbols'?"),
    ("host", "h1", "unknown key"),
    ("brokers", {}, "did you mean 'broker'?"),
    ("broker.appid", "X", "did you mean 'app_id'?"),
    ("broker.secret", "hunter2hunter2", "unknown key"),
    ("poll.interval", 5, "did you mean 'interval_seconds'?"),
    ("poll.timeout_ms", 5, "did you mean 'timeout_seconds'?"),
    ("calendar.phase", [], "did you mean 'phases'?"),
    ("journal.sync_ms", 5, "unknown key"),
    ("token.path", "/x", "unknown key"),
    ("disk_reserve", 5, "did you mean 'disk_reserve_bytes'?"),
    ("statusfile", "/x", "did you mean 'status_file'?"),
    # wrong types
    ("symbols", "NSE:SBIN-EQ", "symbols"),
    ("symbols", None, "symbols"),
    ("symbols", {}, "symbols"),
    ("symbols", [1], "symbols[0]"),
    ("broker", [], "broker"),
    ("broker.app_id", 12345, "broker.app_id"),
    ("poll.interval_seconds", "fast", "poll.interval_seconds"),
    ("poll.interval_seconds", None, "poll.interval_seconds"),
    ("data_dir", 7, "data_dir"),
    ("disk_reserve_bytes", 1.5, "disk_reserve_bytes"),
    ("calendar.phases", "continuous", "calendar.phases"),
    # wrong values
    ("symbols", [], "symbols"),
    ("symbols", ["SBIN"], "symbols[0]"),
    ("symbols", ["NSE:SBIN-EQ", "nse:infy-eq"], "symbols[1]"),
    ("symbols", ["NSE:SBIN EQ"], "symbols[0]"),
    ("symbols", ["NSE:SBIN-EQ\n"], "symbols[0]"),
    ("symbols", ["../../etc"], "symbols[0]"),
    ("symbols", ["NSE:SBIN-EQ", "NSE:SBIN-EQ"], "twice: NSE:SBIN-EQ"),
    ("host_id", "", "host_id"),
    ("host_id", "Host 1", "host_id"),
    ("host_id", "a/b", "host_id"),
    ("host_id", "h1-history", "host_id"),
    ("data_dir", "relative/path", "absolute"),
    ("status_file", "status.json", "absolute"),
    ("broker.app_id", "", "broker.app_id"),
    ("broker.app_id", "ABCDE12345", "broker.app_id"),
    ("broker.app_id", "ABCDE12345-100:token", "broker.app_id"),
    ("broker.api_url", "http://api-t1.fyers.in", "broker.api_url"),
    ("broker.api_url", "https://api-t1.fyers.in/", "broker.api_url"),
    ("broker.api_url", "ftp://x", "broker.api_url"),
    ("broker.requests_per_minute", 0, "broker.requests_per_minute"),
    ("poll.interval_seconds", 0, "poll.interval_seconds"),
    ("poll.interval_seconds", 0.5, "poll.interval_seconds"),
    ("poll.interval_seconds", -5, "poll.interval_seconds"),
    ("poll.interval_seconds", 1.23456, "milliseconds"),
    ("poll.interval_seconds", float("nan"), "poll.interval_seconds"),
    ("poll.timeout_seconds", 6, "longer than interval_seconds"),
    ("poll.timeout_seconds", 0, "poll.timeout_seconds"),
    ("calendar.phases", [], "calendar.phases"),
    ("calendar.phases", ["lunch"], "calendar.phases[0]"),
    ("calendar.file", "calendar.json", "absolute"),
    ("journal.sync_interval_ms", 0, "journal.sync_interval_ms"),
    ("journal.segment_bytes", 10, "journal.segment_bytes"),
    ("journal.segment_seconds", 0, "journal.segment_seconds"),
    ("token.source", "vault", "token.source"),
    ("token.source", "ssm", "parameter"),
    ("token.parameter", "no-slash", "parameter must begin with /, unless source is secretsmanager"),
    ("token.parameter", "/a b", "token.parameter"),
    ("token.region", "Mumbai", "token.region"),
    ("disk_reserve_bytes", 0, "disk_reserve_bytes"),
    # what may be a secret pasted into the wrong key is never repeated
    ("token.source", "hunter2hunter2", "must be one of file, ssm, secretsmanager"),
    ("broker.app_id", "hunter2hunter2", "broker.app_id: must be text matching"),
    ("data_dir", "hunter2hunter2", "must be an absolute path"),
    ("poll.interval_seconds", "hunter2hunter2", "must be a number, not text"),
    ("calendar.phases", ["hunter2hunter2"], "must be one of pre_open"),
    ("broker.requests_per_day", True, "must be a whole number, not true or false"),
    # possible one by one, impossible together
    ("symbols", MANY, "no interval makes that possible"),
    ("symbols", MANY[:16], "208 requests in a minute"),
    ("poll.interval_seconds", 1, None),
]
REFUSED = [case for case in BAD if case[2] is not None]


def write(path: Path, key: str, value: Any) -> Path:
    """A good configuration with one thing wrong; without a key the value is the file's content."""
    if not key:
        if value is not None:
            path.write_bytes(value)
        return path
    content = json.loads(json.dumps(GOOD))
    target = content
    *parents, last = key.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("key", "value", "reason"), REFUSED, ids=[f"{key or 'file'} {number}" for number, (key, *_) in enumerate(REFUSED)]
)
def test_a_bad_configuration_is_refused_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: Any, reason: str
) -> None:
    path = write(tmp_path / "config.json", key, value)

    code = run(["config", "check", str(path)])

    message = capsys.readouterr().err
    assert code == 2
    assert str(path) in message
    assert reason in message or (value is None and not key)
    assert "Traceback" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("poll.interval_seconds", 1.0, 3600.0),
        ("poll.timeout_seconds", 0.5, 5.0),  # the interval
        ("poll.fallback_seconds", 0.5, 600.0),
        ("connect_before_seconds", 0, 3600),
        ("hsm.mute_seconds", 1.0, 600.0),
        ("hsm.symbols_per_connection", 1, 5000),
        ("tbt.mute_seconds", 1.0, 600.0),
        ("tbt.symbols", MANY[:1], MANY[:15]),
        ("candles.every_seconds", 30, 3600),
        ("candles.final_after_seconds", 0, 3600),
        ("journal.sync_interval_ms", 10, 10_000),
        ("journal.segment_bytes", 65_536, 1 << 30),
        ("journal.segment_seconds", 1, 86_400),
        ("disk_reserve_bytes", 1 << 20, 1 << 40),
    ],
)
def test_a_limit_is_allowed_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, least: Any, most: Any
) -> None:
    for value in (least, most):
        code = run(["config", "check", str(write(tmp_path / "config.json", key, value))])
        assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize("key", ["symbols", "hsm.symbols", "tbt.symbols"])
def test_currency_is_refused_in_whichever_feed_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    path = write(tmp_path / "config.json", key, ["NSE:USDINR26DECFUT"])
    content = json.loads(path.read_text()) | {"feeds": ["fyers-rest", "fyers-hsm"]}
    if key.startswith("tbt"):
        content["feeds"].append("fyers-tbt")
    path.write_text(json.dumps(content))

    assert run(["config", "check", str(path)]) == 2
    assert "finer than a paisa" in capsys.readouterr().err


def test_at_least_sixty_ways_to_be_wrong_are_tried() -> None:
    assert len(REFUSED) >= 60


def test_two_keys_alone_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD))

    settings = load_settings(path)

    assert settings.poll.interval_seconds == 5.0
    assert settings.poll.timeout == 4.0
    assert settings.calendar.phases == ("pre_open", "continuous", "closing_auction")


def test_the_path_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD))
    monkeypatch.setenv("HARVESTER_CONFIG", str(path))

    assert load_settings() == load_settings(path)


def test_all_findings_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"symbols": ["x"], "broker": {}, "pol": {}}))

    with pytest.raises(ConfigError) as refused:
        load_settings(path)

    message = str(refused.value)
    assert all(part in message for part in ("symbols[0]", "broker.app_id: required", "did you mean 'poll'?"))


def test_each_wrong_item_of_a_list_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", "symbols", ["NSE-SBIN", "NSE:SBIN-EQ", "X:INFY"])

    with pytest.raises(ConfigError) as refused:
        load_settings(path)

    assert [line.split(":")[0].strip() for line in str(refused.value).splitlines()[1:]] == ["symbols[0]", "symbols[2]"]


def test_the_hash_names_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"{}")

    assert config_hash(path) == "44136fa355b3"


def test_every_setting_is_described() -> None:
    table = describe_settings(Settings)

    assert "| `poll.interval_seconds` | number | `5.0` |" in table
    assert "None |" not in table
    assert len(table.splitlines()) > 20


@pytest.mark.parametrize(
    ("token", "place"),
    [
        ({}, "file:/var/lib/harvester-token/credential"),
        ({"file": "/srv/token"}, "file:/srv/token"),
        ({"source": "ssm", "parameter": "/a/b"}, "ssm:/a/b"),
        ({"source": "secretsmanager", "parameter": "/a/b"}, "secret:/a/b"),
    ],
)
def test_the_tokens_place_names_the_kind_of_store_that_is_chosen(token: dict[str, str], place: str) -> None:
    assert validate(Settings, GOOD | {"token": token}).token.place == place


def test_each_feed_has_its_own_symbols_and_an_index_named_twice_counts_once() -> None:
    index, hdfc, sbin = "NSE:NIFTY50-INDEX", "NSE:HDFCBANK-EQ", "NSE:SBIN-EQ"
    hsm = {"symbols": [hdfc, index], "index_symbols": ["NSE:NIFTYBANK-INDEX"]}
    feeds = ["fyers-rest", "fyers-hsm"]
    settings = validate(Settings, GOOD | {"symbols": [sbin], "feeds": feeds, "hsm": hsm, "tbt": {"symbols": [sbin]}})

    assert settings.symbols_of("fyers-rest") == (sbin,)
    assert settings.symbols_of("fyers-hsm") == (hdfc, index, "NSE:NIFTYBANK-INDEX")
    assert settings.symbols_of("fyers-tbt") == (sbin,)
    assert settings.all_symbols == (sbin, hdfc, index, "NSE:NIFTYBANK-INDEX")
