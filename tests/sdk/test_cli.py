"""The `exchange` command: readiness, exit codes, one-paragraph errors, a clean stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from exchange.cli import main

EXCHANGE = str(Path(sys.executable).with_name("exchange"))


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Result]


@pytest.fixture
def call(capfd) -> Call:
    """Run the command in this process; its output as a whole."""

    def run(*words):
        capfd.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capfd.readouterr())

    return run


@contextmanager
def serving(state, *words):
    """A served exchange and its ready line."""
    process = subprocess.Popen(
        [EXCHANGE, "serve", "--state", str(state), "--port", "0", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=10)


def assert_one_paragraph(text, *words):
    assert "Traceback" not in text and text.startswith("exchange: ") and "\n\n" not in text
    assert all(word in text for word in words), text


def test_serve_is_ready_at_once_and_says_where(tmp_path, figure):
    began = time.monotonic()
    with serving(tmp_path / "s", "--always-open") as (process, ready):
        figure("exchange_ready", round(time.monotonic() - began, 2), bound="<= 2", unit="s")
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        figure("exchange_ready_processor_time", spent, bound="<= 2", unit="s")
        assert ready["ready"] is True and ready["pid"] == process.pid
        assert json.loads((tmp_path / "s" / "ready.json").read_text()) == ready
        with socket.create_connection((ready["address"], ready["port"]), timeout=5):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_ends_it_cleanly(tmp_path, number):
    with serving(tmp_path / "s") as (process, _):
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0 and errors == ""
    left = {path.name for path in (tmp_path / "s").iterdir()}
    assert "control.sock" not in left and "ready.json" not in left


def test_credentials_are_for_the_owner_alone_and_stay_the_same(tmp_path):
    with serving(tmp_path / "s"):
        first = (tmp_path / "s" / "app.json").read_bytes()
        for name in ("app.json", "token.key", "server.key", "control.sock"):
            assert (tmp_path / "s" / name).stat().st_mode & 0o077 == 0
    with serving(tmp_path / "s"):
        assert (tmp_path / "s" / "app.json").read_bytes() == first
    assert set(json.loads(first)) == {"app_id", "secret", "redirect_uri", "user", "pin", "other_redirect_uris"}


def test_no_secret_reaches_the_log(tmp_path, call):
    import httpx

    from exchange.client import open_client

    state = tmp_path / "s"
    with serving(state, "--debug", "--always-open") as (process, _):
        app = json.loads((state / "app.json").read_text())
        token = call("token", "--state", state).stdout.strip()
        with open_client(state) as client:
            headers = {"Authorization": f"{app['app_id']}:{token}"}
            assert client.get("https://api-t1.fyers.in/api/v3/profile", headers=headers).status_code == 200
            body = {"grant_type": "authorization_code", "appIdHash": app["secret"], "code": token}
            answer = client.post("https://api-t1.fyers.in/api/v3/validate-authcode?x=" + token, json=body)
            assert answer.status_code == httpx.codes.BAD_REQUEST
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert "/api/v3/profile" in errors
    assert token not in errors and token.split(".")[2] not in errors and app["secret"] not in errors


def test_a_port_in_use_is_explained(tmp_path, call):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = call("serve", "--state", tmp_path / "s", "--port", taken.getsockname()[1])
    assert result.returncode == 1
    assert_one_paragraph(result.stderr, "in use", "--port")


def test_an_address_of_another_machine_is_explained(tmp_path, call):
    result = call("serve", "--state", tmp_path / "s", "--address", "192.0.2.7", "--port", "0")
    assert result.returncode == 1
    assert_one_paragraph(result.stderr, "192.0.2.7", "--address")


def test_a_second_exchange_on_the_same_state_is_refused(tmp_path, call):
    with serving(tmp_path / "s"):
        result = call("serve", "--state", tmp_path / "s", "--port", "0")
        assert result.returncode == 1
        assert_one_paragraph(result.stderr, "another exchange")


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--symbols-file", "ticker,price\n", ["line 1", "21"]),
        ("--symbols-file", None, ["cannot be read"]),
        ("--calendar", "{}", ["calendar"]),
        ("--faults", "[{}]", ["action"]),
        ("--replay", "x", ["line 1"]),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, option, content, words, call):
    path = tmp_path / "file.txt"
    if content is not None:
        path.write_text(content)
    result = call("serve", "--state", tmp_path / "s", "--port", "0", option, path)
    assert result.returncode == 2
    assert_one_paragraph(result.stderr, "file.txt", *words)


def test_a_state_directory_that_cannot_be_is_explained(tmp_path, call):
    (tmp_path / "file").write_text("")
    result = call("serve", "--state", tmp_path / "file" / "s", "--port", "0")
    assert result.returncode == 2
    assert_one_paragraph(result.stderr, "--state")


def test_a_state_path_too_long_for_a_socket_is_explained(tmp_path, call):
    result = call("serve", "--state", tmp_path / ("x" * 120), "--port", "0")
    assert result.returncode == 1
    assert_one_paragraph(result.stderr, "too long")


@pytest.mark.parametrize("words", [["token"], ["fault", "{}"], ["log"]])
def test_commands_for_a_running_exchange_say_when_there_is_none(tmp_path, words, call):
    command, *rest = words
    result = call(command, "--state", tmp_path / "none", *rest)
    assert result.returncode in (1, 2)
    assert_one_paragraph(result.stderr)


def test_token_prints_a_token_of_the_asked_life(tmp_path, call):
    import base64

    with serving(tmp_path / "s"):
        result = call("token", "--state", tmp_path / "s", "--valid-seconds", "90")
    payload = result.stdout.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert result.returncode == 0 and claims["exp"] - claims["iat"] in (89, 90, 91)


def test_fault_and_log_reach_the_running_exchange(tmp_path, call):
    with serving(tmp_path / "s"):
        (tmp_path / "f.json").write_text('[{"action": "error"}]')
        assert json.loads(call("fault", "--state", tmp_path / "s", tmp_path / "f.json").stdout) == {"armed": 1}
        assert json.loads(call("fault", "--state", tmp_path / "s", '{"action": "slow"}').stdout) == {"armed": 1}
        assert call("fault", "--state", tmp_path / "s", "--clear").returncode == 0
        result = call("fault", "--state", tmp_path / "s", '{"action": "sloww"}')
        assert result.returncode == 2
        assert_one_paragraph(result.stderr, "action")
        assert call("log", "--state", tmp_path / "s").stdout == ""


def test_run_without_a_command_is_a_usage_error(call):
    result = call("run", "--")
    assert result.returncode == 2
    assert_one_paragraph(result.stderr, "No command")


def test_run_of_an_unknown_command_ends_with_127(call):
    result = call("run", "--always-open", "--", "no-such-command-here")
    assert result.returncode == 127
    assert_one_paragraph(result.stderr, "not found")


def test_run_of_a_file_that_is_no_program_ends_with_126(tmp_path, call):
    (tmp_path / "data").write_text("x")
    result = call("run", "--always-open", "--", tmp_path / "data")
    assert result.returncode == 126
    assert_one_paragraph(result.stderr, "cannot be run")


@pytest.mark.parametrize(("code", "expected"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
def test_run_ends_with_the_exit_code_of_its_command(code, expected, call):
    assert call("run", "--always-open", "--", "sh", "-c", code).returncode == expected


def test_run_hands_a_signal_to_its_command_and_leaves_nothing_behind(tmp_path):
    script = "trap 'echo caught; exit 5' TERM; echo $FYERS_ACCESS_TOKEN_FILE; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [EXCHANGE, "run", "--always-open", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    )
    token_file = Path(process.stdout.readline().strip())
    assert token_file.stat().st_mode & 0o077 == 0
    process.terminate()
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, output.strip()) == (5, "caught")
    assert not token_file.parent.exists()


def test_run_says_when_the_market_is_closed(tmp_path, call):
    calendar = {
        "timezone": "Asia/Kolkata", "market": "t", "valid_until": "2026-12-31",
        "phase_rules": [{"from": "2020-01-01", "to": "2020-01-02", "phases": {"continuous": [["09:00", "10:00"]]},
                         "reference": "test"}],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(calendar))
    result = call("run", "--calendar", tmp_path / "c.json", "--", "true")
    assert result.returncode == 0 and "closed" in result.stderr and "--always-open" in result.stderr


def test_help_names_every_command(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = call("--help").stdout
    assert set(re.findall(r"^ {4}(\w+)", text, re.MULTILINE)) == {
        "serve",
        "run",
        "token",
        "fault",
        "log",
        "sockets",
        "replay",
    }


def test_run_registers_the_redirect_addresses_that_are_given(tmp_path, call):
    code = "import os, json; print(os.environ['FYERS_REDIRECT_URI'])"
    first, second = "https://trade.fyers.in/api-login/redirect-uri/index.html", "http://127.0.0.1:5000/"
    given = ["--always-open", "--redirect-uri", first, "--redirect-uri", second]
    result = call("run", "--state", tmp_path / "s", *given, "--", sys.executable, "-c", code)
    assert (result.returncode, result.stdout.strip()) == (0, first)
    assert json.loads((tmp_path / "s" / "app.json").read_text())["other_redirect_uris"] == [second]


@pytest.mark.parametrize("text", ["", "index.html", "ftp://127.0.0.1/", "http:///path", "https://127.0.0.1/#part"])
def test_what_is_no_redirect_address_is_refused(text, tmp_path, call):
    result = call("serve", "--state", tmp_path / "s", "--redirect-uri", text)
    assert result.returncode == 2 and "redirect-uri" in result.stderr and "https://" in result.stderr
