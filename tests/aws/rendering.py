"""Variables of the roles as Ansible renders them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.aws.account import NAMES, ROOT

from harvester.base.aws_names import FUNCTIONS
from lab.aws.server import ACCOUNT
from runbook.aws.account import describe


def render(
    folder: Path,
    *variables: str,
    session_manager: bool = False,
    disk_key: str = "",
    price_feed: Sequence[str] = (),
    database: bool = False,
    rclone: bool = False,
    feed_prefix: str = "",
    backups: Sequence[str] = (),
    secrets: Sequence[str] = (),
    schwab: str = "",
) -> Any:
    """Variables of the roles, rendered by Ansible itself with a made-up look at an account."""
    look = {"account": ACCOUNT, "partition": "aws", "names": describe(NAMES, ACCOUNT), "functions": FUNCTIONS}
    days = {f"aws_storage_{what}_days": 30 for what in ("cold_after", "expire", "undo")}
    extra = {"aws_account_look": look, "aws_identity_session_manager": session_manager, **days}
    extra["aws_identity_disk_key"] = disk_key
    extra["aws_storage_price_feed"] = list(price_feed)
    extra |= {"aws_identity_database": {"live": True} if database else {}}
    extra |= {"aws_identity_rclone": rclone}
    extra |= {"aws_identity_rows_namespace": "AlphaKiteMax/RealTimeStreaming" if database else ""}
    extra["aws_functions_feed_prefix"] = feed_prefix
    extra |= {"aws_identity_secrets": list(secrets), "aws_identity_schwab": schwab}
    extra |= {"aws_storage_backups": list(backups), "aws_storage_backup_days": 30}
    extra["aws_functions_source_dir"] = str(ROOT / "files" / "functions")
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(ROOT / f"roles/{role}/vars/main.yml") for role in ("aws_identity", "aws_storage")],
            "tasks": [
                {
                    "ansible.builtin.copy": {
                        "content": "{{ {" + ", ".join(f"'{name}': {name}" for name in variables) + "} | to_json }}",
                        "dest": str(folder / "rendered.json"),
                        "mode": "0600",
                    }
                }
            ],
        }
    ]
    (folder / "play.json").write_text(json.dumps(play), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "localhost,", str(folder / "play.json"), "--extra-vars", json.dumps(extra)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "rendered.json").read_bytes())
