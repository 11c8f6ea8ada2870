"""A planted token on its whole way to a host's file store, at Ansible's most talkative, and planted secrets in git."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.tokens.stand_in_host import StandInHost, stand_in_host
from tests.tokens.watch import Watch

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from harvester.base.redaction import Secret
from harvester.tokens.claims import read_hsm_key
from harvester.tokens.stores import FileStore

ROOT = Path(__file__).resolve().parents[2]
PUSH = """
import sys
from pathlib import Path
from runbook.tokens import token_push
from runbook.tokens.broker_login import Obtained
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from harvester.base.redaction import Secret
from harvester.tokens.claims import read_claims
from harvester.tokens.stores import file_version
inventory, target = sys.argv[1:]
token = Secret(sys.stdin.read())
host = Host("here", "127.0.0.1", variables={"harvester_settings": {"token": {"source": "file", "file": target}}})
report = {"token_version": file_version(token), "status": {"token": {"state": "ok"}}}
obtained, here = Obtained(token, read_claims(token)), Target(Path.cwd(), inventory)
print(token_push.push(obtained, [host], here, ask=lambda _: [HostStatus("here", report)]))
"""
SHAPES = {
    "private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}",
    "AWS key": rb"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z0-9]{16}\b",
    "token": rb"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}",
    "bot token": rb"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
}
"""What no secret of a person may be taken for in git."""

root_only = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")


def minted(exchange: Path, seconds: float) -> str:
    return Tokens(StateDir(exchange), SystemClock()).mint_access_token(seconds)


def push(host: StandInHost, folder: Path, token: str, *, mitogen: bool = True) -> tuple[int, str]:
    """token-push to a host that is this machine, with every word that Ansible has."""
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    settings = {"token": {"source": "file", "file": str(folder / "credential")}}
    hosts = {"here": {**here, "harvester_settings": settings}}
    (folder / "inventory.json").write_text(json.dumps({"harvesters": {"hosts": hosts}}))
    environment = {
        "ALPHA_HARVESTER_MITOGEN": str(int(mitogen)),
        "ANSIBLE_VERBOSITY": "3",
        "ANSIBLE_DIFF_ALWAYS": "1",
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    words = [sys.executable, "-c", PUSH, str(folder / "inventory.json"), str(folder / "credential")]
    done = host.run(*words, given=token, environment=environment)
    return done.returncode, done.stdout


def holders(folder: Path, secret: str) -> list[str]:
    """Files below the folder that hold the secret."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(folder)) for path in files if secret.encode() in path.read_bytes())


@root_only
@pytest.mark.parametrize("mitogen", [True, False], ids=["mitogen", "plain"])
def test_a_pushed_token_is_in_its_file_and_nowhere_else(
    tmp_path: Path, exchange: Path, mitogen: bool, figure: Any
) -> None:
    token = minted(exchange, 30 * 86_400)
    watch = Watch()
    watch.start()
    began = time.time()

    with stand_in_host() as host:
        code, said = push(host, tmp_path, token, mitogen=mitogen)
    told = {
        "Ansible's output": said,
        "the journal": host.journal.decode("utf-8", "replace"),
        "a process": watch.stop().decode("utf-8", "replace"),
    }

    assert code == 0, said
    assert holders(tmp_path, token) == ["credential"]
    assert "reload harvester-token-agent.service" in host.calls
    assert mitogen or ("> EXEC " in said and "> PUT " in said), "it was at its most talkative"
    assert "Invoked with" in told["the journal"], "modules write their arguments there"
    secrets = {"token": token, "hsm key": read_hsm_key(Secret(token))}
    hits = [f"{name} in {place}" for name, secret in secrets.items() for place, text in told.items() if secret in text]
    hits += [f"{name} in {path}" for name, secret in secrets.items() for path in left_in_the_checkout(secret, began)]
    way = "mitogen" if mitogen else "plain"
    figure(f"canary_hits_of_a_push.{way}", len(hits), bound="== 0", unit="places", gate=False)
    assert hits == []


@root_only
def test_a_token_that_the_host_refuses_leaves_nothing_behind(tmp_path: Path, exchange: Path) -> None:
    before = minted(exchange, 30 * 86_400)
    FileStore(tmp_path / "credential").write(Secret(before))
    expired = minted(exchange, -60)

    with stand_in_host() as host:
        code, said = push(host, tmp_path, expired)

    assert code != 0
    assert "expired at" in said, said
    assert holders(tmp_path, expired) == []
    assert (tmp_path / "credential").read_text().strip() == before
    assert expired not in said + host.journal.decode("utf-8", "replace")
    assert "reload" not in host.calls


def left_in_the_checkout(secret: str, since: float) -> list[str]:
    """Files of the checkout that git does not have and that were written since, with the secret in them."""
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--modified", "--exclude=.venv"],  # not --exclude-standard: ignored, too
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    found = []
    for name in filter(None, listed.split(b"\0")):
        path = ROOT / os.fsdecode(name)
        try:
            if path.stat().st_mtime >= since - 1 and secret.encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue  # another test's, gone meanwhile
    return found


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_no_object_of_a_fresh_clone_is_or_holds_a_secret(
    tmp_path: Path, app: dict[str, str], exchange: Path, figure: Any
) -> None:
    """Every file of every commit: no planted secret of the exchange, and nothing that has the shape of a real one."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--bare", f"file://{ROOT}", str(clone)], check=True)
    everything = ["git", "cat-file", "--batch-all-objects", "--unordered", "--batch"]
    content = subprocess.run(everything, cwd=clone, capture_output=True, check=True).stdout
    planted = {"app secret": app["secret"], "token": minted(exchange, 86_400)}

    hits = [f"{name} of the exchange" for name, value in planted.items() if value.encode() in content]
    hits += [f"{name}: {found[:12]!r}..." for name, shape in SHAPES.items() for found in re.findall(shape, content)]

    assert content.count(b" blob ") > 100, "the clone has its files"
    figure("canary_hits_in_git", len(hits), bound="== 0", unit="places", gate=False)
    assert hits == []
