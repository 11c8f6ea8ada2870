#!/usr/bin/python
"""Ansible module: directories, whole files and absent paths of a host, in one round trip."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_files
short_description: Directories, whole files and absent paths in one round trip
description:
  - Creates directories, then writes files whole and atomically, then removes what must be absent.
  - Files that name the same validation are replaced together once they passed it, in the order of their first.
options:
  directories:
    description: Directories with path, mode, owner and group.
    type: list
    elements: dict
    default: []
  files:
    description:
      - Files with path, content, mode, owner, group, validate and frozen.
      - C(validate) is a command in which C({paths}) stands for the changed files that name the same command,
        staged in one directory under their final names.
      - C(frozen), if not empty, is the reason for which a difference of this file is an error instead of a change.
    type: list
    elements: dict
    default: []
  absent:
    description: Files that must not exist.
    type: list
    elements: path
    default: []
  links:
    description: Symbolic links with their targets, replaced atomically.
    type: dict
    default: {}
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Limit the journal
  host_files:
    directories:
      - {path: /etc/systemd/journald.conf.d, mode: "0755", owner: root, group: root}
    files:
      - path: /etc/systemd/journald.conf.d/host.conf
        content: "{{ lookup('ansible.builtin.template', 'journald.conf.j2') }}"
        mode: "0644"
        owner: root
        group: root
"""

RETURN = r"""
paths:
  description: What differed and was (or, in check mode, would be) put right.
  returned: always
  type: list
  elements: str
"""

ATTRIBUTES = {"path": {"type": "path", "required": True}, "mode": {"type": "str", "required": True},
              "owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"}}  # fmt: skip
TEXT = {"type": "str", "default": ""}
FILE = {**ATTRIBUTES, "content": {"type": "str", "required": True}, "validate": TEXT, "frozen": TEXT}


def read_text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


class HostFiles:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.paths: list[str] = []
        self.diffs: list[dict[str, str]] = []

    def note(self, path: str, before: str, after: str) -> None:
        if path not in self.paths:
            self.paths.append(path)
        self.diffs.append({"before": before, "after": after, "before_header": path, "after_header": path})

    def attributes_differ(self, wanted: dict, *, apply: bool) -> bool:
        """Owner, group and mode of an existing path; puts them right when apply is true."""
        arguments = self.module.load_file_common_arguments(wanted, path=wanted["path"])
        checking, self.module.check_mode = self.module.check_mode, self.module.check_mode or not apply
        try:
            return self.module.set_fs_attributes_if_different(arguments, False)
        finally:
            self.module.check_mode = checking

    def settle_attributes(self, wanted: dict, *, existed: bool) -> None:
        if existed and self.attributes_differ(wanted, apply=False):
            self.note(wanted["path"], "other owner, group or mode\n",
                      f"{wanted['owner']}:{wanted['group']} {wanted['mode']}\n")  # fmt: skip
        if Path(wanted["path"]).exists() and not self.module.check_mode:
            self.attributes_differ(wanted, apply=True)

    def settle_directory(self, wanted: dict) -> None:
        existed = Path(wanted["path"]).is_dir()
        if not existed:
            self.note(wanted["path"], "", "directory\n")
            if not self.module.check_mode:
                Path(wanted["path"]).mkdir(parents=True, exist_ok=True)
        self.settle_attributes(wanted, existed=existed)

    def validate(self, command: str, files: list[dict]) -> None:
        with tempfile.TemporaryDirectory(dir=self.module.tmpdir) as staging:
            staged = [self.stage(file, staging) for file in files]
            argv = [part for word in shlex.split(command) for part in (staged if word == "{paths}" else [word])]
            code, out, error = self.module.run_command(argv)
        if code:
            names = ", ".join(file["path"] for file in files)
            self.module.fail_json(msg=f"{Path(argv[0]).name} refused what was to replace {names}:\n{out}{error}")

    def stage(self, file: dict, directory: str) -> str:
        staged = Path(directory) / Path(file["path"]).name
        staged.write_text(file["content"], encoding="utf-8")
        return str(staged)

    def settle_files(self, files: list[dict]) -> None:
        before = {file["path"]: read_text(file["path"]) for file in files}
        changed = [file for file in files if before[file["path"]] != file["content"]]
        for file in changed:
            if file["frozen"]:
                self.module.fail_json(msg=f"{file['path']} differs, but must not change now: {file['frozen']}")
            self.note(file["path"], before[file["path"]] or "", file["content"])
        for command in [] if self.module.check_mode else dict.fromkeys(file["validate"] for file in changed):
            together = [file for file in changed if file["validate"] == command]
            if command:
                self.validate(command, together)
            for file in together:
                Path(file["path"]).parent.mkdir(parents=True, exist_ok=True)
                self.module.atomic_move(self.stage(file, self.module.tmpdir), file["path"])
        for file in files:
            self.settle_attributes(file, existed=before[file["path"]] is not None)

    def settle_link(self, path: str, target: str) -> None:
        link = Path(path)
        before = str(link.readlink()) if link.is_symlink() else ""
        if before == target:
            return
        self.note(path, before, f"-> {target}\n")
        if not self.module.check_mode:
            candidate = link.with_name(f".{link.name}.new")
            candidate.unlink(missing_ok=True)
            candidate.symlink_to(target)
            candidate.replace(link)

    def settle_absent(self, path: str) -> None:
        if not Path(path).is_symlink() and not Path(path).exists():
            return
        self.note(path, "present\n", "")
        if not self.module.check_mode:
            Path(path).unlink()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "dict", "default": [], "options": ATTRIBUTES},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "absent": {"type": "list", "elements": "path", "default": []},
            "links": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    host = HostFiles(module)
    for directory in module.params["directories"]:
        host.settle_directory(directory)
    host.settle_files(module.params["files"])
    for path, target in module.params["links"].items():
        host.settle_link(path, target)
    for path in module.params["absent"]:
        host.settle_absent(path)
    module.exit_json(changed=bool(host.paths), paths=host.paths, diff=host.diffs)


if __name__ == "__main__":
    main()
