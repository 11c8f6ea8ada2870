"""What is held against the automatic refresh: seen by token-status, undone by token-undo --refresh."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.tokens.conftest import PREFIX, REGION
from tests.tokens.stand_in_host import stand_in_host

from harvester.base.redaction import Secret
from harvester.tokens.aws_stores import SsmStore
from harvester.tokens.renewal import remembered
from harvester.tokens.stores import FileStore
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.fleet.ssh import SshConnection, UnreachableError
from runbook.tasks import presentation
from runbook.tokens import token_refresh

STATE = f"{PREFIX}/fyers/refresh-state"
GONE = '{"gone": "The broker does not refresh tokens for this account any more (HTTP 401). Log in."}'


def in_aws(name: str, aws: str, **variables: Any) -> Host:
    token = {"source": "ssm", "parameter": f"{PREFIX}/fyers/access-token", "region": REGION}
    settings = {"harvester_settings": {"token": token}, "aws_endpoint_url": aws}
    return Host(name, "192.0.2.1", variables={**settings, **variables})


@pytest.fixture
def fleet(aws: str) -> list[Host]:
    """Two hosts whose token a function refreshes."""
    return [in_aws(name, aws, broker_refresh=True) for name in ("h1", "h2")]


def test_a_refresh_that_goes_on_has_no_line(fleet: list[Host]) -> None:
    assert token_refresh.look(fleet) == []


def test_what_the_function_remembers_is_shown_once_for_the_fleet_and_can_be_undone(
    fleet: list[Host], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SsmStore(STATE, REGION)
    store.write(Secret(GONE))

    [credential] = token_refresh.look(fleet)
    presentation.show_credentials([credential])
    forgotten = token_refresh.undo(fleet, Target(tmp_path))

    assert (credential.name, credential.state, credential.place, credential.good) == (
        "automatic refresh",
        "gone",
        f"ssm:{STATE}",
        True,
    )
    assert "any more (HTTP 401)" in credential.action and "./inv token-undo --refresh" in credential.action
    shown = capsys.readouterr().out
    assert "gone" in shown and "not stored" not in shown
    assert forgotten == [f"ssm:{STATE}"]
    assert remembered(store) is None
    assert token_refresh.look(fleet) == []


def test_what_nobody_wants_is_not_looked_for_and_nothing_is_made_of_nothing(
    fleet: list[Host], aws: str, tmp_path: Path
) -> None:
    unwanted = in_aws("h3", aws)
    SsmStore(STATE, REGION).write(Secret(GONE))
    assert token_refresh.look([unwanted]) == []
    assert token_refresh.undo([unwanted], Target(tmp_path)) == []

    SsmStore(STATE, REGION).write(Secret("{}"))
    assert token_refresh.undo(fleet, Target(tmp_path)) == []
    assert SsmStore(STATE, REGION).read().version == "ssm:2"  # type: ignore[union-attr]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_the_playbook_has_a_host_forget(tmp_path: Path) -> None:
    state = FileStore(tmp_path / "state")
    state.write(Secret(GONE))
    config = {
        "symbols": ["NSE:SBIN-EQ"],
        "broker": {"app_id": "ABCDE12345-100"},
        "token": {"renew": {"state": f"file:{tmp_path / 'state'}"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    (tmp_path / "inventory.json").write_text(json.dumps({"harvesters": {"hosts": {"here": here}}}))
    environment = {
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "HARVESTER_CONFIG": str(tmp_path / "config.json"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }

    with stand_in_host() as host:
        play = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/token_forget.yml"]
        done = host.run(*play, "--inventory", str(tmp_path / "inventory.json"), given="", environment=environment)

    assert done.returncode == 0, done.stdout
    assert remembered(state) is None


class Machine:
    """What a host answers to the question for its memory."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    def run(self, connection: SshConnection, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        self.asked.append(list(command))
        answer = self.answers[connection.host.name]
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(command, 0, json.dumps(answer).encode() if answer != "old" else b"", b"no?")


def test_a_host_that_refreshes_itself_is_asked_on_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("well", "ended", "away", "old")
    hosts = [Host(name, "192.0.2.1", variables={"harvester_renew": True, "harvester_settings": {}}) for name in names]
    ended = {"kind": "absent", "detail": "What answers is not the broker."}
    machine = Machine({"well": {}, "ended": ended, "away": UnreachableError("away is away."), "old": "old"})
    monkeypatch.setattr(SshConnection, "run", lambda *arguments, **named: machine.run(*arguments, **named))
    played: list[tuple[str, str | None]] = []
    monkeypatch.setattr(token_refresh, "run", lambda name, target: played.append((name, target.limit)))

    found = {credential.place.partition(":")[0]: credential for credential in token_refresh.look(hosts)}
    forgotten = token_refresh.undo(hosts[:2], Target(tmp_path))

    assert {name: credential.state for name, credential in found.items()} == {
        "ended": "absent",
        "away": "unknown",
        "old": "unknown",
    }
    assert found["ended"].place == "ended: /var/lib/harvester-token/refresh-state"
    assert found["away"].action == "away is away."
    assert "does not say what it remembers (no?)" in found["old"].action
    assert machine.asked[0][-2:] == ["renew", "--remembered"]
    assert played == [("token_forget", "well,ended")]
    assert forgotten == [f"{name}: /var/lib/harvester-token/refresh-state" for name in ("well", "ended")]
