"""The secrets of a demonstration that has just run, looked for on its booted host and on this machine."""

import json
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.demo.conftest import NAMES, SAID, Account, invoke, needs_root, run_playbook
from tests.demo.search import ANY_TOKEN, Host, search, secrets_of, unpack, written_since
from tests.tokens.watch import Watch

from lab.labs import find_host
from lab.state import SCRATCH

pytestmark = needs_root
HANDED_OVER = "/run/harvester-token/access-token"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
WORDS = {name: secrets.token_hex(16) for name in ("journal", "argument", "environment")}
"""What is planted where it must be found."""
PLANT = "logger {journal}\nWORD={environment} sh -c 'sleep 1; :' {argument}\n"


@dataclass(frozen=True)
class Found:
    """Places with the names of what they hold: files as paths, those of the host behind `h1:`."""

    host: Host
    gathered: Path
    places: dict[str, set[str]]
    private: set[str]
    """Files that must hold a secret and lie on this machine."""


@pytest.fixture(scope="module")
def found(
    demo: dict[str, Any], watch: Watch, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    root, gathered = request.config.rootpath, tmp_path_factory.mktemp("gathered")
    state, account = root / ".lab", Account(root)
    host, host_key = Host(state, "h1"), find_host(state, "h1").folder / "host_key"
    gather(root, host, watch, gathered)
    (gathered / "summary").write_text(json.dumps(demo), encoding="utf-8")
    (gathered / "functions").write_text(json.dumps(account.client("lambda").list_functions()), encoding="utf-8")
    unpack(root / demo["lake"], gathered / "lake")

    exact = secrets_of(state, host_key, account.client("ssm")) | WORDS
    wider = {**exact, "a token of any kind": ANY_TOKEN}  # not where others write, whose tests have tokens of their own
    written = written_since([root, SCRATCH, Path(tempfile.gettempdir()), Path.home() / ".ansible"], watch.began)
    places = search(exact, written) | search(wider, [gathered, state, (root / demo["lake"]).parent])
    places |= {f"h1:{path}": names for path, names in host.search(wider).items()}
    private = [state / "exchange/app.json", state / "observer-token", state / "id_ed25519", host_key]
    return Found(host, gathered, places, set(map(str, private)))


def gather(root: Path, host: Host, watch: Watch, target: Path) -> None:
    """The host's journal, what processes were called with, what commands said, Ansible at its most talkative."""
    host.run("sh", "-s", given=PLANT.format(**WORDS))
    assert invoke(root, "status").returncode == 0
    code, output, _ = run_playbook(root, "site.yml", "--tags", "harvester_config", "-vvv", "--diff")
    assert code == 0, output[-4000:]
    (target / "journal").write_bytes(host.run("journalctl", "--all", "--output=export", "--no-pager").stdout)
    (target / "processes").write_bytes(watch.stop())
    (target / "said").write_text("".join(SAID), encoding="utf-8")


def test_the_search_saw_what_was_planted_recorded_and_said(found: Found) -> None:
    assert "journal" in found.places[str(found.gathered / "journal")]
    assert {"argument", "environment"} <= found.places[str(found.gathered / "processes")]
    assert b"NSE:SBIN-EQ" in (found.gathered / "lake").read_bytes()
    said = (found.gathered / "said").read_text("utf-8")
    assert "$ ./inv token-push" in said
    assert "PLAY RECAP" in said


def test_where_a_secret_must_be_nobody_else_can_read_it(found: Found) -> None:
    assert f"{NAMES.parameter('access_token')}, version 1" in found.places[f"h1:{HANDED_OVER}"]
    assert found.host.readers(HANDED_OVER) == {"harvester-token", "harvester-recorder"}
    assert "the host's SSH key" in found.places[f"h1:{HOST_KEY}"]
    assert found.host.readers(HOST_KEY) == set()
    assert found.private <= found.places.keys()
    assert [path for path in found.private if Path(path).stat().st_mode & 0o077] == []


def test_no_secret_is_anywhere_else(found: Found, figure: Any) -> None:
    elsewhere = found.places.keys() - found.private - {f"h1:{HANDED_OVER}", f"h1:{HOST_KEY}"}
    hits = sorted(f"{name} in {place}" for place in elsewhere for name in found.places[place] - WORDS.keys())

    figure("secrets_found_on_a_host", len(hits), bound="== 0", unit="places")
    assert not hits, "\n".join(hits)
