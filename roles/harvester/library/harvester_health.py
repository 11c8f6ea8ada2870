#!/usr/bin/python
"""Ansible module: waits until the harvester that should run does run, and is well."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: harvester_health
short_description: The harvester that should run does run, and is well
description:
  - Asks C(harvester health) until the running release and configuration are those of the current deployment and all
    checks pass, or the time is over. Reads only.
  - The lack of a token is no fault of a deployment; it is reported in RV(waits_for_token).
options:
  root: {description: Folder of releases and deployments., type: path, required: true}
  timeout_seconds: {description: How long to wait for health., type: int, default: 0}
  decisive: {description: Checks that count; without any all do., type: list, elements: str, default: []}
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Require a healthy harvester
  harvester_health:
    root: /opt/harvester
    timeout_seconds: 30
"""

RETURN = r"""
deployment: {description: The current deployment., returned: always, type: str}
health: {description: The answer of C(harvester health --json)., returned: always, type: dict}
waits_for_token: {description: Whether it has no token that the broker accepts., returned: always, type: bool}
"""

FAIL_WITHOUT_TOKEN = ("token", "data")
PAUSE_SECONDS = 0.5


def ask(module: AnsibleModule, root: Path) -> tuple[dict, str]:
    """The program's answer, and why there is none."""
    program = root / "current" / "bin" / "harvester"
    if not program.exists():
        return {}, "nothing is deployed on this host; run site.yml"
    _, out, error = module.run_command([str(program), "health", "--json"])
    try:
        return json.loads(out), ""
    except ValueError:
        return {}, f"harvester health gave no answer: {(error or out).strip()[-1000:]}"


def complaints(health: dict, deployment: str, decisive: list[str]) -> list[str]:
    """What keeps this deployment from being the one that runs well; the lack of a token is not among them."""
    running = f"{health.get('release')}-{health.get('config_hash')}"
    found = [] if running == deployment else [f"it should run {deployment}, but {running} answers"]
    failed = [check for check in health["checks"] if not check["ok"] and not comes_of_no_token(health, check)]
    counted = [check for check in failed if not decisive or check["name"] in decisive]
    return found + [f"{check['name']}: {check['detail']} {check.get('fix') or ''}".rstrip() for check in counted]


def lacks_token(health: dict) -> bool:
    token = (health.get("status") or {}).get("token") or {}
    return token.get("state") in ("missing", "expired", "refused")


def comes_of_no_token(health: dict, check: dict) -> bool:
    """Without a token no feed has data: neither the polls nor any socket feed, each of which has a check of its name."""
    feeds = (health.get("status") or {}).get("feeds") or {}
    return lacks_token(health) and check["name"] in (*FAIL_WITHOUT_TOKEN, *feeds)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "timeout_seconds": {"type": "int", "default": 0},
            "decisive": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["root"])
    deployment = (root / "current").readlink().name if (root / "current").is_symlink() else ""
    deadline = time.monotonic() + module.params["timeout_seconds"]
    while True:
        health, silence = ask(module, root)
        reasons = [silence] if silence else complaints(health, deployment, module.params["decisive"])
        if not reasons or time.monotonic() >= deadline:
            break
        time.sleep(PAUSE_SECONDS)
    if reasons:
        module.fail_json(msg="The harvester is not well: " + "; ".join(reasons), deployment=deployment, health=health)
    module.exit_json(deployment=deployment, health=health, waits_for_token=lacks_token(health))


if __name__ == "__main__":
    main()
