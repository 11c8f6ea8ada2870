"""The configuration file: where it is, and its one reader."""

import hashlib
import json
import os
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.base.market import enter
from harvester.base.validation import Refused, validate
from harvester.config.rules import read_resolved, split_rules
from harvester.config.settings import Settings, resolve_symbols

DEFAULT_PATH = Path("/etc/harvester/config.json")
PATH_VARIABLE = "HARVESTER_CONFIG"


class NotRecordingError(ConfigError):
    """The configuration says `records: false`: this host watches others, and has neither symbols nor a broker."""


def settings_path(option: Path | None = None) -> Path:
    """The file in force: the --config option, else $HARVESTER_CONFIG, else /etc/harvester/config.json."""
    return option or Path(os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)


def find_settings(path: Path | None = None) -> Settings | None:
    """Like `load_settings`; None where nobody names a file and the usual one is not there, and on a host that records
    nothing.
    """
    found = settings_path(path)
    if path is None and not os.environ.get(PATH_VARIABLE) and not found.exists():
        return None
    try:
        return load_settings(found)
    except NotRecordingError:
        return None


def find_lake(path: Path | None = None) -> Path:
    """The lake of this host. Raises ConfigError on a machine without a configuration."""
    settings = find_settings(path)
    if settings is None:
        raise ConfigError(
            "There is no host's configuration here. Name a lake (export: --lake DIR), or a configuration with --config."
        )
    return settings.lake_dir


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the configuration file. Raises ConfigError naming file, key and rule."""
    settings = read_settings(path)
    kept = read_resolved(settings.master_dir) if settings.rules else None
    return resolve_symbols(settings, kept.symbols_of(settings.rules)) if kept else settings


def read_settings(path: Path | None = None) -> Settings:
    """The same as it is written, without the symbols that its rules stand for. Its market is in force from here on."""
    path = settings_path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: the configuration cannot be read ({error.strerror}). Give its path with --config or in"
            f" ${PATH_VARIABLE}, or deploy it with ./inv deploy."
        ) from error
    settings = parse_settings(text, path)
    enter(settings.market)
    return settings


def parse_settings(text: bytes, path: Path) -> Settings:
    """Check the bytes of a configuration file. Raises ConfigError."""
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: not valid JSON: {error}. Correct the file and run harvester config check."
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the file must hold one JSON object with keys such as symbols and broker.")
    if data.get("records") is False:
        raise NotRecordingError(f"{path}: this host records nothing (records is false), so there is nothing to go by.")
    try:
        return validate(Settings, split_rules(data))
    except Refused as refused:
        raise ConfigError(f"{path}: the configuration is refused:\n{refused}") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"the key {min(twice)!r} is set twice")
    return dict(pairs)


def config_hash(path: Path) -> str:
    """First 12 hex digits of the SHA-256 of the file's bytes: names a configuration in status, health and journal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
