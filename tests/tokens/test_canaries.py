"""Planted secrets, looked for where they must not be: arguments, environments, logs, tracebacks, pages, Ansible."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.recorder.fakes import session_around
from tests.tokens.conftest import PREFIX, REGION
from tests.tokens.pages import KEY, Page, Phone
from tests.tokens.watch import Watch

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.tokens.places import open_place
from harvester.tokens.stores import FileStore
from runbook.fleet.inventory import program

ROOT = Path(__file__).resolve().parents[2]
CHANNEL_SECRET = "canary-of-the-channel-5f3a9c"
PIN = "canary-pin-771263"
ADOPTED_SECONDS = 30


DISK = {"disk": {"free_bytes": 1 << 40}}


@contextmanager
def recorder_without_token(report: Path) -> Iterator[None]:
    """A report that stays fresh, as a recorder keeps it."""
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.is_set():
            fresh = report.with_suffix(".new")
            fresh.write_text(json.dumps({"written_at_ns": time.time_ns(), "token": {"state": "missing"}, **DISK}))
            fresh.replace(report)
            stopped.wait(1)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def write_config(folder: Path, app: dict[str, str]) -> Path:
    config = {
        "host_id": "test1",
        "data_dir": str(folder),
        "symbols": ["NSE:SBIN-EQ"],
        "broker": {"app_id": app["app_id"]},
        "token": {
            "source": "ssm",
            "parameter": f"{PREFIX}/fyers/access-token",
            "region": REGION,
            "handover": str(folder / "handover"),
            "renew": {name: f"file:{folder / name}" for name in ("refresh_token", "pin", "app_secret", "state")},
        },
        "alerts": {
            "channels": f"file:{folder / 'channels'}",
            "memory": str(folder / "memory"),
            "inbox": str(folder / "inbox"),
            "log_dir": str(folder),
            "ports": str(folder / "ports"),
        },
        "calendar": {"file": str(folder / "calendar.json"), "phases": ["continuous"]},
        "status_file": str(folder / "status.json"),
    }
    session_around(folder / "calendar.json", time.time_ns(), before_seconds=60, after_seconds=1800)
    (folder / "inbox").mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def harvester(config: Path, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "HARVESTER_CONFIG": str(config)}
    done = subprocess.run(
        [program("harvester"), *words], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_no_planted_secret_is_anywhere_it_must_not_be(
    tmp_path: Path,
    aws: str,
    app: dict[str, str],
    exchange: Path,
    reachable: dict[str, str],
    far_end: tuple[str, list[Any]],
    figure: Any,
) -> None:
    tokens = Tokens(StateDir(exchange), SystemClock())
    access, refresh = tokens.mint_access_token(30 * 86_400), tokens.mint_refresh_token()
    planted = {
        "access token": access,
        "hsm key": json.loads(_middle(access))["hsm_key"],
        "refresh token": refresh,
        "app secret": app["secret"],
        "PIN": PIN,
        "channel": CHANNEL_SECRET,
        "page key": KEY.get_secret_value(),
    }
    config = write_config(tmp_path, app)
    address, heard = far_end
    for name, value in {"refresh_token": refresh, "pin": PIN, "app_secret": app["secret"]}.items():
        FileStore(tmp_path / name).write(Secret(value))
    channels = f"{address}/{CHANNEL_SECRET}\njson://127.0.0.1:9/{CHANNEL_SECRET}"
    FileStore(tmp_path / "channels").write(Secret(channels))
    watch = Watch()
    watch.start()
    told: dict[str, str] = {}

    with Agent(config) as agent:
        time.sleep(1)
        stored = time.monotonic()
        open_place(f"ssm:{PREFIX}/fyers/access-token", REGION).write(Secret(access))
        agent.wait_for(tmp_path / "handover")
        adopted = time.monotonic() - stored
    told["token agent"] = agent.said
    codes = {}
    with recorder_without_token(tmp_path / "status.json"):
        for name in ("remind", "send-alerts", "notify-test", "renew"):
            codes[name], told[name] = harvester(config, name, "--debug")
    told["page"] = _page(tmp_path / "page", app, exchange, planted)
    told["ansible"] = _ansible(tmp_path, access)
    told["traceback"] = _traceback(access)
    alerts = [tmp_path / name for name in ("memory", "state", "book.json", "ports")]
    alerts += [*tmp_path.glob("alerts_*.log"), *(tmp_path / "inbox").iterdir()]
    told["memory"] = "".join(path.read_text() for path in alerts)
    told["processes"] = watch.stop().decode("utf-8", "replace")

    assert codes == {"remind": 0, "send-alerts": 0, "notify-test": 1, "renew": 1}, told
    assert [message["title"] for message in heard][:2] == [
        "test1: The session opens in minutes, without a token",
        "Test of the alert channels",
    ]
    hits = [
        f"{secret} in {place}" for secret, value in planted.items() for place, text in told.items() if value in text
    ]
    figure("canary_hits", len(hits), bound="== 0", unit="places", gate=False)
    assert hits == []
    assert "changed" in told["ansible"] or "failed" in told["ansible"]
    figure("token_stored_to_handed_over", round(adopted, 1), bound="<= 15", unit="s")


class Agent:
    """The token agent as a process."""

    def __init__(self, config: Path) -> None:
        self.said = ""
        self._environment = {**os.environ, "HARVESTER_CONFIG": str(config)}

    def __enter__(self) -> "Agent":
        self._process = subprocess.Popen(
            [program("harvester"), "token-agent", "--debug"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self.said = self._process.communicate(timeout=20)[0]

    def wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + ADOPTED_SECONDS
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert path.exists()


def _middle(token: str) -> bytes:
    import base64

    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _page(folder: Path, app: dict[str, str], exchange: Path, planted: dict[str, str]) -> str:
    """A login by the page: everything it showed, sent and logged. Its own token joins the planted ones."""
    page = Page(folder, app)
    phone = Phone(exchange, page.answer)
    begun = phone.get(page.link())
    back = phone.sign_in(begun["headers"]["Location"])
    planted["auth code"] = back.partition("auth_code=")[2].partition("&")[0]
    done = phone.get(back)
    planted["token of the page"] = page.kept[0].access_token.get_secret_value()
    return json.dumps([begun["body"], done, page.said])


def _ansible(folder: Path, access: str) -> str:
    """What the playbook that carries a token says at its most talkative; without the user it cannot get to the end."""
    FileStore(folder / "pushed").write(Secret(access))
    settings = {"token": {"source": "file", "file": str(folder / "target")}}
    host = {"ansible_connection": "local", "harvester_settings": settings, "ansible_python_interpreter": sys.executable}
    (folder / "inventory.json").write_text(json.dumps({"harvesters": {"hosts": {"here": host}}}))
    command = [program("ansible-playbook"), "playbooks/token_push.yml", "--inventory", str(folder / "inventory.json")]
    command += ["-vvv", "--diff", "--extra-vars", json.dumps({"harvester_token_push_file": str(folder / "pushed")})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout + done.stderr


def _traceback(access: str) -> str:
    """A crash with a token in the frame: what the command line prints with --debug."""
    code = (
        "import sys, traceback\n"
        "from harvester.base.redaction import Secret, redact, register_secret\n"
        "from harvester.tokens.claims import check_token\n"
        "token = Secret(sys.stdin.read())\n"
        "register_secret(token)\n"
        "try:\n"
        "    raise ValueError(f'crash with {token} and {token.get_secret_value()}')\n"
        "except ValueError:\n"
        "    print(redact(traceback.format_exc()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=access, capture_output=True, text=True, check=False)
    assert "crash with" in done.stdout
    return done.stdout + done.stderr
