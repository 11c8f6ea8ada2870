"""Alarms, schedules and functions as the roles render them: by Ansible's own templates, in this process."""

import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

from harvester.base.aws_names import FUNCTIONS, Names
from lab.aws.server import ACCOUNT
from runbook.aws.account import describe

ROOT = Path(__file__).resolve().parents[2]
NAMES = Names("test")
HOSTS = {NAMES.host(1): "i-0123456789abcdef1", NAMES.host(2): "i-0123456789abcdef2"}
FILES = [f"roles/{role}/{kind}/main.yml" for role in ("aws_functions", "aws_watch") for kind in ("defaults", "vars")]
UNASKED = ("token-page", "token-refresh", "ingestion", "etl", "worker-door")
WITHOUT_BROKER = [name for name in FUNCTIONS if name not in UNASKED]
TEMPLATES = ROOT / "roles/aws_watch/templates"
WANTED = {
    "alarms": f"lookup('ansible.builtin.template', '{TEMPLATES}/alarms.json.j2') | from_json",
    "dashboard": f"lookup('ansible.builtin.template', '{TEMPLATES}/dashboard.json.j2') | from_json",
    "schedules": f"lookup('ansible.builtin.template', '{TEMPLATES}/schedules.json.j2') | from_json",
    "functions": "__aws_functions_wanted",
}


def render(**different: Any) -> Any:
    """{"alarms", "dashboard", "schedules", "functions"} of two hosts, without those that reach the broker."""
    init_plugin_loader()
    loader = DataLoader()
    loader.set_basedir(str(ROOT))
    variables: dict[str, Any] = {}
    for file in FILES:
        variables |= loader.load_from_file(str(ROOT / file), trusted_as_template=True)
    names = describe(NAMES, ACCOUNT)
    variables |= {
        "aws_account_look": {"account": ACCOUNT, "partition": "aws", "names": names, "functions": WITHOUT_BROKER},
        "aws_host_names": list(HOSTS),
        "aws_host_ids": HOSTS,
        "aws_functions_built": {"known_until": "2027-05-01"},
        "aws_host_instance_type": "t3.micro",
        "broker_app_id": "ABCDE12345-100",
        "broker_account": "XX00000",
        **different,
    }
    templar = Templar(loader, variables)
    found = {name: templar.template(trust_as_template(f"{{{{ {text} }}}}")) for name, text in WANTED.items()}
    return json.loads(json.dumps(found, default=str))
