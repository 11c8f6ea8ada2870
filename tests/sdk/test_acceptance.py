"""A user's own script against the exchange, led there by environment alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
EXCHANGE = str(Path(sys.executable).with_name("exchange"))
NAMESPACES = ["unshare", "--mount", "--net", "--"]


def test_a_script_with_only_documented_calls_works_with_nothing_patched(tmp_path):
    words = [EXCHANGE, "run", "--always-open", "--", sys.executable, str(HERE / "bot.py"), str(tmp_path)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stderr
    answers = json.loads(result.stdout)
    assert {name: answer["s"] for name, answer in answers.items()} == {
        "profile": "ok", "status": "ok", "depth": "ok", "quotes": "ok", "history": "ok", "logout": "ok",
        "after": "error",
    }  # fmt: skip
    row = answers["depth"]["d"]["NSE:SBIN-EQ"]
    assert row["ask"][0]["price"] > row["bids"][0]["price"] and row["v"] > 0
    assert answers["after"]["code"] == -17 and len(answers["history"]["candles"]) == 31


def can_make_namespaces():
    try:
        return os.geteuid() == 0 and subprocess.run([*NAMESPACES, "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_the_asynchronous_mode_works_by_hosts_file_and_port_443(tmp_path):
    """aiohttp in the SDK ignores HTTPS_PROXY, so names must lead to the exchange: in a network of our own."""
    if not can_make_namespaces():
        pytest.skip("needs root and namespaces, to give the host names an address of our own")
    names = "api-t1.fyers.in public.fyers.in socket.fyers.in rtsocket-api.fyers.in"
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost {names}\n")
    script = f"""
        set -e
        ip link set lo up
        mount --bind {tmp_path}/hosts /etc/hosts
        {EXCHANGE} serve --state {tmp_path}/s --always-open > {tmp_path}/ready &
        server=$!
        while ! [ -s {tmp_path}/ready ]; do kill -0 $server; sleep 0.05; done
        {EXCHANGE} token --state {tmp_path}/s > {tmp_path}/token
        export SSL_CERT_FILE={tmp_path}/s/ca.pem FYERS_ACCESS_TOKEN_FILE={tmp_path}/token
        export FYERS_APP_ID=$({sys.executable} -c 'import json; print(json.load(open("{tmp_path}/ready"))["app_id"])')
        code=0
        {sys.executable} {HERE}/async_bot.py {tmp_path} || code=$?
        kill $server; wait $server
        exit $code
    """
    result = subprocess.run(
        [*NAMESPACES, "sh", "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert result.returncode == 0, result.stderr
    assert [answer["s"] for answer in json.loads(result.stdout)] == ["ok"] * 3
