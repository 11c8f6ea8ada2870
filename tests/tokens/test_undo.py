"""token-undo on hosts with file stores: it goes back on the host, and ends when the service uses that token."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.tokens.stand_in_host import stand_in_host

from exchange.state import StateDir
from exchange.tokens import Tokens
from harvester.base.clock import SystemClock
from harvester.base.errors import UnhealthyError
from harvester.base.redaction import Secret
from harvester.tokens.stores import FileStore, file_version
from runbook.fleet import playbook
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from runbook.tokens import adoption, credentials

UNDO = """
import json
import sys
from pathlib import Path
from runbook.tokens import credentials
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.status import HostStatus
from harvester.tokens.stores import FileStore
inventory, target = sys.argv[1:]
host = Host("here", "127.0.0.1", variables={"harvester_settings": {"token": {"source": "file", "file": target}}})

def ask(hosts):
    report = {"token_version": FileStore(Path(target)).read().version, "status": {"token": {"state": "ok"}}}
    return [HostStatus("here", report)]

print("undone", json.dumps(credentials.undo([host], Target(Path.cwd(), inventory), ask=ask)))
"""


@pytest.fixture
def hosts() -> list[Host]:
    return [Host(name, "192.0.2.1", variables={"harvester_settings": {}}) for name in ("h1", "h2")]


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A stand-in for ansible-playbook that notes a version for each host of its limit, as the playbook does."""
    script = tmp_path / "ansible-playbook"
    script.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\n"
        "folder = json.loads(sys.argv[sys.argv.index('--extra-vars') + 1])['harvester_token_undo_folder']\n"
        "for name in sys.argv[sys.argv.index('--limit') + 1].split(','):\n"
        "    pathlib.Path(folder, name).write_text('file:' + name)\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(playbook, "program", lambda _: str(script))
    monkeypatch.setattr(adoption, "ASK_AGAIN_SECONDS", 0.0)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "token_undo.yml").touch()
    return Target(tmp_path)


def reporting(late: int) -> tuple[Callable[[Sequence[Host]], list[HostStatus]], list[list[str]]]:
    """Hosts of which the second uses its token from the so-manieth question on; and who was asked each time."""
    asked: list[list[str]] = []

    def ask(hosts: Sequence[Host]) -> list[HostStatus]:
        asked.append([host.name for host in hosts])
        versions = {"h1": "file:h1", "h2": "file:h2" if len(asked) > late else "file:before"}
        return [
            HostStatus(host.name, {"token_version": versions[host.name], "status": {"token": {"state": "ok"}}})
            for host in hosts
        ]

    return ask, asked


def test_undo_waits_until_every_host_uses_the_version_of_its_file(hosts: list[Host], target: Target) -> None:
    ask, asked = reporting(late=2)

    assert credentials.undo(hosts, target, ask=ask) == {"h1": "file:h1", "h2": "file:h2"}
    assert asked == [["h1", "h2"], ["h2"], ["h2"]]


def test_a_host_that_does_not_use_it_is_unhealthy_and_named(
    hosts: list[Host], target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "SECONDS", 0.0)
    ask, _ = reporting(late=10**6)

    with pytest.raises(UnhealthyError, match=r"h2 reports version file:before in state ok, wanted is file:h2"):
        credentials.undo(hosts, target, ask=ask)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_the_playbook_goes_back_and_says_which_version_that_is(tmp_path: Path, exchange: Path) -> None:
    mint = Tokens(StateDir(exchange), SystemClock()).mint_access_token
    first, second = mint(86_400), mint(90_000)
    for token in (first, second):
        FileStore(tmp_path / "credential").write(Secret(token))
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    settings = {"token": {"source": "file", "file": str(tmp_path / "credential")}}
    inventory = {"harvesters": {"hosts": {"here": {**here, "harvester_settings": settings}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))
    environment = {
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }

    with stand_in_host() as host:
        words = [sys.executable, "-c", UNDO, str(tmp_path / "inventory.json"), str(tmp_path / "credential")]
        done = host.run(*words, given="", environment=environment)

    assert done.returncode == 0, done.stdout
    assert f'undone {{"here": "{file_version(Secret(first))}"}}' in done.stdout
    assert (tmp_path / "credential").read_text().strip() == first
    assert "reload harvester-token-agent.service" in host.calls
    assert first not in done.stdout and second not in done.stdout
