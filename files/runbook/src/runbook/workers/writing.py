"""Answers become files that git ignores, beside the inventory: variables of the host, and secrets of mode 0600."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from harvester.base.errors import ConfigError
from harvester.base.files import replace_file
from harvester.base.redaction import register_text
from harvester.workers.door.tokens import Tokens
from runbook.console.variables import blocks, differing, merge, read_variables
from runbook.fleet.inventory import Host
from runbook.tokens.places import channels_of, place_of
from runbook.workers.questions import DRIVE, LAST, NEW, NO, REMOTE, ROTATE, YES, Answers, Known

PRIVATE = ".worker"
"""Beside the variables; Ansible reads nothing whose name begins with a dot."""
LOGIN, TOKENS, CHANNELS = "drive-token", "door-tokens", "channels"
ON_HOST = "/var/lib/harvester-overseer/drive-token"
HEAD = "---\n# Written by configure --worker; git ignores it. What you edit stays, unless an answer changes it.\n"


class Places(NamedTuple):
    """Where answers are written for one host."""

    variables: Path
    private: Path


def places_for(inventory: Path, host: str) -> Places:
    """`inventory` is a folder."""
    beside = inventory / "host_vars" / host
    return Places(beside / "workers.yml", beside / PRIVATE)


def read_known(host: Host, places: Places) -> Known:
    """What there is already. Raises ConfigError for files that cannot be used."""
    login, tokens = places.private / LOGIN, places.private / TOKENS
    if tokens.exists():
        Tokens(tokens)
    lines = (
        [tuple(line.split()) for line in tokens.read_text("utf-8").splitlines() if line.strip()]
        if tokens.exists()
        else []
    )
    return Known(
        variables=host.variables,
        login=login.read_text("utf-8").strip() if login.exists() else "",
        tokens=[(words[0], words[1]) for words in lines],
        channels=(places.private / CHANNELS).exists(),
    )


def write(answers: Answers, host: Host, known: Known, places: Places) -> list[Path]:
    """Write what differs from what is there; the files that were written. Raises ConfigError."""
    written = [
        *_write_secret(places.private / LOGIN, f"{answers.login}\n" if answers.login else ""),
        *_write_secret(places.private / TOKENS, _tokens(answers, known)),
        *_write_secret(places.private / CHANNELS, _channels(answers, places.private / CHANNELS)),
    ]
    path = places.variables
    new = HEAD + "".join(
        yaml.safe_dump({key: value}, sort_keys=False) for key, value in _variables(answers, host, known, places).items()
    )
    before, after = read_variables(path), yaml.safe_load(new)
    old = path.read_text("utf-8") if path.exists() else ""
    text = merge(old, new, differing(before, after, set(after))) if blocks(old) else new
    if text != old:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
        written.append(path)
    return written


def _variables(answers: Answers, host: Host, known: Known, places: Places) -> dict[str, Any]:
    """The variables as they are to be; what no question asks for stays as it is known."""
    worker = {"name": answers.worker, "mailbox": answers.mailbox, "notebook": answers.notebook or None}
    others = [one for one in known.workers if one.get("name") != answers.worker]
    own = next((one for one in known.workers if one.get("name") == answers.worker), {})
    entry = {key: value for key, value in {**own, **worker}.items() if value is not None}
    position = [one.get("name") for one in known.workers].index(answers.worker) if own else len(others)
    settings = {**(known.variables.get("overseer_settings") or {})}
    settings["workers"] = [*others[:position], entry, *others[position:]]
    found: dict[str, Any] = {"harvester_records": answers.records == YES, "overseer_settings": settings}
    if answers.login:
        stored = place_of(host, "rclone_token") or f"file:{ON_HOST}"
        secrets_of = dict(known.variables.get("rclone_secrets") or {})
        found["rclone_remotes"] = {**known.remotes, DRIVE: known.remotes.get(DRIVE) or dict(REMOTE)}
        found["rclone_secrets"] = {**secrets_of, DRIVE: secrets_of.get(DRIVE) or {"token": stored}}
    found["overseer_door"] = answers.door == YES
    found["overseer_door_tokens_file"] = "" if answers.door == NO else str((places.private / TOKENS).resolve())
    found["overseer_sync"] = _synced(answers, known)
    found["overseer_champion"] = answers.champion
    found["overseer_code"] = {"folder": answers.code, "user": answers.code_user} if answers.code else {}
    return found


def _synced(answers: Answers, known: Known) -> list[dict[str, Any]]:
    """Champion and logs as answered, where the mailbox is a remote of rclone's; all other entries as they are."""
    kept = [dict(entry) for entry in known.variables.get("overseer_sync") or ()]
    if answers.mailbox.startswith(("/", "s3://")):
        return kept
    base = answers.mailbox if answers.mailbox.endswith((":", "/")) else f"{answers.mailbox}/"
    wanted = {
        "champion-up": (answers.champion, {"to": f"{base}multiverse_champion.pkl", "verb": "copyto"}),
        "logs-up": (answers.logs, {"to": f"{base}logs", "max_age": "24h"}),
    }
    for name, (source, more) in wanted.items():
        before = next((entry for entry in kept if entry.get("name") == name), None)
        if source and before:
            before["from"] = source
        elif source:
            kept.append({"name": name, "from": source, **more})
        elif before:
            kept.remove(before)
    return kept


def _tokens(answers: Answers, known: Known) -> str:
    """The door's tokens; empty: they stay as they are."""
    lines = list(known.tokens)
    if answers.door == NO:
        return ""
    if answers.door_token in (NEW, ROTATE):
        made = secrets.token_hex(32)
        register_text(made)
        lines.append((answers.worker, made))
    if answers.door_token == LAST:
        newest = [line for line in lines if line[0] == answers.worker][-1]
        lines = [line for line in lines if line[0] != answers.worker or line == newest]
    return "".join(f"{worker} {token}\n" for worker, token in lines)


def _channels(answers: Answers, path: Path) -> str:
    """The alert channels with this bot's in the place of another one of Telegram; empty: they stay as they are."""
    if answers.channel is None:
        return ""
    before = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = [line for line in before if not line.startswith("tgram://")]
    return "\n".join([*kept, answers.channel.get_secret_value()]) + "\n"


def _write_secret(path: Path, text: str) -> list[Path]:
    if not text or (path.exists() and path.read_text("utf-8") == text):
        return []
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, text, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Correct its folder, and begin again."
        ) from None
    return [path]


def next_steps(answers: Answers, host: Host, places: Places, inventory: str, written: Sequence[Path]) -> list[str]:
    """The commands that bring to the host what was written, in order."""
    steps = []
    for name, stored, secret, file, owner in (
        (LOGIN, place_of(host, "rclone_token"), "rclone-token", ON_HOST, "harvester-overseer"),
        (CHANNELS, _in_aws(channels_of(host)), "channels", channels_of(host).removeprefix("file:"), "harvester-alert"),
    ):
        path = places.private / name
        if path not in written:
            continue
        if stored:
            steps.append(f"./inv secret-put --name {secret} --inventory {inventory} < {path}")
        else:
            install = f"sudo install -o {owner} -g {owner} -m 600 /dev/stdin {file}"
            steps.append(f"after the first deploy: ssh {host.address} '{install}' < {path}")
    steps.append(f"./inv site --inventory {inventory}")
    if answers.door == YES:
        steps.append(f"give the worker its token, the last line of {answers.worker} in {places.private / TOKENS}")
    return steps


def _in_aws(place: str) -> str | None:
    return None if place.startswith("file:") else place
